"""A server that takes envelopes as Sentry does, strictly, until it is told to be in trouble: for the tests of what is sent there.

It holds a client to the limits that it has announced: what comes in a limited category is `wrong`. So is an envelope that is none.
"""

import gzip
import json
import re
import socket
import threading
import time

CATEGORIES = {"event": "error", "transaction": "transaction", "profile": "profile", "session": "session", "sessions": "session"}


def parse(body):
    """(header, [(item's header, payload)]) of an envelope; ValueError where it is none. (Sentry's specification, read strictly.)"""
    line, _, rest = body.partition(b"\n")
    header, items = json.loads(line), []
    while rest:
        line, _, rest = rest.partition(b"\n")
        item = json.loads(line)
        payload, end = rest[:item["length"]], rest[item["length"]:item["length"] + 1]
        if len(payload) != item["length"] or end not in (b"\n", b""):
            raise ValueError(f"an item of {item['length']} bytes does not end there")
        items.append((item, payload))
        rest = rest[item["length"] + 1:]
    return header, items


class Sentry:
    def __init__(self, port=0):
        self.lock = threading.Condition()
        self.troubles = []  # of the requests to come, one each: (status, [header lines]), or the name of a method; then all is well
        self.envelopes = []  # what was taken: (header, [(item's header, payload as bytes)], the body)
        self.refused = []  # what was answered otherwise, likewise
        self.limits = {}  # category → until when, on the monotonic clock; None is all of them
        self.wrong = []
        self.headers = []  # of requests
        self.released = threading.Event()
        self.sockets = []
        self.server = socket.create_server(("127.0.0.1", port))
        self.port = self.server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.dsn = f"http://pub1ickey:s3cretkey@127.0.0.1:{self.port}/42"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.released.set()
        for s in [self.server, *self.sockets]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client:
                file = client.makefile("rb")
                while self._one(client, file):
                    pass
        except OSError:
            pass

    def _one(self, connection, file):
        line = file.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while (field := file.readline().strip()):
            name, value = field.decode("latin-1").split(":", 1)
            if name.lower() in headers:
                self.wrong.append(f"two headers {name}")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self.lock:
            self.headers.append((line, headers))
            trouble = self.troubles.pop(0) if self.troubles else (200, [])
            try:
                envelope = (*parse(body), body)
                self._check(envelope)
            except (ValueError, KeyError) as error:
                self.wrong.append(f"{error!r}: {body[:200]}")
                envelope = ({}, [], body)
            if isinstance(trouble, str):
                self.lock.notify_all()
            else:
                (self.envelopes if trouble[0] == 200 else self.refused).append(envelope)
        if isinstance(trouble, str):
            return getattr(self, "_" + trouble)(connection)
        return self._answer(connection, *trouble)

    def _check(self, envelope):
        header, items, _ = envelope
        kinds = [item["type"] for item, _ in items]
        if sum(kind in ("event", "transaction") for kind in kinds) > 1 or ("profile" in kinds and "transaction" not in kinds):
            self.wrong.append(f"one envelope with {kinds}")
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", header["sent_at"]):
            self.wrong.append(f"sent_at is {header['sent_at']}")
        for kind in kinds:
            now = time.monotonic()
            if kind in CATEGORIES and max(self.limits.get(CATEGORIES[kind], 0), self.limits.get(None, 0)) > now:
                self.wrong.append(f"a {kind} came while that was limited")

    def _answer(self, connection, status, headers):
        body = b'{"id":"x"}' if status == 200 else b'{"detail":"in trouble"}'
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        with self.lock:
            self.lock.notify_all()
        return True

    def announce(self, seconds, *categories):
        """From its answers on, nothing of these may come; without any, nothing at all."""
        with self.lock:
            for category in categories or (None,):
                self.limits[category] = time.monotonic() + seconds

    # What may happen to a request; each says whether the connection goes on.

    def _hang(self, _):
        self.released.wait(60)
        return False

    def _reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        return False

    def _no_http(self, connection):
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        return False

    def _cut(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        return False

    # What came.

    def payloads(self, kind):
        with self.lock:
            return [json.loads(payload) for _, items, _ in self.envelopes for item, payload in items if item["type"] == kind]

    def numbers(self):
        """Of events and transactions, each once: what was answered and lost on its way back comes again."""
        return {int(payload["event_id"], 16) for kind in ("event", "transaction") for payload in self.payloads(kind)}

    def reported(self):
        """{(reason, category): quantity}, over all reports."""
        sums = {}
        for report in self.payloads("client_report"):
            for row in report["discarded_events"]:
                key = row["reason"], row["category"]
                sums[key] = sums.get(key, 0) + row["quantity"]
        return sums

    def until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        with self.lock:
            while not wanted():
                if time.monotonic() > end:
                    raise AssertionError(f"it never came to be so: {len(self.envelopes)} envelopes, {len(self.refused)} refused, {self.wrong}")
                self.lock.wait(0.2)
