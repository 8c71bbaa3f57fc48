"""memegen with an LLM, played by the stand-in: what works, every way to fail, what is counted, how it ends."""

import os
import tempfile
import threading
import time
import unittest

import service
from service import Memegen, samples
from standin import Standin

KEY = "sk-7d1c-not-to-be-seen"
MODEL = "gpt-4o-mini"
INPUT_PRICE, OUTPUT_PRICE = 0.15e-6, 0.60e-6  # of memegen/data/prices.yaml, a token
TOPIC = "tabs versus spaces"
# What a test allows beside the limit that it set is for a slow machine.
SLACK_S = 20
# A question's time in all where nothing answers; elsewhere nothing may time out.
SHORT_S, LONG_S = 2, 60


def memegen(standin, timeout_s=LONG_S, **env):
    ms = str(timeout_s * 1000)
    return Memegen(env={"OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL,
                        "MEMEGEN_LLM_TIMEOUT_MS": ms, "MEMEGEN_LLM_ATTEMPT_MS": ms, "MEMEGEN_LLM_CONNECT_MS": ms, **env})


def errors(text):
    """external_service_errors_total of the LLM, by error_type, without the zeros."""
    found = samples(text, "external_service_errors_total")
    return {dict(labels)["error_type"]: value for labels, value in found.items() if value and dict(labels)["service_name"] == "llm"}


def calls(text):
    return samples(text, "external_service_latency_seconds_count")[(("operation", "chat_completion"), ("service_name", "llm"))]


# fault → what the stand-in is told, the error_type, whether that may pass (so that it is tried again), status with fallback none
FAULTS = {
    "down": ({}, "refused", True, 502),
    "slow": ({"slow_ms": 60000}, "timeout", True, 504),
    "hang": ({}, "timeout", True, 504),
    "429": ({}, "status_429", True, 503),
    "429 with seconds": ({"fault": "429", "retry_after": "1"}, "status_429", True, 503),
    "429 with a date": ({"fault": "429", "retry_after": "Fri, 31 Dec 2100 23:59:59 GMT"}, "status_429", False, 503),
    "500": ({}, "status_5xx", True, 502),
    "503": ({}, "status_5xx", True, 502),
    "garbage": ({}, "bad_answer", True, 502),
    "half": ({}, "bad_answer", True, 502),
    "prose": ({}, "bad_answer", True, 502),
    "wrong_schema": ({}, "bad_answer", True, 502),
    "refusal": ({}, "bad_answer", True, 502),
}


class WithLLM(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.standin = Standin("--key", KEY)
        cls.addClassCleanup(cls.standin.stop)

    def setUp(self):
        self.standin.control(reset=True)


class Working(WithLLM):
    def test_the_model_writes_and_judges(self):
        with memegen(self.standin) as service_:
            text = service_.metrics()
            self.assertEqual(set(samples(text, "llm_tokens_total").values()), {0}, "every series is there from the start")
            meme = service_.make(TOPIC)
            text = service_.metrics()
        counts = self.standin.idle()
        self.assertIn("tabs", " ".join(meme["captions"]))
        notes = {agent["agent"]: agent["note"] for agent in meme["agents"] if agent["round"] == 0}
        self.assertIn("The model: accurate", notes["factuality"])
        self.assertIn("The model: followed", notes["instruction_following"])
        for name in ("captions", "factuality", "instruction_following", "appropriateness"):
            self.assertGreaterEqual(counts["by_schema"][name]["requests"], 1, name)
        self.assertEqual(calls(text), counts["requests"])
        self.assertEqual(errors(text), {})
        self.assert_usage(text, counts)

    def assert_usage(self, text, counts):
        agents = {"captions": "prompt_generator", "refine": "refinement"}
        tokens, cost = samples(text, "llm_tokens_total"), samples(text, "llm_cost_dollars_total")
        for name, used in counts["by_schema"].items():
            agent = agents.get(name, name)
            with self.subTest(agent=agent):
                for direction, wanted in (("input", used["prompt_tokens"]), ("output", used["completion_tokens"])):
                    self.assertEqual(tokens[("agent_name", agent), ("direction", direction), ("model", MODEL)], wanted)
                self.assertAlmostEqual(cost[("agent_name", agent), ("model", MODEL)], places=12,
                                       second=used["prompt_tokens"] * INPUT_PRICE + used["completion_tokens"] * OUTPUT_PRICE)
        self.assertEqual(sum(tokens.values()), counts["prompt_tokens"] + counts["completion_tokens"])

    def test_tokens_and_cost_add_up_when_some_calls_fail(self):
        with memegen(self.standin, MEMEGEN_LLM_RETRIES="0") as service_:
            for fault in ("500", "wrong_schema", "refusal", "half"):
                self.standin.control(fault=fault, probability=0.3, seed=5)
                for i in range(5):
                    service_.make(f"{TOPIC}, take {i}")
            text = service_.metrics()
        counts = self.standin.idle()
        self.assertGreater(sum(counts["faults"].values()), 3)
        self.assertEqual(calls(text), counts["requests"])
        self.assertEqual(sum(errors(text).values()), sum(counts["faults"].values()))
        self.assert_usage(text, counts)

    def test_ids_go_with_every_call(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        with memegen(self.standin) as service_:
            answer = service_.post("/api/v1/memes", {"topic": TOPIC},
                                   {"X-Correlation-ID": "order-66", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(answer.status, 201)
        self.standin.idle()
        requests = self.standin.requests()
        self.assertGreaterEqual(len(requests), 4)
        for request in requests:
            self.assertEqual((request["correlation_id"], request["authorized"]), ("order-66", True))
            self.assertEqual(request["traceparent"].split("-")[1], trace)
            self.assertEqual(request["body"]["model"], MODEL)
            self.assertTrue(request["body"]["response_format"]["json_schema"]["strict"])
        self.assertEqual(len({request["traceparent"] for request in requests}), len(requests), "each call is a span of its own")

    def test_the_verifiers_run_side_by_side(self):
        """200 ms of latency cost a meme less than its three verifications one after the other."""
        latency_s = 0.2
        with memegen(self.standin) as service_:
            service_.make(TOPIC)  # connections, caches
            seconds = {}
            for latency_ms in (0, int(latency_s * 1000)):
                self.standin.control(latency_ms=latency_ms)
                taken = []
                for seed in range(5):
                    meme = service_.make(TOPIC, seed=seed)
                    verifiers = [a["seconds"] for a in meme["agents"] if a["round"] == 0 and
                                 a["agent"] in ("factuality", "instruction_following", "appropriateness")]
                    self.assertEqual(len(verifiers), 3)
                    # What is not verification: the writing, and each round of refinement.
                    rounds = sum(a["agent"] == "refinement" for a in meme["agents"])
                    others = latency_ms / 1000 * (1 + 2 * rounds)
                    taken.append(meme["generation_seconds"] - others)
                    for one in verifiers:
                        self.assertGreaterEqual(one, latency_ms / 1000)
                seconds[latency_ms] = min(taken)
        self.assertLess(seconds[200] - seconds[0], 3 * latency_s)
        self.assertGreaterEqual(self.standin.control()["in_flight_max"], 2)

    def test_no_more_calls_at_once_than_allowed(self):
        self.standin.control(latency_ms=50)
        with memegen(self.standin, MEMEGEN_LLM_CONCURRENCY="2") as service_:
            threads = [threading.Thread(target=service_.make, args=(f"{TOPIC} {i}",)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(errors(service_.metrics()), {})
        self.assertEqual(self.standin.idle()["in_flight_max"], 2)

    def test_a_model_without_a_price(self):
        with memegen(self.standin, OPENAI_MODEL="home-grown") as service_:
            ids = [service_.make(TOPIC)["correlation_id"] for _ in range(2)]
            text, log = service_.metrics(), service_.log_of(*ids)
        self.assertGreater(sum(samples(text, "llm_tokens_total").values()), 0)
        self.assertEqual(samples(text, "llm_cost_dollars_total"), {})
        self.assertEqual([line["model"] for line in log if line["event"] == "llm_price_unknown"], ["home-grown"])


class Failing(WithLLM):
    def told(self, name):
        settings, error_type, passes, status = FAULTS[name]
        return {"fault": name, **settings}, error_type, passes, status, SHORT_S if error_type == "timeout" else LONG_S

    def test_each_fault_and_the_offline_writer(self):
        for name in FAULTS:
            settings, error_type, _, _, limit_s = self.told(name)
            with self.subTest(fault=name), memegen(self.standin, limit_s) as service_:
                self.standin.control(reset=True, **settings)
                started = time.monotonic()
                meme = service_.make(TOPIC)
                self.assertLess(time.monotonic() - started, SHORT_S + SLACK_S)
                text = service_.metrics()
                self.assertEqual(meme["status"], "success")
                [writer] = [a for a in meme["agents"] if a["agent"] == "prompt_generator"]
                self.assertIn(f"written offline since the model failed by {error_type}", writer["note"])
                self.assertEqual(list(errors(text)), [error_type])
                self.assertEqual(errors(text)[error_type], calls(text))
                self.assertEqual(samples(text, "meme_generation_total")[(("status", "success"),)], 1)

    def test_each_fault_and_nothing_else(self):
        for name in FAULTS:
            settings, error_type, _, status, limit_s = self.told(name)
            with self.subTest(fault=name), memegen(self.standin, limit_s, MEMEGEN_LLM_FALLBACK="none") as service_:
                self.standin.control(reset=True, **settings)
                started = time.monotonic()
                answer = service_.post("/api/v1/memes", {"topic": TOPIC})
                self.assertLess(time.monotonic() - started, SHORT_S + SLACK_S)
                self.assertEqual(answer.status, status, answer.body)
                value = answer.json()
                self.assertEqual((value["code"], value["details"]["error_type"]), ("generation_failed", error_type))
                text = service_.metrics()
                self.assertEqual(list(errors(text)), [error_type])
                self.assertEqual(samples(text, "meme_generation_total")[(("status", "error"),)], 1)
                failed = samples(text, "agent_failures_total")
                self.assertEqual(failed[("agent_name", "prompt_generator"), ("error_type", error_type)], 1)

    def test_what_passes_is_overcome(self):
        for name in FAULTS:
            settings, error_type, passes, _, limit_s = self.told(name)
            if not passes:
                continue
            with self.subTest(fault=name), memegen(self.standin, MEMEGEN_LLM_FALLBACK="none",
                                                   MEMEGEN_LLM_ATTEMPT_MS=str(limit_s * 1000)) as service_:
                self.standin.control(reset=True, times=1, **settings)
                meme = service_.make(TOPIC)
                self.assertEqual(meme["status"], "success")
                self.assertEqual(errors(service_.metrics()), {error_type: 1})

    def test_the_model_is_told_once_what_was_wrong(self):
        with memegen(self.standin) as service_:
            self.standin.control(fault="wrong_schema", only="captions")
            service_.make(TOPIC)
        self.standin.idle()
        first, second = [r["body"]["messages"] for r in self.standin.requests() if r["schema"] == "captions"]
        self.assertEqual(second[:2], first)
        self.assertEqual([message["role"] for message in second[2:]], ["assistant", "user"])
        self.assertIn("joke", second[2]["content"])
        self.assertIn('The field "captions" is missing.', second[3]["content"])

    def test_a_verifier_that_gets_no_answer(self):
        for fallback, status in (("offline", 201), ("none", 502)):
            with self.subTest(fallback=fallback), memegen(self.standin, MEMEGEN_LLM_FALLBACK=fallback) as service_:
                self.standin.control(reset=True, fault="down", only="factuality")
                answer = service_.post("/api/v1/memes", {"topic": TOPIC})
                self.assertEqual(answer.status, status)
                self.assertEqual(list(errors(service_.metrics())), ["refused"])

    def test_nobody_there(self):
        gone = Standin()
        gone.stop()
        for fallback, status in (("offline", 201), ("none", 502)):
            with self.subTest(fallback=fallback), memegen(gone, MEMEGEN_LLM_FALLBACK=fallback) as service_:
                self.assertEqual(service_.post("/api/v1/memes", {"topic": TOPIC}).status, status)
                self.assertEqual(list(errors(service_.metrics())), ["refused"])

    def test_a_wrong_key(self):
        with memegen(self.standin, OPENAI_API_KEY="sk-another", MEMEGEN_LLM_FALLBACK="none") as service_:
            answer = service_.post("/api/v1/memes", {"topic": TOPIC})
            self.assertEqual((answer.status, answer.json()["details"]["error_type"]), (500, "internal"))
            self.assertEqual(errors(service_.metrics()), {"rejected": 1})

    def test_a_hanging_model_costs_a_meme_its_time_once(self):
        with memegen(self.standin, SHORT_S) as service_:
            self.standin.control(fault="hang", only="factuality")
            meme = service_.make(TOPIC)
            self.assertLess(meme["generation_seconds"], SHORT_S + SLACK_S)
            self.assertEqual(self.standin.control()["faults"]["hang"], 1)


class Life(WithLLM):
    def test_the_key_is_nowhere_to_be_seen(self):
        with memegen(self.standin, SPY_LOG_LEVEL="debug") as service_:
            for fault in ("none", "down", "500", "refusal"):
                self.standin.control(fault=fault)
                service_.make(TOPIC)
            self.standin.control(fault="none")
            service_.post("/api/v1/memes", {"topic": TOPIC, "style": 7})
            with open(service_.log_path, encoding="utf-8") as file:
                log = file.read()
            seen = log + service_.errors() + service_.metrics()
        self.assertIn("llm_configured", log)
        self.assertNotIn(KEY, seen)
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            file.write(KEY + "\n")
            file.flush()
            for env in ({"OPENAI_API_KEY": KEY}, {"OPENAI_API_KEY_FILE": file.name}):
                status, out, err = service.run("--print-config", **env)
                self.assertEqual(status, 0, err)
                self.assertIn("# openai_api_key: [masked]", out)
                self.assertIn("https://api.openai.com/v1", out)
                self.assertNotIn(KEY, out + err)
        status, out, err = service.run("--check-config", OPENAI_API_KEY=KEY + " x")
        self.assertEqual(status, 2)
        self.assertNotIn(KEY, out + err)

    def test_a_wrong_price_file_is_told_at_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "prices.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("models:\n  m: {input: cheap, output: 1}\n")
            for flags in (("--check-config",), ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")):
                status, _, err = service.run(*flags, "--state-dir", folder, "--llm-prices", path, OPENAI_API_KEY=KEY)
                self.assertEqual(status, 1)
                self.assertIn(path, err)

    def test_it_ends_in_time_while_the_model_hangs(self):
        for fallback in ("offline", "none"):
            with self.subTest(fallback=fallback), memegen(self.standin, 600, MEMEGEN_LLM_FALLBACK=fallback) as service_:
                self.standin.control(reset=True, fault="hang")
                answers = []
                threads = [threading.Thread(target=lambda: answers.append(service_.post("/api/v1/memes", {"topic": TOPIC}).status))
                           for _ in range(3)]
                for thread in threads:
                    thread.start()
                end = time.monotonic() + SLACK_S
                while self.standin.control()["in_flight"] < 3:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.02)
                status, seconds = service_.end()
                for thread in threads:
                    thread.join()
                self.assertEqual(status, 0)
                self.assertLess(seconds, 10)
                self.assertEqual(answers, [201 if fallback == "offline" else 500] * 3)


if __name__ == "__main__":
    unittest.main()
