"""Clients that work on memegen at a pace, and remember what they tried, what was acknowledged and how long it took."""

import json
import threading
import time
import uuid

from service import JSON, Connection

PATH = "/api/v1/memes"
LIKES_A_MEME = 100
# Whoever is late by more than that does not make up for it.
LATE_MAX_S = 0.5


class Load:
    """Every request is told from all others by its user, which its event carries. Whoever is killed under the clients, they go on."""

    def __init__(self, memegen, per_second, clients=8):
        self.memegen = memegen
        self.interval_s = clients / per_second
        self.lock = threading.Lock()
        self.tried = set()  # users
        self.acknowledged = {}  # user → id of the event
        self.took = []  # (when it ended, seconds) of what was answered
        self.refused = set()  # statuses other than 201
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(f"client-{i}",), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def known(self):
        """Ids of the events that were acknowledged by now."""
        with self.lock:
            return set(self.acknowledged.values())

    def latencies(self, begin, end):
        """Seconds of the requests that ended in that time, shortest first."""
        with self.lock:
            return sorted(seconds for at, seconds in self.took if begin <= at < end)

    def _client(self, name):
        connection, meme, number, due = None, None, 0, time.monotonic()
        while not self.stopped.wait(max(0, due - time.monotonic())):
            due = max(due + self.interval_s, time.monotonic() - LATE_MAX_S)
            number += 1
            user = f"{name}-{number}"
            try:
                connection = connection or Connection(self.memegen.address, timeout=30)
                if meme is None or number % LIKES_A_MEME == 0:
                    meme = self._post(connection, PATH, {"topic": "rust vs c", "user_id": user}, "meme_generated") or meme
                else:
                    self._post(connection, f"{PATH}/{meme}/interactions",
                               {"interaction_type": "like", "platform": "web", "user_id": user}, "meme_interaction")
            except (OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError):  # the kill, in mid-answer too
                if connection:
                    connection.close()
                connection = None
                due = time.monotonic() + 0.05
        if connection:
            connection.close()

    def _post(self, connection, path, value, event_type):
        """The id of what was made, or None."""
        user = value["user_id"]
        with self.lock:
            self.tried.add(user)
        begun = time.monotonic()
        answer = connection.request("POST", path, JSON, json.dumps(value).encode())
        ended = time.monotonic()
        made = answer.json()["id"] if answer.status == 201 else None
        with self.lock:
            if event_type == "meme_interaction":
                self.took.append((ended, ended - begun))
            if made:
                self.acknowledged[user] = str(uuid.uuid5(uuid.UUID(made), event_type))
            else:
                self.refused.add(answer.status)
        return made
