"""What stands between memegen and a real ClickHouse, and is in trouble when it is told to be."""

import http.client
import os
import sys
import urllib.parse

from service import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests/integration"))

import clickhouse_standin  # noqa: E402  (tests/integration)

# What is not an answer's own, or is made anew.
OWN_HEADERS = ("connection", "content-length", "date", "keep-alive", "transfer-encoding")


class Troubled(clickhouse_standin.ClickHouse):
    """Passes requests on to `upstream`, which may change or be gone; an insert may meet with trouble first, or after it was stored."""

    def __init__(self, upstream):
        super().__init__()
        self.upstream = upstream
        self.passed = 0  # inserts that the server has taken

    def _pass_on(self, path, headers, body):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.upstream).netloc, timeout=60)
        try:
            connection.request("POST", path, body, {k: v for k, v in headers.items() if k.startswith("x-") or k == "content-encoding"})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _handle(self, connection, path, headers, body):
        is_insert = "INSERT" in path
        trouble = self._next_trouble() if is_insert else None
        if trouble and not trouble.startswith("stored"):
            return self._meet(trouble, connection)
        try:
            status, answered, text = self._pass_on(path, headers, body)
        except (OSError, http.client.HTTPException):
            return self._reset(connection)
        with self.lock:
            self.passed += is_insert and status == 200
            self.lock.notify_all()
        if trouble:
            return self._meet(trouble, connection)
        lines = [f"{name}: {value}" for name, value in answered if name.lower() not in OWN_HEADERS]
        self._answer(connection, status, text, *lines)
        return True
