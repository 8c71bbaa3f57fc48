"""The envelopes that a host makes when much goes wrong: Sentry's own tools take every one, its schema takes every event, and no secret
is in any."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from sentry_standin import Sentry

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "script/lib"))

import node  # noqa: E402

HOST = os.environ["ERROR_HOST"]
MODULES = os.path.join(node.PACKAGES, "node_modules")
CORPORA = os.environ.get("SPYGLASS_CORPORA") or os.path.join(ROOT, "../shared/corpora")
SCHEMA = os.path.join(CORPORA, "sentry/event.schema.json")


def sentry_cli():
    """Its program, or None."""
    machine = {"aarch64": "arm64", "x86_64": "x64"}.get(os.uname().machine, "")
    path = os.path.join(MODULES, f"@sentry/cli-linux-{machine}/bin/sentry-cli")
    return path if os.access(path, os.X_OK) else None


def run(command, **env):
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("SENTRY_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**clean, **env})


class Envelopes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="envelopes-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        state = os.path.join(cls.folder, "state")
        os.mkdir(state, 0o700)
        server = Sentry()
        cls.addClassCleanup(server.close)
        done = run([HOST, state, os.path.join(cls.folder, "log")], SENTRY_DSN=server.dsn)
        assert done.stdout == "stopped 0\n", done
        assert not server.wrong, server.wrong
        cls.server = server
        cls.events = server.payloads("event")
        cls.transactions = server.payloads("transaction")
        cls.files = []
        for i, (_, _, body) in enumerate(server.envelopes):
            cls.files.append(os.path.join(cls.folder, f"{i:03}.envelope"))
            with open(cls.files[-1], "wb") as file:
                file.write(body)

    def test_all_kinds_are_there(self):
        types = {event["exception"]["values"][-1]["type"] for event in self.events}
        self.assertEqual([transaction["transaction"] for transaction in self.transactions], ["POST /memes/{id}"])
        self.assertLessEqual({"plain", "odd_text", "numbers", "long_text", "grouped", "secrets", "timeout", "failed"}, types)

    def test_no_secret_is_in_any(self):
        for _, _, body in self.server.envelopes:
            for secret in (b"hush-hush", b"s3cretkey", b"pub1ickey@"):
                self.assertNotIn(secret, body)

    def test_requests_are_told(self):
        requests = [one["request"] for one in self.events + self.transactions if "request" in one]
        self.assertGreater(len(requests), len(self.transactions))
        for request in requests:
            self.assertEqual((request["url"], request["query_string"]), ("http://memes.example/memes/7", "limit=1&token=[redacted]&next=[redacted]"))
            self.assertEqual(request["headers"]["Referer"], "http://u:[redacted]@a.example/")

    def test_sentry_s_parser_takes_every_one(self):
        if not node.program() or not os.path.isdir(os.path.join(MODULES, "@sentry/core")):
            self.skipTest("@sentry/core is not here: script/setup test brings it")
        done = run([node.program(), os.path.join(ROOT, "tests/integration/parse_envelope.mjs"), MODULES, *self.files])
        self.assertEqual(done.returncode, 0, done.stderr)
        parsed = [json.loads(line) for line in done.stdout.splitlines()]
        ours = [[header, [[item, json.loads(payload)] for item, payload in items]] for header, items, _ in self.server.envelopes]
        self.assertEqual(parsed, ours)

    def test_sentry_cli_takes_every_one(self):
        if not sentry_cli():
            self.skipTest("@sentry/cli is not here: script/setup test brings it")
        receiver = Sentry()
        self.addCleanup(receiver.close)
        done = run([sentry_cli(), "send-envelope", os.path.join(self.folder, "*.envelope")], SENTRY_DSN=receiver.dsn,
                   HOME=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        broken = os.path.join(self.folder, "broken")
        with open(self.files[0], "rb") as file, open(broken, "wb") as to:
            to.write(file.read().replace(b'"length":', b'"length":x', 1))
        self.assertNotEqual(run([sentry_cli(), "send-envelope", broken], SENTRY_DSN=receiver.dsn, HOME=self.folder).returncode, 0)

    def test_sentry_s_schema_takes_every_event(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not here: script/setup test brings it")
        if not os.path.exists(SCHEMA):
            self.skipTest("corpus sentry not found")
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        # Of what a transaction has beyond an event, it knows nothing: neither spans nor a beginning.
        beyond = ("spans", "start_timestamp")
        transactions = [{key: value for key, value in one.items() if key not in beyond} for one in self.transactions]
        for event in self.events + transactions:
            self.assertEqual([f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(event)], [])
        self.assertFalse(validator.is_valid({"exception": {"values": [{"stacktrace": {"frames": 5}}]}}))  # it does look

    def test_sentry_cli_has_the_debug_id_that_we_send(self):
        if not sentry_cli():
            self.skipTest("@sentry/cli is not here: script/setup test brings it")
        images = [image for event in self.events for image in event.get("debug_meta", {}).get("images", [])
                  if image["code_file"].endswith("/error_host")]
        if not images:
            self.skipTest("this build names no frames")
        done = run([sentry_cli(), "debug-files", "check", HOST], HOME=self.folder)
        self.assertIn(images[0]["debug_id"], re.findall(r"Debug ID: (\S+)", done.stdout))
        self.assertIn(images[0]["code_id"], re.findall(r"Code ID: +(\S+)", done.stdout))


if __name__ == "__main__":
    unittest.main()
