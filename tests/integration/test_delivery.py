"""The delivery engine and its ClickHouse backend, from a host's events to a server that stands in, in all kinds of trouble."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

from clickhouse_standin import ClickHouse, tls_between

HOST = os.environ["EVENT_HOST"]
STOP_S = 60  # more than any stop takes here, under a sanitizer too


class Host:
    """event_host, told what to publish."""

    def __init__(self, folder, url, state=True, stop_ms=20000, first=0, **env):
        self.folder = folder
        self.log = os.path.join(folder, "log")
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        state_dir = os.path.join(folder, "state")
        self.process = subprocess.Popen([HOST, state_dir if state else "-", self.log, str(stop_ms)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**clean, "CLICKHOUSE_URL": url, "FIRST": str(first), **env})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("it did not start")
        self.admin = int(line)

    def publish(self, what):
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline().split()[1])

    def stop(self):
        """What spy_stop() returned, and after how many seconds."""
        out, _ = self.process.communicate(timeout=STOP_S)
        assert self.process.returncode == 0, self.process.returncode
        _, result, ms = out.split()
        return int(result), float(ms) / 1000

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def lines(self, event):
        with open(self.log, encoding="utf-8") as file:
            return [line for line in map(json.loads, file) if line["event"] == event]

    def metrics(self):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://127.0.0.1:{self.admin}/metrics", timeout=30) as answer:
            pairs = (line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
            return {name: float(value) for name, value in pairs}

    def until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        while not wanted():
            if time.monotonic() > end:
                raise AssertionError("it never came to be so")
            time.sleep(0.05)


def series(name, **labels):
    return f"spyglass_delivery_{name}" + "{" + ",".join(f'{k}="{v}"' for k, v in {"backend": "clickhouse", **labels}.items()) + "}"


class Delivery(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="delivery-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.hosts = []
        self.addCleanup(lambda: [host.process.poll() is None and host.kill() for host in self.hosts])

    def host(self, *args, **kwargs):
        self.hosts.append(Host(self.folder, *args, **kwargs))
        return self.hosts[-1]

    def standin(self, *args, **kwargs):
        server = ClickHouse(*args, **kwargs)
        self.addCleanup(server.close)
        return server

    def expect_all(self, server, count):
        self.assertEqual(server.wrong, [])
        self.assertEqual(len(server.stored), count)
        self.assertEqual(sorted(server.stored), list(range(count)))

    def test_every_event_comes_once(self):
        server = self.standin()
        host = self.host(server.url.replace("://", "://user:hush-hush@"))
        self.assertEqual(host.publish(50), 50)
        server.until(lambda: len(server.stored) == 50)
        host.publish(45000)
        host.until(lambda: host.metrics()[series("sent_total")] == 45050)
        host.until(lambda: host.metrics()[series("queued_total")] == 45050)
        host.until(lambda: host.metrics()[series("waiting_records")] == 0)
        self.assertEqual(host.metrics()[series("failing")], 0)
        self.assertEqual(host.metrics()[series("batch_seconds_count")], server.inserts)
        self.assertGreater(host.metrics()[series("sent_bytes_total")], 45050 * 100)
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, 45050)
        self.assertEqual(host.lines("spyglass_started")[0]["clickhouse"], server.url)
        with open(host.log, encoding="utf-8") as file:
            self.assertNotIn("hush-hush", file.read())
        self.assertTrue(all(headers.get("x-clickhouse-key") == "hush-hush" for _, headers in server.requests))

    def test_troubles_lose_and_double_nothing(self):
        server = self.standin()
        host = self.host(server.url)
        kinds = ["error 500", "error 429", "too many parts", "garbage after 200", "exception after 200", "elsewhere", "long 500",
                 "no http", "reset", "reset in mid body", "stored and reset", "stored and 500", "stored and cut"]
        total = 0
        for i in range(0, len(kinds), 2):  # no more in a row than the back-off takes shortly
            with server.lock:
                server.troubles = kinds[i:i + 2]
            total = host.publish(1000)
            server.until(lambda: len(server.stored) == total and not server.troubles)
        host.until(lambda: host.metrics()[series("sent_total")] == total)
        # But those of a connection that was used before: they are made again on a new one by libcurl.
        self.assertGreaterEqual(host.metrics()[series("retried_total")], 1000 * (len(kinds) - 6))
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, total)
        self.assertFalse([path for path, _ in server.requests if "redirected" in path])
        self.assertEqual(len(host.lines("delivery_failing")), len(host.lines("delivery_works")))

    def test_an_outage_is_waited_out_and_said_once(self):
        server = self.standin()
        port, url = server.port, server.url
        server.close()
        host = self.host(url)
        host.publish(30000)
        host.until(lambda: host.lines("delivery_failing"))
        host.until(lambda: host.metrics()[series("waiting_records")] == 30000)
        host.until(lambda: host.metrics()[series("failing")] == 1)  # the engine may have looked between the two
        time.sleep(1)
        server = self.standin(port=port)
        server.until(lambda: len(server.stored) == 30000)
        host.until(lambda: host.lines("delivery_works"))
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, 30000)
        self.assertEqual(len(host.lines("delivery_failing")), 1)
        self.assertEqual(host.lines("delivery_failing")[0]["error"], "connection refused")
        self.assertEqual(len(host.lines("delivery_works")), 1)

    def test_of_a_long_answer_the_end_is_read(self):
        server = self.standin()
        server.troubles = ["long 500"] * 3
        host = self.host(server.url)
        host.publish(5)
        server.until(lambda: len(server.stored) == 5)
        host.until(lambda: host.lines("delivery_failing"))
        self.assertIn("said at the end", host.lines("delivery_failing")[0]["error"])
        self.assertEqual(host.stop()[0], 0)

    def test_a_kill_at_any_moment(self):
        """Of a request that hangs, was stored or not; with more events coming, and then all over again."""
        server = self.standin()
        total = 0
        for trouble in ("hang", "stored and hang", "error 500", "stored and reset", "hang"):
            with server.lock:
                server.troubles = [trouble]
                before = server.inserts
            host = self.host(server.url, first=total)
            total = host.publish(700)
            server.until(lambda: server.inserts > before)
            total = host.publish(700)
            host.kill()
        host = self.host(server.url, first=total)
        total = host.publish(1)
        server.until(lambda: len(server.stored) == total)
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, total)

    def test_an_address_that_is_none_is_refused_without_its_password(self):
        run = subprocess.run([HOST, os.path.join(self.folder, "state"), os.path.join(self.folder, "log"), "1000"], text=True,
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=STOP_S,
                             env={**os.environ, "CLICKHOUSE_URL": "ftp://user:hush-hush@127.0.0.1/"})
        self.assertEqual(run.returncode, 1)
        self.assertIn("clickhouse_url", run.stderr)
        self.assertNotIn("hush", run.stderr)

    def test_a_forked_child_takes_nothing_away(self):
        server = self.standin()
        server.troubles = ["stored and hang"]
        host = self.host(server.url)
        host.publish(100)
        server.until(lambda: server.inserts == 1)  # it forks with an exchange on its way
        self.assertEqual(host.publish("fork"), 0)
        server.release()
        host.publish(100)
        server.until(lambda: len(server.stored) == 200)
        self.assertEqual(host.publish("fork"), 0)
        host.publish(100)
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, 300)

    def test_a_stop_is_bounded_and_leaves_the_rest_to_the_next_start(self):
        server = self.standin()
        server.troubles = ["hang"]
        host = self.host(server.url, stop_ms=500)
        host.publish(100)
        server.until(lambda: server.inserts == 1)
        host.publish(100)
        result, seconds = host.stop()
        self.assertEqual(result, 0)
        self.assertLess(seconds, 5)
        self.assertEqual(server.stored, [])
        host = self.host(server.url, first=200)
        host.publish(10)
        self.assertEqual(host.stop()[0], 0)  # sends all that there is
        self.expect_all(server, 210)

    def test_a_stop_does_not_wait_for_a_server_that_is_down(self):
        server = self.standin()
        server.close()
        host = self.host(server.url, stop_ms=30000)
        host.publish(100)
        host.until(lambda: host.lines("delivery_failing"))
        result, seconds = host.stop()
        self.assertEqual(result, 0)
        self.assertLess(seconds, 10)

    def test_without_a_state_directory(self):
        server = self.standin()
        server.troubles = ["error 500", "stored and reset"]
        host = self.host(server.url, state=False)
        host.publish(5000)
        server.until(lambda: len(server.stored) == 5000)
        host.publish(10)
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(server, 5010)
        server.troubles = ["hang"]
        host = self.host(server.url, state=False, stop_ms=300)
        host.publish(10)
        self.assertEqual(host.stop()[0], -110)  # -ETIMEDOUT: they are lost

    def test_a_bad_row_costs_none_of_its_neighbours(self):
        server = self.standin()
        server.poison = 777
        host = self.host(server.url)
        host.publish(1000)
        host.until(lambda: host.metrics()[series("sent_total")] == 999)
        metrics = host.metrics()
        self.assertEqual((metrics[series("dropped_total", reason="bad_row")], metrics[series("dropped_total", reason="journal_cap")]), (1, 0))
        self.assertEqual(metrics[series("dead_letters_total")], 1)
        host.until(lambda: host.metrics()["spyglass_journal_max_bytes"] == 256 << 20)
        self.assertEqual(host.stop()[0], 0)
        self.assertEqual(server.wrong, [])
        self.assertEqual(sorted(server.stored), [n for n in range(1000) if n != 777])
        with open(os.path.join(self.folder, "state/dead_letters/clickhouse.jsonl"), encoding="utf-8") as file:
            letters = [json.loads(line) for line in file]
        self.assertEqual([json.loads(letter["row"]["properties"])["number"] for letter in letters], [777])
        self.assertEqual(host.lines("delivery_dropped")[0]["reason"], "bad_row")

    def test_a_proxy_is_asked_and_bodies_are_compressed(self):
        proxy = self.standin(version="20.8.1.1")  # of a version without zstd; and without tokens
        host = self.host("http://clickhouse.invalid:8123", http_proxy=proxy.url)
        host.publish(500)
        proxy.until(lambda: len(proxy.stored) == 500)
        self.assertEqual(host.stop()[0], 0)
        self.expect_all(proxy, 500)
        self.assertTrue(all(path.startswith("http://clickhouse.invalid:8123/") for path, _ in proxy.requests))
        self.assertEqual(proxy.requests[-1][1]["content-encoding"], "gzip")

    def test_no_proxy_for_this_machine(self):
        server = self.standin()
        host = self.host(server.url, http_proxy="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1")
        host.publish(5)
        server.until(lambda: len(server.stored) == 5)
        self.assertEqual(host.stop()[0], 0)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not there")
    def test_tls(self):
        tls, trusted = tls_between(self.folder)
        server = self.standin(tls=tls)
        host = self.host(server.url, state=False, stop_ms=100)  # trusts the system's authorities alone
        host.publish(5)
        host.until(lambda: host.lines("delivery_failing"))
        self.assertIn("certificate", host.lines("delivery_failing")[0]["error"])
        host.stop()
        self.assertEqual(server.requests, [])
        os.remove(host.log)
        host = self.host(server.url, **trusted)
        host.publish(5)
        server.until(lambda: len(server.stored) == 5)
        self.assertEqual(host.stop()[0], 0)


if __name__ == "__main__":
    unittest.main()
