"""?profile= of memegen: drawing a meme, with memegen's own functions above those of Cairo and Pango."""

import concurrent.futures
import json
import re
import unittest

from service import Memegen

HTML = "text/html; charset=utf-8"
DRAWERS = ("cairo", "pango", "harfbuzz", "pixman", "fontconfig", "freetype", "libpng", "libz")


def data_of(page):
    """The data of a flame graph's page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def stacks(data):
    """The frames of each stack, outermost first."""
    for node in data["nodes"]:
        frames = []
        while node:
            frames.insert(0, data["frames"][node[1]])
            node = data["nodes"][node[0]] if node[0] >= 0 else None
        yield frames


def makes(memegen, topic):
    answer = memegen.post("/api/v1/memes?profile=1", {"topic": topic}, {"X-Correlation-ID": topic})
    assert (answer.status, answer.header("Content-Type")) == (201, HTML), (answer.status, answer.body[:200])
    return data_of(answer.body.decode())


class Profile(unittest.TestCase):
    def test_drawing_is_seen_by_name(self):
        with Memegen(env={"MEMEGEN_PROFILE": "loopback"}) as memegen:
            drawn = False
            for n in range(20):  # one takes some ten milliseconds: a handful of samples
                for frames in stacks(makes(memegen, f"draw.{n}")):
                    names = [name for _, name, _ in frames]
                    below = frames[names.index("render_meme") + 1:] if "render_meme" in names else []
                    drawn = drawn or any(any(word in name + where for word in DRAWERS) for _, name, where in below)
                if drawn:
                    break
            self.assertTrue(drawn, "no stack of a drawing library lies under render_meme()")

    def test_eight_at_once_see_their_own(self):
        with Memegen(env={"MEMEGEN_PROFILE": "loopback"}) as memegen, concurrent.futures.ThreadPoolExecutor(8) as pool:
            topics = [f"own.{n}" for n in range(8)]
            for topic, data in zip(topics, pool.map(lambda topic: makes(memegen, topic), topics)):
                self.assertEqual(data["correlation_id"], topic)
                roots = [span for span in data["spans"] if span[3] == -1]
                self.assertEqual(len(roots), 1, data["spans"])
                self.assertEqual(len([span for span in data["spans"] if span[0] == "meme_generation"]), 1)
                # CPU time and waits are of the threads that worked for it: no more than they had
                self.assertLessEqual(data["cpu_ns"], data["duration_ns"] * data["threads"])

    def test_it_is_off_unless_somebody_may(self):
        with Memegen() as memegen:
            answer = memegen.get("/api/v1/templates?profile=1")
            self.assertEqual((answer.status, answer.header("X-Profile")), (200, None))
            self.assertIn("templates", json.loads(answer.body))

    def test_an_error_is_its_own(self):
        with Memegen(env={"MEMEGEN_PROFILE": "loopback"}) as memegen:
            answer = memegen.get("/api/v1/memes/nothing?profile=1")
            self.assertGreaterEqual(answer.status, 400)
            self.assertIn("code", json.loads(answer.body))
            self.assertIn("/debug/profiles/", answer.header("X-Profile"))


if __name__ == "__main__":
    unittest.main()
