"""What clients should not send, and what becomes of it."""

import glob
import json
import os
import socket
import threading
import time
import unittest
import uuid

from service import JSON, Memegen, ROOT, samples

PATH = "/api/v1/memes"
CORPORA = os.environ.get("SPYGLASS_CORPORA") or os.path.join(os.path.dirname(ROOT), "shared/corpora")
BODY_MAX = 64 << 10
CODES = {400: {"bad_json"}, 404: {"not_found"}, 405: {"method_not_allowed"}, 408: {"timeout"}, 413: {"body_too_large"},
         415: {"unsupported_media_type"}, 422: {"invalid_field", "unknown_template", "rejected"}, 503: {"busy", "shutting_down"}}


class Input(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memegen = Memegen()

    @classmethod
    def tearDownClass(cls):
        cls.memegen.stop()

    def tearDown(self):
        self.assertIsNone(self.memegen.process.poll(), self.memegen.errors())
        self.assertEqual(self.memegen.get("/healthz").status, 200)

    def check_error(self, answer, status):
        """An error of the documented form."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        error = answer.json()
        self.assertEqual(set(error), {"code", "message", "details", "correlation_id"})
        self.assertIn(error["code"], CODES[status])
        self.assertRegex(error["message"], r"^[A-Z].*\.$")
        self.assertIsInstance(error["details"], dict)
        self.assertEqual(error["correlation_id"], answer.header("X-Correlation-ID"))
        return error

    def post(self, body, path=PATH, content_type="application/json"):
        return self.memegen.request("POST", path, {"Content-Type": content_type} if content_type else {}, body)

    def test_fields(self):
        for value, field in (
                ({}, "topic"), ({"topic": ""}, "topic"), ({"topic": " \t\n\u3000"}, "topic"), ({"topic": 1}, "topic"),
                ({"topic": None}, "topic"), ({"topic": ["x"]}, "topic"), ({"topic": "x" * 201}, "topic"),
                ({"topic": "猫" * 201}, "topic"), ({"topic": "a\0b"}, "topic"), ({"topic": "a\x1b[31mb"}, "topic"),
                ({"topic": "x", "surprise": 1}, "surprise"), ({"topic": "x", "user_id": 7}, "user_id"),
                ({"topic": "x", "user_id": ""}, "user_id"), ({"topic": "x", "user_id": "u" * 65}, "user_id"),
                ({"topic": "x", "user_id": "猫" * 43}, "user_id"), ({"topic": "x", "use_trends": "yes"}, "use_trends"),
                ({"topic": "x", "seed": -1}, "seed"), ({"topic": "x", "seed": 0.5}, "seed"),
                ({"topic": "x", "template_id": "no-such"}, "template_id"),
                ({"topic": "x", "template_id": "../../etc/passwd"}, "template_id"),
                ({"topic": "x", "style": "\x7f"}, "style"), ({"\0": 1}, None), ([], None), ("topic", None), (7, None), (None, None)):
            with self.subTest(value=value):
                error = self.check_error(self.post(json.dumps(value).encode()), 422)
                self.assertEqual(error["details"].get("field"), field)

    def test_the_longest_of_all_is_taken(self):
        for topic in ("x" * 200, "猫" * 200, "🚀" * 200, "  " + "ü" * 200 + "\n"):
            self.assertIn(self.post(json.dumps({"topic": topic, "user_id": "u" * 64}).encode()).status, (201, 422))
            answer = self.post(json.dumps({"topic": topic}).encode())
            if answer.status == 422:
                self.assertEqual(answer.json()["code"], "rejected")

    def test_not_json(self):
        for body in (b"", b"{", b"topic=x", b"{'topic':'x'}", b'{"topic":"x"} {}', b"\xef\xbb\xbf{\"topic\":\"x\"}",
                     b'{"topic":"\xff\xfe"}', b'{"topic":"\\ud800"}', b'{"topic":"x","topic":"y"}', b'{"topic":"x",}',
                     '{"topic":"x"}'.encode("utf-16"), b'{"topic":"x"}\0', b"[" * 60000, b'{"a":' * 10000):
            with self.subTest(body=body[:40]):
                self.check_error(self.post(body), 400)

    def test_content_types(self):
        good = b'{"topic":""}'
        for content_type in (None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                             "application/json; charset=latin1", "application/jsonx"):
            with self.subTest(content_type=content_type):
                self.check_error(self.post(good, content_type=content_type), 415)
        for content_type in ("application/json", "APPLICATION/JSON;charset=UTF-8", 'application/json; charset="utf-8"'):
            with self.subTest(content_type=content_type):
                self.check_error(self.post(good, content_type=content_type), 422)

    def test_unknown_paths(self):
        meme = self.memegen.make()["id"]
        for path in ("/nowhere", "/api", "/api/v1", "/api/v1/", "/api/v2/memes", f"{PATH}/", "//", "/healthz/", "/HEALTHZ",
                     f"{PATH}/{uuid.uuid4()}", f"{PATH}/{uuid.uuid4()}/image.png", f"{PATH}/{meme.upper()}",
                     f"{PATH}/{meme}/", f"{PATH}/{meme}/image.jpg", f"{PATH}/..", f"{PATH}/../../../etc/passwd",
                     f"{PATH}/..%2f..%2f..%2fetc%2fpasswd", f"{PATH}/%2e%2e/image.png", f"{PATH}/{meme}%00",
                     f"{PATH}/{meme}%00.png/image.png", f"{PATH}/1'%20OR%20'1'='1", f"{PATH}/%00", "/healthz%00",
                     "/api/v1/templates/../memes", "/api/v1/templates/%2e%2e%2f", "/api/v1/templates/no-such",
                     "/page.css/../../main.c", "/" + "a" * 4000, "/?" + "a" * 4000 + "/x/.."):
            with self.subTest(path=path[:60]):
                answer = self.memegen.get(path)
                if path.startswith("/?"):
                    self.assertEqual(answer.status, 200)
                else:
                    self.check_error(answer, 404)

    def test_methods(self):
        meme = self.memegen.make()["id"]
        for method, path, allow in (
                ("DELETE", PATH, "GET, HEAD, POST, OPTIONS"), ("PUT", f"{PATH}/{meme}", "GET, HEAD, OPTIONS"),
                ("GET", f"{PATH}/{meme}/interactions", "POST, OPTIONS"), ("POST", "/healthz", "GET, HEAD, OPTIONS"),
                ("PATCH", "/api/v1/trends", "GET, HEAD, OPTIONS"), ("BREW", "/", "GET, HEAD, OPTIONS"),
                ("get", "/healthz", "GET, HEAD, OPTIONS")):
            with self.subTest(method=method, path=path):
                answer = self.memegen.request(method, path)
                self.check_error(answer, 405)
                self.assertEqual(answer.header("Allow"), allow)

    def test_queries(self):
        for query in ("limit=0", "limit=101", "limit=-1", "limit=", "limit=1.5", "limit=x", "limit=%00", "limit=1%000",
                      "limit=99999999999999999999", "before=x", "before=0", "before=-5", "before=1e3"):
            with self.subTest(query=query):
                self.check_error(self.memegen.get(f"{PATH}?{query}"), 422)
        for query in ("limit=1", "limit=100", "before=1", "unknown=1", "&&&", "=", "%zz", "limit"):
            with self.subTest(query=query):
                answer = self.memegen.get(f"{PATH}?{query}")
                self.assertIn(answer.status, (200, 422))
        self.check_error(self.memegen.post(f"{PATH}?async=perhaps", {"topic": "x"}), 422)

    def test_too_large(self):
        big = json.dumps({"topic": "x" * (BODY_MAX + 1)}).encode()
        for size in (BODY_MAX + 1, 1 << 20):
            body = (big * 20)[:size]
            with self.subTest(size=size):
                self.check_error(self.post(body), 413)  # all of it was taken, so that the status is seen
        fits = b'{"topic":"' + b"x" * (BODY_MAX - 12) + b'"}'
        self.assertEqual(len(fits), BODY_MAX)
        self.check_error(self.post(fits), 422)

    def test_too_large_to_drain(self):
        with self.memegen.connect() as connection:
            connection.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
                            % PATH.encode())
            try:
                for _ in range(256):
                    connection.send(b"x" * 65536)
            except OSError:
                pass  # closed on us, as it should be: 16 MiB were never read
            else:
                self.assertIn(connection.socket.recv(1), (b"", b"H"))

    def test_large_headers(self):
        for size, expected in ((2000, {200}), (200000, {431, 414, 413, None})):
            with self.memegen.connect() as connection:
                try:
                    connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"a" * size + b"\r\n\r\n")
                    answer = connection.answer()
                except OSError:
                    answer = None
                self.assertIn(answer.status if answer else None, expected)

    def test_what_is_not_http(self):
        for data in (b"\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                     b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                     b"POST /api/v1/memes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 99999999999999999999\r\n\r\n",
                     b"POST /api/v1/memes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"\0" * 1000):
            with self.subTest(data=data[:40]), self.memegen.connect() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                answer = connection.answer() if connection.socket.recv(1, socket.MSG_PEEK) else None
                if answer:
                    self.assertTrue(400 <= answer.status < 500 or answer.status == 505, answer.status)

    def test_pipelined_and_chunked(self):
        body = b'{"topic":""}'
        one = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Correlation-ID: %s\r\n"
        sized = one % (PATH.encode(), b"%s") + b"Content-Length: %d\r\n\r\n%s"
        chunked = one % (PATH.encode(), b"%s") + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n7;x=y\r\n%s\r\n0\r\n\r\n"
        with self.memegen.connect() as connection:
            connection.send(sized % (b"p-1", len(body), body) + chunked % (b"p-2", body[:5], body[5:]) +
                            sized % (b"p-3", len(body), body) + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            for expected in ("p-1", "p-2", "p-3"):
                answer = connection.answer()
                self.check_error(answer, 422)
                self.assertEqual(answer.header("X-Correlation-ID"), expected)
            self.assertEqual(connection.answer().status, 200)

    def test_expect_100_continue(self):
        with self.memegen.connect() as connection:
            connection.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 12\r\n"
                            b"Expect: 100-continue\r\n\r\n" % PATH.encode())
            self.assertIn(b" 100 ", connection.file.readline())
            self.assertEqual(connection.file.readline(), b"\r\n")
            connection.send(b'{"topic":""}')
            self.check_error(connection.answer(), 422)

    def test_a_slow_client_gets_408(self):
        with self.memegen.connect(timeout=30) as connection:
            connection.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
                            % PATH.encode())
            answer = connection.answer()
            self.check_error(answer, 408)

    def test_clients_that_vanish(self):
        before = samples(self.memegen.metrics(), "http_requests_in_flight")
        request = (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
                   % PATH.encode() + b'{"topic":"gone!"}')
        for cut in list(range(1, len(request), 7)) + [len(request)] * 20:
            with self.memegen.connect() as connection:
                connection.send(request[:cut])
                if cut % 2:  # a reset, not a polite end
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        settled = 0  # looks in a row: some may not have been begun at the first
        for _ in range(1000):  # libmicrohttpd may see the end of some only when they time out, after 10 s
            now = samples(self.memegen.metrics(), "http_requests_in_flight")
            settled = settled + 1 if now == before else 0
            if settled == 20:
                return
            time.sleep(0.05)
        self.fail(f"{now} are in flight")


class Conformance(unittest.TestCase):
    def test_every_case_gets_its_status(self):
        cases = sorted(glob.glob(os.path.join(CORPORA, "json", "*.json")))
        if not cases:
            self.skipTest("corpus json not found")
        with Memegen() as memegen:
            for path in cases:
                name = os.path.basename(path)
                with open(path, "rb") as file:
                    body = file.read()
                answer = memegen.request("POST", PATH, JSON, body)
                with self.subTest(case=name):
                    if len(body) > BODY_MAX:
                        self.assertEqual(answer.status, 413)
                    elif name.startswith("n_"):
                        self.assertEqual(answer.status, 400)
                    elif name.startswith("y_"):
                        twice = name.startswith("y_object_duplicated_key")  # JSON by its grammar, and ours to refuse
                        self.assertEqual(answer.status, 400 if twice else 422)
                    else:
                        self.assertIn(answer.status, (400, 422))
                    self.assertIn(answer.json()["code"], ("bad_json", "invalid_field", "body_too_large"))
            memegen.make()
            self.assertEqual(samples(memegen.metrics(), "meme_generation_total")[(("status", "success"),)], 1)


class Full(unittest.TestCase):
    def test_a_full_queue_says_503_and_when_to_come_again(self):
        with Memegen("--workers", "1", "--queue", "2") as memegen:
            answers, lock = [], threading.Lock()

            def post():
                for _ in range(4):
                    answer = memegen.post(PATH, {"topic": "crowded"})
                    with lock:
                        answers.append(answer)

            threads = [threading.Thread(target=post) for _ in range(24)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            busy = [answer for answer in answers if answer.status == 503]
            self.assertEqual({answer.status for answer in answers}, {201, 503})
            for answer in busy:
                self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
                self.assertEqual(answer.json()["code"], "busy")
            text = memegen.metrics()
            made = sum(samples(text, "meme_generation_total").values())
            self.assertEqual(made, len(answers) - len(busy))  # what was turned away is no attempt
            self.assertEqual(samples(text, "memegen_queue_capacity")[()], 2)
            self.assertEqual(samples(text, "memegen_queue_depth")[()], 0)


if __name__ == "__main__":
    unittest.main()
