"""What memegen's /metrics says, held against the contract with dashboards and alerts."""

import glob
import os
import re
import shutil
import subprocess
import unittest

from prometheus_client.parser import text_string_to_metric_families

from service import Memegen, ROOT, samples

SECONDS = (.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)
AGENTS = ("router", "trend_scanner", "format_selector", "prompt_generator", "factuality", "instruction_following",
          "appropriateness", "image_renderer", "scorer", "refinement")
ERRORS = ("timeout", "refused", "status_429", "status_5xx", "bad_answer", "rejected", "internal")

# name: type, labels, buckets
CONTRACT = {
    "meme_generation_seconds": ("histogram", ("status", "template_type"), (0.1, 0.5, 1, 2, 5, 10)),
    "meme_generation_total": ("counter", ("status",), None),
    "meme_quality_score": ("histogram", (), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
    "agent_execution_seconds": ("histogram", ("agent_name",), (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)),
    "agent_success_total": ("counter", ("agent_name",), None),
    "agent_failures_total": ("counter", ("agent_name", "error_type"), None),
    "external_service_latency_seconds": ("histogram", ("service_name", "operation"), (0.1, 0.25, 0.5, 1, 2.5, 5, 10)),
    "external_service_errors_total": ("counter", ("service_name", "error_type"), None),
    "cache_operations_total": ("counter", ("operation", "cache_type"), None),
    "cache_latency_seconds": ("histogram", ("operation",), (0.001, 0.005, 0.01, 0.025, 0.05, 0.1)),
    "db_operation_latency_seconds": ("histogram", ("operation", "table"), (0.01, 0.05, 0.1, 0.25, 0.5, 1)),
    "db_pool_size": ("gauge", (), None),
    "db_pool_available_connections": ("gauge", (), None),
    "resource_usage": ("gauge", ("resource_type",), None),
    "http_request_duration_seconds": ("histogram", ("method", "route", "status"), SECONDS),
    "http_requests_total": ("counter", ("method", "route", "status"), None),
}

# label: the values that it may have; a family's own set where the name means another thing there
VALUES = {
    "status": {"success", "error", "rejected"},
    "agent_name": set(AGENTS),
    "error_type": set(ERRORS),
    "cache_type": {"template", "meme", "trend"},
    "resource_type": {"cpu", "memory", "disk"},
    ("cache_operations_total", "operation"): {"hit", "miss"},
    ("cache_latency_seconds", "operation"): {"get", "set", "delete"},
    ("db_operation_latency_seconds", "operation"): {"select", "insert", "update", "delete"},
    ("external_service_latency_seconds", "operation"): {"chat_completion", "generate"},
    "service_name": {"llm", "image"},
    "method": {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "other"},
}


def promtool():
    """Its path, or None."""
    known = [os.environ.get("SPY_PROMTOOL"), *glob.glob(os.path.join(ROOT, ".deps/**/bin/promtool"), recursive=True)]
    return next((p for p in known if p and os.access(p, os.X_OK)), None) or shutil.which("promtool")


def traffic(memegen):
    """A bit of everything."""
    for i in range(6):
        meme = memegen.make(f"topic {i}", use_trends=i % 2 == 0)
        memegen.get(f"/api/v1/memes/{meme['id']}")
        memegen.get(meme["image_url"])
    memegen.post("/api/v1/memes", {"topic": "card 4111 1111 1111 1111"})
    memegen.post("/api/v1/memes", {"topic": ""})
    memegen.get("/api/v1/memes")
    memegen.get("/api/v1/templates")
    memegen.get("/api/v1/trends")
    memegen.get("/no/such/path")
    memegen.request("DELETE", "/api/v1/memes")
    memegen.request("BREW", "/")


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memegen = Memegen()
        cls.first = cls.memegen.metrics()
        traffic(cls.memegen)
        cls.after = cls.memegen.settled_metrics()

    @classmethod
    def tearDownClass(cls):
        cls.memegen.stop()

    def families(self, text):
        return {family.name: family for family in text_string_to_metric_families(text)}

    def test_an_independent_parser_reads_both_scrapes(self):
        self.assertEqual(set(self.families(self.first)), set(self.families(self.after)))

    def test_every_family_stands_from_the_first_scrape(self):
        for text in (self.first, self.after):
            types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
            helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
            for name, (kind, _, _) in CONTRACT.items():
                self.assertEqual(types.get(name), kind, name)
                self.assertTrue(helps.get(name), name)
            self.assertEqual(len(types), len(re.findall(r"^# TYPE ", text, re.MULTILINE)), "a TYPE came twice")

    def test_labels_buckets_and_values_are_the_contracts(self):
        families = self.families(self.after)
        for name, (kind, labels, buckets) in CONTRACT.items():
            family = families[name.removesuffix("_total") if kind == "counter" else name]
            self.assertTrue(family.samples, name)
            for sample in family.samples:
                extra = {"le"} if sample.name.endswith("_bucket") else set()
                self.assertEqual(set(sample.labels), set(labels) | extra, sample)
                for label in labels:
                    http = name.startswith("http_")
                    allowed = VALUES.get((name, label)) or (None if http and label == "status" else VALUES.get(label))
                    if allowed:
                        self.assertIn(sample.labels[label], allowed, sample)
            if buckets:
                found = {float(s.labels["le"]) for s in family.samples if s.name.endswith("_bucket")}
                self.assertEqual(found, set(buckets) | {float("inf")}, name)

    def test_known_values_stand_at_zero_before_any_traffic(self):
        def zero(name, **labels):
            found = samples(self.first, name)
            self.assertEqual(found.get(tuple(sorted(labels.items()))), 0, (name, labels))

        for status in VALUES["status"]:
            zero("meme_generation_total", status=status)
        for agent in AGENTS:
            zero("agent_success_total", agent_name=agent)
            for error in ERRORS:
                zero("agent_failures_total", agent_name=agent, error_type=error)
        for kind in VALUES["cache_type"]:
            zero("cache_operations_total", operation="hit", cache_type=kind)
            zero("cache_operations_total", operation="miss", cache_type=kind)
        zero("http_requests_total", method="POST", route="/api/v1/memes", status="201")
        zero("http_requests_total", method="POST", route="/api/v1/memes", status="503")
        zero("http_requests_total", method="GET", route="/api/v1/memes/{id}/image.png", status="200")
        zero("external_service_errors_total", service_name="llm", error_type="timeout")

    def test_an_attempt_is_a_request_that_entered_the_pipeline(self):
        total = {labels[0][1]: value for labels, value in samples(self.after, "meme_generation_total").items()}
        self.assertEqual(total, {"success": 6, "rejected": 1, "error": 0})
        self.assertEqual(samples(self.after, "meme_quality_score_count")[()], 6)
        seconds = samples(self.after, "meme_generation_seconds_count")
        self.assertEqual(sum(seconds.values()), 7)
        router = samples(self.after, "agent_execution_seconds_count")[(("agent_name", "router"),)]
        self.assertEqual(router, 7)

    def test_routes_are_templates(self):
        requests = samples(self.after, "http_requests_total")
        routes = {dict(labels)["route"] for labels in requests}
        self.assertTrue(all("{" in route or not re.search(r"[0-9a-f]{8}-", route) for route in routes), routes)
        counted = {(dict(k)["method"], dict(k)["route"], dict(k)["status"]): v for k, v in requests.items()}
        self.assertEqual(counted["GET", "unmatched", "404"], 1)
        self.assertEqual(counted["DELETE", "/api/v1/memes", "405"], 1)
        self.assertEqual(counted["other", "/", "405"], 1)
        self.assertEqual(counted["POST", "/api/v1/memes", "201"], 6)
        self.assertEqual(counted["POST", "/api/v1/memes", "422"], 2)
        self.assertEqual(counted["GET", "/api/v1/memes/{id}/image.png", "200"], 6)

    def test_work_left_its_traces_everywhere(self):
        for name in ("cache_latency_seconds_count", "db_operation_latency_seconds_count", "agent_success_total"):
            self.assertGreater(sum(samples(self.after, name).values()), 0, name)
        hits = samples(self.after, "cache_operations_total")
        self.assertGreater(hits[(("cache_type", "meme"), ("operation", "hit"))], 0)
        self.assertEqual(samples(self.after, "db_pool_size")[()], samples(self.after, "db_pool_available_connections")[()])
        for labels, percent in samples(self.first, "resource_usage").items():
            self.assertTrue(0 <= percent <= 100, labels)
        self.assertGreater(samples(self.first, "resource_usage")[(("resource_type", "memory"),)], 0)

    def test_promtool_says_nothing(self):
        path = promtool()
        if not path:
            self.skipTest("promtool not found")
        done = subprocess.run([path, "check", "metrics"], input=self.after, text=True, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
