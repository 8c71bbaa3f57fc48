// Errors grouped, counted and limited, and what becomes of each on its way. Time is that of records.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "metrics/dropped.h"
#include "scrape.h"
#include "signals/error.h"
#include "signals/error_report.h"
#include "spyglass/spyglass.h"

#define SECOND UINT64_C(1000000000)
#define NOW (1700000000 * SECOND)

static const struct spy__frame in_app = {
    .function = "render_text", .module = "memegen", .address = 1, .line = 1, .in_app = true
};
static const struct spy__frame another = {
    .function = "render_image", .module = "memegen", .address = 2, .in_app = true
};
static const struct spy__frame library = { .function = "cairo_show",
                                           .module = "libcairo.so.2",
                                           .address = 3 };
static const struct spy__frame nameless = {
    .module = "memegen", .address = 0x5000, .offset = 0x1000, .in_app = true
};

// A record of an error in a trace of its own number; 0 for none.
static struct spy__record make(struct spy_field fields[SPY_FIELDS_MAX], const char *type,
                               const char *message, const struct spy__frame *frames, size_t n)
{
    fields[0] = spy_str(SPY__ERROR_MECHANISM, "spy_error");
    fields[1] = spy_str(SPY__ERROR_MESSAGE, message);
    fields[2] = spy__frames(SPY__ERROR_STACK, frames, n);
    return (struct spy__record){ .kind = SPY__KIND_ERROR,
                                 .level = SPY_LEVEL_ERROR,
                                 .time_ns = NOW,
                                 .correlation_id = "c-1",
                                 .event = type,
                                 .event_hi = 1,
                                 .event_lo = 2,
                                 .fields = fields,
                                 .field_count = n > 0 ? 3 : 2 };
}

static uint64_t key_of(const char *type, const char *message, const struct spy__frame *frames,
                       size_t n)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__record record = make(fields, type, message, frames, n);
    return spy__error_key(&record, NULL);
}

static void what_counts_for_a_group(void **state)
{
    (void)state;
    const struct spy__frame stack[] = { library, in_app, library };
    uint64_t key = key_of("t", "m", stack, 3);
    assert_true(key == key_of("t", "another message", stack, 3));
    assert_true(key != key_of("t2", "m", stack, 3));

    struct spy__frame moved[] = { library, in_app, library };
    moved[1].address = 0x7fff1234;
    moved[1].offset = 99;
    moved[1].line = 4;
    moved[1].file = "x.c";
    moved[1].build_id = "ff";
    assert_true(key == key_of("t", "m", moved, 3));
    moved[1].function = "render_text.part.0"; // what a compiler splits is the same function
    assert_true(key == key_of("t", "m", moved, 3));
    moved[0].function = "cairo_other"; // how a library goes about it is its own business
    assert_true(key == key_of("t", "m", moved + 1, 1));
    moved[1] = another;
    assert_true(key != key_of("t", "m", moved, 3));

    // Where nothing is the program's, the libraries count.
    assert_true(key_of("t", "m", &library, 1) != key_of("t", "m", &moved[0], 1));
    // A function without a name is its file and its place in there.
    struct spy__frame elsewhere = nameless;
    elsewhere.address = 0x9000;
    assert_true(key_of("t", "m", &nameless, 1) == key_of("t", "m", &elsewhere, 1));
    elsewhere.offset++;
    assert_true(key_of("t", "m", &nameless, 1) != key_of("t", "m", &elsewhere, 1));
    // Nothing at all.
    assert_true(key_of("t", "m", NULL, 0) == key_of("t", "n", NULL, 0));
}

static void a_place_and_a_fingerprint_count(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    (void)state;
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    uint64_t bare = spy__error_key(&record, NULL), named = spy__error_key(&record, "payments");
    fields[3] = spy_str(SPY__ERROR_PLACE, "agent router");
    record.field_count = 4;
    uint64_t placed = spy__error_key(&record, NULL);
    assert_true(bare != placed);
    assert_true(named == spy__error_key(&record, "payments"));
    assert_true(named != placed && named != spy__error_key(&record, "payment"));
}

static void a_group_counts(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__error_groups *groups = spy__error_groups_new();
    (void)state;
    struct spy__record record = make(fields, "t", "first", &in_app, 1);
    assert_null(spy__error_groups_next(groups, NULL));
    assert_true(spy__error_groups_take(groups, 7, &record));
    record = make(fields, "t", "second", &another, 1);
    record.time_ns += SECOND;
    record.correlation_id = "c-2";
    record.trace_hi = 5;
    assert_true(spy__error_groups_take(groups, 7, &record));
    record.time_ns = NOW - SECOND; // of a process that died
    assert_true(spy__error_groups_take(groups, 7, &record));
    assert_true(spy__error_groups_take(groups, 8, &record));

    const struct spy__error_group *group = spy__error_groups_next(groups, NULL);
    assert_true(group->key == 7 && group->count == 3);
    assert_true(group->first_ns == NOW - SECOND && group->last_ns == NOW + SECOND);
    assert_string_equal(group->type, "t");
    assert_string_equal(group->message, "second");
    assert_string_equal(group->place, "");
    assert_string_equal(group->correlation_id, "c-2");
    assert_true(group->trace_hi == 5 && group->event_lo == 2);
    assert_int_equal(group->frame_count, 1);
    assert_string_equal(group->frames[0].function, "render_text"); // of the first
    group = spy__error_groups_next(groups, group);
    assert_true(group->key == 8 && group->count == 1);
    assert_null(spy__error_groups_next(groups, group));
    spy__error_groups_free(groups);
}

static void limits(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__error_groups *groups = spy__error_groups_new();
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    unsigned passed = 0;
    (void)state;
    for (unsigned i = 0; i < 3 * SPY__ERRORS_OF_GROUP_MAX; i++) {
        passed += spy__error_groups_take(groups, 1, &record);
    }
    assert_int_equal(passed, SPY__ERRORS_OF_GROUP_MAX);
    assert_int_equal(spy__error_groups_next(groups, NULL)->count, 3 * SPY__ERRORS_OF_GROUP_MAX);
    for (unsigned i = 0; i < 2 * SPY__ERRORS_MAX; i++) {
        passed += spy__error_groups_take(groups, 2 + i, &record);
    }
    assert_int_equal(passed, SPY__ERRORS_MAX);
    record.time_ns += 60 * SECOND - 1;
    assert_false(spy__error_groups_take(groups, 1, &record));
    record.time_ns += 1;
    assert_true(spy__error_groups_take(groups, 1, &record));
    record.time_ns = NOW; // the clock was set back
    assert_true(spy__error_groups_take(groups, 1, &record));
    spy__error_groups_free(groups);
}

static void the_quietest_group_gives_way(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__error_groups *groups = spy__error_groups_new();
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    (void)state;
    for (unsigned i = 1; i <= SPY__ERROR_GROUPS_MAX; i++) {
        record.time_ns = NOW + (i == 100 ? 0 : i) * SECOND;
        (void)spy__error_groups_take(groups, i, &record);
    }
    (void)spy__error_groups_take(groups, 999, &record);
    unsigned count = 0;
    bool found = false;
    for (const struct spy__error_group *g = NULL; (g = spy__error_groups_next(groups, g));) {
        count++;
        assert_int_not_equal(g->key, 100);
        found |= g->key == 999 && g->count == 1;
    }
    assert_int_equal(count, SPY__ERROR_GROUPS_MAX);
    assert_true(found);
    spy__error_groups_free(groups);
}

static void a_failure_is_told_once(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__error_groups *groups = spy__error_groups_new();
    struct spy__record record = make(fields, "timeout", "no answer", NULL, 0);
    (void)state;
    assert_false(spy__error_groups_told(groups, &record)); // outside of all traces
    assert_false(spy__error_groups_told(groups, &record));
    record.trace_lo = 1;
    assert_false(spy__error_groups_told(groups, &record));
    assert_true(spy__error_groups_told(groups, &record));
    record.event = "refused";
    assert_false(spy__error_groups_told(groups, &record));
    fields[1] = spy_str(SPY__ERROR_MESSAGE, "something else");
    assert_false(spy__error_groups_told(groups, &record));
    record.trace_lo = 2;
    assert_false(spy__error_groups_told(groups, &record));
    record.time_ns += 59 * SECOND;
    assert_true(spy__error_groups_told(groups, &record));
    record.time_ns += 60 * SECOND;
    assert_false(spy__error_groups_told(groups, &record));

    // An answer of which nobody said why, after somebody did; and in a trace where nobody did.
    fields[0] = spy_str(SPY__ERROR_MECHANISM, SPY__ERROR_UNEXPLAINED);
    record.event = "status_5xx";
    record.field_count = 1;
    assert_true(spy__error_groups_told(groups, &record));
    record.trace_lo = 3;
    assert_false(spy__error_groups_told(groups, &record));
    spy__error_groups_free(groups);
}

static void many_traces_at_once(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__error_groups *groups = spy__error_groups_new();
    struct spy__record record = make(fields, "timeout", "no answer", NULL, 0);
    unsigned again = 0;
    (void)state;
    for (unsigned i = 1; i <= 100; i++) { // far less than are remembered
        record.trace_hi = i;
        record.time_ns = NOW + i;
        assert_false(spy__error_groups_told(groups, &record));
    }
    for (unsigned i = 1; i <= 100; i++) {
        record.trace_hi = i;
        again += spy__error_groups_told(groups, &record);
    }
    assert_in_range(again, 90, 100);        // two of them may want the same place
    for (unsigned i = 0; i < 100000; i++) { // and more than that
        record.trace_hi = 1000 + i;
        record.time_ns++;
        assert_false(spy__error_groups_told(groups, &record));
    }
    spy__error_groups_free(groups);
}

// ---- the way of an error

static struct {
    unsigned sent, refused, limited;
    char type[64], fingerprint[2][64];
    const void *crash;
} seen;

static void note_sent(const struct spy__error_passed *error)
{
    seen.sent++;
    seen.crash = error->crash;
    (void)snprintf(seen.type, sizeof(seen.type), "%s", error->record->event);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(seen.fingerprint[i], sizeof(seen.fingerprint[i]), "%s",
                       error->fingerprint[i] ? error->fingerprint[i] : "(none)");
    }
}

static void note_unsent(bool refused)
{
    seen.refused += refused;
    seen.limited += !refused;
}

static char asked[512];

static int before_send(struct spy_error_report *report, void *arg)
{
    (void)snprintf(asked, sizeof(asked), "%d %s %s %s %s %s %s ", report->fatal, report->type,
                   report->message ? report->message : "(none)",
                   report->place ? report->place : "(none)",
                   report->module ? report->module : "(none)", report->correlation_id,
                   report->fingerprint ? report->fingerprint : "(none)");
    for (size_t i = 0; i < report->field_count; i++) {
        size_t len = strlen(asked);
        (void)snprintf(asked + len, sizeof(asked) - len, "%s=%s ", report->fields[i].key,
                       report->fields[i].value.s);
    }
    if (strcmp(report->type, "named") == 0) {
        report->fingerprint = arg;
    }
    return strcmp(report->type, "unwanted") != 0;
}

static int open_report(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    return spy__error_report_open(&(struct spy__error_report_options){
        .before_send = before_send,
        .before_send_arg = "by the host",
        .send = note_sent,
        .unsent = note_unsent,
    });
}

static int close_report(void **state)
{
    (void)state;
    spy__error_report_close();
    return 0;
}

static void an_error_is_asked_for_and_sent(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    (void)state;
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    record.module = "render";
    fields[3] = spy_str(SPY__ERROR_PLACE, "agent router");
    fields[4] = spy_str("agent_name", "router");
    record.field_count = 5;
    spy__error_take(&record, NULL);
    assert_string_equal(asked, "0 t m agent router render c-1 (none) agent_name=router ");
    assert_int_equal(seen.sent, 1);
    assert_string_equal(seen.fingerprint[0], "t");
    char key[17];
    (void)snprintf(key, sizeof(key), "%016llx", (unsigned long long)spy__error_key(&record, NULL));
    assert_string_equal(seen.fingerprint[1], key);
    assert_null(seen.crash);

    fields[3] = spy_error_fingerprint("mine");
    record.field_count = 4;
    spy__error_take(&record, &record);
    assert_string_equal(asked, "1 t m (none) render c-1 mine fingerprint=mine ");
    assert_string_equal(seen.fingerprint[0], "mine");
    assert_string_equal(seen.fingerprint[1], "(none)");
    assert_ptr_equal(seen.crash, &record);

    record.event = "named";
    spy__error_take(&record, NULL);
    assert_string_equal(seen.fingerprint[0], "by the host");
}

static unsigned group_count(void)
{
    unsigned count = 0;
    const struct spy__error_groups *groups = spy__error_lock();
    for (const struct spy__error_group *g = NULL; (g = spy__error_groups_next(groups, g));) {
        count++;
    }
    spy__error_unlock();
    return count;
}

static void each_outcome_is_counted(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    const uint64_t before = spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_LIMITED);
    (void)state;
    assert_int_equal(spy__error_register(), 0);
    struct spy__record record = make(fields, "unwanted", "m", &in_app, 1);
    spy__error_take(&record, NULL);
    assert_int_equal(seen.sent, 0);
    assert_int_equal(seen.refused, 1);
    assert_int_equal(group_count(), 0);
    record.event = "t";
    record.trace_lo = 1;
    spy__error_take(&record, NULL);
    spy__error_take(&record, NULL); // the same failure
    assert_int_equal(seen.sent, 1);
    record.trace_lo = 0;
    for (unsigned i = 0; i < SPY__ERRORS_OF_GROUP_MAX + 1; i++) {
        spy__error_take(&record, NULL);
    }
    assert_int_equal(seen.sent, SPY__ERRORS_OF_GROUP_MAX);
    assert_int_equal(seen.limited, 2);
    assert_true(spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_LIMITED) - before == 2);
    assert_int_equal(group_count(), 1);
    char *text = scrape();
    assert_non_null(strstr(text, "spyglass_errors_total{outcome=\"passed\"} 10\n"));
    assert_non_null(strstr(text, "spyglass_errors_total{outcome=\"duplicate\"} 1\n"));
    assert_non_null(strstr(text, "spyglass_errors_total{outcome=\"limited\"} 2\n"));
    assert_non_null(strstr(text, "spyglass_errors_total{outcome=\"refused\"} 1\n"));
    free(text);
}

static void without_a_report_nothing_is_taken(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    (void)state;
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    memset(&seen, 0, sizeof(seen));
    spy__error_take(&record, NULL);
    assert_null(spy__error_lock());
    assert_int_equal(seen.sent, 0);
    // Errors that are but grouped.
    assert_int_equal(spy__error_report_open(&(struct spy__error_report_options){ .send = NULL }),
                     0);
    const uint64_t before = spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_LIMITED);
    for (unsigned i = 0; i < 2 * SPY__ERRORS_OF_GROUP_MAX; i++) {
        spy__error_take(&record, NULL);
    }
    assert_int_equal(group_count(), 1);
    assert_true(spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_LIMITED) == before);
    spy__error_report_close();
}

static void a_child_takes_none(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    int status;
    (void)state;
    (void)spy__error_lock(); // whoever holds it is not in the child
    pid_t pid = fork();
    if (pid == 0) {
        spy__error_take(&record, NULL);
        _exit(seen.sent == 0 && group_count() == 0 ? 0 : 1);
    }
    spy__error_unlock();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void without_memory(void **state)
{
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__record record = make(fields, "t", "m", &in_app, 1);
    (void)state;
    alloc_fail_after(0);
    int err = spy__error_report_open(&(struct spy__error_report_options){ .send = NULL });
    alloc_fail_never();
    assert_int_equal(err, -ENOMEM);
    struct spy__error_groups *groups = spy__error_groups_new();
    alloc_fail_after(0);
    assert_true(spy__error_groups_take(groups, 1, &record)); // without its stack
    alloc_fail_never();
    assert_null(spy__error_groups_next(groups, NULL)->frames);
    assert_true(spy__error_groups_take(groups, 1, &record));
    assert_int_equal(spy__error_groups_next(groups, NULL)->frame_count, 1);
    spy__error_groups_free(groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_counts_for_a_group),
        cmocka_unit_test(a_place_and_a_fingerprint_count),
        cmocka_unit_test(a_group_counts),
        cmocka_unit_test(limits),
        cmocka_unit_test(the_quietest_group_gives_way),
        cmocka_unit_test(a_failure_is_told_once),
        cmocka_unit_test(many_traces_at_once),
        cmocka_unit_test_setup_teardown(an_error_is_asked_for_and_sent, open_report, close_report),
        cmocka_unit_test_setup_teardown(each_outcome_is_counted, open_report, close_report),
        cmocka_unit_test(without_a_report_nothing_is_taken),
        cmocka_unit_test_setup_teardown(a_child_takes_none, open_report, close_report),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
