"""The monitoring servers beside memegen: where their programs are, and their configurations.

The shipped files of monitoring/ are copied into the run directory; addresses, intervals and secrets are put in as text, so
that with the default ports Prometheus reads exactly what is shipped.
"""

import json
import os
import re
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.join(ROOT, ".deps/root/usr")
SHIPPED = os.path.join(ROOT, "monitoring")
RULES = ("delivery.yml", "memegen.yml", "slo.yml")


def program(name):
    """(path, working directory): unpacked servers find their pages relative to it (see script/setup)."""
    path = os.path.join(UNPACKED, "bin", name)
    if os.access(path, os.X_OK):
        return path, UNPACKED
    path = shutil.which(name)
    if not path:
        raise FileNotFoundError(f"{name} is not there; script/setup run brings it")
    return path, ROOT


def event_engine_missing():
    """Why the event store cannot run here, or None. (tools/events/chdb.c looks in the same places.)"""
    named = os.environ.get("SPY_LIBCHDB")
    if named:
        return None if os.access(named, os.R_OK) else f"SPY_LIBCHDB={named} is not there"
    machine = {"aarch64": "arm64"}.get(os.uname().machine, "x64")
    path = os.path.join(ROOT, ".deps/npm/node_modules/@chdb", f"lib-linux-{machine}-gnu/libchdb.so")
    return None if os.access(path, os.R_OK) else f"{os.path.relpath(path, ROOT)} is not there: script/setup run brings it, for x86-64"


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)


def _replace(text, old, new):
    if old not in text:
        raise ValueError(f"the shipped configuration has no {old!r} any more")
    return text.replace(old, new)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# The windows of the rules ("[5m]"), and the waits of rules and routes. What repeats does so as shipped: it would drown the rest.
_DURATION = re.compile(r"(\[|\b(?:for|group_wait|group_interval): )(\d+)([smhd])\b")
WINDOW_LEAST_S = 5  # a rate needs a few scrapes, which are a second apart where things are quick
FOR_LEAST_S = 10  # Prometheus takes five seconds from its start to the first scrape: no target is down by then


def quicken(text, factor):
    """Rules or routes whose windows and waits are so many times shorter, for one who wants to watch an alert come and go."""

    def shorter(match):
        seconds = int(match[2]) * _UNITS[match[3]]
        least = {"[": WINDOW_LEAST_S, "for: ": FOR_LEAST_S}.get(match[1], min(seconds, 1))
        return f"{match[1]}{max(least, round(seconds / factor))}s"

    return _DURATION.sub(shorter, text) if factor != 1 else text


def write_prometheus(folder, metrics, alertmanager, interval=None, quicker=1):
    """Writes prometheus.yml and its rules into folder, returns its path. Addresses are "HOST:PORT"."""
    text = _read(os.path.join(SHIPPED, "prometheus/prometheus.yml"))
    if metrics != "127.0.0.1:8000":
        text = _replace(text, "'localhost:8000'", f"'{metrics}'")
    if alertmanager != "127.0.0.1:9093":
        text = _replace(text, "'localhost:9093'", f"'{alertmanager}'")
    if interval:
        text = _replace(text, "scrape_interval: 15s", f"scrape_interval: {interval}")
        text = _replace(text, "evaluation_interval: 15s", f"evaluation_interval: {interval}")
    path = os.path.join(folder, "prometheus.yml")
    _write(path, text)
    for name in RULES:
        _write(os.path.join(folder, "rules", name), quicken(_read(os.path.join(SHIPPED, "prometheus/rules", name)), quicker))
    return path


def secret(name):
    """The value of NAME, or of the file that NAME_FILE names; "" where neither is set."""
    if os.environ.get(name):
        return os.environ[name].strip()
    path = os.environ.get(name + "_FILE")
    return _read(path).strip() if path else ""


def _without(text, key):
    """Takes the block `key:` out, up to the next line that is indented no deeper."""
    pattern = re.compile(rf"^( *){key}:\n(?:\1 +.*\n|\1- .*\n)+", re.MULTILINE)
    text, count = pattern.subn("", text)
    if count != 1:
        raise ValueError(f"the shipped configuration has no {key} any more")
    return text


def write_alertmanager(folder, slack_url="", pagerduty_key="", pagerduty_url="", watchdog_url="", quicker=1):
    """Writes alertmanager.yml into folder, returns its path. A receiver without its address or key is kept, and sends nothing."""
    text = quicken(_read(os.path.join(SHIPPED, "alertmanager/alertmanager.yml")), quicker)
    for value, key, name in ((slack_url, "slack_configs", "slack_url"), (pagerduty_key, "pagerduty_configs", "pagerduty_key")):
        path = os.path.join(folder, "secrets", name)
        if value:
            _write(path, value, 0o600)
            text = _replace(text, f"/etc/alertmanager/secrets/{name}", path)
        else:
            text = _without(text, key)
    if watchdog_url:
        text = _replace(text, "http://localhost:9095/webhook", json.dumps(watchdog_url))
    else:
        text = _without(text, "webhook_configs")
    if pagerduty_url:
        text = f"global:\n  pagerduty_url: {json.dumps(pagerduty_url)}\n\n{text}"
    path = os.path.join(folder, "alertmanager.yml")
    _write(path, text, 0o600)  # the Watchdog's address may be a secret
    return path


def prometheus_command(config, data, listen, interval=None):
    """Where rules are evaluated more often than usual, alerts are sent again as often: the first one may find no Alertmanager."""
    return [program("prometheus")[0], f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={listen}",
            f"--rules.alert.resend-delay={interval or '1m'}"]


def alertmanager_command(config, data, listen):
    # Without a cluster address, it would listen on every interface for peers.
    return [program("prometheus-alertmanager")[0], f"--config.file={config}", f"--storage.path={data}",
            f"--web.listen-address={listen}", "--cluster.listen-address=", f"--web.external-url=http://{listen}"]
