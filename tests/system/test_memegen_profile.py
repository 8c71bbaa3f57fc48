"""What continuous profiling tells of the released memegen: where the drawing of memes spends its time."""

import re
import time
import unittest

from service import Connection, Memegen

SECONDS_MAX = 120  # of making memes until the sampler has met what is looked for


class Profile(unittest.TestCase):
    def folded(self, memegen):
        """The lines of what was kept, CPU time alone: (functions, outermost first; microseconds)."""
        with Connection(memegen.admin) as admin:
            answer = admin.request("GET", "/debug/pprof/folded?from=0&view=cpu")
        self.assertEqual(answer.status, 200, answer.body)
        for line in answer.body.decode().splitlines():
            stack, _, weight = line.rpartition(" ")
            yield stack.split(";"), int(weight)

    def drawing(self, memegen):
        """A stack that leads from memegen's own drawing into Cairo or Pango."""
        for functions, weight in self.folded(memegen):
            if "render_meme" in functions and weight > 0:
                below = functions[functions.index("render_meme"):]
                if any(re.match(r"(lib)?(cairo|pango)", function) for function in below):
                    return functions
        return None

    def test_own_functions_stand_above_those_of_libraries(self):
        with Memegen() as memegen:
            end, found = time.monotonic() + SECONDS_MAX, None
            while not found and time.monotonic() < end:
                for number in range(10):
                    memegen.make(f"profile {number}")
                found = self.drawing(memegen)
            self.assertIsNotNone(found, "no sample of the drawing")
            # By name, from the thread's start down: memegen has its symbols.
            own = found[:found.index("render_meme")]
            self.assertIn("work_thread", own)
            self.assertIn("pipeline_run", own)
            self.assertRegex(memegen.metrics(), r'\nspyglass_profile_samples_total\{kind="cpu"\} [1-9]')


if __name__ == "__main__":
    unittest.main()
