"""The shipped monitoring set-up: the real tools accept it, alerts go where they should, rules name metrics that exist."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

import tree

sys.path.insert(0, os.path.join(tree.ROOT, "script/lib"))
import stack  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

PROMETHEUS = os.path.join(tree.ROOT, "monitoring/prometheus/prometheus.yml")
RULES = os.path.join(tree.ROOT, "monitoring/prometheus/rules")
ALERTMANAGER = os.path.join(tree.ROOT, "monitoring/alertmanager/alertmanager.yml")


def run(name, *arguments):
    path, folder = stack.program(name)
    done = subprocess.run([path, *arguments], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


class Shipped(unittest.TestCase):
    def accepted(self, name, *arguments):
        status, output = run(name, *arguments)
        self.assertEqual(status, 0, output)
        return output

    def test_promtool_accepts_the_configuration(self):
        output = self.accepted("promtool", "check", "config", PROMETHEUS)
        self.assertIn("1 rule files found", output)

    def test_promtool_accepts_the_rules(self):
        self.accepted("promtool", "check", "rules", os.path.join(RULES, "memegen.yml"))

    def test_rules_fire_are_silent_and_resolve(self):
        tests = sorted(name for name in os.listdir(RULES) if name.endswith("_test.yml"))
        rules = sorted(name for name in os.listdir(RULES) if not name.endswith("_test.yml"))
        self.assertEqual(tests, [name.replace(".yml", "_test.yml") for name in rules], "each file of rules has its tests")
        for name in tests:
            with self.subTest(file=name):
                self.accepted("promtool", "test", "rules", os.path.join(RULES, name))

    def test_amtool_accepts_the_configuration(self):
        output = self.accepted("amtool", "check-config", ALERTMANAGER)
        self.assertIn("2 receivers", output)

    def test_routes(self):
        for labels, receivers in ((["severity=critical"], "Emergency,DevOps Team"), (["severity=warning"], "DevOps Team"),
                                  (["severity=info"], "DevOps Team"), ([], "DevOps Team")):
            with self.subTest(labels=labels):
                output = self.accepted("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
                self.assertIn(receivers, output.splitlines())


@unittest.skipUnless(yaml, "python3-yaml is not there")
class Contract(unittest.TestCase):
    def rules(self):
        return [rule for group in load(os.path.join(RULES, "memegen.yml"))["groups"] for rule in group["rules"]]

    def test_scrape(self):
        config = load(PROMETHEUS)
        self.assertEqual(config["global"], {"scrape_interval": "15s", "evaluation_interval": "15s"})
        self.assertEqual([(job["job_name"], job["metrics_path"], job["static_configs"]) for job in config["scrape_configs"]],
                         [("dspy-meme-gen", "/metrics", [{"targets": ["localhost:8000"]}])])
        self.assertTrue(config["rule_files"])
        self.assertTrue(config["alerting"]["alertmanagers"])

    def test_alerts(self):
        alerts = {rule["alert"]: (rule["labels"]["severity"], rule["for"], rule["annotations"]["summary"])
                  for rule in self.rules() if "alert" in rule}
        self.assertEqual(alerts["HighErrorRate"], ("critical", "5m", "High error rate in meme generation"))
        self.assertEqual(alerts["SlowGeneration"], ("warning", "5m", "Slow meme generation detected"))
        self.assertEqual(alerts["ExternalServiceErrors"], ("warning", "5m", "High rate of external service errors"))

    def test_every_alert_has_a_case_that_fires_and_one_that_does_not(self):
        tests = load(os.path.join(RULES, "memegen_test.yml"))["tests"]
        for rule in self.rules():
            if "alert" not in rule:
                continue
            with self.subTest(alert=rule["alert"]):
                cases = [case for test in tests for case in test.get("alert_rule_test", ())
                         if case["alertname"] == rule["alert"]]
                self.assertTrue(any(case["exp_alerts"] for case in cases))
                self.assertTrue(any(not case["exp_alerts"] for case in cases))

    def test_rules_name_metrics_that_memegen_declares(self):
        declared = tree.read("memegen/telemetry.c")
        recorded = {rule["record"] for rule in self.rules() if "record" in rule}
        for rule in self.rules():
            expression = re.sub(r"by \([^)]*\)|\{[^}]*\}|\[[^]]*\]", " ", rule["expr"])
            for name in set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", expression)) - {"histogram_quantile"}:
                with self.subTest(rule=rule.get("alert") or rule["record"], metric=name):
                    family = re.sub(r"_(bucket|sum|count)$", "", name)
                    self.assertTrue(f'"{family}"' in declared or name in recorded, "memegen does not declare it")

    def test_receivers(self):
        receivers = {r["name"]: sorted(set(r) - {"name"}) for r in load(ALERTMANAGER)["receivers"]}
        self.assertEqual(receivers, {"DevOps Team": ["slack_configs"], "Emergency": ["pagerduty_configs"]})


class Generated(unittest.TestCase):
    """What script/up writes into .run/ from the shipped files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_default_addresses_leave_prometheus_as_shipped(self):
        path = stack.write_prometheus(self.folder, "127.0.0.1:8000", "127.0.0.1:9093")
        for ours, shipped in ((path, PROMETHEUS), (os.path.join(self.folder, "rules/memegen.yml"), os.path.join(RULES, "memegen.yml"))):
            with open(ours, encoding="utf-8") as one, open(shipped, encoding="utf-8") as other:
                self.assertEqual(one.read(), other.read())

    def test_addresses_and_interval_are_put_in(self):
        path = stack.write_prometheus(self.folder, "127.0.0.1:1234", "[::1]:5678", "1s")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for part in ("'127.0.0.1:1234'", "'[::1]:5678'", "scrape_interval: 1s", "evaluation_interval: 1s"):
            self.assertIn(part, text)
        self.assertEqual(run("promtool", "check", "config", path)[0], 0)

    def check_alertmanager(self, path):
        status, output = run("amtool", "check-config", path)
        self.assertEqual(status, 0, output)
        self.assertIn("2 receivers", output)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_receivers_without_secrets_send_nothing(self):
        text = self.check_alertmanager(stack.write_alertmanager(self.folder))
        self.assertNotIn("_configs", text)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "secrets")))

    def test_secrets_lie_in_files_that_nobody_else_reads(self):
        text = self.check_alertmanager(stack.write_alertmanager(
            self.folder, "http://127.0.0.1:1/hook", "key", "http://127.0.0.1:1/v2/enqueue"))
        self.assertNotIn("/hook", text)
        for name, value in (("slack_url", "http://127.0.0.1:1/hook"), ("pagerduty_key", "key")):
            path = os.path.join(self.folder, "secrets", name)
            self.assertIn(path, text)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), value)

    def test_one_secret_alone(self):
        text = self.check_alertmanager(stack.write_alertmanager(self.folder, pagerduty_key="key"))
        self.assertNotIn("slack_configs", text)
        self.assertIn("pagerduty_configs", text)
