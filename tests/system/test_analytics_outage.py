"""Product events through an outage: ClickHouse gone and back, memegen killed meanwhile and while it sends. What was acknowledged is
stored, and so is what was committed and not answered any more; nothing else is, and nothing twice."""

import http.client
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
import unittest
import uuid

from event_store import EventStore, missing
from service import JSON, Memegen

CLIENTS = 3
WAIT_S = 120
STEP_S = 1.5


class Load:
    """Clients that make memes and like them, and remember what was acknowledged; whoever is killed under them, they go on."""

    def __init__(self, memegen):
        self.memegen = memegen
        self.memes, self.likes = set(), set()  # ids that were answered
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def post(self, path, value):
        connection = http.client.HTTPConnection(*self.memegen.address, timeout=20)
        try:
            connection.request("POST", path, json.dumps(value), JSON)
            answer = connection.getresponse()
            body = answer.read()
            return json.loads(body)["id"] if answer.status == 201 else None
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return None
        finally:
            connection.close()

    def run(self, number):
        while not self.stopped.is_set():
            meme = self.post("/api/v1/memes", {"topic": "rust vs c", "user_id": f"u{number}"})
            if not meme:
                continue
            self.memes.add(meme)
            like = self.post(f"/api/v1/memes/{meme}/interactions", {"interaction_type": "like", "platform": "web", "user_id": "u"})
            if like:
                self.likes.add(like)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


@unittest.skipIf(missing(), missing())
class Outage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="memegen-outage-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state")

    def start_store(self, *flags):
        store = EventStore(*flags, folder=os.path.join(self.folder, "events"))
        self.addCleanup(store.close)
        return store

    def start_again(self, store):
        """Where it was: memegen knows no other address. Somebody else may have its port for a moment."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                return self.start_store("--listen", store.url.removeprefix("http://"))
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(1)

    def start_memegen(self, url):
        memegen = Memegen(state_dir=self.state, env={"CLICKHOUSE_URL": url})
        self.addCleanup(memegen.stop)
        return memegen

    def kill_and_start(self, load, url):
        load.memegen.process.kill()
        load.memegen.process.wait()
        load.memegen = self.start_memegen(url)

    @staticmethod
    def stored(store, event_type):
        """Ids of the events of a type, as often as they are stored."""
        return store.ask("SELECT event_id FROM analytics_events WHERE event_type = {t:String}", param_t=event_type).split()

    @staticmethod
    def events_of(ids, event_type):
        return {str(uuid.uuid5(uuid.UUID(of), event_type)) for of in ids}

    def kept(self, sql):
        """Ids that memegen's database has: all that was attempted and came to something."""
        database = sqlite3.connect(f"file:{self.state}/memegen.db?mode=ro", uri=True)
        try:
            return {row[0] for row in database.execute(sql)}
        finally:
            database.close()

    def test_what_was_acknowledged_is_stored_once(self):
        store = self.start_store()
        load = Load(self.start_memegen(store.url))
        try:
            time.sleep(STEP_S)
            store.process.send_signal(signal.SIGKILL)
            store.process.wait()
            time.sleep(STEP_S)
            self.kill_and_start(load, store.url)  # with ClickHouse down
            time.sleep(STEP_S)
            store = self.start_again(store)
            time.sleep(STEP_S)
            for _ in range(2):  # while it sends
                self.kill_and_start(load, store.url)
                time.sleep(STEP_S)
        finally:
            load.stop()
        self.assertGreater(min(len(load.memes), len(load.likes)), 20)
        acknowledged = {"meme_generated": load.memes, "meme_interaction": load.likes}
        committed = self.wait_until_stored(store)
        self.assertEqual(load.memegen.end()[0], 0)
        store.ask("OPTIMIZE TABLE analytics_events FINAL")  # a kill between journal and ring may tell of a moment twice: one id, one row
        for event_type, ids in committed.items():
            found = self.stored(store, event_type)
            self.assertEqual(len(found), len(set(found)), "an event is stored twice")
            self.assertEqual(set(found), ids)
            self.assertLessEqual(self.events_of(acknowledged[event_type], event_type), ids)

    def wait_until_stored(self, store):
        """Event type → ids of its events: all that memegen's database has, once ClickHouse has no others and lacks none."""
        end = time.monotonic() + WAIT_S
        while True:
            committed = {"meme_generated": self.events_of(self.kept("SELECT id FROM memes WHERE status = 'success'"), "meme_generated"),
                         "meme_interaction": self.events_of(self.kept("SELECT id FROM interactions"), "meme_interaction")}
            if all(set(self.stored(store, event_type)) == ids for event_type, ids in committed.items()):
                return committed
            self.assertLess(time.monotonic(), end, "committed events are not stored, or others are")
            time.sleep(0.2)


if __name__ == "__main__":
    unittest.main()
