"""From a failing LLM to a message on someone's phone, and back: memegen, Prometheus, Alertmanager as script/up --demo-incident
starts them, with the shipped rules and routes made quicker, and the stand-ins of the LLM, Slack and PagerDuty."""

import re
import unittest
import urllib.request

import running
from running import Up, eventually, get, get_json
from service import samples

# Ten times what it takes on an idle machine.
TIMEOUT_S = 240


class Alerts(unittest.TestCase):
    def incident(self, **env):
        """An incident that lasts until the test ends it."""
        up = Up("--demo-incident", INCIDENT_AFTER_S="3", INCIDENT_S="3600", **env)
        self.addCleanup(up.close)
        return up.start()

    def mend(self, up):
        request = urllib.request.Request(f"http://{up.address('LLM_STANDIN')}/control", method="PUT", data=b'{"fault": "none"}')
        running._open(request, timeout=10).close()

    def received(self, up):
        return get_json(f"http://{up.address('NOTIFY_STANDIN')}/received")["notifications"]

    def slack(self, up, status, alert):
        return [n["body"] for n in self.received(up) if n["to"] == "slack"
                and n["body"]["attachments"][0]["title"] == f"[{status}] {alert}"]

    def pages(self, up, action, alert):
        return [n["body"] for n in self.received(up) if n["to"] == "pagerduty" and n["body"]["event_action"] == action
                and n["body"]["payload"]["summary"].startswith(f"{alert}: ")]

    def test_a_failing_llm_wakes_emergency_and_tells_the_team_and_the_recovery_resolves_it(self):
        up = self.incident()
        page = eventually("PagerDuty's trigger", lambda: self.pages(up, "trigger", "HighErrorRate"), TIMEOUT_S)[0]
        self.assertEqual(page["routing_key"], "stand-in")
        self.assertEqual(page["payload"]["summary"], "HighErrorRate: High error rate in meme generation")
        self.assertEqual(page["payload"]["severity"], "critical")
        self.assertEqual(page["payload"]["custom_details"]["runbook"], "docs/runbooks.md#higherrorrate")

        critical = eventually("Slack's HighErrorRate", lambda: self.slack(up, "FIRING", "HighErrorRate"), TIMEOUT_S)[0]
        warning = eventually("Slack's ExternalServiceErrors", lambda: self.slack(up, "FIRING", "ExternalServiceErrors"), TIMEOUT_S)[0]
        for message, text in ((critical, "of the attempts of dspy-meme-gen failed"), (warning, "llm fails ")):
            self.assertEqual(message["channel"], "#memegen-alerts")
            self.assertEqual(message["attachments"][0]["color"], "danger")
            self.assertIn(text, message["attachments"][0]["text"])
        self.assertEqual(self.pages(up, "trigger", "ExternalServiceErrors"), [])

        self.mend(up)
        resolved = eventually("PagerDuty's resolve", lambda: self.pages(up, "resolve", "HighErrorRate"), TIMEOUT_S)[0]
        self.assertEqual(resolved["dedup_key"], page["dedup_key"])
        for alert in ("HighErrorRate", "ExternalServiceErrors"):
            message = eventually(f"the end of {alert}", lambda a=alert: self.slack(up, "RESOLVED", a), TIMEOUT_S)[0]
            self.assertEqual(message["attachments"][0]["color"], "good")

        self.assertIn("30 times shorter", up.text())
        for line in (r"traffic: .* INCIDENT: ", r"notification: .* PagerDuty trigger critical HighErrorRate: ",
                     r"notification: .* PagerDuty resolve critical HighErrorRate: ",
                     r"notification: .* Slack #memegen-alerts \[RESOLVED\] ExternalServiceErrors "):
            eventually(f"a line like {line}", lambda wanted=line: re.search(f"(?m)^{wanted}", up.text()))

    def test_with_the_offline_writer_to_fall_back_to_only_the_team_hears_of_it(self):
        up = self.incident(MEMEGEN_LLM_FALLBACK="offline")
        eventually("Slack's ExternalServiceErrors", lambda: self.slack(up, "FIRING", "ExternalServiceErrors"), TIMEOUT_S)
        metrics = get(f"http://{up.address('SPY_ADMIN')}/metrics").decode()
        made = {dict(labels)["status"]: value for labels, value in samples(metrics, "meme_generation_total").items()}
        self.assertGreater(made["success"], 0)
        self.assertEqual(made["error"], 0)
        firing = {a["labels"]["alertname"] for a in get_json(f"http://{up.address('PROMETHEUS_PORT')}/api/v1/alerts")["data"]["alerts"]}
        self.assertNotIn("HighErrorRate", firing)
        self.assertEqual(self.pages(up, "trigger", "HighErrorRate") + self.pages(up, "trigger", "ExternalServiceErrors"), [])


class Traffic(unittest.TestCase):
    # Histograms by their counts; the parts of resource_usage and of the pool are gauges of what is there.
    FAMILIES = ("meme_generation_seconds_count", "meme_generation_total", "meme_quality_score_count", "agent_execution_seconds_count",
                "agent_success_total", "agent_failures_total", "external_service_latency_seconds_count", "external_service_errors_total",
                "cache_operations_total", "cache_latency_seconds_count", "db_operation_latency_seconds_count", "db_pool_size",
                "db_pool_available_connections", "resource_usage", "http_request_duration_seconds_count", "http_requests_total",
                "llm_tokens_total", "llm_cost_dollars_total")

    def test_every_metric_moves(self):
        up = Up("--traffic", "--no-monitoring", TRAFFIC_RATE="10")
        self.addCleanup(up.close)
        up.start()

        def still():
            metrics = get(f"http://{up.address('SPY_ADMIN')}/metrics").decode()
            rejected = samples(metrics, "meme_generation_total")[("status", "rejected"),] > 0
            return [name for name in self.FAMILIES if not any(samples(metrics, name).values())] + ["rejected"] * (not rejected)

        try:
            eventually("a move of every metric", lambda: not still(), TIMEOUT_S)
        except AssertionError:
            self.fail(f"these do not move: {still()}\n{up.text()[-3000:]}")
        self.assertIn("Captions come from a stand-in LLM", up.text())

    def test_a_load_that_is_no_number_is_refused(self):
        up = Up("--traffic", "--no-monitoring", TRAFFIC_RATE="1000000")
        self.addCleanup(up.close)
        status, output, errors = up.run()
        self.assertEqual(status, 1, output)
        self.assertIn("TRAFFIC_RATE must be above 0 and at most 50", errors)

    def test_an_incident_without_monitoring_is_refused(self):
        up = Up("--demo-incident", "--no-monitoring")
        self.addCleanup(up.close)
        status, _, errors = up.run()
        self.assertEqual(status, 1)
        self.assertIn("--demo-incident shows alerts", errors)


if __name__ == "__main__":
    unittest.main()
