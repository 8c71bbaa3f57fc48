"""The page in Chromium: memegen with traffic and an LLM that fails now and then, a real Prometheus that scrapes it every
second, and beside it a target whose labels are hostile. Run by itself, test_console.py DIR SECONDS makes the pictures of the documents."""

import json
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import page
import ports
import processes
import stack
from service import Connection, Memegen
from standin import Standin
from test_stack import Server

HOSTILE = "<img src=x onerror=alert(1)>"
TOPICS = ("rust vs c", "monday mornings", "a deadline", "merge conflicts", "cats on keyboards", "stand-up meetings", "ü 日本語")


class Traffic(threading.Thread):
    """A few requests a second of every kind, in waves, until it is told to stop."""

    def __init__(self, memegen, seed):
        super().__init__(daemon=True)
        self.memegen, self.ended, self.dice = memegen, threading.Event(), random.Random(seed)

    def run(self):
        while not self.ended.wait(self.dice.expovariate(4 + 2.5 * math.sin(time.monotonic() / 25))):
            kind = self.dice.random()
            try:
                if kind < 0.6:
                    self.memegen.post("/api/v1/memes", {"topic": f"{self.dice.choice(TOPICS)} {self.dice.randrange(50)}"})
                elif kind < 0.7:
                    self.memegen.post("/api/v1/memes", {"topic": "how to build a bomb"})
                elif kind < 0.9:
                    self.memegen.get("/api/v1/memes")
                else:
                    self.memegen.post("/api/v1/memes", {})
            except (OSError, AttributeError):
                pass  # memegen is being stopped

    def end(self):
        self.ended.set()
        self.join(30)


@unittest.skipIf(page.missing(), page.missing())
class Console(unittest.TestCase):
    INTERVAL = "1s"
    HOSTILE_TOO = True

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-console-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.prometheus = f"127.0.0.1:{ports.any_free('127.0.0.1')}"
        standin = Standin("--latency-ms", "20", "--jitter-ms", "60", "--fault", "500", "--probability", "0.1")
        cls.addClassCleanup(standin.stop)
        cls.memegen = Memegen(env={"SPY_PROMETHEUS_URL": f"http://{cls.prometheus}", "SPY_RESOURCE_PERIOD_S": "1",
                                   "OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "a-key"})
        cls.addClassCleanup(cls.memegen.stop)
        cls.hostile = Server()
        cls.addClassCleanup(cls.hostile.close)
        cls.count_hostile(1)
        cls.start_prometheus()
        for seed in range(3):
            traffic = Traffic(cls.memegen, seed)
            traffic.start()
            cls.addClassCleanup(traffic.end)
        deadline = time.monotonic() + 120
        while not cls.has_data('count_over_time(sum(rate(meme_generation_total{status="success"}[15s]))[15s:1s]) >= 10'):
            assert time.monotonic() < deadline, "Prometheus has no data"
            time.sleep(0.3)
        cls.count_hostile(50)

    @classmethod
    def count_hostile(cls, n):
        cls.hostile.body = "".join(
            f'# TYPE {name} counter\n{name}{{instance="{HOSTILE}",{labels}}} {n}\n' for name, labels in (
                ("meme_generation_total", 'status="success"'),
                ("http_requests_total", f'method="GET",route="{HOSTILE}",status="200"'),
                ("agent_failures_total", f'agent_name="{HOSTILE}",error_type="<script>alert(2)</script>"')))

    @classmethod
    def start_prometheus(cls):
        config = stack.write_prometheus(os.path.join(cls.folder, "prom"), "%s:%d" % cls.memegen.admin, "127.0.0.1:1", cls.INTERVAL)
        with open(config, "a", encoding="utf-8") as file:
            file.write("" if not cls.HOSTILE_TOO else f"\n  - job_name: hostile\n    honor_labels: true\n    static_configs:\n      - targets: ['{cls.hostile.address}']\n")
        child = processes.start(stack.prometheus_command(config, os.path.join(cls.folder, "data"), cls.prometheus),
                                stack.program("prometheus")[1], os.path.join(cls.folder, "prometheus.log"))

        def stop():
            child.send_signal(signal.SIGTERM)
            child.wait(timeout=30)

        cls.addClassCleanup(stop)

    @classmethod
    def query(cls, question, **params):
        """By way of the page's own questions."""
        with Connection(cls.memegen.admin) as connection:
            answer = connection.request("GET", f"/api/prometheus/{question}?{urllib.parse.urlencode(params)}")
        return answer.json().get("data", {}).get("result", []) if answer.status == 200 else []

    @classmethod
    def has_data(cls, expression):
        return bool(cls.query("query", query=expression))

    def browse(self, check):
        return page.browse("console.mjs", check, self.memegen, self.folder)

    def expected(self, panel):
        """Whether Prometheus has a number for any of the panel's expressions in the last minutes."""
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in (("$__rate_interval", "4s"), ("$__interval", "2s"), ("$instance", ".*"), ("$template_type", ".*")):
                expression = expression.replace(name, value)
            now = int(time.time())
            for series in self.query("query_range", query=expression, start=now - 240, end=now - 5, step=3):
                if any(value not in ("NaN", "+Inf", "-Inf") for _, value in series["values"]):
                    return True
        return False

    def test_every_panel_of_every_dashboard_is_drawn_with_data(self):
        wrong = self.wrong_panels()
        if wrong:
            wrong = self.wrong_panels()  # what came between the page's question and ours is on the page by now
        self.assertEqual(wrong, [])

    def wrong_panels(self):
        boards = self.browse("boards")["boards"]
        folder = os.path.join(stack.ROOT, "monitoring/grafana/dashboards")
        wrong, checked = [], 0
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                board = json.load(file)
            wanted = [panel for panel in board["panels"] if panel["type"] not in ("row", "text")]
            seen = {panel["title"]: panel for panel in boards[board["uid"]]}
            self.assertEqual({panel["title"] for panel in wanted}, {title for title, p in seen.items() if p["type"] != "text"})
            for panel in wanted:
                trouble = self.trouble(panel, seen[panel["title"]])
                checked += 1
                if trouble:
                    wrong.append(f"{board['title']} / {panel['title']}: {trouble}")
        self.assertGreater(checked, 50)
        return wrong

    def trouble(self, panel, seen):
        """What is wrong with what the page shows of a panel, or None."""
        if seen["state"] not in ("ready", "empty"):
            return f"{seen['state']}: {seen['message']}"
        if seen["state"] == "empty":
            return "Prometheus has data that the page does not show" if self.expected(panel) else None
        if seen["type"] in ("timeseries", "heatmap"):
            drawn = seen["colored"] > 15
        elif seen["type"] == "table":
            drawn = seen["rows"] > 0
        else:
            drawn = any(number not in ("", "–") for number in seen["numbers"])
        return None if drawn else "nothing is drawn"

    def test_a_spike_is_seen(self):
        seen = self.browse("spike")
        self.assertGreaterEqual(seen["seen"], seen["before"] + 4)
        self.assertIn("404", seen["panel"]["legend"])
        self.assertGreater(seen["panel"]["colored"], 100)

    def test_hostile_labels_are_text(self):
        seen = self.browse("hostile")
        self.assertIn(f"GET {HOSTILE}", seen["HTTP requests by route"]["text"])
        self.assertIn("<script>alert(2)</script>", seen["Failures of the last hour"]["text"])
        self.assertEqual(seen["HTTP requests by route"]["foreign"] + seen["Failures of the last hour"]["foreign"], 0)
        self.assertIn(HOSTILE, seen["choices"])
        self.assertEqual(seen["images"], 1)  # our own

    def test_controls(self):
        seen = self.browse("controls")
        self.assertLess(seen["without"]["colored"], seen["before"]["colored"])
        self.assertTrue(seen["tooltip"])
        self.assertRegex(seen["zoomed"], r"from=\d{13}&to=\d{13}")
        self.assertIn("All", seen["options"])
        self.assertIn(f"var-template_type={seen['chosen']}", seen["url"])
        self.assertEqual(seen["themes"], ["dark", "dark", "light"])  # as the system has it, then chosen

    def test_a_narrow_screen(self):
        seen = self.browse("narrow")
        self.assertEqual((seen["width"], seen["clipped"], seen["theme"]), (390, 0, "light"))
        self.assertEqual(seen["rooms"], [390, 390, 390])

    def test_without_prometheus_the_panels_say_so(self):
        self.assertEqual(self.browse("trouble")["message"], "Prometheus does not answer.")

    def test_the_room_of_logs(self):
        with Connection(self.memegen.address) as connection:
            connection.request("GET", "/api/v1/<script>alert(3)</script>", headers={"X-Correlation-ID": "console.hostile"})
        seen = self.browse("logs")
        self.assertIn("<script>alert(3)</script>", seen["hostile"]["text"])
        self.assertEqual((seen["hostile"]["foreign"], seen["hostile"]["open"]), (0, 1))
        self.assertIn("info", seen["all"])
        self.assertLessEqual(set(seen["warned"]), {"warn", "error"})
        self.assertIn("#/logs?level=warn", seen["url"])
        self.assertEqual(seen["before"], seen["paused"])

    def test_the_room_of_requests(self):
        seen = self.browse("requests")
        for section, outcome in seen["outcomes"]:
            self.assertEqual(section == "Slow and failed", outcome in ("error", "slow"))
        self.assertIn("Others", [section for section, _ in seen["outcomes"]])
        self.assertTrue(seen["url"].endswith("#/requests/" + seen["id"]))
        self.assertGreater(len(seen["spans"]), 5)
        self.assertEqual(seen["spans"][0][0], "0")  # the request, and all else under it
        self.assertTrue(all(depth != "0" for depth, *_ in seen["spans"][1:]))
        self.assertTrue(any(failed for _, failed, *_ in seen["spans"]))
        self.assertTrue(all(width >= 1.9 for _, _, width, _ in seen["spans"]))
        self.assertGreater(seen["lines"], 0)
        self.assertEqual(set(seen["ids"]), {seen["id"]})

    def test_the_room_of_errors(self):
        seen = self.browse("errors")
        self.assertTrue(all(group["count"] > 0 for group in seen["groups"]))
        self.assertNotIn("rejected", [group["type"] for group in seen["groups"]])  # memegen's before_send
        self.assertTrue(seen["own"])
        self.assertIn("First seen", seen["facts"])
        self.assertTrue(seen["open"])
        self.assertTrue(seen["url"].endswith("#/requests/" + seen["id"]))

    def test_the_room_of_alerts(self):
        rules = dict(self.browse("alerts")["rules"])
        self.assertLessEqual({"HighErrorRate", "SlowGeneration", "ExternalServiceErrors"}, set(rules))


def main(folder, after_s):
    """The pictures of the documents, after so many seconds of traffic."""
    os.environ["SCREENSHOTS"] = os.path.abspath(folder)
    Console.INTERVAL, Console.HOSTILE_TOO = "5s", False
    Console.setUpClass()
    try:
        time.sleep(float(after_s))
        Console("browse").browse("screenshots")
    finally:
        Console.doClassCleanups()


if __name__ == "__main__":
    main(*sys.argv[1:])
