// The Sentry backend: what goes out for a document, and what an answer means for it and the report.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "backends/sentry.h"
#include "base/clock.h"

#define S UINT64_C(1000000000)

static struct spy__fake_clock now;
static struct spy__sentry_limits limits;
static struct spy__sentry_report report = { .mu = PTHREAD_MUTEX_INITIALIZER };
static struct spy__sentry *sentry;
static uint64_t totals[SPY__DOCUMENT_TOTALS];
static unsigned changes;

// The document under way, as the lane has it.
static _Alignas(8) char bytes[4096];
static struct spy__bytes record = { bytes, 0 };
static struct spy__delivery delivery = { .records = &record, .count = 1 };
static struct spy__request request;
static struct spy__buf body;

static void note_change(void)
{
    changes++;
}

static int set_up(void **state)
{
    (void)state;
    const char *why;
    now = (struct spy__fake_clock){ 1000 * S, 1767323045678901000 };
    spy__clock_fake(&now);
    memset(&limits, 0, sizeof(limits));
    memset(totals, 0, sizeof(totals));
    spy__sentry_report_reset(&report);
    spy__buf_init(&body, 1u << 20);
    changes = 0;
    return spy__sentry_new(
        &sentry,
        &(struct spy__sentry_options){ .dsn = "https://pub1ic:s3cret@sentry.example.com/path/42",
                                       .limits = &limits,
                                       .report = &report,
                                       .overflow = SPY__SENTRY_CACHE_OVERFLOW,
                                       .changed = note_change },
        &why);
}

static int tear_down(void **state)
{
    (void)state;
    spy__sentry_free(sentry);
    spy__buf_done(&body);
    spy__clock_fake(NULL);
    return 0;
}

static void put(struct spy__document document)
{
    memcpy(document.totals, totals, sizeof(totals));
    record.n = spy__document_write(bytes, sizeof(bytes), &document);
    assert_int_not_equal(record.n, 0);
    for (size_t i = 0; i < document.item_count; i++) {
        spy__sentry_count_item(totals, &document.items[i]);
    }
}

static void put_event(void)
{
    put((struct spy__document){ .event_hi = 0x00112233445566ff,
                                .event_lo = 0x8899aabbccddeeff,
                                .trace = "{\"trace_id\":\"1\",\"public_key\":\"k\"}",
                                .trace_n = 33,
                                .items = { { "event", 0, "{\"message\":\n1}", 14 } },
                                .item_count = 1 });
}

static void put_transaction(void)
{
    put((struct spy__document){
        .event_lo = 1,
        .items = { { "transaction", 2, "{\"spans\":[]}", 12 }, { "profile", 0, "{}", 2 } },
        .item_count = 2 });
}

// What the lane does for a try; true: it is to be sent.
static bool try(struct spy__verdict *ret)
{
    if (spy__sentry_pass_over(sentry, &delivery, ret)) {
        return false;
    }
    assert_int_equal(spy__sentry_encode(sentry, &delivery, &body, &request), 1);
    spy__buf_putc(&body, '\0');
    return true;
}

static struct spy__verdict answer(long status, const char *header)
{
    const char *const headers[] = { header };
    const struct spy__answer answer = { .status = status,
                                        .headers = headers,
                                        .header_count = header ? 1 : 0,
                                        .body = "{\"detail\":\"because\"}",
                                        .body_bytes = status ? 20 : 0,
                                        .error = status ? NULL : "connection refused" };
    return spy__sentry_judge(sentry, &answer);
}

static struct spy__verdict send(long status, const char *header)
{
    struct spy__verdict verdict;
    assert_true(try(&verdict));
    return answer(status, header);
}

static uint64_t lost(enum spy__sentry_reason reason, enum spy__sentry_category category)
{
    return report.lost.of[reason][category];
}

static uint64_t lost_ever(void)
{
    uint64_t n = 0;
    for (int i = 0; i < SPY__SENTRY_REASONS; i++) {
        for (int j = 0; j < SPY__SENTRY_CATEGORIES; j++) {
            n += report.lost.of[i][j];
        }
    }
    return n;
}

static void an_envelope_and_its_request(void **state)
{
    (void)state;
    struct spy__verdict verdict;
    put_event();
    assert_true(try(&verdict));
    assert_string_equal(body.bytes,
                        "{\"event_id\":\"00112233445566ff8899aabbccddeeff\",\"sent_at\":\"2026-01-"
                        "02T03:04:05.678901Z\","
                        "\"sdk\":{\"name\":\"spyglass\",\"version\":\"" SPYGLASS_VERSION "\"},"
                        "\"trace\":{\"trace_id\":\"1\",\"public_key\":\"k\"}}\n"
                        "{\"type\":\"event\",\"length\":14}\n"
                        "{\"message\":\n1}\n");
    assert_string_equal(request.path, "/path/api/42/envelope/");
    assert_int_equal(request.encoding, SPY__ENCODING_GZIP);
    assert_int_equal(request.header_count, 3);
    assert_string_equal(
        request.headers[0],
        "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=spyglass/" SPYGLASS_VERSION
        ", sentry_key=pub1ic, sentry_secret=s3cret");
    assert_string_equal(request.headers[1], "Content-Type: application/x-sentry-envelope");
    assert_string_equal(request.headers[2], "User-Agent: spyglass/" SPYGLASS_VERSION);
    assert_string_equal(spy__sentry_base(sentry), "https://sentry.example.com:443");
    assert_null(strstr(body.bytes, "pub1ic"));
    now.realtime_ns += 1000 * S;
    assert_int_equal(answer(0, NULL).kind, SPY__RETRY);
    assert_true(try(&verdict));
    assert_non_null(strstr(body.bytes, "\"sent_at\":\"2026-01-02T03:20:45.678901Z\""));
    assert_int_equal(answer(200, NULL).kind, SPY__SENT);
    assert_int_equal(lost_ever(), 0);
}

static void a_transaction_goes_with_its_profile(void **state)
{
    (void)state;
    struct spy__verdict verdict;
    put_transaction();
    assert_true(try(&verdict));
    assert_non_null(strstr(body.bytes, "{\"type\":\"transaction\",\"length\":12}\n{\"spans\":[]}\n"
                                       "{\"type\":\"profile\",\"length\":2}\n{}\n"));
    assert_null(strstr(body.bytes, "\"trace\":"));
    assert_int_equal(answer(200, NULL).kind, SPY__SENT);
}

static void what_an_answer_means(void **state)
{
    (void)state;
    static const struct {
        long status;
        enum spy__verdict_kind kind;
        const char *reason;
        bool counted;
    } cases[] = {
        { 200, SPY__SENT, "", false },         { 202, SPY__SENT, "", false },
        { 302, SPY__DROP, "refused", true },   { 400, SPY__DROP, "refused", true },
        { 403, SPY__DROP, "refused", true },   { 413, SPY__DROP, "too_large", true },
        { 500, SPY__RETRY, "trouble", false }, { 503, SPY__RETRY, "trouble", false },
        { 0, SPY__RETRY, "no_answer", false }, { 429, SPY__DROP, "ratelimit_backoff", false },
    };
    uint64_t counted = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_event();
        struct spy__verdict verdict = send(cases[i].status, NULL);
        counted += cases[i].counted;
        assert_int_equal(verdict.kind, cases[i].kind);
        assert_string_equal(verdict.reason, cases[i].reason);
        if (verdict.kind != SPY__SENT) {
            assert_string_equal(verdict.text, cases[i].status ? "{\"detail\":\"because\"}"
                                                              : "connection refused");
        }
        if (verdict.kind == SPY__RETRY) {
            assert_int_equal(send(200, NULL).kind, SPY__SENT);
        }
        assert_int_equal(lost(SPY__SENTRY_SEND_ERROR, SPY__SENTRY_ERROR), counted);
    }
    assert_int_equal(lost_ever(), counted);
    now.monotonic_ns += 61 * S; // the 429 above was for a minute
    put_transaction();
    assert_string_equal(send(400, "X-Sentry-Error: no such project").text, "no such project");
    assert_int_equal(lost(SPY__SENTRY_SEND_ERROR, SPY__SENTRY_TRANSACTION), 1);
    assert_int_equal(lost(SPY__SENTRY_SEND_ERROR, SPY__SENTRY_SPAN), 3);
    assert_int_equal(lost(SPY__SENTRY_SEND_ERROR, SPY__SENTRY_PROFILE), 1);
}

static void what_is_limited_is_not_sent(void **state)
{
    (void)state;
    struct spy__verdict verdict;
    put_event();
    assert_int_equal(send(200, "X-Sentry-Rate-Limits: 10:error;profile:organization").kind,
                     SPY__SENT);
    put_event();
    assert_false(try(&verdict));
    assert_int_equal(verdict.kind, SPY__DROP);
    assert_string_equal(verdict.reason, "ratelimit_backoff");
    assert_int_equal(lost(SPY__SENTRY_RATELIMIT_BACKOFF, SPY__SENTRY_ERROR), 1);
    // A transaction goes without its profile, which is counted once, whatever becomes of the tries.
    put_transaction();
    assert_int_equal(send(503, NULL).kind, SPY__RETRY);
    assert_null(strstr(body.bytes, "profile"));
    assert_int_equal(send(200, NULL).kind, SPY__SENT);
    assert_int_equal(lost(SPY__SENTRY_RATELIMIT_BACKOFF, SPY__SENTRY_PROFILE), 1);
    now.monotonic_ns += 10 * S;
    put_event();
    assert_int_equal(send(429, "X-Sentry-Rate-Limits: 10:transaction:organization").kind,
                     SPY__DROP);
    put_transaction(); // goes with it
    assert_false(try(&verdict));
    assert_int_equal(lost(SPY__SENTRY_RATELIMIT_BACKOFF, SPY__SENTRY_TRANSACTION), 1);
    assert_int_equal(lost(SPY__SENTRY_RATELIMIT_BACKOFF, SPY__SENTRY_SPAN), 3);
    assert_int_equal(lost(SPY__SENTRY_RATELIMIT_BACKOFF, SPY__SENTRY_PROFILE), 2);
    assert_int_equal(lost_ever(), 1 + 1 + 1 + 3 + 1);
}

static void a_document_that_the_server_always_fails_on_is_given_up(void **state)
{
    (void)state;
    put_event();
    assert_int_equal(send(500, NULL).kind, SPY__RETRY);
    now.monotonic_ns += SPY__SENTRY_TROUBLE_S * S - 1;
    assert_int_equal(send(0, NULL).kind, SPY__RETRY); // the network is no reason
    assert_int_equal(send(500, NULL).kind, SPY__RETRY);
    now.monotonic_ns += 1;
    assert_int_equal(send(500, NULL).kind, SPY__DROP);
    assert_int_equal(lost(SPY__SENTRY_SEND_ERROR, SPY__SENTRY_ERROR), 1);
    put_event();
    assert_int_equal(send(500, NULL).kind, SPY__RETRY); // it begins anew
}

static void one_that_was_settled_is_not_sent_again(void **state)
{
    (void)state;
    struct spy__verdict verdict;
    put_event();
    assert_int_equal(send(200, NULL).kind, SPY__SENT);
    assert_true(changes > 0);
    assert_false(try(&verdict)); // as after a crash before the cursor moved
    assert_int_equal(verdict.kind, SPY__SENT);
    spy__sentry_count_item(totals, &(struct spy__document_item){ "event", 0, "", 0 }); // lost
    put_event();
    assert_true(try(&verdict));
    assert_int_equal(lost(SPY__SENTRY_CACHE_OVERFLOW, SPY__SENTRY_ERROR), 1);
}

// What the journal loses while the server gives no answer is lost to the network.
static void lost_behind_one_that_had_no_answer(void **state)
{
    (void)state;
    static const struct spy__document_item missing = { "event", 0, "", 0 };
    struct spy__verdict verdict;
    put_event();
    assert_int_equal(send(0, NULL).kind, SPY__RETRY);
    assert_int_equal(send(200, NULL).kind, SPY__SENT);
    spy__sentry_count_item(totals, &missing);
    put_event();
    assert_int_equal(send(503, NULL).kind, SPY__RETRY); // here there was one
    assert_int_equal(lost(SPY__SENTRY_NETWORK_ERROR, SPY__SENTRY_ERROR), 1);
    assert_int_equal(send(200, NULL).kind, SPY__SENT);
    spy__sentry_count_item(totals, &missing);
    put_event();
    assert_true(try(&verdict));
    assert_int_equal(lost(SPY__SENTRY_NETWORK_ERROR, SPY__SENTRY_ERROR), 1);
    assert_int_equal(lost(SPY__SENTRY_CACHE_OVERFLOW, SPY__SENTRY_ERROR), 1);
}

static struct spy__verdict answer_report(long status, const char *header)
{
    const char *const headers[] = { header };
    const struct spy__answer answer = { .status = status,
                                        .headers = headers,
                                        .header_count = header ? 1 : 0,
                                        .error = status ? NULL : "" };
    return spy__sentry_prepared(sentry, &answer);
}

static void a_report_goes_alone(void **state)
{
    (void)state;
    assert_int_equal(spy__sentry_due_ns(sentry, true), UINT64_MAX);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), 0);
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 3);
    assert_int_equal(spy__sentry_due_ns(sentry, false), now.monotonic_ns + 30 * S);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), 1);
    spy__buf_putc(&body, '\0');
    assert_string_equal(body.bytes,
                        "{\"sent_at\":\"2026-01-02T03:04:05.678901Z\",\"sdk\":{\"name\":"
                        "\"spyglass\",\"version\":\"" SPYGLASS_VERSION
                        "\"}}\n{\"type\":\"client_report\",\"length\":121}\n"
                        "{\"timestamp\":\"2026-01-02T03:04:05.678901Z\",\"discarded_events\":["
                        "{\"reason\":\"before_send\",\"category\":\"error\",\"quantity\":3}]}\n");
    assert_string_equal(request.path, "/path/api/42/envelope/");
    assert_int_equal(answer_report(0, NULL).kind, SPY__RETRY);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), 1);
    assert_int_equal(answer_report(429, "X-Sentry-Rate-Limits: 1:error").kind, SPY__SENT);
    assert_int_equal(spy__sentry_due_ns(sentry, true), now.monotonic_ns + 60 * S); // not at once
    now.monotonic_ns += 60 * S;
    assert_int_equal(spy__sentry_due_ns(sentry, true), now.monotonic_ns);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), 1);
    assert_int_equal(answer_report(200, NULL).kind, SPY__SENT);
    assert_int_equal(spy__sentry_due_ns(sentry, true), UINT64_MAX);
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 1);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), 1);
    assert_int_equal(answer_report(400, NULL).kind, SPY__SENT); // it has no use for it
    assert_int_equal(lost_ever(), 0);
}

static void what_is_no_document_is_not_sent(void **state)
{
    (void)state;
    struct spy__verdict verdict;
    memset(bytes, 0, sizeof(bytes));
    record.n = 100;
    assert_false(spy__sentry_pass_over(sentry, &delivery, &verdict));
    assert_int_equal(spy__sentry_encode(sentry, &delivery, &body, &request), 0);
}

static void without_memory(void **state)
{
    (void)state;
    const struct spy__sentry_options options = { .dsn = "http://k@h/1",
                                                 .limits = &limits,
                                                 .report = &report };
    struct spy__sentry *another = NULL;
    const char *why;
    alloc_fail_after(0);
    assert_int_equal(spy__sentry_new(&another, &options, &why), -ENOMEM);
    alloc_fail_never();
    put_event();
    struct spy__verdict verdict;
    assert_false(spy__sentry_pass_over(sentry, &delivery, &verdict));
    alloc_fail_after(0);
    assert_int_equal(spy__sentry_encode(sentry, &delivery, &body, &request), -ENOMEM);
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 1);
    assert_int_equal(spy__sentry_prepare(sentry, &request, &body), -ENOMEM);
    alloc_fail_never();
    spy__sentry_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_envelope_and_its_request),
        TEST(a_transaction_goes_with_its_profile),
        TEST(what_an_answer_means),
        TEST(what_is_limited_is_not_sent),
        TEST(a_document_that_the_server_always_fails_on_is_given_up),
        TEST(lost_behind_one_that_had_no_answer),
        TEST(one_that_was_settled_is_not_sent_again),
        TEST(a_report_goes_alone),
        TEST(what_is_no_document_is_not_sent),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
