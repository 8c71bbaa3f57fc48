"""The load of script/up --traffic: traffic.py --service HOST:PORT --llm HOST:PORT [--incident]

Real requests, as a small public would send them: memes that succeed, some that are refused, mistakes, likes and looks. And the
stand-in LLM has its moods, or an incident. Bounded: TRAFFIC_RATE requests a second (2), from a few threads; what these
cannot take in time is not sent; and after TRAFFIC_MEMES memes (5000) it only looks, so that a demonstration that is
forgotten does not fill a disk. One line a minute says what was answered, one each time the LLM changes.
"""

import argparse
import collections
import http.client
import json
import os
import queue
import random
import sys
import threading
import time

import ports

RATE_MAX = 50
WORKERS = 8
KNOWN_MAX = 200  # memes that may be liked and looked at
TIMEOUT_S = 60  # more than memegen's own for its LLM
API = "/api/v1"
JSON = {"Content-Type": "application/json"}

TOPICS = ("rust vs c", "tabs or spaces", "Monday morning", "code review on Friday", "it works on my machine", "legacy code",
          "meetings that could have been an email", "coffee", "naming things", "cache invalidation", "off by one errors",
          "the intern's first deploy", "unit tests", "a cat on the keyboard", "documentation", "regular expressions", "dark mode",
          "the weekly report", "pair programming", "estimates", "time zones", "undefined behaviour", "a printer", "patience")
REFUSED = ("my card is 4111 1111 1111 1111", "call me at +1 415 555 0132 and write to jane.roe@example.com")
STYLES = (None, None, "dry", "wholesome", "absurd")
INTERACTIONS = (("like", "web"), ("like", "app"), ("share", "twitter"), ("share", "mastodon"), ("comment", "web"), ("save", "app"))


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


class Public:
    """Chooses what is asked next, and asks it."""

    def __init__(self, address, rng):
        self.host, self.port = ports.parse(address)
        self.rng = rng  # guarded by the caller: the one thread that chooses
        self.known = collections.deque(maxlen=KNOWN_MAX)  # ids of memes; appended to from every thread
        self.statuses = collections.Counter()
        self.lock = threading.Lock()
        self.templates = []
        self.memes_left = int(os.environ.get("TRAFFIC_MEMES") or 5000)

    def user(self):
        return f"user-{min(int(self.rng.expovariate(0.1)), 60)}"

    def meme(self, topic=None):
        body = {"topic": topic or self.rng.choice(TOPICS), "user_id": self.user()}
        if self.rng.random() < 0.3:
            body["use_trends"] = True
        if (style := self.rng.choice(STYLES)):
            body["style"] = style
        if self.templates and self.rng.random() < 0.5:
            body["template_id"] = self.rng.choice(self.templates)
        return body

    def choose(self):
        """(method, path, body): of a body that is bytes, its type is what it is; None is none."""
        known = list(self.known)
        meme = self.rng.choice(known) if known else "00000000-0000-4000-8000-000000000000"
        kind = self.rng.choices(("make", "later", "refused", "mistake", "like", "look"), (45, 5, 4, 6, 20, 20))[0]
        if kind in ("make", "later", "refused"):
            self.memes_left -= 1
            if self.memes_left == 0:
                say("That were memes enough (TRAFFIC_MEMES): from now on the public only looks.")
        if self.memes_left <= 0:
            kind = "look"
        if kind == "make":
            return "POST", f"{API}/memes", self.meme()
        if kind == "later":
            return "POST", f"{API}/memes?async=1", self.meme()
        if kind == "refused":
            return "POST", f"{API}/memes", self.meme(self.rng.choice(REFUSED))
        if kind == "mistake":
            return self.rng.choice((("POST", f"{API}/memes", {"topic": ""}), ("POST", f"{API}/memes", {"subject": "tea"}),
                                    ("POST", f"{API}/memes", b"{not json"), ("GET", "/wp-login.php", None),
                                    ("POST", f"{API}/memes", {"topic": "tea", "template_id": "mona-lisa"}),
                                    ("DELETE", f"{API}/memes/{meme}", None), ("GET", f"{API}/memes?limit=1000000", None)))
        if kind == "like":
            what, where = self.rng.choice(INTERACTIONS)
            return "POST", f"{API}/memes/{meme}/interactions", {"interaction_type": what, "platform": where, "user_id": self.user()}
        return "GET", self.rng.choice((f"{API}/memes", f"{API}/memes?limit=5", f"{API}/memes/{meme}", f"{API}/memes/{meme}/image.png",
                                       f"{API}/templates", f"{API}/trends", "/", "/healthz")), None

    def ask(self, method, path, body):
        connection = http.client.HTTPConnection(ports.reachable(self.host), self.port, timeout=TIMEOUT_S)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, path, data, JSON if data else {})
            answer = connection.getresponse()
            text = answer.read()
            if method == "POST" and path == f"{API}/memes" and answer.status == 201:
                self.known.append(json.loads(text)["id"])
            result = str(answer.status)
        except (OSError, http.client.HTTPException, ValueError) as error:
            text, result = b"", type(error).__name__
        finally:
            connection.close()
        with self.lock:
            self.statuses[result] += 1
        return text

    def look_round(self):
        """What templates there are; a memegen that does not answer is no reason to end."""
        try:
            self.templates = [t["id"] for t in json.loads(self.ask("GET", f"{API}/templates", None))["templates"]]
        except (ValueError, KeyError):
            pass

    def summary(self):
        with self.lock:
            counts, self.statuses = self.statuses, collections.Counter()
        return ", ".join(f"{count} × {status}" for status, count in sorted(counts.items())) or "nothing"


class Llm:
    """The stand-in's control endpoint."""

    def __init__(self, address):
        self.host, self.port = ports.parse(address)

    def set(self, **settings):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("PUT", "/control", json.dumps(settings), JSON)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise ValueError(f"the stand-in LLM refuses {settings}: {text.decode(errors='replace')}")
        finally:
            connection.close()


WELL = {"fault": "none", "latency_ms": 120, "jitter_ms": 160, "probability": 1, "times": -1, "retry_after": ""}
# Each ends after so many faulty answers: so few that no alert fires, enough to be seen.
MOODS = (
    (15, WELL, None),
    (15, {**WELL, "fault": "500", "times": 2}, "answers 500 twice"),
    (60, WELL, None),
    (20, {**WELL, "latency_ms": 1500, "jitter_ms": 1000}, "is slow: 1.5 to 2.5 s an answer"),
    (60, WELL, None),
    (20, {**WELL, "fault": "429", "retry_after": "1", "times": 2}, "has had enough: 429 twice, with Retry-After: 1"),
    (60, WELL, None),
    (20, {**WELL, "fault": "wrong_schema", "times": 3}, "answers three questions with JSON of another form"),
    (60, WELL, None),
    (20, {**WELL, "fault": "down", "times": 2}, "closes two connections without a word"),
)


def have_moods(llm):
    while True:
        for seconds, settings, what in MOODS:
            if what:
                say(f"The LLM {what}.")
            llm.set(**settings)
            time.sleep(seconds)


def have_incident(llm):
    """The LLM breaks once, for some minutes, and is mended again."""
    after_s = float(os.environ.get("INCIDENT_AFTER_S") or 30)
    length_s = float(os.environ.get("INCIDENT_S") or 180)
    llm.set(**WELL)
    say(f"All is well. The incident begins in {after_s:.0f} s.")
    time.sleep(after_s)
    llm.set(fault="500")
    say(f"INCIDENT: from now on the LLM answers 500 to everything, for {length_s:.0f} s.")
    time.sleep(length_s)
    llm.set(**WELL)
    say("MENDED: the LLM answers again. The alerts resolve once their windows have passed.")


def in_background(function, *arguments):
    """A fault in it ends the program: half a load would tell half the truth."""

    def run():
        try:
            function(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            say(f"{type(error).__name__}: {error}")
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()


def work(public, waiting):
    while True:
        public.ask(*waiting.get())


def report(public):
    while True:
        time.sleep(60)
        say(f"Answered in the last minute: {public.summary()}.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--service", required=True)
    parser.add_argument("--llm", required=True)
    parser.add_argument("--incident", action="store_true")
    arguments = parser.parse_args()
    rate = float(os.environ.get("TRAFFIC_RATE") or 2)
    if not 0 < rate <= RATE_MAX:
        sys.exit(f"TRAFFIC_RATE must be above 0 and at most {RATE_MAX} requests a second.")
    rng = random.Random(1)
    public, llm = Public(arguments.service, rng), Llm(arguments.llm)
    public.look_round()
    in_background(have_incident if arguments.incident else have_moods, llm)
    in_background(report, public)
    waiting = queue.Queue(maxsize=WORKERS)
    for _ in range(WORKERS):
        in_background(work, public, waiting)
    say(f"Sending {rate:g} requests a second.")
    while True:
        try:
            waiting.put_nowait(public.choose())
        except queue.Full:
            pass  # every worker waits for an answer, and as many requests wait for a worker
        time.sleep(min(rng.expovariate(rate), 10 / rate))


if __name__ == "__main__":
    main()
