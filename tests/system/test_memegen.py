"""memegen as its clients see it: memes made, read, listed, liked; ids and lines that join up."""

import json
import re
import struct
import time
import unittest
import uuid
import zlib

from service import JSON, Memegen

AGENTS = {"router", "format_selector", "prompt_generator", "factuality", "instruction_following", "appropriateness",
          "image_renderer", "scorer"}
PATH = "/api/v1/memes"


def png_size(data):
    """(width, height) of a PNG whose chunks and their checks are all right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, names, pixels = 8, [], b""
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(name + body)
        names.append(name)
        pixels += body if name == b"IDAT" else b""
        at += 12 + length
    assert names[0] == b"IHDR" and names[-1] == b"IEND", names
    assert len(zlib.decompress(pixels)) > 1000
    return struct.unpack(">II", data[16:24])


class Memes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memegen = Memegen()

    @classmethod
    def tearDownClass(cls):
        cls.memegen.stop()

    def test_a_meme_is_made_within_a_second(self):
        self.memegen.make()  # the first one warms the fonts up
        started = time.monotonic()
        answer = self.memegen.post(PATH, {"topic": "rust vs c", "user_id": "u1"}, {"X-Correlation-ID": "made-1"})
        self.assertLess(time.monotonic() - started, 1)
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        meme = answer.json()
        self.assertEqual(str(uuid.UUID(meme["id"])), meme["id"])
        self.assertEqual(answer.header("Location"), f"{PATH}/{meme['id']}")
        self.assertEqual(meme["status"], "success")
        self.assertEqual(meme["correlation_id"], "made-1")
        self.assertEqual(answer.header("X-Correlation-ID"), "made-1")
        self.assertTrue(meme["captions"] and all(meme["captions"]))
        self.assertTrue(0 <= meme["quality_score"] <= 1)
        self.assertGreater(meme["generation_seconds"], 0)
        self.assertLessEqual(AGENTS, {agent["agent"] for agent in meme["agents"]})
        templates = {t["id"]: t for t in self.memegen.get("/api/v1/templates").json()["templates"]}
        self.assertEqual(meme["template_type"], templates[meme["template_id"]]["type"])

    def test_the_score_is_the_sum_of_its_parts(self):
        score = self.memegen.make("tabs versus spaces")["score"]
        total = sum(part["value"] * part["weight"] for part in score["parts"].values())
        self.assertAlmostEqual(sum(part["weight"] for part in score["parts"].values()), 1)
        for factor in score["factors"].values():
            total *= factor["value"]
        self.assertAlmostEqual(score["total"], total, 4)

    def test_trends_and_seeds(self):
        one = self.memegen.make("coffee", use_trends=True, seed=7)
        two = self.memegen.make("coffee", use_trends=True, seed=7)
        self.assertIn("trend_scanner", {agent["agent"] for agent in one["agents"]})
        self.assertNotEqual(one["id"], two["id"])
        self.assertEqual((one["template_id"], one["captions"]), (two["template_id"], two["captions"]))
        self.assertEqual(self.memegen.get(one["image_url"]).body, self.memegen.get(two["image_url"]).body)

    def test_every_template_makes_a_png(self):
        templates = self.memegen.get("/api/v1/templates").json()["templates"]
        self.assertGreaterEqual(len(templates), 12)
        for template in templates:
            meme = self.memegen.make("monday meetings", template_id=template["id"])
            self.assertEqual(meme["template_id"], template["id"])
            self.assertEqual(len(meme["captions"]), len(template["captions"]))
            answer = self.memegen.get(meme["image_url"])
            self.assertEqual(answer.header("Content-Type"), "image/png")
            self.assertEqual(png_size(answer.body), (template["width"], template["height"]))
            self.assertEqual(self.memegen.get(f"/api/v1/templates/{template['id']}").json(), template)

    def test_an_image_is_cached_for_good(self):
        meme = self.memegen.make()
        first = self.memegen.get(meme["image_url"])
        self.assertIn("immutable", first.header("Cache-Control"))
        tag = first.header("ETag")
        for value in (tag, f'W/{tag}, "other"', "*"):
            again = self.memegen.get(meme["image_url"], If_None_Match=value)
            self.assertEqual((again.status, again.body, again.header("ETag")), (304, b"", tag))
        self.assertEqual(self.memegen.get(meme["image_url"], If_None_Match='"other"').status, 200)
        head = self.memegen.request("HEAD", meme["image_url"])
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.header("Content-Length"), str(len(first.body)))

    def test_a_meme_is_read_as_it_was_made(self):
        meme = self.memegen.make("the same twice")
        self.assertEqual(self.memegen.get(f"{PATH}/{meme['id']}").json(), meme)

    def test_memes_are_listed_newest_first_without_a_gap(self):
        made = [self.memegen.make(f"page {i}")["id"] for i in range(7)]
        seen, query = [], "limit=3"
        while len(seen) < 7:
            page = self.memegen.get(f"{PATH}?{query}").json()
            self.assertLessEqual(len(page["memes"]), 3)
            seen += [meme["id"] for meme in page["memes"]]
            query = f"limit=3&before={page['next_before']}"
        self.assertEqual(seen[:7], made[::-1])

    def test_an_asynchronous_meme_is_there_at_once(self):
        answer = self.memegen.post(f"{PATH}?async=1", {"topic": "patience"})
        self.assertEqual(answer.status, 202)
        pending = answer.json()
        self.assertEqual(set(pending), {"id", "status", "status_url"})
        self.assertEqual(pending["status"], "pending")
        self.assertEqual(answer.header("Location"), pending["status_url"])
        for _ in range(500):
            meme = self.memegen.get(pending["status_url"])
            self.assertEqual(meme.status, 200)
            if meme.json()["status"] != "pending":
                break
            self.assertIsNone(meme.json()["image_url"])
            time.sleep(0.01)
        self.assertEqual(meme.json()["status"], "success")
        self.assertEqual(meme.json()["correlation_id"], answer.header("X-Correlation-ID"))
        png_size(self.memegen.get(meme.json()["image_url"]).body)

    def test_a_refused_meme_is_kept_as_such(self):
        answer = self.memegen.post(PATH, {"topic": "mail bob@example.com, card 4111 1111 1111 1111"})
        self.assertEqual(answer.status, 422)
        error = answer.json()
        self.assertEqual(set(error), {"code", "message", "details", "correlation_id"})
        self.assertEqual(error["code"], "rejected")
        meme = self.memegen.get(error["details"]["meme_url"]).json()
        self.assertEqual((meme["status"], meme["error_type"]), ("rejected", "rejected"))
        self.assertIsNone(meme["image_url"])
        self.assertEqual(self.memegen.get(f"{error['details']['meme_url']}/image.png").status, 404)

    def test_an_interaction_is_kept(self):
        meme = self.memegen.make()
        path = f"{PATH}/{meme['id']}/interactions"
        answer = self.memegen.post(path, {"interaction_type": "like", "platform": "web", "user_id": "ü" * 64})
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.json()["meme_id"], meme["id"])
        self.assertEqual(self.memegen.post(path, {"interaction_type": "like", "platform": "web"}).status, 422)
        missing = f"{PATH}/{uuid.uuid4()}/interactions"
        self.assertEqual(
            self.memegen.post(missing, {"interaction_type": "like", "platform": "web", "user_id": "u"}).status, 404)

    def test_trends_are_listed_best_first(self):
        trends = self.memegen.get("/api/v1/trends").json()["trends"]
        self.assertTrue(trends)
        scores = [trend["score"] for trend in trends]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_health(self):
        self.assertEqual(self.memegen.get("/healthz").json(), {"status": "ok"})
        self.assertEqual(self.memegen.get("/readyz").json(), {"status": "ready"})

    def test_the_page_loads_nothing_foreign(self):
        page = self.memegen.get("/")
        self.assertEqual(page.header("Content-Type"), "text/html; charset=utf-8")
        policy = page.header("Content-Security-Policy")
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        links = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
        self.assertTrue(links)
        for link in links:
            self.assertTrue(link.startswith("/"))
            self.assertEqual(self.memegen.get(link).status, 200)
        self.assertNotRegex(page.body.decode(), r"<script>|style=| on\w+=")

    def test_options_and_head(self):
        answer = self.memegen.request("OPTIONS", PATH)
        self.assertEqual((answer.status, answer.header("Allow")), (204, "GET, HEAD, POST, OPTIONS"))
        for path in ("/", "/healthz", "/readyz", PATH, "/api/v1/templates", "/api/v1/trends"):
            head, get = self.memegen.request("HEAD", path), self.memegen.get(path)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.header("Content-Type"), get.header("Content-Type"))


class Joined(unittest.TestCase):
    """One id from the client's request through every line to the answer."""

    @classmethod
    def setUpClass(cls):
        cls.memegen = Memegen(env={"SPY_LOG_LEVEL": "debug"})

    @classmethod
    def tearDownClass(cls):
        cls.memegen.stop()

    def test_a_good_id_is_kept(self):
        for sent in ("a", "A.b-c_9", "x" * 128):
            answer = self.memegen.get("/healthz", X_Correlation_ID=sent)
            self.assertEqual(answer.header("X-Correlation-ID"), sent)

    def test_a_bad_id_is_replaced(self):
        for sent in ("", "x" * 129, "a b", 'a"b', "a{b}", "ä", "a/b", "x" * 10000):
            answer = self.memegen.get("/healthz", X_Correlation_ID=sent)
            got = answer.header("X-Correlation-ID")
            self.assertEqual(str(uuid.UUID(got)), got)
        self.assertNotEqual(self.memegen.get("/healthz").header("X-Correlation-ID"),
                            self.memegen.get("/healthz").header("X-Correlation-ID"))

    def test_an_error_carries_the_id_that_the_client_saw(self):
        answer = self.memegen.get("/nowhere", X_Correlation_ID="lost-1")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.json()["correlation_id"], "lost-1")
        self.assertEqual(answer.header("X-Correlation-ID"), "lost-1")

    def test_every_line_of_a_request_has_its_ids(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = self.memegen.post(PATH, {"topic": "joined up"}, {
            "X-Correlation-ID": "joined-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(answer.json()["trace_id"], trace)
        lines = [line for line in self.memegen.log_of("joined-1") if line.get("correlation_id") == "joined-1"]
        self.assertTrue(lines)
        for line in lines:
            self.assertEqual((line["trace_id"], line["path"], line["method"]), (trace, PATH, "POST"))
        last = [line for line in lines if line["event"] == "request_processed"]
        self.assertEqual([line["status_code"] for line in last], [201])
        self.assertEqual(last[0]["route"], PATH)

    def test_the_query_is_not_logged(self):
        answer = self.memegen.get(f"{PATH}?limit=1&token=hush", X_Correlation_ID="query-1")
        self.assertEqual(answer.status, 200)
        lines = [line for line in self.memegen.log_of("query-1") if line.get("correlation_id") == "query-1"]
        self.assertEqual([line["path"] for line in lines], [PATH])
        self.assertNotIn("hush", json.dumps(lines))

    def test_each_answer_has_one_line(self):
        seen = []
        with self.memegen.connect() as connection:
            for i in range(50):
                body = json.dumps({"topic": f"line {i}"}).encode() if i % 10 == 0 else b"{"
                answer = connection.request("POST", PATH, JSON, body)
                seen.append((answer.header("X-Correlation-ID"), answer.status))
        lines = {}
        for line in self.memegen.log_of(*(correlation_id for correlation_id, _ in seen)):
            if line["event"] in ("request_processed", "request_failed"):
                lines.setdefault(line["correlation_id"], []).append(line["status_code"])
        for correlation_id, status in seen:
            self.assertEqual(lines.get(correlation_id), [status])


if __name__ == "__main__":
    unittest.main()
