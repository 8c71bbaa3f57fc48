"""Product events through trouble of every kind: a minute without ClickHouse under load, each way in which a server fails, memegen and
the server killed meanwhile. What was acknowledged is stored within 30 s, nothing that was not tried is, and nothing twice.

The scenarios run side by side, each with a memegen, a server and clients of its own; a test waits for the end of its own.
"""

import concurrent.futures
import contextlib
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid

import event_store
import old_clickhouse
from load import Load
from service import ROOT, Memegen
from troubled import Troubled

WAIT_S = 120  # for what takes seconds
RECOVERY_S = 30
OUTAGE_S, OUTAGE_PER_SECOND = 60, 500
TROUBLE_PER_SECOND = 100
STEP_S = 2

COUNTS = "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM analytics_events"

# Met by two tries one after the other, so that the second is a retry.
TROUBLES = ("error 500", "error 429", "too many parts", "garbage after 200", "exception after 200", "elsewhere", "no http", "reset",
            "reset in mid body", "stored and reset", "stored and 500", "stored and cut")


def until(what, check, timeout_s=WAIT_S):
    """Seconds that it took."""
    begun = time.monotonic()
    while not check():
        if time.monotonic() > begun + timeout_s:
            raise AssertionError(f"{what} did not come within {timeout_s} s")
        time.sleep(0.1)
    return time.monotonic() - begun


def quiet_port():
    """A free port that no connection of this machine is given by itself while its server is away."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    while True:
        port = random.randrange(1024, lowest) if lowest > 2048 else 0
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return free.getsockname()[1]


class Scenario:
    """One memegen, one server and its clients, for as long as the block lasts."""

    users = "properties.user_id"

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="memegen-outage-")
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state")
        self.server_folder = os.path.join(self.folder, "events")
        self.server = self.memegen = self.load = None

    def __enter__(self):
        return self

    def __exit__(self, *how):
        if self.load:
            self.load.stop()
        return self.stack.__exit__(*how)

    # ---- who takes part

    def start_server(self, *flags):
        self.server = event_store.EventStore(*flags, folder=self.server_folder)
        self.stack.callback(self.server.close)

    def kill_server(self):
        self.server.process.kill()
        self.server.process.wait()

    def start_memegen(self, url, **env):
        self.memegen = Memegen(state_dir=self.state, env={"CLICKHOUSE_URL": url, **env})
        self.stack.callback(self.memegen.stop)
        if self.load:
            self.load.memegen = self.memegen

    def kill_memegen(self, url, **env):
        """And starts it again."""
        self.memegen.process.kill()
        self.memegen.process.wait()
        self.start_memegen(url, **env)

    # ---- what is known of it

    def counts(self):
        """Rows and events; none where the table is not made yet."""
        answer = self.server.call(COUNTS)
        return tuple(map(int, answer.text.split())) if answer.status == 200 else (0, 0)

    def stored(self, column="event_id"):
        return set(self.server.ask(f"SELECT {column} FROM analytics_events").split())

    def committed(self):
        """Ids of the events of all that memegen's database has: what was answered, and what a kill kept from being answered."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/memegen.db?mode=ro", uri=True)) as database:
            return {str(uuid.uuid5(uuid.UUID(row[0]), event_type)) for event_type, sql in (
                ("meme_generated", "SELECT id FROM memes WHERE status = 'success'"),
                ("meme_interaction", "SELECT id FROM interactions")) for row in database.execute(sql)}

    def wait_for(self, ids):
        """Seconds until all these events are stored."""
        return until("the storing of what was acknowledged", lambda: self.counts()[1] >= len(ids) and ids <= self.stored(), RECOVERY_S)

    def settle(self):
        """Ends the work and holds what is stored against what was tried. Returns how many rows were there a second time."""
        self.load.stop()
        self.wait_for(self.load.known())
        # What was committed and not answered before a kill is published by the next start: it is there as well, and no more is.
        committed = self.committed()
        until("the storing of what was committed", lambda: self.stored() == committed, RECOVERY_S)
        assert self.load.known() <= committed, "what was acknowledged is not in the database"
        assert self.load.acknowledged.keys() <= self.stored(self.users) <= self.load.tried, "events of nobody"
        rows, events = self.counts()
        if rows != events:  # an event that came by two ways is one row once its parts are merged
            self.server.ask("OPTIMIZE TABLE analytics_events FINAL")
        assert self.counts() == (len(committed), len(committed)), (rows, events, self.counts(), len(committed))
        assert self.load.refused <= {503}, self.load.refused
        status, _ = self.memegen.end()
        assert status == 0, (status, self.memegen.errors())
        return rows - events


class Callers:
    """Which threads of memegen make connections and drive exchanges (callers.c)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "callers")
        library = os.path.join(folder, "callers.so")
        subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-o", library,
                        os.path.join(ROOT, "tests/system/callers.c"), "-ldl"], check=True)
        self.env = {"LD_PRELOAD": library, "CALLERS": self.path}

    def of(self, memegen, port):
        """Names of its threads that connected to the port, and of those that drove exchanges, since the last call."""
        with open(self.path, encoding="ascii") as file:
            lines = [line.split() for line in file]
        os.truncate(self.path, 0)
        found = {"connect": set(), "exchange": set()}
        for tid, what, to in lines:
            if what == "exchange" or int(to) == port:
                with open(f"/proc/{memegen.process.pid}/task/{tid}/comm", encoding="utf-8") as file:
                    found[what].add(file.read().strip())
        return found


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def a_minute_without(scenario):
    """ClickHouse killed, away for a minute under 500 events a second, memegen killed meanwhile and while it sends what waited."""
    callers = Callers(scenario.folder)
    port = quiet_port()
    url = f"http://127.0.0.1:{port}"
    scenario.start_server("--listen", f"127.0.0.1:{port}")
    scenario.start_memegen(url, **callers.env)
    scenario.load = load = Load(scenario.memegen, OUTAGE_PER_SECOND)
    until("the first event", lambda: scenario.counts()[0] > 0)
    up_from = time.monotonic() + 1
    time.sleep(10)
    up = load.latencies(up_from, time.monotonic())
    delivers = {"connect": {"spyglass-send"}, "exchange": {"spyglass-send"}}
    found = callers.of(scenario.memegen, port)
    assert found == delivers, found

    scenario.kill_server()
    down_from, known = time.monotonic() + 1, load.count()
    time.sleep(OUTAGE_S / 2)
    down = load.latencies(down_from, time.monotonic())
    found = callers.of(scenario.memegen, port)
    assert found == delivers, found
    scenario.kill_memegen(url, **callers.env)
    time.sleep(OUTAGE_S / 2)
    while_away = load.count() - known
    scenario.start_server("--listen", f"127.0.0.1:{port}")
    recovery_s = scenario.wait_for(load.known())
    for _ in range(2):
        scenario.kill_memegen(url, **callers.env)
        time.sleep(STEP_S)
    repeats = scenario.settle()

    figures = {name: tuple(1000 * percentile(of, share) for share in (0.5, 0.99)) for name, of in (("up", up), ("down", down))}
    print(f"# {while_away / OUTAGE_S:.0f} events a second while ClickHouse was away, all there {recovery_s:.1f} s after it was back,"
          f" {repeats} of {len(load.acknowledged)} stored by two ways; ms of a request, median and p99:"
          f" {figures['up'][0]:.2f} and {figures['up'][1]:.2f} with it, {figures['down'][0]:.2f} and {figures['down'][1]:.2f} without")
    assert while_away > OUTAGE_S * OUTAGE_PER_SECOND / 10, while_away
    assert figures["down"][1] < 1000 + 10 * figures["up"][1], figures  # ms; whoever waited for it would wait for seconds
    assert repeats < 100, repeats  # of tens of thousands: a batch that came twice is known by its token
    return callers


def every_trouble(scenario):
    """Each way to fail, two tries long; one that hangs; kills of memegen and of the server while what was stored is not known of."""
    scenario.start_server()
    front = Troubled(scenario.server.url)
    scenario.stack.callback(front.close)
    scenario.start_memegen(front.url)
    scenario.load = Load(scenario.memegen, TROUBLE_PER_SECOND)
    until("the first event", lambda: front.passed > 0)

    def meet(*troubles):
        with front.lock:
            front.troubles = list(troubles)
        front.until(lambda: not front.troubles, WAIT_S)

    def pass_again():
        passed = front.passed
        front.until(lambda: front.passed > passed, WAIT_S)

    for trouble in TROUBLES:
        meet(trouble, trouble)
        pass_again()
    meet("hang")  # until memegen gives it up
    pass_again()
    meet("stored and hang")
    scenario.kill_memegen(front.url)
    pass_again()

    scenario.kill_server()
    time.sleep(STEP_S)
    scenario.kill_memegen(front.url)
    time.sleep(STEP_S)
    scenario.start_server()
    front.upstream = scenario.server.url
    scenario.wait_for(scenario.load.known())
    for _ in range(2):  # while it sends
        scenario.kill_memegen(front.url)
        time.sleep(STEP_S)
    scenario.settle()


class OldScenario(Scenario):
    """Debian's ClickHouse, which knows no token and no JSON column: an event that came twice is one row after a merge."""

    users = "user_id"

    def start_server(self, *flags):
        self.server = old_clickhouse.OldClickHouse(folder=self.server_folder)
        self.stack.callback(self.server.close)


def run(scenario_class, course):
    with scenario_class() as scenario:
        return course(scenario)


class Outage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The longest first; they end together on two cores."""
        cls.reasons = {"minute": event_store.missing(), "troubles": event_store.missing(), "old": old_clickhouse.missing()}
        courses = {"minute": (Scenario, a_minute_without), "troubles": (Scenario, every_trouble), "old": (OldScenario, every_trouble)}
        pool = concurrent.futures.ThreadPoolExecutor(len(courses))
        cls.addClassCleanup(pool.shutdown)
        cls.courses = {name: pool.submit(run, *course) for name, course in courses.items() if not cls.reasons[name]}

    def end_of(self, name):
        if self.reasons[name]:
            self.skipTest(self.reasons[name])
        return self.courses[name].result()

    def test_a_minute_without_clickhouse_costs_nothing(self):
        self.end_of("minute")

    def test_no_trouble_loses_or_doubles_an_event(self):
        self.end_of("troubles")

    def test_the_same_of_an_old_server(self):
        self.end_of("old")

    def test_the_eye_on_threads_sees_a_request_that_asks_clickhouse(self):
        """The proof of a_minute_without() is one that can fail."""
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
            callers, port = Callers(folder), server.getsockname()[1]
            with Memegen(env={"CLICKHOUSE_URL": f"http://127.0.0.1:{port}", **callers.env}) as memegen:
                server.close()
                self.assertEqual(memegen.get("/api/v1/analytics/engagement").status, 503)
                found = callers.of(memegen, port)
                self.assertTrue(found["connect"] - {"spyglass-send"}, found)


if __name__ == "__main__":
    unittest.main()
