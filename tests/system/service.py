"""A memegen of a test's own: free ports, a state folder that goes with it, ended by its pid."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("MEMEGEN_PROGRAM") or os.path.join(ROOT, "build/memegen/memegen")
MALLOC = os.path.join(os.path.dirname(PROGRAM), "../src/heap/libspyglass-malloc.so")  # for LD_PRELOAD
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
JSON = {"Content-Type": "application/json"}


def environment(**extra):
    """This process's, without what would configure memegen."""
    ours = ("SPY_", "MEMEGEN_", "SENTRY_", "OTEL_", "OPENAI_")
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(ours) and k not in ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")}
    return {**env, **extra}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """The value of a header; an AssertionError where it came twice, None where it is absent."""
        values = [v for k, v in self.headers if k.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


class Connection:
    """HTTP/1.1 over one socket, byte for byte: what http.client would mend or refuse can be sent too."""

    def __init__(self, address, timeout=30):
        self.socket = socket.create_connection(address, timeout)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, headers=None, body=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        return self.answer(method == "HEAD")

    def answer(self, head=False):
        """The next final answer; None where the connection has ended."""
        line = self.file.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = []
        while (line := self.file.readline().strip()):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        if status == 100:
            return self.answer(head)
        answer = Answer(status, headers, b"")
        if not head and status not in (204, 304):
            answer.body = self._body(answer)
        return answer

    def _body(self, answer):
        if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            body = b""
            while (size := int(self.file.readline().split(b";")[0], 16)) > 0:
                body += self.file.read(size)
                self.file.readline()
            self.file.readline()
            return body
        length = answer.header("Content-Length")
        body = self.file.read(int(length)) if length is not None else self.file.read()
        assert length is None or len(body) == int(length), "the body was cut off"
        return body


class Memegen:
    """log_path: a log file that memegen itself opens, and that may have lines already; else its stdout is caught."""

    def __init__(self, *flags, state_dir=None, env=None, program=PROGRAM, log_path=None):
        self.program = program
        self.kept = state_dir is not None
        self.folder = tempfile.mkdtemp(prefix="memegen-test-")
        self.state_dir = state_dir or os.path.join(self.folder, "state")
        self.log_path = log_path or os.path.join(self.folder, "log")
        flags += ("--log-file", log_path) if log_path else ()
        self.process = None
        self._start(flags, env or {})

    def _start(self, flags, env):
        out = os.path.join(self.folder, "log")
        earlier = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(out, "wb") as log, open(out + ".err", "wb") as err:
            self.process = subprocess.Popen(
                [self.program, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", self.state_dir, *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=err, env=environment(**env))
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            ready = [line for line in self.log(earlier) if line.get("event") == "memegen_ready"]
            if ready:
                break
            if self.process.poll() is not None or time.monotonic() > end:
                message = f"memegen did not get ready (status {self.process.poll()}): {self.errors()}"
                self.stop(signal.SIGKILL)
                raise AssertionError(message)
            time.sleep(0.02)
        host, _, port = ready[0]["address"].rpartition(":")
        self.address = (host, int(port))
        self.admin = ("127.0.0.1", ready[0]["admin_port"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def connect(self, timeout=30):
        return Connection(self.address, timeout)

    def request(self, method, path, headers=None, body=None):
        with self.connect() as connection:
            return connection.request(method, path, headers, body)

    def get(self, path, **headers):
        return self.request("GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, value, headers=None):
        return self.request("POST", path, {**JSON, **(headers or {})}, json.dumps(value).encode())

    def make(self, topic="rust vs c", **fields):
        answer = self.post("/api/v1/memes", {"topic": topic, **fields})
        assert answer.status == 201, answer.body
        return answer.json()

    def metrics(self):
        with Connection(self.admin) as connection:
            answer = connection.request("GET", "/metrics")
        assert answer.status == 200, answer.status
        return answer.body.decode()

    def settled_metrics(self):
        """As metrics(), once no worker has a meme in hand: it keeps the meme's timeline after the answer, on a connection of the pool."""
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            text = self.metrics()
            free = samples(text, "db_pool_available_connections") == samples(text, "db_pool_size")
            if free and samples(text, "memegen_workers_busy") == {(): 0} or time.monotonic() > end:
                return text
            time.sleep(0.02)

    def log(self, offset=0):
        """The lines so far, as objects; a last one without its newline is still being written."""
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, "rb") as file:
            file.seek(offset)
            text = file.read().decode()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def log_of(self, *ids):
        """As log(), once each of these requests has its last line: the log is a moment behind the answers."""
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            lines = self.log()
            ended = {line.get("correlation_id") for line in lines if line["event"] in ("request_processed", "request_failed")}
            if ended.issuperset(ids) or time.monotonic() > end:
                return lines
            time.sleep(0.02)

    def errors(self):
        with open(os.path.join(self.folder, "log.err"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def end(self, number=signal.SIGTERM):
        """Sends a signal and returns (exit status, seconds that it took)."""
        started = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(STOP_TIMEOUT_S)
        return status, time.monotonic() - started

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(*arguments, timeout=30, **env):
    """Runs memegen to its end: (status, stdout, stderr)."""
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env=environment(**env), check=False)
    return done.returncode, done.stdout, done.stderr


def samples(text, name):
    """The samples of one name in a scrape: {(("label", "value"), …): number}."""
    found = {}
    for line in text.splitlines():
        if line.startswith(name) and line[len(name):len(name) + 1] in ("{", " "):
            labels, _, value = line[len(name):].rpartition(" ")
            pairs = []
            for pair in labels.strip("{}").split('",'):
                key, _, label = pair.rstrip('"').partition('="')
                if key:
                    pairs.append((key, label))
            found[tuple(sorted(pairs))] = float(value)
    return found
