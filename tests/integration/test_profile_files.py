"""A known profile in all its forms, read by others: go tool pprof, pprof-format, speedscope's schema."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "script/lib"))

import node  # noqa: E402

MODULES = os.path.join(node.PACKAGES, "node_modules")
SCHEMA = os.path.join(MODULES, "speedscope/dist/release/file-format-schema.json")
MS = 1_000_000


def run(*command, **env):
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **env})
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class ProfileFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="profile-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run(os.environ["PROFILE_FILES"], cls.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def pprof(self, *options):
        if not shutil.which("go"):
            self.skipTest("there is no go here")
        return run("go", "tool", "pprof", *options, self.path("profile.pb"), HOME=self.folder, PPROF_TMPDIR=self.folder, GOFLAGS="")

    def test_go_lists_the_functions(self):
        lines = [line.split() for line in self.pprof("-top", "-sample_index=cpu").splitlines()]
        flat = {line[-1]: line[0] for line in lines if len(line) >= 6 and line[0].endswith("ms")}
        inlined = {line[-2]: line[0] for line in lines if line and line[-1] == "(inline)"}
        self.assertEqual(inlined["spin"], "300ms")
        self.assertEqual(flat["busy_b"], "100ms")

    def test_go_takes_wall_time_by_default(self):
        top = self.pprof("-top")
        self.assertIn("Type: wall", top)
        self.assertRegex(top, r"250ms .* waiting: llm_call")

    def test_go_reads_it_raw(self):
        raw = self.pprof("-raw")
        self.assertIn("0123456789abcdef0123456789abcdef01234567", raw)
        self.assertIn("samples/count cpu/nanoseconds wall/nanoseconds[dflt]", raw)
        self.assertIn("operation:[llm_call]", raw)
        self.assertIn("Period: 10000000", raw)
        mappings = raw[raw.index("Mappings"):]
        self.assertIn("/opt/rig", mappings)

    def test_pprof_format_reads_it(self):
        if not node.program() or not os.path.isdir(os.path.join(MODULES, "pprof-format")):
            self.skipTest("there is no Node or no pprof-format here")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pprof_format.mjs")
        read = json.loads(run(node.program(), script, node.PACKAGES, self.path("profile.pb")))
        self.assertEqual(read["types"], ["samples/count", "cpu/nanoseconds", "wall/nanoseconds"])
        self.assertEqual(read["default"], "wall")
        self.assertEqual(read["leaves"]["spin"], [30, 300 * MS, 300 * MS])
        self.assertEqual(read["leaves"]["busy_b"], [10, 100 * MS, 100 * MS])
        self.assertEqual(read["leaves"]["waiting: llm_call"], [1, 0, 250 * MS])
        self.assertEqual(read["leaves"][""], [1, 10 * MS, 10 * MS])
        self.assertEqual(read["labels"], ["operation", "span", "thread", "thread_id"])
        self.assertEqual(read["mappings"][0], ["/opt/rig", "0123456789abcdef0123456789abcdef01234567"])
        self.assertEqual(read["duration_ns"], 750 * MS)

    def test_speedscopes_schema_takes_it(self):
        with open(self.path("profile.speedscope.json"), encoding="utf-8") as file:
            profile = json.load(file)
        for thread in profile["profiles"]:
            self.assertEqual(len(thread["samples"]), len(thread["weights"]))
            self.assertTrue(all(i < len(profile["shared"]["frames"]) for sample in thread["samples"] for i in sample))
        names = [profile["shared"]["frames"][i]["name"] for i in profile["profiles"][0]["samples"][0]]
        self.assertEqual(names, ["main", "busy_a", "spin"], "the root comes first")
        try:
            import jsonschema
        except ImportError:
            self.skipTest("there is no python3-jsonschema here")
        if not os.path.exists(SCHEMA):
            self.skipTest("speedscope's schema is not here")
        with open(SCHEMA, encoding="utf-8") as file:
            jsonschema.validate(profile, json.load(file))

    def test_folded_lines(self):
        with open(self.path("profile.folded"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(sum(int(line.rsplit(" ", 1)[1]) for line in lines), 660_000)
        self.assertIn("main;busy_a;spin 300000", lines)


if __name__ == "__main__":
    unittest.main()
