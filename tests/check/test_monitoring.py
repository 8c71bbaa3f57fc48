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
        self.assertIn(f"{len(stack.RULES)} rule files found", output)

    def test_promtool_accepts_the_rules(self):
        self.accepted("promtool", "check", "rules", *(os.path.join(RULES, name) for name in stack.RULES))

    def test_rules_fire_are_silent_and_resolve(self):
        tests = sorted(name for name in os.listdir(RULES) if name.endswith("_test.yml"))
        rules = sorted(name for name in os.listdir(RULES) if not name.endswith("_test.yml"))
        self.assertEqual(tests, [name.replace(".yml", "_test.yml") for name in rules], "each file of rules has its tests")
        for name in tests:
            with self.subTest(file=name):
                self.accepted("promtool", "test", "rules", os.path.join(RULES, name))

    def test_amtool_accepts_the_configuration(self):
        output = self.accepted("amtool", "check-config", ALERTMANAGER)
        self.assertIn("3 receivers", output)

    def test_routes(self):
        for labels, receivers in ((["severity=critical"], "Emergency,DevOps Team"), (["severity=warning"], "DevOps Team"),
                                  (["severity=info"], "DevOps Team"), ([], "DevOps Team"),
                                  (["alertname=Watchdog", "severity=none"], "Watchdog")):
            with self.subTest(labels=labels):
                output = self.accepted("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
                self.assertIn(receivers, output.splitlines())


@unittest.skipUnless(yaml, "python3-yaml is not there")
class Contract(unittest.TestCase):
    def rules(self):
        return [rule for name in stack.RULES for group in load(os.path.join(RULES, name))["groups"] for rule in group["rules"]]

    def alerts(self):
        return [rule for rule in self.rules() if "alert" in rule]

    def test_scrape(self):
        config = load(PROMETHEUS)
        self.assertEqual(config["global"], {"scrape_interval": "15s", "evaluation_interval": "15s"})
        self.assertEqual([(job["job_name"], job["metrics_path"], job["static_configs"]) for job in config["scrape_configs"]],
                         [("dspy-meme-gen", "/metrics", [{"targets": ["localhost:8000"]}])])
        self.assertEqual(config["rule_files"], [f"rules/{name}" for name in stack.RULES])
        self.assertTrue(config["alerting"]["alertmanagers"])

    def test_alerts(self):
        alerts = {rule["alert"]: (rule["labels"]["severity"], rule.get("for"), rule["annotations"]["summary"])
                  for rule in self.alerts()}
        self.assertEqual(alerts["HighErrorRate"], ("critical", "5m", "High error rate in meme generation"))
        self.assertEqual(alerts["SlowGeneration"], ("warning", "5m", "Slow meme generation detected"))
        self.assertEqual(alerts["ExternalServiceErrors"], ("warning", "5m", "High rate of external service errors"))

    def test_every_alert_has_a_case_that_fires_and_one_that_does_not(self):
        tests = [test for name in stack.RULES for test in load(os.path.join(RULES, name.replace(".yml", "_test.yml")))["tests"]]
        for rule in self.alerts():
            with self.subTest(alert=rule["alert"]):
                cases = [case for test in tests for case in test.get("alert_rule_test", ())
                         if case["alertname"] == rule["alert"]]
                self.assertTrue(any(case["exp_alerts"] for case in cases))
                if rule["alert"] != "Watchdog":  # which is never silent
                    self.assertTrue(any(not case["exp_alerts"] for case in cases))

    def test_every_alert_has_a_severity_and_a_runbook(self):
        headings = re.findall(r"^## (\w+)$", tree.read("docs/runbooks.md"), re.MULTILINE)
        self.assertEqual(sorted(headings), sorted(rule["alert"] for rule in self.alerts()))
        for rule in self.alerts():
            with self.subTest(alert=rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "none"))
                self.assertEqual(rule["annotations"]["runbook"], f"docs/runbooks.md#{rule['alert'].lower()}")

    def test_inhibitions_name_alerts_that_exist(self):
        alerts = {rule["alert"] for rule in self.alerts()}
        for rule in load(ALERTMANAGER)["inhibit_rules"]:
            for matcher in rule["source_matchers"] + rule["target_matchers"]:
                names = re.fullmatch(r'alertname=~?"([\w|]+)"', matcher)[1].split("|")
                self.assertLessEqual(set(names), alerts)

    def test_receivers(self):
        receivers = {r["name"]: sorted(set(r) - {"name"}) for r in load(ALERTMANAGER)["receivers"]}
        self.assertEqual(receivers, {"DevOps Team": ["slack_configs"], "Emergency": ["pagerduty_configs"],
                                     "Watchdog": ["webhook_configs"]})


class Generated(unittest.TestCase):
    """What script/up writes into .run/ from the shipped files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_default_addresses_leave_prometheus_as_shipped(self):
        path = stack.write_prometheus(self.folder, "127.0.0.1:8000", "127.0.0.1:9093")
        for ours, shipped in ((path, PROMETHEUS), *((os.path.join(self.folder, "rules", name), os.path.join(RULES, name))
                                                    for name in stack.RULES)):
            with open(ours, encoding="utf-8") as one, open(shipped, encoding="utf-8") as other:
                self.assertEqual(one.read(), other.read())

    def test_addresses_and_interval_are_put_in(self):
        path = stack.write_prometheus(self.folder, "127.0.0.1:1234", "[::1]:5678", "1s")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for part in ("'127.0.0.1:1234'", "'[::1]:5678'", "scrape_interval: 1s", "evaluation_interval: 1s"):
            self.assertIn(part, text)
        self.assertEqual(run("promtool", "check", "config", path)[0], 0)

    def test_quicker_files_are_the_shipped_ones_but_for_their_waits(self):
        stack.write_prometheus(self.folder, "127.0.0.1:1234", "127.0.0.1:5678", "1s", 30)
        for name in stack.RULES:
            with open(os.path.join(self.folder, "rules", name), encoding="utf-8") as file:
                quick = file.read()
            shipped = tree.read(os.path.join(RULES, name))
            self.assertEqual(re.sub(r"\d+[smhd]\b", "", quick), re.sub(r"\d+[smhd]\b", "", shipped))
            self.assertNotIn("[5m]", quick)
            self.accepted_rules(os.path.join(self.folder, "rules", name))
        self.check_alertmanager(stack.write_alertmanager(self.folder, quicker=30))

    def accepted_rules(self, path):
        status, output = run("promtool", "check", "rules", path)
        self.assertEqual(status, 0, output)

    def test_quicken(self):
        for text, quick in (("rate(a[5m])", "rate(a[10s])"), ("a[1h]", "a[120s]"), ("for: 5m", "for: 10s"), ("for: 2m", "for: 10s"), ("for: 15m", "for: 30s"), ("repeat_interval: 4h", "repeat_interval: 4h"),
                            ("group_wait: 0s", "group_wait: 0s"), ("group_wait: 30s", "group_wait: 1s"), ("[30s]", "[5s]"),
                            ("in 5m", "in 5m"), ("ratio_rate5m", "ratio_rate5m")):
            self.assertEqual(stack.quicken(text, 30), quick)
            self.assertEqual(stack.quicken(text, 1), text)

    def check_alertmanager(self, path):
        status, output = run("amtool", "check-config", path)
        self.assertEqual(status, 0, output)
        self.assertIn("3 receivers", output)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_receivers_without_secrets_send_nothing(self):
        text = self.check_alertmanager(stack.write_alertmanager(self.folder))
        self.assertNotIn("_configs", text)
        self.assertIn("- name: Watchdog", text)
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
