"""A profile names functions, or keeps their addresses, whatever was done to the program: at a fixed address or not, with the
library in it, beside it, or all of it in one file, and each of them stripped."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

# name → the program and the shared libraries of ours that it takes
BUILDS = {name: files.split(",") for name, _, files in (build.partition("=") for build in os.environ["PROFILE_BUILDS"].split(":"))}
CALLS = ["profile_busy", "busy_outer", "busy_inner"]
ASKED_US = 300_000


def run(*command, **env):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **env})
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def stacks(folded):
    """[(frames, microseconds)]"""
    return [(frames.split(";"), int(time)) for frames, _, time in (line.rpartition(" ") for line in folded.splitlines())]


def is_below(calls, frames):
    return any(frames[i:i + len(calls)] == calls for i in range(len(frames)))

SANITIZED = os.environ["PROFILE_BUILDS_SANITIZED"] == "1"  # which takes shared libraries


class Builds(unittest.TestCase):
    def check(self, found):
        """Nearly all of the time is where it was spent: a sample may strike where no stack can be taken."""
        total = sum(time for _, time in found)
        there = sum(time for frames, time in found if is_below(CALLS, frames))
        self.assertGreater(there, ASKED_US / 2, found)
        self.assertGreater(there, total * 0.8, found)

    def test_what_has_symbols_has_names(self):
        for name, files in BUILDS.items():
            with self.subTest(build=name):
                self.check(stacks(run(files[0])))

    def strip(self, files, folder):
        """Copies without symbols; {name of a file: where it has its symbols}."""
        for file in files:
            run("strip", "--strip-all", "-o", os.path.join(folder, os.path.basename(file)), file)
        return {os.path.basename(file): file for file in files}

    def names(self, found, files):
        """{"file+0x12": the function there}, by the files that have their symbols."""
        unnamed = {frame for frames, _ in found for frame in frames if re.fullmatch(r".+\+0x[0-9a-f]+", frame)}
        named = {}
        for name, file in files.items():
            own = sorted(frame for frame in unnamed if frame.rpartition("+")[0] == name)
            if own:
                lines = run("addr2line", "-f", "-e", file, *(frame.rpartition("+")[2] for frame in own)).splitlines()
                named.update(zip(own, lines[::2]))
        return named

    def test_what_is_stripped_keeps_its_addresses(self):
        for name, files in BUILDS.items():
            with self.subTest(build=name), tempfile.TemporaryDirectory() as folder:
                symbols = self.strip(files, folder)
                folded = run(os.path.join(folder, os.path.basename(files[0])), LD_LIBRARY_PATH=folder)
                self.assertNotIn("busy_", folded)
                found = stacks(folded)
                named = self.names(found, symbols)
                self.check([([named.get(frame, frame) for frame in frames], time) for frames, time in found])

    def test_all_are_there(self):
        self.assertLessEqual({"pie", "no_pie", "shared"}, set(BUILDS))
        if not SANITIZED and "static" not in BUILDS:
            self.skipTest("programs of this build, or with this machine's libdw, cannot be linked without shared libraries")


if __name__ == "__main__":
    unittest.main()
