"""memegen's requests as transactions, read back from Sentry's own Spotlight, and what travels with its calls."""

import datetime
import json
import unittest

import spotlight
from service import Memegen
from standin import Standin

KEY = "sk-planted-secret"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
AGENTS = {"router", "format_selector", "prompt_generator", "factuality", "instruction_following", "appropriateness",
          "image_renderer", "scorer", "refinement"}


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Traces(unittest.TestCase):
    def setUp(self):
        if spotlight.missing():
            self.skipTest(spotlight.missing())

    def transactions(self, sentry, count, name):
        found = sentry.until(lambda: len(hits := [t for t in sentry.items("transaction") if t["transaction"] == name]) >= count and hits)
        return found[:count]

    def header_of(self, sentry, event_id):
        return next(header for header, _ in sentry.envelopes if header.get("event_id") == event_id)

    def test_a_slow_request_field_by_field(self):
        with spotlight.Spotlight() as sentry:
            env = {"SENTRY_DSN": sentry.dsn, "SENTRY_ENVIRONMENT": "testing", "SENTRY_RELEASE": "memegen@7"}
            with Memegen("--traces-sample-rate", "0", "--trace-slow-ms", "1", env=env) as memegen:
                made = memegen.make("a slow cat", user_id="u-1")
                one = self.transactions(sentry, 1, "POST /api/v1/memes")[0]
            self.assertEqual(one["type"], "transaction")
            self.assertEqual(one["transaction_info"], {"source": "route"})
            self.assertEqual(one["platform"], "native")
            self.assertEqual((one["environment"], one["release"]), ("testing", "memegen@7"))
            self.assertEqual(one["tags"], {"correlation_id": made["correlation_id"], "kept_as": "slow"})
            trace = one["contexts"]["trace"]
            self.assertEqual((trace["op"], trace["status"]), ("http.server", "ok"))
            self.assertEqual(trace["data"]["http.response.status_code"], 201)
            self.assertEqual(trace["data"]["http.route"], "/api/v1/memes")
            self.assertNotIn("parent_span_id", trace)
            self.assertTrue(one["contexts"]["os"]["name"])
            spans = one["spans"]
            by_id = {span["span_id"]: span for span in spans} | {trace["span_id"]: trace}
            self.assertEqual(len(by_id), len(spans) + 1)
            for span in spans:
                self.assertEqual(span["trace_id"], trace["trace_id"])
                self.assertIn(span["parent_span_id"], by_id)
                self.assertLessEqual(seconds(span["start_timestamp"]), seconds(span["timestamp"]))
                self.assertEqual(span["status"], "ok")
            agents = {span["description"] for span in spans if span["op"] == "gen_ai.invoke_agent"}
            self.assertLessEqual(AGENTS, agents)
            self.assertIn("insert memes", {span["description"] for span in spans if span["op"] == "db"})
            self.assertTrue({"cache.get", "cache.put"} & {span["op"] for span in spans})
            head = self.header_of(sentry, one["event_id"])["trace"]
            self.assertEqual(head["trace_id"], trace["trace_id"])
            self.assertEqual((head["public_key"], head["environment"], head["release"]), ("spotlight", "testing", "memegen@7"))
            self.assertEqual(head["sampled"], "false")

    def test_work_after_a_202_is_a_transaction_of_its_own(self):
        with spotlight.Spotlight() as sentry:
            with Memegen("--traces-sample-rate", "1", env={"SENTRY_DSN": sentry.dsn}) as memegen:
                answer = memegen.post("/api/v1/memes?async=1", {"topic": "a later cat", "user_id": "u-1"})
                self.assertEqual(answer.status, 202)
                job = self.transactions(sentry, 1, "meme_job")[0]
                request = self.transactions(sentry, 1, "POST /api/v1/memes")[0]
            task, asked = job["contexts"]["trace"], request["contexts"]["trace"]
            self.assertEqual((task["trace_id"], task["parent_span_id"]), (asked["trace_id"], asked["span_id"]))
            self.assertEqual((task["op"], task["status"], job["transaction_info"]), ("queue.process", "ok", {"source": "task"}))
            self.assertEqual((task["data"]["messaging.destination.name"], task["data"]["messaging.message.id"]), ("memes", answer.json()["id"]))
            self.assertGreaterEqual(task["data"]["messaging.message.receive.latency"], 0)
            self.assertEqual(job["tags"]["correlation_id"], request["tags"]["correlation_id"])
            self.assertEqual({one["user"]["id"] for one in (job, request)}, {"u-1"})
            self.assertEqual((request["request"]["query_string"], asked["data"]["http.response.status_code"]), ("async=1", 202))
            self.assertNotIn("headers", job["request"])  # the request has ended
            by_id = {span["span_id"] for span in job["spans"]} | {task["span_id"]}
            self.assertLessEqual({span["parent_span_id"] for span in job["spans"]}, by_id)
            self.assertLessEqual(AGENTS, {span["description"] for span in job["spans"] if span["op"] == "gen_ai.invoke_agent"})
            self.assertFalse([span for span in request["spans"] if span["op"] == "gen_ai.invoke_agent"])
            self.assertNotIn("spyglass.task", json.dumps([job, request]))

    def test_who_is_kept(self):
        with spotlight.Spotlight() as sentry:
            env = {"SENTRY_DSN": sentry.dsn}
            with Memegen("--traces-sample-rate", "0", "--traces-sample-routes", "GET /api/v1/templates=1", env=env) as memegen:
                memegen.get("/api/v1/trends")  # not in the sample
                memegen.get("/api/v1/trends", sentry_trace=f"{TRACE}-{PARENT}-1", baggage="sentry-release=theirs%401,a=1")
                memegen.get("/api/v1/templates")
                ours = self.transactions(sentry, 1, "GET /api/v1/templates")[0]
                theirs = self.transactions(sentry, 1, "GET /api/v1/trends")[0]
            self.assertEqual(theirs["contexts"]["trace"]["trace_id"], TRACE)
            self.assertEqual(theirs["contexts"]["trace"]["parent_span_id"], PARENT)
            self.assertEqual(self.header_of(sentry, theirs["event_id"])["trace"], {"release": "theirs@1"})
            self.assertEqual({t["tags"]["kept_as"] for t in (ours, theirs)}, {"sampled"})
            self.assertEqual(len(sentry.items("transaction")), 2)

    def test_profiles(self):
        with spotlight.Spotlight() as sentry:
            env = {"SENTRY_DSN": sentry.dsn, "SENTRY_RELEASE": "memegen@7"}
            with Memegen("--trace-slow-ms", "1", "--profiles-sample-rate", "1", env=env) as memegen:
                for i in range(100):  # one may be done before it was looked at twice
                    memegen.make(f"a profiled cat {i}")
                    if sentry.items("profile"):
                        break
                one = sentry.wait_for("profile")[0]
            items = next(items for _, items in sentry.envelopes if any(payload == one for _, payload in items))
            self.assertEqual([header["type"] for header, _ in items], ["transaction", "profile"])
            transaction = items[0][1]
            self.assertEqual(one["transaction"]["id"], transaction["event_id"])
            self.assertEqual(one["transaction"]["trace_id"], transaction["contexts"]["trace"]["trace_id"])
            self.assertEqual(one["transaction"]["name"], transaction["transaction"])
            trace = transaction["contexts"]["trace"]
            self.assertEqual(trace["data"]["spyglass.flamegraph"], f"/debug/slow/{trace['trace_id']}")
            self.assertEqual((one["version"], one["platform"], one["release"]), ("1", "rust", "memegen@7"))
            samples, stacks, frames = (one["profile"][key] for key in ("samples", "stacks", "frames"))
            self.assertGreaterEqual(len(samples), 2)
            took = (seconds(transaction["timestamp"]) - seconds(transaction["start_timestamp"])) * 1e9
            for sample in samples:
                self.assertIn(sample["thread_id"], one["profile"]["thread_metadata"])
                self.assertLessEqual(int(sample["elapsed_since_start_ns"]), min(took + 10e9, 30e9))
                self.assertLess(max(stacks[sample["stack_id"]], default=0), len(frames))
            self.assertTrue([frame for frame in frames if frame["in_app"] and frame.get("function")])
            self.assertIn("memegen", {image["code_file"].rpartition("/")[2] for image in one["debug_meta"]["images"]})

    def test_a_call_of_the_model(self):
        with spotlight.Spotlight() as sentry, Standin("--key", KEY) as llm:
            env = {"SENTRY_DSN": sentry.dsn, "OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": KEY,
                   "OPENAI_MODEL": "standin-1"}
            with Memegen("--traces-sample-rate", "1", env=env) as memegen:
                memegen.make("a talking cat")
                one = self.transactions(sentry, 1, "POST /api/v1/memes")[0]
            calls = [span for span in one["spans"] if span["op"] == "gen_ai.chat"]
            self.assertTrue(calls)
            for call in calls:
                self.assertEqual(call["description"], "llm chat_completion")
                self.assertEqual(call["data"]["gen_ai.request.model"], "standin-1")
                self.assertGreater(call["data"]["gen_ai.usage.input_tokens"], 0)
                self.assertGreater(call["data"]["gen_ai.usage.output_tokens"], 0)
                self.assertIn(call["data"]["gen_ai.agent.name"], AGENTS)
            self.assertNotIn(KEY, str(sentry.envelopes))


if __name__ == "__main__":
    unittest.main()
