#include "serve/sql_check.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"

// https://clickhouse.com/docs/sql-reference/statements: those that change nothing, and the bracket
// that may stand around a SELECT.
static const char *const readers[] = { "select", "with",   "from",    "show", "describe",
                                       "desc",   "exists", "explain", "(" };

// Behind a comment of ClickHouse's at `at`: "--" or "#" up to the line's end, "/* */"; or `at`.
static const char *skip_comment(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    if (left >= 2 && memcmp(at, "/*", 2) == 0) {
        const char *close = memmem(at + 2, left - 2, "*/", 2);
        return close ? close + 2 : end;
    }
    if ((left >= 2 && memcmp(at, "--", 2) == 0) || (left >= 1 && *at == '#')) {
        const char *newline = memchr(at, '\n', left);
        return newline ? newline + 1 : end;
    }
    return at;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n\v\f", *at)) {
        at++;
    }
    return at;
}

static const char *first_word(const char *at, const char *end)
{
    const char *before;
    do {
        before = at;
        at = skip_comment(skip_blanks(at, end), end);
    } while (at != before);
    return at;
}

static size_t word_len(const char *at, const char *end)
{
    size_t n = 0;
    while (at + n < end && (((at[n] | 32) >= 'a' && (at[n] | 32) <= 'z') || at[n] == '_' ||
                            (at[n] >= '0' && at[n] <= '9'))) {
        n++;
    }
    return n > 0 || at == end ? n : 1;
}

const char *spy__sql_check(const char *sql, size_t n)
{
    if (n > SPY__SQL_BYTES_MAX) {
        return "The statement is longer than 64 KiB.";
    }
    if (!spy__utf8_valid(sql, n) || memchr(sql, '\0', n)) {
        return "The statement is not UTF-8 text.";
    }
    const char *end = sql + n, *word = first_word(sql, end);
    size_t len = word_len(word, end);
    if (len == 0) {
        return "There is no statement.";
    }
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strlen(readers[i]) == len && strncasecmp(readers[i], word, len) == 0) {
            return NULL;
        }
    }
    return "Only statements that read are asked here: SELECT, WITH, FROM, SHOW, DESCRIBE, EXISTS, "
           "EXPLAIN.";
}
