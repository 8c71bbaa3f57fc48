"""docs/library.md: its code is in the examples, word for word, and its commands run."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"(?:<!-- (\S+) -->\n)?```(\w*)\n(.*?)```\n", re.DOTALL)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def blocks():
    return BLOCK.findall(read("docs/library.md"))


def unindented(text):
    return "\n".join(line.strip() for line in text.strip().splitlines())


class Doc(unittest.TestCase):
    def test_code_is_in_the_examples(self):
        for name, language, text in blocks():
            if language in ("c", "cpp"):
                with self.subTest(block=text.splitlines()[0]):
                    self.assertTrue(name, "a block of code names its example")
                    self.assertIn(unindented(text), unindented(read(name)))

    def test_hello_is_shown_whole(self):
        shown = next(text for name, _, text in blocks() if name == "examples/hello.c")
        self.assertTrue(read("examples/hello.c").endswith(shown), "all but its opening comment")

    def test_every_example_is_shown_or_named(self):
        for name in os.listdir(os.path.join(ROOT, "examples")):
            if name.endswith((".c", ".cpp")):
                self.assertIn(f"examples/{name}", read("docs/library.md"))

    def test_commands_run(self):
        with tempfile.TemporaryDirectory(prefix="spyglass-doc-") as home:
            tree = os.path.join(home, "spyglass")
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", ".*", "__pycache__"))
            script = "set -e\n" + "".join(text for _, language, text in blocks() if language == "sh")
            env = {**os.environ, "HOME": home}
            ran = subprocess.run(["bash", "-c", script], cwd=tree, env=env, text=True, capture_output=True, check=False)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            shown = next(text for _, language, text in blocks() if language == "")
            for line in shown.splitlines():
                if line.startswith("{"):
                    line = re.sub(r'"timestamp":"[^"]*"', "", line).lstrip("{").lstrip(",")
                self.assertIn(line, ran.stdout)
