"""The shipped dashboards: in step with their source, Grafana's own types accept them, their queries parse and name metrics
that exist, and everything that was promised stands on a panel."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import queries
import tree

sys.path.insert(0, os.path.join(tree.ROOT, "script/lib"))
import stack  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

GRAFANA = os.path.join(tree.ROOT, "monitoring/grafana")
NPM = os.path.join(tree.ROOT, ".deps/npm/node_modules")

# Grafana's published types leave these open. Panels: none of Angular's, which Grafana 12 removed.
PANEL_TYPES = {"timeseries", "heatmap", "stat", "gauge", "bargauge", "table", "piechart", "text", "row"}
UNITS = {"short", "none", "s", "percent", "percentunit", "bytes", "reqps", "ops", "currencyUSD"}
OVERRIDES = {"color", "unit", "decimals", "mappings", "custom.lineStyle", "custom.fillOpacity", "custom.cellOptions"}

COMPILER = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext", "moduleResolution": "nodenext", "types": []}

# title → panel → (type, expression, legend), as promised.
PROMISED = {
    "DSPy Meme Generator Overview": {
        "Meme Generation Rate": ("timeseries", "meme_generation_total", "{{status}}"),
        "Generation Latency": ("heatmap", "meme_generation_seconds_bucket", "{{le}}")},
    "Performance Metrics": {
        "Agent Performance": ("timeseries", "agent_execution_seconds_sum", "{{agent_name}}"),
        "External Service Latency": ("timeseries", "external_service_latency_seconds_sum", "{{service_name}}")},
    "Error Tracking": {
        "Error Rate by Type": ("timeseries", "agent_failures_total", "{{error_type}}"),
        "External Service Errors": ("timeseries", "external_service_errors_total", "{{service_name}} - {{error_type}}")},
}
FAMILIES = """meme_generation_seconds meme_generation_total meme_quality_score agent_execution_seconds agent_success_total
    agent_failures_total external_service_latency_seconds external_service_errors_total cache_operations_total
    cache_latency_seconds db_operation_latency_seconds db_pool_size db_pool_available_connections resource_usage
    http_request_duration_seconds http_requests_total""".split()


def find_node():
    """Of npm's packages where there is one, else the machine's; a script of npm's runs in it."""
    unpacked = glob.glob(os.path.join(NPM, "node-linux-*/bin/node"))
    return unpacked[0] if unpacked else shutil.which("node")


class Shipped(unittest.TestCase):
    def setUp(self):
        self.dashboards = {dashboard["title"]: dashboard for dashboard in queries.dashboards().values()}

    def panels(self):
        for title, dashboard in self.dashboards.items():
            for panel in dashboard["panels"]:
                yield f"{panel['title']} of {title}", panel

    def test_they_are_in_step_with_their_source(self):
        done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(GRAFANA, "make_dashboards.py"), "--check"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_titles_panels_and_legends_that_were_promised(self):
        self.assertEqual(set(self.dashboards), set(PROMISED))
        for title, wanted in PROMISED.items():
            panels = {panel["title"]: panel for panel in self.dashboards[title]["panels"]}
            for name, (kind, metric, legend) in wanted.items():
                with self.subTest(panel=name):
                    target = panels[name]["targets"][0]
                    self.assertEqual((panels[name]["type"], target["legendFormat"]), (kind, legend))
                    self.assertIn(metric, target["expr"])

    def test_the_heat_map_is_of_buckets(self):
        for name, panel in self.panels():
            if panel["type"] == "heatmap":
                with self.subTest(panel=name):
                    self.assertEqual([t["format"] for t in panel["targets"]], ["heatmap"])
                    self.assertTrue(panel["targets"][0]["expr"].startswith("sum by (le) (increase("))

    def test_ids_places_and_names(self):
        uids = [dashboard["uid"] for dashboard in self.dashboards.values()]
        self.assertEqual(len(set(uids)), len(uids))
        for title, dashboard in self.dashboards.items():
            with self.subTest(dashboard=title):
                panels = dashboard["panels"]
                self.assertEqual(len({p["id"] for p in panels}), len(panels))
                self.assertEqual(len({p["title"] for p in panels}), len(panels))
                self.assertEqual(dashboard["schemaVersion"], 42)
                taken = {}
                for panel in panels:
                    at = panel["gridPos"]
                    self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
                    for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                        self.assertNotIn(cell, taken, f"{panel['title']} lies on {taken.get(cell)}")
                        taken[cell] = panel["title"]

    def test_every_panel_says_what_it_shows(self):
        for name, panel in self.panels():
            with self.subTest(panel=name):
                self.assertIn(panel["type"], PANEL_TYPES)
                if panel["type"] in ("row", "text"):
                    continue
                self.assertGreater(len(panel["description"]), 20)
                self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                defaults = panel["fieldConfig"]["defaults"]
                units = {p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"}
                units |= {defaults.get("unit") or panel["options"].get("yAxis", {}).get("unit")} - ({None} if units else set())
                self.assertLessEqual(units, UNITS)
                self.assertLessEqual({p["id"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"]}, OVERRIDES)
                if panel["type"] in ("stat", "gauge"):
                    self.assertTrue(defaults["thresholds"]["steps"])
                self.assertEqual([t["refId"] for t in panel["targets"]], [chr(65 + i) for i in range(len(panel["targets"]))])
                for target in panel["targets"]:
                    self.assertTrue(target["exemplar"] or target["instant"], "exemplars are on where a range is drawn")
                    self.assertNotRegex(target["expr"], r"\[\$__interval\]|\$__range", "rates are over $__rate_interval")

    def test_variables_and_links(self):
        uids = {dashboard["uid"] for dashboard in self.dashboards.values()}
        for title, dashboard in self.dashboards.items():
            with self.subTest(dashboard=title):
                variables = {v["name"]: v for v in dashboard["templating"]["list"]}
                self.assertEqual({name: v["type"] for name, v in variables.items()},
                                 {"datasource": "datasource", "instance": "query", "template_type": "query"})
                self.assertEqual(variables["datasource"]["current"], {"text": "Prometheus", "value": "prometheus"})
                self.assertEqual({link["url"] for link in dashboard["links"]}, {f"/d/{uid}" for uid in uids - {dashboard["uid"]}})
                text = json.dumps(dashboard["panels"])
                for name in variables:
                    self.assertRegex(text, rf"\$\{{?{name}", "a variable that changes nothing")

    def test_every_promised_family_is_on_a_panel(self):
        shown = set().union(*(queries.metrics(use.expr) for use in queries.panel_uses()))
        recorded = {"agent:success_ratio:rate5m": "agent_success_total"}  # which the recording rule reads
        shown |= {recorded[name] for name in shown & set(recorded)}
        for family in FAMILIES:
            self.assertTrue({family, f"{family}_bucket", f"{family}_sum", f"{family}_count"} & shown, f"{family} is on no panel")

    def test_the_document_names_what_is_there(self):
        text = tree.read("docs/dashboards.md")
        panels = [panel for _, panel in self.panels()]
        known = {panel["title"] for panel in panels} | set(self.dashboards)
        self.assertLessEqual(set(re.findall(r"\*\*([^*]+)\*\*", text)), known)
        for row in (panel["title"] for panel in panels if panel["type"] == "row"):
            self.assertIn(f"*{row}*", text)
        for path in re.findall(r"`((?:monitoring|tests|docs|memegen)/[^`]+)`", text):
            self.assertTrue(os.path.exists(os.path.join(tree.ROOT, path)), path)

    def test_promtool_parses_every_expression(self):
        rules = []
        for number, use in enumerate(queries.panel_uses() + queries.annotation_uses()):
            expr = queries.filled_in(use.expr)
            self.assertNotIn("$", expr, use.who)
            rules.append({"record": f"panel:{number}", "expr": expr})
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)  # JSON is YAML
            file.flush()
            path, folder = stack.program("promtool")
            done = subprocess.run([path, "check", "rules", file.name], cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)


@unittest.skipUnless(yaml, "python3-yaml is not there")
class Metrics(unittest.TestCase):
    """A metric that is renamed is missed where it is used, by name."""

    def missing(self, known):
        uses, recorded = queries.rule_uses(yaml.safe_load)
        return queries.unknown(uses + queries.panel_uses() + queries.annotation_uses(), known | recorded | set(queries.PROMETHEUS_OWN))

    def test_panels_and_alerts_name_metrics_that_are_declared(self):
        missing = self.missing(queries.declared())
        if missing:
            self.fail("\n" + "\n".join(missing))

    def test_a_renamed_metric_is_told_with_its_panels_and_alerts(self):
        for metric, panel, alert in (("meme_generation_total", "Meme Generation Rate", "HighErrorRate"),
                                     ("meme_generation_seconds", "Generation Latency", "SlowGeneration"),
                                     ("external_service_errors_total", "External Service Errors", "ExternalServiceErrors")):
            with self.subTest(metric=metric):
                telemetry = tree.read("memegen/telemetry.c")
                self.assertTrue(f'"{metric}"' in telemetry, "memegen/telemetry.c has it under another name")
                missing = "\n".join(self.missing(queries.declared_in(telemetry.replace(f'"{metric}"', f'"renamed_{metric}"'))))
                self.assertIn(metric, missing)
                self.assertRegex(missing, rf"panel '{panel}' of '")
                self.assertRegex(missing, rf"\balert {alert}\b")

    def test_names_are_found_in_expressions(self):
        for expr, names in (('sum by (le, a_b) (rate(x_bucket{c_d="e_f{", g!~"h"}[5m])) > bool 0', {"x_bucket"}),
                            ("a:b:rate5m / ignoring (x_y) group_left (z_z) sum(c_d) or vector(0)", {"a:b:rate5m", "c_d"}),
                            ("histogram_quantile(0.95, a_bucket) unless up offset 5m", {"a_bucket", "up"}),
                            ("1e3 * time() - x{y_z='}'}", {"x"})):
            self.assertEqual(queries.metrics(expr), names, expr)

    def test_thresholds_are_those_of_the_alerts(self):
        sys.path.insert(0, os.path.join(GRAFANA, "source"))
        import shared
        rules = {use.who: use.expr for use in queries.rule_uses(yaml.safe_load)[0]}
        for alert, threshold in (("HighErrorRate", shared.ERROR_RATIO_ALERT), ("SlowGeneration", shared.SLOW_ALERT_S),
                                 ("ExternalServiceErrors", shared.EXTERNAL_ERRORS_ALERT), ("JournalFilling", shared.JOURNAL_ALERT)):
            self.assertRegex(rules[f"alert {alert}"], rf"> {re.escape(str(threshold))}\b")


@unittest.skipUnless(os.path.isdir(os.path.join(NPM, "@grafana/schema")) and find_node(), "script/setup test brings Grafana's types")
class Types(unittest.TestCase):
    """Each dashboard is a literal of the types that Grafana publishes."""

    def compile(self, dashboards):
        """tsc's messages on these dashboards, by name."""
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(NPM, os.path.join(folder, "node_modules"))
            shutil.copy(os.path.join(tree.ROOT, "tests/check/grafana_types.ts"), folder)
            for name, dashboard in dashboards.items():
                with open(os.path.join(folder, f"{name}.ts"), "w", encoding="utf-8") as file:
                    file.write(self.literals(dashboard))
            with open(os.path.join(folder, "tsconfig.json"), "w", encoding="utf-8") as file:
                json.dump({"compilerOptions": COMPILER, "files": [f"{name}.ts" for name in dashboards]}, file)
            done = subprocess.run([find_node(), os.path.join(NPM, "typescript/bin/tsc"), "--pretty", "false"], cwd=folder,
                                  capture_output=True, text=True)
            return done.stdout + done.stderr

    @staticmethod
    def literals(dashboard):
        lines = ["import type { Dashboard, Panels } from './grafana_types';"]
        for number, panel in enumerate(dashboard["panels"]):
            lines.append(f"export const panel{number}: Panels['{panel['type']}'] = {json.dumps(panel)};")
        return "\n".join([*lines, f"export const dashboard: Dashboard = {json.dumps({**dashboard, 'panels': []})};", ""])

    def test_they_are_accepted(self):
        self.assertEqual(self.compile({f"dashboard{name[0]}": dashboard for name, dashboard in queries.dashboards().items()}), "")

    def test_what_is_wrong_is_found(self):
        def first(dashboard, kind):
            return next(panel for panel in dashboard["panels"] if panel["type"] == kind)

        planted = {
            "angular": lambda d: first(d, "timeseries").update(type="graph"),
            "option": lambda d: first(d, "stat")["options"].update(colourMode="value"),
            "custom": lambda d: first(d, "timeseries")["fieldConfig"]["defaults"]["custom"].update(lineWidht=1),
            "enum": lambda d: first(d, "timeseries")["options"]["tooltip"].update(mode="all"),
            "threshold": lambda d: first(d, "stat")["fieldConfig"]["defaults"]["thresholds"].update(mode="abs"),
            "target": lambda d: first(d, "heatmap")["targets"][0].update(format="heat"),
            "missing": lambda d: first(d, "heatmap")["options"].pop("color"),
            "variable": lambda d: d["templating"]["list"][1].update(refresh=3),
            "version": lambda d: d.update(schemaVersion=16),
        }
        dashboards = {}
        for name, plant in planted.items():
            dashboards[name] = json.loads(json.dumps(queries.dashboards()["1-overview.json"]))
            plant(dashboards[name])
        messages = self.compile(dashboards)
        for name in planted:
            self.assertIn(f"{name}.ts(", messages, "was accepted")


if __name__ == "__main__":
    unittest.main()
