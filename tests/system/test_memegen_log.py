"""memegen's log: what was answered is in it, whatever ends the process; it rotates, and is opened again."""

import collections
import json
import os
import random
import re
import signal
import tempfile
import threading
import time
import unittest

from service import JSON, Memegen

PATH = "/api/v1/memes"
THREADS, CONNECTIONS = 8, 64
KILLS = 3
WAIT_S = 30


class Kill(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state, self.log = os.path.join(folder.name, "state"), os.path.join(folder.name, "log")
        self.lock = threading.Lock()

    def clients(self, memegen, number, asked):
        """Eight connections of one thread; notes each id as its answer is whole."""
        names = random.Random(number)
        try:
            connections = [memegen.connect() for _ in range(CONNECTIONS // THREADS)]
            while True:
                for connection in connections:
                    own = f"{number}-{names.getrandbits(64):x}"
                    bad = names.choice((None, None, "a b", "\"quoted\"", "x" * 10240, "umlaut-\u00e4"))
                    headers = {"X-Correlation-ID": bad or own}
                    if names.random() < 0.1:
                        answer = connection.request("POST", PATH, {**JSON, **headers}, b'{"topic":"kill"}')
                    else:
                        answer = connection.request("GET", f"{PATH}?limit=1", headers)
                    if answer is None:
                        return
                    seen = answer.header("X-Correlation-ID")
                    with self.lock:
                        asked.append((own if not bad else None, seen, answer.status))
        except (OSError, ValueError, AssertionError, TypeError, IndexError):
            return  # the kill, in the middle of an answer

    def storm(self, memegen, answers_wanted):
        asked = []
        threads = [threading.Thread(target=self.clients, args=(memegen, i, asked)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + WAIT_S
        while len(asked) < answers_wanted and time.monotonic() < end:
            time.sleep(0.002)
        memegen.process.kill()
        memegen.process.wait()
        for thread in threads:
            thread.join()
        return asked

    def check(self, asked, lines):
        last = collections.defaultdict(list)
        for line in lines:
            if line["event"] in ("request_processed", "request_failed"):
                last[line["correlation_id"]].append(line)
        for own, seen, status in asked:
            if own:
                self.assertEqual(own, seen)
            else:
                self.assertRegex(seen, r"^[0-9a-f-]{36}$")  # what cannot stand in a log was replaced
            mine = last[seen]
            self.assertTrue(mine, f"no line of {seen}")
            self.assertEqual({line["status_code"] for line in mine}, {status})
            for again in mine[1:]:  # repeats say so
                self.assertTrue(again.get("recovered"), mine)
                self.assertEqual(again["record_id"], mine[0]["record_id"])

    def test_what_was_answered_is_in_the_log_after_the_next_start(self):
        for i in range(KILLS):
            with Memegen(state_dir=self.state, log_path=self.log) as memegen:
                asked = self.storm(memegen, 200 * (i + 1))
            with Memegen(state_dir=self.state, log_path=self.log) as memegen:
                lines = memegen.log()  # its file is whole once it is ready
                self.check(asked, lines)
            self.assertGreater(len(asked), 100)
            with open(self.log, "rb") as file:
                for line in file:
                    self.assertTrue(line.endswith(b"\n"))
                    json.loads(line)
            os.unlink(self.log)


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = os.path.join(folder.name, "app.log")

    def lines_in(self, path):
        with open(path, "rb") as file:
            return [json.loads(line) for line in file]

    def test_sighup_opens_the_log_again(self):
        with Memegen(log_path=self.log) as memegen:
            self.assertEqual(memegen.get("/healthz", X_Correlation_ID="before").status, 200)
            memegen.log_of("before")
            os.rename(self.log, self.log + ".old")
            memegen.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + WAIT_S
            while not os.path.exists(self.log):
                self.assertLess(time.monotonic(), end, "the log was not opened again")
                time.sleep(0.01)
            self.assertEqual(memegen.get("/healthz", X_Correlation_ID="after").status, 200)
            memegen.log_of("after")
        ids = [line.get("correlation_id") for line in self.lines_in(self.log)]
        self.assertIn("after", ids)
        self.assertNotIn("before", ids)

    def test_the_log_rotates(self):
        with Memegen("--log-file-max-bytes", "20000", "--log-files-max", "2", log_path=self.log) as memegen:
            with memegen.connect() as connection:
                for i in range(300):
                    connection.request("GET", "/healthz", {"X-Correlation-ID": f"r-{i}"})
            memegen.log_of("r-299")
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.log))), ["app.log", "app.log.1", "app.log.2"])
        ids = []
        for name in (".2", ".1", ""):
            self.assertLessEqual(os.path.getsize(self.log + name), 20000)
            ids += [int(line["correlation_id"][2:]) for line in self.lines_in(self.log + name)
                    if re.match(r"r-\d", line.get("correlation_id", ""))]
        self.assertEqual(ids, list(range(300 - len(ids), 300)))


if __name__ == "__main__":
    unittest.main()
