"""A stand-in (build/tools) of a test's own: a free port, asked by HTTP, ended by its pid. Without a name: llm-standin."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

from service import PROGRAM

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(PROGRAM))), "tools")
STANDIN = os.path.join(TOOLS, "llm-standin")
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Standin:
    def __init__(self, *flags, program="llm-standin"):
        self.process = subprocess.Popen([os.path.join(TOOLS, program), *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()  # it comes, or the program has ended
        if "http://" not in line:
            self.stop()
            raise AssertionError(f"{program} did not start: {line}")
        self.base_url = line.split()[-1]
        self.root = self.base_url.removesuffix("/v1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def call(self, method, path, value=None, timeout=30):
        """(status, headers, body as JSON or, where it is none, as bytes)."""
        request = urllib.request.Request(self.root + path, method=method, data=None if value is None else json.dumps(value).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with _open(request, timeout=timeout) as answer:
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, headers, body = error.code, error.headers, error.read()
        try:
            return status, headers, json.loads(body)
        except ValueError:
            return status, headers, body

    def control(self, **settings):
        """Sets what is named; returns settings and counts."""
        status, _, value = self.call("PUT", "/control", settings) if settings else self.call("GET", "/control")
        assert status == 200, value
        return value

    def idle(self, timeout_s=20):
        """Its counts, once no request is in work."""
        end = time.monotonic() + timeout_s
        while (counts := self.control())["in_flight"]:
            assert time.monotonic() < end, counts
            time.sleep(0.02)
        return counts

    def requests(self):
        return self.call("GET", "/requests")[2]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
