"""The embedded event store under load, at its limits and at its end: nothing that it acknowledged is lost."""

import concurrent.futures
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import event_store
from event_store import EventStore, PROGRAM
from running import eventually
from service import environment

INSERT = "INSERT INTO t FORMAT JSONEachRow"
TABLE = "CREATE TABLE t (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (batch, n) SETTINGS non_replicated_deduplication_window = 1000"
# It takes any machine minutes.
SLOW = "SELECT count() FROM numbers_mt(1000000000000) WHERE NOT ignore(sipHash64(number))"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'"

# The events of memegen, as their typed JSON column wants them.
EVENTS = """CREATE TABLE analytics_events (
    event_id UUID, event_type LowCardinality(String), timestamp DateTime64(6, 'UTC'),
    properties JSON(template_id String, user_id String, quality_score Float32, generation_time Float32, meme_id String,
                    interaction_type String, platform String),
    template_id LowCardinality(String) MATERIALIZED properties.template_id
) ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY (event_type, toDate(timestamp), event_id)
SETTINGS non_replicated_deduplication_window = 1000"""
POPULAR = """SELECT 
    template_id,
    COUNT(*) as usage_count,
    AVG(properties.quality_score) as avg_quality
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY template_id
ORDER BY usage_count DESC;
"""
ENGAGEMENT = """SELECT 
    DATE_TRUNC('day', timestamp) as date,
    COUNT(DISTINCT properties.user_id) as daily_active_users,
    COUNT(*) as total_generations
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY date
ORDER BY date;
"""


def batch(number, rows=100):
    return "".join(f'{{"batch":{number},"n":{n}}}\n' for n in range(rows))


@unittest.skipIf(event_store.missing(), event_store.missing())
class StoreTest(unittest.TestCase):
    def store(self, *flags, folder=None):
        store = EventStore(*flags, folder=folder)
        self.addCleanup(store.close)
        return store

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="spyglass-events-")
        self.addCleanup(folder.cleanup)
        return folder.name


class Events(StoreTest):
    def test_the_analytics_queries_as_they_were_asked_for(self):
        store = self.store()
        store.ask(EVENTS)
        events = [{"event_id": str(uuid.UUID(int=i)), "event_type": "meme_generated" if i % 3 else "meme_interaction",
                   "timestamp": f"2026-11-{1 + i % 5:02} 09:51:39.{i:06}",
                   "properties": {"template_id": f"template_{i % 7 % 3}", "user_id": f"user_{i % 11}", "quality_score": i % 4 / 4,
                                  "generation_time": 1.5, "an unlisted key": i}} for i in range(1000)]
        body = gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode())
        answer = store.call("INSERT INTO analytics_events FORMAT JSONEachRow", body, headers={"Content-Encoding": "gzip"})
        self.assertEqual((answer.status, answer.summary["written_rows"]), (200, "1000"), answer.body)

        generated = [event for event in events if event["event_type"] == "meme_generated"]
        templates, days = {}, {}
        for event in generated:
            templates.setdefault(event["properties"]["template_id"], []).append(event["properties"]["quality_score"])
            days.setdefault(event["timestamp"][:10], []).append(event["properties"]["user_id"])
        popular = [json.loads(line) for line in store.ask(body=POPULAR, query=None, default_format="JSONEachRow").splitlines()]
        self.assertEqual([row["usage_count"] for row in popular], sorted((len(s) for s in templates.values()), reverse=True))
        for row in popular:
            scores = templates.pop(row["template_id"])
            self.assertEqual(row["usage_count"], len(scores))
            self.assertAlmostEqual(row["avg_quality"], sum(scores) / len(scores), places=5)
        self.assertEqual(templates, {})
        engagement = [json.loads(line) for line in store.ask(ENGAGEMENT, default_format="JSONEachRow").splitlines()]
        self.assertEqual([(row["date"][:10], row["daily_active_users"], row["total_generations"]) for row in engagement],
                         [(day, len(set(users)), len(users)) for day, users in sorted(days.items())])
        self.assertEqual(store.ask("SELECT properties.`an unlisted key` FROM analytics_events WHERE event_id = toUUID('00000000-0000-0000-0000-00000000002a')"),
                         "42\n")


class Concurrency(StoreTest):
    def test_a_slow_query_holds_up_nobody(self):
        store = self.store()
        store.ask(TABLE)
        slow = threading.Thread(target=lambda: store.call(SLOW, max_execution_time=300))
        slow.start()
        self.addCleanup(slow.join)
        eventually("the slow query", lambda: store.ask(RUNNING) != "0\n")
        start = time.monotonic()
        for number in range(10):
            self.assertEqual(store.ask("SELECT 1"), "1\n")
            self.assertEqual(store.call(INSERT, batch(number)).status, 200)
        self.assertEqual(store.ask("SELECT count() FROM t"), "1000\n")
        self.assertLess(time.monotonic() - start, 120)
        store.ask("KILL QUERY WHERE query LIKE '%sipHash64%' ASYNC")

    def test_a_statement_has_limits_of_time(self):
        store = self.store()
        answer = store.call(SLOW, max_execution_time=1)
        self.assertEqual((answer.status, answer.code), (408, 159), answer.body)
        for name, value in (("max_execution_time", 0), ("max_execution_time", 100000), ("timeout_overflow_mode", "break"),
                            ("max_result_bytes", 0), ("max_memory_usage", 0)):
            with self.subTest(name=name, value=value):
                answer = store.call("SELECT 1", **{name: value})
                self.assertEqual(answer.code, 452, answer.body)  # SETTING_CONSTRAINT_VIOLATION

    def test_an_answer_has_limits_of_size(self):
        store = self.store()
        answer = store.call("SELECT repeat('x', 1000 + number % 2) FROM numbers(1000000)")
        self.assertEqual(answer.code, 396, answer.body[:200])  # TOO_MANY_ROWS_OR_BYTES
        # A constant takes no room in the result, but in its text.
        answer = store.call("SELECT repeat('x', 1000000) FROM numbers(1000000)")
        self.assertEqual(answer.code, 241, answer.body[:200])  # MEMORY_LIMIT_EXCEEDED
        self.assertEqual(store.ask("SELECT 1"), "1\n")

    def test_past_its_bounds_it_says_503(self):
        store = self.store("--queries", "1")
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            answers = [pool.submit(store.call, SLOW, max_execution_time=600) for _ in range(100)]
            refused = eventually("refusals", lambda: [a for a in answers if a.done()])
            answer = refused[0].result()
            self.assertEqual((answer.status, answer.code), (503, 202), answer.body)
            self.assertEqual(store.stop(), 0)  # whoever runs or waits gets an answer, too
            for each in concurrent.futures.as_completed(answers):
                self.assertIn(each.result().code, (202, 394), each.result().body)  # 394: QUERY_WAS_CANCELLED

    def test_a_body_that_is_too_long_is_refused(self):
        store = self.store()
        store.ask(TABLE)
        bomb = gzip.compress(b" " * (129 << 20), 9)
        answer = store.call(INSERT, bomb, headers={"Content-Encoding": "gzip"})
        self.assertEqual((answer.status, answer.code), (413, 36), answer.body)
        self.assertEqual(store.ask("SELECT 1"), "1\n")

    def test_a_client_that_goes_in_the_middle_of_a_body_hurts_nobody(self):
        store = self.store()
        store.ask(TABLE)
        client = http.client.HTTPConnection(store.url.removeprefix("http://"), timeout=10)
        client.putrequest("POST", "/?query=INSERT+INTO+t+FORMAT+JSONEachRow")
        client.putheader("Content-Length", "1000")
        client.endheaders(batch(1, 2).encode())
        client.close()
        self.assertEqual(store.call(INSERT, batch(2, 2)).status, 200)
        self.assertEqual(store.ask("SELECT DISTINCT batch FROM t"), "2\n")


class Ends(StoreTest):
    def test_a_kill_loses_nothing_that_was_acknowledged_and_a_repeat_counts_once(self):
        folder = self.folder()
        acknowledged, attempted = set(), 0
        first = self.store(folder=folder)
        first.ask(TABLE)
        first.close()
        for _ in range(3):
            store = self.store(folder=folder)
            killer = threading.Timer(0.02, store.process.kill)
            begun = len(acknowledged)
            try:
                while True:
                    attempted += 1
                    if store.call(INSERT, batch(attempted), insert_deduplication_token=str(attempted)).status == 200:
                        acknowledged.add(attempted)
                    if len(acknowledged) == begun + 5:
                        killer.start()
            except (OSError, http.client.HTTPException):
                pass  # it is dead
            killer.join()
            self.assertEqual(store.process.wait(10), -signal.SIGKILL)
        last = self.store(folder=folder)
        stored = set(map(int, last.ask("SELECT batch FROM t GROUP BY batch HAVING count() = 100").split()))
        self.assertGreaterEqual(len(acknowledged), 15)
        self.assertLessEqual(acknowledged, stored)
        self.assertLessEqual(stored, set(range(1, attempted + 1)))
        for number in (max(acknowledged), attempted):
            self.assertEqual(last.call(INSERT, batch(number), insert_deduplication_token=str(number)).status, 200)
        self.assertEqual(last.ask("SELECT batch FROM t GROUP BY batch HAVING count() != 100"), "")

    def test_a_signal_ends_it_and_what_runs(self):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            store = self.store()
            slow = pool.submit(store.call, SLOW, max_execution_time=600)
            eventually("the slow query", lambda: store.ask(RUNNING) != "0\n")
            self.assertEqual(store.stop(), 0)
            self.assertEqual(slow.result().code, 394, slow.result().body)
        idle = self.store()
        idle.process.send_signal(signal.SIGINT)
        self.assertEqual(idle.process.wait(30), 0)

    def test_a_folder_has_one_owner(self):
        store = self.store()
        done = self.run_it("--data", store.folder, "--listen", "127.0.0.1:0")
        self.assertEqual(done, (1, "", f"spyglass-events: {store.folder} is in use by process {store.process.pid}\n"))
        self.assertEqual(store.ask("SELECT 1"), "1\n")
        self.assertEqual(store.stop(), 0)
        self.store(folder=store.folder)

    def run_it(self, *arguments, **env):
        done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
                              env=environment(**env), cwd="/")
        return done.returncode, done.stdout, done.stderr

    def test_what_cannot_be_started_says_why(self):
        folder = self.folder()
        for address in ("0.0.0.0:0", "192.0.2.1:80", "127.0.0.1", "127.0.0.1:70000", "example.com:80"):
            status, output, errors = self.run_it("--data", folder, "--listen", address)
            self.assertEqual((status, output), (2, ""))
            self.assertIn(f'"{address}" is no loopback HOST:PORT', errors)
        for arguments, why in (((), "--data DIR is wanted"), (("--data",), '"--data" has no value'), (("--datum", "x"), '"--datum" is no flag'),
                               (("--data", folder, "--queries", "0"), '--queries: "0" is no number from 1 to 16')):
            status, _, errors = self.run_it(*arguments)
            self.assertEqual(status, 2)
            self.assertIn(why, errors)
        self.assertEqual(self.run_it("--data", os.path.join(folder, "no/such"))[::2], (1, f"spyglass-events: cannot make {folder}/no/such: No such file or directory\n"))
        status, _, errors = self.run_it("--data", folder, SPY_LIBCHDB="/nowhere/libchdb.so")
        self.assertEqual(status, 1)
        self.assertRegex(errors, "^spyglass-events: /nowhere/libchdb.so is not there: script/setup brings libchdb.so, or SPY_LIBCHDB names another\n$")
        with open("/proc/self/maps", encoding="utf-8") as file:
            libc = next(line.split()[-1] for line in file if "libc.so" in line or "libc-" in line)
        self.assertRegex(self.run_it("--data", folder, SPY_LIBCHDB=libc)[2], " has no chdb_set_signal_handlers_enabled: this program wants chdb 26.7 or newer\n$")
        self.assertRegex(self.run_it("--data", folder, SPY_LIBCHDB=__file__)[2], "^spyglass-events: .*invalid ELF header\n$")
        store = self.store()
        port = store.url.rpartition(":")[2]
        self.assertRegex(self.run_it("--data", folder, "--listen", f"127.0.0.1:{port}")[2], f"cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_help(self):
        status, output, _ = self.run_it("--help")
        self.assertEqual(status, 0)
        self.assertLessEqual(max(map(len, output.splitlines())), 100)
        for word in ("--data", "--listen", "--queries", "SPY_LIBCHDB", "/ping", "param_NAME", "501"):
            self.assertIn(word, output)


if __name__ == "__main__":
    unittest.main()
