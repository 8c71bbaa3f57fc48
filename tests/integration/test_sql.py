"""The page's SQL over real sockets: who may ask, what goes to ClickHouse (a stand-in on loopback) and what comes back of it."""

import http.server
import json
import os
import threading
import time
import unittest
import urllib.parse

from service import Connection, Service

PROGRAM = os.environ["MHD_SERVER"]
PATH = "/api/events/query"
ROWS = b'{"meta":[{"name":"1","type":"UInt8"}],"data":[[1]],"rows":1}'
LARGE = 3 << 20


class ClickHouse:
    """Answers a statement by the words in it; the version that it says can be changed."""

    def __init__(self):
        self.asked, self.version = [], b"26.7.2.1\n"
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                sql = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, dict(self.headers), sql))
                self.answer(*outer.answer(sql))

            def answer(self, status, body, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Set-Cookie", "a=b")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # the client has had enough

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://u:se%20cret@127.0.0.1:{self.server.server_address[1]}/d"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, sql):
        ours = {"X-ClickHouse-Server-Display-Name": "s"}
        if b"hold" in sql:
            self.release.wait(30)
        if b"version()" in sql:
            return 200, self.version, ours
        if b"spyglass_migrations" in sql or b"CREATE" in sql:
            return 403, b"Code: 497. DB::Exception: no rights", {**ours, "X-ClickHouse-Exception-Code": "497"}
        if b"nope" in sql:
            return 404, "Code: 47. DB::Exception: Unknown expression `nope` <b>ü</b>".encode(), {**ours, "X-ClickHouse-Exception-Code": "47"}
        if b"setting" in sql:
            return 404, b"Code: 115. DB::Exception: Unknown setting limit", {**ours, "X-ClickHouse-Exception-Code": "115"}
        if b"in mid" in sql:
            return 200, ROWS[:20] + b"Code: 60. DB::Exception: gone", {**ours, "X-ClickHouse-Exception-Code": "60"}
        if b"login" in sql:
            return 200, b"<html>Please log in</html>", {}
        if b"large" in sql:
            return 200, b'{"data":[["' + b"x" * LARGE + b'"]]}', ours
        if b"empty" in sql:
            return 200, b"", ours
        return 200, ROWS, ours

    def statements(self):
        """Those of people."""
        ours = (b"version()", b"spyglass_migrations", b"system.columns")  # what delivery asks for its own sake, at any time
        return [asked for asked in self.asked if not any(words in asked[2] for words in ours)]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def service(url):
    return Service(PROGRAM, 0, 0, 0, 0, CLICKHOUSE_URL=url, http_proxy="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")


class Sql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.clickhouse = ClickHouse()
        cls.addClassCleanup(cls.clickhouse.close)
        cls.service = service(cls.clickhouse.url)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        assert cls.service.stop() == 0, cls.service.said

    def setUp(self):
        self.clickhouse.asked.clear()

    def ask(self, sql, headers=(), path=PATH, method="POST"):
        return self.service.admin(path, method=method, headers=headers, body=sql)

    def refused(self, answer):
        self.assertEqual(answer.header("Content-Type"), "application/json")
        said = json.loads(answer.body)
        self.assertEqual(said["status"], "error")
        return said["error"]

    def test_a_statement_is_carried_with_limits(self):
        answer = self.ask("SELECT 1")
        self.assertEqual((answer.status, answer.body, answer.header("X-Spyglass-Cut")), (200, ROWS, None))
        self.assertEqual(answer.header("Content-Type"), "text/plain; charset=utf-8")
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        self.assertIsNone(answer.header("Set-Cookie"))
        (path, headers, sql), = self.clickhouse.statements()
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query)
        self.assertEqual(sql, b"SELECT 1")
        self.assertEqual(query[-1], ("readonly", "1"))
        self.assertLessEqual({("database", "d"), ("max_execution_time", "10"), ("limit", "1001"), ("default_format", "JSONCompact")}, set(query))
        self.assertEqual((headers["X-ClickHouse-User"], headers["X-ClickHouse-Key"]), ("u", "se cret"))
        self.assertNotIn("cret", path)

    def test_nothing_of_a_request_goes_along(self):
        self.ask("SELECT 1", headers=("Cookie: hidden=1", "Authorization: Bearer hidden", "X-Hidden: 1"))
        self.assertNotIn("hidden", json.dumps(self.clickhouse.statements()[0][1]).lower())

    def test_another_origin_does_not_even_ask(self):
        port = self.service.admin_port
        for header in ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.example", "Origin: null",
                       "Origin: http://localhost:1"):
            with self.subTest(header=header):
                self.assertEqual(self.ask("SELECT 1", headers=(header,)).status, 403)
        self.assertEqual(self.ask("SELECT 1", headers=("X-Forwarded-For: 1.2.3.4",)).status, 401)
        with Connection(port) as connection:
            connection.send("POST %s HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 8\r\n\r\nSELECT 1" % PATH)
            self.assertEqual(connection.read().status, 401)
        self.assertEqual(self.clickhouse.statements(), [])
        self.assertEqual(self.ask("SELECT 1", headers=("Sec-Fetch-Site: same-origin", "Origin: http://localhost")).status, 200)

    def test_what_does_not_read_is_not_asked(self):
        for sql in ("INSERT INTO t VALUES (1)", "DROP TABLE t", "KILL QUERY WHERE 1", "SET readonly = 0", "-- only a comment"):
            with self.subTest(sql=sql):
                answer = self.ask(sql)
                self.assertEqual(answer.status, 400)
                self.refused(answer)
        for sql, status in (("SELECT '" + "x" * (64 << 10) + "'", 413), (b"SELECT \xff", 400), (b"SELECT \0", 400)):
            self.assertEqual(self.ask(sql).status, status)
        self.assertEqual(self.clickhouse.statements(), [])

    def test_methods(self):
        answer = self.ask("", method="GET")
        self.assertEqual((answer.status, json.loads(answer.body)), (200, {"status": "success", "configured": True}))
        self.assertEqual(self.ask("", method="HEAD").status, 200)
        answer = self.ask("", method="DELETE")
        self.assertEqual((answer.status, answer.header("Allow")), (405, "GET, HEAD, POST"))
        self.assertEqual(self.ask("", method="GET", headers=("Sec-Fetch-Site: cross-site",)).status, 403)
        answer = self.ask("", method="POST")
        self.assertEqual((answer.status, self.refused(answer)), (400, "There is no statement."))
        self.assertEqual(self.ask("", path=PATH + "?query=DROP+TABLE+t", method="GET").status, 200)
        self.assertEqual(self.clickhouse.statements(), [])

    def test_clickhouse_s_words_are_passed_on(self):
        answer = self.ask("SELECT nope")
        self.assertEqual((answer.status, self.refused(answer)), (400, "Code: 47. DB::Exception: Unknown expression `nope` <b>ü</b>"))
        answer = self.ask("SELECT 'in mid'")
        self.assertEqual((answer.status, self.refused(answer)), (400, "Code: 60. DB::Exception: gone"))
        answer = self.ask("SELECT 'login'")
        self.assertEqual((answer.status, self.refused(answer)), (502, "ClickHouse does not answer: what answers at its address is not ClickHouse"))

    def test_an_answer_that_is_too_long_is_cut(self):
        answer = self.ask("SELECT 'large'")
        self.assertEqual((answer.status, answer.header("X-Spyglass-Cut")), (200, "bytes"))
        self.assertLessEqual(len(answer.body), 2 << 20)
        self.assertGreater(len(answer.body), 1 << 20)
        self.assertEqual(self.ask("SELECT 'empty'").body, b"")

    def test_another_server_s_version_is_asked_anew(self):
        self.ask("SELECT 1")
        self.clickhouse.version = b"18.16.1\n"
        self.addCleanup(setattr, self.clickhouse, "version", b"26.7.2.1\n")
        self.assertEqual(self.ask("SELECT 'setting'").status, 400)
        self.ask("SELECT 1")
        self.assertIn("result_overflow_mode=break", self.clickhouse.statements()[-1][0])
        self.clickhouse.version = b"26.7.2.1\n"
        self.assertEqual(self.ask("SELECT 'setting'").status, 400)
        self.ask("SELECT 1")
        self.assertIn("limit=1001", self.clickhouse.statements()[-1][0])

    def test_two_at_once_and_scrapes_between(self):
        self.ask("SELECT 1")  # its version is known now
        self.clickhouse.asked.clear()
        connections = [Connection(self.service.admin_port) for _ in range(4)]
        try:
            for connection in connections:
                connection.send(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\nSELECT 'hold'")
            self.service.until(lambda: len(self.clickhouse.statements()) == 2)
            self.assertEqual(self.service.admin("/metrics").status, 200)
            self.assertEqual(len(self.clickhouse.statements()), 2)
            self.clickhouse.release.set()
            self.assertEqual([c.read().status for c in connections], [200] * 4)
        finally:
            self.clickhouse.release.clear()
            for connection in connections:
                connection.socket.close()


class Without(unittest.TestCase):
    def test_without_clickhouse(self):
        for url, configured, status, words in (("", False, 501, "set clickhouse_url"), ("http://127.0.0.1:1", True, 502, "connection refused")):
            with self.subTest(url=url):
                one = service(url)
                self.assertEqual(json.loads(one.admin(PATH).body)["configured"], configured)
                answer = one.admin(PATH, method="POST", body="SELECT 1")
                self.assertEqual(answer.status, status)
                self.assertIn(words, json.loads(answer.body)["error"])
                one.stop()

    def test_it_stops_while_a_question_is_under_way(self):
        clickhouse = ClickHouse()
        self.addCleanup(clickhouse.close)
        one = service(clickhouse.url)
        one.until(lambda: clickhouse.asked)  # delivery's first question: a stop need not wait for its connection
        with Connection(one.admin_port) as connection:
            connection.send(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\nSELECT 'hold'")
            one.until(lambda: any(b"hold" in sql for _, _, sql in clickhouse.asked))
            started = time.monotonic()
            self.assertEqual(one.stop(), 0)
            self.assertLess(time.monotonic() - started, 12)  # a question may take 15 s


if __name__ == "__main__":
    unittest.main()
