"""The ClickHouse backend against real servers: the embedded engine (the current one) and Debian's 18.16. Schema, rows, errors,
and the analytics queries, held against what was sent."""

import collections
import datetime
import json
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))

import event_store  # noqa: E402
import old_clickhouse  # noqa: E402

SEND = os.environ["CLICKHOUSE_SEND"]
CLICKHOUSE = os.path.join(ROOT, "monitoring/clickhouse")
# Long ago enough for all events to have happened, not so long that the table keeps them no more.
FIRST = datetime.datetime.combine(datetime.date.today() - datetime.timedelta(days=40), datetime.time(23, 59, 59), datetime.timezone.utc)
COUNT = 500


def send(url, *command):
    done = subprocess.run([SEND, url, *map(str, command)], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, "FIRST_S": str(int(FIRST.timestamp()))})
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.splitlines()


def query(name):
    with open(os.path.join(CLICKHOUSE, "queries", f"{name}.sql"), encoding="utf-8") as file:
        return file.read()


def sent():
    """(template, user, score, time) of each event of `insert COUNT`."""
    return [(f"t{i % 7}", f"u{i % 31}", i % 10 / 10, FIRST + datetime.timedelta(hours=i)) for i in range(COUNT)]


def expected_templates():
    scores = collections.defaultdict(list)
    for template, _, score, _ in sent():
        scores[template].append(score)
    return {template: (len(of), sum(of) / len(of)) for template, of in scores.items()}


def expected_days():
    users = collections.defaultdict(list)
    for _, user, _, time in sent():
        users[str(time.date())].append(user)
    return {day: (len(set(of)), len(of)) for day, of in users.items()}


class Server:
    """What holds for both; `server` and `schema` are set by the classes below."""

    @classmethod
    def begin(cls, server, schema):
        cls.server, cls.schema = server, schema
        cls.addClassCleanup(server.close)
        cls.first = send(server.url, "migrate")

    def setUp(self):
        for table in ("analytics_events", "meme_template_daily", "user_engagement_daily"):
            self.server.ask("DROP TABLE IF EXISTS " + table)
            self.server.ask(f"DROP TABLE IF EXISTS {table}_view")
        self.server.ask("DROP TABLE IF EXISTS spyglass_migrations")
        self.assertEqual(send(self.server.url, "migrate"), self.first)

    def rows(self, sql):
        return [line.split("\t") for line in self.server.ask(sql + " FORMAT TabSeparated").splitlines()]

    def assert_templates(self, rows):
        expected = expected_templates()
        self.assertEqual({r[0]: int(r[1]) for r in rows}, {t: n for t, (n, _) in expected.items()})
        for template, _, score in rows:
            self.assertAlmostEqual(float(score), expected[template][1], places=6)

    def test_the_schema_is_applied_once(self):
        names = sorted(name.removesuffix(".sql") for name in os.listdir(os.path.join(CLICKHOUSE, self.schema)))
        self.assertEqual(self.first, [f"{self.schema}/{name}" for name in names] + ["0 "])
        self.assertEqual(send(self.server.url, "migrate"), ["0 "])
        self.assertEqual(self.rows("SELECT version, name, schema FROM spyglass_migrations ORDER BY version"),
                         [[str(i + 1), name, self.schema] for i, name in enumerate(names)])

    def test_a_migration_that_died_half_way_goes_on(self):
        self.server.ask("DROP TABLE spyglass_migrations")  # made, but not noted
        self.server.ask("DROP TABLE user_engagement_daily_view")
        self.assertEqual(send(self.server.url, "migrate"), self.first)
        self.assertEqual(send(self.server.url, "insert", COUNT, "a")[-1].split()[0], "sent")
        self.assertEqual(self.rows("SELECT countMerge(total_generations) FROM user_engagement_daily"), [[str(COUNT)]])

    def test_what_is_sent_is_what_is_stored(self):
        self.assertEqual(send(self.server.url, "insert", COUNT, "a"), ["sent  "])
        self.assertEqual(self.rows("SELECT count(), uniqExact(event_id), uniqExact(correlation_id) FROM analytics_events"),
                         [[str(COUNT), str(COUNT), "1"]])
        self.assertEqual(self.rows("SELECT event_id, event_type, service, environment, correlation_id, trace_id FROM "
                                   "analytics_events ORDER BY event_id LIMIT 1"),
                         [["018df6e1-c4db-7000-8000-000000000000", "meme_generated", "sender", "test", "c-1",
                           "0af7651916cd43dd8448eb211c80319c"]])
        self.assert_templates(self.rows("SELECT template_id, countMerge(usage_count), avgMerge(avg_quality) FROM "
                                        "meme_template_daily GROUP BY template_id"))
        days = self.rows("SELECT date, uniqExactMerge(daily_active_users), countMerge(total_generations) FROM "
                         "user_engagement_daily GROUP BY date")
        self.assertEqual({d: (int(u), int(n)) for d, u, n in days}, expected_days())

    def test_a_table_that_is_missing_is_waited_for(self):
        self.server.ask("DROP TABLE analytics_events")
        self.assertRegex(send(self.server.url, "insert", 1, "x")[0], r"^retry refused Code: 60")

    def test_no_server_and_no_address(self):
        self.assertRegex(send("http://127.0.0.1:1", "migrate")[0], r"^-11 ClickHouse at http://127\.0\.0\.1:1: connection refused$")
        self.assertRegex(send("tcp://me:secret@127.0.0.1", "migrate")[0], r"^-22 the address of ClickHouse cannot be used: it must begin")


@unittest.skipIf(event_store.missing(), event_store.missing())
class Current(Server, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.begin(event_store.EventStore(), "current")

    def test_the_two_queries_as_they_were_asked_for(self):
        send(self.server.url, "insert", COUNT, "a")
        templates = [line.split("\t") for line in self.server.ask(query("popular_templates")).splitlines()]
        self.assert_templates(templates)
        self.assertEqual([int(r[1]) for r in templates], sorted((int(r[1]) for r in templates), reverse=True))
        days = [line.split("\t") for line in self.server.ask(query("user_engagement")).splitlines()]
        self.assertEqual({d.split()[0]: (int(u), int(n)) for d, u, n in days}, expected_days())
        self.assertEqual([r[0] for r in days], sorted(r[0] for r in days))

    def test_an_average_is_of_what_is_there(self):
        send(self.server.url, "insert", 10, "a")
        self.server.ask("INSERT INTO analytics_events (event_id, event_type, timestamp, properties) VALUES "
                        "(generateUUIDv4(), 'meme_generated', now64(6), '{\"template_id\":\"t0\"}')")
        scores = {line.split("\t")[0]: float(line.split("\t")[2]) for line in self.server.ask(query("popular_templates")).splitlines()}
        self.assertAlmostEqual(scores["t0"], (0 + 0.7) / 2, places=6)

    def test_a_batch_sent_twice_is_taken_once(self):
        for _ in range(2):
            self.assertEqual(send(self.server.url, "insert", COUNT, "j1/0-500"), ["sent  "])
        self.assertEqual(self.rows("SELECT count() FROM analytics_events"), [[str(COUNT)]])
        self.assertEqual(self.rows("SELECT countMerge(usage_count) FROM meme_template_daily"), [[str(COUNT)]])
        send(self.server.url, "insert", COUNT, "another way")  # the same events under another token
        self.server.ask("OPTIMIZE TABLE analytics_events FINAL")
        self.assertEqual(self.rows("SELECT count() FROM analytics_events"), [[str(COUNT)]])

    def assert_odd(self):
        self.assertEqual(send(self.server.url, "odd"), ["sent  "])
        row = json.loads(self.server.ask(
            "SELECT toString(timestamp) AS time, template_id, properties.bytes AS bytes, toString(properties.i) AS i, toString(properties.u) AS u, "
            "toString(properties.past_53_bits) AS p, properties.nan AS nan, toString(properties.tiny) AS tiny, properties.yes AS yes, "
            "properties.a.b AS dotted, properties.quality_score AS score FROM analytics_events FORMAT JSONEachRow"))
        self.assertEqual(row, {"time": f"{FIRST:%Y-%m-%d %H:%M:%S}.123456", "template_id": "a \"b\"\\\n\t'\x1b", "bytes": "\ufffd\u00e9\0z",
                               "i": str(-2**63), "u": str(2**64 - 1), "p": "9007199254740993", "nan": None, "tiny": "1e-7",
                               "yes": True, "dotted": "dotted", "score": None})

    def test_values_of_every_kind(self):
        self.assert_odd()

    def test_a_column_of_another_type_gets_the_same_as_text(self):
        with open(os.path.join(CLICKHOUSE, "current/001_analytics_events.sql"), encoding="utf-8") as file:
            ours = file.read()
        self.server.ask("DROP TABLE analytics_events")
        self.server.ask(ours.replace("platform String)", "platform String, shop LowCardinality(String))"))
        self.assertNotEqual(self.rows("SELECT count() FROM system.columns WHERE table = 'analytics_events' AND type LIKE '%shop%'"), [["0"]])
        self.assert_odd()

    def test_a_bad_row_is_told_from_a_bad_server(self):
        self.assertRegex(send(self.server.url, "bad")[0], r"^split bad_row Code: 117\. DB::Exception: ")
        self.assertEqual(self.rows("SELECT count() FROM analytics_events"), [["0"]])


@unittest.skipIf(old_clickhouse.missing(), old_clickhouse.missing())
class Old(Server, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.begin(old_clickhouse.OldClickHouse(), "legacy")

    def test_who_may_not_change_the_schema_is_told(self):
        self.server.ask("DROP TABLE spyglass_migrations")
        looker = self.server.url.replace("http://", "http://looker:p%40ss@")
        said = send(looker, "migrate")
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], r"^-13 ClickHouse at http://127\.0\.0\.1:\d+: the user may not change the schema; 5 migrations are missing$")
        self.assertEqual(send(looker, "insert", 1, "x")[0].split()[:2], ["retry", "refused"])

    def test_values_of_every_kind(self):
        self.assertEqual(send(self.server.url, "odd"), ["sent  "])
        row = json.loads(self.server.ask("SELECT toString(timestamp) AS time, microsecond, template_id, properties FROM "
                                         "analytics_events FORMAT JSONEachRow"))
        self.assertEqual((row["time"], row["microsecond"]), (f"{FIRST:%Y-%m-%d %H:%M:%S}", 123456))
        self.assertEqual(row["template_id"], "a \"b\"\\\n\t'\x1b")
        self.assertEqual(json.loads(row["properties"]), {
            "template_id": "a \"b\"\\\n\t'\x1b", "bytes": "\ufffd\u00e9\0z", "i": -2**63, "u": 2**64 - 1,
            "past_53_bits": 9007199254740993, "nan": None, "tiny": 1e-07, "yes": True, "a.b": "dotted"})


if os.environ.get("CLICKHOUSE_OLD_ONLY"):  # the embedded engine runs beside no sanitizer
    del Current

if __name__ == "__main__":
    unittest.main()
