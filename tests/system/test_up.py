"""script/up and script/down as a user meets them: what they say, what they start, and that nothing stays behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import running
from running import ROOT, Up, eventually, get, get_json

import ports  # noqa: E402  (script/lib, by way of running)
import processes  # noqa: E402
import stack  # noqa: E402


def down(*arguments, **env):
    done = subprocess.run([os.path.join(ROOT, "script/down"), *arguments], env={**os.environ, **env}, capture_output=True,
                          text=True, timeout=90)
    return done.returncode, done.stdout, done.stderr


class UpTest(unittest.TestCase):
    def up(self, *arguments, **env):
        up = Up(*arguments, **env)
        self.addCleanup(up.close)
        return up

    def assert_nothing_left(self, up):
        for name, child in up.record["children"].items():
            self.assertFalse(processes.is_alive(child["pid"], child["born"]), f"{name} still runs")
        self.assertEqual(running.mentions(up.folder), [])
        held = {port for port, _ in ports.listening()}
        for variable, address in up.record["addresses"].items():
            self.assertNotIn(ports.parse(address)[1], held, f"something still listens on {variable}")
        self.assertFalse(os.path.exists(up.path("up.json")))


class FirstSteps(UpTest):
    """What the README promises to one who has just come."""

    def test_the_readme_lines_work(self):
        up = self.up().start()
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        moved = {"127.0.0.1:8080": up.address("MEMEGEN_LISTEN"), "127.0.0.1:9090": up.address("PROMETHEUS_PORT")}

        def line(pattern):
            command = re.search(pattern, readme, re.MULTILINE).group()
            for default, ours in moved.items():
                command = command.replace(default, ours)
            return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30,
                                  env={**os.environ, "no_proxy": "*"}).stdout

        screen = up.text()
        self.assertIn(f"curl -XPOST {up.address('MEMEGEN_LISTEN')}/api/v1/memes", screen)
        meme = json.loads(line(r"^curl -XPOST .*/api/v1/memes .*$"))
        self.assertEqual(meme["status"], "success", meme)
        image = get(f"http://{up.address('MEMEGEN_LISTEN')}{meme['image_url']}" if meme["image_url"].startswith("/")
                    else meme["image_url"])
        self.assertEqual(image[:8], b"\x89PNG\r\n\x1a\n")

        def counted():
            answer = json.loads(line(r"^curl .*query=meme_generation_total.*$"))
            return [s for s in answer["data"]["result"]
                    if s["metric"]["status"] == "success" and s["metric"]["job"] == "dspy-meme-gen" and s["value"][1] == "1"]

        eventually("meme_generation_total in Prometheus", counted)
        eventually("the request's line", lambda: "request_processed" in up.text())  # the log follows
        self.assertRegex(screen, "Without a secret, these receivers deliver to a stand-in.*\n.*DevOps Team .*Emergency ")

    def test_everything_answers_and_sees_each_other(self):
        up = self.up().start()
        prometheus = f"http://{up.address('PROMETHEUS_PORT')}"
        eventually("the target", lambda: [
            t for t in get_json(f"{prometheus}/api/v1/targets")["data"]["activeTargets"]
            if t["health"] == "up" and t["scrapePool"] == "dspy-meme-gen"])
        eventually("the Alertmanager", lambda: get_json(f"{prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"])
        names = {rule["name"] for group in get_json(f"{prometheus}/api/v1/rules")["data"]["groups"] for rule in group["rules"]}
        self.assertLessEqual({"HighErrorRate", "SlowGeneration", "ExternalServiceErrors", "agent:success_ratio:rate5m"}, names)
        self.assertIn(b"<html", get(f"{prometheus}/classic/graph"))  # its own page, too
        receivers = {r["name"] for r in get_json(f"http://{up.address('ALERTMANAGER_PORT')}/api/v2/receivers")}
        self.assertEqual(receivers, {"DevOps Team", "Emergency", "Watchdog"})
        page = f"http://{up.address('SPY_ADMIN')}"
        lines = [line for line in up.text().splitlines() if line and not line.startswith(("All that the tier", "Building."))]
        self.assertEqual(lines[0], f"Look at it: {page}/")
        self.assertIn(b"/console/app.js", get(f"{page}/"))  # with its charts
        self.assertTrue(get_json(f"{page}/api/prometheus/rules")["data"]["groups"])

    @unittest.skipIf(stack.event_engine_missing(), stack.event_engine_missing())
    def test_there_is_an_event_store_and_it_keeps_what_it_has(self):
        first = self.up().start()
        store = f"http://{first.address('CLICKHOUSE_PORT')}"
        self.assertIn(f"  events         {store}/?query=SHOW+TABLES", first.text())
        for statement in ("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO kept VALUES (1)"):
            subprocess.run(["curl", "-sf", "--noproxy", "*", store, "-d", statement], check=True, timeout=30)
        eventually("memegen's tables", lambda: b"analytics_events" in get(f"{store}/?query=SHOW+TABLES"))
        self.assertEqual(first.stop(), 0, first.text())
        second = self.up(folder=first.folder).start()
        self.assertEqual(get(f"http://{second.address('CLICKHOUSE_PORT')}/?query=SELECT+a+FROM+kept"), b"1\n")

    def test_without_its_engine_all_else_is_up(self):
        up = self.up(SPY_LIBCHDB="/nowhere/libchdb.so").start()
        self.assertEqual(up.text().count("There is no event store here: SPY_LIBCHDB=/nowhere/libchdb.so is not there."), 1)
        self.assertNotIn("CLICKHOUSE_PORT", up.record["addresses"])

    def test_what_has_no_secret_arrives_at_the_stand_in(self):
        up = self.up().start()
        heartbeat = eventually("the heartbeat", lambda: get_json(
            f"http://{up.address('NOTIFY_STANDIN')}/received")["notifications"], 60)[0]
        self.assertEqual(heartbeat["to"], "webhook")
        self.assertEqual(heartbeat["body"]["alerts"][0]["labels"], {"alertname": "Watchdog", "severity": "none"})
        eventually("its line", lambda: "webhook of Watchdog: firing Watchdog Alerts arrive" in up.text())
        self.assertRegex(up.text(), r"(?m)^notification: \d\d:\d\d:\d\d webhook of Watchdog")

    def test_all_listen_on_loopback_alone(self):
        up = self.up().start()
        inodes = set()
        for child in up.record["children"].values():
            for name in os.listdir(f"/proc/{child['pid']}/fd"):
                try:
                    inodes.add(os.readlink(f"/proc/{child['pid']}/fd/{name}"))
                except OSError:
                    pass
        loopback = {"0100007F", "00000000000000000000000001000000"}
        found = 0
        for table in ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"):
            if not os.path.exists(table):
                continue
            with open(table, encoding="ascii") as file:
                for row in file.read().splitlines()[1:]:
                    fields = row.split()
                    if f"socket:[{fields[9]}]" in inodes and fields[3] in ("0A", "07"):
                        found += 1
                        self.assertIn(fields[1].split(":")[0], loopback, row)
        self.assertGreaterEqual(found, 4)


class Endings(UpTest):
    def test_signals_leave_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number.name):
                up = self.up().start()
                self.assertEqual(up.stop(number), 0, up.text())
                self.assert_nothing_left(up)

    def test_a_child_that_dies_stops_all(self):
        for name in ("memegen", "prometheus"):
            with self.subTest(child=name):
                up = self.up().start()
                os.kill(up.pid(name), signal.SIGKILL)
                self.assertEqual(up.process.wait(timeout=60), 1)
                self.assertIn(f"{name} ended by itself (signal 9)", up.text())
                self.assert_nothing_left(up)

    def test_children_do_not_outlive_a_killed_up(self):
        up = self.up("--no-monitoring").start()
        up.stop(signal.SIGKILL)
        eventually("their end", lambda: not running.mentions(up.folder))
        self.assertEqual(down(MEMEGEN_RUN_DIR=up.folder)[0], 0)
        self.assert_nothing_left(up)

    def test_down_stops_it_from_elsewhere(self):
        up = self.up("--no-monitoring").start()
        status, output, errors = down(MEMEGEN_RUN_DIR=up.folder)
        self.assertEqual((status, errors), (0, ""), output)
        self.assertEqual(up.process.wait(timeout=10), 0)
        self.assert_nothing_left(up)
        status, output, _ = down(MEMEGEN_RUN_DIR=up.folder)
        self.assertEqual((status, output), (0, "Nothing of ours is running.\n"))

    def test_down_spares_a_stranger_with_a_recorded_id(self):
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "60"]) as stranger:
            born = processes.birth(stranger.pid)
            other = {"pid": stranger.pid, "born": born - 1}
            with open(os.path.join(folder, "up.json"), "w", encoding="utf-8") as file:
                json.dump({"up": other, "children": {"memegen": other}}, file)
            self.assertEqual(down(MEMEGEN_RUN_DIR=folder)[0], 0)
            self.assertIsNone(stranger.poll())
            stranger.kill()

    def test_purge_removes_what_was_made_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as tree:
            shutil.copytree(os.path.join(ROOT, "script"), os.path.join(tree, "script"))
            made = [".run", ".deps", "build", "build-test"]
            for name in made + ["src"]:
                os.makedirs(os.path.join(tree, name, "inside"))
            env = {k: v for k, v in os.environ.items() if k != "MEMEGEN_RUN_DIR"}
            done = subprocess.run([os.path.join(tree, "script/down"), "--purge"], env=env, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(os.listdir(tree)), ["script", "src"])


class Ports(UpTest):
    def setUp(self):
        self.taken = socket.socket()
        self.addCleanup(self.taken.close)
        self.taken.bind(("127.0.0.1", 0))
        self.taken.listen()
        self.port = self.taken.getsockname()[1]

    def test_a_taken_port_is_named_with_its_holder_and_the_way_out(self):
        for variable in ("MEMEGEN_LISTEN", "SPY_ADMIN", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "NOTIFY_STANDIN",
                         *([] if stack.event_engine_missing() else ["CLICKHOUSE_PORT"])):
            with self.subTest(variable=variable):
                status, output, errors = self.up(**{variable: f"127.0.0.1:{self.port}"}).run()
                self.assertEqual(status, 1, output)
                self.assertRegex(errors, rf"Port {self.port}, .* is held by \S+ \(process {os.getpid()}\)")
                self.assertIn(f"{variable}=", errors)
                self.assertIn("--ports auto", errors)

    def test_ports_auto_goes_round_it(self):
        up = self.up("--no-monitoring", "--ports", "auto", MEMEGEN_LISTEN=f"127.0.0.1:{self.port}").start()
        self.assertNotEqual(up.address("MEMEGEN_LISTEN"), f"127.0.0.1:{self.port}")
        self.assertIn(up.address("MEMEGEN_LISTEN"), up.text())

    def test_nonsense_is_refused(self):
        for variable, value in (("MEMEGEN_LISTEN", "8080x"), ("PROMETHEUS_PORT", "127.0.0.1:99999"), ("SPY_ADMIN", "192.0.2.1:8000")):
            with self.subTest(variable=variable):
                status, _, errors = self.up(**{variable: value}).run()
                self.assertEqual(status, 1)
                self.assertIn(variable, errors)
                self.assertNotIn("Traceback", errors)

    def test_a_folder_that_cannot_be_made_is_named(self):
        with tempfile.NamedTemporaryFile() as file:
            status, _, errors = self.up("--no-monitoring", folder=os.path.join(file.name, "run")).run()
            self.assertEqual(status, 1)
            self.assertIn(file.name, errors)
            self.assertNotIn("Traceback", errors)

    def test_a_second_up_is_refused(self):
        up = self.up("--no-monitoring").start()
        status, _, errors = self.up("--no-monitoring", folder=up.folder).run()
        self.assertEqual(status, 1)
        self.assertIn(f"process {up.process.pid}", errors)
        self.assertIsNone(up.process.poll())


class State(UpTest):
    def memes(self, up):
        answer = get_json(f"http://{up.address('MEMEGEN_LISTEN')}/api/v1/memes")
        return answer["memes"] if isinstance(answer, dict) else answer

    def post(self, up):
        subprocess.run(["curl", "-s", "--noproxy", "*", "-XPOST", f"{up.address('MEMEGEN_LISTEN')}/api/v1/memes", "-H",
                        "content-type: application/json", "-d", '{"topic":"rust vs c"}'], check=True, capture_output=True)

    def test_state_is_kept_until_fresh(self):
        first = self.up("--no-monitoring").start()
        self.post(first)
        self.assertEqual(len(self.memes(first)), 1)
        self.assertEqual(first.stop(), 0)
        second = self.up("--no-monitoring", folder=first.folder).start()
        self.assertEqual(len(self.memes(second)), 1)
        self.assertEqual(second.stop(), 0)
        third = self.up("--no-monitoring", "--fresh", folder=first.folder).start()
        self.assertEqual(self.memes(third), [])

    def test_without_monitoring_nothing_else_runs(self):
        up = self.up("--no-monitoring").start()
        self.assertEqual(list(up.record["children"]), ["memegen"])
        self.assertEqual(sorted(up.record["addresses"]), ["MEMEGEN_LISTEN", "SPY_ADMIN"])
