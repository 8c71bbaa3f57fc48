"""The admin server over real sockets: what it answers, to whom, and to how many at once."""

import json
import os
import threading
import time
import unittest

from service import Connection, Service

PROGRAM = os.environ["MHD_SERVER"]
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Case(unittest.TestCase):
    SERIES = 0

    @classmethod
    def setUpClass(cls):
        cls.service = Service(PROGRAM, 0, 0, 0, cls.SERIES)

    @classmethod
    def tearDownClass(cls):
        code = cls.service.stop()
        if code != 0:
            raise AssertionError(f"the service ended with {code}: {cls.service.said}")

    def ask(self, path, **what):
        return self.service.admin(path, **what)


class Answers(Case):
    def test_metrics(self):
        answer = self.ask("/metrics")
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, TEXT))
        self.assertTrue(answer.body.endswith(b"\n"))
        self.assertIn(b"# TYPE http_requests_refused_total counter\n", answer.body)

    def test_head_has_no_body(self):
        answer = self.ask("/metrics", method="HEAD")
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, TEXT))

    def test_a_connection_is_kept(self):
        with Connection(self.service.admin_port) as connection:
            self.assertEqual(connection.ask("/healthz", method="HEAD").header("Content-Length"), "3")
            for _ in range(5):
                self.assertEqual(connection.ask("/metrics").status, 200)
                self.assertEqual(connection.ask("/healthz").body, b"ok\n")

    def test_health(self):
        self.assertEqual(self.ask("/healthz").body, b"ok\n")
        self.assertEqual(self.ask("/readyz").body, b"ok\n")

    def test_unknown_paths(self):
        for path in ("/metrics/", "/metric", "/metrics%00", "/../metrics", "//metrics"):
            self.assertIn(self.ask(path).status, (404,) if path != "/metrics%00" else (200, 404), path)

    def test_other_methods(self):
        for method in ("POST", "DELETE", "OPTIONS", "BREW"):
            answer = self.ask("/metrics", method=method)
            self.assertEqual((answer.status, answer.header("Allow")), (405, "GET, HEAD"))

    def test_a_body_is_not_taken(self):
        with Connection(self.service.admin_port) as connection:
            connection.send("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhello")
            self.assertTrue(connection.closed())
        self.assertEqual(self.ask("/healthz").status, 200)

    def test_headers_too_large(self):
        with Connection(self.service.admin_port) as connection:
            connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * 100_000 + "\r\n\r\n")
            self.assertIn(connection.read().status, (413, 431))

    def test_pipelined(self):
        with Connection(self.service.admin_port) as connection:
            connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
            for _ in range(10):
                self.assertEqual(connection.read().body, b"ok\n")

    def test_a_scrape_by_http_1_0(self):
        with Connection(self.service.admin_port) as connection:
            connection.send("GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while connection.more():
                pass
            head, body = connection.left.split(b"\r\n\r\n", 1)
            self.assertIn(b" 200 ", head)
            self.assertNotIn(b"chunked", head)
            self.assertTrue(body.startswith(b"# HELP "))
            self.assertTrue(body.endswith(b"\n"))


class WhoMay(Case):
    def status(self, host, *headers):
        with Connection(self.service.admin_port) as connection:
            lines = ["GET /metrics HTTP/1.1", *([f"Host: {host}"] if host else []), *headers]
            connection.send("\r\n".join(lines) + "\r\n\r\n")
            answer = connection.read()
            if answer.status == 401:
                self.assertEqual(answer.header("WWW-Authenticate"), "Bearer")
                self.assertNotIn(b"# ", answer.body)
            return answer.status

    def test_from_this_machine(self):
        for host in ("localhost", f"localhost:{self.service.admin_port}", "127.0.0.1:80", "[::1]:8000"):
            self.assertEqual(self.status(host), 200, host)

    def test_under_a_foreign_name(self):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
            self.assertEqual(self.status(host), 401, host)

    def test_through_a_proxy(self):
        for header in ("Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "x-forwarded-proto: https", "Via: 1.1 proxy"):
            self.assertEqual(self.status("localhost", header), 401, header)

    def test_with_the_token(self):
        for good in ("Bearer a token", "bearer a token"):
            self.assertEqual(self.status("metrics.example", f"Authorization: {good}", "Via: 1.1 proxy"), 200)
        for bad in ("Bearer a toke", "Bearer a tokens", "Basic a token", "Bearer", "a token"):
            self.assertEqual(self.status("metrics.example", f"Authorization: {bad}"), 401, bad)

    def test_what_is_sent_twice_is_nothing(self):
        self.assertIn(self.status("localhost", "Host: localhost"), (400, 401))
        self.assertEqual(self.status("metrics.example", "Authorization: Bearer a token", "Authorization: Bearer a token"), 401)


class LogLevel(Case):
    """PUT /debug/log-level changes which lines are made, for whoever knows the token."""

    TOKEN = "Authorization: Bearer a token"
    PATH = "/debug/log-level"

    def put(self, body, *headers, method="PUT", host="localhost"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with Connection(self.service.admin_port) as connection:
            head = [f"{method} {self.PATH} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(data)}", *headers]
            connection.send("\r\n".join(head).encode() + b"\r\n\r\n" + data)
            answer = connection.read()
        return answer.status, json.loads(answer.body) if answer.header("Content-Type") == "application/json" else answer

    def levels(self):
        return json.loads(self.ask(self.PATH).body)

    def setUp(self):
        self.addCleanup(self.put, {"level": "default"}, self.TOKEN)
        self.addCleanup(self.put, {"level": "default", "module": "store"}, self.TOKEN)

    def test_of_all_and_of_one_module(self):
        before = self.levels()
        self.assertEqual(before["modules"], {})
        status, now = self.put({"level": "debug", "module": "store"}, self.TOKEN)
        self.assertEqual((status, now), (200, {"level": before["level"], "modules": {"store": "debug"}}))
        status, now = self.put({"level": "error"}, self.TOKEN)
        self.assertEqual((status, now), (200, {"level": "error", "modules": {"store": "debug"}}))
        self.assertEqual(self.levels(), now)
        status, now = self.put({"module": "store", "level": "default"}, self.TOKEN)
        self.assertEqual((status, now), (200, {"level": "error", "modules": {}}))

    def test_lines_follow(self):
        def told():
            lines = json.loads(self.ask("/debug/logs?text=log_level_changed").body)["lines"]
            return [entry["line"]["to"] for entry in lines if entry["line"].get("module") == "nobody"]

        for change in ({"level": "off"}, {"level": "debug", "module": "nobody"}, {"level": "info"},
                       {"level": "default", "module": "nobody"}):
            self.assertEqual(self.put(change, self.TOKEN)[0], 200)
        self.service.until(told)
        self.assertEqual(told(), ["default"])  # the first was made while all was off

    def test_without_the_token(self):
        before = self.levels()
        for headers in ((), ("Authorization: Bearer a toke",), ("Authorization: Basic a token",)):
            status, answer = self.put({"level": "debug"}, *headers)
            self.assertEqual((status, answer.header("WWW-Authenticate")), (401, "Bearer"), headers)
        self.assertEqual(self.levels(), before)

    def test_from_another_page(self):
        before = self.levels()
        port = self.service.admin_port
        for foreign in ("Origin: http://evil.example", "Origin: null", "Origin: http://localhost:1",
                        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):
            self.assertEqual(self.put({"level": "debug"}, self.TOKEN, foreign, host=f"localhost:{port}")[0], 403, foreign)
        twice = (f"Origin: http://localhost:{port}",) * 2
        self.assertEqual(self.put({"level": "debug"}, self.TOKEN, *twice, host=f"localhost:{port}")[0], 403)
        self.assertEqual(self.levels(), before)
        self.assertEqual(self.put({"level": "debug"}, self.TOKEN, f"Origin: http://localhost:{port}",
                                  "Sec-Fetch-Site: same-origin", host=f"localhost:{port}")[0], 200)

    def test_bad_requests(self):
        before = self.levels()
        for body in (b"", b"debug", b"{}", b"[]", b"{", {"level": "loud"}, {"level": 3}, {"level": "debug", "module": ""},
                     {"level": "debug", "module": "a b"}, {"level": "debug", "module": "x" * 64}, {"level": "debug", "x": "y"},
                     {"module": "store"}, b'{"level":"debug","level":"info"}', b'{"level":"debug"} x', b"\x00" * 8):
            status, answer = self.put(body, self.TOKEN)
            self.assertEqual((status, list(answer)), (400, ["error"]), body)
        self.assertEqual(self.put(b" " * 600 + b'{"level":"debug"}', self.TOKEN)[0], 413)
        self.assertEqual(self.levels(), before)

    def test_other_methods(self):
        for method in ("DELETE", "OPTIONS"):
            answer = self.ask(self.PATH, method=method)
            self.assertEqual((answer.status, answer.header("Allow")), (405, "GET, HEAD, PUT"))
        self.assertEqual(self.ask(self.PATH, method="HEAD").status, 200)


class Many(Case):
    SERIES = 60_000  # 8 MB: more than the sockets between a scraper and us hold

    def start_and_stall(self):
        """A scraper that begins to read and stops."""
        connection = Connection(self.service.admin_port)
        self.addCleanup(connection.socket.close)
        connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").more()
        return connection

    def test_a_large_scrape_is_whole(self):
        lines = [l for l in self.ask("/metrics").body.splitlines() if l.startswith(b"many_total{")]
        self.assertEqual(len(lines), self.SERIES)
        self.assertEqual({line.rsplit(b" ", 1)[1] for line in lines}, {b"1"})

    def test_memory_stays_the_same(self):
        def resident_kb():
            with open(f"/proc/{self.service.process.pid}/status", encoding="ascii") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

        self.ask("/metrics")
        before = resident_kb()
        for _ in range(5):
            self.ask("/metrics")
        self.assertLess(resident_kb() - before, 2048)

    def test_four_at_once_and_the_rest_wait(self):
        stalled = [self.start_and_stall() for _ in range(4)]
        started = time.monotonic()
        answer = self.ask("/metrics", headers=["X-Prometheus-Scrape-Timeout-Seconds: 0.3"])
        self.assertEqual((answer.status, answer.header("Retry-After")), (503, "1"))
        self.assertGreaterEqual(time.monotonic() - started, 0.3)
        self.assertEqual(self.ask("/healthz").status, 200)  # no slot is needed for it

        waiting = []
        thread = threading.Thread(target=lambda: waiting.append(self.ask("/metrics").status))
        thread.start()
        stalled[0].read()
        thread.join()
        self.assertEqual(waiting, [200])
        for connection in stalled[1:]:
            connection.socket.close()  # gone without a word: its slot comes back
        self.service.until(lambda: all(
            self.ask("/metrics", headers=["X-Prometheus-Scrape-Timeout-Seconds: 5"]).status == 200 for _ in range(4)))

    def test_sixteen_scrapers(self):
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(self.ask("/metrics").status)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 16)


class Stop(unittest.TestCase):
    def test_it_stops_with_scrapes_under_way(self):
        service = Service(PROGRAM, 0, 0, 0, 60_000)
        connections = []
        for i in range(6):
            connections.append(Connection(service.admin_port))
            connections[i].send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if i < 4:
                connections[i].more()  # it has one of the four slots; the last two wait
        self.assertEqual(service.stop(), 0, service.said)
        for connection in connections:
            connection.socket.close()
