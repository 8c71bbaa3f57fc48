#include "backends/clickhouse_migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse_schema.h"
#include "encode/clickhouse_binary.h"

// The first version whose JSON column is for general use, with typed paths.
#define VERSION_CURRENT 25003u
#define NUMBER_MAX 63u

static const char *schema_of(const struct spy__migrate *m)
{
    return m->old ? SPY__SCHEMA_LEGACY : SPY__SCHEMA_CURRENT;
}

static bool is_applied(const struct spy__migrate *m, unsigned number)
{
    return number <= NUMBER_MAX && (m->applied >> number & 1) != 0;
}

// The first of the schema that is missing, or the count of all.
static size_t first_missing(const struct spy__migrate *m)
{
    size_t i = 0;
    while (i < spy__migrations_count && (strcmp(spy__migrations[i].schema, schema_of(m)) != 0 ||
                                         is_applied(m, spy__migrations[i].number))) {
        i++;
    }
    return i;
}

size_t spy__migrate_missing(const struct spy__migrate *m)
{
    size_t missing = 0;
    for (size_t i = 0; i < spy__migrations_count; i++) {
        missing += strcmp(spy__migrations[i].schema, schema_of(m)) == 0 &&
                   !is_applied(m, spy__migrations[i].number);
    }
    return missing;
}

void spy__migrate_reset(struct spy__migrate *m)
{
    *m = (struct spy__migrate){ .apply = m->apply, .notice = m->notice, .arg = m->arg };
}

bool spy__migrate_next(const struct spy__migrate *m, struct spy__buf *statement)
{
    char note[512];
    const struct spy__migration *migration = &spy__migrations[m->at];
    switch (m->step) {
    case SPY__MIGRATE_VERSION:
        spy__buf_puts(statement, SPY__CLICKHOUSE_ASK_VERSION);
        return true;
    case SPY__MIGRATE_LIST:
        spy__buf_puts(statement, "SELECT DISTINCT schema, version FROM spyglass_migrations "
                                 "FORMAT TabSeparated");
        return true;
    case SPY__MIGRATE_TABLE:
        spy__buf_puts(statement,
                      "CREATE TABLE IF NOT EXISTS spyglass_migrations (version UInt32, name "
                      "String, schema String, applied_at DateTime DEFAULT now()) "
                      "ENGINE = MergeTree ORDER BY version");
        return true;
    case SPY__MIGRATE_APPLY:
        spy__buf_puts(statement, migration->sql);
        return true;
    case SPY__MIGRATE_NOTE: // names are ours: letters, digits, '_'
        (void)snprintf(note, sizeof(note),
                       "INSERT INTO spyglass_migrations (version, name, schema) "
                       "VALUES (%u, '%s', '%s')",
                       migration->number, migration->name, migration->schema);
        spy__buf_puts(statement, note);
        return true;
    case SPY__MIGRATE_TYPE:
        spy__buf_puts(statement, "SELECT type FROM system.columns WHERE database = "
                                 "currentDatabase() AND table = 'analytics_events' AND name = "
                                 "'properties' FORMAT TabSeparatedRaw");
        return true;
    case SPY__MIGRATE_DONE:
        break;
    }
    return false;
}

// ---- answers

// Of "26.7.2.1" its first two numbers.
unsigned spy__clickhouse_version(const struct spy__answer *answer)
{
    char text[32] = "", *end, *second_end;
    size_t n = answer->body_bytes < sizeof(text) - 1 ? answer->body_bytes : sizeof(text) - 1;
    if (n > 0) {
        memcpy(text, answer->body, n);
    }
    unsigned long major = strtoul(text, &end, 10);
    if (end == text || *end != '.' || major == 0 || major > 9999) {
        return 0;
    }
    unsigned long minor = strtoul(end + 1, &second_end, 10);
    return second_end == end + 1 || minor > 999 ? 0 : (unsigned)(major * 1000 + minor);
}

// Lines of "SCHEMA\tNUMBER". One that says legacy makes it so; a line that is anything else is left
// out.
static void read_list(struct spy__migrate *m, const struct spy__answer *answer)
{
    uint64_t applied[2] = { 0, 0 }; // current, legacy
    const char *at = answer->body_bytes > 0 ? answer->body : "", *end = at + answer->body_bytes;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        const char *tab = memchr(at, '\t', (size_t)(stop - at));
        unsigned number = 0;
        for (const char *c = tab ? tab + 1 : stop; c < stop && *c >= '0' && *c <= '9'; c++) {
            number = number > NUMBER_MAX ? number : number * 10 + (unsigned)(*c - '0');
        }
        for (int old = 0; old < 2 && tab && number > 0 && number <= NUMBER_MAX; old++) {
            const char *schema = old ? SPY__SCHEMA_LEGACY : SPY__SCHEMA_CURRENT;
            if (strlen(schema) == (size_t)(tab - at) && memcmp(schema, at, strlen(schema)) == 0) {
                applied[old] |= UINT64_C(1) << number;
            }
        }
        at = newline ? newline + 1 : end;
    }
    m->old = applied[1] != 0 || (applied[0] == 0 && m->version < VERSION_CURRENT);
    m->applied = applied[m->old];
}

// The schema is as it will be.
static void end_migrations(struct spy__migrate *m)
{
    m->step = m->old ? SPY__MIGRATE_DONE : SPY__MIGRATE_TYPE;
}

static void go_on(struct spy__migrate *m)
{
    size_t missing = first_missing(m);
    m->at = missing < spy__migrations_count ? missing : 0;
    if (missing < spy__migrations_count && m->apply) {
        m->step = SPY__MIGRATE_APPLY;
    } else {
        end_migrations(m);
    }
}

static bool is_known_type(const struct spy__answer *answer)
{
    static const char type[] = SPY__CLICKHOUSE_PROPERTIES_TYPE "\n";
    return answer->body_bytes == sizeof(type) - 1 &&
           memcmp(answer->body, type, sizeof(type) - 1) == 0;
}

static void tell(const struct spy__migrate *m)
{
    char name[256];
    (void)snprintf(name, sizeof(name), "%s/%s", spy__migrations[m->at].schema,
                   spy__migrations[m->at].name);
    if (m->notice) {
        m->notice(m->arg, name);
    }
}

static struct spy__verdict unknown_version(void)
{
    struct spy__verdict verdict = { .kind = SPY__RETRY, .reason = "bad_answer" };
    (void)snprintf(verdict.text, sizeof(verdict.text),
                   "the answer to SELECT version() is no version");
    return verdict;
}

static bool is_denied(unsigned code)
{
    return code == SPY__CLICKHOUSE_ACCESS_DENIED || code == SPY__CLICKHOUSE_READONLY;
}

struct spy__verdict spy__migrate_answered(struct spy__migrate *m, const struct spy__answer *answer)
{
    bool reads = m->step == SPY__MIGRATE_VERSION || m->step == SPY__MIGRATE_LIST ||
                 m->step == SPY__MIGRATE_TYPE;
    struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(answer, reads);
    const struct spy__verdict done = { .kind = SPY__SENT, .reason = "" };
    if (m->step == SPY__MIGRATE_LIST && outcome.code == SPY__CLICKHOUSE_UNKNOWN_TABLE) {
        m->old = m->version < VERSION_CURRENT;
        if (m->apply) {
            m->step = SPY__MIGRATE_TABLE;
        } else {
            end_migrations(m);
        }
        return done;
    }
    if (m->step == SPY__MIGRATE_TYPE && outcome.class != SPY__CLICKHOUSE_TROUBLE) {
        m->known_type = outcome.class == SPY__CLICKHOUSE_FINE && is_known_type(answer);
        m->step = SPY__MIGRATE_DONE;
        return done;
    }
    if (m->step != SPY__MIGRATE_VERSION && is_denied(outcome.code)) {
        m->not_allowed = true;
        m->old = m->step == SPY__MIGRATE_LIST ? m->version < VERSION_CURRENT : m->old;
        end_migrations(m);
        return done;
    }
    if (outcome.class != SPY__CLICKHOUSE_FINE) {
        struct spy__verdict verdict = spy__clickhouse_verdict(&outcome, answer);
        verdict.kind = SPY__RETRY; // a statement has no rows to blame
        return verdict;
    }
    switch (m->step) {
    case SPY__MIGRATE_VERSION:
        m->version = spy__clickhouse_version(answer);
        if (m->version == 0) {
            return unknown_version();
        }
        m->step = SPY__MIGRATE_LIST;
        break;
    case SPY__MIGRATE_LIST:
        read_list(m, answer);
        go_on(m);
        break;
    case SPY__MIGRATE_TABLE:
        go_on(m);
        break;
    case SPY__MIGRATE_APPLY:
        m->step = SPY__MIGRATE_NOTE;
        break;
    case SPY__MIGRATE_NOTE:
        m->applied |= UINT64_C(1) << spy__migrations[m->at].number;
        tell(m);
        go_on(m);
        break;
    case SPY__MIGRATE_TYPE: // above
    case SPY__MIGRATE_DONE:
        break;
    }
    return done;
}
