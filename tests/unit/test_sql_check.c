// Which statements the page may ask: those that read, by their first word.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/sql_check.h"

static void statements_that_read_are_asked(void **state)
{
    static const char *const good[] = {
        "SELECT 1",
        "select count() from t",
        "  \n\t(SELECT 1) UNION ALL (SELECT 2)",
        "WITH 1 AS x SELECT x",
        "FROM t SELECT *",
        "Show TABLES",
        "DESCRIBE TABLE t",
        "desc t",
        "EXISTS TABLE t",
        "EXPLAIN SELECT 1",
        "-- a comment\n# another\n/* and\none */SELECT 1",
        "/**/select/**/1",
        "SELECT'\xc3\xbc'",
        "SELECT",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *why = spy__sql_check(good[i], strlen(good[i]));
        if (why) {
            fail_msg("%s: %s", good[i], why);
        }
    }
}

static void others_are_not(void **state)
{
    static const char *const bad[] = {
        "INSERT INTO t VALUES (1)",
        "drop table t",
        "CREATE TABLE t (a Int8) ENGINE = Memory",
        "SET readonly = 0",
        "USE system",
        "KILL QUERY WHERE 1",
        "SYSTEM SHUTDOWN",
        "selects",
        "SELECT1",
        "show_tables",
        "-- SELECT 1",
        "/* SELECT 1",
        "/* SELECT 1 */ KILL QUERY WHERE 1",
        "; SELECT 1",
        ")",
        "\xc3\xbcSELECT",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = spy__sql_check(bad[i], strlen(bad[i]));
        if (!why) {
            fail_msg("%s is asked", bad[i]);
        }
    }
}

static void what_is_no_statement_is_told_so(void **state)
{
    static char longest[SPY__SQL_BYTES_MAX + 1] = "SELECT ";
    (void)state;
    assert_string_equal(spy__sql_check("", 0), "There is no statement.");
    assert_string_equal(spy__sql_check(" -- a\n", 6), "There is no statement.");
    assert_string_equal(spy__sql_check("SELECT \xff", 8), "The statement is not UTF-8 text.");
    assert_string_equal(spy__sql_check("SELECT \0", 8), "The statement is not UTF-8 text.");
    memset(longest + 7, '1', sizeof(longest) - 7);
    assert_null(spy__sql_check(longest, sizeof(longest) - 1));
    assert_string_equal(spy__sql_check(longest, sizeof(longest)),
                        "The statement is longer than 64 KiB.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_that_read_are_asked),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(what_is_no_statement_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
