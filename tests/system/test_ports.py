"""script/lib/ports.py: which free ports script/up chooses."""

import socket
import unittest
from unittest import mock

import running  # noqa: F401  (script/lib)

import ports  # noqa: E402


class AnyFree(unittest.TestCase):
    def test_the_kernel_gives_none_of_them_to_others(self):
        first = ports._first_of_the_kernel()
        given = [ports.any_free("127.0.0.1") for _ in range(200)]
        self.assertEqual(len(set(given)), len(given))
        self.assertGreater(min(given), 1023)
        self.assertLess(max(given), first)
        for port in given[:10]:
            with socket.create_server(("127.0.0.1", port)):
                self.assertFalse(ports.is_free("127.0.0.1", port))

    def test_where_all_are_the_kernel_s_it_is_asked(self):
        with mock.patch("ports._first_of_the_kernel", return_value=1024):
            port = ports.any_free("127.0.0.1")
        self.assertTrue(ports.is_free("127.0.0.1", port))

    def test_a_held_one_is_passed_over(self):
        with socket.create_server(("127.0.0.1", ports.any_free("127.0.0.1"))) as held:
            taken, free = held.getsockname()[1], ports.any_free("127.0.0.1")
            with mock.patch("random.randrange", side_effect=[taken, free, free - 1]), mock.patch.object(ports, "_given", set()):
                self.assertEqual(ports.any_free("127.0.0.1"), free)


if __name__ == "__main__":
    unittest.main()
