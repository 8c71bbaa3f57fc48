"""Errors are the same whatever the load address, the build or the message: one program, built in four ways, each run twice."""

import os
import subprocess
import unittest

from sentry_standin import Sentry

PROGRAMS = os.environ["ERROR_BUILDS"].split(":")


def told(program):
    """{(type, operation's label, what it came through): the event's fingerprint} of a run, and its load address."""
    server = Sentry()
    try:
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("SENTRY_")}
        done = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False, env={**clean, "SENTRY_DSN": server.dsn})
        assert done.stdout == "stopped 0\n", done
        assert not server.wrong, server.wrong
        events = server.payloads("event")
    finally:
        server.close()
    found = {}
    for event in events:
        exception, = event["exception"]["values"]
        own = tuple(frame["function"] for frame in exception["stacktrace"]["frames"] if frame["in_app"] and frame["function"] != "_start")
        found[exception["type"], event["tags"].get("dish"), own] = tuple(event["fingerprint"])
    return found, {image["image_addr"] for event in events for image in event["debug_meta"]["images"] if image["code_file"] == program}


class Groups(unittest.TestCase):
    def test_the_same_errors_have_the_same_fingerprints(self):
        runs = [told(program) for program in PROGRAMS for _ in range(2)]
        first = runs[0][0]
        self.assertEqual(set(first), {("burnt", "soup", ("main", "cook", "cook", "cook", "burn")), ("burnt", "rice", ("main", "cook", "cook", "cook", "burn")),
                                      ("burnt", "soup", ("main", "cook", "burn")), ("cold", None, ("main", "serve"))})
        self.assertEqual(len(set(first.values())), len(first))
        for found, _ in runs[1:]:
            self.assertEqual(found, first)
        self.assertGreater(len(set().union(*(addresses for _, addresses in runs))), 1)  # they did lie elsewhere


if __name__ == "__main__":
    unittest.main()
