// Getting a server ready: what is asked, in which order, and what each answer leads to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backends/clickhouse_migrate.h"
#include "encode/clickhouse_binary.h"
#include "backends/clickhouse_schema.h"

static const char *const headers[] = { "X-ClickHouse-Server-Display-Name: vm" };

static struct spy__verdict answered(struct spy__migrate *m, long status, const char *body)
{
    struct spy__answer answer = { status, headers, 1, body, strlen(body), NULL };
    return spy__migrate_answered(m, &answer);
}

static void assert_next(const struct spy__migrate *m, const char *begins)
{
    struct spy__buf statement;
    spy__buf_init(&statement, 1 << 16);
    assert_true(spy__migrate_next(m, &statement));
    assert_false(statement.failed);
    spy__buf_putc(&statement, '\0');
    if (!strstr(statement.bytes, begins)) {
        fail_msg("%s is not in: %s", begins, statement.bytes);
    }
    spy__buf_done(&statement);
}

static void assert_done(const struct spy__migrate *m)
{
    struct spy__buf statement;
    spy__buf_init(&statement, 1 << 16);
    assert_false(spy__migrate_next(m, &statement));
    assert_int_equal(statement.len, 0);
    spy__buf_done(&statement);
}

// What a server of the current schema is asked last.
static bool ends_with_type(struct spy__migrate *m, const char *type)
{
    assert_next(m, "SELECT type FROM system.columns");
    assert_int_equal(answered(m, 200, type).kind, SPY__SENT);
    assert_done(m);
    return m->known_type;
}

static char noted[1024];

static void note(void *arg, const char *name)
{
    size_t n = strlen(noted);
    assert_ptr_equal(arg, noted);
    (void)snprintf(noted + n, sizeof(noted) - n, "%s ", name);
}

static struct spy__migrate begin(bool apply, const char *version)
{
    struct spy__migrate m = { .apply = apply, .notice = note, .arg = noted };
    noted[0] = '\0';
    assert_next(&m, "SELECT version()");
    assert_int_equal(answered(&m, 200, version).kind, SPY__SENT);
    assert_next(&m, "FROM spyglass_migrations");
    return m;
}

static size_t count_of(const char *schema)
{
    size_t n = 0;
    for (size_t i = 0; i < spy__migrations_count; i++) {
        n += strcmp(spy__migrations[i].schema, schema) == 0;
    }
    return n;
}

static const char unknown_table[] =
    "Code: 60, e.displayText() = DB::Exception: Table default.spyglass_migrations doesn't exist., "
    "e.what() = DB::Exception";

static void an_empty_database_gets_all(void **state)
{
    (void)state;
    static const struct {
        const char *version, *schema;
        bool old;
    } cases[] = {
        { "26.7.2.1\n", "current", false },
        { "25.3.1.1\n", "current", false },
        { "25.2.9\n", "legacy", true },
        { "18.16.1\n", "legacy", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spy__migrate m = begin(true, cases[i].version);
        assert_int_equal(answered(&m, 404, unknown_table).kind, SPY__SENT);
        assert_int_equal(m.old, cases[i].old);
        assert_next(&m, "CREATE TABLE IF NOT EXISTS spyglass_migrations");
        assert_int_equal(answered(&m, 200, "").kind, SPY__SENT);
        for (size_t k = 1; k <= count_of(cases[i].schema); k++) {
            char expected[64];
            (void)snprintf(expected, sizeof(expected), "(%zu, '%03zu_", k, k);
            assert_next(&m, "CREATE ");
            assert_int_equal(answered(&m, 200, "").kind, SPY__SENT);
            assert_next(&m, expected);
            assert_int_equal(answered(&m, 200, "").kind, SPY__SENT);
        }
        if (cases[i].old) {
            assert_done(&m);
        } else {
            assert_true(ends_with_type(&m, SPY__CLICKHOUSE_PROPERTIES_TYPE "\n"));
        }
        assert_int_equal(spy__migrate_missing(&m), 0);
        assert_non_null(strstr(noted, "/001_analytics_events "));
        assert_int_equal(strncmp(noted, cases[i].schema, strlen(cases[i].schema)), 0);
    }
}

static void what_is_there_is_not_done_again(void **state)
{
    (void)state;
    char list[256] = "";
    for (size_t k = 1; k <= count_of("current"); k++) {
        size_t n = strlen(list);
        (void)snprintf(list + n, sizeof(list) - n, "current\t%zu\n", k);
    }
    struct spy__migrate m = begin(true, "26.7.2.1\n");
    assert_int_equal(answered(&m, 200, list).kind, SPY__SENT);
    assert_false(ends_with_type(&m, "JSON(template_id String)\n"));
    assert_string_equal(noted, "");

    m = begin(true, "26.7.2.1\n");
    assert_int_equal(
        answered(&m, 200,
                 "current\t1\ncurrent\t3\nnonsense\ncurrent\t\n\tx\ncurrent\t99999999999\n")
            .kind,
        SPY__SENT);
    assert_int_equal(spy__migrate_missing(&m), count_of("current") - 2);
    assert_next(&m, "CREATE TABLE IF NOT EXISTS meme_template_daily");
}

static void a_database_keeps_its_schema(void **state)
{
    (void)state;
    struct spy__migrate m = begin(true, "26.7.2.1\n"); // upgraded
    assert_int_equal(answered(&m, 200, "legacy\t1\n").kind, SPY__SENT);
    assert_true(m.old);
    assert_next(&m, "AggregateFunction(avg, Float32)");
}

static void who_may_not_leaves_it(void **state)
{
    (void)state;
    static const char denied[] = "Code: 497. DB::Exception: me: Not enough privileges.";
    static const char readonly[] =
        "Code: 164. DB::Exception: Cannot execute query in readonly mode";
    struct spy__migrate m = begin(true, "26.7.2.1\n");
    assert_int_equal(answered(&m, 404, unknown_table).kind, SPY__SENT);
    assert_int_equal(answered(&m, 403, denied).kind, SPY__SENT);
    assert_false(ends_with_type(&m, ""));
    assert_true(m.not_allowed);
    assert_int_equal(spy__migrate_missing(&m), count_of("current"));

    m = begin(true, "18.16.1\n");
    assert_int_equal(answered(&m, 500, readonly).kind, SPY__SENT);
    assert_done(&m);
    assert_true(m.not_allowed && m.old);

    m = begin(false, "26.7.2.1\n"); // only looks
    assert_int_equal(answered(&m, 404, unknown_table).kind, SPY__SENT);
    assert_int_equal(answered(&m, 403, denied).kind, SPY__SENT); // of the type
    assert_done(&m);
    assert_false(m.not_allowed || m.known_type);
    assert_int_equal(spy__migrate_missing(&m), count_of("current"));
    m = begin(false, "26.7.2.1\n");
    assert_int_equal(answered(&m, 200, "current\t1\n").kind, SPY__SENT);
    assert_int_equal(answered(&m, 500, "Code: 241. DB::Exception: memory").kind, SPY__RETRY);
    assert_true(ends_with_type(&m, SPY__CLICKHOUSE_PROPERTIES_TYPE "\n"));
}

static void trouble_asks_again(void **state)
{
    (void)state;
    struct spy__migrate m = { .apply = true };
    struct spy__answer none = { .status = 0, .error = "connection refused" };
    struct spy__verdict verdict = spy__migrate_answered(&m, &none);
    assert_int_equal(verdict.kind, SPY__RETRY);
    assert_string_equal(verdict.text, "connection refused");
    static const char *const no_versions[] = { "", "x", "26", "26.", "-1.2", "26.99999" };
    for (size_t i = 0; i < sizeof(no_versions) / sizeof(no_versions[0]); i++) {
        assert_int_equal(answered(&m, 200, no_versions[i]).kind, SPY__RETRY);
        assert_next(&m, "SELECT version()");
    }
    assert_int_equal(answered(&m, 200, "26.7\n").kind, SPY__SENT);
    assert_int_equal(answered(&m, 500, "Code: 241. DB::Exception: memory").kind, SPY__RETRY);
    assert_int_equal(answered(&m, 200, "").kind, SPY__SENT);
    // A statement is never given up, nor split.
    assert_int_equal(answered(&m, 400, "Code: 27. DB::Exception: x").kind, SPY__RETRY);
    assert_next(&m, "CREATE TABLE IF NOT EXISTS analytics_events");
    spy__migrate_reset(&m);
    assert_true(m.apply);
    assert_next(&m, "SELECT version()");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_all),
        cmocka_unit_test(what_is_there_is_not_done_again),
        cmocka_unit_test(a_database_keeps_its_schema),
        cmocka_unit_test(who_may_not_leaves_it),
        cmocka_unit_test(trouble_asks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
