"""A server that answers as ClickHouse does, until it is told to be in trouble: for the delivery engine's tests.

It knows the tokens that it has seen, as a table with a deduplication window does, and holds a request to its promise: the same
token comes with the same rows, or the test has failed. It poses as an older ClickHouse, to which rows go as JSON.
"""

import gzip
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

def tls_between(folder):
    """A server's context that wants a client's certificate, and the variables of a client that it lets in."""
    def path(name):
        return os.path.join(folder, name)

    for name in ("server", "client"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path(name + ".key"), "-out", path(name + ".pem")],
                       check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path("server.pem"), path("server.key"))
    context.load_verify_locations(path("client.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    return context, {"CLICKHOUSE_CA": path("server.pem"), "CLICKHOUSE_CERT": path("client.pem"), "CLICKHOUSE_KEY": path("client.key")}


LIST = "".join(f"legacy\t{number}\n" for number in range(1, 6)).encode()


class ClickHouse:
    def __init__(self, version="22.8.1.1", port=0, tls=None):
        self.version, self.tls = version.encode(), tls
        self.lock = threading.Condition()
        self.troubles = []  # of the inserts to come, one each; then all is well
        self.known = {}  # token → numbers of its rows, from its first try on
        self.taken = set()  # tokens whose rows are stored
        self.stored = []  # numbers, in order
        self.inserts = self.asked = 0
        self.poison = None
        self.wrong = []
        self.requests = []  # (request line, headers)
        self.released = threading.Event()
        self.sockets = []
        self.server = socket.create_server(("127.0.0.1", port))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def release(self):
        """What hangs is let go, without an answer."""
        self.released.set()

    def close(self):
        self.release()
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for client in sockets:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with (self.tls.wrap_socket(client, server_side=True) if self.tls else client) as connection:
                file = connection.makefile("rb")
                while self._one(connection, file):
                    pass
        except (OSError, ssl.SSLError):
            pass

    def _one(self, connection, file):
        line = file.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while (field := file.readline().strip()):
            name, value = field.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        with self.lock:
            self.requests.append((line[1], headers))
        return self._handle(connection, line[1], headers, body)

    def _handle(self, connection, path, headers, body):
        """One request; says whether the connection goes on."""
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        if "query" in query:
            return self._insert(connection, query, body)
        with self.lock:
            self.asked += 1
        text = self.version + b"\n" if b"version()" in body else LIST if b"spyglass_migrations" in body else b""
        self._answer(connection, 200, text)
        return True

    def _answer(self, connection, status, body=b"", *headers, length=None):
        lines = [f"HTTP/1.1 {status} Status", "X-ClickHouse-Server-Display-Name: standin",
                 f"Content-Length: {len(body) if length is None else length}", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _store(self, token, numbers):
        with self.lock:
            if token is None or token not in self.taken:
                self.taken.add(token)
                self.stored += numbers
            self.lock.notify_all()

    def _insert(self, connection, query, body):
        numbers = [json.loads(json.loads(row)["properties"])["number"] for row in body.splitlines()]
        token = query.get("insert_deduplication_token", [None])[0]
        trouble = self._next_trouble()
        with self.lock:
            if token is not None and self.known.setdefault(token, numbers) != numbers:
                self.wrong.append(f"{token} came with other rows")
        if trouble is None and self.poison in numbers:
            self._answer(connection, 400, b"Code: 27. DB::Exception: Cannot parse input", "X-ClickHouse-Exception-Code: 27")
            return True
        if trouble is None or trouble.startswith("stored"):
            self._store(token, numbers)
        return self._meet(trouble or "well", connection)

    def _next_trouble(self):
        """Of an insert that has come: what is to happen to it, None for nothing."""
        with self.lock:
            self.inserts += 1
            self.lock.notify_all()
            return self.troubles.pop(0) if self.troubles else None

    def _meet(self, trouble, connection):
        return getattr(self, "_" + trouble.replace(" ", "_"))(connection)

    # What may happen to an insert; each says whether the connection goes on.

    def _well(self, connection):
        self._answer(connection, 200, b"", 'X-ClickHouse-Summary: {"written_rows":"1"}')
        return True

    def _error_500(self, connection):
        self._answer(connection, 500, b"Code: 999. DB::Exception: Keeper exception", "X-ClickHouse-Exception-Code: 999")
        return True

    def _error_429(self, connection):
        self._answer(connection, 429, b"slow down", "Retry-After: 1")
        return True

    def _too_many_parts(self, connection):
        self._answer(connection, 500, b"Code: 252. DB::Exception: Too many parts", "Retry-After: 1")
        return True

    def _garbage_after_200(self, connection):
        self._answer(connection, 200, b"\x00\xff{{{ not what an insert is answered")
        return True

    def _exception_after_200(self, connection):
        self._answer(connection, 200, b"Code: 241. DB::Exception: Memory limit exceeded\n")
        return True

    def _elsewhere(self, connection):
        self._answer(connection, 307, b"", f"Location: {self.url}/redirected")
        return True

    def _long_500(self, connection):
        self._answer(connection, 500, b"x" * (3 << 20) + b"\nCode: 999. DB::Exception: said at the end")
        return True

    def _no_http(self, connection):
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        return False

    def _reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        return False

    def _reset_in_mid_body(self, connection):
        self._answer(connection, 200, b"half", length=5000)
        return self._reset(connection)

    def _stored_and_reset(self, connection):
        return self._reset(connection)

    def _stored_and_500(self, connection):
        return self._error_500(connection)

    def _stored_and_cut(self, connection):
        self._answer(connection, 200, b"", length=10)
        return False

    def _hang(self, connection):
        self.released.wait(60)
        return False

    def _stored_and_hang(self, connection):
        return self._hang(connection)

    def until(self, wanted, seconds=60):
        """Waits until it is so, asked whenever an insert comes."""
        end = time.monotonic() + seconds
        with self.lock:
            while not wanted():
                if time.monotonic() > end:
                    raise AssertionError(f"it never came to be so: {self.inserts} inserts, {len(self.stored)} rows, {self.wrong}")
                self.lock.wait(0.2)
