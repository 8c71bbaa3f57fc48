"""Each public header compiles alone, as strict C17 and as C++17, without a warning, whichever compiler."""

import os
import shutil
import subprocess
import unittest

import tree

COMPILERS = (
    ("gcc", "c", "c17"), ("gcc", "c", "gnu17"), ("clang-14", "c", "c17"), ("clang", "c", "c17"),
    ("g++", "c++", "c++17"), ("clang++-14", "c++", "c++17"), ("clang++", "c++", "c++17"),
)


class Headers(unittest.TestCase):
    def test_each_compiles_alone(self):
        tried = 0
        for compiler, language, standard in COMPILERS:
            if not shutil.which(compiler):
                continue
            for path in tree.files(".h"):
                if not path.startswith("include/"):
                    continue
                with self.subTest(header=path, compiler=compiler, standard=standard):
                    name = path.removeprefix("include/")
                    run = subprocess.run(
                        [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror",
                         "-fsyntax-only", f"-I{os.path.join(tree.ROOT, 'include')}", "-x", language, "-"],
                        input=f"#include <{name}>\n#include <{name}>\n", capture_output=True, text=True)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    tried += 1
        self.assertGreater(tried, 0, "no compiler was found")
