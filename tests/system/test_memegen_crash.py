"""memegen crashes at work: its next start tells Spotlight of what, where and in which request, and of its sessions."""

import ctypes
import os
import platform
import shutil
import signal
import tempfile
import threading
import time
import unittest

import spotlight
from service import Connection, Memegen

TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine())
RELEASE = "memegen@crash-test"
DEADLINE_S = 60
ASKERS = 4


def worker_of(pid):
    """A thread that works at a meme, one that runs if there is one: the main thread's name is that of all of them."""
    for _ in range(200):
        tasks = {}
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
                _, name, state = file.read().replace("(", ")").split(")")[:3]
            if name == "memegen" and int(task) != pid:
                tasks[int(task)] = state.split()[0]
        running = [task for task, state in tasks.items() if state == "R"]
        if running:
            return running[0]
        time.sleep(0.005)
    return min(tasks)


class Crash(unittest.TestCase):
    def setUp(self):
        if spotlight.missing():
            self.skipTest(spotlight.missing())
        folder = tempfile.mkdtemp(prefix="memegen-crash-")
        self.addCleanup(shutil.rmtree, folder)
        self.state = os.path.join(folder, "state")
        self.spotlight = spotlight.Spotlight()
        self.addCleanup(self.spotlight.stop)

    def memegen(self, **env):
        memegen = Memegen(state_dir=self.state, env={"SENTRY_DSN": self.spotlight.dsn, "SENTRY_RELEASE": RELEASE,
                                                     "SENTRY_ENVIRONMENT": "test", **env})
        self.addCleanup(memegen.stop)
        return memegen

    def crash_at_work(self, memegen):
        """SIGSEGV for a worker, while all are asked for memes. Returns how many answers there were before."""
        answers, stopped = [], threading.Event()

        def ask():
            while not stopped.is_set():
                try:
                    answers.append(memegen.make().get("id"))
                except (OSError, AttributeError, ValueError, AssertionError):
                    return  # it is dead

        askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
        for asker in askers:
            asker.start()
        end = time.monotonic() + DEADLINE_S
        while len(answers) < 20:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        libc = ctypes.CDLL(None, use_errno=True)
        self.assertEqual(libc.syscall(TGKILL, memegen.process.pid, worker_of(memegen.process.pid), signal.SIGSEGV), 0)
        self.assertEqual(memegen.process.wait(DEADLINE_S), -signal.SIGSEGV)
        stopped.set()
        for asker in askers:
            asker.join(DEADLINE_S)
        return len(answers)

    def sessions(self):
        """All that was told, summed up by what became of them."""
        sums = {}
        for item in self.spotlight.items("sessions"):
            self.assertEqual(item["attrs"], {"release": RELEASE, "environment": "test"})
            for aggregate in item["aggregates"]:
                self.assertRegex(aggregate["started"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:00")
                for name, count in aggregate.items():
                    if name != "started":
                        sums[name] = sums.get(name, 0) + count
        return sums

    def in_app(self, stacktrace):
        return [frame["function"] for frame in stacktrace["frames"] if frame.get("in_app") and "function" in frame]

    @unittest.skipUnless(TGKILL, "the number of tgkill() is not known here")
    def test_a_crash(self):
        memegen = self.memegen()
        asked = self.crash_at_work(memegen)
        after = self.memegen()
        line = next(line for line in after.log() if line["event"] == "crash_recovered")
        self.assertEqual((line["signal"], line["crashed_pid"]), ("SIGSEGV", memegen.process.pid))
        event = next(event for event in self.spotlight.until(
            lambda: [event for event in self.spotlight.items("event") if event.get("level") == "fatal"]))
        self.check_event(event, line)
        with Connection(after.admin) as connection:
            self.assertIn(b"SIGSEGV", connection.request("GET", "/debug/errors").body)
        self.assertEqual(after.end()[0], 0)
        # An answer is a moment ahead of the end of its session.
        self.spotlight.until(lambda: self.sessions().get("exited", 0) >= asked - ASKERS)
        self.assertEqual(self.sessions().get("crashed"), 1)
        self.assertNotIn("abnormal", self.sessions())
        once = self.memegen()
        self.assertEqual([line for line in once.log() if line["event"] in ("crash_recovered", "unclean_end")], [])

    def check_event(self, event, line):
        exception = event["exception"]["values"][0]
        self.assertEqual(exception["type"], "SIGSEGV")
        self.assertEqual(exception["mechanism"]["type"], "signalhandler")
        self.assertIs(exception["mechanism"]["handled"], False)
        signal_said = exception["mechanism"]["meta"]["signal"]
        self.assertEqual((signal_said["number"], signal_said["name"]), (11, "SIGSEGV"))
        self.assertEqual(event["timestamp"], line["crashed_at"])
        self.assertEqual((event["release"], event["environment"]), (RELEASE, "test"))
        self.assertTrue(self.in_app(exception["stacktrace"]))
        threads = {thread["id"]: thread for thread in event["threads"]["values"]}
        self.assertTrue(threads[exception["thread_id"]]["crashed"])
        self.assertEqual(sum(thread["crashed"] for thread in threads.values()), 1)
        self.assertEqual(len(threads), line["threads"])
        others = [thread for thread in threads.values() if "stacktrace" in thread]
        if line["threads_unanswered"] == 0:
            self.assertIn("main", [name for thread in others for name in self.in_app(thread["stacktrace"])])
        images = {os.path.basename(image["code_file"]): image for image in event["debug_meta"]["images"]}
        self.assertTrue(images["memegen"]["debug_id"])
        crumbs = event.get("breadcrumbs", {"values": []})["values"]
        self.assertNotIn("crash_recovered", [crumb.get("message") for crumb in crumbs])
        if line.get("correlation_id"):  # it was in the middle of a request
            self.assertEqual(event["contexts"]["trace"]["trace_id"], line["trace_id"])
        if line.get("operation") not in (None, "http"):  # which had come to its work
            self.check_request(event, line)

    def check_request(self, event, line):
        """What it was at: from the innermost operation out to the request that asked for a meme."""
        trace = event["contexts"]["trace"]
        self.assertEqual(trace["span_id"], line["span_id"])
        self.assertEqual((line["method"], line["path"], line["route"]), ("POST", "/api/v1/memes", "/api/v1/memes"))
        self.assertEqual(event["transaction"], "POST /api/v1/memes")
        self.assertEqual(event["request"]["method"], "POST")
        crashed, = [thread for thread in event["contexts"]["open_spans"]["threads"] if thread["crashed"]]
        self.assertEqual(crashed["thread_id"], line["thread"])
        spans = crashed["spans"]
        self.assertEqual((spans[0]["operation"], spans[0]["span_id"]), (line["operation"], line["span_id"]))
        self.assertEqual((spans[-1]["operation"], spans[-1]["op"]), ("http", "http.server"))
        self.assertTrue(all(span["open_seconds"] < DEADLINE_S for span in spans if "open_seconds" in span))
        for inner, outer in zip(spans, spans[1:]):
            self.assertEqual(inner.get("parent_span_id", outer["span_id"]), outer["span_id"])
        self.assertTrue(line["open_spans"].startswith("[" + line["operation"]), line["open_spans"])

    def test_a_kill(self):
        memegen = self.memegen()
        memegen.log_of(memegen.make()["correlation_id"])  # a session has ended when its line is written
        self.assertEqual(memegen.end(signal.SIGKILL)[0], -signal.SIGKILL)
        after = self.memegen()
        self.assertEqual([line["ended_release"] for line in after.log() if line["event"] == "unclean_end"], [RELEASE])
        self.spotlight.until(lambda: self.sessions().get("abnormal") == 1 and self.sessions().get("exited", 0) >= 1)
        self.assertNotIn("crashed", self.sessions())
        self.assertEqual(self.spotlight.items("event"), [])

    def test_switched_off(self):
        memegen = self.memegen(MEMEGEN_CRASH_HANDLER="off")
        memegen.make()
        self.assertEqual(memegen.end(signal.SIGSEGV)[0], -signal.SIGSEGV)
        after = self.memegen(MEMEGEN_CRASH_HANDLER="off")
        self.assertEqual([line["event"] for line in after.log() if line["event"] in ("unclean_end", "crash_recovered")],
                         ["unclean_end"])
        self.assertFalse(os.path.exists(os.path.join(self.state, "crash")))


if __name__ == "__main__":
    unittest.main()
