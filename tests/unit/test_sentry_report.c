// What was dropped, told once; and what of it outlives the process.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/sentry_report.h"
#include "base/clock.h"

#define MS UINT64_C(1000000)

static struct spy__fake_clock now = { 5000 * MS, 1767323045678901000 };
static unsigned woken;

static void wake(void *arg)
{
    (void)arg;
    woken++;
}

static struct spy__sentry_report report = { .mu = PTHREAD_MUTEX_INITIALIZER, .wake = wake };
static uint64_t given[SPY__DOCUMENT_TOTALS];

static int set_up(void **state)
{
    (void)state;
    spy__clock_fake(&now);
    spy__sentry_report_reset(&report);
    memset(given, 0, sizeof(given));
    woken = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spy__clock_fake(NULL);
    return 0;
}

// The report as text; "" for none.
static const char *written(void)
{
    static char text[8192];
    struct spy__buf out;
    spy__buf_init_fixed(&out, text, sizeof(text) - 1);
    bool some = spy__sentry_report_write(&report, &out, now.realtime_ns);
    assert_false(out.failed);
    text[some ? out.len : 0] = '\0';
    return text;
}

static void a_loss_is_told_until_it_is_taken(void **state)
{
    (void)state;
    assert_int_equal(spy__sentry_report_due_ns(&report, true), UINT64_MAX);
    assert_string_equal(written(), "");
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 2);
    spy__sentry_report_lost(&report, SPY__SENTRY_SAMPLE_RATE, SPY__SENTRY_TRANSACTION, 1);
    spy__sentry_report_lost(&report, SPY__SENTRY_SAMPLE_RATE, SPY__SENTRY_SPAN, 5);
    assert_int_equal(woken, 1);
    uint64_t due_ns = now.monotonic_ns + SPY__SENTRY_REPORT_MS * MS;
    assert_int_equal(spy__sentry_report_due_ns(&report, false), due_ns);
    assert_int_equal(spy__sentry_report_due_ns(&report, true), 0);
    static const char all[] =
        "{\"timestamp\":\"2026-01-02T03:04:05.678901Z\",\"discarded_events\":["
        "{\"reason\":\"sample_rate\",\"category\":\"transaction\",\"quantity\":1},"
        "{\"reason\":\"sample_rate\",\"category\":\"span\",\"quantity\":5},"
        "{\"reason\":\"before_send\",\"category\":\"error\",\"quantity\":2}]}";
    assert_string_equal(written(), all);
    spy__sentry_report_failed(&report, now.monotonic_ns + 1000 * MS);
    assert_int_equal(spy__sentry_report_due_ns(&report, true), now.monotonic_ns + 1000 * MS);
    assert_string_equal(written(), all);
    // What comes while it is on its way is the next one's.
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 1);
    spy__sentry_report_told(&report);
    assert_int_equal(spy__sentry_report_due_ns(&report, false), due_ns);
    assert_non_null(
        strstr(written(), "[{\"reason\":\"before_send\",\"category\":\"error\",\"quantity\":1}]"));
    spy__sentry_report_told(&report);
    assert_int_equal(spy__sentry_report_due_ns(&report, true), UINT64_MAX);
    assert_string_equal(written(), "");
    spy__sentry_report_lost(&report, SPY__SENTRY_BEFORE_SEND, SPY__SENTRY_ERROR, 0);
    assert_int_equal(woken, 1);
}

static void one_report_holds_so_many_rows(void **state)
{
    (void)state;
    unsigned rows = 0, reports = 0;
    for (int reason = 0; reason < SPY__SENTRY_REASONS; reason++) {
        uint64_t counts[SPY__SENTRY_CATEGORIES] = { 1, 1, 1, 1, 1, 1 };
        spy__sentry_report_lost_all(&report, (enum spy__sentry_reason)reason, counts);
    }
    for (const char *text = written(); text[0]; text = written()) {
        assert_in_range(strlen(text), 1, 4096);
        for (const char *at = text; (at = strstr(at, "quantity")); at++) {
            rows++;
        }
        reports++;
        spy__sentry_report_told(&report);
    }
    assert_int_equal(rows, SPY__SENTRY_REASONS * SPY__SENTRY_CATEGORIES);
    assert_int_equal(reports, 2);
}

// The next document that is given: an error, or a transaction with this many spans and a profile.
static struct spy__document give(unsigned spans)
{
    struct spy__document d = { .items = { { "event", 0, "", 0 } }, .item_count = 1 };
    if (spans > 0) {
        d.items[0] = (struct spy__document_item){ "transaction", spans, "", 0 };
        d.items[1] = (struct spy__document_item){ "profile", 0, "", 0 };
        d.item_count = 2;
    }
    memcpy(d.totals, given, sizeof(given));
    for (size_t i = 0; i < d.item_count; i++) {
        spy__sentry_count_item(given, &d.items[i]);
    }
    return d;
}

static bool comes(const struct spy__document *document)
{
    return spy__sentry_report_comes(&report, document, SPY__SENTRY_CACHE_OVERFLOW);
}

static void what_the_journal_lost_is_seen_at_the_next_document(void **state)
{
    (void)state;
    struct spy__document first = give(0);
    (void)give(0); // lost
    (void)give(3); // lost
    struct spy__document fourth = give(0), fifth = give(0);
    assert_true(comes(&first));
    assert_true(comes(&first)); // a second try
    spy__sentry_report_settle(&report, &first);
    assert_string_equal(written(), "");
    for (int i = 0; i < 2; i++) { // each try
        assert_true(comes(&fourth));
        const char *text = written();
        assert_non_null(strstr(text, "\"cache_overflow\",\"category\":\"error\",\"quantity\":1}"));
        assert_non_null(strstr(text, "\"transaction\",\"quantity\":1}"));
        assert_non_null(strstr(text, "\"span\",\"quantity\":4}"));
        assert_non_null(strstr(text, "\"profile\",\"quantity\":1}"));
    }
    spy__sentry_report_told(&report);
    spy__sentry_report_settle(&report, &fourth);
    assert_true(comes(&fifth));
    spy__sentry_report_settle(&report, &fifth);
    assert_string_equal(written(), "");
    assert_false(comes(&fifth)); // it was settled
    assert_false(comes(&first));
}

static void a_restart_knows_what_is_settled_and_what_is_to_be_told(void **state)
{
    (void)state;
    unsigned char bytes[SPY__SENTRY_REPORT_BYTES], untouched[SPY__SENTRY_REPORT_BYTES];
    assert_false(spy__sentry_report_pack(&report, bytes));
    struct spy__document first = give(0), second = give(2), third = give(0);
    assert_true(comes(&first));
    spy__sentry_report_settle(&report, &first);
    spy__sentry_report_lost(&report, SPY__SENTRY_SEND_ERROR, SPY__SENTRY_ERROR, 7);
    assert_true(spy__sentry_report_pack(&report, bytes));
    memcpy(untouched, bytes, sizeof(bytes));
    assert_false(spy__sentry_report_pack(&report, bytes)); // as it was

    spy__sentry_report_reset(&report);
    for (size_t i = 0; i <= sizeof(bytes); i++) { // cut, or damaged
        spy__sentry_report_unpack(&report, bytes, i < sizeof(bytes) ? i : sizeof(bytes) + 1);
        if (i < sizeof(bytes)) {
            bytes[i] ^= 1;
            spy__sentry_report_unpack(&report, bytes, sizeof(bytes));
            bytes[i] ^= 1;
        }
    }
    assert_string_equal(written(), "");
    assert_memory_equal(bytes, untouched, sizeof(bytes));
    spy__sentry_report_unpack(&report, bytes, sizeof(bytes));
    assert_non_null(
        strstr(written(), "[{\"reason\":\"send_error\",\"category\":\"error\",\"quantity\":7}]"));
    spy__sentry_report_told(&report);
    assert_false(comes(&first));
    (void)second; // lost between the two
    assert_true(comes(&third));
    assert_non_null(strstr(written(), "\"span\",\"quantity\":3}"));
}

static void without_what_was_kept_the_first_document_is_the_beginning(void **state)
{
    (void)state;
    (void)give(0);
    struct spy__document second = give(0);
    assert_true(comes(&second));
    assert_string_equal(written(), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_loss_is_told_until_it_is_taken),
        TEST(one_report_holds_so_many_rows),
        TEST(what_the_journal_lost_is_seen_at_the_next_document),
        TEST(a_restart_knows_what_is_settled_and_what_is_to_be_told),
        TEST(without_what_was_kept_the_first_document_is_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
