"""What Debian's Prometheus client for Python reads out of a scrape is what was counted."""

import math
import os
import subprocess
import unittest

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None


@unittest.skipUnless(text_string_to_metric_families, "python3-prometheus-client is not installed")
class Exposition(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([os.environ["EXPOSITION"]], check=True, capture_output=True)
        cls.text = done.stdout.decode()  # UTF-8, whatever the label values were
        cls.families = {f.name: f for f in text_string_to_metric_families(cls.text)}

    def value(self, name, **labels):
        found = [s.value for f in self.families.values() for s in f.samples if s.name == name and s.labels == labels]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0]

    def test_types_and_help(self):
        self.assertEqual({n: f.type for n, f in self.families.items()}, {
            "spyglass_dropped": "counter", "spyglass_build_info": "gauge", "requests": "counter", "whole": "counter",
            "level": "gauge", "work_seconds": "histogram", "asked": "gauge"})
        self.assertEqual(self.families["requests"].documentation, 'Back\\slash,\n"quoted" ä \ufffd')

    def test_label_values_come_back(self):
        paths = ["/plain", 'a"b\\c\nd', "\\n", "\ufffd(", "", "{},= \t\r\v#", "日本 😀", "\\"]
        for i, path in enumerate(paths):
            with self.subTest(path=path):
                self.assertEqual(self.value("requests_total", path=path, method="GET"), i + 1)

    def test_numbers_come_back(self):
        self.assertEqual(self.value("whole_total"), 2.0**53)
        self.assertTrue(math.isnan(self.value("level", of="nan")))
        for of, value in {"inf": math.inf, "-inf": -math.inf, "tiny": 5e-324, "pi": math.pi,
                          "big": 1.7976931348623157e308}.items():
            self.assertEqual(self.value("level", of=of), value)
        self.assertEqual(self.value("asked"), 42.5)

    def test_a_histogram(self):
        for le, count in {"0.1": 1, "1": 1, "1e+06": 2, "+Inf": 3}.items():
            self.assertEqual(self.value("work_seconds_bucket", status="ok", le=le), count)
        self.assertEqual(self.value("work_seconds_count", status="ok"), 3)
        self.assertEqual(self.value("work_seconds_sum", status="ok"), 1000000002.1)

    def test_each_line_once_and_the_last_one_whole(self):
        self.assertTrue(self.text.endswith("\n"))
        names = [line.rsplit(" ", 1)[0] for line in self.text.split("\n")]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
