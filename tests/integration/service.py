"""A program under test and what it lets be seen: its answers, its log lines, its metrics."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

ANSWER_S = 20  # more than any answer takes, on a slow machine under a sanitizer
PATIENCE_MS = "20000"  # a busy machine keeps the pump from running for longer than a host's answer should wait


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        return values[0] if len(values) == 1 else None if not values else values

    @property
    def id(self):
        return self.header("X-Correlation-ID")


class Connection:
    """A socket that says just what it is told to, and reads answers by their own framing."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def more(self):
        data = self.socket.recv(1 << 16)
        self.left += data
        return bool(data)

    def _upto(self, end):
        while end not in self.left:
            if not self.more():
                raise EOFError(f"the connection closed after {self.left!r}")
        head, self.left = self.left.split(end, 1)
        return head

    def _bytes(self, n):
        while len(self.left) < n:
            if not self.more():
                raise EOFError(f"the connection closed {n - len(self.left)} bytes early")
        data, self.left = self.left[:n], self.left[n:]
        return data

    def _chunks(self):
        body = b""
        while True:
            n = int(self._upto(b"\r\n").split(b";")[0], 16)
            body += self._bytes(n)
            self._upto(b"\r\n")
            if n == 0:
                return body

    def read(self, head=False):
        lines = self._upto(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(status, headers, b"")
        if head or status < 200 or status in (204, 304):
            return answer
        if answer.header("Transfer-Encoding") == "chunked":
            answer.body = self._chunks()
        else:
            answer.body = self._bytes(int(answer.header("Content-Length")))
        return answer

    def ask(self, path, method="GET", headers=(), body=b"", head=None):
        body = body if isinstance(body, bytes) else body.encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.read(method == "HEAD" if head is None else head)

    def closed(self):
        """Whether the other side has closed, having sent no more."""
        try:
            return not self.left and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Service:
    def __init__(self, *command, **env):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(c) for c in command], stdout=self.log, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "SPY_FULL_WAIT_MS": PATIENCE_MS, **env})
        first = self.process.stderr.readline()
        ports = re.fullmatch(r"(?:ports (\d+) (\d+)|listening on (\d+), metrics on (\d+))\n", first)
        if not ports:
            raise RuntimeError(f"it did not start: {first}{self.process.stderr.read()}")
        self.port, self.admin_port = (int(p) for p in ports.groups() if p)

    def connect(self):
        return Connection(self.port)

    def ask(self, path, **what):
        with self.connect() as connection:
            return connection.ask(path, **what)

    def admin(self, path, **what):
        with Connection(self.admin_port) as connection:
            return connection.ask(path, **what)

    def lines(self, correlation_id=None):
        """The log so far: whole lines alone, each of which must be JSON."""
        self.log.seek(0)
        lines = [json.loads(line) for line in self.log.read().splitlines(keepends=True) if line.endswith(b"\n")]
        return [l for l in lines if correlation_id is None or l.get("correlation_id") == correlation_id]

    def metrics(self):
        """Name and sorted labels of each series, as Prometheus writes them → its value."""
        values = {}
        for line in self.admin("/metrics").body.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def requests(self):
        """Method, route, status → how often."""
        pattern = re.compile(r'http_requests_total\{method="(.*)",route="(.*)",status="(.*)"\}')
        found = ((pattern.fullmatch(name), value) for name, value in self.metrics().items())
        return {match.groups(): int(value) for match, value in found if match}

    def until(self, wanted, seconds=ANSWER_S):
        """Asks again until it is so: for what the other side does in its own time (a closed socket that it must see)."""
        end = time.monotonic() + seconds
        while not (value := wanted()):
            if time.monotonic() > end:
                raise AssertionError("it never came to be so")
            time.sleep(0.01)
        return value

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            self.said = self.process.communicate(timeout=ANSWER_S)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.said = self.process.communicate()[1]
        self.log.close()
        return self.process.returncode
