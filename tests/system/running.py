"""script/up for tests: in a run directory of its own, on free ports, scraping every second."""

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "script/lib"))

START_TIMEOUT_S = 120  # a build that is not up to date is part of it
LAST_LINE = "'s log follows."

# Proxies of the environment are for the world outside.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def get(url, timeout_s=10):
    with _open(url, timeout=timeout_s) as answer:
        return answer.read()


def get_json(url):
    return json.loads(get(url))


def eventually(what, check, timeout_s=30):
    """Asks until check() is true, and returns that; fails saying what did not come."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {timeout_s} s")
        time.sleep(0.1)


def mentions(text):
    """Ids of the processes whose command line has the text in it."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if text.encode() in file.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


class Up:
    """One script/up. Everything on port 0 unless env says otherwise."""

    def __init__(self, *arguments, folder=None, **env):
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="memegen-up-")
        self.folder = folder or self.temporary.name
        self.arguments = arguments
        self.env = {**os.environ, "MEMEGEN_RUN_DIR": self.folder, "PROMETHEUS_INTERVAL": "1s", "MEMEGEN_LISTEN": "127.0.0.1:0",
                    "SPY_ADMIN": "127.0.0.1:0", "PROMETHEUS_PORT": "0", "ALERTMANAGER_PORT": "0", "CLICKHOUSE_PORT": "0"}
        self.env.pop("CLICKHOUSE_URL", None)
        for name in ("SLACK_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY", "WATCHDOG_WEBHOOK_URL", "SENTRY_DSN"):
            self.env.pop(name, None)
            self.env.pop(name + "_FILE", None)
        self.env.update(env)
        self.process = None
        self.record = {}

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def run(self):
        """Runs it to its end, for one that should not start; returns (status, stdout, stderr)."""
        done = subprocess.run([os.path.join(ROOT, "script/up"), *self.arguments], env=self.env, cwd="/", capture_output=True,
                              text=True, timeout=START_TIMEOUT_S)
        return done.returncode, done.stdout, done.stderr

    def start(self):
        """Starts it and waits for its screen."""
        with open(self.path("..", os.path.basename(self.folder) + ".out"), "wb") as out:
            self.process = subprocess.Popen([os.path.join(ROOT, "script/up"), *self.arguments], env=self.env, cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.output = out.name

        def screen():
            if self.process.poll() is not None:
                raise AssertionError(f"script/up ended with status {self.process.returncode}:\n{self.text()}")
            return LAST_LINE in self.text()

        try:
            eventually("its screen", screen, START_TIMEOUT_S)
        except AssertionError:
            self.close()
            raise
        with open(self.path("up.json"), encoding="utf-8") as file:
            self.record = json.load(file)
        return self

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def address(self, variable):
        return self.record["addresses"][variable]

    def pid(self, name):
        return self.record["children"][name]["pid"]

    def stop(self, number=signal.SIGTERM):
        """Signals it; returns its status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process and os.path.exists(self.output):
            os.unlink(self.output)
        if self.temporary:
            self.temporary.cleanup()
