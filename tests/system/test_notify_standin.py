"""The stand-in of Slack and PagerDuty: what the tests of alerts rely on. (The forms are in tests/unit/test_notice.c.)"""

import http.client
import os
import signal
import subprocess
import unittest

from standin import TOOLS, Standin

PROGRAM = os.path.join(TOOLS, "notify-standin")
PAGE = {"routing_key": "k", "event_action": "trigger", "dedup_key": "d",
        "payload": {"summary": "A: broken", "source": "memegen", "severity": "critical"}}


class StandIn(unittest.TestCase):
    def setUp(self):
        self.standin = Standin(program="notify-standin")
        self.addCleanup(self.standin.stop)

    def post(self, path, value):
        status, _, answer = self.standin.call("POST", path, value)
        return status, answer

    def received(self):
        return self.standin.call("GET", "/received")[2]

    def test_each_service_answers_as_the_real_one_and_keeps_what_came(self):
        self.assertEqual(self.post("/slack", {"text": "hello"}), (200, b"ok"))
        self.assertEqual(self.standin.process.stdout.readline()[9:], "Slack (the webhook's channel) hello\n")
        self.assertEqual(self.post("/pagerduty/v2/enqueue", PAGE),
                         (202, {"status": "success", "message": "Event processed", "dedup_key": "d"}))
        self.assertEqual(self.standin.process.stdout.readline()[9:], "PagerDuty trigger critical A: broken\n")
        received = self.received()
        self.assertEqual((received["received"], received["refused"]), (2, 0))
        self.assertEqual([(n["number"], n["to"], n["body"]) for n in received["notifications"]],
                         [(1, "slack", {"text": "hello"}), (2, "pagerduty", PAGE)])

    def test_what_the_service_would_refuse_is_refused(self):
        self.assertEqual(self.post("/slack", {})[0], 400)
        status, answer = self.post("/pagerduty/v2/enqueue", {**PAGE, "routing_key": ""})
        self.assertEqual((status, answer["errors"]), (400, ["'routing_key' is missing or blank"]))
        self.assertEqual(self.post("/webhook", {"version": "4"})[0], 400)
        self.assertEqual((self.received()["refused"], self.received()["notifications"]), (3, []))

    def test_other_paths_and_methods(self):
        for method, path, status in (("GET", "/healthz", 200), ("GET", "/slack", 405), ("PUT", "/received", 405), ("GET", "/", 404)):
            self.assertEqual(self.standin.call(method, path)[0], status, path)

    def test_the_latest_are_kept_until_they_are_forgotten(self):
        for number in range(300):
            self.post("/slack", {"text": str(number)})
        received = self.received()
        self.assertEqual((received["received"], len(received["notifications"])), (300, 256))
        self.assertEqual(received["notifications"][-1]["body"], {"text": "299"})
        self.assertEqual(self.standin.call("DELETE", "/received")[2], {"received": 0, "refused": 0, "notifications": []})

    def test_a_body_that_is_too_long_is_not_kept(self):
        self.assertEqual(self.post("/slack", {"text": "x" * 200_000})[0], 413)
        self.assertEqual(self.received()["notifications"], [])

    def test_a_client_that_goes_in_the_middle_of_a_body_hurts_nobody(self):
        client = http.client.HTTPConnection(self.standin.root.removeprefix("http://"), timeout=10)
        client.putrequest("POST", "/slack")
        client.putheader("Content-Length", "100")
        client.endheaders(b"{")
        client.close()
        self.assertEqual(self.post("/slack", {"text": "hello"})[0], 200)


class Start(unittest.TestCase):
    def run_it(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_loopback_alone(self):
        for address in ("0.0.0.0:0", "192.0.2.1:80", "127.0.0.1", "127.0.0.1:70000", ":80", "localhost:x"):
            status, _, errors = self.run_it("--listen", address)
            self.assertEqual(status, 1)
            self.assertIn(f'"{address}" is no loopback HOST:PORT', errors)

    def test_help_and_nonsense(self):
        self.assertIn("/pagerduty/v2/enqueue", self.run_it("--help")[1])
        self.assertEqual(self.run_it("--loud")[0], 2)

    def test_it_ends_when_it_is_asked_to(self):
        standin = Standin(program="notify-standin")
        self.addCleanup(standin.stop)
        standin.process.send_signal(signal.SIGTERM)
        self.assertEqual(standin.process.wait(15), 0)


if __name__ == "__main__":
    unittest.main()
