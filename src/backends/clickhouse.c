#include "backends/clickhouse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse_answer.h"
#include "backends/clickhouse_migrate.h"
#include "backends/clickhouse_request.h"
#include "base/clock.h"
#include "base/json.h"
#include "encode/clickhouse_binary.h"
#include "record/wire.h"

#define TABLE "analytics_events"
#define TIMEOUT_MS 60000u

// First versions (1000 × major + minor) that know a setting or an encoding.
#define VERSION_ASYNC_INSERT 21011u
#define VERSION_TOKEN 22003u
#define VERSION_ZSTD 21001u

// Longest properties of one record: a record holds 128 KiB at most, an escaped byte takes six.
#define PROPERTIES_BYTES_MAX (1u << 20)

struct spy__clickhouse {
    struct spy__clickhouse_url url;
    struct spy__migrate migrate;
    const char *service, *environment;
    bool paths; // the last insert had its properties as paths
    bool doubt; // one was refused: they are text until one is taken
    struct spy__buf properties;
    struct spy__wire_view view; // of the record that is being encoded
};

int spy__clickhouse_new(struct spy__clickhouse **ret, const struct spy__clickhouse_options *options,
                        const char **ret_why)
{
    struct spy__clickhouse *ch = calloc(1, sizeof(*ch));
    if (!ch) {
        return -ENOMEM;
    }
    int err = spy__clickhouse_url_parse(&ch->url, options->url, ret_why);
    if (err != 0) {
        spy__clickhouse_free(ch);
        return err;
    }
    ch->service = options->service;
    ch->environment = options->environment;
    ch->migrate.apply = !options->no_migrate;
    ch->migrate.notice = options->applied;
    ch->migrate.arg = options->arg;
    spy__buf_init(&ch->properties, PROPERTIES_BYTES_MAX);
    *ret = ch;
    return 0;
}

void spy__clickhouse_free(struct spy__clickhouse *ch)
{
    if (ch) {
        spy__buf_done(&ch->properties);
        explicit_bzero(&ch->url, sizeof(ch->url));
        free(ch);
    }
}

const char *spy__clickhouse_base(const struct spy__clickhouse *ch)
{
    return ch->url.base;
}

size_t spy__clickhouse_missing(const struct spy__clickhouse *ch)
{
    return spy__migrate_missing(&ch->migrate);
}

// ---- requests

int spy__clickhouse_prepare(void *self, struct spy__request *ret, struct spy__buf *body)
{
    const struct spy__clickhouse *ch = self;
    struct spy__buf path;
    if (ch->migrate.step == SPY__MIGRATE_DONE) {
        return 0;
    }
    spy__clickhouse_request_begin(ret, &path, &ch->url, TIMEOUT_MS);
    spy__buf_putc(&path, '\0');
    spy__buf_reset(body);
    (void)spy__migrate_next(&ch->migrate, body);
    return path.failed || body->failed ? -ENOMEM : 1;
}

struct spy__verdict spy__clickhouse_prepared(void *self, const struct spy__answer *answer)
{
    struct spy__clickhouse *ch = self;
    return spy__migrate_answered(&ch->migrate, answer);
}

// The settings of an insert, as far as the server's version knows them.
static void put_settings(const struct spy__clickhouse *ch, struct spy__buf *path, const char *token)
{
    if (ch->migrate.version >= VERSION_ASYNC_INSERT) {
        spy__clickhouse_request_param(path, "async_insert",
                                      "0"); // its default has moved to and fro
    }
    if (ch->migrate.version >= VERSION_TOKEN) {
        spy__clickhouse_request_param(path, "insert_deduplication_token", token);
        spy__clickhouse_request_param(path, "deduplicate_blocks_in_dependent_materialized_views",
                                      "1");
    }
    if (ch->migrate.old) {
        spy__clickhouse_request_param(path, "input_format_skip_unknown_fields", "1");
    } else {
        spy__clickhouse_request_param(path, "input_format_binary_read_json_as_string",
                                      ch->paths ? "0" : "1");
        spy__clickhouse_request_param(path, "type_json_skip_duplicated_paths",
                                      "1"); // a.b, beside an object a
    }
}

static enum spy__encoding encoding_of(const struct spy__clickhouse *ch)
{
    if (ch->url.loopback) {
        return SPY__ENCODING_NONE; // bytes cost nothing there, and compressing them does
    }
    return ch->migrate.version >= VERSION_ZSTD ? SPY__ENCODING_ZSTD : SPY__ENCODING_GZIP;
}

static void insert_request(const struct spy__clickhouse *ch, struct spy__request *ret,
                           const char *token)
{
    struct spy__buf path;
    spy__clickhouse_request_begin(ret, &path, &ch->url, TIMEOUT_MS);
    spy__clickhouse_request_param(
        &path, "query",
        ch->migrate.old ? "INSERT INTO " TABLE " (" SPY__CLICKHOUSE_COLUMNS_OLD
                          ") FORMAT JSONEachRow"
                        : "INSERT INTO " TABLE " (" SPY__CLICKHOUSE_COLUMNS ") FORMAT RowBinary");
    put_settings(ch, &path, token);
    spy__buf_putc(&path, '\0');
    ret->encoding = encoding_of(ch);
}

// Reads the record into the view: whether it is an event.
static bool read_event(struct spy__clickhouse *ch, const struct spy__bytes *record)
{
    return spy__wire_read(&ch->view, record->bytes, record->n) == 0 &&
           ch->view.record.kind == SPY__KIND_EVENT;
}

static struct spy__rows_style style_of(const struct spy__clickhouse *ch)
{
    return (struct spy__rows_style){ ch->service, ch->environment, ch->migrate.old, ch->paths };
}

// Returns as spy__clickhouse_encode(), or -EPROTO where a record cannot be written as paths.
static int put_rows(struct spy__clickhouse *ch, const struct spy__delivery *delivery,
                    struct spy__buf *body)
{
    const struct spy__rows_style style = style_of(ch);
    int rows = 0;
    spy__buf_reset(body);
    for (size_t i = 0; i < delivery->count && !body->failed; i++) {
        if (!read_event(ch, &delivery->records[i])) {
            continue;
        }
        if (style.paths && !spy__clickhouse_fits(&ch->view.record)) {
            return -EPROTO;
        }
        if (style.old) {
            spy__encode_clickhouse_row(body, &ch->view.record, &style, &ch->properties);
        } else {
            spy__encode_clickhouse_binary(body, &ch->view.record, &style, &ch->properties);
        }
        rows++;
    }
    return body->failed ? -ENOMEM : rows;
}

// All rows of an insert are written in one way. A batch that comes as text once and as paths another
// time is known by its token all the same.
int spy__clickhouse_encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                           struct spy__request *ret)
{
    struct spy__clickhouse *ch = self;
    ch->paths = !ch->migrate.old && ch->migrate.known_type && !ch->doubt;
    int rows = put_rows(ch, delivery, body);
    if (rows == -EPROTO) {
        ch->paths = false;
        rows = put_rows(ch, delivery, body);
    }
    insert_request(ch, ret, delivery->token);
    return rows;
}

int spy__clickhouse_bury(void *self, const struct spy__delivery *delivery,
                         const struct spy__verdict *verdict, struct spy__buf *ret)
{
    struct spy__clickhouse *ch = self;
    const struct spy__rows_style style = style_of(ch);
    int rows = 0;
    for (size_t i = 0; i < delivery->count && !ret->failed; i++) {
        struct spy__json j;
        if (!read_event(ch, &delivery->records[i])) {
            continue;
        }
        spy__json_init(&j, ret);
        spy__json_object(&j);
        spy__json_key(&j, "dropped_at");
        spy__json_u64(&j, spy__realtime_ns() / 1000000000u);
        spy__json_key(&j, "reason");
        spy__json_str(&j, verdict->reason);
        spy__json_key(&j, "text");
        spy__json_str(&j, verdict->text);
        spy__json_key(&j, "row");
        spy__encode_clickhouse_row(ret, &ch->view.record, &style, &ch->properties);
        ret->len -= ret->failed ? 0 : 1; // its newline comes behind the bracket
        spy__buf_puts(ret, "}\n");
        rows++;
    }
    return ret->failed ? -ENOMEM : rows;
}

// Whether the paths may be what the server does not like: the column may have changed since its type
// was asked for. A proxy's answer has no code, and what passes has nothing to do with them.
static bool blames_paths(const struct spy__clickhouse *ch,
                         const struct spy__clickhouse_outcome *outcome)
{
    return ch->paths && outcome->code != 0 && !spy__clickhouse_passes(outcome->code);
}

struct spy__verdict spy__clickhouse_judge(void *self, const struct spy__answer *answer)
{
    struct spy__clickhouse *ch = self;
    struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(answer, false);
    if (outcome.code == SPY__CLICKHOUSE_UNKNOWN_TABLE ||
        outcome.code == SPY__CLICKHOUSE_UNKNOWN_DATABASE ||
        outcome.code == SPY__CLICKHOUSE_UNKNOWN_SETTING) {
        spy__migrate_reset(&ch->migrate); // another server than the one that was asked
    }
    struct spy__verdict verdict = spy__clickhouse_verdict(&outcome, answer);
    if (blames_paths(ch, &outcome)) {
        ch->doubt = true;
        verdict.kind = SPY__RETRY; // as text, before a row is blamed
    } else if (ch->doubt && verdict.kind == SPY__SENT) {
        ch->doubt = false;
        spy__migrate_reset(&ch->migrate); // which asks for the type again
    }
    return verdict;
}
