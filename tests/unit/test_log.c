// A log call on its way into a line: levels, fields, ids, limits, losses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SPY_MODULE "tests"
#include "spyglass/spyglass.h"

#include "base/clock.h"
#include "base/random.h"
#include "lines.h"
#include "metrics/dropped.h"
#include "record/record.h"

static int fd;

static int set_up(void **state)
{
    (void)state;
    fd = lines_open();
    lines_start(fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(spy_stop(20000), 0);
    close(fd);
    return 0;
}

static void a_line_has_its_fields(void **state)
{
    (void)state;
    struct spy__fake_clock fake = { .realtime_ns = UINT64_C(1709251198123456789) };
    spy__clock_fake(&fake);
    spy_info("request_processed", spy_int("status_code", 200), spy_str("path", "/memes"),
             spy_str("absent", NULL));
    spy__clock_fake(NULL);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "request_processed");
    assert_string_equal(lines_str(line, "timestamp"), "2024-02-29T23:59:58.123456Z");
    assert_string_equal(lines_str(line, "level"), "info");
    assert_string_equal(lines_str(line, "logger"), "tests");
    assert_string_equal(lines_str(line, "service"), "test");
    assert_int_equal(json_integer_value(json_object_get(line, "status_code")), 200);
    assert_string_equal(lines_str(line, "path"), "/memes");
    assert_null(json_object_get(line, "absent"));
    assert_null(json_object_get(line, "correlation_id"));
    json_decref(lines);
}

static void levels(void **state)
{
    (void)state;
    int evaluated = 0;
    spy_log_set_level(SPY_LEVEL_WARN);
    assert_false(spy_log_enabled(SPY_LEVEL_INFO));
    spy_debug("no", spy_int("n", ++evaluated));
    spy_info("no", spy_int("n", ++evaluated));
    spy_warn("yes", spy_int("n", ++evaluated));
    spy_log_error("yes", spy_int("n", ++evaluated));
    assert_int_equal(evaluated, 2);
    spy_log_set_level(SPY_LEVEL_OFF);
    spy_log_error("no");
    spy_log_set_level(SPY_LEVEL_DEFAULT);
    assert_true(spy_log_enabled(SPY_LEVEL_INFO));
    assert_false(spy_log_enabled(SPY_LEVEL_DEBUG));
    spy_log_set_level((enum spy_level)17); // ignored
    spy_log_set_level((enum spy_level) - 1);
    assert_true(spy_log_enabled(SPY_LEVEL_INFO));
    spy_log_set_level(SPY_LEVEL_DEBUG);
    spy_debug("debug");
    spy__log(NULL, SPY_LEVEL_OFF, NULL, "no", NULL, 0);
    spy__log(NULL, SPY_LEVEL_DEFAULT, NULL, "no", NULL, 0);
    json_t *lines = lines_read(fd);
    assert_int_equal(json_array_size(lines), 4); // with spyglass_started
    assert_null(lines_last(lines, "no"));
    assert_string_equal(lines_str(lines_last(lines, "debug"), "level"), "debug");
    json_decref(lines);
}

static void context_is_added(void **state)
{
    (void)state;
    struct spy_context_scope scope =
        spy_context_begin("c-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    spy_bind(spy_str("path", "/memes"));
    spy_bind(spy_str("user_id", "u1"));
    spy_info("inside", spy_str("user_id", "u2"), spy_str("correlation_id", "forged"));
    spy_context_detach(scope);
    spy_info("outside");
    json_t *lines = lines_read(fd), *line = lines_last(lines, "inside");
    assert_string_equal(lines_str(line, "correlation_id"), "c-1");
    assert_string_equal(lines_str(line, "correlation_id_"), "forged");
    assert_string_equal(lines_str(line, "trace_id"), "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(lines_str(line, "span_id"), "b7ad6b7169203331");
    assert_string_equal(lines_str(line, "path"), "/memes");
    assert_string_equal(lines_str(line, "user_id"),
                        "u2"); // the call's field replaces the bound one
    line = lines_last(lines, "outside");
    assert_null(json_object_get(line, "correlation_id"));
    assert_null(json_object_get(line, "path"));
    json_decref(lines);
}

static void secrets_are_masked(void **state)
{
    (void)state;
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    spy_bind(spy_str("session_token", "hunter2"));
    spy_info("login", spy_str("password", "hunter2"), spy_uint("password2", 2),
             spy_str("Authorization", "Bearer hunter2"), spy_int("tokens", 3),
             spy_str("user", "bob"));
    spy_context_detach(scope);
    json_t *lines = lines_read(fd), *line = lines_last(lines, "login");
    static const char *const masked[] = { "session_token", "password", "password2",
                                          "Authorization" };
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(lines_str(line, masked[i]), "[redacted]");
    }
    assert_int_equal(json_integer_value(json_object_get(line, "tokens")), 3);
    assert_string_equal(lines_str(line, "user"), "bob");
    json_decref(lines);
}

// Inside of text too, by the user's words, and in a forked child's lines.
static void secrets_inside_are_masked(void **state)
{
    (void)state;
    assert_int_equal(spy_stop(20000), 0);
    assert_int_equal(
        spy_start(&(struct spy_options){
            .log_fd = fd, .log_format = SPY_LOG_JSON, .full_wait_ms = 20000, .redact = "iban" }),
        0);
    for (int child = 0; child < 2; child++) {
        pid_t pid = child ? fork() : 0;
        if (pid == 0) {
            spy_info("paid", spy_str("url", "https://u:hunter2@h/?token=hunter2&a=1"),
                     spy_str("body", "{\"user\":{\"password\":\"hunter2\"}}"),
                     spy_str("iban", "hunter2"), spy_str("header", "Bearer hunter2"),
                     spy_int("child", child));
        }
        if (child && pid == 0) {
            _exit(0);
        }
        int status = 0;
        assert_true(!child || (waitpid(pid, &status, 0) == pid && status == 0));
        json_t *lines = lines_read(fd), *line = lines_last(lines, "paid");
        assert_int_equal(json_integer_value(json_object_get(line, "child")), child);
        assert_string_equal(lines_str(line, "url"), "https://u:[redacted]@h/?token=[redacted]&a=1");
        assert_string_equal(lines_str(line, "body"), "{\"user\":{\"password\":\"[redacted]\"}}");
        assert_string_equal(lines_str(line, "iban"), "[redacted]");
        assert_string_equal(lines_str(line, "header"), "Bearer [redacted]");
        json_decref(lines);
    }
}

// Equal lines are written so many times, and then told of with a count; written + held back = calls.
static void repeats_are_told_once(void **state)
{
    (void)state;
    assert_int_equal(spy_stop(20000), 0);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON,
                                                      .full_wait_ms = 20000,
                                                      .log_repeats_max = 10 }),
                     0);
    struct spy_counter suppressed = { 0 };
    assert_int_equal(
        spy_counter_register(
            &suppressed, &(struct spy_metric){ .name = "spyglass_log_lines_suppressed_total",
                                               .help = "Log lines that said again what others did, "
                                                       "and were told with a count instead" }),
        0);
    double before = spy_counter_value(suppressed);
    for (int i = 0; i < 500; i++) {
        spy_warn("retry", spy_str("host", "db"));
        spy_warn("retry", spy_str("host", "db"), spy_int("attempt", i));
        spy_info("request_processed");
    }
    assert_int_equal(spy_stop(20000), 0);
    lines_start(fd);
    json_t *lines = lines_read(fd), *line;
    size_t at;
    unsigned plain = 0, different = 0, processed = 0, told = 0;
    json_array_foreach(lines, at, line)
    {
        processed += strcmp(lines_str(line, "event"), "request_processed") == 0;
        if (strcmp(lines_str(line, "event"), "retry") != 0) {
            continue;
        }
        assert_string_equal(lines_str(line, "host"), "db");
        told += (unsigned)json_integer_value(json_object_get(line, "repeated"));
        different += json_object_get(line, "attempt") != NULL;
        plain += !json_object_get(line, "attempt") && !json_object_get(line, "repeated");
    }
    assert_int_equal(processed, 500);
    assert_int_equal(different, 500);
    assert_int_equal(plain + told, 500);
    assert_in_range(plain, 10, 100); // 10 in each second that it took
    assert_true(spy_counter_value(suppressed) - before == told);
    json_decref(lines);
}

static void limits(void **state)
{
    (void)state;
    uint64_t before = spy__dropped_count(SPY__SIGNAL_LOG, SPY__DROP_FIELDS);
    struct spy_field fields[SPY_FIELDS_MAX + 5];
    char keys[SPY_FIELDS_MAX + 5][8];
    for (int i = 0; i < SPY_FIELDS_MAX + 5; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        fields[i] = spy_int(keys[i], i);
    }
    spy__log(NULL, SPY_LEVEL_INFO, NULL, "many", fields, SPY_FIELDS_MAX + 5);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_LOG, SPY__DROP_FIELDS) - before, 5);
    static char text[SPY__FIELD_STR_MAX + 100];
    memset(text, 'x', sizeof(text));
    spy_info("long", spy_strn("text", text, sizeof(text)));
    struct spy_field odd[] = { spy_int(NULL, 1),
                               spy_int("", 1),
                               { .key = "type", .type = (enum spy_field_type)99 },
                               spy_int("twice", 1),
                               spy_int("twice", 2) };
    spy__log(NULL, SPY_LEVEL_INFO, NULL, NULL, odd, 5);
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_LOG, SPY__DROP_FIELDS) - before, 8);
    json_t *lines = lines_read(fd);
    assert_int_equal(json_integer_value(json_object_get(lines_last(lines, "many"), "k31")), 31);
    assert_int_equal(strlen(lines_str(lines_last(lines, "long"), "text")), SPY__FIELD_STR_MAX);
    assert_int_equal(json_integer_value(json_object_get(lines_last(lines, ""), "twice")), 2);
    json_decref(lines);
}

// Calls of one place that differ: what they log is what they say, whether they look like the place's
// first one or not.
static void one_place(void **state)
{
    (void)state;
    static char text[SPY__FIELD_STR_MAX + 2];
    memset(text, 'x', sizeof(text) - 1);
    char key[8];
    const char *path[] = { "/a", NULL, "/c", "/d", text, "" };
    struct spy_context_scope scope = spy_context_begin("c-1", NULL);
    for (int i = 0; i < 6; i++) {
        if (i == 3) {
            spy_bind(spy_str("path", "bound"));
        }
        snprintf(key, sizeof(key), "n%d", i);
        spy_info("fixed", spy_int("i", i), spy_strn("path", path[i], path[i] ? strlen(path[i]) : 0),
                 spy_str("maybe", path[i]), spy_bool("odd", i % 2 == 1));
        spy_info("keys", spy_int(key, i));
        spy_info(i % 2 ? "odd" : "even", spy_int("i", i));
    }
    spy_context_detach(scope);
    json_t *lines = lines_read(fd), *line;
    size_t at, i = 0;
    json_array_foreach(lines, at, line)
    {
        const char *event = lines_str(line, "event");
        if (strcmp(event, "fixed") == 0) {
            assert_int_equal(json_integer_value(json_object_get(line, "i")), i);
            assert_int_equal(json_is_true(json_object_get(line, "odd")), i % 2);
            assert_string_equal(lines_str(line, "logger"), "tests");
            const char *said = path[i] ? path[i] : "";
            assert_memory_equal(lines_str(line, "path"), said, strnlen(said, SPY__FIELD_STR_MAX));
            assert_int_equal(json_object_get(line, "maybe") != NULL, path[i] != NULL);
        } else if (strcmp(event, "keys") == 0) {
            snprintf(key, sizeof(key), "n%zu", i);
            assert_int_equal(json_integer_value(json_object_get(line, key)), i);
        } else if (json_object_get(line, "i")) {
            assert_string_equal(event, i % 2 ? "odd" : "even");
            assert_int_equal(json_integer_value(json_object_get(line, "i")), i);
            i++;
        }
    }
    assert_int_equal(i, 6);
    json_decref(lines);
}

static void any_bytes_give_json(void **state)
{
    (void)state;
    spy__random_seed(11);
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (char)spy__random_u64();
        }
        bytes[15] = bytes[31] = '\0';
        spy_info(bytes, spy_strn(bytes + 16, bytes + 32, 32),
                 spy_double("d", (double)spy__random_u64() * 1e-300));
    }
    json_t *lines = lines_read(fd); // checks each line
    assert_int_equal(json_array_size(lines), 2001);
    json_decref(lines);
}

static struct spy_counter lines_counter(const char *level)
{
    struct spy_counter family = { 0 };
    assert_int_equal(
        spy_counter_register(&family, &(struct spy_metric){ .name = "spyglass_log_lines_total",
                                                            .help = "Log lines written, by level",
                                                            .labels = SPY_LABELS("level") }),
        0);
    return spy_counter_with(family, level);
}

// Calls = lines written + lines dropped, whatever happens.
static void every_call_is_counted(void **state)
{
    (void)state;
    double before = spy_counter_value(lines_counter("warn"));
    uint64_t stopped = spy__dropped_count(SPY__SIGNAL_LOG, SPY__DROP_STOPPED);
    for (int i = 0; i < 10; i++) {
        spy_warn("counted");
    }
    assert_int_equal(spy_stop(20000), 0);
    assert_true(spy_counter_value(lines_counter("warn")) - before == 10);
    for (int i = 0; i < 7; i++) {
        spy_warn("after the stop");
    }
    assert_int_equal(spy__dropped_count(SPY__SIGNAL_LOG, SPY__DROP_STOPPED) - stopped, 7);
    lines_start(fd);
    json_t *lines = lines_read(fd);
    assert_null(lines_last(lines, "after the stop"));
    json_decref(lines);
}

static void *log_twice(void *arg)
{
    spy_info("shared");
    spy_info("shared");
    return arg;
}

// A thread that finds no ring of its own shares one, and that is counted.
static void rings_run_out(void **state)
{
    (void)state;
    assert_int_equal(spy_stop(20000), 0);
    assert_int_equal(spy_start(&(struct spy_options){ .log_fd = fd,
                                                      .log_format = SPY_LOG_JSON,
                                                      .ring_slots = 1,
                                                      .ring_bytes = 65536,
                                                      .full_wait_ms = 20000 }),
                     0);
    struct spy_counter counter = { 0 };
    assert_int_equal(
        spy_counter_register(
            &counter,
            &(struct spy_metric){ .name = "spyglass_ring_overflow_total",
                                  .help = "Records of threads that found no ring of their own, "
                                          "and shared one under a lock" }),
        0);
    double before = spy_counter_value(counter);
    pthread_t thread;
    spy_info("mine");
    assert_int_equal(pthread_create(&thread, NULL, log_twice, NULL), 0);
    pthread_join(thread, NULL);
    json_t *lines = lines_read(fd);
    assert_non_null(lines_last(lines, "shared"));
    json_decref(lines);
    assert_true(spy_counter_value(counter) - before == 2);
}

#define THREADS 8
#define ROUNDS 500

static void *work(void *arg)
{
    struct spy_context_scope scope = spy_context_attach(arg);
    char id[64];
    snprintf(id, sizeof(id), "%s", spy_correlation_id());
    for (int i = 0; i < ROUNDS; i++) {
        spy_info("step", spy_str("expected", id), spy_int("i", i));
    }
    spy_context_detach(scope);
    spy_context_release(arg);
    return NULL;
}

// Each thread works for another request: no line has another's id.
static void eight_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        char id[16];
        snprintf(id, sizeof(id), "request-%d", t);
        struct spy_context_scope scope = spy_context_begin(id, NULL);
        assert_int_equal(pthread_create(&threads[t], NULL, work, spy_context_capture()), 0);
        spy_context_detach(scope);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    json_t *lines = lines_read(fd);
    int next[THREADS] = { 0 };
    size_t at;
    json_t *line;
    json_array_foreach(lines, at, line)
    {
        if (strcmp(lines_str(line, "event"), "step") == 0) {
            const char *id = lines_str(line, "correlation_id");
            assert_string_equal(id, lines_str(line, "expected"));
            assert_int_equal(strlen(lines_str(line, "trace_id")), 32);
            int t = id[strlen("request-")] - '0';
            assert_int_equal(json_integer_value(json_object_get(line, "i")), next[t]++); // in order
        }
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(next[t], ROUNDS);
    }
    json_decref(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_its_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(context_is_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_masked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_inside_are_masked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_bytes_give_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_call_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rings_run_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(eight_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
