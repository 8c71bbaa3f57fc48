"""Sentry's Spotlight of a test's own: on a free port, what came to it read back, ended by its pid."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../script/lib"))
import node  # noqa: E402

missing = node.spotlight_missing


class Spotlight:
    """`envelopes`: what came, each a pair (header, [(item's header, payload as JSON), …]), in the order in which it came."""

    def __init__(self):
        self.process = subprocess.Popen(
            node.spotlight_command("127.0.0.1:0"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={k: v for k, v in os.environ.items() if not k.startswith("SENTRY_")})
        line = self.process.stdout.readline().strip()  # it comes, or the program has ended
        if not line.startswith("http://127.0.0.1:"):
            self.stop()
            raise AssertionError(f"Spotlight did not start: {line}")
        self.url = line
        self.port = int(line.rpartition(":")[2])
        self.dsn = f"http://spotlight@127.0.0.1:{self.port}/1"
        self.news = threading.Condition()  # reentrant: until() calls what looks too
        self.envelopes = []
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.communicate()

    def _read(self):
        """Follows GET /stream, from its beginning: an event's data are a JSON text over one line or more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        data = []
        try:
            connection.request("GET", "/stream", headers={"Last-Event-ID": "0"})
            answer = connection.getresponse()
            while (line := answer.readline()):
                line = line.decode().rstrip("\r\n")
                if line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif not line and data:
                    header, items = json.loads("\n".join(data))
                    data = []
                    with self.news:
                        self.envelopes.append((header, [tuple(item) for item in items]))
                        self.news.notify_all()
        except (OSError, http.client.HTTPException):
            pass  # it was stopped
        finally:
            connection.close()

    def items(self, kind):
        """The payloads of all items of a type ("event", "transaction", "client_report", …) that came until now."""
        with self.news:
            return [payload for _, items in self.envelopes for header, payload in items if header["type"] == kind]

    def until(self, wanted, seconds=60):
        """Waits until wanted() is true, and returns that."""
        end = time.monotonic() + seconds
        with self.news:
            while not (value := wanted()):
                if time.monotonic() > end:
                    raise AssertionError(f"it never came; what did: {self.envelopes}")
                self.news.wait(0.2)
        return value

    def wait_for(self, kind, count=1, seconds=60):
        """The payloads of a type, once there are so many."""
        return self.until(lambda: len(found := self.items(kind)) >= count and found, seconds)
