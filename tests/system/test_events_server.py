"""The embedded event store, as our backend, Grafana and curl use it: every answer is ClickHouse's engine's own."""

import gzip
import json
import os
import re
import subprocess
import unittest

import event_store
from event_store import EventStore
from service import ROOT

TABLE = "CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
INSERT = "INSERT INTO t FORMAT JSONEachRow"


def rows(*numbers):
    return "".join(f'{{"a":{n},"b":"row {n}"}}\n' for n in numbers)


@unittest.skipIf(event_store.missing(), event_store.missing())
class Interface(unittest.TestCase):
    def test_the_documents_lines_work(self):
        with open(os.path.join(ROOT, "docs/event-store.md"), encoding="utf-8") as file:
            script, printed = re.search(r"## Asking it.*?```sh\n(.*?)```.*?```text\n(.*?)```", file.read(), re.DOTALL).groups()
        self.store.ask("DROP TABLE IF EXISTS seen")
        done = subprocess.run(["bash", "-euc", script.replace("127.0.0.1:8123", self.store.url).replace("curl ", "curl -sSf --noproxy '*' ")],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, printed, ""))

    @classmethod
    def setUpClass(cls):
        cls.store = EventStore()
        cls.addClassCleanup(cls.store.close)

    def setUp(self):
        self.store.ask("DROP TABLE IF EXISTS t")
        self.store.ask(TABLE)

    def count(self):
        return int(self.store.ask("SELECT count() FROM t"))

    def assert_error(self, answer, status, code, text):
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)
        self.assertRegex(answer.text, rf"^Code: {code}\. DB::Exception: ")
        self.assertIn(text, answer.text)

    def test_it_is_there(self):
        for path in ("/ping", "/"):
            answer = self.store.call(method="GET", path=path)
            self.assertEqual((answer.status, answer.text), (200, "Ok.\n"))
        self.assertRegex(self.store.ask("SELECT version()"), r"^26\.7\.")

    def test_the_query_is_in_the_url_or_in_the_body_or_in_both(self):
        self.assertEqual(self.store.call("SELECT 1", method="GET").text, "1\n")
        self.assertEqual(self.store.call("SELECT 1").text, "1\n")
        self.assertEqual(self.store.call(body="SELECT 1").text, "1\n")
        self.assertEqual(self.store.call("SELECT", "1 + 1").text, "2\n")
        self.assertEqual(self.store.call(body="SELECT 1;").text, "1\n")

    def test_rows_go_in_and_come_out(self):
        answer = self.store.call(INSERT, rows(1, 2))
        self.assertEqual((answer.status, answer.body, answer.summary["written_rows"]), (200, b"", "2"))
        self.assertEqual(self.store.call(body="INSERT INTO t VALUES (3, 'row 3'), (4, 'it''s')").status, 200)
        self.assertEqual(self.store.call("INSERT INTO t VALUES", "(5, 'row 5')").status, 200)
        self.assertEqual(self.store.call("INSERT INTO t VALUES (6, 'row 6')", ",(7, 'row 7')").status, 200)
        self.assertEqual(self.store.call(body="INSERT INTO t (a) FORMAT CSV\n8\n9\n").status, 200)
        self.assertEqual(self.store.call("INSERT INTO t FORMAT CSV\n11,x\n", "12,y\n").status, 200)
        self.assertEqual(self.store.call("INSERT INTO t SELECT 10, 'row 10'").status, 200)
        self.assertEqual(self.store.call(INSERT).status, 200)  # no rows
        self.assertEqual(self.store.ask("SELECT groupArray(a) FROM (SELECT a FROM t ORDER BY a)"), "[1,2,3,4,5,6,7,8,9,10,11,12]\n")
        answer = self.store.call("SELECT a FROM t WHERE a <= 3 ORDER BY a")
        self.assertEqual((answer.text, answer.summary["result_rows"]), ("1\n2\n3\n", "3"))

    def test_a_long_insert_may_be_in_the_body_with_its_data(self):
        self.assertEqual(self.store.call(body="INSERT INTO t FORMAT JSONEachRow\n" + rows(*range(100_000))).status, 200)
        self.assertEqual(self.store.call(body="INSERT INTO t VALUES" + ",".join(f"({n},'x')" for n in range(100_000, 200_000))).status, 200)
        self.assertEqual(self.store.ask("SELECT count(), uniqExact(a) FROM t"), "200000\t200000\n")

    def test_data_are_bytes(self):
        """A blank line, a semicolon, a NUL: none of it ends the data or begins a statement."""
        for text in ("a\n\nDROP TABLE t", "; DROP TABLE t;", "nul \0 byte", "\\", "'\""):
            with self.subTest(text=text):
                binary = (7).to_bytes(4, "little") + bytes([len(text)]) + text.encode()
                self.assertEqual(self.store.call("INSERT INTO t FORMAT RowBinary", binary).status, 200)
                self.assertEqual(self.store.call(INSERT, json.dumps({"a": 8, "b": text})).status, 200)
                self.assertEqual(self.store.ask("SELECT count() FROM t WHERE b = {b:String}", param_b=text.replace("\\", "\\\\")
                                                .replace("\n", "\\n").replace("\0", "\\0")), "2\n")
        self.assertEqual(self.store.call("INSERT INTO t FORMAT CSV", '1,"x\n\n2,y"\n').status, 200)
        self.assertEqual(self.count(), 11)

    def test_encodings_of_bodies(self):
        self.assertEqual(self.store.call(INSERT, gzip.compress(rows(1, 2).encode()), headers={"Content-Encoding": "gzip"}).status, 200)
        two = gzip.compress(rows(3).encode()) + gzip.compress(rows(4).encode())
        self.assertEqual(self.store.call(INSERT, two, headers={"Content-Encoding": "gzip"}).status, 200)
        zstd = subprocess.run(["zstd", "-qc"], input=rows(5, 6).encode(), capture_output=True, check=True).stdout
        self.assertEqual(self.store.call(INSERT, zstd, headers={"Content-Encoding": "zstd"}).status, 200)
        self.assertEqual(self.count(), 6)
        for coding, body in (("gzip", two[:-9]), ("gzip", b"plain"), ("zstd", zstd[:-3]), ("zstd", b"plain")):
            with self.subTest(coding=coding):
                self.assert_error(self.store.call(INSERT, body, headers={"Content-Encoding": coding}), 400, 271, "not encoded")
        self.assert_error(self.store.call(INSERT, b"x", headers={"Content-Encoding": "br"}), 501, 48, "Content-Encoding")
        self.assertEqual(self.count(), 6)

    def test_encodings_of_answers(self):
        query, plain = "SELECT number FROM numbers(1000)", "".join(f"{n}\n" for n in range(1000)).encode()
        for accepted, coding, decode in (("gzip", "gzip", gzip.decompress), ("gzip, deflate, br, zstd", "zstd", unzstd),
                                         ("zstd;q=0, gzip;q=0.5", "gzip", gzip.decompress), ("br", None, bytes)):
            with self.subTest(accepted=accepted):
                answer = self.store.call(query, headers={"Accept-Encoding": accepted}, enable_http_compression=1)
                self.assertEqual(answer.headers["Content-Encoding"], coding)
                self.assertEqual(decode(answer.body), plain)
        answer = self.store.call(query, headers={"Accept-Encoding": "gzip"})
        self.assertEqual((answer.headers["Content-Encoding"], answer.body), (None, plain))

    def test_formats(self):
        for answer, name, content_type, start in (
                (self.store.call("SELECT 1 AS x"), "TabSeparated", "text/tab-separated-values; charset=UTF-8", "1\n"),
                (self.store.call("SELECT 1 AS x FORMAT JSON"), "JSON", "application/json; charset=UTF-8", '{\n\t"meta":'),
                (self.store.call("SELECT 1 AS x", default_format="JSONEachRow"), "JSONEachRow", "application/x-ndjson; charset=UTF-8", '{"x":1}\n'),
                (self.store.call("SELECT 1 AS x", headers={"X-ClickHouse-Format": "CSVWithNames"}), "CSVWithNames",
                 "text/csv; charset=UTF-8; header=present", '"x"\n1\n'),
                (self.store.call("SELECT 1 AS x FORMAT CSV", default_format="JSON"), "CSV", "text/csv; charset=UTF-8; header=absent", "1\n")):
            with self.subTest(name=name):
                self.assertEqual((answer.headers["X-ClickHouse-Format"], answer.headers["Content-Type"]), (name, content_type))
                self.assertTrue(answer.text.startswith(start), answer.text)
        self.assert_error(self.store.call("SELECT 1", default_format="Nonsense"), 404, 73, "Nonsense")

    def test_native_for_a_version_of_the_protocol(self):
        """As clickhouse-go asks, which Grafana's plug-in stands on."""
        query = "SELECT 1 AS x, 'a' AS s, toDateTime('2020-01-01 00:00:00', 'UTC') AS t"
        for version, zone in ((0, ""), (54405, "('UTC')"), (54460, "('UTC')")):
            for text, params in ((query, {"default_format": "Native"}), (query + " FORMAT Native", {})):
                with self.subTest(version=version, text=text):
                    answer = self.store.call(text, client_protocol_version=version, **params)
                    self.assertEqual((answer.status, answer.headers["X-ClickHouse-Format"]), (200, "Native"), answer.body)
                    self.assertEqual(native_blocks(answer.body, version),
                                     [[("x", "UInt8", [1]), ("s", "String", ["a"]), ("t", f"DateTime{zone}", [1577836800])]])
        blocks = native_blocks(self.store.call("SELECT number AS n FROM numbers(200000) WHERE number >= {a:UInt8}", default_format="Native",
                                               client_protocol_version=54460, param_a=1, max_block_size=60000).body, 54460)
        self.assertGreater(len(blocks), 2)
        self.assertEqual([n for block in blocks for n in block[0][2]], list(range(1, 200000)))
        shown = self.store.call("SHOW TABLES", default_format="Native", client_protocol_version=54460, method="GET")
        self.assertEqual(native_blocks(shown.body, 54460), [[("name", "String", ["t"])]])
        self.assertEqual(self.store.call("INSERT INTO t VALUES (1, 'once')", default_format="Native", client_protocol_version=54460).status, 200)
        self.assertEqual(self.store.call("SELECT a FROM t FORMAT CSV", default_format="Native", client_protocol_version=54460).body, b"1\n")
        self.assert_error(self.store.call("SELECT nope", default_format="Native", client_protocol_version=54460), 404, 47, "nope")
        self.assertEqual(self.store.call("SELECT 1", client_protocol_version="x").status, 400)

    def test_query_parameters(self):
        self.assertEqual(self.store.ask("SELECT {a:UInt32} + 1, {b:String}, {c:Array(String)}", param_a=41, param_b="it's; --", param_c="['x','y']"),
                         "42\tit\\'s; --\t['x','y']\n")
        self.assertEqual(self.store.call("INSERT INTO {t:Identifier} FORMAT JSONEachRow", rows(1), param_t="t").status, 200)
        self.assertEqual(self.store.ask("SELECT count() FROM {t:Identifier}", param_t="t"), "1\n")
        self.assert_error(self.store.call("SELECT {a:UInt32}"), 500, 456, "`a` is not set")

    def test_settings_last_for_one_request(self):
        self.assertEqual(self.store.ask("SELECT getSetting('max_threads')", max_threads=1), "1\n")
        self.assertEqual(self.store.ask("SELECT getSetting('log_comment')", log_comment="it's `here`\\"), "it\\'s `here`\\\\\n")
        self.assertEqual(self.store.ask("SELECT getSetting('log_comment')"), "\n")
        self.assertEqual(self.store.call(body="SET max_threads = 1").status, 200)
        self.assertNotEqual(self.store.ask("SELECT getSetting('max_threads')", max_threads=2), "1\n")
        self.assert_error(self.store.call("SELECT 1", nonsense=1), 404, 115, "nonsense")
        self.assert_error(self.store.call("SELECT 1", **{"max_threads = 1, `x": 1}), 404, 115, "x")
        self.assertEqual(self.store.call(INSERT, rows(1), async_insert=0, wait_end_of_query=1, buffer_size=1).status, 200)

    def test_databases(self):
        self.store.ask("CREATE DATABASE IF NOT EXISTS `o'ther`")
        self.assertEqual(self.store.ask("SELECT currentDatabase()", database="o'ther"), "o\\'ther\n")
        self.assertEqual(self.store.ask("SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"}), "system\n")
        self.assertEqual(self.store.ask("SELECT currentDatabase()"), "default\n")
        self.assert_error(self.store.call("SELECT 1", database="nowhere"), 404, 81, "nowhere")

    def test_errors_have_the_engines_codes_and_words(self):
        for query, body, status, code, text in (
                ("SELECT * FROM nowhere", None, 404, 60, "(UNKNOWN_TABLE) (version 26.7."),
                ("INSERT INTO nowhere FORMAT JSONEachRow", "{}", 404, 60, "(UNKNOWN_TABLE) (version 26.7."),
                ("SELEC 1", None, 400, 62, "(SYNTAX_ERROR)"), (None, None, 400, 62, "(SYNTAX_ERROR)"), ("1 + 1", None, 400, 62, "(SYNTAX_ERROR) (version 26.7."),
                ("SELECT " + "(" * 5000 + "1" + ")" * 5000, None, 500, 306, "TOO_DEEP_RECURSION"),
                ("SELECT nope", None, 404, 47, "(UNKNOWN_IDENTIFIER)"), ("SELECT throwIf(1)", None, 500, 395, "throwIf"),
                (INSERT, '{"a":"no number","b":"x"}', 400, 27, "(at row 1)"), (INSERT, rows(1) + '{"a":', 500, 32, "EOF"),
                (INSERT, rows(1) + '{"a":2,"c":1}', 400, 117, "c"), ("INSERT INTO t FORMAT Nonsense", "x", 404, 73, "Nonsense")):
            with self.subTest(query=query, body=body):
                params = {"input_format_skip_unknown_fields": 0} if body else {}
                self.assert_error(self.store.call(query, body, **params), status, code, text)
        self.assertEqual(self.count(), 0)  # a batch with a bad row leaves nothing

    def test_a_get_reads(self):
        for query in ("DROP TABLE t", "INSERT INTO t VALUES (1, 'x')", INSERT, "CREATE TABLE u (a UInt8) ENGINE = Memory"):
            with self.subTest(query=query):
                self.assert_error(self.store.call(query, method="GET"), 500, 164, "readonly")
        self.assert_error(self.store.call("SELECT 1", method="GET", readonly=0), 500, 164, "readonly")
        self.assertEqual(self.store.call("SELECT getSetting('max_threads')", method="GET", max_threads=1).text, "1\n")
        self.assertEqual(self.count(), 0)

    def test_a_repeated_batch_counts_once(self):
        for _ in range(3):
            self.assertEqual(self.store.call(INSERT, rows(1, 2), insert_deduplication_token="batch 1").status, 200)
        self.assertEqual(self.store.call(INSERT, rows(1, 2), insert_deduplication_token="batch 2").status, 200)
        self.assertEqual(self.count(), 4)

    def test_ids(self):
        self.assertEqual(self.store.call("SELECT 1", query_id="mine").headers["X-ClickHouse-Query-Id"], "mine")
        self.assertRegex(self.store.call("SELECT 1").headers["X-ClickHouse-Query-Id"], "^[0-9a-f-]{36}$")
        self.assertEqual(self.store.call("SELECT 1", query_id="x\r\nSet-Cookie: y").status, 400)

    def test_what_is_not_offered_is_501(self):
        for answer in (self.store.call("SELECT 1", session_id="s"), self.store.call("SELECT 1", role="r"), self.store.call("SELECT 1", compress=1),
                       self.store.call(path="/play", method="GET"), self.store.call(path="/replicas_status", method="GET"),
                       self.store.call(body="x", method="PUT"), self.store.call(method="OPTIONS"), self.store.call(path="/ping", body="x"),
                       self.store.call("SELECT 1", b"--x", headers={"Content-Type": "multipart/form-data; boundary=x"}),
                       self.store.call("SELECT 1 INTO OUTFILE '/tmp/spyglass-events-no'"),
                       self.store.call("KILL QUERY WHERE 0 INTO OUTFILE '/tmp/spyglass-events-no'"),
                       self.store.call("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT LineAsString"),
                       self.store.call("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT LineAsString;"),
                       self.store.call("INSERT INTO t SELECT a, b FROM input('a UInt32, b String') FORMAT JSONEachRow", rows(1)),
                       self.store.call(body="INSERT INTO t SELECT a, b FROM input('a UInt32, b String') FORMAT JSONEachRow\n" + rows(1)),
                       self.store.call(body="insert into t from /* */ infile '/etc/passwd' format LineAsString")):
            self.assert_error(answer, 501, 48, "offered")
        for text in ("SELECT 1; SELECT 2", "INSERT INTO t FORMAT CSV\n1,x\n\nDROP TABLE t", "INSERT INTO t VALUES (1, 'x'); DROP TABLE t"):
            self.assert_error(self.store.call(body=text), 400, 62, "Multi-statements are not allowed")
        self.assertEqual(self.count(), 0)

    def test_nothing_beyond_the_data_folder(self):
        for query in ("SELECT * FROM file('/etc/passwd', LineAsString)", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
                      "SELECT * FROM remote('127.0.0.1', system.one)", "SELECT * FROM `/etc/passwd`", "SYSTEM SHUTDOWN",
                      "CREATE TABLE u (a String) ENGINE = File(LineAsString, '/etc/passwd')", "CREATE DATABASE u ENGINE = Filesystem('/etc')",
                      "CREATE TABLE u (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)", "CREATE TABLE u (a Int32) ENGINE = SQLite('/tmp/x', 't')",
                      "CREATE DICTIONARY u (k UInt64, v String) PRIMARY KEY k SOURCE(EXECUTABLE(command 'id' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)"):
            with self.subTest(query=query):
                self.assert_error(self.store.call(query), 403, 497, "Not enough privileges")

    def test_the_kernel_keeps_it_in_its_folder(self):
        if not self.store.sandboxed:
            self.skipTest("this kernel has no Landlock")
        self.assertEqual(self.store.call("SELECT file('/etc/passwd')").code, 76)  # CANNOT_OPEN_FILE
        self.assertEqual(self.store.call(f"SELECT file('{__file__}')").code, 76)
        environment = f"/proc/{self.store.process.pid}/environ"
        with open(environment, "rb") as file:
            self.assertEqual(file.read().strip(b"\0"), b"")
        self.assertNotIn("PATH", self.store.call("SELECT file('/proc/self/environ')").text)

    def test_for_programs_of_this_machine_alone(self):
        for headers in ({"Host": "example.com"}, {"Origin": "https://example.com"}, {"Origin": "null"}, {"X-Forwarded-For": "192.0.2.1"}):
            with self.subTest(headers=headers):
                self.assert_error(self.store.call("SELECT 1", headers=headers), 403, 497, "this machine")
        self.assertEqual(self.store.call("SELECT 1", headers={"Origin": "http://localhost:8000", "Host": "localhost"}).status, 200)

    def test_the_user_is_default(self):
        for headers in ({"Authorization": "Basic ZGVmYXVsdDo="}, {"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}, {}):
            self.assertEqual(self.store.call("SELECT 1", headers=headers).status, 200)
        for headers in ({"Authorization": "Basic eDp5"}, {"X-ClickHouse-User": "someone"}, {"X-ClickHouse-Key": "secret"}):
            self.assert_error(self.store.call("SELECT 1", headers=headers), 403, 516, "AUTHENTICATION_FAILED")
        self.assert_error(self.store.call("SELECT 1", user="default", password="secret"), 403, 516, "AUTHENTICATION_FAILED")


def native_blocks(data, version):
    """[[(name, type, rows)]] of Native as clickhouse-go reads it; of columns of UInt64 alone, the values."""
    at = 0

    def take(n):
        nonlocal at
        at += n
        assert at <= len(data)
        return data[at - n:at]

    def varint():
        value = shift = 0
        while True:
            byte = take(1)[0]
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    blocks = []
    while at < len(data):
        if version:
            assert take(8) == bytes([1, 0, 2, 255, 255, 255, 255, 0])
        columns, count = varint(), varint()
        blocks.append([])
        for _ in range(columns):
            name, kind = take(varint()).decode(), take(varint()).decode()
            assert version < 54454 or take(1) == b"\0"
            if kind == "String":
                values = [take(varint()).decode() for _ in range(count)]
            else:
                size = {"UInt64": 8, "UInt8": 1, "DateTime('UTC')": 4, "DateTime": 4}[kind]
                values = [int.from_bytes(take(size), "little") for _ in range(count)]
            blocks[-1].append((name, kind, values))
    return blocks


def unzstd(data):
    return subprocess.run(["zstd", "-dqc"], input=data, capture_output=True, check=True).stdout


if __name__ == "__main__":
    unittest.main()
