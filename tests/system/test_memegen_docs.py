"""Every example of docs/api.md, run as it stands against a fresh memegen."""

import os
import re
import subprocess
import tempfile
import unittest

from service import Memegen, ROOT

DOC = os.path.join(ROOT, "docs/api.md")
EXAMPLE = re.compile(r"```sh\n(.*?)```\n+Answers (\d{3})", re.DOTALL)


def doc():
    with open(DOC, encoding="utf-8") as file:
        return file.read()


class Examples(unittest.TestCase):
    def test_each_answers_as_it_says(self):
        examples = EXAMPLE.findall(doc())
        self.assertEqual(len(examples), doc().count("```sh\n"), "an example does not say what it answers")
        self.assertGreaterEqual(len(examples), 10)
        with Memegen() as memegen, tempfile.TemporaryDirectory() as folder:
            script = 'curl() { command curl --silent --show-error --write-out "\\n%{http_code}\\n" "$@"; }\n'
            for example, _ in examples:
                script += example + "\n"
            script = script.replace("127.0.0.1:8080", "%s:%d" % memegen.address)
            done = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            statuses = re.findall(r"^(\d{3})$", done.stdout, re.MULTILINE)
            self.assertEqual(statuses, [status for _, status in examples], done.stdout)

    def test_every_route_is_described(self):
        with open(os.path.join(ROOT, "memegen/api/route.c"), encoding="utf-8") as file:
            routes = [path.replace('API "', '"/api/v1').replace('"', "").replace(" ", "") for path in
                      re.findall(r'ROUTE_\w+, ROUTE_[^,]*, ((?:API )?"[^"]+")', file.read())]
        self.assertEqual(len(routes), 15)
        for route in routes:
            self.assertIn(f" {route}`", doc())

    def test_every_error_code_is_described(self):
        codes = set()
        for folder in ("memegen/api", "adaptors/mhd"):
            for name in os.listdir(os.path.join(ROOT, folder)):
                if name.endswith(".c"):
                    with open(os.path.join(ROOT, folder, name), encoding="utf-8") as file:
                        text = file.read()
                    codes |= set(re.findall(r'respond_error\([^"]*?\d{3}, "(\w+)"', text))
                    codes |= set(re.findall(r'refuse\([^"]*?\d{3}, "(\w+)"', text))
                    codes |= set(re.findall(r'\{ \d{3}, "[\w ]+", "(\w+)"', text))
        codes |= {"rejected", "generation_failed"}
        self.assertGreaterEqual(len(codes), 12)
        for code in codes:
            self.assertIn(f"| `{code}` |", doc())


if __name__ == "__main__":
    unittest.main()
