"""The shipped dashboards on a live Prometheus: each query of each panel has an answer, and shows what it says."""

import math
import os
import re
import signal
import sys
import tempfile
import time
import unittest
import urllib.parse

import yaml

from running import ROOT, eventually, get_json
from service import Memegen, PROGRAM

import ports  # noqa: E402  (script/lib, by way of running)
import processes  # noqa: E402
import stack  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tests/check"))
import queries  # noqa: E402

STANDIN = os.path.join(os.path.dirname(PROGRAM), "../tools/llm-standin")
INTERVAL = "1s"
RATE_INTERVAL = "10s"  # what Grafana would put in for $__rate_interval is four scrapes at least
DATA_TIMEOUT_S = 120


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-dashboards-")
        cls.addClassCleanup(folder.cleanup)
        # A model whose price is known; and without the offline writer, so that memes fail too.
        cls.memegen = Memegen(env={"OPENAI_BASE_URL": cls.start_llm(folder.name), "OPENAI_API_KEY": "a-key",
                                   "OPENAI_MODEL": "gpt-4o-mini", "MEMEGEN_LLM_FALLBACK": "none"})
        cls.addClassCleanup(cls.memegen.stop)
        address = f"127.0.0.1:{ports.any_free('127.0.0.1')}"
        config = stack.write_prometheus(os.path.join(folder.name, "prometheus"), ports.join(*cls.memegen.admin), "127.0.0.1:9", INTERVAL)
        command = stack.prometheus_command(config, os.path.join(folder.name, "data"), address)
        cls.start(os.path.join(folder.name, "prometheus.log"), command, stack.program("prometheus")[1])
        cls.prometheus = f"http://{address}"

    @classmethod
    def start_llm(cls, folder):
        """A stand-in that is asked for answers, and does not always give one. Returns its address."""
        log = os.path.join(folder, "llm.log")
        cls.start(log, [STANDIN, "--latency-ms", "5", "--fault", "500", "--probability", "0.2"], folder)
        return eventually("the stand-in's address", lambda: re.search(r"http://\S+(?=\s)", read(log)), 20).group()

    @classmethod
    def start(cls, log, command, folder):
        child = processes.start(command, folder, log)
        cls.addClassCleanup(child.wait, 20)
        cls.addClassCleanup(child.send_signal, signal.SIGTERM)

    def work(self, number):
        """A little of everything that memegen does: it lasts until the next scrape has seen some of it."""
        memegen = self.memegen
        made = memegen.post("/api/v1/memes", {"topic": f"topic {number}", "use_trends": number % 2 == 0})
        if made.status == 201:  # the LLM fails now and then
            meme = made.json()
            memegen.get(f"/api/v1/memes/{meme['id']}")
            memegen.get(meme["image_url"])
            memegen.post(f"/api/v1/memes/{meme['id']}/interactions",
                         {"interaction_type": "like", "platform": "web", "user_id": "u1"})
        memegen.post("/api/v1/memes", {"topic": "my card is 4111 1111 1111 1111"})
        memegen.post("/api/v1/memes", {"topic": ""})
        memegen.get("/api/v1/memes?limit=2")
        memegen.get("/api/v1/trends")
        memegen.get("/nowhere")

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

    @staticmethod
    def has_alerts():
        """Whether one always fires: without it, the list of alerts is empty on a good day."""
        return any(use.who == "alert Watchdog" for use in queries.rule_uses(yaml.safe_load)[0])

    def can_have_data(self, use):
        return "(ALERTS)" not in use.expr or self.has_alerts()

    def test_every_query_of_every_panel_has_data(self):
        waiting = {(use.who, use.expr): use for use in queries.panel_uses() if self.can_have_data(use)}
        troubles, number, deadline = {}, 0, time.monotonic() + DATA_TIMEOUT_S
        while waiting and time.monotonic() < deadline:
            self.work(number)
            number += 1
            if number % 10:
                continue
            troubles = {key: self.trouble(use) for key, use in waiting.items()}
            waiting = {key: waiting[key] for key, trouble in troubles.items() if trouble}
        self.assertEqual([f"{who} {troubles[who, expr]}: {expr}" for who, expr in waiting], [])

    def test_panels_and_alerts_name_what_is_exposed(self):
        rules, recorded = queries.rule_uses(yaml.safe_load)
        known = queries.exposed(self.memegen.metrics()) | recorded | set(queries.PROMETHEUS_OWN)
        missing = queries.unknown(queries.panel_uses() + rules, known)
        self.assertEqual(missing, [], "\n" + "\n".join(missing))

    def test_a_renamed_metric_is_told_with_its_panels_and_alerts(self):
        rules, recorded = queries.rule_uses(yaml.safe_load)
        renamed = self.memegen.metrics().replace("meme_generation_total", "memes_total")
        missing = "\n".join(queries.unknown(queries.panel_uses() + rules, queries.exposed(renamed) | recorded))
        self.assertRegex(missing, r"meme_generation_total is not exposed, .*panel 'Meme Generation Rate'.*alert HighErrorRate")


if __name__ == "__main__":
    unittest.main()
