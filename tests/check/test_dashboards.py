"""The shipped dashboards: in step with their source, well formed, and as promised."""

import glob
import json
import os
import subprocess
import unittest

import tree

GRAFANA = os.path.join(tree.ROOT, "monitoring/grafana")


def load_all():
    found = {}
    for path in sorted(glob.glob(os.path.join(GRAFANA, "dashboards/*.json"))):
        with open(path, encoding="utf-8") as file:
            dashboard = json.load(file)
        found[dashboard["title"]] = dashboard
    return found


class Shipped(unittest.TestCase):
    def test_they_are_in_step_with_their_source(self):
        done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(GRAFANA, "make_dashboards.py"), "--check"], capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_titles_and_panels_of_the_contract(self):
        panels = {title: {p["title"]: p["type"] for p in dashboard["panels"]} for title, dashboard in load_all().items()}
        self.assertEqual(sorted(panels), ["DSPy Meme Generator Overview", "Error Tracking", "Performance Metrics"])
        for title, panel, kind in (("DSPy Meme Generator Overview", "Meme Generation Rate", "timeseries"),
                                   ("DSPy Meme Generator Overview", "Generation Latency", "heatmap"),
                                   ("Performance Metrics", "Agent Performance", "timeseries"),
                                   ("Performance Metrics", "External Service Latency", "timeseries"),
                                   ("Error Tracking", "Error Rate by Type", "timeseries"),
                                   ("Error Tracking", "External Service Errors", "timeseries")):
            self.assertEqual(panels[title].get(panel), kind, (title, panel))


if __name__ == "__main__":
    unittest.main()
