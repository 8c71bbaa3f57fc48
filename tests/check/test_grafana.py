"""Grafana's provisioning and the compose file: of one piece with each other, with Alertmanager and with the dashboards."""

import os
import re
import unittest

import queries
import tree

try:
    import yaml
except ImportError:
    yaml = None

PROVISIONING = "monitoring/grafana/provisioning"


def load(path):
    return yaml.safe_load(tree.read(path))


def matches(matchers, labels):
    """Whether labels fulfil all of [[name, operator, value], …]."""
    tests = {"=": lambda have, want: have == want, "!=": lambda have, want: have != want,
             "=~": lambda have, want: re.fullmatch(want, have) is not None, "!~": lambda have, want: re.fullmatch(want, have) is None}
    return all(tests[operator](labels.get(name, ""), value) for name, operator, value in matchers)


def receivers(node, labels, matchers_of):
    """Who hears of an alert: both trees, Alertmanager's and Grafana's, are walked alike."""
    found = []
    for route in node.get("routes", ()):
        if matches(matchers_of(route), labels):
            found += receivers(route, labels, matchers_of)
            if not route.get("continue"):
                return found
    return found or [node["receiver"]]


def of_alertmanager(route):
    return [re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', text).groups() for text in route["matchers"]]


def of_grafana(route):
    return route["object_matchers"]


@unittest.skipUnless(yaml, "python3-yaml is not there")
class Provisioning(unittest.TestCase):
    def setUp(self):
        self.alertmanager = load("monitoring/alertmanager/alertmanager.yml")
        self.sources = load(f"{PROVISIONING}/datasources/prometheus.yaml")["datasources"]
        self.contacts = load(f"{PROVISIONING}/alerting/contact_points.yaml")["contactPoints"]
        self.policies = load(f"{PROVISIONING}/alerting/policies.yaml")["policies"]
        self.compose = load("monitoring/compose.yaml")
        self.grafana = self.compose["services"]["grafana"]

    def test_the_data_source_is_the_one_that_the_dashboards_name(self):
        source = self.sources[0]
        self.assertEqual((source["name"], source["type"], source["isDefault"]), ("Prometheus", "prometheus", True))
        for dashboard in queries.dashboards().values():
            self.assertEqual(dashboard["templating"]["list"][0]["current"], {"text": source["name"], "value": source["uid"]})
        self.assertIn({"alertmanager", source["jsonData"]["alertmanagerUid"]}, [{s["type"], s["uid"]} for s in self.sources[1:]])
        self.assertEqual([d["name"] for d in source["jsonData"]["exemplarTraceIdDestinations"]], ["trace_id"])
        interval = load("monitoring/prometheus/prometheus.yml")["global"]["scrape_interval"]
        self.assertEqual(source["jsonData"]["timeInterval"], interval)

    def test_receivers_have_the_names_and_ways_of_alertmanager(self):
        ours = {c["name"]: [r["type"] for r in c["receivers"]] for c in self.contacts}
        self.assertEqual(ours, {"DevOps Team": ["slack"], "Emergency": ["pagerduty"]})
        theirs = {r["name"]: [key.removesuffix("_configs") for key in r if key != "name"] for r in self.alertmanager["receivers"]}
        self.assertEqual(ours, {name: theirs[name] for name in ours})
        uids = [r["uid"] for c in self.contacts for r in c["receivers"]]
        self.assertEqual(len(set(uids)), len(uids))

    def test_policies_send_where_alertmanager_sends(self):
        for labels, wanted in (({"severity": "critical"}, ["Emergency", "DevOps Team"]), ({"severity": "warning"}, ["DevOps Team"]),
                               ({}, ["DevOps Team"])):
            with self.subTest(labels=labels):
                self.assertEqual(receivers(self.policies[0], labels, of_grafana), wanted)
                self.assertEqual(receivers(self.alertmanager["route"], labels, of_alertmanager), wanted)

    def test_secrets_come_from_files(self):
        settings = [r["settings"] for c in self.contacts for r in c["receivers"]]
        secrets = [value for s in settings for key, value in s.items() if key in ("url", "token", "integrationKey")]
        self.assertEqual(secrets, ["$__file{/run/secrets/slack_url}", "$__file{/run/secrets/pagerduty_key}"])

    def test_the_provider_reads_what_is_mounted(self):
        mounts = dict(reversed(volume.split(":")[:2]) for volume in self.grafana["volumes"])
        provider = load(f"{PROVISIONING}/dashboards/memegen.yaml")["providers"][0]
        self.assertEqual(mounts[provider["options"]["path"]], "./grafana/dashboards")
        home = self.grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertIn(os.path.basename(home), queries.dashboards())

    def test_what_provisioning_asks_for_the_container_has(self):
        text = "".join(tree.read(path) for path in tree.files(".yaml") if path.startswith(PROVISIONING))
        for variable in re.findall(r"(?<!\$)\$([A-Z][A-Z_]+)", text):
            self.assertIn(variable, self.grafana["environment"])
        files = re.findall(r"\$__file\{([^}]+)\}", text)
        self.assertTrue(files)
        for path in files:
            self.assertIn(path.removeprefix("/run/secrets/"), self.grafana["secrets"])


@unittest.skipUnless(yaml, "python3-yaml is not there")
class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = load("monitoring/compose.yaml")

    def test_images_are_pinned(self):
        for name, service in self.compose["services"].items():
            self.assertRegex(service["image"], r":v?\d+\.\d+\.\d+$", name)

    def test_grafana_is_the_one_whose_types_the_dashboards_have(self):
        types = re.search(r"@grafana/schema@(\S+)", tree.read("script/packages.txt")).group(1)
        self.assertEqual(self.compose["services"]["grafana"]["image"], f"grafana/grafana:{types}")

    def test_everything_listens_on_loopback(self):
        for name, service in self.compose["services"].items():
            with self.subTest(service=name):
                self.assertNotIn("ports", service)
                listen = [a for a in service.get("command", ()) if a.startswith("--web.listen-address=")]
                listen = listen or [service["environment"]["GF_SERVER_HTTP_ADDR"]]
                self.assertEqual(len(listen), 1)
                self.assertRegex(listen[0], r"(^|=)(\$\{GRAFANA_HOST:-)?127\.0\.0\.1")
        self.assertIn("--cluster.listen-address=", self.compose["services"]["alertmanager"]["command"])

    def test_the_very_files_that_are_shipped_are_mounted(self):
        mounted = [volume.split(":") for service in self.compose["services"].values() for volume in service["volumes"]]
        for source, _, *mode in mounted:
            if source.startswith("."):
                self.assertTrue(os.path.exists(os.path.join(tree.ROOT, "monitoring", source)), source)
                self.assertEqual(mode, ["ro"])
            else:
                self.assertIn(source, self.compose["volumes"])

    def test_alertmanager_finds_its_secrets(self):
        targets = {secret["target"] for secret in self.compose["services"]["alertmanager"]["secrets"]}
        wanted = set(re.findall(r"_file: (\S+)", tree.read("monitoring/alertmanager/alertmanager.yml")))
        self.assertEqual(targets, wanted)
        self.assertIn("/monitoring/secrets/", tree.read(".gitignore").splitlines())


if __name__ == "__main__":
    unittest.main()
