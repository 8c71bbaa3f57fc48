"""What events and transactions tell of the HTTP request that they belong to: its method, URL, query and headers, without secrets; and
without what says who the client is, unless that is wanted."""

import json
import os
import unittest

from sentry_standin import Sentry
from service import Service

PROGRAM = os.environ["MHD_SERVER"]
# Where a secret may lie, one for each place; and what says who somebody is, likewise.
SECRETS = {place: f"planted-{place}-S3cR3t" for place in ("header", "cookie", "key", "own", "csrf", "query", "nested", "url", "fragment", "referer")}
PEOPLE = {place: f"planted-{place}-person" for place in ("forwarded", "real", "mail", "name", "header", "from")}
QUERY = (f"limit=10&token={SECRETS['query']}&next=%2Fa%3Fapi_key%3D{SECRETS['nested']}&to=https://u:{SECRETS['url']}@b.example/"
         f"&email={PEOPLE['mail']}%40example.org&name={PEOPLE['name']}")
HEADERS = [
    "User-Agent: probe/1.0", "Accept: text/html", f"Authorization: Bearer {SECRETS['header']}", f"Cookie: session={SECRETS['cookie']}",
    f"X-API-Key: {SECRETS['key']}", f"X-Our-Iban: {SECRETS['own']}", f"X-CSRF-Token: {SECRETS['csrf']}", f"X-Forwarded-For: {PEOPLE['forwarded']}",
    f"X-Real-IP: {PEOPLE['real']}", f"X-User: {PEOPLE['header']}", f"From: {PEOPLE['from']}@example.org",
    f"Referer: http://a.example/b?token={SECRETS['referer']}#{SECRETS['fragment']}",
]
TOLD = {"Host": "localhost", "User-Agent": "probe/1.0", "Accept": "text/html", "Referer": "http://a.example/b"}


class Requests:
    PII = {}

    @classmethod
    def setUpClass(cls):
        cls.sentry = Sentry()
        cls.addClassCleanup(cls.sentry.close)
        cls.service = Service(PROGRAM, SENTRY_DSN=cls.sentry.dsn, SENTRY_TRACES_SAMPLE_RATE="1", SPY_REDACT="iban", **cls.PII)
        cls.asked = {}
        for path in ("/own-failure", "/fail", "/deferred", "/hello"):
            query = ("fail&" if path == "/deferred" else "") + QUERY
            cls.asked[path] = cls.service.ask(f"{path}?{query}", headers=HEADERS).id, query
        code = cls.service.stop()
        assert code == 0, (code, cls.service.said)
        assert not cls.sentry.wrong, cls.sentry.wrong

    def requests(self, kind):
        """{path: (its request, its user)} of what came."""
        paths = {id_: path for path, (id_, _) in self.asked.items()}
        found = {}
        for payload in self.sentry.payloads(kind):
            found.setdefault(paths[payload["tags"]["correlation_id"]], []).append((payload["request"], payload.get("user")))
        return found

    def check(self, kind, paths):
        found = self.requests(kind)
        self.assertEqual(set(found), set(paths))
        for path, all_of in found.items():
            for request, user in all_of:
                self.assertEqual((request["method"], request["url"]), ("GET", f"http://localhost{path}"))
                prefix = "fail&" if path == "/deferred" else ""
                self.assertEqual(request["query_string"], prefix + self.WANT_QUERY)
                self.assertEqual(request["headers"], self.WANT_HEADERS)
                self.assertEqual(user, self.WANT_USER)

    def test_errors(self):
        self.check("event", {"/own-failure", "/fail", "/deferred"})

    def test_transactions(self):
        self.check("transaction", self.asked)

    def nowhere(self, planted):
        for _, _, body in self.sentry.envelopes + self.sentry.refused:
            for place, text in planted.items():
                self.assertNotIn(text.encode(), body, place)

    def test_no_secret_is_anywhere(self):
        self.nowhere(SECRETS)


class ByDefault(Requests, unittest.TestCase):
    WANT_QUERY = "limit=10&token=[redacted]&next=[redacted]&to=[redacted]&email=[redacted]&name=[redacted]"
    WANT_HEADERS = TOLD
    WANT_USER = None

    def test_nobody_is_known_by_it(self):
        self.nowhere(PEOPLE)
        self.assertNotIn("127.0.0.1", json.dumps([payload for kind in ("event", "transaction") for payload in self.sentry.payloads(kind)]))


class WithPersonalData(Requests, unittest.TestCase):
    PII = {"SPY_SEND_DEFAULT_PII": "on"}
    WANT_QUERY = f"limit=10&token=[redacted]&next=[redacted]&to=[redacted]&email={PEOPLE['mail']}%40example.org&name={PEOPLE['name']}"
    WANT_HEADERS = {**TOLD, "X-Forwarded-For": PEOPLE["forwarded"], "X-Real-IP": PEOPLE["real"], "X-User": PEOPLE["header"],
                    "From": f"{PEOPLE['from']}@example.org",
                    **{name: "[redacted]" for name in ("Authorization", "Cookie", "X-API-Key", "X-Our-Iban", "X-CSRF-Token")}}
    WANT_USER = {"ip_address": "127.0.0.1"}


if __name__ == "__main__":
    unittest.main()
