"""What came with a request goes on to whom its handler calls: header by header, over real sockets."""

import http.server
import json
import os
import threading
import unittest

from service import Service

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"traceparent: 00-{TRACE}-{PARENT}-01"


class Callee(http.server.ThreadingHTTPServer):
    """Keeps the headers of each call."""

    def __init__(self):
        callee = self
        self.calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                callee.calls.append((self.path, self.headers, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Propagation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service, cls.callee = Service(os.environ["RELAY"], 0, "127.0.0.1:0"), Callee()

    @classmethod
    def tearDownClass(cls):
        code = cls.service.stop()
        cls.callee.shutdown()
        cls.callee.server_close()
        if code != 0:
            raise AssertionError(f"the service ended with {code}: {cls.service.said}")

    def relay(self, *headers, calls=1):
        """Asks the relay to call as often; returns the headers of each call and the relay's answer."""
        self.callee.calls.clear()
        wanted = [{"url": self.callee.url(f"/{i}"), "arguments": [i]} for i in range(calls)]
        answer = self.service.ask("/relay", method="POST", headers=headers, body=json.dumps(wanted))
        self.assertEqual(answer.status, 200)
        self.assertEqual([(path, body) for path, _, body in self.callee.calls], [(f"/{i}", [i]) for i in range(calls)])
        return [headers for _, headers, _ in self.callee.calls], answer

    def relay_once(self, *headers):
        (sent,), _ = self.relay(*headers)
        return sent

    def check_trace(self, sent, trace):
        version, out_trace, parent, flags = sent["traceparent"].split("-")
        self.assertEqual(len(sent.get_all("traceparent")), 1)
        self.assertEqual((version, len(out_trace), len(parent), len(flags)), ("00", 32, 16, 2))
        self.assertNotEqual(parent, PARENT)
        if trace:
            self.assertEqual(out_trace, trace)
        else:
            self.assertNotEqual(out_trace, TRACE)
        self.assertEqual(sent["sentry-trace"].split("-")[:2], [out_trace, parent])

    def test_each_call_has_a_span_of_its_own_in_one_trace(self):
        sent, answer = self.relay(GOOD, "X-Correlation-ID: c-7", calls=3)
        for headers in sent:
            self.check_trace(headers, TRACE)
            self.assertEqual(headers["X-Correlation-ID"], "c-7")
        self.assertEqual(len({headers["traceparent"] for headers in sent}), 3)
        self.assertEqual(answer.id, "c-7")

    def test_without_a_caller_s_trace_one_begins(self):
        sent, answer = self.relay(calls=2)
        for headers in sent:
            self.check_trace(headers, None)
            self.assertEqual(headers["X-Correlation-ID"], answer.id)
            self.assertIsNone(headers["tracestate"])
            self.assertIsNone(headers["baggage"])
        self.assertEqual(len({headers["traceparent"][3:35] for headers in sent}), 1)

    def test_header_names_have_no_case(self):
        sent = self.relay_once(GOOD.replace("traceparent", "TrAcEpArEnT"), "TRACESTATE: a=1", "Baggage: b=2")
        self.check_trace(sent, TRACE)
        self.assertEqual((sent["tracestate"], sent["baggage"]), ("a=1", "b=2"))

    def test_a_traceparent_that_comes_twice_is_none(self):
        for second in (GOOD, GOOD.replace("-01", "-00")):
            sent = self.relay_once(GOOD, second, "tracestate: a=1", "baggage: b=2")
            self.check_trace(sent, None)
            self.assertIsNone(sent["tracestate"])
            self.assertEqual(sent["baggage"], "b=2")  # which belongs to no trace

    def test_lists_that_come_in_several_headers_are_one(self):
        sent = self.relay_once(GOOD, "tracestate: foo=1,bar=2", "tracestate: ", "TraceState: rojo=1 , congo=2",
                               "baggage: u=1;p", "tracestate: baz=3", "baggage:", "baggage: v = 2,w=%20")
        self.assertEqual(sent.get_all("tracestate"), ["foo=1,bar=2,rojo=1,congo=2,baz=3"])
        self.assertEqual(sent.get_all("baggage"), ["u=1;p,v = 2,w=%20"])

    def test_the_limits_hold_for_all_headers_together(self):
        members = [f"k{i}=v" for i in range(33)]
        self.assertEqual(self.relay_once(GOOD, *(f"tracestate: {m}" for m in members[:32]))["tracestate"],
                         ",".join(members[:32]))
        self.assertIsNone(self.relay_once(GOOD, *(f"tracestate: {m}" for m in members))["tracestate"])
        members = [f"k{i}=v" for i in range(70)]
        self.assertEqual(self.relay_once(*(f"baggage: {m}" for m in members))["baggage"], ",".join(members[:64]))

    def test_sentry_trace_counts_where_there_is_no_traceparent(self):
        sentry = f"sentry-trace: {TRACE}-{PARENT}"
        for decision, flags in (("-1", "01"), ("-0", "00"), ("", "01")):
            sent = self.relay_once(sentry + decision)
            self.check_trace(sent, TRACE)
            self.assertEqual(sent["traceparent"][-2:], flags)
            self.assertEqual(sent["sentry-trace"][49:], decision)
        other = GOOD.replace(TRACE, "4bf92f3577b34da6a3ce929d0e0e4736")
        self.check_trace(self.relay_once(other, sentry + "-1"), "4bf92f3577b34da6a3ce929d0e0e4736")
        self.check_trace(self.relay_once(sentry + "-1", sentry + "-1"), None)

    def test_what_is_malformed_goes_nowhere(self):
        sent = self.relay_once(GOOD, "tracestate: a=1,B=2", 'baggage: ok=1,bad="x",\xff=2')
        self.check_trace(sent, TRACE)
        self.assertIsNone(sent["tracestate"])
        self.assertEqual(sent["baggage"], "ok=1")

    def test_eight_at_once_are_not_mixed_up(self):
        failures = []

        def work(worker):
            for i in range(20):
                name = f"w{worker}-{i}"
                trace = f"{worker + 1:016x}{i + 1:016x}"
                body = json.dumps([{"url": self.callee.url(f"/{name}"), "arguments": name}])
                self.service.ask("/relay", method="POST", body=body,
                                 headers=(f"traceparent: 00-{trace}-{PARENT}-01", f"tracestate: s={name}",
                                          f"baggage: b={name}", f"X-Correlation-ID: {name}"))
                calls = [headers for path, headers, _ in list(self.callee.calls) if path == f"/{name}"]
                got = [(h["traceparent"][3:35], h["tracestate"], h["baggage"], h["X-Correlation-ID"]) for h in calls]
                if got != [(trace, f"s={name}", f"b={name}", name)]:
                    failures.append((name, got))

        self.callee.calls.clear()
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
