"""The page's room of events in Chromium, from the events of a memegen: in the embedded engine, and in an old server."""

import json
import os
import sys
import tempfile
import time
import unittest

import event_store
import old_clickhouse
import page
from service import Memegen

HOSTILE = "<img src=x onerror=alert(1)>"
MEMES = 6
WAIT_S = 60
WRITES = ("INSERT INTO analytics_events (event_type) VALUES ('x')", "DROP TABLE analytics_events", "CREATE TABLE t (a Int8) ENGINE = Memory",
          "SET readonly = 0", "SELECT 1 INTO OUTFILE '/tmp/never'", "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
          "SELECT * FROM file('/etc/passwd', 'CSV', 'a String')", "SELECT 1 SETTINGS readonly = 0", "KILL QUERY WHERE 1", "ALTER TABLE analytics_events DELETE WHERE 1",
          "SELECT 1; DROP TABLE analytics_events")
STATEMENTS = ("SELECT count() AS n, uniqExact(event_id) AS ids FROM analytics_events WHERE event_type = 'meme_generated'",
              f"SELECT '{HOSTILE}' AS `<b>head</b>`, NULL AS none, 18446744073709551615 AS large, [1, 2] AS list",
              "SELECT number FROM system.numbers LIMIT 3000", "SELECT nope", "SELECT 1 FORMAT CSV", *WRITES)


class Room:
    """Of a store that each class below brings."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-console-events-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.store = cls.open_store()
        cls.addClassCleanup(cls.store.close)
        cls.memegen = Memegen(env={"CLICKHOUSE_URL": cls.store.url})
        cls.addClassCleanup(cls.memegen.stop)
        cls.memes = [cls.memegen.make(f"topic {i}", user_id=f"u{i % 3}", template_id=("approve-reject", None)[i % 2]) for i in range(MEMES)]
        deadline = time.monotonic() + WAIT_S
        while cls.count() < MEMES:
            assert time.monotonic() < deadline, "the events are not stored"
            time.sleep(0.1)
        # Beside what memegen did today: of the day before, a template of a name that means harm.
        yesterday = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 86400))
        row = {"event_id": "00000000-0000-4000-8000-000000000001", "event_type": "meme_generated", "timestamp": yesterday,
               "service": "memegen", "environment": "test", "correlation_id": "", "trace_id": "", **cls.properties()}
        for n in range(MEMES + 1):  # the most popular
            row["event_id"] = f"{row['event_id'][:-1]}{n}"
            answer = cls.store.call("INSERT INTO analytics_events FORMAT JSONEachRow", json.dumps(row))
            assert answer.status == 200, answer.body

    @classmethod
    def properties(cls):
        return {"properties": {"template_id": HOSTILE, "user_id": "u", "quality_score": 0.5}}

    @classmethod
    def count(cls):
        answer = cls.store.call("SELECT count() FROM analytics_events WHERE event_type = 'meme_generated'")
        return int(answer.text) if answer.status == 200 else 0

    def refused(self, statement, answer):
        self.assertEqual(answer["state"], "error", statement)
        self.assertRegex(answer["error"], r"Only statements that read|^Code: (164|497|48|358|62)[,.]", statement)

    def test_the_room(self):
        seen = page.browse("console_events.mjs", "room", self.memegen, self.folder, STATEMENTS=json.dumps(STATEMENTS))
        for title in ("Popular templates", "Daily users and memes"):
            chart = seen["charts"][title]
            self.assertEqual(chart["state"], "ready", chart["message"])
            self.assertGreater(chart["colored"], 500)
        self.assertIn(HOSTILE, seen["tooltip"])  # the first bar's
        self.assertIn(f"memes{MEMES + 1}", seen["tooltip"])
        self.assertIn("AS avg_quality".lower(), seen["opened"]["sql"].lower())
        templates = {meme["template_id"] for meme in self.memes}
        self.assertEqual(seen["opened"]["rows"], len(templates) + 1)

        count, hostile, many, wrong, text, *writes = seen["answers"]
        self.assertEqual((count["heads"], count["rows"]), (["n", "ids"], [[str(2 * MEMES + 1)] * 2]))
        self.assertIn("1 row · ", count["says"])
        self.assertEqual((hostile["heads"], hostile["rows"], hostile["foreign"]),
                         (["<b>head</b>", "none", "large", "list"], [[HOSTILE, "NULL", "18446744073709551615", "[1,2]"]], 0))
        self.assertEqual(many["count"], 1000)
        self.assertIn("cut: the first 1,000 are shown", many["says"])
        self.assertRegex(wrong["error"], r"^Code: 47[,.]")
        self.assertIn("nope", wrong["error"])
        self.assertEqual(text["text"], "1\n")
        for statement, answer in zip(WRITES, writes, strict=True):
            self.refused(statement, answer)
        self.assertEqual(self.count(), 2 * MEMES + 1)
        self.assertEqual(seen["kept"][1:], list(reversed((*STATEMENTS,)))[:20] + [seen["opened"]["sql"]])
        self.assertEqual(seen["chosen"], STATEMENTS[-2])


@unittest.skipIf(page.missing() or event_store.missing(), page.missing() or event_store.missing())
class Embedded(Room, unittest.TestCase):
    @classmethod
    def open_store(cls):
        return event_store.EventStore()

    def test_a_narrow_screen(self):
        seen = page.browse("console_events.mjs", "narrow", self.memegen, self.folder)
        self.assertEqual((seen["width"], seen["clipped"]), (390, 0))

    def test_without_clickhouse_it_says_what_to_do(self):
        memegen = Memegen()
        try:
            seen = page.browse("console_events.mjs", "unconfigured", memegen, self.folder)
        finally:
            memegen.stop()
        self.assertIn("CLICKHOUSE_URL", seen["note"])
        self.assertEqual(seen["boxes"], 0)


@unittest.skipIf(page.missing() or old_clickhouse.missing(), page.missing() or old_clickhouse.missing())
class OldServer(Room, unittest.TestCase):
    @classmethod
    def open_store(cls):
        return old_clickhouse.OldClickHouse()

    @classmethod
    def properties(cls):
        return {"properties": json.dumps(super().properties()["properties"], separators=(",", ":"))}


def main(folder, url):
    """The picture of the documents, of a memegen that stores its events at url."""
    memegen = Memegen(env={"CLICKHOUSE_URL": url})
    try:
        with tempfile.TemporaryDirectory() as home:
            page.browse("console_events.mjs", "screenshots", memegen, home, SCREENSHOTS=os.path.abspath(folder), STATEMENT=(
                "SELECT properties.user_id AS user, count() AS memes, round(avg(properties.quality_score), 3) AS mean_quality, max(timestamp) AS last\n"
                "FROM analytics_events\nWHERE event_type = 'meme_generated'\nGROUP BY user\nORDER BY memes DESC, user\nLIMIT 8"))
    finally:
        memegen.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
