"""What a failed request of the released memegen says of where it failed."""

import os
import time
import unittest

from service import ROOT, Memegen
from standin import Standin

LINE_TIMEOUT_S = 20


def source_line(frame):
    with open(os.path.join(ROOT, frame["file"]), encoding="utf-8") as file:
        return file.read().splitlines()[frame["line"] - 1]


class Stacks(unittest.TestCase):
    def failed_request(self):
        """The line of a request that ended with 500, for the model does not take the key."""
        with Standin("--key", "sk-right") as standin, Memegen(env={
                "OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "sk-wrong", "OPENAI_MODEL": "any",
                "MEMEGEN_LLM_FALLBACK": "none"}) as memegen:
            answer = memegen.post("/api/v1/memes", {"topic": "stacks"})
            self.assertEqual(answer.status, 500)
            end = time.monotonic() + LINE_TIMEOUT_S
            while time.monotonic() < end:
                for line in memegen.log():
                    if (line["event"], line.get("correlation_id")) == ("request_failed", answer.header("X-Correlation-ID")):
                        return line
                time.sleep(0.02)
        raise AssertionError("no line request_failed of this request")

    def test_a_traceback_has_functions_files_and_lines(self):
        frames = self.failed_request()["traceback"]
        self.assertIn("spy_http_fail(", source_line(frames[0]), frames[0])
        ours = [frame for frame in frames if frame.get("module") == "memegen"]
        self.assertGreaterEqual(len(ours), 3, frames)
        for frame in ours:
            self.assertRegex(frame["file"], r"^(memegen|adaptors|src)/")
            self.assertRegex(frame["function"], r"^\w+$")
            self.assertGreater(len(source_line(frame).strip()), 1, frame)
        # Down to the thread that did it, static and inlined functions among them.
        self.assertIn("work_thread", [frame["function"] for frame in ours])
        self.assertEqual(ours, frames[:len(ours)])
        for frame in frames:
            self.assertRegex(frame["address"], r"^0x[0-9a-f]+$")


if __name__ == "__main__":
    unittest.main()
