"""memegen installed: it finds its templates, phrases and page from wherever its prefix lies."""

import os
import subprocess
import tempfile
import unittest

from service import JSON, PROGRAM, Memegen

BUILD = os.path.dirname(os.path.dirname(PROGRAM))


class Installed(unittest.TestCase):
    def test_an_installed_memegen_makes_a_meme(self):
        with tempfile.TemporaryDirectory(prefix="memegen-install-") as folder:
            subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder],
                           check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            prefix = os.path.join(folder, "usr/local")
            moved = os.path.join(folder, "elsewhere")
            os.rename(prefix, moved)
            with Memegen(program=os.path.join(moved, "bin/memegen")) as memegen:
                answer = memegen.request("POST", "/api/v1/memes", JSON, b'{"topic":"moving house"}')
                self.assertEqual(answer.status, 201)
                self.assertEqual(memegen.request("GET", "/").status, 200)
                log = memegen.log()
            shared = os.path.join(moved, "share/memegen")
            self.assertTrue(os.path.isfile(os.path.join(shared, "phrases.yaml")), os.listdir(shared))
            self.assertTrue([line for line in log if line["event"] == "memegen_ready"])


if __name__ == "__main__":
    unittest.main()
