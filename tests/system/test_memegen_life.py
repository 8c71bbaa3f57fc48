"""memegen from start to end: the command line, signals, what a kill leaves behind."""

import json
import os
import resource
import signal
import socket
import sqlite3
import tempfile
import threading
import time
import unittest

from service import Connection, Memegen, run

PATH = "/api/v1/memes"


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        status, out, err = run("--help")
        self.assertEqual((status, err), (0, ""))
        for flag in ("--listen", "--admin", "--state-dir", "--database", "--config", "--print-config", "--check-config",
                     "--version", "--help"):
            self.assertIn(flag, out)
        status, out, err = run("--version")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"^memegen \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_2_and_one_line(self):
        for arguments in (["--lisen", "127.0.0.1:0"], ["--listen"], ["--listen", "nowhere"], ["--queue", "0"],
                          ["--queue", "many"], ["surplus"], ["--config", "/no/such/file.yaml"]):
            status, out, err = run(*arguments)
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertRegex(err, r"^memegen: .+\n$")

    def test_a_part_that_is_not_built_is_refused(self):
        for name, value in (("REDIS_URL", "redis://127.0.0.1"), ("DATABASE_URL", "postgres://127.0.0.1/x")):
            status, _, err = run("--check-config", **{name: value})
            self.assertEqual(status, 2)
            self.assertIn(name, err)

    def test_a_dsn_that_is_none_is_refused_without_being_told(self):
        for value in ("s3cret", "http://s3cret@127.0.0.1"):
            with tempfile.TemporaryDirectory() as folder:
                status, out, err = run("--state-dir", folder, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", SENTRY_DSN=value)
            self.assertNotEqual(status, 0, value)
            self.assertRegex(err, "SENTRY_DSN|sentry_dsn")
            self.assertNotIn("s3cret", out + err)

    def test_check_config(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "memegen.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("listen: 127.0.0.1:0\nqueue: 5\n")
            self.assertEqual(run("--config", path, "--check-config")[0], 0)
            with open(path, "a", encoding="utf-8") as file:
                file.write("qeue: 5\n")
            status, _, err = run("--config", path, "--check-config")
            self.assertEqual(status, 2)
            self.assertIn("qeue", err)
            self.assertEqual(sorted(os.listdir(folder)), ["memegen.yaml"])  # looked, and made nothing

    def test_print_config_masks_secrets(self):
        status, out, _ = run("--print-config", SPY_ADMIN_TOKEN="hush-hush-hush-hush")
        self.assertEqual(status, 0)
        self.assertNotIn("hush", out)

    def test_no_data_is_an_error_of_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            for arguments in (["--check-config"], ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir",
                                                    os.path.join(folder, "state")]):
                status, _, err = run("--data-dir", folder, *arguments)
                self.assertEqual(status, 1)
                self.assertRegex(err, r"^memegen: .+\n$")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as folder:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            for listen, admin in ((address, "127.0.0.1:0"), ("127.0.0.1:0", address)):
                status, _, err = run("--listen", listen, "--admin", admin, "--state-dir", os.path.join(folder, "s"))
                self.assertEqual(status, 1)
                self.assertRegex(err, rf"^memegen: .*{address}.*\n$")

    def test_a_state_folder_that_cannot_be(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file")
            with open(path, "w", encoding="utf-8"):
                pass
            status, _, err = run("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", path)
            self.assertEqual(status, 1)
            self.assertRegex(err, rf"^memegen: .*{path}.*\n$")


class Life(unittest.TestCase):
    def test_a_second_one_on_the_same_state_is_refused(self):
        with Memegen() as memegen:
            status, _, err = run("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", memegen.state_dir)
            self.assertEqual(status, 1)
            self.assertRegex(err, rf"^memegen: .*{memegen.state_dir}.*\n$")
            memegen.make()  # the first one goes on

    def test_all_that_it_writes_lies_in_the_state_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            with Memegen(state_dir=os.path.join(folder, "state"), env={"HOME": folder, "TMPDIR": folder}) as memegen:
                memegen.make()
                memegen.end()
            self.assertEqual(os.listdir(folder), ["state"])
            self.assertIn("memegen.db", os.listdir(os.path.join(folder, "state")))

    def test_term_int_and_hup(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Memegen() as memegen:
                memegen.process.send_signal(signal.SIGHUP)
                memegen.process.send_signal(signal.SIGPIPE)
                memegen.make()
                status, seconds = memegen.end(number)
                self.assertEqual((status, memegen.errors()), (0, ""))
                self.assertLess(seconds, 10)
                self.assertEqual(memegen.log()[-1]["event"], "memegen_stopped")

    def test_a_stop_with_idle_and_half_sent_connections(self):
        with Memegen() as memegen:
            with memegen.connect() as idle, memegen.connect() as half:
                self.assertEqual(idle.request("GET", "/healthz").status, 200)
                half.send(b"POST /api/v1/memes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b"Content-Length: 100\r\n\r\n{")
                status, seconds = memegen.end()
                self.assertEqual(status, 0)
                self.assertLess(seconds, 10)

    def test_idle_clients_leave_descriptors_for_a_scrape(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = 128
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))  # as it is inherited: a session's 1,024 in small
        try:
            memegen = Memegen()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with memegen:
            idle = [socket.create_connection(memegen.address) for _ in range(few + 20)]
            try:
                with Connection(memegen.admin, timeout=8) as connection:  # the idle ones are closed after 10 s
                    self.assertEqual(connection.request("GET", "/metrics").status, 200)
            finally:
                for client in idle:
                    client.close()

    def test_a_second_signal_ends_it_at_once(self):
        with Memegen("--workers", "1") as memegen:
            for i in range(200):
                self.assertEqual(memegen.post(f"{PATH}?async=1", {"topic": f"late {i}"}).status, 202)
            memegen.process.send_signal(signal.SIGTERM)
            while "memegen_stopping" not in {line["event"] for line in memegen.log()}:
                time.sleep(0.005)
            status, seconds = memegen.end(signal.SIGTERM)
            self.assertIn(status, (-signal.SIGTERM, 0))
            self.assertLess(seconds, 1)

    def test_what_was_accepted_is_finished(self):
        with tempfile.TemporaryDirectory() as state:
            with Memegen(state_dir=state) as memegen:
                accepted = [memegen.post(f"{PATH}?async=1", {"topic": f"queued {i}"}).json()["id"] for i in range(60)]
                statuses = []
                threads = [threading.Thread(target=self.post_until_it_ends, args=(memegen, statuses)) for _ in range(16)]
                for thread in threads:
                    thread.start()
                while not statuses:
                    time.sleep(0.01)
                status, seconds = memegen.end()
                for thread in threads:
                    thread.join()
                self.assertEqual(status, 0)
                self.assertLess(seconds, 10)
                # None was cut off: made, told to come again, or never accepted.
                self.assertLessEqual(set(statuses), {201, 503})
                self.assertIn(201, statuses)
            with Memegen(state_dir=state) as again:
                for meme_id in accepted:
                    self.assertEqual(again.get(f"{PATH}/{meme_id}").json()["status"], "success")

    def post_until_it_ends(self, memegen, statuses):
        body = json.dumps({"topic": "until the end"}).encode()
        while True:
            try:
                with memegen.connect() as connection:
                    connection.send(b"POST /api/v1/memes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                    answer = connection.answer()
            except OSError:
                return  # nobody listens any more, or the connection was never accepted
            if answer is None:
                return
            statuses.append(answer.status)

    def test_a_kill_leaves_errors_and_no_pending(self):
        with tempfile.TemporaryDirectory() as state:
            with Memegen("--workers", "1", state_dir=state) as memegen:
                ids = [memegen.post(f"{PATH}?async=1", {"topic": f"killed {i}"}).json()["id"] for i in range(100)]
                memegen.process.kill()
                memegen.process.wait()
            with Memegen(state_dir=state) as again:
                answers = [again.get(f"{PATH}/{i}") for i in ids]
                self.assertEqual({a.status for a in answers}, {200})
                statuses = [a.json()["status"] for a in answers]
                self.assertLessEqual(set(statuses), {"success", "error"})
                self.assertIn("error", statuses)
                lost = next(a.json() for a in answers if a.json()["status"] == "error")
                self.assertTrue(lost["error_message"])
                self.assertIsNone(lost["image_url"])
                again.make()

    def test_memes_outlive_the_process(self):
        with tempfile.TemporaryDirectory() as state:
            with Memegen(state_dir=state) as memegen:
                meme = memegen.make("for ever")
                image = memegen.get(meme["image_url"]).body
                memegen.process.kill()  # what was answered is committed
                memegen.process.wait()
            with Memegen(state_dir=state) as again:
                self.assertEqual(again.get(f"{PATH}/{meme['id']}").json(), meme)
                self.assertEqual(again.get(meme["image_url"]).body, image)

    def test_a_newer_database_is_refused(self):
        with tempfile.TemporaryDirectory() as state:
            with Memegen(state_dir=state):
                pass
            with sqlite3.connect(os.path.join(state, "memegen.db")) as database:
                database.execute("PRAGMA user_version = 9999")
            status, _, err = run("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", state)
            self.assertEqual(status, 1)
            self.assertRegex(err, r"^memegen: .+\n$")


if __name__ == "__main__":
    unittest.main()
