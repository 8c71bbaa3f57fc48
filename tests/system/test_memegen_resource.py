"""resource_usage of a live memegen against what the test reads at both ends of the same ten seconds."""

import os
import subprocess
import sys
import time
import unittest

from service import Memegen, samples

PERIOD_S = 10
WITHIN = 3.0  # points
BUSY = "import time\nend = time.monotonic() + 5\nwhile time.monotonic() < end: pass\n"


def usage(memegen, kind):
    return samples(memegen.metrics(), "resource_usage").get((("resource_type", kind),))


def ticks():
    """Of all processors: busy and in all. Guests are counted within user time already."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def memory_percent():
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = dict(line.split(":") for line in file)
    total, free = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return (total - free) / total * 100


def disk_percent(path):
    disk = os.statvfs(path)
    used = disk.f_blocks - disk.f_bfree
    return used / (used + disk.f_bavail) * 100


def change(memegen, before):
    """Waits for the next sample. Two that are equal to the last bit are not seen as two."""
    end = time.monotonic() + 3 * PERIOD_S
    while time.monotonic() < end:
        now = usage(memegen, "cpu")
        if now != before:
            return now
        time.sleep(0.05)
    raise AssertionError("no sample came")


class Resource(unittest.TestCase):
    def test_usage_is_what_it_was(self):
        with Memegen("--resource-period-s", str(PERIOD_S)) as memegen:
            limited = samples(memegen.metrics(), "cgroup_cpu_limit_cores") or samples(memegen.metrics(), "cgroup_memory_limit_bytes")
            if limited:
                self.skipTest("the machine's control group is limited: the figures are of that, not of the machine")
            first = change(memegen, usage(memegen, "cpu"))
            busy, total = ticks()
            with subprocess.Popen([sys.executable, "-c", BUSY]) as load:  # a processor, half of the time
                now = change(memegen, first)
                busy_after, total_after = ticks()
                memory, disk = memory_percent(), disk_percent("/")
                load.wait(timeout=30)
            wanted = (busy_after - busy) / (total_after - total) * 100
            print(f"# cpu: {now:.1f} %, read here {wanted:.1f} %")
            self.assertAlmostEqual(now, wanted, delta=WITHIN)
            self.assertGreater(wanted, 0)
            self.assertAlmostEqual(usage(memegen, "memory"), memory, delta=WITHIN)
            self.assertAlmostEqual(usage(memegen, "disk"), disk, delta=WITHIN)
            text = memegen.metrics()
            self.assertEqual(samples(text, "spyglass_resource_errors_total"),
                             {(("resource_type", kind),): 0 for kind in ("cpu", "memory", "disk")})
            self.assertGreater(samples(text, "process_network_receive_bytes_total")[()], 0)
            self.assertGreaterEqual(samples(text, "filesystem_size_bytes")[(("path", "/"),)],
                                    samples(text, "filesystem_avail_bytes")[(("path", "/"),)])


if __name__ == "__main__":
    unittest.main()
