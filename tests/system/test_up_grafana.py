"""script/up --grafana, with a docker that writes down what it is asked, and answers as Grafana does once it is ready."""

import json
import os
import tempfile
import unittest

from running import Up, get_json, mentions

DOCKER = '''#!/usr/bin/python3
import http.server, json, os, sys
with open(os.environ["DOCKER_RECORD"], "a") as file:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, file)
    file.write("\\n")
if sys.argv[1:] == ["info"] and "DOCKER_DOWN" in os.environ:
    sys.exit("Cannot connect to the Docker daemon.")
if "up" not in sys.argv or "--no-start" in sys.argv:
    sys.exit(0)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
        self.wfile.write(b'{"database": "ok"}')

    def log_message(self, *_):
        pass

http.server.HTTPServer((os.environ["GRAFANA_HOST"], int(os.environ["GRAFANA_PORT"])), Handler).serve_forever()
'''


class Grafana(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="memegen-docker-")
        self.addCleanup(folder.cleanup)
        self.record = os.path.join(folder.name, "record")
        docker = os.path.join(folder.name, "docker")
        with open(os.open(docker, os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="utf-8") as file:
            file.write(DOCKER)
        self.env = {"PATH": f"{folder.name}:{os.environ['PATH']}", "DOCKER_RECORD": self.record, "GRAFANA_PORT": "0"}

    def up(self, *arguments, **env):
        up = Up("--grafana", *arguments, **{**self.env, **env})
        self.addCleanup(up.close)
        return up

    def asked(self):
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_it_is_started_beside_the_rest_and_stopped_with_it(self):
        up = self.up().start()
        self.assertIn(f"http://{up.address('GRAFANA_PORT')}/d/memegen-overview", up.text())
        self.assertEqual(get_json(f"http://{up.address('GRAFANA_PORT')}/api/health"), {"database": "ok"})
        last = self.asked()[-1]
        self.assertEqual(last["arguments"][:2], ["compose", "-f"])
        self.assertTrue(last["arguments"][2].endswith("/monitoring/compose.yaml"))
        self.assertEqual(last["arguments"][-1], "grafana")
        for variable, where in (("PROMETHEUS_URL", "PROMETHEUS_PORT"), ("ALERTMANAGER_URL", "ALERTMANAGER_PORT"),
                                ("MEMEGEN_ADMIN_URL", "SPY_ADMIN")):
            self.assertEqual(last["environment"][variable], f"http://{up.address(where)}")
        secrets = last["environment"]["MEMEGEN_SECRETS"]
        self.assertEqual(os.stat(secrets).st_mode & 0o777, 0o700)
        with open(os.path.join(secrets, "slack_url"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"http://{up.address('NOTIFY_STANDIN')}/slack")
        self.assertTrue(os.path.exists(os.path.join(secrets, "pagerduty_key")))
        self.assertEqual(up.stop(), 0, up.text())
        self.assertEqual(mentions(os.path.dirname(self.record)), [])

    def test_what_is_missing_is_said_before_anything_is_started(self):
        status, output, errors = self.up(DOCKER_DOWN="1").run()
        self.assertEqual(status, 1, output)
        self.assertIn("docker's daemon does not answer: Cannot connect to the Docker daemon.", errors)
        self.assertNotIn("Building", output)

    def test_it_wants_the_monitoring(self):
        status, _, errors = self.up("--no-monitoring").run()
        self.assertEqual(status, 1)
        self.assertIn("--no-monitoring", errors)


if __name__ == "__main__":
    unittest.main()
