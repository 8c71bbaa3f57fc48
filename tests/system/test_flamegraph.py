"""The flame graph of a meme's making in Chromium. Run by itself, test_flamegraph.py DIR makes the picture of the documents."""

import os
import sys
import tempfile
import unittest
import urllib.parse

import page
from service import Memegen


def report(memegen):
    """The path of a meme's profile on the admin port."""
    answer = memegen.post("/api/v1/memes?profile=1", {"topic": "deploys on friday"})
    assert answer.status == 201, answer.body[:300]
    return urllib.parse.urlsplit(answer.header("X-Profile")).path.lstrip("/")


@unittest.skipIf(page.missing(), page.missing())
class Flamegraph(unittest.TestCase):
    def test_it_is_searched_and_zoomed(self):
        with Memegen(env={"MEMEGEN_PROFILE": "loopback"}) as memegen, tempfile.TemporaryDirectory(prefix="flamegraph-") as home:
            path = report(memegen)
            seen = page.browse("flamegraph.mjs", "use", memegen, home, REPORT=path)
            compared = page.browse("flamegraph.mjs", "compared", memegen, home, REPORT=path)
        self.check_compared(compared)
        self.assertEqual(seen["title"], "POST /api/v1/memes")
        for fact in ("Samples", "Hz", "Threads", "Overhead", "201"):
            self.assertIn(fact, seen["facts"])
        self.assertGreater(seen["frames"], 5)
        self.assertRegex(seen["matched"], r"^\d+\.\d % matched$")
        self.assertLess(seen["before"], 1.01)
        self.assertGreater(seen["zoomed"], 0.99)
        self.assertIn("all", seen["above"])
        self.assertTrue(seen["detail"].startswith("pipeline_run"), seen["detail"])
        self.assertIn("% of all", seen["tip"])
        self.assertAlmostEqual(seen["after"], seen["before"], places=3)
        self.assertGreater(seen["waiting"], 0)
        self.assertEqual(seen["waitingOfCpu"], 0)
        self.assertIn("meme_generation", seen["operations"])

    def check_compared(self, seen):
        for fact in ("Now", "Before", "45 samples"):
            self.assertIn(fact, seen["facts"])
        self.assertEqual({name: how[:2] for name, how in seen["now"].items()}, {
            "all": ["", ""], "main": ["0.00", ""], "even": ["0.00", ""], "faster": ["-0.50", "blue"], "slower": ["0.50", "red"], "fresh": ["1.00", "red"]})
        self.assertIn("44.4 % of the time now (200 ms), 22.2 % before (100 ms): +100 %", seen["now"]["slower"][2])
        self.assertIn("as before", seen["legend"])
        self.assertEqual({tuple(row) for row in seen["rows"]}, {
            ("faster work.c", "44.4 %", "22.2 %", "−50 %"), ("slower work.c", "22.2 %", "44.4 %", "+100 %"),
            ("fresh work.c", "0.0 %", "11.1 %", "new"), ("gone work.c", "11.1 %", "0.0 %", "gone")})
        self.assertEqual(seen["found"], "red")  # yellow, as what is found
        self.assertEqual(seen["before"]["gone"][:2], ["-1.00", "blue"])
        self.assertNotIn("fresh", seen["before"])


def main(folder):
    with Memegen(env={"MEMEGEN_PROFILE": "loopback"}) as memegen, tempfile.TemporaryDirectory() as home:
        page.browse("flamegraph.mjs", "screenshots", memegen, home, REPORT=report(memegen), SCREENSHOTS=os.path.abspath(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
