"""A spyglass-events of a test's own: a data folder that goes with it, a free port, ended by its pid."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from service import ROOT, environment
from standin import TOOLS

sys.path.insert(0, os.path.join(ROOT, "script/lib"))

import stack  # noqa: E402  (script/lib)

PROGRAM = os.path.join(TOOLS, "spyglass-events")
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def missing():
    """Why there is no event store here, or None: its engine is large, and not there for every machine."""
    return stack.event_engine_missing()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        return int(self.headers["X-ClickHouse-Exception-Code"] or 0)

    @property
    def text(self):
        return self.body.decode()

    @property
    def summary(self):
        return json.loads(self.headers["X-ClickHouse-Summary"])


class EventStore:
    def __init__(self, *flags, folder=None):
        self.temporary = None if folder else tempfile.mkdtemp(prefix="spyglass-events-")
        self.folder = folder or self.temporary
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([PROGRAM, "--data", self.folder, "--listen", "127.0.0.1:0", *flags], cwd="/",
                                        env=environment(**{k: v for k, v in os.environ.items() if k == "SPY_LIBCHDB"}),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()  # it comes, or the program has ended
        if "http://" not in line:
            self.errors.seek(0)
            why = self.errors.read()
            self.close()
            raise AssertionError(f"spyglass-events did not start: {line}{why}")
        self.url = line.split()[-1]

    @property
    def sandboxed(self):
        self.errors.seek(0)
        return "no sandbox here" not in self.errors.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, query=None, body=None, method=None, path="/", headers=(), timeout=60, **params):
        """Of a query, a POST with it in the URL; else one with the body alone."""
        params = {**({"query": query} if query is not None else {}), **params}
        request = urllib.request.Request(f"{self.url}{path}" + (f"?{urllib.parse.urlencode(params)}" if params else ""),
                                         method=method or "POST", headers=dict(headers), data=body.encode() if isinstance(body, str) else body)
        try:
            with _open(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def ask(self, query, **params):
        """The text that comes, of a statement that must go well."""
        answer = self.call(query, **params)
        assert answer.status == 200, answer.body
        return answer.text

    def stop(self):
        """Asks it to end; returns its status."""
        self.process.terminate()
        return self.process.wait(30)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)
