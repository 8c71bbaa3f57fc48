"""docs/monitoring.md: it has the headings of the document that asked for it, every block is what ships, and nothing is claimed
that is not built."""

import json
import os
import re
import shutil
import subprocess
import unittest

import tree

DOC = "docs/monitoring.md"
# Of the document that asked for it, in its order.
HEADINGS = """# Monitoring and Observability
## Overview
## Prometheus Metrics
### Core Metrics
### Metric Collection
### Prometheus Configuration
## Grafana Dashboards
### 1. Overview Dashboard
### 2. Performance Dashboard
### 3. Error Tracking Dashboard
## Error Tracking
### Structured Logging
### Error Aggregation
## Usage Analytics
### Event Tracking
### Key Events
### Analytics Queries
## Alerting Rules
### Prometheus Alerting
### Alert Notifications
## Performance Monitoring
### Resource Usage Tracking
### Performance Profiling""".split("\n")
# What memegen's configuration calls not built is said to be so in these sections, and the other way round.
PARTS = {"Error Aggregation": "Sentry", "Event Tracking": "ClickHouse", "Key Events": "ClickHouse",
         "Analytics Queries": "ClickHouse", "Performance Profiling": "profiling"}
BLOCK = re.compile(r"(?:^<!-- (\S+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MISTAKES = 18


def blocks():
    """(file, language, text) of each fenced block."""
    return BLOCK.findall(tree.read(DOC))


def squeezed(text):
    """How lines are broken and indented does not count."""
    return re.sub(r"\s+", " ", text).strip()


def is_part(part, whole):
    """Whether all that `part` says stands in `whole`: a list's members may have others between them."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and is_part(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(is_part(item, other) for other in whole) for item in part)
    return part == whole


def sections():
    """Heading → text up to the next heading."""
    parts = re.split(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", tree.read(DOC), flags=re.MULTILINE | re.DOTALL), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Doc(unittest.TestCase):
    def test_headings(self):
        text = re.sub(r"^```.*?^```$", "", tree.read(DOC), flags=re.MULTILINE | re.DOTALL)
        self.assertEqual(re.findall(r"^#+ .*$", text, re.MULTILINE), HEADINGS)

    def test_every_block_is_in_the_file_that_it_names(self):
        self.assertGreater(len(blocks()), 20)
        for name, language, text in blocks():
            with self.subTest(file=name, block=text.strip().split("\n")[0]):
                self.assertIn(language, ("c", "yaml", "json", "sql"))
                self.assertTrue(name, "a block names its file")
                if language == "json":
                    self.assertTrue(is_part(json.loads(text), json.loads(tree.read(name))), "the file says something else")
                else:
                    self.assertIn(squeezed(text), squeezed(tree.read(name)))

    def test_a_block_that_has_drifted_is_found(self):
        shipped = {"panels": [{"title": "a", "targets": [{"expr": "x"}]}, {"title": "b"}]}
        self.assertTrue(is_part({"panels": [{"title": "b"}]}, shipped))
        for drifted in ({"panels": [{"title": "c"}]}, {"panels": [{"title": "b", "targets": [{"expr": "x"}]}]}, {"uid": 1}):
            self.assertFalse(is_part(drifted, shipped))

    @unittest.skipUnless(shutil.which("gcc") and shutil.which("pkg-config"), "no compiler")
    def test_the_c_of_the_blocks_compiles(self):
        flags = subprocess.run(["pkg-config", "--cflags", "jansson", "libmicrohttpd"], capture_output=True, text=True, check=True).stdout
        names = sorted({name for name, language, _ in blocks() if language == "c"})
        self.assertGreater(len(names), 4)
        for name in names:
            with self.subTest(file=name):
                done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
                                       "-Werror", "-fsyntax-only", "-I.", "-Iinclude", "-Isrc", *flags.split(), name],
                                      cwd=tree.ROOT, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_file_that_it_names_exists(self):
        names = re.findall(r"`((?:src|memegen|include|adaptors|monitoring|tests|script|docs|examples|fuzz)/[\w./-]+)`", tree.read(DOC))
        self.assertGreater(len(names), 20)
        for name in names:
            with self.subTest(name=name):
                self.assertTrue(os.path.exists(os.path.join(tree.ROOT, name)), "there is no such file")

    def test_what_is_not_built_is_not_claimed(self):
        not_built = set(re.findall(r'\.not_built = "(\w+)"', tree.read("memegen/config_table.c")))
        for heading, part in PARTS.items():
            with self.subTest(section=heading):
                self.assertEqual("not built yet" in sections()[heading].split("\n| #")[0].lower(), part in not_built)

    def test_every_mistake_is_accounted_for(self):
        rows = re.findall(r"^\| (\d+) \|", tree.read(DOC), re.MULTILINE)
        self.assertEqual(rows, [str(number) for number in range(1, MISTAKES + 1)])
        for anchor in re.findall(r"\]\(#([\w-]+)\)", tree.read(DOC)):
            self.assertIn(anchor, {re.sub(r"[^\w -]", "", h.lstrip("# ").lower()).replace(" ", "-") for h in HEADINGS})


if __name__ == "__main__":
    unittest.main()
