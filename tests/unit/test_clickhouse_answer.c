// What ClickHouse's answers mean: recorded ones of 18.16 and 26.7, and what stands in between.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/clickhouse_answer.h"

#define OURS "X-ClickHouse-Server-Display-Name: vm"
#define TAG "X-ClickHouse-Exception-Tag: rnywyenbzmcgtfnr"

struct given {
    long status;
    const char *headers[4];
    const char *body;
    unsigned code;
    enum spy__verdict_kind kind;
    const char *reason, *text; // what the text begins with
    unsigned after_ms;
};

static struct spy__answer answer_of(const struct given *g)
{
    struct spy__answer answer = { .status = g->status, .headers = g->headers, .body = g->body };
    while (answer.header_count < 4 && g->headers[answer.header_count]) {
        answer.header_count++;
    }
    answer.body_bytes = g->body ? strlen(g->body) : 0;
    return answer;
}

static void check(const struct given *g)
{
    struct spy__answer answer = answer_of(g);
    struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(&answer, false);
    struct spy__verdict verdict = spy__clickhouse_verdict(&outcome, &answer);
    assert_int_equal(outcome.code, g->code);
    assert_int_equal(verdict.kind, g->kind);
    assert_string_equal(verdict.reason, g->reason);
    assert_int_equal(verdict.after_ms, g->after_ms);
    if (g->text) {
        assert_int_equal(strncmp(verdict.text, g->text, strlen(g->text)), 0);
    }
}

static void inserts(void **state)
{
    (void)state;
    static const struct given cases[] = {
        // done
        { 200, { OURS }, "", 0, SPY__SENT, "", "", 0 },
        { 200,
          { "x-clickhouse-summary: {\"written_rows\":\"3\"}", TAG },
          NULL,
          0,
          SPY__SENT,
          "",
          "",
          0 },
        // first way: the status. 18.16, then 26.7
        { 400,
          { OURS },
          "Code: 26, e.displayText() = DB::Exception: Cannot parse JSON string: expected opening "
          "quote: (at row 2)\n, e.what() = DB::Exception\n",
          26,
          SPY__SPLIT,
          "bad_row",
          "Code: 26, e.displayText() = DB::Exception: Cannot parse",
          0 },
        { 404,
          { OURS },
          "Code: 60, e.displayText() = DB::Exception: Table default.nope doesn't exist., e.what() "
          "= DB::Exception\n",
          60,
          SPY__RETRY,
          "refused",
          "Code: 60",
          10000 },
        { 404,
          { OURS },
          "Code: 115, e.displayText() = DB::Exception: Unknown setting async_insert, e.what() = "
          "DB::Exception\n",
          115,
          SPY__RETRY,
          "refused",
          NULL,
          10000 },
        { 500,
          { OURS },
          "Code: 252, e.displayText() = DB::Exception: Too many parts (300). Merges are processing "
          "significantly slower than inserts., e.what() = DB::Exception\n",
          252,
          SPY__RETRY,
          "trouble",
          NULL,
          5000 },
        { 500,
          { OURS, "X-ClickHouse-Exception-Code: 241" },
          "Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED) "
          "(version 26.7.2.1)\n",
          241,
          SPY__RETRY,
          "trouble",
          NULL,
          0 },
        { 403,
          { OURS, "X-ClickHouse-Exception-Code: 516" },
          "Code: 516. DB::Exception: default: Authentication failed",
          516,
          SPY__RETRY,
          "refused",
          NULL,
          10000 },
        { 400,
          { OURS, "X-ClickHouse-Exception-Code: 117" },
          "Code: 117. DB::Exception: Cannot insert data into JSON column",
          117,
          SPY__SPLIT,
          "bad_row",
          NULL,
          0 },
        { 400,
          { OURS },
          "Code: 9999. DB::Exception: new in some version",
          9999,
          SPY__SPLIT,
          "bad_row",
          NULL,
          0 },
        { 500,
          { OURS },
          "Code: 9999. DB::Exception: new in some version",
          9999,
          SPY__RETRY,
          "trouble",
          NULL,
          0 },
        { 500,
          { OURS },
          "Code: 319. DB::Exception: Unknown status, client must retry.",
          319,
          SPY__RETRY,
          "trouble",
          NULL,
          0 },
        // from what stands between
        { 502,
          { "Server: nginx" },
          "<html>Bad Gateway</html>",
          0,
          SPY__RETRY,
          "trouble",
          "<html>",
          0 },
        { 503, { "retry-after:  7" }, "", 0, SPY__RETRY, "trouble", "", 7000 },
        { 429, { "Retry-After: 99999999" }, "", 0, SPY__RETRY, "trouble", "", 0 },
        { 429, { "Retry-After: 86400" }, "", 0, SPY__RETRY, "trouble", "", 3600000 },
        { 429,
          { "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT" },
          "",
          0,
          SPY__RETRY,
          "trouble",
          "",
          0 },
        { 413, { "Server: nginx" }, "too large", 0, SPY__SPLIT, "bad_row", NULL, 0 },
        { 401, { "Server: nginx" }, "", 0, SPY__RETRY, "refused", "", 10000 },
        { 404, { "Server: nginx" }, "", 0, SPY__RETRY, "refused", "", 10000 },
        { 302, { "Location: /login" }, "", 0, SPY__RETRY, "trouble", "", 0 },
        { 200,
          { "Server: portal" },
          "",
          0,
          SPY__RETRY,
          "trouble",
          "the answer does not come from ClickHouse",
          0 },
        { 200,
          { "Server: portal" },
          "<html>please log in",
          0,
          SPY__RETRY,
          "trouble",
          "the answer does not",
          0 },
        { 200,
          { OURS },
          "garbage",
          0,
          SPY__RETRY,
          "trouble",
          "the answer to an insert has a body",
          0 },
        // second way: the header
        { 200, { OURS, "X-ClickHouse-Exception-Code: 27" }, "", 27, SPY__SPLIT, "bad_row", "", 0 },
        { 200, { OURS, "x-clickhouse-exception-code: 0" }, "", 0, SPY__SENT, "", "", 0 },
        // third way: in the body, behind a tag or not
        { 200,
          { OURS, TAG },
          "\r\n__exception__\r\nrnywyenbzmcgtfnr\r\nCode: 395. DB::Exception: Value passed to "
          "'throwIf' function is non-zero\r\n71 rnywyenbzmcgtfnr\r\n__exception__\r\n",
          395,
          SPY__RETRY,
          "trouble",
          "Code: 395. DB::Exception",
          0 },
        { 200,
          { OURS, TAG },
          "\n__exception__rnywyenbzmcgtfnr\nCode: 117. DB::Exception: bad\n29 "
          "rnywyenbzmcgtfnr__exception__\n",
          117,
          SPY__SPLIT,
          "bad_row",
          "Code: 117. DB::Exception: bad",
          0 },
        { 200,
          { OURS },
          "__exception__\r\nCode: 117. DB::Exception: bad",
          117,
          SPY__SPLIT,
          "bad_row",
          "Code: 117",
          0 },
        { 200,
          { OURS, TAG },
          "__exception__\r\nrnywyenbz",
          0,
          SPY__RETRY,
          "trouble",
          "rnywyenbz",
          0 },
        { 200, { OURS, TAG }, "__exception__", 0, SPY__RETRY, "trouble", "", 0 },
        { 200,
          { OURS },
          "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)",
          252,
          SPY__RETRY,
          "trouble",
          "Code: 252",
          5000 },
        // no answer
        { 0, { NULL }, NULL, 0, SPY__RETRY, "no_answer", "no answer", 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(&cases[i]);
    }
}

static void what_is_said_is_one_printable_line(void **state)
{
    (void)state;
    char body[1000];
    memset(body, 'x', sizeof(body));
    memcpy(body, "Code: 26. DB::Exception: a\r\n\x1b[31m\xff\xc3\xa9 ", 37);
    const char *headers[] = { OURS };
    struct spy__answer answer = { 400, headers, 1, body, sizeof(body), NULL };
    struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(&answer, false);
    struct spy__verdict verdict = spy__clickhouse_verdict(&outcome, &answer);
    assert_int_equal(strlen(verdict.text), SPY__REASON_MAX - 1);
    assert_int_equal(strncmp(verdict.text, "Code: 26. DB::Exception: a   [31m \xc3\xa9 xx", 37), 0);
}

static void what_was_read(void **state)
{
    (void)state;
    const char *headers[] = { OURS };
    struct spy__answer answer = { 200, headers, 1, "26.7.2.1\n", 9, NULL };
    assert_int_equal(spy__clickhouse_outcome(&answer, true).class, SPY__CLICKHOUSE_FINE);
    answer.headers = NULL, answer.header_count = 0;
    assert_int_equal(spy__clickhouse_outcome(&answer, true).class, SPY__CLICKHOUSE_TROUBLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts),
        cmocka_unit_test(what_is_said_is_one_printable_line),
        cmocka_unit_test(what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
