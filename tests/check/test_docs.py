"""The documents: links that lead somewhere, fences that close, YAML that parses, scripts that exist."""

import os
import re
import unittest

import tree

try:
    import yaml
except ImportError:
    yaml = None

LINK = re.compile(r"\]\(([^)\s]+)\)")


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


class Docs(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for path in tree.files(".md"):
            for target in LINK.findall(without_code(tree.read(path))):
                if re.match(r"[a-z]+:", target) or target.startswith("#"):
                    continue
                with self.subTest(path=path, link=target):
                    place = os.path.join(tree.ROOT, os.path.dirname(path), target.split("#")[0])
                    self.assertTrue(os.path.exists(place), "the link leads nowhere")

    def test_quoted_code_is_the_code_that_is_compiled(self):
        """A block of code under a comment that names a file has that file's text, without its opening comment."""
        for path, name in (("README.md", "examples/hello.c"), ("docs/library.md", "examples/hello.c")):
            with self.subTest(path=path):
                block = re.search(rf"<!-- {re.escape(name)} -->\n```c\n(.*?)```", tree.read(path), re.DOTALL)
                self.assertTrue(block, "it is not quoted there")
                self.assertEqual(block.group(1), re.sub(r"\A//.*\n", "", tree.read(name)))

    def test_fences_close(self):
        for path in tree.files(".md"):
            with self.subTest(path=path):
                fences = re.findall(r"^\s*```", tree.read(path), re.MULTILINE)
                self.assertEqual(len(fences) % 2, 0, "a ``` is left open")

    def test_named_files_exist(self):
        """The README's tables name files in code spans: those with a slash and an ending, or under script/, are there."""
        for path in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
            for name in re.findall(r"`((?:src|memegen|include|adaptors|monitoring|tests|script|docs|examples|fuzz|bench|tools)/[\w./-]+)`",
                                   tree.read(path)):
                with self.subTest(path=path, name=name):
                    self.assertTrue(os.path.exists(os.path.join(tree.ROOT, name)), "there is no such file")

    @unittest.skipUnless(yaml, "python3-yaml is not there")
    def test_yaml_parses(self):
        for path in tree.files(".yml", ".yaml"):
            if path.startswith("tests/"):
                continue  # fixtures may be wrong on purpose
            with self.subTest(path=path):
                with open(os.path.join(tree.ROOT, path), encoding="utf-8") as file:
                    self.assertIsNotNone(list(yaml.safe_load_all(file)))
