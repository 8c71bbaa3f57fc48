"""A host that crashes: it dies as it would have, and its next start says of what, and where."""

import datetime
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from sentry_standin import Sentry

HOST = os.environ["CRASHER"]
SANITIZED = os.environ.get("CRASHER_SANITIZED") == "1"
SENTRY = os.environ.get("CRASHER_SENTRY", "1") == "1"
TIMEOUT_S = 120
TRIES = 10  # of what needs another thread to answer within 200 ms, on a machine that may be busy
STATE_WHOLE = 2  # src/crash/file.h

SIGNALS = {"segv": signal.SIGSEGV, "bus": signal.SIGBUS, "fpe": signal.SIGFPE, "ill": signal.SIGILL, "abort": signal.SIGABRT}
# The function that each of them dies in.
FUNCTIONS = {"segv": "die_of_segv", "bus": "die_of_bus", "fpe": "die_of_fpe", "ill": "die_of_ill", "abort": "die"}


def environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SPY_")}
    # A sanitizer's own handlers, and its own malloc, are not what is tried here.
    env["ASAN_OPTIONS"] = ":".join(f"handle_{name}=0" for name in ("segv", "sigbus", "sigfpe", "sigill", "abort")) + \
        ":detect_leaks=0:use_sigaltstack=0:disable_coredump=0:" + env.get("ASAN_OPTIONS", "")
    return {**env, **extra}


class Crash(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="crash-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.state = os.path.join(self.folder, "state")

    def run_host(self, *arguments, env=None, **kwargs):
        return subprocess.run([HOST, self.state, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT_S, env=environment(**(env or {})), check=False, **kwargs)

    def crash(self, how, where="working", number=signal.SIGSEGV, **kwargs):
        done = self.run_host(how, where, **kwargs)
        self.assertEqual(done.returncode, -number, done.stderr)
        return done

    def next_start(self):
        """The lines of the next start that are about the one before."""
        done = self.run_host()
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def told(self):
        """The one line that tells the crash; nothing is told twice."""
        lines = [line for line in self.next_start() if line["event"] == "crash_recovered"]
        self.assertEqual([line["event"] for line in self.next_start() if line["event"].startswith("crash")], [])
        self.assertEqual(len(lines), 1)
        return lines[0]

    def head(self, offset, n=4):
        with open(os.path.join(self.state, "crash"), "rb") as file:
            file.seek(offset)
            return int.from_bytes(file.read(n), "little")


class Signals(Crash):
    def test_each_fault(self):
        for how, number in SIGNALS.items():
            with self.subTest(how=how):
                self.crash(how, number=number)
                line = self.told()
                self.assertEqual((line["signal"], line["signal_number"]), (number.name, number))
                self.assertIs(line["report_complete"], True)
                self.assertEqual(line["correlation_id"], "request-1")
                self.assertEqual(line["trace_id"], "0af7651916cd43dd8448eb211c80319c")
                self.assertIn(FUNCTIONS[how] + "(", line["stack"])
                self.assertIn("handle_request(", line["stack"])
                self.assertIn("working(", line["stack"])
                self.assertIn("crasher.c:", line["stack"])

    def test_each_signal_that_is_sent(self):
        for how, number in SIGNALS.items():
            with self.subTest(how=how):
                self.crash("raise-" + how, "main", number=number)
                line = self.told()
                self.assertEqual(line["signal"], number.name)
                self.assertEqual(line["signal_code"], "SI_TKILL")
                self.assertEqual(line["sender_pid"], line["crashed_pid"])
                self.assertIn("main(", line["stack"])

    def test_the_address_of_a_fault(self):
        self.crash("segv", "main")
        line = self.told()
        self.assertEqual((line["signal_code"], line["address"]), ("SEGV_MAPERR", "0x1234"))

    def test_a_core_is_dumped(self):
        """As far as the system lets it: the status of the process has the bit."""
        pid = os.fork()
        if pid == 0:
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
            os.chdir(self.folder)
            null = os.open(os.devnull, os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            os.execve(HOST, [HOST, self.state, "segv"], environment())
        _, status = os.waitpid(pid, 0)
        self.assertTrue(os.WIFSIGNALED(status))
        self.assertEqual(os.WTERMSIG(status), signal.SIGSEGV)
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
            if not file.read().startswith("|"):
                self.assertTrue(os.WCOREDUMP(status))


class Places(Crash):
    """Where a crash may happen that most handlers do not survive."""

    def test_an_exhausted_stack(self):
        for where in ("attached", "working", "main"):
            with self.subTest(where=where):
                self.crash("stack", where)
                line = self.told()
                self.assertIs(line["report_complete"], True)
                self.assertGreater(line["stack"].count("die_of_stack("), 10)

    def test_an_exhausted_stack_of_a_thread_that_is_not_attached(self):
        self.crash("stack", "never")
        self.assertEqual([line for line in self.next_start() if line["event"].startswith("crash")], [])

    def test_a_thread_that_is_not_attached(self):
        """Its stack has room for the handler: the crash is seen all the same."""
        self.crash("segv", "never")
        self.assertIn("never(", self.told()["stack"])

    @unittest.skipIf(SANITIZED, "the sanitizer's malloc ends the process in its own way")
    def test_inside_malloc(self):
        done = self.run_host("malloc", "working")
        self.assertIn(-done.returncode, (signal.SIGABRT, signal.SIGSEGV), done.stderr)
        line = self.told()
        self.assertIn("die_in_malloc(", line["stack"])
        self.assertIn("malloc", line["stack"].split("die_in_malloc(")[0])

    def test_a_call_of_nothing(self):
        self.crash("call")
        line = self.told()
        self.assertTrue(line["stack"].startswith("[0x0 "), line["stack"])
        self.assertIn("handle_request(", line["stack"])


class Ends(Crash):
    """How the process before ended, where no crash tells."""

    def said(self):
        return [line["event"] for line in self.next_start() if line["event"] in ("unclean_end", "crash_recovered")]

    def test_a_kill(self):
        self.crash("kill", "main", number=signal.SIGKILL)
        lines = self.next_start()
        ends = [line for line in lines if line["event"] == "unclean_end"]
        self.assertEqual(len(ends), 1)
        self.assertEqual((ends[0]["ended_release"], ends[0]["rebooted"]), ("crasher@1.0", False))
        self.assertLessEqual(ends[0]["started_at"], ends[0]["last_seen_at"])
        self.assertEqual(self.said(), [])  # once

    def test_a_crash_that_nobody_saw(self):
        self.crash("stack", "never")
        self.assertEqual(self.said(), ["unclean_end"])
        self.assertEqual(self.said(), [])

    def test_a_crash_is_told_as_one(self):
        self.crash("segv")
        self.assertEqual(self.said(), ["crash_recovered"])

    def test_an_exit_without_a_stop(self):
        done = self.run_host("exit")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.said(), [])

    def test_a_stop(self):
        self.assertEqual(self.said(), [])
        self.assertEqual(self.said(), [])

    def test_a_file_that_is_none(self):
        self.said()
        for bad in (b"", b"x" * 10, b"\xff" * 4096):
            with open(os.path.join(self.state, "run"), "wb") as file:
                file.write(bad)
            self.assertEqual(self.said(), [])


class Threads(Crash):
    def test_others_are_copied(self):
        for _ in range(TRIES):
            self.crash("segv", "beside")
            line = self.told()
            if line["threads_unanswered"] == 0:
                self.assertGreaterEqual(line["threads"], 2)  # the library's own may be among them
                return
        self.fail("a thread that sleeps never answered")

    def test_a_wedged_one_is_left_out(self):
        """After 200 ms: it took less than ten times that from the crash to the end, whatever else the machine had to do."""
        took = []
        for _ in range(TRIES):
            self.crash("wedged", "main")
            ended = time.time()
            line = self.told()
            self.assertGreaterEqual(line["threads_unanswered"], 1)
            self.assertIs(line["report_complete"], True)
            crashed = datetime.datetime.strptime(line["crashed_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
            took.append(ended - crashed.timestamp())
            if took[-1] < 2:
                self.assertGreater(took[-1], 0.15)
                return
        self.fail(f"it was waited for: {took}")

    def test_two_at_once(self):
        for _ in range(5):
            self.crash("two")
            line = self.told()
            self.assertIs(line["report_complete"], True)
            self.assertIn("at_once(", line["stack"])


@unittest.skipUnless(SENTRY, "this build tells Sentry nothing")
class Scene(Crash):
    """What the process was at, and what led to it: as Sentry is told."""

    def setUp(self):
        super().setUp()
        self.sentry = Sentry()
        self.addCleanup(self.sentry.close)
        self.env = {"SENTRY_DSN": self.sentry.dsn}

    def crash_nested(self, how="segv"):
        """What the process had written, the line that tells, and the event."""
        done = self.crash(how, "nested", env=self.env)
        before = len(self.sentry.payloads("event"))
        after = self.run_host(env=self.env)
        self.assertEqual(after.returncode, 0, after.stderr)
        line, = [json.loads(line) for line in after.stdout.splitlines() if '"crash_recovered"' in line]
        event, = self.sentry.payloads("event")[before:]
        self.assertEqual(self.sentry.wrong, [])
        return done.stdout, line, event

    def until(self, is_good, how="segv"):
        """Another thread answered, and whatever else takes a machine that is not too busy."""
        for _ in range(TRIES):
            written, line, event = self.crash_nested(how)
            if is_good(written, line):
                return written, line, event
        self.fail(f"it was never so: {line}")

    def test_operations_of_two_threads(self):
        for how in ("segv", "stack"):  # of an exhausted stack they lie at the far end
            with self.subTest(how=how):
                _, line, event = self.until(lambda _, line: line["threads_unanswered"] == 0, how)
                self.assertEqual((line["operation"], line["method"], line["route"], line["path"]),
                                 ("salt", "POST", "/dishes/{id}", "/dishes/7"))
                self.assertRegex(line["open_spans"], r"^\[salt sea \([\d.]+ s\) pot \([\d.]+ s\) kitchen soup \([\d.]+ s\) "
                                                     r"http_request \([\d.]+ s\)\]$")
                threads = {thread["thread_id"]: thread for thread in event["contexts"]["open_spans"]["threads"]}
                self.assertEqual(len(threads), 2)
                crashed = threads.pop(line["thread"])
                other, = threads.values()
                self.assertEqual((crashed["crashed"], other["crashed"]), (True, False))
                self.assertEqual([span["operation"] for span in crashed["spans"]], ["salt", "pot", "kitchen", "http_request"])
                self.assertEqual([span.get("op") for span in crashed["spans"]], [None, "pot.boil", None, "http.server"])
                self.assertEqual(other["spans"], crashed["spans"][2:])
                for inner, outer in zip(crashed["spans"], crashed["spans"][1:]):
                    self.assertEqual(inner["parent_span_id"], outer["span_id"])
                    self.assertLessEqual(inner["open_seconds"], outer["open_seconds"])
                self.assertGreater(crashed["spans"][1]["open_seconds"], 0.045)  # it slept so long in it
                self.assertLess(crashed["spans"][3]["open_seconds"], TIMEOUT_S)
                trace = event["contexts"]["trace"]
                self.assertEqual((trace["trace_id"], trace["span_id"], trace["parent_span_id"], trace["op"]),
                                 (line["trace_id"], crashed["spans"][0]["span_id"], crashed["spans"][1]["span_id"], "salt"))
                self.assertEqual(event["transaction"], "POST /dishes/{id}")
                self.assertEqual(event["request"]["method"], "POST")
                self.assertTrue(event["request"]["url"].endswith("/dishes/7"))

    def test_lines_that_were_written_before(self):
        _, line, event = self.until(lambda written, _: '"soon_forgotten"' in written)
        crumbs = [crumb for crumb in event["breadcrumbs"]["values"] if crumb["message"] == "soon_forgotten"]
        self.assertEqual(len(crumbs), 1)
        self.assertEqual(crumbs[0]["data"]["password"], "[redacted]")
        self.assertEqual(crumbs[0]["data"]["step"], "two")
        self.assertLess(crumbs[0]["timestamp"], line["crashed_at"])
        self.assertNotIn("hunter2", json.dumps(event))

    def test_outside_of_all_operations(self):
        self.crash("segv", "main", env=self.env)
        after = self.run_host(env=self.env)
        self.assertEqual(after.returncode, 0, after.stderr)
        line, = [json.loads(line) for line in after.stdout.splitlines() if '"crash_recovered"' in line]
        event, = self.sentry.payloads("event")
        for name in ("operation", "open_spans", "route"):
            self.assertNotIn(name, line)
        self.assertNotIn("open_spans", event["contexts"])
        self.assertNotIn("transaction", event)


class Handlers(Crash):
    """What the host had installed before."""

    def test_it_is_called(self):
        done = self.crash("earlier")
        self.assertIn("the host's handler\n", done.stderr)
        self.assertIn("die_of_segv(", self.told()["stack"])

    def test_it_may_save_the_process(self):
        done = self.run_host("survive")
        self.assertEqual((done.returncode, done.stderr), (0, "the host's handler saves\n"))
        self.assertEqual([line for line in self.next_start() if line["event"].startswith("crash")], [])

    def test_it_may_crash(self):
        done = self.crash("reentrant")
        self.assertEqual(done.stderr.count("the host's handler crashes"), 1)
        self.assertIn("die_of_segv(", self.told()["stack"])

    def test_a_forked_child_writes_nothing(self):
        done = self.run_host("fork")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line for line in self.next_start() if line["event"].startswith("crash")], [])


class Files(Crash):
    def crash_file(self):
        return os.path.join(self.state, "crash")

    def test_a_clean_end_leaves_nothing(self):
        self.assertEqual([line["event"] for line in self.next_start()], ["spyglass_started"])
        self.assertEqual([line["event"] for line in self.next_start()], ["spyglass_started"])

    def test_a_damaged_file(self):
        """Whatever it is, the next start lives; what cannot be read is said."""
        self.crash("segv")
        with open(self.crash_file(), "rb") as file:
            data = file.read()
        for name, bad, said in (("cut", data[:5000], ["crash_recovered"]), ("short", data[:40], ["crash_unreadable"]),
                                ("empty", b"", ["crash_unreadable"]), ("other", b"no crash\n" * 1000, ["crash_unreadable"]),
                                ("wild", data[:200] + b"\xff" * (len(data) - 200), ["crash_recovered"])):
            with self.subTest(name=name):
                with open(self.crash_file(), "wb") as file:
                    file.write(bad)
                events = [line["event"] for line in self.next_start()]
                self.assertEqual([event for event in events if event.startswith("crash")], said)
        self.assertEqual([line["event"] for line in self.next_start()], ["spyglass_started"])

    def test_a_reader_that_died(self):
        """What was taken and not told is told by addresses alone: its names may be what kills."""
        self.crash("segv")
        os.rename(self.crash_file(), self.crash_file() + ".read")
        line = self.told()
        self.assertNotIn("die_of_segv(", line["stack"])
        self.assertIn("crasher+0x", line["stack"])

    def test_a_start_that_failed(self):
        """It takes nothing away: the next one tells the crash, with its names."""
        self.crash("segv")
        done = self.run_host(env={"CRASHER_ADMIN": "nowhere"})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("die_of_segv(", self.told()["stack"])

    def test_another_program_by_now(self):
        """Names are looked up only in the very program that crashed."""
        old, new = os.path.join(self.folder, "old"), os.path.join(self.folder, "new")
        shutil.copy(HOST, old)
        done = subprocess.run([old, self.state, "segv"], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S,
                              env=environment(), check=False)
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        os.rename(old, new)  # the same program under another name is found all the same
        line = self.told()
        self.assertIn("die_of_segv(", line["stack"])

    def test_a_full_disk(self):
        """No crash is caught then, and that is said."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        done = self.run_host(preexec_fn=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = [json.loads(line) for line in done.stdout.splitlines() if '"crash_handler_off"' in line]
        self.assertEqual([line["error"] for line in said], ["File too large"])
        self.crash("segv", preexec_fn=limit)
        self.assertEqual([line for line in self.next_start() if line["event"].startswith("crash")], [])

    def test_it_is_whole_when_it_is_there(self):
        self.crash("segv")
        self.assertEqual(self.head(20), STATE_WHOLE)


if __name__ == "__main__":
    unittest.main()
