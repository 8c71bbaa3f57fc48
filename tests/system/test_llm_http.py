"""Servers that no LLM should be: what memegen's HTTP does with answers that are wrong below the JSON."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from service import Memegen, samples
from standin import Standin

TOPIC = "tabs versus spaces"
SHORT_S, LONG_S, SLACK_S = 2, 60, 20


class Server:
    """Answers each connection by `answer(socket)` once it has sent its headers; counts them."""

    def __init__(self, answer, context=None):
        self.answer, self.context, self.count = answer, context, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        with socket.create_connection(self.socket.getsockname()):
            pass  # wakes the thread
        self.thread.join()
        self.socket.close()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                if self.stopping.is_set():
                    return
                self.count += 1
                try:
                    connection.settimeout(SLACK_S)
                    self.one(connection)
                except OSError:
                    pass  # the client had enough

    def one(self, connection):
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536) or b"\r\n\r\n"  # it has gone
        self.answer(connection, self.stopping)


def send(data):
    return lambda connection, _: connection.sendall(data)


def endless(connection, stopping):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stopping.is_set():
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def trickle(connection, stopping):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not stopping.wait(0.05):
        connection.sendall(b" ")


def reset(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(0.2)  # so that it has been read
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Answers(unittest.TestCase):
    def ask(self, server, timeout_s=LONG_S, scheme="http", **env):
        """Makes one meme without retries or a fallback: (status, error_type, seconds, errors counted)."""
        ms = str(timeout_s * 1000)
        settings = {"OPENAI_BASE_URL": f"{scheme}://{server.address}/v1", "MEMEGEN_LLM_FALLBACK": "none", "MEMEGEN_LLM_RETRIES": "0",
                    "MEMEGEN_LLM_TIMEOUT_MS": ms, "MEMEGEN_LLM_ATTEMPT_MS": ms, "MEMEGEN_LLM_CONNECT_MS": ms}
        with Memegen(env={**settings, **env}) as memegen:
            started = time.monotonic()
            answer = memegen.post("/api/v1/memes", {"topic": TOPIC})
            seconds = time.monotonic() - started
            counted = samples(memegen.metrics(), "external_service_errors_total")
        found = {dict(labels)["error_type"]: n for labels, n in counted.items() if n}
        return answer.status, answer.json()["details"]["error_type"], seconds, found

    def test_wrong_answers(self):
        cases = {
            "endless": (endless, 502, "bad_answer", {"bad_answer": 1}, LONG_S),
            "trickle": (trickle, 504, "timeout", {"timeout": 1}, SHORT_S),
            "reset": (reset, 502, "bad_answer", {"bad_answer": 1}, LONG_S),
            "no content": (send(b"HTTP/1.1 204 No Content\r\n\r\n"), 502, "bad_answer", {"bad_answer": 2}, LONG_S),
            "empty": (send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 502, "bad_answer", {"bad_answer": 2}, LONG_S),
            "no http": (send(b"220 mail.example ESMTP\r\n"), 502, "bad_answer", {"bad_answer": 1}, LONG_S),
            "closed": (send(b""), 502, "refused", {"refused": 1}, LONG_S),
            # libcurl's versions do not agree on what that is.
            "headers without end": (send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20)), None, None, None, LONG_S),
        }
        for name, (answer, status, error_type, counted, limit_s) in cases.items():
            with self.subTest(answer=name), Server(answer) as server:
                is_status, is_type, seconds, found = self.ask(server, limit_s)
                self.assertIn(is_status, (status,) if status else (500, 502))
                self.assertLess(seconds, SHORT_S + SLACK_S)
                if error_type:
                    self.assertEqual((is_type, found), (error_type, counted))

    def test_redirects_are_not_followed(self):
        with Standin() as standin:
            there = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {standin.base_url}/chat/completions\r\nContent-Length: 0\r\n\r\n"
            with Server(send(there.encode())) as server:
                self.assertEqual(self.ask(server)[::3], (500, {"rejected": 1}))
            self.assertEqual(standin.control()["requests"], 0)

    def test_a_proxy_is_for_the_world_outside(self):
        with Server(send(b"HTTP/1.1 500 no\r\n\r\n")) as proxy, Standin() as standin:
            url = f"http://{proxy.address}"
            with Memegen(env={"OPENAI_BASE_URL": standin.base_url, "http_proxy": url, "https_proxy": url, "ALL_PROXY": url,
                              "no_proxy": "", "NO_PROXY": ""}) as memegen:
                memegen.make(TOPIC)
            self.assertGreater(standin.idle()["answered"], 0)
            self.assertEqual(proxy.count, 0)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not there")
    def test_a_certificate_is_verified(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True,
                           capture_output=True, timeout=60)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            with Server(send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), context) as server:
                self.assertEqual(self.ask(server, scheme="https")[::3], (502, {"refused": 1}))
        with Server(send(b"HTTP/1.1 200 OK\r\n\r\n")) as plain:
            self.assertEqual(self.ask(plain, SHORT_S, scheme="https")[0] // 100, 5)


if __name__ == "__main__":
    unittest.main()
