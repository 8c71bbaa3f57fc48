"""The middleware and its libmicrohttpd adaptor, over real sockets."""

import json
import os
import re
import threading
import unittest

from service import Service

PROGRAM = os.environ["MHD_SERVER"]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Case(unittest.TestCase):
    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Service(PROGRAM, *cls.ARGUMENTS)

    @classmethod
    def tearDownClass(cls):
        code = cls.service.stop()
        if code != 0:
            raise AssertionError(f"the service ended with {code}: {cls.service.said}")

    def ask(self, path, **what):
        return self.service.ask(path, **what)

    def line(self, answer, event):
        lines = [l for l in self.service.lines(answer.id) if l["event"] == event]
        self.assertEqual(len(lines), 1, self.service.lines(answer.id))
        return lines[0]

    def counted(self, key, by=1):
        """Runs on exit: that the series has grown by just so much."""
        case = self

        class Counted:
            def __enter__(self):
                self.before = case.service.requests().get(key, 0)

            def __exit__(self, kind, *_):
                if kind is None:
                    want = self.before + by
                    case.service.until(lambda: case.service.requests().get(key, 0) >= want)
                    case.assertEqual(case.service.requests().get(key, 0), want)

        return Counted()


class Answers(Case):
    def test_a_request_is_published_before_its_answer_ends(self):
        for path in ("/hello", "/status?is=204", "/big?n=200000"):
            before = self.service.requests()
            answer = self.ask(path)
            line = self.line(answer, "request_processed")  # no waiting: it is there
            route = path.split("?")[0]
            self.assertEqual(line["status_code"], answer.status)
            self.assertEqual(line["path"], route)
            self.assertEqual(line["method"], "GET")
            self.assertEqual(line["route"], route)
            self.assertEqual(line["level"], "info")
            self.assertGreaterEqual(line["duration_seconds"], 0)
            self.assertGreaterEqual(line["send_seconds"], 0)
            key = ("GET", route, str(answer.status))
            self.assertEqual(self.service.requests()[key], before.get(key, 0) + 1)

    def test_nested_lines_carry_the_request(self):
        answer = self.ask("/hello", headers=["X-Correlation-ID: nested-1"])
        nested, processed = self.line(answer, "nested"), self.line(answer, "request_processed")
        for key in ("correlation_id", "path", "method", "trace_id", "span_id"):
            self.assertEqual(nested[key], processed[key])
        self.assertEqual(nested["correlation_id"], "nested-1")

    def test_bodies_arrive_whole(self):
        with self.service.connect() as connection:
            for n in (0, 1, 1000, 65535, 65536, 65537, 131072, 3_000_000):
                answer = connection.ask(f"/big?n={n}")
                self.assertEqual(answer.header("Content-Length"), str(n))
                self.assertEqual(answer.body, bytes(ord("a") + i % 23 for i in range(23)) * (n // 23)
                                 + bytes(ord("a") + i % 23 for i in range(n % 23)))

    def test_head_has_the_length_and_no_body(self):
        with self.service.connect() as connection:
            for n in (0, 1, 100_000):
                answer = connection.ask(f"/big?n={n}", method="HEAD")
                self.assertEqual((answer.status, answer.header("Content-Length")), (200, str(n)))
                self.line(answer, "request_processed")
            self.assertEqual(connection.ask("/hello").body, b"hello")

    def test_answers_without_a_body(self):
        with self.service.connect() as connection:
            for status in (204, 304):
                self.assertEqual(connection.ask(f"/status?is={status}").status, status)
            self.assertEqual(connection.ask("/hello").body, b"hello")

    def test_the_answer_s_headers(self):
        answer = self.ask("/headers")
        self.assertEqual((answer.header("X-Good"), answer.header("X-Also")), ("yes", "yes"))
        self.assertIsNone(answer.header("X-Injected"))
        self.assertIsNone(answer.header("X-Split"))
        self.assertEqual(answer.header("Content-Type"), "text/plain")

    def test_the_first_answer_counts(self):
        answer = self.ask("/twice")
        self.assertEqual((answer.status, answer.body), (200, b"first"))
        self.assertEqual(self.line(answer, "request_processed")["status_code"], 200)

    def test_a_query_is_decoded_and_the_path_is_not(self):
        for query, wanted in (("", b"/query 0 [(absent)]"), ("?q", b"/query 0 []"), ("?q=", b"/query 0 []"),
                              ("?q=a%20b+c", b"/query 5 [a b c]"), ("?q=a%00b", b"/query 3 [a]"),
                              ("?q=1&q=2", b"/query 1 [1]")):
            self.assertEqual(self.ask("/query" + query).body, wanted)
        for path in ("/quer%79", "/query%00", "/query/../hello", "/query%2f", "//query"):
            self.assertEqual(self.ask(path).status, 404, path)

    def test_no_path_becomes_a_label(self):
        with self.counted(("GET", "unmatched", "404"), 3):
            for path in ("/nowhere", "/hello/world?x=1", '/"\\'):
                answer = self.ask(path)
                self.assertEqual(answer.status, 404)
                self.assertEqual(self.line(answer, "request_processed")["path"], path.split("?")[0])

    def test_unknown_methods_are_one(self):
        with self.counted(("other", "/hello", "200"), 2):
            for method in ("BREW", "get"):
                self.assertEqual(self.line(self.ask("/hello", method=method), "request_processed")["method"], method)

    def test_pipelined_requests_are_answered_in_order(self):
        one = "GET /query?q=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with self.service.connect() as connection:
            connection.send("".join(one % i for i in range(20)))
            for i in range(20):
                self.assertEqual(connection.read().body, f"/query {len(str(i))} [{i}]".encode())

    def test_http_1_0_closes(self):
        with self.service.connect() as connection:
            connection.send("GET /hello HTTP/1.0\r\n\r\n")
            self.assertEqual(connection.read().body, b"hello")
            self.assertTrue(connection.closed())


class Ids(Case):
    def test_a_good_id_is_kept(self):
        for good in ("a", "0-._Z", "x" * 128):
            answer = self.ask("/hello", headers=[f"X-Correlation-ID: {good}"])
            self.assertEqual(answer.id, good)
            self.line(answer, "request_processed")

    def test_a_bad_id_is_replaced(self):
        for bad in ("", "a b", 'a"b', "a\\b", "x" * 129, "y" * 10_240, "é", "a,b", "a\r\n b", "a;b", "{}"):
            answer = self.ask("/hello", headers=[f"X-Correlation-ID: {bad}"])
            self.assertRegex(answer.id, UUID, bad)
            self.line(answer, "request_processed")

    def test_none_and_two_are_replaced(self):
        self.assertRegex(self.ask("/hello").id, UUID)
        self.assertRegex(self.ask("/hello", headers=["X-Correlation-ID: a", "x-correlation-id: b"]).id, UUID)

    def test_a_trace_is_continued(self):
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        header = f"traceparent: 00-{trace}-{parent}-01"
        line = self.line(self.ask("/hello", headers=[header]), "request_processed")
        self.assertEqual(line["trace_id"], trace)
        self.assertNotEqual(line["span_id"], parent)
        for bad in ([header, header], [header.replace("00-", "ff-")], [header + "x"]):
            self.assertNotEqual(self.line(self.ask("/hello", headers=bad), "request_processed")["trace_id"], trace)


class Failures(Case):
    def check(self, path, status, error_type, message):
        with self.counted(("GET", path.split("?")[0], str(status))):
            answer = self.ask(path)
        self.assertEqual(answer.status, status)
        line = self.line(answer, "request_failed")
        self.assertEqual(line["level"], "error")
        self.assertEqual((line["status_code"], line["error_type"]), (status, error_type))
        self.assertIn(message, line["error_message"])
        self.assertGreater(len(line["traceback"]), 0)
        for frame in line["traceback"]:
            self.assertRegex(frame["address"], r"^0x[0-9a-f]+$")
        return answer

    def test_failures_are_500_with_an_id(self):
        for path, error_type, message in (("/fail", "internal", "Input/output error"),
                                          ("/named-failure", "bad_answer", 'the model said "nothing"'),
                                          ("/silent", "internal", "neither answered nor deferred"),
                                          ("/status?is=99", "internal", "outside 200 to 599"),
                                          ("/deferred?fail", "timeout", "the worker gave up")):
            with self.subTest(path=path):
                answer = self.check(path, 500, error_type, message)
                self.assertEqual(answer.header("Content-Type"), "application/json")
                body = json.loads(answer.body)
                self.assertEqual(body, {"code": "internal", "message": "The server failed to handle this request.",
                                        "details": {}, "correlation_id": answer.id})

    def test_a_host_s_own_answer(self):
        answer = self.check("/own-failure", 504, "timeout", "no answer in 10 s")
        self.assertEqual(answer.body, b'{"code":"timeout"}')


class Bodies(Case):
    ARGUMENTS = (0, 4096, 65536)

    def refused(self, answer):
        self.assertEqual(answer.status, 413)
        self.assertEqual(json.loads(answer.body)["code"], "body_too_large")
        self.assertEqual(json.loads(answer.body)["correlation_id"], answer.id)
        self.assertEqual(self.line(answer, "request_processed")["status_code"], 413)

    def test_echo(self):
        with self.service.connect() as connection:
            for body in (b"x", b"\0\r\n", b"y" * 4096):
                self.assertEqual(connection.ask("/echo", method="POST", body=body).body, body)

    def test_chunks_are_put_together(self):
        with self.service.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n")
            self.assertEqual(connection.read().body, b"hello world")
            self.assertEqual(connection.ask("/hello").body, b"hello")

    def test_bytes_are_counted(self):
        before = self.service.metrics()
        self.ask("/echo", method="POST", body=b"z" * 1000)
        after = self.service.metrics()
        for name in ("http_request_size_bytes", "http_response_size_bytes"):
            for suffix, by in (("_sum", 1000), ("_count", 1), ('_bucket{le="1024"}', 1), ('_bucket{le="256"}', 0)):
                labels = 'method="POST",route="/echo"'
                key = (f"{name}_bucket{{{labels},{suffix[8:-1]}}}" if "bucket" in suffix
                       else f"{name}{suffix}{{{labels}}}")
                self.assertIn(key, after)
                self.assertEqual(after[key] - before.get(key, 0), by, key)

    def test_too_large_is_drained_and_the_connection_lives(self):
        with self.service.connect() as connection, self.counted(("POST", "/echo", "413"), 2):
            self.refused(connection.ask("/echo", method="POST", body=b"x" * 4097))
            self.refused(connection.ask("/echo", method="POST", body=b"x" * 65536))
            self.assertEqual(connection.ask("/hello").body, b"hello")

    def test_far_too_large_closes(self):
        with self.service.connect() as connection, self.counted(("POST", "/echo", "413")):
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n")
            self.refused(connection.read())
            self.assertTrue(connection.closed())

    def test_too_many_chunks(self):
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        start = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        with self.service.connect() as connection, self.counted(("POST", "/echo", "413")):
            connection.send(start).send(chunk * 2 + b"0\r\n\r\n")
            self.refused(connection.read())
            self.assertEqual(connection.ask("/hello").body, b"hello")
        with self.service.connect() as connection, self.counted(("POST", "/echo", "413")):
            connection.send(start).send(chunk * 16 + b"1\r\nx\r\n")
            self.refused(connection.read())
            self.assertTrue(connection.closed())

    def test_expect_100_continue(self):
        head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        with self.service.connect() as connection:
            self.assertEqual(connection.send(head % 2).read().status, 100)
            self.assertEqual(connection.send("ok").read().body, b"ok")
            self.refused(connection.send(head % 5000).read())  # and no 100 before it
            self.assertTrue(connection.closed())

    def test_an_answer_before_the_body(self):
        with self.service.connect() as connection, self.counted(("POST", "/refused", "403"), 2):
            answer = connection.ask("/refused", method="POST", body=b"x" * 1000)
            self.assertEqual((answer.status, answer.body), (403, b"refused before the body"))
            self.assertEqual(connection.ask("/refused", method="POST", body=b"x" * 60000).status, 403)
            self.assertEqual(connection.ask("/hello").body, b"hello")

    def test_broken_chunks_are_400(self):
        with self.service.connect() as connection, self.counted(("POST", "/echo", "400")):
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            self.assertEqual(connection.read().status, 400)


class Gone(Case):
    ARGUMENTS = (1000,)  # libmicrohttpd may notice by time alone

    def refusals(self, reason):
        return self.service.metrics()[f'http_requests_refused_total{{reason="{reason}"}}']

    def test_headers_too_large(self):
        before = self.refusals("malformed")
        with self.service.connect() as connection:
            connection.send("GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * 100_000 + "\r\n\r\n")
            self.assertIn(connection.read().status, (413, 431))
        self.service.until(lambda: self.refusals("malformed") == before + 1)

    def test_gone_before_its_headers_were_whole(self):
        before = self.refusals("aborted")
        with self.service.connect() as connection:
            connection.send("GET /hello HTTP/1.1\r\nHost: local")
        self.service.until(lambda: self.refusals("aborted") == before + 1)

    def test_gone_in_its_body(self):
        with self.counted(("POST", "/echo", "499")), self.service.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nX-Correlation-ID: gone-1\r\n"
                            "Content-Length: 100\r\n\r\nhello")
        lines = self.service.until(lambda: self.service.lines("gone-1"))
        self.assertEqual([(l["event"], l["status_code"]) for l in lines], [("request_processed", 499)])

    def test_gone_while_its_answer_is_made(self):
        with self.counted(("GET", "/hold", "200")):
            with self.service.connect() as connection:
                connection.send("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.service.until(lambda: self.ask("/held").body == b"1")
                self.assertEqual(self.service.metrics()["http_requests_in_flight"], 1)
            self.assertEqual(self.ask("/release").body, b"1")
        self.service.until(lambda: self.service.metrics()["http_requests_in_flight"] == 0)

    def test_gone_in_its_answer(self):
        with self.counted(("GET", "/big", "200")), self.service.connect() as connection:
            connection.send("GET /big?n=50000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.more()


class Many(Case):
    def test_workers_and_counts_add_up(self):
        answered, wrong = [], []

        def client(number):
            with self.service.connect() as connection:
                for i in range(20):
                    id = f"client-{number}-{i}"
                    path = ("/deferred", "/hello", "/echo", "/nowhere")[i % 4]
                    answer = connection.ask(path, method="POST", body=id, headers=[f"X-Correlation-ID: {id}"])
                    answered.append((path if path != "/nowhere" else "unmatched", answer.status))
                    if answer.id != id or (path in ("/deferred", "/echo") and answer.body != id.encode()):
                        wrong.append((id, answer.id, answer.body))

        before = self.service.requests()
        threads = [threading.Thread(target=client, args=(i,)) for i in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(len(answered), 64 * 20)
        after = self.service.requests()
        for path, status in sorted(set(answered)):
            key = ("POST", path, str(status))
            self.assertEqual(after[key] - before.get(key, 0), answered.count((path, status)), key)
        self.assertEqual(self.service.metrics()["http_requests_in_flight"], 0)
        lines = [l for l in self.service.lines() if l.get("correlation_id", "").startswith("client-")]
        ids = {f"client-{n}-{i}" for n in range(64) for i in range(20)}
        self.assertEqual(sorted(l["correlation_id"] for l in lines if l["event"] == "request_processed"), sorted(ids))
        self.assertEqual({l["correlation_id"] for l in lines if l["event"] == "worked"},
                         {id for id in ids if int(id.split("-")[2]) % 4 == 0})


class Slow(Case):
    ARGUMENTS = (1000,)

    def late(self, connection):
        answer = connection.read()
        self.assertEqual(answer.status, 408)
        self.assertEqual(json.loads(answer.body)["code"], "timeout")
        self.assertTrue(connection.closed())
        return answer

    def test_a_body_that_stops(self):
        with self.counted(("POST", "/echo", "408")), self.service.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhello")
            self.line(self.late(connection), "request_processed")

    def test_a_body_by_drops(self):
        with self.counted(("POST", "/echo", "408")), self.service.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n")
            connection.socket.settimeout(0.1)
            dropped = 0
            while not connection.left:
                try:
                    connection.send("x")
                    dropped += 1
                    connection.more()
                except TimeoutError:
                    self.assertLess(dropped, 100)
            self.late(connection)

    def test_headers_that_stop(self):
        before = self.service.metrics()['http_requests_refused_total{reason="timeout"}']
        with self.service.connect() as connection:
            connection.send("GET /hello HTTP/1.1\r\nHost: local")
            self.late(connection)
        self.service.until(
            lambda: self.service.metrics()['http_requests_refused_total{reason="timeout"}'] == before + 1)

    def test_an_answer_that_takes_longer_is_no_slow_client(self):
        with self.service.connect() as connection:
            connection.send("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.socket.settimeout(2.5)  # past the timeout, which is for silence of clients alone
            with self.assertRaises(TimeoutError):
                connection.more()
            connection.socket.settimeout(20)
            self.assertEqual(self.ask("/release").body, b"1")
            self.assertEqual(connection.read().body, b"released")


class End(unittest.TestCase):
    def test_what_was_accepted_is_answered(self):
        service = Service(PROGRAM)
        with service.connect() as connection, service.connect() as idle:
            self.assertEqual(idle.ask("/hello").status, 200)
            connection.send("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            service.until(lambda: service.ask("/held").body == b"1")
            self.assertEqual(service.stop(), 0, service.said)
            answer = connection.read()
            self.assertEqual((answer.status, answer.body), (200, b"released"))
            self.assertEqual(answer.header("Connection").lower(), "close")
            self.assertIn("held 1, drain -110", service.said)  # -ETIMEDOUT while one was held
