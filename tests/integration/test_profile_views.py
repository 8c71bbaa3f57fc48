"""Profiles on the admin port: of the process, and of what continuous profiling saw."""

import gzip
import json
import os
import re
import threading
import time
import unittest

from service import Service

PROGRAM = os.environ["PROFILE_HOST"]


def data_of(page):
    """The data of a flame graph's page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found.group(1))


class ProfileViews(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service(PROGRAM)
        cls.addClassCleanup(cls.stop)
        cls.over = threading.Event()
        cls.load = threading.Thread(target=cls.make_load)
        cls.load.start()
        cls.addClassCleanup(cls.load.join)
        cls.addClassCleanup(cls.over.set)

    @classmethod
    def stop(cls):
        assert cls.service.stop() == 0, cls.service.said

    @classmethod
    def make_load(cls):
        while not cls.over.is_set():
            cls.service.ask("/own/3?ms=40")

    def view(self, path):
        answer = self.service.admin(path)
        self.assertEqual(answer.status, 200, answer.body[:200])
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        return answer

    def test_pprof_is_gzipped(self):
        for path in ("/debug/pprof/profile?seconds=1", "/debug/pprof/wall?seconds=1"):
            answer = self.view(path)
            self.assertIn("profile.pb.gz", answer.header("Content-Disposition"))
            plain = gzip.decompress(answer.body)
            self.assertIn(b"own_3", plain)
            self.assertEqual(b"wall" in plain, "wall" in path)

    def test_folded_stacks_have_the_callers(self):
        lines = self.view("/debug/pprof/folded?seconds=1&view=cpu").body.decode().splitlines()
        self.assertTrue(any(re.search(r";own_3;busy;busy_a(;| )", line) for line in lines), lines)

    def test_a_page_of_now(self):
        answer = self.view("/debug/flamegraph?seconds=1")
        self.assertEqual(answer.header("Content-Type"), "text/html; charset=utf-8")
        data = data_of(answer.body.decode())
        self.assertGreater(data["samples"], 0)
        self.assertIn("own_3", [name for _, name, _ in data["frames"]])

    def test_a_page_of_the_history(self):
        def seen():
            data = data_of(self.view(f"/debug/flamegraph?from={int(time.time()) - 600}").body.decode())
            return "own_3" in [name for _, name, _ in data["frames"]]

        self.service.until(seen)

    def test_two_times_are_compared(self):
        minute = int(time.time()) - 600

        def of_one():
            return re.search(r";own_3;busy;busy_a \d+\n", self.view(f"/debug/pprof/folded?from={minute}").body.decode())

        self.service.until(of_one)
        data = data_of(self.view(f"/debug/flamegraph?from={minute}&against_from={minute}").body.decode())
        self.assertGreater(data["against"]["samples"], 0)
        self.assertEqual({len(node) for node in data["nodes"]}, {6})
        lines = self.view(f"/debug/pprof/folded?against_from={minute}").body.decode()
        self.assertRegex(lines, r";own_3;busy;busy_a [1-9]\d* [1-9]\d*\n")
        lines = self.view(f"/debug/pprof/folded?from={minute}&against_to=1000").body.decode()
        self.assertRegex(lines, r";own_3;busy;busy_a 0 [1-9]\d*\n")  # before all that is kept, there is nothing

    def test_what_is_not_understood_is_refused(self):
        for query in ("seconds=0", "seconds=61", "seconds=x", "from=-1", "to=99999999999", "view=both", "id=" + "x" * 129,
                      "against_from=x", "against_to=-1", "against_from=1&profile=pprof", "from=1&against_to=1&profile=speedscope", "against_to=1&id=nobody",
                      "against_to=1&kind=heap"):
            answer = self.service.admin(f"/debug/flamegraph?{query}")
            self.assertEqual(answer.status, 400, query)
            self.assertTrue(answer.body.endswith(b"."))
        self.assertEqual(self.service.admin("/debug/flamegraph?id=nobody").status, 404)
        self.assertEqual(self.service.admin("/debug/flamegraph", method="HEAD").status, 405)
        self.assertEqual(self.service.admin("/debug/flamegraph", headers=("X-Forwarded-For: 1.2.3.4",)).status, 401)
        self.assertEqual(self.service.admin("/debug/flamegraph", headers=("Sec-Fetch-Site: cross-site",)).status, 403)

    def test_a_few_at_once_and_the_rest_of_the_port_goes_on(self):
        statuses = []

        def take():
            answer = self.service.until(lambda: (a := self.service.admin("/debug/pprof/profile?seconds=3")).status != 429 and a, 60)
            statuses.append(answer.status)

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        refused = self.service.until(lambda: (a := self.service.admin("/debug/flamegraph?id=nobody")).status == 429 and a)
        self.assertEqual(refused.header("Retry-After"), "1")
        self.assertEqual(self.service.admin("/healthz").status, 200)
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 4)


class TheEnd(unittest.TestCase):
    def test_a_stop_waits_for_no_profile(self):
        service = Service(PROGRAM)
        thread = threading.Thread(target=self.ask, args=(service,))
        thread.start()
        time.sleep(0.3)
        start = time.monotonic()
        self.assertEqual(service.stop(), 0)
        self.assertLess(time.monotonic() - start, 20)
        thread.join()

    @staticmethod
    def ask(service):
        try:
            service.admin("/debug/pprof/profile?seconds=60")
        except OSError:
            pass  # the connection closed
        except EOFError:
            pass


if __name__ == "__main__":
    unittest.main()
