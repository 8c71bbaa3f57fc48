#include "memegen/analytics/analytics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400L

#define SQL_BYTES 1024

// What of a question differs between the schemas of monitoring/clickhouse: on the legacy one
// properties are columns, and a server of that age takes no parameters.
struct schema {
    const char *quality, *user, *from, *to, *limit;
};

static const struct schema current = { "properties.quality_score", "properties.user_id",
                                       "{from:Date}", "{to:Date}", "{limit:UInt32}" };

static const char is_legacy_sql[] =
    "SELECT count() AS columns FROM system.columns WHERE database = currentDatabase()"
    " AND table = 'analytics_events' AND name = 'quality_score'";

static const struct {
    const char *name, *rows;
} kinds[ANALYTICS_KINDS] = {
    [ANALYTICS_POPULAR_TEMPLATES] = { "popular-templates", "templates" },
    [ANALYTICS_ENGAGEMENT] = { "engagement", "days" },
};

const char *analytics_name(enum analytics_kind kind)
{
    return kinds[kind].name;
}

static void print_day(char ret[ANALYTICS_DAY_BYTES], long day)
{
    time_t at = (time_t)(day * DAY_S);
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(ret, ANALYTICS_DAY_BYTES, "%Y-%m-%d", &tm);
}

// The day of "YYYY-MM-DD", counted from 1970; false where it is none.
static bool read_day(long *ret, const char *text)
{
    struct tm tm = { 0 };
    char again[ANALYTICS_DAY_BYTES];
    const char *end =
        strlen(text) == ANALYTICS_DAY_BYTES - 1 ? strptime(text, "%Y-%m-%d", &tm) : NULL;
    if (!end || *end || tm.tm_year < 70) {
        return false;
    }
    *ret = timegm(&tm) / DAY_S;
    print_day(again, *ret); // February has no 30th
    return strcmp(text, again) == 0;
}

static bool read_limit(unsigned *ret, const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 3 || text[digits]) {
        return false;
    }
    *ret = (unsigned)strtoul(text, NULL, 10);
    return *ret >= 1 && *ret <= ANALYTICS_LIMIT_MAX;
}

bool analytics_question(struct analytics_question *ret, enum analytics_kind kind, const char *from,
                        const char *to, const char *limit, long today_s, const char **ret_field,
                        const char **ret_problem)
{
    long last = today_s / DAY_S, first;
    unsigned rows = ANALYTICS_LIMIT_DEFAULT;

    *ret_field = "to";
    *ret_problem = "must be a day, as 2026-01-31";
    if (to && !read_day(&last, to)) {
        return false;
    }
    first = last - (ANALYTICS_DAYS_DEFAULT - 1);
    first = first < 0 ? 0 : first;
    *ret_field = "from";
    if (from && !read_day(&first, from)) {
        return false;
    }
    *ret_problem = "must be a day before the range's end, and at most 400 days before it";
    if (first > last || last - first >= ANALYTICS_DAYS_MAX) {
        return false;
    }
    *ret_field = "limit";
    *ret_problem = "must be an integer from 1 to 100";
    if (limit && !read_limit(&rows, limit)) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    ret->kind = kind;
    ret->limit = rows;
    print_day(ret->from, first);
    print_day(ret->to, last);
    return true;
}

static void make_sql(char ret[SQL_BYTES], enum analytics_kind kind, const struct schema *schema)
{
    if (kind == ANALYTICS_POPULAR_TEMPLATES) {
        snprintf(ret, SQL_BYTES,
                 "SELECT template_id, COUNT(*) AS usage_count, AVG(%s) AS avg_quality"
                 " FROM analytics_events FINAL"
                 " WHERE event_type = 'meme_generated' AND toDate(timestamp) BETWEEN %s AND %s"
                 " GROUP BY template_id ORDER BY usage_count DESC, template_id LIMIT %s",
                 schema->quality, schema->from, schema->to, schema->limit);
    } else {
        snprintf(ret, SQL_BYTES,
                 "SELECT toDate(timestamp) AS date, COUNT(DISTINCT %s) AS daily_active_users,"
                 " COUNT(*) AS total_generations FROM analytics_events FINAL"
                 " WHERE event_type = 'meme_generated' AND toDate(timestamp) BETWEEN %s AND %s"
                 " GROUP BY date ORDER BY date",
                 schema->user, schema->from, schema->to);
    }
}

// A database keeps the schema that it was begun with, whatever its server's version is later.
static int find_schema(struct clickhouse *clickhouse, bool *ret_legacy,
                       char error[CLICKHOUSE_ERROR_BYTES])
{
    const struct clickhouse_param none = { NULL, NULL };
    json_t *rows = NULL;
    int code = clickhouse_ask(clickhouse, is_legacy_sql, &none, &rows, error);

    *ret_legacy = json_integer_value(json_object_get(json_array_get(rows, 0), "columns")) > 0;
    json_decref(rows);
    return code;
}

static int ask_current(struct clickhouse *clickhouse, const struct analytics_question *question,
                       const char *limit, json_t **ret, char error[CLICKHOUSE_ERROR_BYTES])
{
    bool limited = question->kind == ANALYTICS_POPULAR_TEMPLATES;
    const struct clickhouse_param params[] = {
        { "from", question->from },
        { "to", question->to },
        { limited ? "limit" : NULL, limit },
        { NULL, NULL },
    };
    char sql[SQL_BYTES];

    make_sql(sql, question->kind, &current);
    return clickhouse_ask(clickhouse, sql, params, ret, error);
}

// The days and the limit are in the statement: analytics_question() let nothing else into them.
static int ask_legacy(struct clickhouse *clickhouse, const struct analytics_question *question,
                      const char *limit, json_t **ret, char error[CLICKHOUSE_ERROR_BYTES])
{
    const struct clickhouse_param none = { NULL, NULL };
    char sql[SQL_BYTES], from[32], to[32];

    snprintf(from, sizeof(from), "toDate('%s')", question->from);
    snprintf(to, sizeof(to), "toDate('%s')", question->to);
    make_sql(sql, question->kind, &(struct schema){ "quality_score", "user_id", from, to, limit });
    return clickhouse_ask(clickhouse, sql, &none, ret, error);
}

int analytics_ask(struct clickhouse *clickhouse, const struct analytics_question *question,
                  json_t **ret, char error[CLICKHOUSE_ERROR_BYTES])
{
    json_t *rows = NULL;
    char limit[16];
    bool legacy;
    int code = find_schema(clickhouse, &legacy, error);

    snprintf(limit, sizeof(limit), "%u", question->limit);
    if (!code) {
        code = (legacy ? ask_legacy : ask_current)(clickhouse, question, limit, &rows, error);
    }
    if (code) {
        return code;
    }
    *ret = json_pack("{s:s, s:s, s:o}", "from", question->from, "to", question->to,
                     kinds[question->kind].rows, rows);
    if (!*ret) {
        snprintf(error, CLICKHOUSE_ERROR_BYTES, "There is no memory for the answer.");
        return -ENOMEM;
    }
    return 0;
}
