"""memegen's slow requests: their own profiles on the admin port, and their way there from the timeline."""

import gzip
import json
import re
import time
import unittest

from service import Connection, Memegen

WAIT_S = 60


def ask(memegen, path, **headers):
    with Connection(memegen.admin) as connection:
        return connection.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})


def slow_meme(memegen):
    """Makes memes until one has left samples (one that is quick, and never waits, leaves none), and returns its entry in the list."""
    deadline = time.monotonic() + WAIT_S
    made = set()
    while time.monotonic() < deadline:
        made.add(memegen.make(f"a slow cat {len(made)}")["correlation_id"])
        time.sleep(0.1)
        for one in ask(memegen, "/debug/slow").json()["slow"]:
            if one["correlation_id"] in made and one["name"] == "POST /api/v1/memes":
                return one
    raise AssertionError(f"none of {len(made)} requests is kept")


class Slow(unittest.TestCase):
    def test_a_slow_request_keeps_its_own(self):
        with Memegen("--trace-slow-ms", "1") as memegen:
            one = slow_meme(memegen)
            self.assertGreater(one["samples"], 0)
            self.assertGreater(one["duration_us"], 1000)
            answer = ask(memegen, "/debug/slow").json()
            self.assertLess(answer["from_us"], answer["to_us"])
            self.assertIs(answer["heap"], False)
            self.assertLess(answer["from_us"], one["start_us"] + one["duration_us"])

            timeline = ask(memegen, f"/debug/requests/{one['correlation_id']}").json()
            self.assertEqual(timeline["flamegraph"], one["flamegraph"])
            self.assertEqual(one["flamegraph"], f"/debug/slow/{timeline['trace_id']}")

            page = ask(memegen, one["flamegraph"])
            self.assertEqual((page.status, page.header("Content-Type")), (200, "text/html; charset=utf-8"))
            data = json.loads(re.search(rb'<script type="application/json" id="data">(.*?)</script>', page.body, re.DOTALL).group(1))
            self.assertTrue(data["frames"])
            self.assertIn(one["correlation_id"], page.body.decode())
            by_correlation = ask(memegen, f"/debug/slow/{one['correlation_id']}?profile=folded")
            self.assertEqual(by_correlation.status, 200)
            self.assertRegex(by_correlation.body.decode(), r"(?m)^.+;.+ \d+$")
            pprof = ask(memegen, f"{one['flamegraph']}?profile=pprof")
            self.assertGreater(len(gzip.decompress(pprof.body)), 100)
            scope = ask(memegen, f"{one['flamegraph']}?profile=speedscope").json()
            self.assertEqual(scope["$schema"], "https://www.speedscope.app/file-format-schema.json")

            self.assertEqual(ask(memegen, "/debug/slow/nobody").status, 404)
            self.assertEqual(ask(memegen, "/debug/slow/" + "x" * 129).status, 404)
            self.assertEqual(ask(memegen, "/debug/slow", Sec_Fetch_Site="cross-site").status, 403)
            self.assertEqual(ask(memegen, one["flamegraph"], Sec_Fetch_Site="cross-site").status, 403)

    def test_without_continuous_profiling_there_is_none(self):
        with Memegen("--trace-slow-ms", "1", "--profiling", "off") as memegen:
            meme = memegen.make("a cat that nobody looks at")
            self.assertEqual(ask(memegen, "/debug/slow").json(), {"heap": False, "slow": []})
            self.assertEqual(ask(memegen, f"/debug/slow/{meme['correlation_id']}").status, 404)


if __name__ == "__main__":
    unittest.main()
