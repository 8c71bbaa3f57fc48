"""Profiles of the heap: a program with known leaks under libspyglass-malloc, read by go tool pprof; without it; and churning."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from service import Service

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "script/lib"))
import node  # noqa: E402

PROGRAM, LIBRARY, PLUGIN = (os.environ[name] for name in ("HEAP_HOST", "HEAP_LIBRARY", "HEAP_PLUGIN"))
MIB = 1 << 20
# 3 MiB and more of samples, one in 4 KiB: a standard error of 4 % and less.
MEAN = 4096
CLOSE = 0.25


class Leaks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service(PROGRAM, LD_PRELOAD=LIBRARY, SPY_HEAP_SAMPLE_BYTES=str(MEAN))
        cls.addClassCleanup(cls.stop)
        cls.folder = tempfile.mkdtemp(prefix="heap-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        answer = cls.service.admin("/debug/pprof/heap?gc=1")
        assert answer.status == 200, answer.body
        cls.profile, cls.answer = answer.body, answer
        with open(os.path.join(cls.folder, "heap.pb.gz"), "wb") as file:
            file.write(answer.body)

    @classmethod
    def stop(cls):
        assert cls.service.stop() == 0, cls.service.said

    def pprof(self, *options):
        if not shutil.which("go"):
            self.skipTest("there is no go here")
        done = subprocess.run(["go", "tool", "pprof", *options, os.path.join(self.folder, "heap.pb.gz")], capture_output=True,
                              text=True, timeout=100, check=False,
                              env={**os.environ, "HOME": self.folder, "PPROF_TMPDIR": self.folder, "GOFLAGS": ""})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def top(self, index):
        """What go tool pprof shows of the functions: name → its own number, in bytes or objects."""
        text = self.pprof("-top", "-nodecount=1000", "-nodefraction=0", f"-sample_index={index}", "-unit=B")
        found = re.findall(r"^\s*(-?[\d.]+)B?\s+[\d.]+%\s+[\d.]+%\s+[\d.]+B?\s+[\d.]+%\s+(\S+)", text, re.MULTILINE)
        return {name: float(number) for number, name in found}

    def assert_close(self, number, wanted):
        self.assertLess(abs(number / wanted - 1), CLOSE, (number, wanted))

    def test_go_sees_the_leaks_three_to_one(self):
        top = self.top("inuse_space")
        self.assert_close(top["leak_three"], 12 * MIB)
        self.assert_close(top["leak_one"], 4 * MIB)
        self.assert_close(top["leak_three"] / top["leak_one"], 3)
        self.assertNotIn("allocate_and_free", {name for name, number in top.items() if number > 0})

    def test_go_sees_what_was_freed_as_allocated(self):
        top = self.top("alloc_space")
        self.assert_close(top["leak_three"], 12 * MIB)
        self.assert_close(top["allocate_and_free"], 8 * MIB)

    def test_objects_are_counted(self):
        top = self.top("inuse_objects")
        self.assert_close(top["leak_three"], 12 * MIB / 3000)
        self.assert_close(top["leak_one"], 4 * MIB / 64)

    def test_go_knows_what_it_is(self):
        raw = self.pprof("-raw")
        self.assertIn("alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]", raw)
        self.assertIn("PeriodType: space bytes", raw)
        self.assertIn(f"Period: {MEAN}", raw)
        self.assertIn("Type: inuse_space", self.pprof("-top"))

    def test_pprof_format_sees_the_same(self):
        if not node.program() or not os.path.isdir(os.path.join(node.PACKAGES, "node_modules/pprof-format")):
            self.skipTest("there is no Node or no pprof-format here")
        path = os.path.join(self.folder, "heap.pb")
        with open(path, "wb") as file:
            file.write(gzip.decompress(self.profile))
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pprof_format.mjs")
        done = subprocess.run([node.program(), script, node.PACKAGES, path], capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        read = json.loads(done.stdout)
        self.assertEqual(read["types"], ["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"])
        self.assertEqual((read["default"], read["period"]), ("inuse_space", MEAN))
        for number, wanted in zip(read["leaves"]["leak_three"], (4 * MIB / 1000, 12 * MIB) * 2):
            self.assert_close(number, wanted)

    def test_it_is_gzipped_and_a_download(self):
        self.assertIn("profile.pb.gz", self.answer.header("Content-Disposition"))
        self.assertIn(b"leak_three", gzip.decompress(self.profile))

    def test_folded_stacks_are_in_bytes(self):
        answer = self.service.admin("/debug/pprof/folded?kind=heap")
        self.assertEqual(answer.status, 200)
        stacks = [line.rsplit(" ", 1) for line in answer.body.decode().splitlines()]
        self.assert_close(sum(int(bytes_) for stack, bytes_ in stacks if "main;leak_three" in stack), 12 * MIB)

    def test_a_page_of_it(self):
        answer = self.service.admin("/debug/flamegraph?kind=heap")
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "text/html; charset=utf-8"))
        data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', answer.body.decode(), re.DOTALL).group(1))
        self.assertEqual((data["title"], data["kind"], data["period_bytes"], data["note"]), ("The heap", "heap", MEAN, ""))
        in_use = {data["frames"][frame][1]: number for _, frame, number, _ in data["nodes"]}
        self.assert_close(in_use["leak_three"], 12 * MIB)

    def test_it_is_guarded_as_the_others_are(self):
        for query in ("/debug/pprof/heap", "/debug/flamegraph?kind=heap"):
            self.assertEqual(self.service.admin(query, method="HEAD").status, 405)
            self.assertEqual(self.service.admin(query, headers=("X-Forwarded-For: 1.2.3.4",)).status, 403)
            self.assertEqual(self.service.admin(query, headers=("Sec-Fetch-Site: cross-site",)).status, 403)
        self.assertEqual(self.service.admin("/debug/flamegraph?kind=stack").status, 400)


class Without(unittest.TestCase):
    def test_the_answer_says_how_to_get_it(self):
        for env in ({}, {"LD_PRELOAD": LIBRARY, "SPY_HEAP_SAMPLE_BYTES": "0"}):
            service = Service(PROGRAM, **env)
            answer = service.admin("/debug/pprof/heap")
            self.assertEqual(answer.status, 501)
            self.assertIn(b"LD_PRELOAD=libspyglass-malloc.so", answer.body)
            self.assertEqual(service.stop(), 0)

    def test_an_odd_setting_is_the_default(self):
        for value in ("", "x", "-1", "1k", "9" * 30):
            service = Service(PROGRAM, LD_PRELOAD=LIBRARY, SPY_HEAP_SAMPLE_BYTES=value)
            self.assertEqual(service.admin("/debug/pprof/heap").status, 200)
            self.assertEqual(service.stop(), 0)


class Churn(unittest.TestCase):
    def test_threads_forks_and_libraries_do_no_harm(self):
        for mean in ("1", "64", "524288"):
            with self.subTest(mean=mean):
                done = subprocess.run([PROGRAM, "churn", PLUGIN], capture_output=True, text=True, timeout=100, check=False,
                                      env={**os.environ, "LD_PRELOAD": LIBRARY, "SPY_HEAP_SAMPLE_BYTES": mean})
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "0 wrong\n", ""))

    def test_other_programs_run_as_before(self):
        for command in (["/usr/bin/python3", "-c", "print(sum(len(str(n)) for n in range(100000)))"], ["sh", "-c", "ls / | wc -l"]):
            wanted = subprocess.run(command, capture_output=True, check=True).stdout
            for mean in ("1", "524288"):
                env = {**os.environ, "LD_PRELOAD": LIBRARY, "SPY_HEAP_SAMPLE_BYTES": mean}
                done = subprocess.run(command, capture_output=True, check=False, timeout=100, env=env)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, wanted, b""))


if __name__ == "__main__":
    unittest.main()
