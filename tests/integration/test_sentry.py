"""What is bound for Sentry, from documents to a server that stands in, in all kinds of trouble: nothing is sent where it is not wanted,
all else arrives, and the reports add up to what did not."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from sentry_standin import Sentry

HOST = os.environ["SENTRY_HOST"]
STOP_S = 60  # more than any stop takes here, under a sanitizer too
BEFORE_SEND, SAMPLE_RATE = 5, 4  # enum spy__sentry_reason
ERROR = 1  # enum spy__sentry_category


class Host:
    def __init__(self, dsn, state=None, stop_ms=30000, first=0, **env):
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen([HOST, state or "-", str(stop_ms)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**clean, "SENTRY_DSN": dsn, "FIRST": str(first), **env})

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def give(self, kind, count=1):
        """Returns the number of the last one."""
        return int(self.tell(f"{kind} {count}")[1])

    def until_done(self, count, seconds=60):
        """Until so many were sent or dropped."""
        end = time.monotonic() + seconds
        while sum(map(int, self.tell("done")[1:])) < count:
            if time.monotonic() > end:
                raise AssertionError(f"{self.tell('done')} of {count}")
            time.sleep(0.02)

    def stop(self):
        """What the stop returned, and after how many seconds."""
        out, _ = self.process.communicate(timeout=STOP_S)
        assert self.process.returncode == 0, self.process.returncode
        _, result, ms = out.split()
        return int(result), float(ms) / 1000

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Test(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sentry-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.hosts = []
        self.addCleanup(lambda: [host.kill() for host in self.hosts if host.process.poll() is None])

    def host(self, *args, **kwargs):
        self.hosts.append(Host(*args, **kwargs))
        return self.hosts[-1]

    def standin(self, *args):
        server = Sentry(*args)
        self.addCleanup(server.close)
        return server

    def expect(self, server, numbers, reported):
        self.assertEqual(server.wrong, [])
        self.assertEqual(server.numbers(), set(numbers))
        self.assertEqual(server.reported(), reported)


class Limits(Test):
    # (status, header lines, what is limited: None is everything)
    FORMS = (
        (429, ["X-Sentry-Rate-Limits: 60:error:organization"], {"error"}),
        (200, ["X-Sentry-Rate-Limits: 60:error;profile:key:quota_exceeded:custom"], {"error", "profile"}),
        (429, ["x-sentry-rate-limits: 59.5:transaction:project"], {"transaction"}),
        (200, ["X-Sentry-Rate-Limits: 60:session:organization, 5:replay, 60 : profile : key"], {"session", "profile"}),
        (429, ["X-Sentry-Rate-Limits: 60::organization"], None),
        (429, ["X-Sentry-Rate-Limits: 60:replay;unheard_of:organization"], set()),
        (429, ["X-Sentry-Rate-Limits: 60:error", "X-Sentry-Rate-Limits: 60:session"], {"error", "session"}),
        (429, ["Retry-After: 60"], None),
        (429, ["Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:50:37 GMT"], None),
        (429, [], None),
        (429, ["X-Sentry-Rate-Limits: soon:error:organization"], {"error"}),
    )

    def test_each_form_of_a_limit(self):
        for status, headers, limited in self.FORMS:
            with self.subTest(headers=headers):
                self.one_form(status, headers, limited)

    def one_form(self, status, headers, limited):
        all_of = {"error", "transaction", "profile", "session"}
        limited = all_of if limited is None else limited
        server = self.standin()
        server.troubles = [(status, headers)]
        host = self.host(server.dsn)
        host.give("event")
        host.until_done(1)
        server.announce(50, *limited or ("nothing",))
        for kind, count in (("event", 3), ("transaction", 2), ("pair", 2), ("session", 1)):
            host.give(kind, count)
        self.assertEqual(host.stop()[0], 0)
        reported = {"error": 3, "transaction": 4, "span": 16, "profile": 2, "session": 1}
        gone = {name for name in reported if name in limited} | ({"span", "profile"} if "transaction" in limited else set())
        numbers = ({1} if status == 200 else set()) | (set() if "error" in limited else {2, 3, 4})
        numbers |= set() if "transaction" in limited else {5, 6, 7, 8}
        self.expect(server, numbers, {("ratelimit_backoff", name): reported[name] for name in gone})
        self.assertEqual(len(server.payloads("profile")), 0 if "profile" in gone else 2)

    def test_a_limit_passes(self):
        server = self.standin()
        server.troubles = [(200, ["X-Sentry-Rate-Limits: 0.5:error:organization"])]
        host = self.host(server.dsn)
        given = host.give("event")
        host.until_done(1)
        deadline = time.monotonic() + 60
        while len(server.numbers()) < 2:
            self.assertLess(time.monotonic(), deadline)
            given = host.give("event")
            host.until_done(given)
            time.sleep(0.05)
        self.assertEqual(host.stop()[0], 0)
        self.assertEqual(server.wrong, [])
        self.assertEqual(len(server.numbers()) + server.reported().get(("ratelimit_backoff", "error"), 0), given)

    def test_what_waits_is_not_sent_once_it_is_limited(self):
        server = self.standin()
        server.troubles = ["hang", (200, ["X-Sentry-Rate-Limits: 60:error"])]
        host = self.host(server.dsn)
        host.give("event", 10)
        host.give("transaction", 2)
        server.until(lambda: len(server.headers) == 1)
        server.released.set()
        self.assertEqual(host.stop()[0], 0)
        self.expect(server, {1, 11, 12}, {("ratelimit_backoff", "error"): 9})


class Troubles(Test):
    def test_all_arrives(self):
        server = self.standin()
        host = self.host(server.dsn)
        kinds = [(500, []), "reset", (503, ["Retry-After: 1"]), "no_http", "cut", (502, [])]
        for i in range(0, len(kinds), 2):  # no more in a row than the back-off takes shortly
            with server.lock:
                server.troubles = kinds[i:i + 2]
            for kind in ("event", "transaction", "pair"):
                host.give(kind, 3)
            host.until_done(9 * (i // 2 + 1))
        self.assertEqual(host.stop()[0], 0)
        self.expect(server, range(1, 28), {})
        for (method, path, _), headers in server.headers:
            self.assertEqual((method, path), ("POST", "/api/42/envelope/"))
            self.assertEqual(headers["content-type"], "application/x-sentry-envelope")
            self.assertEqual(headers["content-encoding"], "gzip")
            self.assertRegex(headers["user-agent"], r"^spyglass/\d")
            self.assertRegex(headers["x-sentry-auth"],
                             r"^Sentry sentry_version=7, sentry_client=spyglass/[\d.]+, sentry_key=pub1ickey, sentry_secret=s3cretkey$")
        for _, _, body in server.envelopes + server.refused:
            self.assertNotIn(b"pub1ickey", body)
            self.assertNotIn(b"s3cretkey", body)

    def test_what_the_server_refuses_is_dropped_and_told(self):
        server = self.standin()
        server.troubles = [(413, []), (400, ["X-Sentry-Error: no such thing"]), (403, []), (429, ["X-Sentry-Rate-Limits: 60:replay"])]
        host = self.host(server.dsn)
        host.give("event")
        host.give("pair")
        host.give("session")
        host.give("event", 3)
        host.give("large", 2)
        self.assertEqual(host.tell(f"lost {SAMPLE_RATE} {ERROR} 5")[0], "ok")
        self.assertEqual(host.stop()[0], 0)
        self.expect(server, {5, 6}, {("send_error", "error"): 1, ("send_error", "transaction"): 1, ("send_error", "span"): 4,
                                     ("send_error", "profile"): 1, ("send_error", "session"): 1,
                                     ("insufficient_data", "error"): 2, ("sample_rate", "error"): 5})

    def test_a_report_that_fails_is_told_again(self):
        server = self.standin()
        state = os.path.join(self.folder, "state")
        os.mkdir(state, 0o700)
        host = self.host(server.dsn, state)
        server.troubles = [(500, [])]
        host.tell(f"lost {BEFORE_SEND} {ERROR} 3")
        self.assertEqual(host.stop()[0], 0)  # it is not tried again in vain: the next start does
        self.assertEqual(server.reported(), {})
        host = self.host(server.dsn, state)
        host.tell(f"lost {BEFORE_SEND} {ERROR} 4")
        self.assertEqual(host.stop()[0], 0)
        self.assertEqual(server.reported(), {("before_send", "error"): 7})
        self.assertEqual(self.host(server.dsn, state).stop()[0], 0)
        self.assertEqual(server.reported(), {("before_send", "error"): 7})


class Restarts(Test):
    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state, 0o700)

    def test_a_stop_returns_in_time_and_the_next_start_delivers(self):
        server = self.standin()
        port = server.port
        server.close()
        host = self.host(server.dsn, self.state, stop_ms=500)
        host.give("event", 5)
        host.give("pair", 2)
        host.tell(f"lost {BEFORE_SEND} {ERROR} 3")
        result, seconds = host.stop()
        self.assertEqual(result, 0)
        self.assertLess(seconds, 5)
        server = self.standin(port)
        host = self.host(server.dsn, self.state, first=7)
        host.give("event")
        self.assertEqual(host.stop()[0], 0)
        self.expect(server, range(1, 9), {("before_send", "error"): 3})

    def test_a_stop_returns_in_time_where_the_server_hangs(self):
        server = self.standin()
        server.troubles = ["hang"]
        host = self.host(server.dsn, self.state, stop_ms=500)
        host.give("event", 3)
        server.until(lambda: len(server.headers) == 1)
        result, seconds = host.stop()
        self.assertEqual(result, 0)
        self.assertLess(seconds, 5)
        self.assertEqual(self.host(server.dsn, self.state, first=3).stop()[0], 0)
        self.expect(server, {1, 2, 3}, {})

    def test_kills_lose_nothing_and_what_was_taken_is_not_sent_again(self):
        server = self.standin()
        given = 0
        for i in range(4):
            host = self.host(server.dsn, self.state, first=given)
            given = host.give("event", 50)
            server.until(lambda: len(server.numbers()) >= given - 40 + i)
            host.kill()
        self.assertEqual(self.host(server.dsn, self.state, first=given).stop()[0], 0)
        self.expect(server, range(1, given + 1), {})
        # The one on its way when its process was killed may come again.
        self.assertLessEqual(len(server.payloads("event")), given + 4)

    def test_what_the_journal_had_no_room_for_is_told(self):
        server = self.standin()
        server.troubles = ["hang"]
        host = self.host(server.dsn)  # in memory: 16 MiB
        host.give("wide")
        server.until(lambda: len(server.headers) == 1)
        given = host.give("wide", 1200)
        server.released.set()  # without an answer: the network is why the others had to wait
        self.assertEqual(host.stop()[0], 0)
        lost = server.reported()
        self.assertEqual(server.wrong, [])
        number = lost[("network_error", "transaction")]
        self.assertGreater(number, 0)
        self.assertEqual(len(server.numbers()) + number, given)
        self.assertEqual(lost, {("network_error", "transaction"): number, ("network_error", "span"): 4 * number})


if __name__ == "__main__":
    unittest.main()
