"""What profiles tell of the released memegen: where the drawing of memes spends its time, and who allocates its memory."""

import re
import time
import unittest

from service import MALLOC, Connection, Memegen

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

    def test_the_heap_tells_who_allocates(self):
        with Memegen(env={"LD_PRELOAD": MALLOC, "SPY_HEAP_SAMPLE_BYTES": "4096"}) as memegen:
            for number in range(20):
                memegen.make(f"heap {number}")
            with Connection(memegen.admin) as admin:
                answer = admin.request("GET", "/debug/pprof/folded?kind=heap")
                page = admin.request("GET", "/debug/flamegraph?kind=heap")
            self.assertEqual((answer.status, page.status), (200, 200), answer.body)
        self.assertEqual(memegen.process.returncode, 0)
        lines = [line.rpartition(" ") for line in answer.body.decode().splitlines()]
        self.assertTrue(lines and all(int(count) > 0 for _, _, count in lines), answer.body)
        stacks = [stack.split(";") for stack, _, _ in lines]
        # By name, of memegen's own functions and of a library's that they call.
        self.assertTrue(any("main" in stack for stack in stacks), answer.body)
        self.assertTrue(any("work_thread" in stack and any(re.match("(lib)?(cairo|pango|sqlite)", name) for name in stack)
                            for stack in stacks), answer.body)

    def test_without_its_library_the_heap_says_how_to_get_it(self):
        with Memegen() as memegen, Connection(memegen.admin) as admin:
            answer = admin.request("GET", "/debug/pprof/heap")
        self.assertEqual(answer.status, 501)
        self.assertIn(b"LD_PRELOAD=libspyglass-malloc.so", answer.body)


if __name__ == "__main__":
    unittest.main()
