"""The page of the admin server over real sockets: its files, and its questions to Prometheus, here a stand-in on loopback."""

import http.server
import json
import os
import re
import socket
import threading
import time
import unittest
import urllib.parse

from service import Connection, Service

PROGRAM = os.environ["MHD_SERVER"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARGE = 17 << 20


class Prometheus:
    """Answers with what it was asked; a query of a name below gets what that says."""

    def __init__(self):
        self.asked = []
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("query", [""])[0]
                if query == "hold":
                    outer.release.wait(30)
                if query == "elsewhere":
                    self.send_response(302)
                    self.send_header("Location", f"http://{outer.address}/api/v1/query?query=redirected")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = json.dumps({"status": "success", "data": self.path}).encode()
                status = 200
                if query == "wrong":
                    status, body = 400, b'{"status":"error","errorType":"bad_data","error":"parse error"}'
                elif query == "login":
                    body = b"<html>Please log in</html>"
                elif query == "large":
                    body = b'{"a":"' + b"x" * LARGE + b'"}'
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
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
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def service(url):
    return Service(PROGRAM, 0, 0, 0, 0, SPY_PROMETHEUS_URL=url, http_proxy="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prometheus = Prometheus()
        cls.addClassCleanup(cls.prometheus.close)
        cls.service = service(f"http://{cls.prometheus.address}/")
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        assert cls.service.stop() == 0, cls.service.said

    def setUp(self):
        self.prometheus.asked.clear()

    def ask(self, path, **what):
        return self.service.admin(path, **what)

    def question(self, question, *, headers=(), **params):
        text = urllib.parse.urlencode({name.rstrip("_"): value for name, value in params.items()}, doseq=True)
        return self.ask(f"/api/prometheus/{question}" + (f"?{text}" if text else ""), headers=headers)

    # ---- files

    def test_every_file_comes_with_a_strict_policy(self):
        for path in ("/", "/console/app.js", "/console/style.css", "/console/icon.svg", "/api/dashboards"):
            with self.subTest(path=path):
                answer = self.ask(path)
                if answer.status == 404 and path == "/console/app.js":
                    continue  # built without uPlot
                self.assertEqual(answer.status, 200)
                policy = answer.header("Content-Security-Policy")
                self.assertTrue(policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; "), policy)
                self.assertNotIn("unsafe", policy)
                self.assertNotIn("http", policy)
                self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
                self.assertEqual(answer.header("Referrer-Policy"), "no-referrer")

    def test_the_page_is_whole_and_from_here_alone(self):
        """Each file that another one names is there, and none names another server or has a script of its own."""
        seen, to_see = set(), ["/"]
        while to_see:
            path = to_see.pop()
            seen.add(path)
            answer = self.ask(path)
            self.assertEqual(answer.status, 200, path)
            text = answer.body.decode()
            kind = answer.header("Content-Type")
            if kind.startswith("text/html"):
                self.assertIsNone(re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", text), path)
                names = re.findall(r'(?:src|href)="(/[^"#]*)"', text)
            elif kind.startswith("text/javascript") and "/uplot/" not in path:
                names = re.findall(r'\bfrom "(\.[^"]+)"', text)
                self.assertIsNone(re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b", text), path)
            else:
                names = []
            if "/uplot/" not in path:
                code = re.sub(r"^\s*//.*|http://www\.w3\.org/2000/svg", "", text, flags=re.MULTILINE)
                self.assertNotRegex(code, r"https?://", path)
            to_see += [p for p in (urllib.parse.urljoin(path, n) for n in names) if p not in seen and p not in ("/metrics", "/healthz", "/readyz")]
        self.assertIn("/console/style.css", seen)

    def test_the_dashboards_are_those_that_grafana_reads(self):
        listed = json.loads(self.ask("/api/dashboards").body)
        folder = os.path.join(ROOT, "monitoring/grafana/dashboards")
        shipped = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                raw = file.read()
            shipped[json.loads(raw)["uid"]] = raw
        self.assertEqual({board["uid"] for board in listed}, set(shipped))
        for uid, raw in shipped.items():
            self.assertEqual(self.ask(f"/api/dashboards/{uid}").body, raw)
        self.assertEqual(self.ask("/api/dashboards/other").status, 404)

    def test_files_are_only_read(self):
        self.assertEqual(self.ask("/", method="POST").status, 405)
        self.assertEqual(self.ask("/", method="HEAD").status, 200)
        self.assertEqual(self.ask("/api/prometheus/query?query=up", method="POST").status, 405)

    # ---- questions

    def test_questions_are_carried(self):
        for question, params, wanted in (
            ("query", {"query": 'up{a="ü &#+/%"}', "time": "1700000000.5"},
             "/api/v1/query?query=up%7Ba%3D%22%C3%BC%20%26%23%2B%2F%25%22%7D&time=1700000000.5&timeout=8s"),
            ("query_range", {"query": "up", "start": 1, "end": 61, "step": 15}, "/api/v1/query_range?query=up&start=1&end=61&step=15&timeout=8s"),
            ("series", {"match[]": ["a", "b"]}, "/api/v1/series?match%5B%5D=a&match%5B%5D=b"),
            ("labels", {}, "/api/v1/labels"),
            ("label/job/values", {"match[]": "up", "start": 1, "end": 2}, "/api/v1/label/job/values?match%5B%5D=up&start=1&end=2"),
            ("alerts", {}, "/api/v1/alerts"),
            ("rules", {}, "/api/v1/rules"),
        ):
            with self.subTest(question=question):
                answer = self.question(question, **params)
                self.assertEqual((answer.status, answer.header("Content-Type")), (200, "application/json"), answer.body)
                self.assertEqual(json.loads(answer.body)["data"], wanted)
                self.assertIsNone(answer.header("Set-Cookie"))

    def test_other_questions_are_not(self):
        for path in ("admin/tsdb/delete_series", "targets", "status/config", "write", "../query", "label//values", "label/a b/values",
                     "label/../values", "label/job", "query/", "", "QUERY"):
            with self.subTest(path=path):
                self.assertEqual(self.question(path).status, 404)
        for question, params in (
            ("query", {}), ("query", {"query": ""}), ("query", {"query": "up", "evil": "1"}), ("query", {"query": "x" * 8193}),
            ("query", {"query": ["up", "up"]}), ("query", {"query": "up", "timeout": "1h"}), ("query", {"query": "a\0b"}),
            ("query", {"query": b"\xff"}), ("query", {"query": "up", "time": "now"}), ("query", {"query": "up", "time": "-1"}),
            ("query_range", {"query": "up", "start": 1, "end": 2}), ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}),
            ("query_range", {"query": "up", "start": 0, "end": 11000, "step": 1}), ("query_range", {"query": "up", "start": 0, "end": 1, "step": 0}),
            ("query_range", {"query": "up", "start": 0, "end": 401 * 86400, "step": 86400}),
            ("query_range", {"query": "up", "start": 0, "end": "1e3", "step": 1}), ("series", {}), ("series", {"match[]": ["a"] * 17}), ("alerts", {"a": "b"}),
        ):
            with self.subTest(question=question, params=str(params)[:60]):
                answer = self.question(question, **params)
                self.assertEqual(answer.status, 400)
                self.assertEqual(json.loads(answer.body)["status"], "error")
        self.assertEqual(self.prometheus.asked, [])

    def test_nothing_of_a_request_goes_along(self):
        self.question("query", query="up", headers=("Cookie: secret=1", "Authorization: Bearer secret", "X-Secret: 1"))
        _, headers = self.prometheus.asked[0]
        self.assertNotIn("secret", json.dumps(headers).lower())

    def test_another_origin_does_not_even_ask(self):
        for site in ("cross-site", "same-site"):
            self.assertEqual(self.question("query", query="up", headers=(f"Sec-Fetch-Site: {site}",)).status, 403)
        self.assertEqual(self.prometheus.asked, [])
        self.assertEqual(self.question("query", query="up", headers=("Sec-Fetch-Site: same-origin",)).status, 200)

    def test_a_reverse_proxy_opens_no_door(self):
        for path in ("/", "/api/dashboards", "/api/prometheus/alerts"):
            self.assertEqual(self.ask(path, headers=("X-Forwarded-For: 1.2.3.4",)).status, 401)

    def test_prometheus_s_own_errors_are_passed_on(self):
        answer = self.question("query", query="wrong")
        self.assertEqual((answer.status, json.loads(answer.body)["error"]), (400, "parse error"))

    def test_what_is_not_prometheus_is_not(self):
        for query, status, words in (("elsewhere", 502, "is not Prometheus"), ("login", 502, "is not Prometheus"), ("large", 502, "larger than 16 MiB")):
            with self.subTest(query=query):
                answer = self.question("query", query=query)
                self.assertEqual(answer.status, status)
                self.assertIn(words, json.loads(answer.body)["error"])
        self.assertNotIn("redirected", str(self.prometheus.asked))

    def test_four_at_once_and_scrapes_between(self):
        connections = [Connection(self.service.admin_port) for _ in range(6)]
        try:
            for connection in connections:
                connection.send("GET /api/prometheus/query?query=hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.service.until(lambda: len(self.prometheus.asked) == 4)
            self.assertEqual(self.ask("/metrics").status, 200)  # nobody else waits for them
            self.assertEqual(len(self.prometheus.asked), 4)
            self.prometheus.release.set()
            self.assertEqual([c.read().status for c in connections], [200] * 6)
        finally:
            self.prometheus.release.clear()
            for connection in connections:
                connection.socket.close()


class Without(unittest.TestCase):
    def test_without_prometheus(self):
        for url, status, words in (("", 501, "No Prometheus is configured"), ("http://127.0.0.1:1", 502, "nothing listens")):
            with self.subTest(url=url):
                one = service(url)
                answer = one.admin("/api/prometheus/alerts")
                self.assertEqual(answer.status, status)
                self.assertIn(words, json.loads(answer.body)["error"])
                self.assertEqual(one.stop(), 0)

    def test_an_address_that_is_none(self):
        for url in ("ftp://a", "http://", "127.0.0.1:9090", "http://a/?x=1", "http://a b", "http://:80"):
            with self.subTest(url=url), self.assertRaisesRegex(RuntimeError, "prometheus_url cannot be used: it"):
                service(url)

    def test_it_stops_while_a_question_is_under_way(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            one = service(f"http://127.0.0.1:{silent.getsockname()[1]}")
            with Connection(one.admin_port) as connection:
                connection.send("GET /api/prometheus/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n")
                silent.accept()[0].recv(1)
                started = time.monotonic()
                self.assertEqual(one.stop(), 0)
                self.assertLess(time.monotonic() - started, 9)  # 10 s is how long a question may take
