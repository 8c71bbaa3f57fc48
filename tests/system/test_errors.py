"""An error made in memegen, read back field by field from Sentry's Spotlight, and seen on its page; no secret is in any event."""

import json
import os
import re
import socket
import subprocess
import tempfile
import unittest
from datetime import datetime, timedelta

import page
import spotlight
import stack
from service import JSON, PROGRAM, Connection, Memegen
from standin import Standin

# Where a secret may lie, and one for each place.
SECRETS = {place: f"planted-{place}-S3cR3t" for place in ("variable", "token", "header", "cookie", "body", "query", "dsn")}
SENTRY_CLI = os.path.join(stack.ROOT, ".deps/npm/node_modules/.bin/sentry-cli")


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)


class Errors(unittest.TestCase):
    """An LLM that answers with 500: each attempt is an error of external_service, told once in a request."""

    @classmethod
    def setUpClass(cls):
        if spotlight.missing():
            raise unittest.SkipTest(spotlight.missing())
        cls.spotlight = spotlight.Spotlight()
        cls.addClassCleanup(cls.spotlight.stop)
        standin = Standin("--fault", "500", "--probability", "1")
        cls.addClassCleanup(standin.stop)
        cls.memegen = Memegen(
            "--environment", "test", "--release", "memegen@1.2.3-test",
            env={"SENTRY_DSN": cls.spotlight.dsn.replace("spotlight@", f"spotlight:{SECRETS['dsn']}@"), "OPENAI_BASE_URL": standin.base_url,
                 "OPENAI_API_KEY": SECRETS["variable"], "MEMEGEN_LLM_ATTEMPTS": "2", "SPY_ADMIN_TOKEN": SECRETS["token"]})
        cls.addClassCleanup(cls.memegen.stop)
        body = json.dumps({"topic": f"cats, api_key={SECRETS['body']}", "user_id": "u1"}).encode()
        cls.answer = cls.memegen.request(
            "POST", f"/api/v1/memes?token={SECRETS['query']}&email=ada@example.org",
            {**JSON, "X-Correlation-ID": "errors.1", "Authorization": f"Bearer {SECRETS['header']}", "Cookie": f"session={SECRETS['cookie']}"}, body)
        assert cls.answer.status == 201, cls.answer.body
        cls.event = cls.spotlight.until(lambda: next(iter(cls.events_of("errors.1")), None))
        cls.lines = [line for line in cls.memegen.log_of("errors.1") if line.get("correlation_id") == "errors.1"]

    @classmethod
    def events_of(cls, correlation_id):
        return [event for event in cls.spotlight.items("event") if event["tags"].get("correlation_id") == correlation_id]

    def test_what_and_when(self):
        exception, = self.event["exception"]["values"]
        self.assertEqual(exception["type"], "status_5xx")
        self.assertIn("500", exception["value"])
        self.assertEqual(exception["mechanism"], {"type": "spy_end", "handled": True})
        self.assertRegex(self.event["event_id"], r"^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$")
        self.assertEqual(self.event["level"], "error")
        self.assertEqual(self.event["transaction"], "external_service llm chat_completion")
        self.assertEqual(self.event["fingerprint"][0], "status_5xx")
        self.assertRegex(self.event["fingerprint"][1], r"^[0-9a-f]{16}$")
        self.assertLessEqual({"operation": "external_service", "service_name": "llm", "correlation_id": "errors.1"}.items(), self.event["tags"].items())

    def test_whose_request_it_was(self):
        request = self.event["request"]
        self.assertEqual((request["method"], request["url"]), ("POST", "http://127.0.0.1/api/v1/memes"))
        self.assertEqual(request["query_string"], "token=[redacted]&email=[redacted]")
        self.assertEqual(request["headers"]["Content-Type"], JSON["Content-Type"])
        self.assertLessEqual(set(request["headers"]), {"Host", "Accept-Encoding", "Content-Type", "Content-Length"})
        self.assertEqual(self.event["user"], {"id": "u1"})
        self.assertEqual({line.get("user_id") for line in self.lines if line["event"] in ("operation_failed", "request_processed")}, {"u1"})

    def test_where_it_ran(self):
        self.assertEqual((self.event["environment"], self.event["release"]), ("test", "memegen@1.2.3-test"))
        self.assertEqual((self.event["platform"], self.event["server_name"]), ("native", socket.gethostname()))
        self.assertEqual(self.event["sdk"]["name"], "spyglass")
        contexts = self.event["contexts"]
        self.assertEqual(contexts["app"]["app_name"], "memegen")
        self.assertEqual(contexts["device"]["arch"], os.uname().machine)
        self.assertEqual(contexts["os"]["kernel_version"], os.uname().release)
        self.assertTrue(contexts["runtime"]["version"])

    def test_it_is_the_trace_of_the_lines(self):
        trace, failed = self.event["contexts"]["trace"], next(line for line in self.lines if line["event"] == "operation_failed")
        self.assertEqual((trace["trace_id"], trace["span_id"]), (failed["trace_id"], failed["span_id"]))

    def test_the_stack_has_names_and_its_images_their_ids(self):
        frames = self.event["exception"]["values"][0]["stacktrace"]["frames"]
        last = frames[-1]
        self.assertEqual((last["function"], last["in_app"], last["package"]), ("make_call", True, os.path.realpath(PROGRAM)))
        self.assertTrue(last["filename"].endswith("memegen/llm/openai.c"), last)
        self.assertGreater(last["lineno"], 0)
        own = [frame["function"] for frame in frames if frame["in_app"]]
        self.assertLess(own.index("pipeline_run"), own.index("llm_complete"))  # the outermost first
        self.assertFalse([name for name in own if name.startswith("spy_")])
        self.assertTrue(any(not frame["in_app"] and "libc.so" in frame["package"] for frame in frames))
        images = {image["code_file"]: image for image in self.event["debug_meta"]["images"]}
        for frame in frames:
            image, address = images[frame["package"]], int(frame["instruction_addr"], 16)
            start = int(image["image_addr"], 16)
            self.assertTrue(start <= address < start + image["image_size"], frame)
            self.assertEqual(int(frame["image_addr"], 16), start)
        self.assertEqual(images[os.path.realpath(PROGRAM)]["code_id"], build_id(PROGRAM))

    @unittest.skipUnless(os.path.exists(SENTRY_CLI), "there is no sentry-cli: script/setup sentry brings it")
    def test_sentrys_own_tool_names_the_same_debug_id(self):
        said = subprocess.run([SENTRY_CLI, "debug-files", "check", "--json", PROGRAM], capture_output=True, text=True, check=False,
                              env={**os.environ, "SENTRY_DISABLE_UPDATE_CHECK": "1"})
        ids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", said.stdout)
        image, = (image for image in self.event["debug_meta"]["images"] if image["code_file"] == os.path.realpath(PROGRAM))
        self.assertIn(image["debug_id"], ids, said.stdout + said.stderr)

    def test_what_led_to_it(self):
        crumbs = self.event["breadcrumbs"]["values"]
        self.assertTrue(crumbs)
        times = [instant(crumb["timestamp"]) for crumb in crumbs]
        # Records of other threads may come a round of the pump later than their times say.
        self.assertLessEqual(max(times), instant(self.event["timestamp"]) + timedelta(seconds=5))
        self.assertLessEqual({crumb["level"] for crumb in crumbs}, {"debug", "info", "warning", "error"})
        self.assertIn("operation", {crumb["category"] for crumb in crumbs})
        self.assertEqual({crumb["data"].get("correlation_id", "errors.1") for crumb in crumbs}, {"errors.1"})

    def test_a_failure_is_one_event(self):
        failures = {(line["error_type"], line["error_message"]) for line in self.lines if line["event"] in ("operation_failed", "request_failed")}
        told = sum(line["event"] == "operation_failed" for line in self.lines)
        events = self.spotlight.until(lambda: len(found := self.events_of("errors.1")) >= len(failures) and found)
        seen = [(event["exception"]["values"][0]["type"], event["exception"]["values"][0].get("value")) for event in events]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(set(seen), failures)
        self.assertGreater(told, len(seen))

    def test_no_secret_is_in_any_event(self):
        self.memegen.get(f"/api/v1/memes/nothing?password={SECRETS['query']}", Authorization=f"Bearer {SECRETS['header']}")
        text = json.dumps(self.spotlight.envelopes)
        for place, secret in SECRETS.items():
            self.assertFalse(secret in text, place)  # no text of a megabyte in the message
        self.assertFalse("ada@example.org" in text)

    def test_the_programs_own_page_has_the_same_group(self):
        headers = {"Authorization": f"Bearer {SECRETS['token']}"}
        with Connection(self.memegen.admin) as connection:
            groups = connection.request("GET", "/debug/errors", headers).json()["groups"]
        group = next(group for group in groups if group["key"] == self.event["fingerprint"][1])
        self.assertEqual((group["type"], group["place"]), ("status_5xx", self.event["transaction"]))
        self.assertIn("make_call", [frame.get("function") for frame in group["stack"]])

    @unittest.skipIf(page.missing(), page.missing())
    def test_spotlights_page_shows_it(self):
        url = self.spotlight.url.replace("127.0.0.1", "localhost")  # where its page asks, wherever it was opened
        with tempfile.TemporaryDirectory(prefix="spyglass-errors-") as home:
            shot = {"SCREENSHOTS": os.environ["SCREENSHOTS"]} if "SCREENSHOTS" in os.environ else {}
            seen = page.browse("spotlight_page.mjs", "error", self.memegen, home, PAGE=url, **shot)
        self.assertIn("status_5xx", seen["list"])
        self.assertIn("make_call", seen["event"])
        self.assertIn(self.event["exception"]["values"][0]["value"], seen["event"])


if __name__ == "__main__":
    unittest.main()
