"""The page's room of profiles in Chromium, of a memegen with slow requests. Run by itself, test_console_profiles.py DIR makes the
picture of the documents."""

import os
import sys
import tempfile
import unittest

import page
from service import MALLOC, Memegen
from test_memegen_slow import ask, slow_meme


@unittest.skipIf(page.missing(), page.missing())
class Profiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-console-profiles-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.memegen = Memegen("--trace-slow-ms", "1")
        cls.addClassCleanup(cls.memegen.stop)
        slow_meme(cls.memegen)

    def test_the_room(self):
        seen = page.browse("console_profiles.mjs", "room", self.memegen, self.folder)
        self.assertRegex(seen["first"]["address"], r"^/debug/flamegraph\?from=\d+&to=\d+$")
        self.assertGreater(seen["first"]["frames"], 3)
        self.assertRegex(seen["before"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d$")
        self.assertGreater(seen["chosen"]["frames"], 3)
        self.assertFalse(seen["wrong"]["valid"])
        self.assertEqual(seen["wrong"]["src"], seen["chosen"]["address"])  # it stays as it was
        self.assertRegex(seen["compared"]["address"], r"&against_from=\d+&against_to=4070\d+$")
        self.assertGreater(seen["compared"]["frames"], 3)
        self.assertNotIn("against", seen["alone"]["address"])
        self.assertFalse(seen["kept"])
        kept = {one["correlation_id"]: one for one in ask(self.memegen, "/debug/slow").json()["slow"]}
        one = kept[seen["meme"]["id"]]
        self.assertEqual(seen["meme"]["cells"][3], str(one["samples"]))
        self.assertEqual(seen["meme"]["links"], [
            one["flamegraph"], one["flamegraph"], one["flamegraph"] + "?profile=pprof", one["flamegraph"] + "?profile=folded",
            f"#/requests/{one['correlation_id']}"])
        self.assertEqual(seen["slow"]["address"], one["flamegraph"])

    def test_the_heap(self):
        seen = page.browse("console_profiles.mjs", "heap", self.memegen, self.folder)
        self.assertRegex(seen["says"], "^Heap.*LD_PRELOAD=libspyglass-malloc.so")
        self.assertEqual((seen["links"], seen["frames"]), ([], 0))
        with Memegen(env={"LD_PRELOAD": MALLOC, "SPY_HEAP_SAMPLE_BYTES": "4096"}) as memegen:
            memegen.make("heap")
            seen = page.browse("console_profiles.mjs", "heap", memegen, self.folder)
        self.assertEqual(seen["links"], ["/debug/flamegraph?kind=heap", "/debug/pprof/heap", "/debug/pprof/folded?kind=heap"])
        self.assertGreater(seen["frames"], 3)

    def test_a_narrow_screen(self):
        seen = page.browse("console_profiles.mjs", "narrow", self.memegen, self.folder)
        self.assertEqual((seen["width"], seen["clipped"]), (390, 0))

    def test_without_continuous_profiling_it_says_so(self):
        with Memegen("--profiling", "off") as memegen:
            seen = page.browse("console_profiles.mjs", "off", memegen, self.folder)
        self.assertIn("SPY_PROFILING=continuous", seen["says"])
        self.assertEqual(seen["frames"], 0)
        self.assertIn("None of late", seen["slow"])


def main(folder):
    with Memegen("--trace-slow-ms", "30") as memegen, tempfile.TemporaryDirectory() as home:
        for i in range(60):
            memegen.make(f"a topic of its own {i}")
        page.browse("console_profiles.mjs", "screenshots", memegen, home, SCREENSHOTS=os.path.abspath(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
