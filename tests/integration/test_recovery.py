"""What a process had accepted outlives it, however it ends: its lines are in the log after the next start."""

import json
import mmap
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

HOST = os.environ["MORTAL"]
LINES = 20000
DEATHS = 25  # by each end: a hundred in a row
TIMEOUT_S = 120
FIELDS = re.compile(rb'"thread":(\d+),"i":(\d+)')
DROPPED = re.compile(r'^spyglass_dropped_total\{signal="log",reason="(\w+)"\} (\d+)', re.MULTILINE)


def environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SPY_")}
    # A sanitizer must leave the host its way to die, and the host says more than a line about it.
    env["ASAN_OPTIONS"] = "handle_segv=0:handle_abort=0:" + env.get("ASAN_OPTIONS", "")
    return {**env, "SPY_FULL_WAIT_MS": "60000", **extra}


def pump_runs(pid):
    """How often the pump of a process went to sleep, or None where it has none yet."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        if status["Name"] == "spyglass-pump":
            return int(status["voluntary_ctxt_switches"])
    return None


class Host(unittest.TestCase):
    """A host with a state directory and a log of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="recovery-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.state, self.log, self.counts = (os.path.join(self.folder, name) for name in ("state", "log", "counts"))

    def start(self, end="exit", after=0, threads=2, lines=LINES, level="info", **env):
        env.setdefault("SPY_LOG_FILE", self.log)
        return subprocess.Popen([HOST, self.state, self.counts, str(lines), str(threads), level, end, str(after)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=environment(**env))

    def die(self, end, after, **kwargs):
        process = self.start(end, after, **kwargs)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        wanted = {"_exit": 7, "abort": -signal.SIGABRT, "segv": -signal.SIGSEGV, "kill": -signal.SIGKILL}[end]
        self.assertEqual(process.returncode, wanted, errors)

    def next_start(self, **env):
        """Recovers; returns what the process says to have dropped, by reason."""
        env.setdefault("SPY_LOG_FILE", self.log)
        done = subprocess.run([HOST, self.state], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
                              env=environment(**env), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {reason: int(n) for reason, n in DROPPED.findall(done.stdout)}

    def returned(self, threads=2):
        with open(self.counts, "rb") as file:
            return struct.unpack(f"{threads}Q", file.read(8 * threads))

    def lines(self):
        """All lines, checked to be whole: their bytes."""
        with open(self.log, "rb") as file:
            data = file.read()
        self.assertTrue(data.endswith(b"\n"))
        lines = data.split(b"\n")[:-1]
        for line in lines:
            if not (line.startswith(b'{"timestamp":"') and line.endswith(b"}") and line.count(b'"timestamp"') == 1):
                self.fail(f"a torn line: {line!r}")
        return lines

    def by_thread(self, threads=2):
        """The numbers of each thread's lines, in the log's order, repeats left out; those that came again must say so."""
        numbers, seen = [[] for _ in range(threads)], set()
        for line in self.lines():
            fields = FIELDS.search(line)
            if not fields:
                continue
            thread, i = int(fields[1]), int(fields[2])
            if b'"recovered":true' in line:
                record = json.loads(line)
                if record["record_id"] in seen:
                    continue
                seen.add(record["record_id"])
            elif b'"record_id":"' in line:
                seen.add(line.split(b'"record_id":"', 1)[1].split(b'"', 1)[0].decode())
            numbers[thread].append(i)
        return numbers

    def check_all_there(self, threads=2):
        for thread, (numbers, returned) in enumerate(zip(self.by_thread(threads), self.returned(threads))):
            # One call more may have been accepted before it returned.
            self.assertIn(len(numbers), (returned, returned + 1), f"thread {thread}")
            self.assertEqual(numbers, list(range(len(numbers))), f"thread {thread}")

    def said(self, event):
        return [json.loads(line) for line in self.lines() if f'"{event}"'.encode() in line]


class Recovery(Host):
    def deaths(self, end):
        chance = random.Random(end)
        for _ in range(DEATHS):
            self.die(end, chance.randrange(1, LINES // 2))
            self.next_start()
            self.check_all_there()
            os.unlink(self.log)

    def test_underscore_exit(self):
        self.deaths("_exit")

    def test_abort(self):
        self.deaths("abort")

    def test_segmentation_fault(self):
        self.deaths("segv")

    def test_kill(self):
        self.deaths("kill")

    def test_kill_from_outside(self):
        """At a moment that the host has no part in."""
        chance = random.Random(9)
        for _ in range(5):
            process = self.start("wait", threads=4)
            limit = chance.randrange(1, LINES // 4)
            deadline = time.monotonic() + TIMEOUT_S
            while not os.path.exists(self.counts) or os.path.getsize(self.counts) == 0:
                self.assertLess(time.monotonic(), deadline)
            with open(self.counts, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as counts:
                while struct.unpack_from("Q", counts)[0] < limit:
                    self.assertLess(time.monotonic(), deadline)
            process.kill()
            process.communicate(timeout=TIMEOUT_S)
            self.next_start()
            self.check_all_there(threads=4)
            os.unlink(self.log)
            os.unlink(self.counts)

    def test_kill_with_stdout_in_a_file(self):
        """As with `host >>log`."""
        command = [HOST, self.state, self.counts, str(LINES), "2", "info", "kill"]
        chance = random.Random(11)
        for _ in range(5):
            for arguments in (command + [str(chance.randrange(1, LINES // 2))], [HOST, self.state]):
                with open(self.log, "ab") as log:
                    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=log, timeout=TIMEOUT_S, env=environment(),
                                          check=False)
            self.assertEqual(done.returncode, 0)
            with open(self.log, "r+b") as log:  # without the metrics that the host prints at its end
                data = log.read()
                log.truncate(data.index(b"# HELP "))
            self.check_all_there()
            os.unlink(self.log)

    def test_a_clean_end_recovers_nothing(self):
        process = self.start()
        _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 0, errors)
        before = len(self.lines())
        self.next_start()
        self.check_all_there()
        self.assertEqual(len(self.lines()), before + 1)  # spyglass_started
        self.assertNotIn(b"recovered", b"".join(self.lines()))

    def test_drops_are_counted(self):
        """Debug lines are dropped where a ring is full: what returned is a line or a counted drop."""
        for end in ("_exit", "kill"):
            self.die(end, LINES // 2, level="debug", threads=2)
            dropped = self.next_start()
            returned = sum(self.returned())
            written = sum(len(numbers) for numbers in self.by_thread())
            self.assertIn(written + dropped.get("full", 0) - returned, range(3))
            told = [json.loads(line) for line in self.lines() if b'"spyglass_recovered"' in line]
            self.assertEqual(sum(line["dropped"] for line in told), sum(dropped.values()))
            os.unlink(self.log)

    def test_a_stuck_destination_keeps_all(self):
        """Nobody reads the pipe; the next start, with one that takes lines, has them all."""
        read_end, write_end = os.pipe()
        process = subprocess.Popen([HOST, self.state, self.counts, "1000", "2", "info", "wait", "0"], stdin=subprocess.DEVNULL,
                                   stdout=write_end, stderr=subprocess.DEVNULL, env=environment())
        deadline = time.monotonic() + TIMEOUT_S
        while not os.path.exists(self.counts) or sum(self.returned_or_none()) < 1000:
            self.assertLess(time.monotonic(), deadline)
        process.kill()
        process.wait()
        os.close(write_end)
        with open(read_end, "rb") as pipe:  # what it did take is a part of them, its last line torn
            taken = pipe.read()
        self.assertLess(taken.count(b'"event":"line"'), 1000)
        self.next_start()
        recovered = [line for line in self.lines() if b'"event":"line"' in line]
        ids = {json.loads(line)["record_id"] for line in recovered}
        ids |= {json.loads(line)["record_id"] for line in taken.split(b"\n")[:-1] if b'"event":"line"' in line}
        self.assertEqual(len(ids), 1000)

    def returned_or_none(self):
        with open(self.counts, "rb") as file:
            data = file.read(16)
        return struct.unpack("2Q", data) if len(data) == 16 else (0, 0)

    def test_a_second_process_is_refused(self):
        process = self.start("wait", lines=2)
        deadline = time.monotonic() + TIMEOUT_S
        while not os.path.exists(self.counts):
            self.assertLess(time.monotonic(), deadline)
        second = subprocess.run([HOST, self.state], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                env=environment(SPY_LOG_FILE=self.log), timeout=TIMEOUT_S, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"in use by process {process.pid}", second.stderr)
        process.kill()
        process.communicate()

    def test_an_idle_host_has_no_timer(self):
        """A host that says nothing costs nothing: its pump sleeps until the next line."""
        process = self.start("wait", lines=2)
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while not (runs := pump_runs(process.pid)) or not os.path.exists(self.log):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            before = None
            while before != runs:  # half a second is fifty rounds of a pump with a timer
                self.assertLess(time.monotonic(), deadline, "the pump goes round and round")
                before = runs
                time.sleep(0.5)
                runs = pump_runs(process.pid)
        finally:
            process.kill()
            process.communicate()

    def test_a_damaged_file_costs_what_is_damaged(self):
        self.die("kill", LINES // 2)
        path = os.path.join(self.state, "rings")
        with open(path, "r+b") as file:  # all data of the rings
            size = os.path.getsize(path)
            chance = random.Random(3)
            for _ in range(200):
                file.seek(chance.randrange(65536, size))
                file.write(chance.randbytes(8))
        self.next_start()
        for numbers in self.by_thread():
            self.assertEqual(numbers, sorted(set(numbers)))
        with open(path, "wb") as file:
            file.write(b"this is no ring file\n" * 1000)
        self.next_start()
        told = [json.loads(line) for line in self.lines() if b'"spyglass_recovered"' in line]
        self.assertEqual(told[-1]["unreadable"], 1)


class Trouble(Host):
    """A destination or a state directory in trouble: the host runs on, and says it once."""

    def run_on_a_small_disk(self, script, size="2m", options="rw"):
        """Runs a shell script with $HOST in a mount of its own at $DISK."""
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        script = f'mount -t tmpfs -o size={size},{options} tmpfs "$DISK" || exit 99; ' + script
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True,
                              env=environment(DISK=disk, HOST=HOST, COUNTS=self.counts), timeout=TIMEOUT_S, check=False)
        if done.returncode == 99 or b"unshare:" in done.stderr:
            self.skipTest("nothing can be mounted here: " + done.stderr.decode().strip().splitlines()[-1])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_a_full_device(self):
        process = self.start(lines=1000, SPY_LOG_FILE="/dev/full")
        _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(self.returned(), (500, 500))
        self.assertEqual(errors, b"")

    def test_a_full_disk(self):
        """Lines that had no room are counted, those before are whole."""
        done = self.run_on_a_small_disk(
            'dd if=/dev/zero of="$DISK/ballast" bs=1024 count=1900 2>/dev/null; SPY_LOG_FILE="$DISK/log" '
            f'"$HOST" "$DISK/../state" "$COUNTS" {LINES} 2 info exit 0 && cat "$DISK/log"')
        with open(self.log, "wb") as file:
            file.write(done.stdout)
        numbers = self.by_thread()
        self.assertLess(sum(map(len, numbers)), LINES)
        self.assertGreater(sum(map(len, numbers)), 0)
        self.assertEqual(sum(self.returned()), LINES)

    def test_a_state_dir_on_a_full_disk(self):
        self.run_on_a_small_disk(f'SPY_LOG_FILE="$DISK/../log" "$HOST" "$DISK/state" "$COUNTS" {LINES} 2 info exit 0')
        said = self.said("spyglass_state_dir_unusable")
        self.assertEqual([line["error"] for line in said], ["No space left on device"])
        self.check_all_there()

    def test_a_read_only_state_dir(self):
        self.run_on_a_small_disk(f'SPY_LOG_FILE="$DISK/../log" "$HOST" "$DISK/state" "$COUNTS" {LINES} 2 info exit 0',
                                 options="ro")
        said = self.said("spyglass_state_dir_unusable")
        self.assertEqual([line["error"] for line in said], ["Read-only file system"])
        self.check_all_there()

    def test_a_file_size_limit(self):
        """As a full disk, where nothing can be mounted."""
        limit = 65536
        process = subprocess.Popen([HOST, self.state, self.counts, str(LINES), "2", "info", "exit", "0"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=environment(SPY_LOG_FILE=self.log),
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(sum(self.returned()), LINES)
        self.assertLessEqual(os.path.getsize(self.log), limit)
        self.assertGreater(sum(map(len, self.by_thread())), 100)  # whole lines, and no part of one
        self.assertEqual(len(self.said("spyglass_state_dir_unusable")), 1)  # the rings are larger than that


if __name__ == "__main__":
    unittest.main()
