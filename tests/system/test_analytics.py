"""Product events: what memegen did is what ClickHouse's engine answers, by the queries as they were asked for; and an old server,
in the form that it takes."""

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest
import uuid

import old_clickhouse
from event_store import EventStore, missing
from service import ROOT, Connection, Memegen, run

sys.path.append(os.path.join(ROOT, "tests/integration"))

from clickhouse_standin import ClickHouse, tls_between  # noqa: E402

PATH = "/api/v1/memes"
QUERIES = os.path.join(ROOT, "monitoring/clickhouse/queries")
WAIT_S = 60


def rows(store, sql, **params):
    """Of the table that memegen's delivery makes: not there at first."""
    answer = store.call(sql, default_format="JSONEachRow", **params)
    if answer.status != 200 and answer.text.startswith("Code: 60"):
        return []
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.text.splitlines()]


def stored(store, event_type, properties="toJSONString(properties)"):
    return rows(store, f"SELECT event_id, correlation_id, service, trace_id, {properties} AS p FROM analytics_events"
                f" WHERE event_type = '{event_type}'")


def wait_for(what, until):
    """Whatever until() answers, once it is true."""
    end = time.monotonic() + WAIT_S
    while not (found := until()):
        assert time.monotonic() < end, f"{what} did not happen in {WAIT_S} s"
        time.sleep(0.1)
    return found


def query(name, folder=QUERIES):
    with open(os.path.join(folder, f"{name}.sql"), encoding="utf-8") as file:
        return file.read()


class Stored:
    """What holds of a store that each class below brings."""

    @classmethod
    def setUpClass(cls):
        cls.store = cls.open_store()
        cls.addClassCleanup(cls.store.close)
        cls.memegen = Memegen(env={"CLICKHOUSE_URL": cls.store.url})
        cls.addClassCleanup(cls.memegen.stop)
        cls.memes = [cls.memegen.make(f"topic {i}", user_id=f"u{i % 4}", template_id=("approve-reject", None)[i % 2], style="dry")
                     for i in range(12)]
        cls.kept = [cls.memegen.post(f"{PATH}/{cls.memes[0]['id']}/interactions",
                                     {"interaction_type": "like", "platform": platform, "user_id": "u1"}).json()
                    for platform in ("web", "p" * 64, "ü")]
        cls.generated = wait_for("every event's storing", lambda: cls.complete("meme_generated", len(cls.memes)))
        cls.interactions = wait_for("every event's storing", lambda: cls.complete("meme_interaction", len(cls.kept)))

    @classmethod
    def complete(cls, event_type, count):
        found = stored(cls.store, event_type, cls.PROPERTIES)
        return found if len(found) >= count else None

    def test_each_meme_is_one_event(self):
        events = {json.loads(row["p"])["meme_id"]: row for row in self.generated}
        self.assertEqual(len(self.generated), len(self.memes))
        for meme in self.memes:
            row = events[meme["id"]]
            said = json.loads(row["p"])
            self.assertEqual(row["event_id"], str(uuid.uuid5(uuid.UUID(meme["id"]), "meme_generated")))
            self.assertEqual((row["service"], row["correlation_id"]), ("memegen", meme["correlation_id"]))
            self.assertRegex(row["trace_id"], "^[0-9a-f]{32}$")
            self.assertEqual((said["template_id"], said["user_id"], said["style"]), (meme["template_id"], meme["request"]["user_id"], "dry"))
            self.assertAlmostEqual(said["quality_score"], meme["quality_score"], places=5)
            self.assertAlmostEqual(said["generation_time"], meme["generation_seconds"], places=5)

    def test_each_interaction_is_one_event(self):
        self.assertEqual(len(self.interactions), len(self.kept))
        for kept in self.kept:
            row = next(r for r in self.interactions if json.loads(r["p"])["platform"] == kept["platform"])
            self.assertEqual(row["event_id"], str(uuid.uuid5(uuid.UUID(kept["id"]), "meme_interaction")))
            said = json.loads(row["p"])
            self.assertEqual({k: said[k] for k in ("meme_id", "interaction_type", "platform", "user_id")},
                             {k: kept[k] for k in ("meme_id", "interaction_type", "platform", "user_id")})

    def test_the_two_queries_agree_with_what_was_made(self):
        expected = {}
        for meme in self.memes:
            expected.setdefault(meme["template_id"], []).append(meme["quality_score"])
        found = rows(self.store, query("popular_templates", self.FOLDER))
        self.assertEqual({row["template_id"]: int(row["usage_count"]) for row in found}, {k: len(v) for k, v in expected.items()})
        for row in found:
            scores = expected[row["template_id"]]
            self.assertAlmostEqual(row["avg_quality"], sum(scores) / len(scores), places=5)
        self.assertEqual([int(row["usage_count"]) for row in found], sorted((len(v) for v in expected.values()), reverse=True))

        days = {}
        for meme in self.memes:  # a test that runs over midnight sees two
            days.setdefault(meme["created_at"][:10], set()).add(meme["request"]["user_id"])
        found = rows(self.store, query("user_engagement", self.FOLDER))
        self.assertEqual(sum(int(row["total_generations"]) for row in found), len(self.memes))
        if len(days) == 1 == len(found):
            self.assertEqual(int(found[0]["daily_active_users"]), 4)

    def ask(self, path):
        answer = self.memegen.get(f"/api/v1/analytics/{path}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def test_the_service_answers_what_the_queries_do(self):
        today = self.memes[0]["created_at"][:10]
        found = self.ask(f"popular-templates?from={today}")
        expected = rows(self.store, query("popular_templates", self.FOLDER))
        self.assertEqual(sorted((row["template_id"], row["usage_count"]) for row in found["templates"]),
                         sorted((row["template_id"], int(row["usage_count"])) for row in expected))
        counts = [row["usage_count"] for row in found["templates"]]
        self.assertEqual(counts, sorted(counts, reverse=True))
        self.assertEqual(found["from"], today)
        self.assertEqual(self.ask(f"popular-templates?from={today}&limit=1")["templates"], found["templates"][:1])
        days = self.ask("engagement")["days"]
        self.assertEqual(sum(day["total_generations"] for day in days), len(self.memes))
        self.assertEqual(days, [{**day, "total_generations": int(day["total_generations"]), "daily_active_users": int(day["daily_active_users"]),
                                 "date": day["date"][:10]} for day in rows(self.store, query("user_engagement", self.FOLDER))])
        self.assertEqual(self.ask("engagement?from=2020-01-01&to=2020-12-31")["days"], [])

    def test_a_wrong_range_is_refused(self):
        for path, field in (("engagement?from=yesterday", "from"), ("engagement?from=2026-02-30", "from"), ("engagement?to=2026-1-1", "to"),
                            ("engagement?to=1969-12-31", "to"), ("engagement?from=2026-01-02&to=2026-01-01", "from"),
                            ("engagement?from=2025-01-01&to=2026-02-05", "from"), ("popular-templates?limit=0", "limit"),
                            ("popular-templates?limit=101", "limit"), ("popular-templates?limit=1e1", "limit"), ("popular-templates?limit=", "limit"),
                            ("popular-templates?from=2026-01-01%27%20OR%201", "from"), ("engagement?from=2026-01-01%00", "from")):
            answer = self.memegen.get(f"/api/v1/analytics/{path}")
            self.assertEqual((answer.status, answer.json()["code"], answer.json()["details"]["field"]), (422, "invalid_field", field), path)

    def test_the_terminal_answers_the_same(self):
        env = {"CLICKHOUSE_URL": self.store.url}
        today = self.memes[0]["created_at"][:10]
        status, out, err = run("analytics", "popular-templates", "--json", f"--from={today}", **env)
        self.assertEqual((status, err), (0, ""))
        found = self.ask(f"popular-templates?from={today}")
        self.assertEqual([(row["template_id"], row["usage_count"]) for row in json.loads(out)["templates"]],
                         [(row["template_id"], row["usage_count"]) for row in found["templates"]])
        status, out, _ = run("analytics", "popular-templates", "--limit", "1", "--from", today, **env)
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual((status, lines[0], lines[1][:2], len(lines)), (0, ["template_id", "usage_count", "avg_quality"],
                         [found["templates"][0]["template_id"], str(found["templates"][0]["usage_count"])], 2))
        status, out, _ = run("analytics", "engagement", **env)
        self.assertEqual((status, out.split()[:3]), (0, ["date", "daily_active_users", "total_generations"]))
        status, out, _ = run("analytics", "engagement", "--from", "2020-01-01", "--to", "2020-01-02", **env)
        self.assertEqual((status, out), (0, "No memes were made from 2020-01-01 to 2020-01-02.\n"))
        self.assertEqual(run("migrate-events", **env)[:2], (0, "The schema of events is up to date.\n"))

    def test_it_is_counted(self):
        self.assertIn(f"\nmeme_interactions_total {len(self.kept)}\n", self.memegen.metrics())


@unittest.skipIf(missing(), missing())
class Events(Stored, unittest.TestCase):
    PROPERTIES, FOLDER = "toJSONString(properties)", QUERIES  # the queries of MONITORING.md, byte for byte

    @classmethod
    def open_store(cls):
        return EventStore()


@unittest.skipIf(old_clickhouse.missing(), old_clickhouse.missing())
class OldServer(Stored, unittest.TestCase):
    PROPERTIES, FOLDER = "properties", os.path.join(QUERIES, "legacy")

    @classmethod
    def open_store(cls):
        return old_clickhouse.OldClickHouse()


@unittest.skipUnless(shutil.which("openssl"), "openssl is not there")
class Tls(unittest.TestCase):
    """A server with a certificate of an authority of its own, which wants one of its clients."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memegen-tls-")
        cls.addClassCleanup(folder.cleanup)
        tls, cls.trusted = tls_between(folder.name)
        cls.server = ClickHouse(tls=tls)
        cls.addClassCleanup(cls.server.close)

    def commands(self, **env):
        return [run(*command, CLICKHOUSE_URL=self.server.url, **env) for command in (["analytics", "engagement"], ["migrate-events"])]

    def test_the_terminal_asks_with_its_certificate(self):
        (status, out, err), (migrated, said, trouble) = self.commands(**self.trusted)
        self.assertEqual((status, err, out[:20]), (0, "", "No memes were made f"))
        self.assertEqual((migrated, trouble, said), (0, "", "The schema of events is up to date.\n"))

    def test_the_service_and_the_page_do(self):
        with Memegen(env={"CLICKHOUSE_URL": self.server.url, **self.trusted}) as memegen:
            self.assertEqual(memegen.get("/api/v1/analytics/engagement").json()["days"], [])
            with Connection(memegen.admin) as page:
                answer = page.request("POST", "/api/events/query", body=b"SELECT version()")
            self.assertEqual((answer.status, answer.body), (200, self.server.version + b"\n"))

    def test_without_them_nobody_is_asked(self):
        asked = len(self.server.requests)
        for status, out, err in self.commands() + self.commands(CLICKHOUSE_CA=self.trusted["CLICKHOUSE_CA"]):
            self.assertEqual((status, out), (1, ""))
            self.assertIn("ClickHouse", err)
        self.assertEqual(len(self.server.requests), asked)

    def test_a_file_that_is_not_there_is_told_at_once(self):
        status, out, err = run("analytics", "engagement", CLICKHOUSE_URL=self.server.url, CLICKHOUSE_CA="/nowhere/ca.pem")
        self.assertEqual((status, out), (2, ""))
        self.assertIn('CLICKHOUSE_CA', err)
        self.assertIn("is a file that cannot be read", err)


class Trouble(unittest.TestCase):
    def test_without_clickhouse_it_says_so(self):
        with Memegen() as memegen:
            for name in ("popular-templates", "engagement"):
                answer = memegen.get(f"/api/v1/analytics/{name}")
                self.assertEqual((answer.status, answer.json()["code"]), (503, "analytics_unavailable"))
                self.assertIn("CLICKHOUSE_URL", answer.json()["message"])
        for command in (["analytics", "engagement"], ["migrate-events"]):
            self.assertEqual(run(*command), (1, "", "memegen: there is no ClickHouse: set CLICKHOUSE_URL\n"))

    def test_one_that_does_not_answer_holds_nothing_up(self):
        with socket.socket() as silent:  # takes connections, says nothing
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)
            with Memegen(env={"CLICKHOUSE_URL": f"http://name:hunter2@127.0.0.1:{silent.getsockname()[1]}/d"}) as memegen:
                with contextlib.ExitStack() as stack:
                    waiting = [stack.enter_context(memegen.connect(60)) for _ in range(10)]
                    for i, connection in enumerate(waiting):
                        connection.send(f"GET /api/v1/analytics/engagement?from=2026-01-01&to=2026-01-{i + 1:02} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    self.assertEqual(memegen.get("/healthz").status, 200)
                    memegen.make()
                    for connection in waiting:
                        answer = connection.answer()
                        self.assertEqual((answer.status, answer.json()["code"]), (503, "analytics_unavailable"))
                        self.assertNotIn(b"hunter2", answer.body)
                self.assertEqual(memegen.end()[0], 0)
                with open(memegen.log_path, encoding="utf-8") as file:
                    self.assertNotIn("hunter2", file.read())

    def test_wrong_usage(self):
        for arguments, said in ((["analytics"], "popular-templates or engagement"), (["analytics", "memes"], "popular-templates or engagement"),
                                (["analytics", "engagement", "--from", "x"], "--from must be a day"), (["analytics", "engagement", "--to"], "value is missing"),
                                (["analytics", "popular-templates", "--limit=0"], "--limit must be"), (["migrate-events", "now"], "takes flags alone")):
            status, out, err = run(*arguments, CLICKHOUSE_URL="http://127.0.0.1:1")
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertIn(said, err)
        status, out, err = run("analytics", "engagement", CLICKHOUSE_URL="http://name:hunter2@127.0.0.1:1/")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ClickHouse does not answer", err)
        self.assertNotIn("hunter2", err)


@unittest.skipIf(missing(), missing())
class Killed(unittest.TestCase):
    def test_what_was_committed_and_not_published_is_published_by_the_next_start(self):
        """As a kill between the two leaves it: the note stands, the event was never made."""
        with EventStore() as store, tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, "state")
            with Memegen(state_dir=state) as memegen:  # no ClickHouse: nothing reads its events
                meme = memegen.make(user_id="u1")
                like = memegen.post(f"{PATH}/{meme['id']}/interactions",
                                    {"interaction_type": "like", "platform": "web", "user_id": "u2"}).json()
            with open(os.path.join(state, "unpublished"), "r+b") as file:
                for place, (kind, noted) in enumerate(((2, meme["id"]), (3, like["id"]), (2, str(uuid.uuid4())), (3, "x"), (9, ""))):
                    file.seek(64 + 64 * place)
                    file.write(kind.to_bytes(4, "little") + noted.encode() + b"\0")
            with Memegen(state_dir=state, env={"CLICKHOUSE_URL": store.url}) as memegen:
                wait_for("the publishing", lambda: stored(store, "meme_generated") and stored(store, "meme_interaction"))
                self.assertEqual([line["count"] for line in memegen.log() if line["event"] == "events_published_again"], [2])
            with Memegen(state_dir=state, env={"CLICKHOUSE_URL": store.url}) as memegen:  # and no more than once
                self.assertNotIn("events_published_again", [line["event"] for line in memegen.log()])
                second = memegen.make()
                wait_for("the storing", lambda: len(stored(store, "meme_generated")) == 2)
            self.assertEqual({row["event_id"] for row in stored(store, "meme_generated")},
                             {str(uuid.uuid5(uuid.UUID(made["id"]), "meme_generated")) for made in (meme, second)})
            self.assertEqual([row["event_id"] for row in stored(store, "meme_interaction")],
                             [str(uuid.uuid5(uuid.UUID(like["id"]), "meme_interaction"))])

    def test_a_file_of_something_else_is_begun_anew(self):
        with tempfile.TemporaryDirectory() as state:
            with open(os.path.join(state, "unpublished"), "wb") as file:
                file.write(os.urandom(100))
            with Memegen(state_dir=state) as memegen:
                memegen.make()
            self.assertEqual(os.path.getsize(os.path.join(state, "unpublished")), 64 * 129)


if __name__ == "__main__":
    unittest.main()
