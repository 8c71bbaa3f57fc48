// Events through the started library: what the pump hands on, and the options of hashed fields.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lines.h"
#include "record/recent/keep.h"
#include "record/pump.h"
#include "scrape.h"
#include "spyglass/spyglass.h"

#define SALT "0123456789abcdef"
#define PSEUDONYM "5162bddb18bda0082a7b39c472f7d118" // of "u1": tests/unit/test_event.c

static int fd;
static char path[64];

// What the pump kept last of an event.
static struct {
    unsigned count;
    char user[64], correlation_id[64];
    uint64_t time_ns, event_hi;
} kept;

void __real_spy__keep_give(const struct spy__record *record);
void __wrap_spy__keep_give(const struct spy__record *record);
void __wrap_spy__keep_give(const struct spy__record *record)
{
    if (record->kind == SPY__KIND_EVENT) {
        kept.count++;
        kept.time_ns = record->time_ns;
        kept.event_hi = record->event_hi;
        (void)snprintf(kept.correlation_id, sizeof(kept.correlation_id), "%s",
                       record->correlation_id);
        (void)snprintf(kept.user, sizeof(kept.user), "%.*s", (int)record->fields[0].len,
                       record->fields[0].value.s);
    }
    __real_spy__keep_give(record);
}

static int set_up(void **state)
{
    (void)state;
    fd = lines_open();
    (void)snprintf(path, sizeof(path), "/tmp/test_event_start.XXXXXX");
    close(mkstemp(path));
    memset(&kept, 0, sizeof(kept));
    unsetenv("SPY_HASH_FIELDS");
    unsetenv("SPY_HASH_SALT");
    unsetenv("SPY_HASH_SALT_FILE");
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(fd);
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

// Starts with these, publishes an event of user u1, and stops.
static void run(const char *fields, const char *salt)
{
    assert_int_equal(spy_start(&(struct spy_options){
                         .log_fd = fd, .event_hash_fields = fields, .event_hash_salt = salt }),
                     0);
    struct spy_context_scope scope = spy_context_begin("c-1", NULL);
    spy_event("seen", spy_str("user_id", "u1"));
    spy_context_detach(scope);
    spy__pump_flush();
    assert_int_equal(spy_stop(20000), 0);
}

static void an_event_is_handed_on(void **state)
{
    (void)state;
    run(NULL, NULL);
    assert_int_equal(kept.count, 1);
    assert_string_equal(kept.user, "u1");
    assert_string_equal(kept.correlation_id, "c-1");
    // Its id's time is the kernel's last tick, some milliseconds before its own.
    uint64_t id_ms = kept.event_hi >> 16, time_ms = kept.time_ns / 1000000;
    assert_true(id_ms <= time_ms + 1000 && time_ms <= id_ms + 1000);
    assert_true(scrape_value("spyglass_events_total{event_type=\"seen\"}") >= 1);
}

static void chosen_fields_are_hashed(void **state)
{
    (void)state;
    run("user_id", SALT);
    assert_string_equal(kept.user, PSEUDONYM);
    setenv("SPY_HASH_FIELDS", "email, user_id", 1);
    setenv("SPY_HASH_SALT", SALT, 1);
    run(NULL, NULL);
    assert_string_equal(kept.user, PSEUDONYM);
    unsetenv("SPY_HASH_SALT");
    setenv("SPY_HASH_SALT_FILE", path, 1);
    write_file(SALT "\nmore\n");
    run(NULL, NULL);
    assert_string_equal(kept.user, PSEUDONYM);
    write_file(SALT); // no newline
    run("user_id", NULL);
    assert_string_equal(kept.user, PSEUDONYM);
    assert_int_equal(kept.count, 4);
    json_t *lines = lines_read(fd);
    char *text = json_dumps(lines, 0);
    assert_null(strstr(text, SALT));
    free(text);
    json_decref(lines);
}

static void assert_refused(const char *fields, const char *salt, const char *about)
{
    assert_int_equal(spy_start(&(struct spy_options){
                         .log_fd = fd, .event_hash_fields = fields, .event_hash_salt = salt }),
                     -EINVAL);
    assert_non_null(strstr(spy_start_error(), about));
    assert_true(!salt || !strstr(spy_start_error(), salt));
}

static void options_that_cannot_be(void **state)
{
    (void)state;
    char many[200] = "";
    for (int i = 0; i < SPY_FIELDS_MAX + 1; i++) {
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "f%d,", i);
    }
    assert_refused("user_id", NULL, "there is no salt");
    assert_refused("user_id", "tiny", "shorter than 16 bytes");
    assert_refused(" , ", SALT, "1 to 32 names");
    assert_refused(many, SALT, "1 to 32 names");
    setenv("SPY_HASH_SALT_FILE", "/nonexistent", 1);
    assert_refused("user_id", NULL, "SPY_HASH_SALT_FILE /nonexistent cannot be read: No such file");
    setenv("SPY_HASH_SALT_FILE", "/", 1);
    assert_refused("user_id", NULL, "cannot be read");
    setenv("SPY_HASH_SALT_FILE", path, 1);
    assert_refused("user_id", NULL, "is empty");
    char longest[1100];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    write_file(longest);
    assert_refused("user_id", NULL, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_handed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(chosen_fields_are_hashed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options_that_cannot_be, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
