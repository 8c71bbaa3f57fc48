"""What the making of a meme took: one tree of spans, whole, its own, and still there later."""

import collections
import json
import signal
import tempfile
import threading
import time
import unittest
import uuid

from service import JSON, Connection, Memegen
from standin import Standin

PATH = "/api/v1/memes"
AGENTS = {"router", "format_selector", "prompt_generator", "factuality", "instruction_following", "appropriateness",
          "image_renderer", "scorer", "refinement"}
THREADS, CONNECTIONS, REQUESTS = 8, 64, 128
PARENT = "00f067aa0ba902b7"


def trace_of(memegen, meme_id):
    answer = memegen.get(f"{PATH}/{meme_id}/trace")
    assert answer.status == 200, answer.body
    return answer.json()


class Case(unittest.TestCase):
    def check_tree(self, trace, caller=None):
        """One root, everyone's ancestor; children begin within it. Returns id → span."""
        self.assertIs(trace["complete"], True)
        self.assertEqual(trace["lost_spans"], 0)
        spans = {span["span_id"]: span for span in trace["spans"]}
        self.assertEqual(len(spans), len(trace["spans"]))
        roots = [span for span in trace["spans"] if span["parent_span_id"] not in spans]
        self.assertEqual([(span["name"], span["parent_span_id"]) for span in roots], [("http", caller)])
        for span in trace["spans"]:
            self.assertRegex(span["span_id"], r"^[0-9a-f]{16}$")
            self.assertGreaterEqual(span["duration_seconds"], 0)
            parent, steps = span, 0
            while parent["parent_span_id"] in spans and steps < 20:
                child, parent, steps = parent, spans[parent["parent_span_id"]], steps + 1
                self.assertGreaterEqual(child["offset_seconds"], parent["offset_seconds"])
            self.assertIs(parent, roots[0])
        self.assertEqual(min(span["offset_seconds"] for span in trace["spans"]), 0)
        self.assertEqual([span["offset_seconds"] for span in trace["spans"]],
                         sorted(span["offset_seconds"] for span in trace["spans"]))
        return spans

    def check_agents(self, trace, spans, above=("http",)):
        """Every agent ran under the generation, the verifiers of a refinement under that."""
        generation = [span for span in trace["spans"] if span["name"] == "meme_generation"]
        self.assertEqual(len(generation), 1)
        self.assertIn(spans[generation[0]["parent_span_id"]]["name"], above)
        agents = [span for span in trace["spans"] if span["name"] == "agent"]
        self.assertLessEqual(AGENTS - {"refinement"}, {span["attributes"]["agent_name"] for span in agents})
        for span in agents:
            parent = spans[span["parent_span_id"]]
            self.assertIn((parent["name"], parent["attributes"].get("agent_name")),
                          {("meme_generation", None), ("agent", "refinement")})


class Timeline(Case):
    @classmethod
    def setUpClass(cls):
        cls.memegen = Memegen()

    @classmethod
    def tearDownClass(cls):
        cls.memegen.stop()

    def test_a_request_is_one_tree(self):
        trace_id = uuid.uuid4().hex
        meme = self.memegen.post(PATH, {"topic": "a tree", "use_trends": True}, {
            "X-Correlation-ID": "tree-1", "traceparent": f"00-{trace_id}-{PARENT}-01"}).json()
        trace = trace_of(self.memegen, meme["id"])
        self.assertEqual((trace["meme_id"], trace["status"], trace["trace_id"], trace["correlation_id"]),
                         (meme["id"], "success", trace_id, "tree-1"))
        spans = self.check_tree(trace, PARENT)
        self.check_agents(trace, spans)
        self.assertIn("trend_scanner", {span["attributes"].get("agent_name") for span in trace["spans"]})
        root = next(span for span in trace["spans"] if span["name"] == "http")
        self.assertEqual(root["attributes"], {"method": "POST", "route": PATH, "status": "201"})
        self.assertEqual({span["error"] for span in trace["spans"]}, {None})
        stored = [span for span in trace["spans"] if span["attributes"].get("table") == "memes"]
        self.assertEqual([span["attributes"]["operation"] for span in stored], ["insert", "update"])
        ran = collections.Counter(span["attributes"]["agent_name"] for span in trace["spans"] if span["name"] == "agent")
        told = collections.Counter(agent["agent"] for agent in meme["agents"])
        for agent in AGENTS - {"refinement"}:  # whose rounds are one span
            self.assertEqual(ran[agent], told[agent], agent)

    def test_the_admin_server_has_the_same_spans(self):
        """By the other road: each span is a record of its own, and the trace window puts them together."""
        trace_id = uuid.uuid4().hex
        meme = self.memegen.post(PATH, {"topic": "two roads"}, {
            "X-Correlation-ID": "roads-1", "traceparent": f"00-{trace_id}-{PARENT}-01"}).json()
        wanted = trace_of(self.memegen, meme["id"])["spans"]
        end = time.monotonic() + 30
        while True:
            with Connection(self.memegen.admin) as connection:
                answer = connection.request("GET", f"/debug/requests/{trace_id}")
            spans = answer.json()["spans"] if answer.status == 200 else []
            if len(spans) >= len(wanted):
                break
            self.assertLess(time.monotonic(), end, answer.body)
            time.sleep(0.02)
        self.assertEqual({(span["span_id"], span["parent_id"], span["name"]) for span in spans},
                         {(span["span_id"], span["parent_span_id"], span["name"]) for span in wanted})
        by_id = {span["span_id"]: span for span in spans}
        for span in wanted:
            got = by_id[span["span_id"]]
            # Each road reckons its own from the processor's counter: they may differ by a rounding.
            self.assertAlmostEqual(got["duration_us"], span["duration_seconds"] * 1e6, delta=1000)
            self.assertEqual({**got["fields"], **span["attributes"]}, got["fields"])
        root, = (span for span in spans if span["root"])
        self.assertEqual((root["name"], root["parent_id"], root["fields"]["path"]), ("http", PARENT, PATH))
        self.assertIs(root["fields"]["parent_sampled"], True)

    def test_a_meme_made_later_has_one_too(self):
        answer = self.memegen.post(f"{PATH}?async=1", {"topic": "later"})
        self.assertEqual(answer.status, 202)
        meme_id = answer.json()["id"]
        end = time.monotonic() + 30
        while True:  # from the moment it is accepted
            trace = trace_of(self.memegen, meme_id)
            self.assertEqual(trace["complete"], trace["status"] != "pending")
            self.assertIn("http", {span["name"] for span in trace["spans"]})
            if trace["complete"]:
                break
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.check_agents(trace, self.check_tree(trace), ("http", "meme_job"))  # which ends last
        root = next(span for span in trace["spans"] if span["name"] == "http")
        self.assertEqual(root["attributes"]["status"], "202")
        while not (jobs := [span for span in trace["spans"] if span["name"] == "meme_job"]):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
            trace = trace_of(self.memegen, meme_id)
        self.check_agents(trace, self.check_tree(trace), ("meme_job",))
        self.assertEqual([span["parent_span_id"] for span in jobs], [root["span_id"]])

    def test_a_rejected_meme_says_which_agent_it_was(self):
        answer = self.memegen.post(PATH, {"topic": "<script>alert(1)</script> plant a bomb"})
        self.assertEqual(answer.status, 422, answer.body)
        meme_id = answer.json()["details"]["id"]
        trace = trace_of(self.memegen, meme_id)
        self.assertEqual(trace["status"], "rejected")
        failed = {(span["name"], span["attributes"].get("agent_name"), span["error"]["type"])
                  for span in trace["spans"] if span["error"]}
        self.assertIn(("meme_generation", None, "rejected"), failed)
        self.assertTrue([f for f in failed if f[0] == "agent"], failed)
        page = self.memegen.get(f"{PATH}/{meme_id}/trace", Accept="text/html").body.decode()
        self.assertNotIn("<script", page)
        self.assertIn('class="bad"', page)

    def test_the_page(self):
        meme = self.memegen.make("a page")
        path = f"{PATH}/{meme['id']}/trace"
        browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        answer = self.memegen.get(path, Accept=browser)
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "text/html; charset=utf-8"))
        self.assertEqual(answer.header("Vary"), "Accept")
        self.assertIn("default-src 'none'", answer.header("Content-Security-Policy"))
        page = answer.body.decode()
        self.assertIn(meme["id"], page)
        spans = trace_of(self.memegen, meme["id"])["spans"]
        self.assertEqual(page.count('class="bar"'), len(spans))
        self.assertIn(">agent image_renderer</text>", page)
        self.assertNotRegex(page, r"<script|javascript:|\bon\w+=|src=|href=|@import|url\(")  # it loads nothing, it runs nothing
        for accept in ("*/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", "image/png", "\x01", "a" * 5000):
            with self.subTest(accept=accept[:40]):
                answer = self.memegen.get(path, Accept=accept)
                if answer.status == 200:  # else the server refused the header itself
                    self.assertEqual(answer.header("Content-Type"), "application/json")
                    self.assertEqual(answer.header("Vary"), "Accept")

    def test_what_has_no_timeline(self):
        for meme_id in (str(uuid.uuid4()), "x", "..", "%2e%2e", "a" * 128, "A" * 36, "0" * 36, "%00", "';--", "{id}", "%ff"):
            for accept in ("application/json", "text/html"):
                with self.subTest(id=meme_id, accept=accept):
                    answer = self.memegen.get(f"{PATH}/{meme_id}/trace", Accept=accept)
                    self.assertEqual(answer.status, 404, answer.body)
                    self.assertEqual(answer.header("Content-Type"), "application/json")
                    self.assertEqual(answer.json()["code"], "not_found")
        meme = self.memegen.make("methods")
        path = f"{PATH}/{meme['id']}/trace"
        for method, status in (("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)):
            answer = self.memegen.request(method, path, JSON, b"{}")
            self.assertEqual((answer.status, answer.header("Allow")), (status, "GET, HEAD, OPTIONS"))
        head = self.memegen.request("HEAD", path)
        self.assertEqual((head.status, head.body), (200, b""))
        for wrong in (f"{path}/", f"{path}?async=1", f"{PATH}//trace", f"{path}.html"):
            self.assertIn(self.memegen.get(wrong).status, (200, 404))

    def test_none_is_crossed_with_another(self):
        """8 threads, 64 connections: each request's lines and spans carry its ids, and nobody else's."""
        asked, failures = {}, []

        def work(number):
            try:
                per_thread = CONNECTIONS // THREADS
                connections = [self.memegen.connect(60) for _ in range(per_thread)]
                for i in range(REQUESTS // CONNECTIONS):
                    for j, connection in enumerate(connections):
                        name, trace_id = f"crossed-{number}-{i}-{j}", uuid.uuid4().hex
                        headers = {**JSON, "X-Correlation-ID": name, "traceparent": f"00-{trace_id}-{PARENT}-01"}
                        body = json.dumps({"topic": f"number {name}"}).encode()
                        lines = [f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
                        lines += [f"{key}: {value}" for key, value in headers.items()]
                        connection.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                        connection.asked = (name, trace_id)
                    for connection in connections:
                        answer = connection.answer()
                        assert answer.status == 201, answer.body
                        name, trace_id = connection.asked
                        assert answer.header("X-Correlation-ID") == name
                        asked[name] = (trace_id, answer.json()["id"])
                for connection in connections:
                    connection.close()
            except BaseException as error:  # a thread's failure is the test's
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(asked), REQUESTS)
        lines = collections.defaultdict(list)
        for line in self.memegen.log_of(*asked):
            lines[line.get("correlation_id")].append(line)
        seen = set()
        for name, (trace_id, meme_id) in asked.items():
            trace = trace_of(self.memegen, meme_id)
            self.assertEqual((trace["correlation_id"], trace["trace_id"]), (name, trace_id))
            spans = self.check_tree(trace, PARENT)
            self.check_agents(trace, spans)
            self.assertFalse(seen & set(spans), "a span in two traces")
            seen |= set(spans)
            self.assertEqual(sum(line["event"] == "request_processed" for line in lines[name]), 1)
            for line in lines[name]:
                self.assertEqual(line["trace_id"], trace_id)
                self.assertIn(line["span_id"], spans)


class Later(Case):
    def test_it_survives_a_stop_and_a_kill(self):
        with tempfile.TemporaryDirectory() as state_dir:
            with Memegen(state_dir=state_dir) as memegen:
                stopped = memegen.make("before a stop")
                before = trace_of(memegen, stopped["id"])
            with Memegen(state_dir=state_dir) as memegen:
                self.assertEqual(trace_of(memegen, stopped["id"]), before)
                killed = memegen.make("before a kill")
                memegen.end(signal.SIGKILL)  # at once: the answer is hardly here
            with Memegen(state_dir=state_dir) as memegen:
                trace = trace_of(memegen, killed["id"])
                self.assertEqual(trace["status"], "success")
                agents = {span["attributes"]["agent_name"] for span in trace["spans"] if span["name"] == "agent"}
                self.assertLessEqual(AGENTS - {"refinement"}, agents)  # what was committed with the meme, at the least
                if trace["complete"]:
                    self.check_agents(trace, self.check_tree(trace))

    def test_a_failed_call_of_the_llm_is_in_it(self):
        with Standin() as standin:
            standin.control(fault="500")
            with Memegen(env={"OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}) as memegen:
                trace = trace_of(memegen, memegen.make("an outage")["id"])
        spans = self.check_tree(trace)
        self.check_agents(trace, spans)
        calls = [span for span in trace["spans"] if span["name"] == "external_service"]
        self.assertTrue(calls)
        for call in calls:
            self.assertEqual(call["attributes"], {"service_name": "llm", "operation": "chat_completion"})
            self.assertEqual(call["error"]["type"], "status_5xx")
            self.assertEqual(spans[call["parent_span_id"]]["name"], "agent")

    def test_parallel_agents_call_in_the_request_s_trace(self):
        with Standin() as standin:
            with Memegen(env={"OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}) as memegen:
                trace = trace_of(memegen, memegen.make("side by side")["id"])
        spans = self.check_tree(trace)
        self.check_agents(trace, spans)
        callers = {spans[span["parent_span_id"]]["attributes"]["agent_name"]
                   for span in trace["spans"] if span["name"] == "external_service"}
        self.assertLessEqual({"prompt_generator", "factuality"}, callers)


if __name__ == "__main__":
    unittest.main()
