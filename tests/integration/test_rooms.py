"""What the page's rooms of logs and requests ask the admin server, over real sockets."""

import json
import os
import unittest
import urllib.parse

from service import Service

PROGRAM = os.environ["MHD_SERVER"]


class Rooms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service(PROGRAM, 0, 0, 0, 0)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        assert cls.service.stop() == 0, cls.service.said

    def logs(self, **params):
        answer = self.service.admin("/debug/logs?" + urllib.parse.urlencode(params))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        return json.loads(answer.body)

    def lines_of(self, correlation_id):
        return [entry["line"] for entry in self.logs(id=correlation_id)["lines"]]

    def make(self, correlation_id, path="/hello"):
        answer = self.service.ask(path, headers=(f"X-Correlation-ID: {correlation_id}",))
        self.assertEqual(answer.id, correlation_id)
        self.service.until(lambda: any(line["event"].startswith("request_") for line in self.lines_of(correlation_id)))

    def test_a_line_is_seen_as_it_went_to_the_log(self):
        self.make("seen.1")
        written = self.service.until(lambda: self.service.lines("seen.1"))
        for line in self.lines_of("seen.1"):
            self.assertIn(line | {"service": "mhd_server"}, written)

    def test_a_tail_has_each_line_once(self):
        next_ = self.logs()["next"]
        seen = []
        for i in range(20):
            self.make(f"tail.{i}")
            answer = self.logs(since=next_)
            self.assertEqual(answer["missed"], 0)
            seen += [entry for entry in answer["lines"] if entry["line"].get("correlation_id", "").startswith("tail.")]
            self.assertGreaterEqual(answer["next"], next_)
            next_ = answer["next"]
        processed = [entry["line"]["correlation_id"] for entry in seen if entry["line"]["event"] == "request_processed"]
        self.assertEqual(processed, [f"tail.{i}" for i in range(20)])
        numbers = [entry["number"] for entry in seen]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_hostile_text_is_text(self):
        path = "/<script>alert(1)</script>"
        self.make("hostile", path)
        self.assertEqual([line["path"] for line in self.lines_of("hostile") if "path" in line], [path])

    def test_secrets_are_masked_here_too(self):
        self.make("masked.1")
        started = [entry["line"] for entry in self.logs(text="spyglass_started", limit=1000)["lines"]]
        self.assertEqual(len(started), 1)
        self.assertIn("admin_token", started[0])
        self.assertNotIn("a token", json.dumps(self.logs(limit=1000)))

    def test_a_request_in_the_list_is_its_root_span(self):
        self.make("listed.1")
        self.make("listed.2", "/fail")

        def found():
            listed = json.loads(self.service.admin("/debug/requests").body)["requests"]
            return {request["correlation_id"]: request for request in listed if request["correlation_id"].startswith("listed.")}

        requests = self.service.until(lambda: len(found()) == 2 and found())
        self.assertEqual(requests["listed.1"]["fields"]["route"], "/hello")
        self.assertNotIn("outcome", requests["listed.1"])  # neither slow nor failed nor in the sample
        self.assertEqual(requests["listed.2"]["outcome"], "error")
        self.assertIn("error_type", requests["listed.2"]["fields"])
        one = json.loads(self.service.admin("/debug/requests/listed.2").body)
        self.assertEqual([span["root"] for span in one["spans"]], [True])
        self.assertEqual(self.service.metrics()['spyglass_traces_total{outcome="error"}'], 1)

    def test_filters(self):
        self.make("filter.1")
        self.assertEqual(self.logs(level="error", id="filter.1")["lines"], [])
        events = [entry["line"]["event"] for entry in self.logs(text="NESTED", id="filter.1")["lines"]]
        self.assertEqual(events, ["nested"])
        self.assertEqual(self.logs(text="no such text anywhere")["lines"], [])
        self.assertLessEqual(len(self.logs(limit=1)["lines"]), 1)

    def test_wrong_questions(self):
        for query in ("level=loud", "limit=0", "limit=x", "since=-1", "text=" + "x" * 257, "text=a%00b"):
            with self.subTest(query=query):
                answer = self.service.admin("/debug/logs?" + query)
                self.assertEqual(answer.status, 400)
                self.assertTrue(json.loads(answer.body)["error"])
        for path in ("/debug/requests/", "/debug/requests/no-such-id", "/debug/requests/a%2fb", "/debug/requests/" + "x" * 129,
                     "/debug/requests/%3Cscript%3E", "/debug/log", "/debug/"):
            with self.subTest(path=path):
                self.assertEqual(self.service.admin(path).status, 404)

    def test_a_request_is_found_by_its_id(self):
        self.make("found.1")
        answer = json.loads(self.service.admin("/debug/requests/found.1").body)
        self.assertIn("request_processed", [entry["line"]["event"] for entry in answer["lines"]])
        trace = answer["lines"][-1]["line"]["trace_id"]
        self.assertEqual(self.service.admin(f"/debug/requests/{trace}").status, 200)
        listed = json.loads(self.service.admin("/debug/requests").body)
        self.assertIsInstance(listed["requests"], list)

    def errors(self, correlation_id):
        answer = self.service.admin("/debug/errors")
        self.assertEqual(answer.status, 200, answer.body)
        return [group for group in json.loads(answer.body)["groups"] if group["correlation_id"] == correlation_id]

    def test_errors_are_grouped(self):
        for i in range(3):
            self.make(f"error.{i}", "/fail")
        group, = self.service.until(lambda: (found := self.errors("error.2")) and found[0]["count"] >= 3 and found)
        self.assertEqual(group["place"], "GET /fail")
        self.assertTrue(group["type"] and group["message"])
        self.assertLessEqual(group["first_seen"], group["last_seen"])
        own = [frame["function"] for frame in group["stack"] if frame["in_app"] and "function" in frame]
        self.assertTrue(own, group["stack"])
        self.assertFalse([name for name in own if name.startswith("spy_")])
        self.assertEqual(self.errors("seen.1"), [])

    def test_who_may(self):
        for path in ("/debug/errors", "/debug/logs", "/debug/requests", "/debug/requests/a"):
            with self.subTest(path=path):
                for site in ("cross-site", "same-site"):
                    self.assertEqual(self.service.admin(path, headers=(f"Sec-Fetch-Site: {site}",)).status, 403)
                self.assertEqual(self.service.admin(path, headers=("X-Forwarded-For: 1.2.3.4",)).status, 401)
                self.assertEqual(self.service.admin(path, method="POST").status, 405)
                self.assertEqual(self.service.admin(path, method="HEAD").body, b"")


if __name__ == "__main__":
    unittest.main()
