"""Many clients at once: every answer is wanted, every counter adds up, nothing grows."""

import collections
import json
import threading
import time
import unittest

from service import JSON, Memegen, samples

CONNECTIONS = 64
REQUESTS = 10000
POSTS_EVERY = 25
PATH = "/api/v1/memes"


class Load(unittest.TestCase):
    def test_ten_thousand_requests_add_up(self):
        with Memegen("--cache-bytes", str(4 << 20)) as memegen:
            meme = memegen.make("warm")
            self.tally = collections.Counter({("POST", PATH, 201): 1})
            self.ids = []
            self.lock = threading.Lock()
            self.wanted = {("GET", "/healthz"): "/healthz", ("GET", f"{PATH}/{meme['id']}"): f"{PATH}/{{id}}",
                           ("GET", meme["image_url"]): f"{PATH}/{{id}}/image.png", ("GET", f"{PATH}?limit=3"): PATH,
                           ("GET", "/nowhere"): "unmatched"}
            self.storm(memegen, REQUESTS // 5)  # every thread, cache and pool is as large as it gets
            settled = memegen.rss_kib()
            self.storm(memegen, REQUESTS - REQUESTS // 5)
            grown = memegen.rss_kib() - settled
            text = memegen.settled_metrics()

            self.assertEqual(sum(self.tally.values()), REQUESTS + 1)
            self.assertLessEqual({status for _, _, status in self.tally}, {200, 201, 404})
            counted = {}
            for labels, value in samples(text, "http_requests_total").items():
                labels = dict(labels)
                if value:
                    counted[labels["method"], labels["route"], int(labels["status"])] = value
            self.assertEqual(counted, dict(self.tally))
            timed = sum(samples(text, "http_request_duration_seconds_count").values())
            self.assertEqual(timed, REQUESTS + 1)
            made = self.tally["POST", PATH, 201]
            self.assertEqual(samples(text, "meme_generation_total")[(("status", "success"),)], made)
            self.assertEqual(samples(text, "agent_execution_seconds_count")[(("agent_name", "router"),)], made)
            self.assertEqual(samples(text, "http_requests_in_flight"), {(): 0})
            self.assertEqual(samples(text, "db_pool_available_connections"), samples(text, "db_pool_size"))

            lines = collections.Counter(line["correlation_id"] for line in memegen.log_of(*self.ids)
                                        if line["event"] in ("request_processed", "request_failed"))
            self.assertEqual(sum(lines.values()), REQUESTS + 1)
            self.assertLessEqual(set(self.ids), set(lines))
            self.assertEqual(set(lines.values()), {1})
            self.assertLess(grown, 24 << 10, f"grew by {grown} KiB")

    def storm(self, memegen, requests):
        threads = [threading.Thread(target=self.client, args=(memegen, range(i, requests, CONNECTIONS)))
                   for i in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def client(self, memegen, numbers):
        gets = list(self.wanted.items())
        tally, ids = collections.Counter(), []
        with memegen.connect(timeout=60) as connection:
            for i in numbers:
                if i % POSTS_EVERY == 0:
                    body = json.dumps({"topic": f"storm number {i}"}).encode()
                    answer, method, route = connection.request("POST", PATH, JSON, body), "POST", PATH
                else:
                    (method, path), route = gets[i % len(gets)]
                    answer = connection.request(method, path)
                tally[method, route, answer.status] += 1
                ids.append(answer.header("X-Correlation-ID"))
        with self.lock:
            self.tally += tally
            self.ids += ids

    def test_a_busy_pool_is_seen(self):
        with Memegen() as memegen:
            done = threading.Event()
            failures = []

            def caller():
                with memegen.connect() as connection:
                    while not done.is_set():
                        answer = connection.request("GET", f"{PATH}?limit=100")
                        if answer.status != 200:
                            failures.append(answer.status)

            for i in range(100):
                memegen.post(f"{PATH}?async=1", {"topic": f"fill {i}"})
            threads = [threading.Thread(target=caller) for _ in range(16)]
            for thread in threads:
                thread.start()
            seen, end = [], time.monotonic() + 20
            while time.monotonic() < end:
                text = memegen.metrics()
                size = samples(text, "db_pool_size")[()]
                seen.append(samples(text, "db_pool_available_connections")[()])
                if seen[-1] < size:
                    break
            done.set()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            self.assertLess(min(seen), size)
            text = memegen.settled_metrics()
            self.assertEqual(samples(text, "db_pool_available_connections")[()], size)


if __name__ == "__main__":
    unittest.main()
