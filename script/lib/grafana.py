"""Grafana for script/up --grafana: the service of monitoring/compose.yaml, beside the Prometheus that script/up started.

Nobody packages Grafana for Debian, so it comes as a container; docker is asked for nothing else.
"""

import os
import shutil
import subprocess

import ports
import stack

COMPOSE = os.path.join(stack.SHIPPED, "compose.yaml")


def missing():
    """What keeps Grafana from being started here, as a sentence; "" where nothing does."""
    if not shutil.which("docker"):
        return "--grafana needs docker with its compose plugin, and there is no docker here."
    for command, trouble in ((["docker", "compose", "version"], "this docker has no compose plugin"),
                             (["docker", "info"], "docker's daemon does not answer")):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip() or "no message").splitlines()[-1]
            return f"--grafana needs docker with its compose plugin, and {trouble}: {said}"
    return ""


def write_secrets(folder, slack_url, pagerduty_key):
    """The two files of compose.yaml. The container's user has another id: it may read them, and nobody else gets into the folder."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    for name, value in (("slack_url", slack_url), ("pagerduty_key", pagerduty_key)):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)
        os.chmod(path, 0o644)


def environment(addresses, secrets):
    """What compose.yaml puts in, from script/up's {variable: "HOST:PORT"}."""
    host, port = ports.parse(addresses["GRAFANA_PORT"])
    at = {variable: ports.join(ports.reachable(ports.parse(address)[0]), ports.parse(address)[1])
          for variable, address in addresses.items()}
    return {**os.environ, "GRAFANA_HOST": host, "GRAFANA_PORT": str(port), "MEMEGEN_SECRETS": secrets,
            "PROMETHEUS_URL": f"http://{at['PROMETHEUS_PORT']}", "ALERTMANAGER_URL": f"http://{at['ALERTMANAGER_PORT']}",
            "MEMEGEN_ADMIN_URL": f"http://{at['SPY_ADMIN']}"}


def fetch(env):
    """Brings the image, which takes a while the first time; returns whether it is there."""
    return subprocess.run(["docker", "compose", "-f", COMPOSE, "up", "--no-start", "--no-deps", "grafana"], env=env,
                          stdin=subprocess.DEVNULL, check=False).returncode == 0


def command():
    """In the foreground: it ends, and stops its container, when it is asked to."""
    return ["docker", "compose", "-f", COMPOSE, "up", "--no-deps", "--no-log-prefix", "grafana"]
