"""script/test: builds what the named tiers need, runs their tests, and counts them.

A test is a TAP line where a program speaks TAP, else the program. One that ended badly without a failed line (a crash, a
time-out, a plan that it did not keep) counts as one failure more. Nothing is counted that did not run.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

import stack

BUILDS = os.path.join(stack.ROOT, "build-test")
CLANG = "clang-14" if shutil.which("clang-14") else "clang"
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS") or 10)
JOBS = os.cpu_count() or 2
PROGRAM_TIMEOUT_S = 900  # of one file of system tests

# name → compiler, Meson options. Every one has the tests, and stops at a warning.
FLAVOURS = {
    "gcc": ("gcc", ["-Dbuildtype=debugoptimized"]),
    "asan": (CLANG, ["-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false"]),
    "tsan": (CLANG, ["-Dbuildtype=debugoptimized", "-Db_sanitize=thread", "-Db_lundef=false"]),
    "fuzz": (CLANG, ["-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzzers=true",
                     "-Dc_args=-fsanitize=fuzzer-no-link"]),
}
# A sanitizer's finding ends the program with a status that no test expects.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": f"second_deadlock_stack=1:exitcode=99:suppressions={stack.ROOT}/tests/tsan.supp",
}

TAP_LINE = re.compile(r"^(not )?ok\b[ \t]*(?:\d+)?[ \t]*(?:-[ \t]*)?([^#\n]*)(?:#[ \t]*(\w*)[ \t]*(.*))?$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.skips = [], []

    def add_pass(self):
        self.passed += 1

    def add_failure(self, name):
        self.failed += 1
        self.failures.append(name)

    def add_skip(self, name, reason):
        self.skipped += 1
        self.skips.append((name, reason))

    def add_program(self, name, output, ended_well):
        """Counts one program's output; returns whether it all passed."""
        failed = seen = 0
        for bad, what, directive, reason in TAP_LINE.findall(output):
            seen += 1
            what = f"{name}: {what.strip() or reason}"
            if directive.upper() == "SKIP":
                self.add_skip(what, reason)
            elif bad:
                failed += 1
                self.add_failure(what)
            else:
                self.add_pass()
        if not ended_well and not failed:
            failed += 1
            self.add_failure(f"{name}: did not end well")
        elif not seen:
            self.add_pass()
        return not failed

    def closing_line(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def ended_well(test):
    """Of a line of Meson's log. Meson takes cmocka's "not ok 1 # SKIP" for a failure; TAP does not."""
    if test["result"] in ("OK", "SKIP", "EXPECTEDFAIL"):
        return True
    output = test.get("stdout") or ""
    plan = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
    lines = TAP_LINE.findall(output)
    return (test["returncode"] == 0 and plan is not None and int(plan.group(1)) == len(lines)
            and all(not bad or directive.upper() == "SKIP" for bad, _, directive, _ in lines))


tally = Tally()


def say(text):
    print(text, flush=True)


def show_failure(name, output):
    say(f"--- {name} failed; its output:\n{output[-20000:]}\n---")


def run_logged(command, log, **kwargs):
    """Runs command with its output in a file, which is shown when it fails; returns whether it succeeded."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(command, cwd=stack.ROOT, stdout=out, stderr=subprocess.STDOUT, check=False, **kwargs).returncode
    if status != 0:
        with open(log, encoding="utf-8", errors="replace") as file:
            show_failure(" ".join(command), file.read())
    return status == 0


def configure(flavour):
    folder = os.path.join(BUILDS, flavour)
    compiler, options = FLAVOURS[flavour]
    wanted = json.dumps([compiler, options])
    note = os.path.join(folder, "wanted.json")
    if os.path.exists(note):
        with open(note, encoding="utf-8") as file:
            if file.read() == wanted:
                return True
        shutil.rmtree(folder)
    ok = run_logged(["meson", "setup", folder, "-Dtests=true", "-Dwerror=true", *options], f"{folder}.log",
                    env={**os.environ, "CC": compiler})
    if ok:
        with open(note, "w", encoding="utf-8") as file:
            file.write(wanted)
    return ok


def build(flavour, targets=()):
    """A build that fails is one failed test: those in it did not run."""
    started = time.monotonic()
    ok = configure(flavour) and run_logged(["ninja", "-k", "0", "-C", os.path.join(BUILDS, flavour), *targets], f"{BUILDS}/{flavour}-build.log")
    if ok:
        say(f"Built {flavour} in {time.monotonic() - started:.0f} s.")
    else:
        tally.add_failure(f"build {flavour}")
    return ok


def meson_tests(flavour, suites):
    """Runs these suites of a built flavour."""
    folder = os.path.join(BUILDS, flavour)
    known = json.loads(subprocess.run(["meson", "introspect", "--tests", folder], check=True, capture_output=True).stdout)
    suites = [s for s in suites if any(name.split(":")[-1] == s for test in known for name in test["suite"])]
    if not suites:
        return
    started = time.monotonic()
    log = os.path.join(folder, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(JOBS), "--timeout-multiplier", "4"]
    for suite in suites:
        command += ["--suite", suite]
    subprocess.run(command, cwd=stack.ROOT, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, **SANITIZERS})
    before = (tally.passed, tally.failed)
    if not os.path.exists(log):
        tally.add_failure(f"{flavour} {' '.join(suites)}: meson test left no log")
        return
    with open(log, encoding="utf-8") as file:
        for test in map(json.loads, file):
            name = f"{test['name'].rpartition(' / ')[2]} ({flavour})"
            output = (test.get("stdout") or "") + (test.get("stderr") or "")
            if test["result"] == "SKIP" and not TAP_LINE.search(output):
                tally.add_skip(name, "the program skipped itself")
            elif not tally.add_program(name, test.get("stdout") or "", ended_well(test)):
                show_failure(name, output + f"\n{test['result']}, status {test['returncode']}")
    say(f"Ran {' and '.join(suites)} with {flavour}: {tally.passed - before[0]} passed, {tally.failed - before[1]} failed, "
        f"{time.monotonic() - started:.0f} s.")


def python_tests(folder, env=None):
    for path in sorted(glob.glob(os.path.join(stack.ROOT, folder, "test_*.py"))):
        name = os.path.relpath(path, stack.ROOT)
        started = time.monotonic()
        try:
            run = subprocess.run(["/usr/bin/python3", "-B", os.path.join(stack.ROOT, "script/lib/tap.py"), path],
                                 cwd=stack.ROOT, env={**os.environ, **(env or {})}, check=False, text=True, errors="replace",
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PROGRAM_TIMEOUT_S)
            output, ended_well = run.stdout, run.returncode == 0
        except subprocess.TimeoutExpired as expired:
            output, ended_well = (expired.stdout or b"").decode(errors="replace") + "\ntimed out", False
        if tally.add_program(name, output, ended_well):
            say(f"Ran {name}, {time.monotonic() - started:.0f} s.")
        else:
            show_failure(name, output)


def fuzz():
    """Each target for FUZZ_SECONDS from its kept corpus, two and two; new inputs stay in build-test/."""
    if not configure("fuzz"):
        tally.add_failure("build fuzz")
        return
    folder = os.path.join(BUILDS, "fuzz")
    targets = json.loads(subprocess.run(["meson", "introspect", "--targets", folder], check=True, capture_output=True).stdout)
    programs = {t["name"]: t["filename"][0] for t in targets if t["type"] == "executable" and t["name"].startswith("fuzz_")}
    if not programs or not build("fuzz", [os.path.relpath(p, folder) for p in programs.values()]):
        return
    waiting, running = sorted(programs.items()), []
    while waiting or running:
        while waiting and len(running) < JOBS:
            running.append(start_fuzz(folder, *waiting.pop(0)))
        finish_fuzz(*running.pop(0))


def start_fuzz(folder, name, program):
    grown = os.path.join(folder, "corpus", name)
    os.makedirs(grown, exist_ok=True)
    log = os.path.join(folder, f"{name}.log")
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(
            [program, f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1",
             f"-artifact_prefix={grown}-", grown, os.path.join(stack.ROOT, "fuzz/corpus", name.removeprefix("fuzz_"))],
            cwd=stack.ROOT, env={**os.environ, **SANITIZERS}, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    return name, child, log


def finish_fuzz(name, child, log):
    status = child.wait()
    with open(log, encoding="utf-8", errors="replace") as file:
        output = file.read()
    if status == 0:
        runs = re.search(r"stat::number_of_executed_units: *(\d+)", output)
        tally.add_pass()
        say(f"Ran {name}: {int(runs.group(1)):,} inputs." if runs else f"Ran {name}.")
    else:
        tally.add_failure(name)
        show_failure(name, output)


def system():
    started = time.monotonic()
    if not run_logged([os.path.join(stack.ROOT, "script/build")], f"{BUILDS}/release-build.log"):
        tally.add_failure("build release")
        return
    say(f"Built the release in {time.monotonic() - started:.0f} s.")
    python_tests("tests/system", {"MEMEGEN_PROGRAM": os.path.join(stack.ROOT, "build/memegen/memegen")})


def main():
    tiers = sys.argv[1:] or ["unit", "integration", "system", "stress"]
    started = time.monotonic()
    if "unit" in tiers:
        python_tests("tests/check")
    suites = [tier for tier in ("unit", "integration") if tier in tiers]
    for flavour in ("gcc", "asan"):
        if suites and build(flavour):
            meson_tests(flavour, suites)
    if "system" in tiers:
        system()
    if "stress" in tiers:
        if build("tsan"):
            meson_tests("tsan", ["stress", "unit"])
        fuzz()
    for name, reason in tally.skips:
        say(f"skipped: {name}: {reason or 'no reason given'}")
    for name in tally.failures:
        say(f"failed: {name}")
    say(f"{time.monotonic() - started:.0f} s in all.")
    say(tally.closing_line())
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
