"""The stand-in LLM: what other tests rely on."""

import http.client
import json
import os
import subprocess
import time
import unittest

from standin import STANDIN, Standin

QUESTION = {
    "model": "a-model",
    "messages": [{"role": "system", "content": "Write."},
                 {"role": "user", "content": json.dumps({"topic": "tabs or spaces", "slot_chars": [22, 9]})}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "captions", "strict": True, "schema": {
        "type": "object",
        "properties": {
            "captions": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            "points": {"type": "integer", "minimum": 1, "maximum": 9},
            "verdict": {"type": "string", "enum": ["good", "bad"]},
            "sure": {"type": "boolean"},
            "reason": {"type": "string"}},
        "required": ["captions", "points", "verdict", "sure", "reason"], "additionalProperties": False}}}}


class StandIn(unittest.TestCase):
    def setUp(self):
        self.standin = Standin()
        self.addCleanup(self.standin.stop)

    def ask(self, timeout=30):
        return self.standin.call("POST", "/v1/chat/completions", QUESTION, timeout)

    def test_an_answer_fulfils_the_schema_and_is_counted(self):
        status, _, answer = self.ask()
        self.assertEqual((status, answer["model"]), (200, "a-model"))
        content = json.loads(answer["choices"][0]["message"]["content"])
        self.assertEqual(sorted(content), ["captions", "points", "reason", "sure", "verdict"])
        self.assertEqual([len(caption) <= most for caption, most in zip(content["captions"], (22, 9), strict=True)], [True, True])
        self.assertTrue(1 <= content["points"] <= 9)
        self.assertEqual((content["verdict"], content["sure"]), ("good", True))
        counts = self.standin.idle()
        self.assertEqual((counts["requests"], counts["answered"]), (1, 1))
        usage = answer["usage"]
        self.assertEqual((counts["prompt_tokens"], counts["completion_tokens"]), (usage["prompt_tokens"], usage["completion_tokens"]))
        self.assertEqual(counts["by_schema"]["captions"]["requests"], 1)
        [request] = self.standin.requests()
        self.assertEqual((request["schema"], request["fault"], request["body"]), ("captions", "none", QUESTION))

    def test_faults_that_answer(self):
        for fault, wanted in (("429", 429), ("500", 500), ("503", 503), ("garbage", 200), ("prose", 200), ("wrong_schema", 200),
                              ("refusal", 200)):
            with self.subTest(fault=fault):
                self.standin.control(reset=True, fault=fault, retry_after="7")
                status, headers, answer = self.ask()
                self.assertEqual(status, wanted)
                self.assertEqual(headers["Retry-After"], "7" if fault in ("429", "503") else None)
                self.assertEqual(isinstance(answer, bytes), fault == "garbage")
                self.assertEqual(self.standin.idle()["faults"][fault], 1)
        self.assertTrue(answer["choices"][0]["message"]["refusal"])

    def test_faults_that_do_not(self):
        for fault, wanted in (("down", (http.client.RemoteDisconnected, OSError)), ("half", http.client.IncompleteRead),
                              ("hang", TimeoutError)):
            with self.subTest(fault=fault):
                self.standin.control(reset=True, fault=fault)
                with self.assertRaises(wanted):
                    self.ask(timeout=0.5 if fault == "hang" else 30)
                self.assertEqual(self.standin.idle()["prompt_tokens"], 0)

    def test_latency_and_times_and_only(self):
        self.standin.control(latency_ms=100, fault="slow", slow_ms=100, times=1)
        for least in (0.2, 0.1):
            started = time.monotonic()
            self.assertEqual(self.ask()[0], 200)
            self.assertGreaterEqual(time.monotonic() - started, least)
        self.standin.control(reset=True, fault="500", only="another")
        self.assertEqual(self.ask()[0], 200)

    def test_a_seed_gives_one_course_of_faults(self):
        courses = []
        for _ in range(2):
            self.standin.control(reset=True, fault="500", probability=0.5, seed=7)
            courses.append([self.ask()[0] for _ in range(20)])
        self.assertEqual(courses[0], courses[1])
        self.assertEqual(set(courses[0]), {200, 500})

    def test_wrong_settings_change_nothing(self):
        for wrong in ({"fault": "flood"}, {"latency_ms": -1}, {"probability": 2}, {"retry_after": "a\nb"}, {"spoons": 1}, [1]):
            with self.subTest(wrong=wrong):
                status, _, answer = self.standin.call("PUT", "/control", wrong)
                self.assertEqual(status, 400)
                self.assertTrue(answer["error"]["message"])
        self.assertEqual(self.ask()[0], 200)

    def test_it_ends_while_a_request_hangs(self):
        self.standin.control(fault="hang")
        connection = http.client.HTTPConnection(self.standin.root.removeprefix("http://"), timeout=30)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/chat/completions", json.dumps(QUESTION))
        while not self.standin.control()["in_flight"]:
            time.sleep(0.01)
        self.standin.process.terminate()
        self.assertEqual(self.standin.process.wait(15), 0)


class CommandLine(unittest.TestCase):
    def test_flags(self):
        with Standin("--fault", "429", "--key", "sesame") as standin:
            self.assertEqual(standin.control()["settings"]["fault"], "429")
            self.assertEqual(standin.call("POST", "/v1/chat/completions", QUESTION)[0], 401)
        for flags in (("--listen", "0.0.0.0:0"), ("--listen", "127.0.0.1"), ("--fault", "flood"), ("--fault",), ("x",)):
            with self.subTest(flags=flags):
                run = subprocess.run([STANDIN, *flags], capture_output=True, text=True, timeout=30)
                self.assertNotEqual(run.returncode, 0)
                self.assertIn("llm-standin: ", run.stderr)
        run = subprocess.run([STANDIN, "--help"], capture_output=True, text=True, timeout=30)
        self.assertEqual(run.returncode, 0)
        self.assertTrue(os.path.basename(STANDIN) in run.stdout and "--latency-ms" in run.stdout)


if __name__ == "__main__":
    unittest.main()
