"""Runs Python test files and reports in TAP: tap.py FILE...

Each test method is one line "ok" or "not ok"; its output and traceback follow a failure as comments.
"""

import importlib.util
import os
import sys
import unittest


class TapResult(unittest.TestResult):
    """Writes one TAP line as each test ends."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.count = 0
        self.subtest_failures = []

    def startTest(self, test):
        super().startTest(test)
        self.subtest_failures = []

    def _line(self, verdict, test, suffix=""):
        self.count += 1
        name = test.id().replace("#", "_")
        self.out.write(f"{verdict} {self.count} - {name}{suffix}\n")
        self.out.flush()

    def _explain(self, trace):
        for line in trace.rstrip().splitlines():
            self.out.write(f"# {line}\n")
        self.out.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        if not self.subtest_failures:
            self._line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("ok", test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._line("not ok", test)
        self._explain(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._line("not ok", test)
        self._explain(self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.subtest_failures.append(subtest)
            self._line("not ok", subtest)
            known = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._explain(known[-1][1])


def load(path):
    """The tests of one file, whose folder is put on the import path."""
    folder, name = os.path.split(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main():
    result = TapResult(sys.stdout)
    suite = unittest.TestSuite(load(path) for path in sys.argv[1:])
    suite.run(result)
    print(f"1..{result.count}", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
