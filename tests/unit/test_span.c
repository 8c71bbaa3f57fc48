// Operations: what they register, count, observe and log.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

#include "alloc_fail.h"
#include "base/clock.h"
#include "lines.h"
#include "tsan.h"

#ifdef __SANITIZE_ADDRESS__
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER UNDER_TSAN
#endif

static struct spy__fake_clock fake = { .monotonic_ns = 1000 };

static void pass_ms(uint64_t ms)
{
    fake.monotonic_ns += ms * 1000000;
}

static char scrape[1 << 20];
static size_t scrape_bytes;

static int keep(void *arg, const char *bytes, size_t n)
{
    (void)arg;
    assert_true(scrape_bytes + n < sizeof(scrape));
    memcpy(scrape + scrape_bytes, bytes, n);
    scrape_bytes += n;
    return 0;
}

// The lines of a scrape that begin with the prefix, or are its HELP or TYPE.
static const char *exposed(const char *prefix)
{
    static char found[16384];
    size_t len = 0;
    scrape_bytes = 0;
    assert_int_equal(spy_metrics_write(NULL, NULL, keep, NULL), 0);
    scrape[scrape_bytes] = '\0';
    for (char *line = scrape, *next; *line; line = next) {
        next = strchr(line, '\n') + 1;
        const char *name = strncmp(line, "# ", 2) == 0 ? line + 7 : line;
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            assert_true(len + (size_t)(next - line) < sizeof(found));
            memcpy(found + len, line, (size_t)(next - line));
            len += (size_t)(next - line);
        }
    }
    found[len] = '\0';
    return found;
}

static struct spy_operation agent = {
    .name = "agent",
    .labels = SPY_LABELS("agent_name"),
    .seconds = { "golden_seconds", "Time spent in each agent", .buckets = SPY_BUCKETS(0.1, 1) },
    .total = { "golden_total", "Ended" },
    .success = { "golden_success_total", "Successful" },
    .failures = { "golden_failures_total", "Failed" },
    .no_failure_line = 1,
};

static void golden(void **state)
{
    (void)state;
    assert_int_equal(spy_operation_register(&agent), 0);
    assert_int_equal(spy_operation_register(&agent), 0);
    assert_string_equal(exposed("golden_"), "# HELP golden_seconds Time spent in each agent\n"
                                            "# TYPE golden_seconds histogram\n"
                                            "# HELP golden_total Ended\n"
                                            "# TYPE golden_total counter\n"
                                            "# HELP golden_success_total Successful\n"
                                            "# TYPE golden_success_total counter\n"
                                            "# HELP golden_failures_total Failed\n"
                                            "# TYPE golden_failures_total counter\n");
    struct spy_span span = spy_begin(&agent, "router");
    pass_ms(250);
    assert_true(spy_span_seconds(&span) == 0.25);
    spy_end(&span, SPY_SUCCESS);
    spy_end(&span, SPY_SUCCESS); // ended before: a no-op
    assert_true(spy_span_seconds(&span) == 0);
    span = spy_begin(&agent, "router");
    pass_ms(2000);
    spy_end(&span, spy_failure("timeout", "no answer"));
    span = spy_begin(&agent, "scorer");
    spy_end(&span, spy_failure(NULL, NULL));
    assert_string_equal(exposed("golden_"),
                        "# HELP golden_seconds Time spent in each agent\n"
                        "# TYPE golden_seconds histogram\n"
                        "golden_seconds_bucket{agent_name=\"router\",le=\"0.1\"} 0\n"
                        "golden_seconds_bucket{agent_name=\"router\",le=\"1\"} 1\n"
                        "golden_seconds_bucket{agent_name=\"router\",le=\"+Inf\"} 2\n"
                        "golden_seconds_sum{agent_name=\"router\"} 2.25\n"
                        "golden_seconds_count{agent_name=\"router\"} 2\n"
                        "golden_seconds_bucket{agent_name=\"scorer\",le=\"0.1\"} 1\n"
                        "golden_seconds_bucket{agent_name=\"scorer\",le=\"1\"} 1\n"
                        "golden_seconds_bucket{agent_name=\"scorer\",le=\"+Inf\"} 1\n"
                        "golden_seconds_sum{agent_name=\"scorer\"} 0\n"
                        "golden_seconds_count{agent_name=\"scorer\"} 1\n"
                        "# HELP golden_total Ended\n"
                        "# TYPE golden_total counter\n"
                        "golden_total{agent_name=\"router\"} 2\n"
                        "golden_total{agent_name=\"scorer\"} 1\n"
                        "# HELP golden_success_total Successful\n"
                        "# TYPE golden_success_total counter\n"
                        "golden_success_total{agent_name=\"router\"} 1\n"
                        "# HELP golden_failures_total Failed\n"
                        "# TYPE golden_failures_total counter\n"
                        "golden_failures_total{agent_name=\"router\",error_type=\"timeout\"} 1\n"
                        "golden_failures_total{agent_name=\"scorer\",error_type=\"unknown\"} 1\n");
}

// An operation's CPU time is its thread's, and has that of what lies inside it.
static void cpu_time_by_operation(void **state)
{
    (void)state;
    static struct spy_operation busy = {
        .name = "busy",
        .labels = SPY_LABELS("part"),
        .cpu_seconds = { "busy_cpu_seconds_total", "CPU time" },
    };
    assert_int_equal(spy_operation_declare(&busy, (const char *[]){ "inner" }, 1, NULL), 0);
    struct spy_span outer = spy_begin(&busy, "outer");
    fake.thread_cpu_ns += 250000000;
    struct spy_span inner = spy_begin(&busy, "inner");
    fake.thread_cpu_ns += 500000000;
    pass_ms(2000); // it waits: no CPU time
    spy_end(&inner, SPY_SUCCESS);
    spy_end(&inner, SPY_SUCCESS);
    spy_end(&outer, spy_failure("timeout", NULL));
    assert_string_equal(exposed("busy_"), "# HELP busy_cpu_seconds_total CPU time\n"
                                          "# TYPE busy_cpu_seconds_total counter\n"
                                          "busy_cpu_seconds_total{part=\"inner\"} 0.5\n"
                                          "busy_cpu_seconds_total{part=\"outer\"} 0.75\n");
}

// As external services have it: latency by service and operation, errors by service, no success
// counter.
static struct spy_operation external = {
    .name = "external_service",
    .labels = SPY_LABELS("service_name", "operation"),
    .seconds = { "subset_seconds", "s", .buckets = SPY_BUCKETS(1) },
    .failures = { "subset_errors_total", "e", .labels = SPY_LABELS("service_name") },
};

static void subsets_and_declared_series(void **state)
{
    (void)state;
    const char *const errors[] = { "timeout", "refused", NULL };
    assert_int_equal(
        spy_operation_declare(&external, (const char *const[]){ "llm", NULL }, 2, errors), 0);
    assert_string_equal(exposed("subset_"),
                        "# HELP subset_seconds s\n"
                        "# TYPE subset_seconds histogram\n"
                        "# HELP subset_errors_total e\n"
                        "# TYPE subset_errors_total counter\n"
                        "subset_errors_total{service_name=\"llm\",error_type=\"timeout\"} 0\n"
                        "subset_errors_total{service_name=\"llm\",error_type=\"refused\"} 0\n");
    assert_int_equal(
        spy_operation_declare(&external, (const char *const[]){ "llm", "chat" }, 2, NULL), 0);
    assert_non_null(strstr(exposed("subset_"),
                           "subset_seconds_count{service_name=\"llm\",operation=\"chat\"} 0\n"));
    assert_int_equal(spy_operation_declare(&external, (const char *const[]){ "llm" }, 1, NULL),
                     -EINVAL);
    struct spy_span span = spy_begin(&external, "llm", NULL);
    spy_span_label(&span, "operation", "hit"); // known only now
    spy_span_label(&span, "unknown", "x");
    spy_span_label(&span, NULL, "x");
    spy_end(&span, SPY_SUCCESS);
    span = spy_begin(&external, "llm", NULL); // never known
    spy_end(&span, SPY_SUCCESS);
    exposed("subset_seconds_count");
    assert_non_null(
        strstr(scrape, "subset_seconds_count{service_name=\"llm\",operation=\"hit\"} 1\n"));
    assert_non_null(
        strstr(scrape, "subset_seconds_count{service_name=\"llm\",operation=\"\"} 1\n"));
}

static void no_labels_and_no_metrics(void **state)
{
    (void)state;
    static struct spy_operation plain = { .name = "plain",
                                          .total = { "plain_total", "p" },
                                          .failures = { "plain_failed", "p" } };
    struct spy_span span = spy_begin(&plain);
    spy_end(&span, SPY_SUCCESS);
    span = spy_begin(&plain);
    spy_end(&span, spy_failure("bad", NULL));
    exposed("plain");
    assert_non_null(strstr(scrape, "plain_total 2\n"));
    assert_non_null(strstr(scrape, "plain_failed{error_type=\"bad\"} 1\n"));
    static struct spy_operation nothing = { .name = "nothing" };
    assert_int_equal(spy_operation_register(&nothing), 0);
    span = spy_begin(&nothing);
    spy_end(&span, SPY_SUCCESS);
    spy_span_label(&span, "x", "y");
    struct spy_span zero = { 0 };
    spy_end(&zero, SPY_SUCCESS);
    spy_end(NULL, SPY_SUCCESS);
    zero = spy__begin(NULL, NULL, 0);
    spy_end(&zero, SPY_SUCCESS);
    assert_true(spy_span_seconds(NULL) == 0);
}

static void wrong_operations_are_refused(void **state)
{
    (void)state;
    static struct spy_operation bad[] = {
        { .name = NULL },
        { .name = "error_type is ours", .labels = SPY_LABELS("error_type") },
        { .name = "unknown label",
          .labels = SPY_LABELS("a"),
          .total = { "bad_a_total", "b", .labels = SPY_LABELS("b") } },
        { .name = "bad name", .total = { "bad name", "b" } },
        { .name = "bad label", .labels = SPY_LABELS("__x"), .total = { "bad_b_total", "b" } },
        { .name = "le", .labels = SPY_LABELS("le"), .seconds = { "bad_seconds", "b" } },
        { .name = "no help", .failures = { "0bad", "" } },
    };
    assert_int_equal(spy_operation_register(NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spy_operation_register(&bad[i]), -EINVAL);
        assert_int_equal(spy_operation_declare(&bad[i], (const char *const[]){ "v" }, 1, NULL),
                         -EINVAL);
        struct spy_span span = spy_begin(&bad[i], "v"); // the host goes on
        spy_end(&span, spy_failure("x", "y"));
    }
    static struct spy_operation taken = { .name = "taken",
                                          .labels = SPY_LABELS("x"),
                                          .total = { "golden_total", "Ended" } };
    assert_int_equal(spy_operation_register(&taken), -EEXIST);
}

static void spans_nest(void **state)
{
    (void)state;
    char outer_id[17], inner_id[17], now[17], parent[56];
    struct spy_context_scope scope =
        spy_context_begin("c", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    struct spy_span outer = spy_begin(&agent, "outer");
    spy_span_id(outer_id);
    assert_int_equal(outer.parent_id, 0xb7ad6b7169203331);
    struct spy_span inner = spy_begin(&agent, "inner");
    spy_span_id(inner_id);
    assert_string_not_equal(inner_id, outer_id);
    assert_int_equal(inner.parent_id, outer.span_id);
    spy_traceparent(parent);
    assert_memory_equal(parent + 36, inner_id, 16);
    spy_end(&inner, SPY_SUCCESS);
    spy_span_id(now);
    assert_string_equal(now, outer_id);
    inner = spy_begin(&agent, "inner");
    spy_end(&outer, SPY_SUCCESS); // out of order: the innermost stays
    spy_span_id(now);
    assert_string_not_equal(now, outer_id);
    spy_end(&inner, SPY_SUCCESS);
    spy_context_detach(scope);
    spy_span_id(now);
    assert_string_equal(now, "");
}

static void a_failure_makes_one_line(void **state)
{
    (void)state;
    int fd = lines_open();
    lines_start(fd);
    struct spy_span span = spy_begin(&external, "llm", "chat");
    char id[17];
    spy_span_id(id);
    pass_ms(1152);
    spy_end(&span, spy_failure("timeout", "no answer in 1 s"));
    span = spy_begin(&external, "llm", "chat");
    spy_end(&span, SPY_SUCCESS);
    span = spy_begin(&agent, "router"); // no_failure_line
    spy_end(&span, spy_failure("timeout", "x"));
    spy_log_set_level(SPY_LEVEL_ERROR);
    span = spy_begin(&external, "llm", "chat");
    spy_end(&span, spy_failure("timeout", "below the level"));
    json_t *lines = lines_read(fd), *line = lines_last(lines, "operation_failed");
    assert_int_equal(json_array_size(lines), 2); // with spyglass_started
    assert_string_equal(lines_str(line, "level"), "warn");
    assert_string_equal(lines_str(line, "operation"), "external_service");
    assert_string_equal(lines_str(line, "service_name"), "llm");
    assert_string_equal(lines_str(line, "operation_"), "chat"); // its key is taken
    assert_string_equal(lines_str(line, "error_type"), "timeout");
    assert_string_equal(lines_str(line, "error_message"), "no answer in 1 s");
    assert_true(json_number_value(json_object_get(line, "duration_seconds")) == 1.152);
    assert_string_equal(lines_str(line, "span_id"), id);
    json_decref(lines);
    assert_int_equal(spy_stop(20000), 0);
    close(fd);
}

static void without_memory(void **state)
{
    (void)state;
    static struct spy_operation scarce = {
        .name = "scarce",
        .labels = SPY_LABELS("l"),
        .seconds = { "scarce_seconds", "s" },
        .failures = { "scarce_failures_total", "f" },
    };
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        alloc_fail_after(n);
        err = spy_operation_register(&scarce);
        struct spy_span span = spy_begin(&scarce, "v");
        spy_end(&span, spy_failure("x", NULL));
        alloc_fail_never();
        assert_true(err == 0 || err == -ENOMEM); // and it may be tried again
        assert_true(n < 100);
    }
    struct spy_span span = spy_begin(&scarce, "w");
    spy_end(&span, spy_failure("x", NULL));
    exposed("scarce");
    assert_non_null(strstr(scrape, "scarce_failures_total{l=\"w\",error_type=\"x\"} 1\n"));
}

static struct spy_operation lazy = { .name = "lazy",
                                     .labels = SPY_LABELS("t"),
                                     .total = { "lazy_total", "l" } };

static void *begin_and_end(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        struct spy_span span = spy_begin(&lazy, arg);
        spy_end(&span, SPY_SUCCESS);
    }
    return NULL;
}

static void the_first_begin_registers_in_any_thread(void **state)
{
    (void)state;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, begin_and_end, i % 2 ? "odd" : "even"),
                         0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    exposed("lazy");
    assert_non_null(strstr(scrape, "lazy_total{t=\"odd\"} 4000\n"));
    assert_non_null(strstr(scrape, "lazy_total{t=\"even\"} 4000\n"));
}

static int set_up(void **state)
{
    (void)state;
    spy__clock_fake(&fake);
    return 0;
}

// ---- fork()

// One operation after another, each with a metric of its own, until it is told to stop.
static void *register_many(void *over)
{
    static struct spy_operation operations[2000];
    static char names[2000][32];
    for (size_t i = 0; i < 2000 && !*(atomic_bool *)over; i++) {
        snprintf(names[i], sizeof(names[i]), "forked_%zu_total", i);
        operations[i] = (struct spy_operation){ .name = names[i],
                                                .total = { .name = names[i], .help = "Forked" } };
        struct spy_span span = spy_begin(&operations[i]);
        spy_end(&span, SPY_SUCCESS);
    }
    return NULL;
}

// A child that was forked while another thread registers must find no lock taken for ever.
static void a_child_registers_what_it_needs(void **state)
{
    atomic_bool over = false;
    pthread_t thread;
    (void)state;
    if (UNDER_SANITIZER) {
        return; // it may leave its own allocator locked in the child
    }
    assert_int_equal(pthread_create(&thread, NULL, register_many, &over), 0);
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            static struct spy_operation own = { .name = "own",
                                                .total = { .name = "own_total", .help = "Own" } };
            alarm(20); // a child that waits for ever is killed
            struct spy_span span = spy_begin(&own);
            spy_end(&span, SPY_SUCCESS);
            struct spy_http *http =
                spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/" });
            spy_http_end(http);
            _exit(0);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    over = true;
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(cpu_time_by_operation),
        cmocka_unit_test(subsets_and_declared_series),
        cmocka_unit_test(no_labels_and_no_metrics),
        cmocka_unit_test(wrong_operations_are_refused),
        cmocka_unit_test(spans_nest),
        cmocka_unit_test(a_failure_makes_one_line),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(the_first_begin_registers_in_any_thread),
        cmocka_unit_test(a_child_registers_what_it_needs),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
