"""The shipped alerts, end to end: a real Prometheus evaluates them, a real Alertmanager delivers them, here to stand-ins of
Slack and PagerDuty on loopback. Only the waits are shortened."""

import http.server
import json
import os
import signal
import tempfile
import threading
import time
import unittest
import urllib.request

import running
from running import eventually, get, get_json

import ports  # noqa: E402  (script/lib, by way of running)
import processes  # noqa: E402
import stack  # noqa: E402

START_TIMEOUT_S = 30


class Server:
    """An HTTP server on a free loopback port: GET answers self.body, POST is kept in self.posts as (path, JSON)."""

    def __init__(self):
        self.body, self.posts = "", []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(200, outer.body.encode(), "text/plain; version=0.0.4; charset=utf-8")

            def do_POST(self):
                outer.posts.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.reply(202 if "enqueue" in self.path else 200, b"ok", "text/plain")

            def reply(self, status, body, content_type):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


QUICKER = 60  # a window of 5 minutes is 5 seconds


class Alerts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-stack-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.service, cls.backends = Server(), Server()
        cls.addClassCleanup(cls.service.close)
        cls.addClassCleanup(cls.backends.close)
        cls.alertmanager = f"127.0.0.1:{ports.any_free('127.0.0.1')}"
        cls.prometheus = f"127.0.0.1:{ports.any_free('127.0.0.1')}"

        config = stack.write_alertmanager(
            os.path.join(cls.folder, "am"), f"http://{cls.backends.address}/services/hook", "a-routing-key",
            f"http://{cls.backends.address}/v2/enqueue", quicker=QUICKER)
        cls.start("prometheus-alertmanager",
                  stack.alertmanager_command(config, os.path.join(cls.folder, "am/data"), cls.alertmanager))

        config = stack.write_prometheus(os.path.join(cls.folder, "prom"), cls.service.address, cls.alertmanager, "1s",
                                        QUICKER)
        cls.start("prometheus", stack.prometheus_command(config, os.path.join(cls.folder, "prom/data"), cls.prometheus, "1s"))
        for address in (cls.alertmanager, cls.prometheus):
            eventually(f"{address} ready", lambda a=address: cls.ready(a), START_TIMEOUT_S)

    @staticmethod
    def ready(address):
        try:
            get(f"http://{address}/-/ready")
            return True
        except OSError:
            return False

    @classmethod
    def start(cls, name, command):
        child = processes.start(command, stack.program(name)[1], os.path.join(cls.folder, f"{name}.log"))

        def stop():
            child.send_signal(signal.SIGTERM)
            child.wait(timeout=20)

        cls.addClassCleanup(stop)

    def setUp(self):
        self.backends.posts.clear()
        self.succeeded = self.failed = self.timeouts = 0

    def work(self, succeed=0, fail=0, timeouts=0):
        """More work is seen in the next scrape."""
        self.succeeded += succeed
        self.failed += fail
        self.timeouts += timeouts
        self.service.body = (
            "# TYPE meme_generation_total counter\n"
            f'meme_generation_total{{status="success"}} {self.succeeded}\n'
            f'meme_generation_total{{status="error"}} {self.failed}\n'
            "# TYPE external_service_errors_total counter\n"
            f'external_service_errors_total{{service_name="llm",error_type="timeout"}} {self.timeouts}\n')

    def work_until(self, what, check, **work):
        def step():
            self.work(**work)
            time.sleep(0.2)
            return check()

        return eventually(what, step, 120)

    def slack(self, title):
        return [post for path, post in list(self.backends.posts)
                if path == "/services/hook" and post["attachments"][0]["title"] == title]

    def pagerduty(self, action, alert):
        return [post for path, post in list(self.backends.posts) if path == "/v2/enqueue" and post["event_action"] == action
                and post["payload"]["summary"].startswith(f"{alert}: ")]

    def test_a_critical_alert_wakes_emergency_and_tells_the_team_then_both_when_it_is_over(self):
        trigger = self.work_until("PagerDuty's trigger", lambda: self.pagerduty("trigger", "HighErrorRate"), succeed=3, fail=1)[0]
        self.assertEqual(trigger["routing_key"], "a-routing-key")
        self.assertEqual(trigger["payload"]["severity"], "critical")
        self.assertIn("High error rate in meme generation", trigger["payload"]["summary"])
        fired = self.work_until("Slack's alert", lambda: self.slack("[FIRING] HighErrorRate"), succeed=3, fail=1)[0]
        self.assertEqual(fired["channel"], "#memegen-alerts")
        self.assertEqual(fired["attachments"][0]["color"], "danger")
        self.assertIn("of the attempts of dspy-meme-gen failed", fired["attachments"][0]["text"])

        resolved = self.work_until("PagerDuty's resolve", lambda: self.pagerduty("resolve", "HighErrorRate"), succeed=3)[0]
        self.assertEqual(resolved["dedup_key"], trigger["dedup_key"])
        good = self.work_until("Slack's all-clear", lambda: self.slack("[RESOLVED] HighErrorRate"), succeed=3)[0]
        self.assertEqual(good["attachments"][0]["color"], "good")

    def test_a_warning_tells_the_team_alone(self):
        self.work_until("Slack's alert", lambda: self.slack("[FIRING] ExternalServiceErrors"), succeed=1, timeouts=2)
        self.assertEqual(self.pagerduty("trigger", "ExternalServiceErrors"), [])
        alerts = get_json(f"http://{self.alertmanager}/api/v2/alerts?filter=alertname%3D%22ExternalServiceErrors%22")
        self.assertEqual([a["labels"]["service_name"] for a in alerts], ["llm"])
        self.assertEqual([r["name"] for r in alerts[0]["receivers"]], ["DevOps Team"])
        self.work_until("Slack's all-clear", lambda: self.slack("[RESOLVED] ExternalServiceErrors"), succeed=1)

    def test_what_fails_is_not_reported_as_slow_too(self):
        alerts = [{"labels": {"alertname": name, "job": "another", "severity": severity}, "annotations": {"summary": name}}
                  for name, severity in (("HighErrorRate", "critical"), ("SlowGeneration", "warning"), ("ErrorBudgetBurnsSlowly", "warning"),
                                         ("ExternalServiceErrors", "warning"))]
        request = urllib.request.Request(f"http://{self.alertmanager}/api/v2/alerts", json.dumps(alerts).encode(),
                                         {"Content-Type": "application/json"})
        running._open(request, timeout=10).close()

        def states():
            known = get_json(f"http://{self.alertmanager}/api/v2/alerts?filter=job%3Danother")
            return {a["labels"]["alertname"]: a["status"]["state"] for a in known}

        wanted = {"HighErrorRate": "active", "ExternalServiceErrors": "active", "SlowGeneration": "suppressed",
                  "ErrorBudgetBurnsSlowly": "suppressed"}
        eventually("what is inhibited", lambda: states() == wanted)
