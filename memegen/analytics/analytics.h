// What memegen is asked about its product events: the two queries of monitoring/clickhouse/queries,
// over a range of days and by parameters; or, of a database with the schema for old servers, the same
// in the form that it takes.
//
// An event that was stored twice counts once (FINAL).
#ifndef MEMEGEN_ANALYTICS_ANALYTICS_H
#define MEMEGEN_ANALYTICS_ANALYTICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "memegen/analytics/clickhouse.h"

#define ANALYTICS_DAY_BYTES 11 // "2026-01-31"
#define ANALYTICS_DAYS_MAX 400 // that long events are kept
#define ANALYTICS_DAYS_DEFAULT 30
#define ANALYTICS_LIMIT_MAX 100
#define ANALYTICS_LIMIT_DEFAULT 20

enum analytics_kind { ANALYTICS_POPULAR_TEMPLATES, ANALYTICS_ENGAGEMENT, ANALYTICS_KINDS };

// All bytes are set, so that two are compared as bytes.
struct analytics_question {
    enum analytics_kind kind;
    unsigned limit;                                          // rows, of popular templates
    char from[ANALYTICS_DAY_BYTES], to[ANALYTICS_DAY_BYTES]; // days in UTC, both in it
};

// "popular-templates", "engagement".
const char *analytics_name(enum analytics_kind kind);

// Checks and completes a question: from, to and limit may be NULL. today_s: now, as Unix time.
// Returns true, or false with which of the three is wrong and what to say of it, both constants.
bool analytics_question(struct analytics_question *ret, enum analytics_kind kind, const char *from,
                        const char *to, const char *limit, long today_s, const char **ret_field,
                        const char **ret_problem);

// Asks. {"from", "to", "templates": [{"template_id", "usage_count", "avg_quality"}]}, the most used
// first, or {"from", "to", "days": [{"date", "daily_active_users", "total_generations"}]}, the
// oldest first. Asks ClickHouse twice, for its schema first. Returns as clickhouse_ask(). Threads: any.
int analytics_ask(struct clickhouse *clickhouse, const struct analytics_question *question,
                  json_t **ret, char error[CLICKHOUSE_ERROR_BYTES]);

#endif
