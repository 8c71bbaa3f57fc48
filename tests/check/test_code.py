"""What every source file keeps to: functions that it must not call, its length, its opening comment, its format."""

import os
import re
import shutil
import subprocess
import unittest

import tree

# Each of these writes past its buffer, keeps hidden state, hides an error, or grows the stack without limit.
BANNED = {
    "strcpy": "snprintf or a spy__buf", "strcat": "a spy__buf", "stpcpy": "a spy__buf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strtok_r", "alloca": "malloc",
    "atoi": "strtol", "atol": "strtol", "atoll": "strtoll", "atof": "strtod", "scanf": "strtol", "fscanf": "strtol",
    "asctime": "strftime", "ctime": "strftime", "gmtime": "gmtime_r", "localtime": "localtime_r", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "rand": "spy__random_u64", "usleep": "nanosleep",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
LINES_MAX = 500


def banned_in(path, text):
    for number, line in enumerate(tree.code_only(text).split("\n"), 1):
        for match in BANNED_CALL.finditer(line):
            yield f"{path}:{number}: {match.group(1)}() is banned: use {BANNED[match.group(1)]}"


class Code(unittest.TestCase):
    def test_no_banned_function(self):
        errors = [e for path in tree.files(".c", ".h", ".cpp", ".cc") for e in banned_in(path, tree.read(path))]
        self.assertEqual(errors, [], "\n" + "\n".join(errors))

    def test_planted_banned_functions_are_found(self):
        for line in ("strcpy(a, b);", "x = atoi (s);", "if (!sprintf(a, b))", "int n = rand();"):
            with self.subTest(line=line):
                self.assertNotEqual(list(banned_in("a.c", line)), [])
        for line in ("// strcpy(a, b);", 's = "atoi(x)";', "my_strcpy(a, b);", "snprintf(a, n, b);", "ops->gets(a);",
                     "/* sprintf(\n */ x();"):
            with self.subTest(line=line):
                self.assertEqual(list(banned_in("a.c", line)), [])

    def test_files_are_short(self):
        for path in tree.files(".c", ".h", ".cpp", ".cc", ".py", "/setup", "/up", "/test", "/build", "/bench", "/down"):
            with self.subTest(path=path):
                self.assertLessEqual(tree.read(path).count("\n"), LINES_MAX, "one idea a file")

    def test_every_file_says_what_it_is(self):
        """By the comment that it opens with; or, where it opens with its own header, by that one's."""
        for path in tree.files(".c", ".h", ".cpp", ".cc"):
            with self.subTest(path=path):
                text = tree.read(path)
                own = re.match(r'#include "(?:[\w/.-]*/)?' + re.escape(os.path.basename(path)[:-2]) + r'\.h"', text)
                self.assertTrue(own or re.match(r"\s*(//|/\*)", text), "a file opens with a comment that says what it is")

    def test_headers_are_guarded(self):
        for path in tree.files(".h"):
            with self.subTest(path=path):
                guard = re.search(r"^#ifndef (\w+)\n#define \1\n", tree.read(path), re.MULTILINE)
                self.assertTrue(guard, "no include guard")

    def test_public_functions_are_documented(self):
        for path in tree.files(".h"):
            if not path.startswith("include/"):
                continue
            with self.subTest(path=path):
                text = tree.read(path)
                for match in re.finditer(r"^SPY_API\b[^;{]*", text, re.MULTILINE):
                    before = text[:match.start()].rstrip("\n")
                    last = before.rsplit("\n", 1)[-1]
                    kin = last.startswith(("SPY_API", "#define")) or last.endswith(";")  # beside a documented one
                    self.assertTrue(last.rstrip().endswith("*/") or kin, match.group())

    def test_nothing_is_left_unfinished(self):
        me = os.path.relpath(os.path.abspath(__file__), tree.ROOT)
        for path in tree.files(".c", ".h", ".cpp", ".cc", ".py", ".md", ".build", ".yml", ".yaml"):
            if path != me:
                with self.subTest(path=path):
                    self.assertIsNone(UNFINISHED.search(tree.read(path)))

    def test_format(self):
        tool = shutil.which("clang-format-14")
        if not tool:
            self.skipTest("clang-format 14 is not there, and other versions disagree with it")
        run = subprocess.run([os.path.join(tree.ROOT, "script/format"), "--check"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, "run script/format\n" + run.stderr[-4000:])

    def test_scripts(self):
        tool = shutil.which("shellcheck")
        if not tool:
            self.skipTest("shellcheck is not there")
        scripts = [p for p in tree.files("") if p.startswith(("script/", ".ci/", "packaging/"))
                   and re.match(r"#!.*\b(ba)?sh\b", tree.read(p))]
        self.assertGreater(len(scripts), 4)
        run = subprocess.run([tool, "-x", *scripts], cwd=tree.ROOT, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)
