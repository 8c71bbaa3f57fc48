"""script/up --sentry: Spotlight beside memegen, on loopback alone, and memegen told of it."""

import http.client
import json
import os
import unittest

import spotlight
from running import Up, get


def listeners(port):
    """The local addresses, in hex, that listen on a port (proc(5), /proc/net/tcp)."""
    found = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="utf-8") as file:
            for line in file.readlines()[1:]:
                where, state = line.split()[1], line.split()[3]
                address, _, number = where.partition(":")
                if state == "0A" and int(number, 16) == port:
                    found.append(address)
    return found


class Sentry(unittest.TestCase):
    def setUp(self):
        if spotlight.missing():
            self.skipTest(spotlight.missing())

    def up(self, *arguments, **env):
        up = Up("--sentry", "--no-monitoring", *arguments, **env)
        self.addCleanup(up.close)
        return up

    def test_it_is_started_beside_memegen_and_stopped_with_it(self):
        up = self.up(SPOTLIGHT_PORT="0").start()
        address = up.address("SPOTLIGHT_PORT")
        self.assertIn(f"http://{address}/ (errors and traces)", up.text())
        self.assertIn(b"<!DOCTYPE html>", get(f"http://{address}/"))
        self.assertEqual(listeners(int(address.rpartition(":")[2])), ["0100007F"])
        with open(os.path.join(up.folder, "log/memegen.log"), encoding="utf-8") as file:
            started = next(line for line in map(json.loads, file) if line["event"] == "spyglass_started")
        self.assertEqual(started["sentry"], f"http://{address}")
        connection = http.client.HTTPConnection(address, timeout=30)
        self.addCleanup(connection.close)
        connection.request("POST", "/api/1/envelope/", b'{}\n{"type":"event","length":2}\n{}\n',
                           {"Content-Type": "application/x-sentry-envelope"})
        self.assertEqual(connection.getresponse().status, 200)
        self.assertEqual(up.stop(), 0, up.text())
        self.assertFalse(os.path.exists(f"/proc/{up.pid('spotlight')}"))

    def test_it_does_not_take_the_place_of_a_sentry_that_is_there(self):
        status, output, errors = self.up(SENTRY_DSN="http://s3cret@127.0.0.1/1").run()
        self.assertEqual(status, 1, output)
        self.assertIn("SENTRY_DSN names another one", errors)
        self.assertNotIn("s3cret", output + errors)


if __name__ == "__main__":
    unittest.main()
