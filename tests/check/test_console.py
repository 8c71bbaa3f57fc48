"""The page's own logic, by Node's test runner: expressions, units, legends, ranges. (In a browser: tests/system.)"""

import glob
import os
import re
import subprocess
import sys
import unittest

import tree

sys.path.insert(0, os.path.join(tree.ROOT, "script/lib"))
import node  # noqa: E402


class Console(unittest.TestCase):
    def test_logic(self):
        program = node.program()
        self.assertIsNotNone(program, "there is no Node: script/setup test brings one")
        for path in sorted(glob.glob(os.path.join(tree.ROOT, "tests/console/*.test.mjs"))):
            with self.subTest(file=os.path.basename(path)):
                done = subprocess.run([program, "--test", path], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_file_of_the_page_is_built_in(self):
        listed = set(re.findall(r"^    '([^']+)',$", tree.read("console/meson.build"), re.MULTILINE))
        there = {path.removeprefix("console/") for path in tree.files(".js", ".css", ".html", ".svg") if path.startswith("console/")}
        self.assertEqual(listed, there)

    def test_nothing_parses_text_as_html(self):
        for path in tree.files(".js"):
            if path.startswith("console/"):
                with self.subTest(path=path):
                    self.assertNotRegex(tree.read(path), r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function")
