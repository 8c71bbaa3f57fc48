"""The shipped dashboards on a live Prometheus, fed by script/up --traffic: each query of each panel has an answer, and its
legend the labels that it shows. And they name what this memegen exposes."""

import math
import os
import re
import sys
import time
import unittest
import urllib.parse

import yaml

from running import ROOT, Up, get, get_json
import stack

sys.path.insert(0, os.path.join(ROOT, "tests/check"))
import queries  # noqa: E402

# What there is with the event store alone, whose engine is not there for every machine.
DELIVERY = re.compile("spyglass_(?:delivery|journal)_")
RATE_INTERVAL = "10s"  # what Grafana would put in for $__rate_interval is four scrapes at least
DATA_TIMEOUT_S = 180


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = Up("--traffic", TRAFFIC_RATE="10")
        cls.addClassCleanup(cls.up.close)
        cls.up.start()
        cls.delivers = not stack.event_engine_missing()
        cls.prometheus = f"http://{cls.up.address('PROMETHEUS_PORT')}"

    def exposition(self):
        return get(f"http://{self.up.address('SPY_ADMIN')}/metrics").decode()

    def answer(self, use):
        """The series of one query, as (labels, values), over the last minutes or now."""
        expr = use.expr.replace("$__rate_interval", RATE_INTERVAL)
        parameters = {"query": queries.filled_in(expr)}
        if use.target["range"]:
            now = time.time()
            parameters.update(start=now - 60, end=now, step=1)
        url = f"{self.prometheus}/api/v1/query{'_range' if use.target['range'] else ''}?{urllib.parse.urlencode(parameters)}"
        return [(series["metric"], [float(value) for _, value in series.get("values") or [series["value"]]])
                for series in get_json(url)["data"]["result"]]

    def trouble(self, use):
        """What is wrong with the answer, or None."""
        series = self.answer(use)
        values = [value for _, some in series for value in some if math.isfinite(value)]
        if not values:
            return "has no data"
        if use.panel["type"] == "heatmap" and max(values) <= 0:
            return "has empty buckets alone"
        for label in re.findall(r"\{\{(\w+)\}\}", use.target["legendFormat"]):
            if any(label not in labels for labels, _ in series):
                return f"has series without {label}, which its legend shows"
        return None

    def test_every_query_of_every_panel_has_data(self):
        waiting = {(use.who, use.expr): use for use in queries.panel_uses() if self.delivers or not DELIVERY.search(use.expr)}
        troubles, deadline = {}, time.monotonic() + DATA_TIMEOUT_S
        while waiting and time.monotonic() < deadline:
            time.sleep(1)
            troubles = {key: self.trouble(use) for key, use in waiting.items()}
            waiting = {key: waiting[key] for key, trouble in troubles.items() if trouble}
        self.assertEqual([f"{who} {troubles[who, expr]}: {expr}" for who, expr in waiting], [])

    def test_panels_and_alerts_name_what_is_exposed(self):
        rules, recorded = queries.rule_uses(yaml.safe_load)
        known = queries.exposed(self.exposition()) | recorded | set(queries.PROMETHEUS_OWN)
        uses = [use for use in rules + queries.panel_uses() if self.delivers or not DELIVERY.search(use.expr)]
        missing = queries.unknown(uses, known)
        if missing:
            self.fail("\n" + "\n".join(missing))

    def test_a_renamed_metric_is_told_with_its_panels_and_alerts(self):
        rules, recorded = queries.rule_uses(yaml.safe_load)
        renamed = self.exposition().replace("meme_generation_total", "memes_total")
        missing = "\n".join(queries.unknown(rules + queries.panel_uses(), queries.exposed(renamed) | recorded))
        self.assertRegex(missing, r"meme_generation_total is not exposed, .*alert HighErrorRate.*panel 'Meme Generation Rate'")


if __name__ == "__main__":
    unittest.main()
