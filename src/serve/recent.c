#include "serve/recent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "encode/log_json.h"
#include "encode/value.h"
#include "record/recent/keep.h"
#include "serve/slow.h"

#define KINDS_LOGGED (1u << SPY__KIND_LOG)
#define KINDS_SPAN (1u << SPY__KIND_SPAN)

// ---- the question

void spy__recent_query_init(struct spy__recent_query *query)
{
    *query = (struct spy__recent_query){ .match.kinds = KINDS_LOGGED, .limit = SPY__RECENT_LIMIT };
}

static int find_level(enum spy_level *ret, const char *value)
{
    for (int level = SPY_LEVEL_DEBUG; level <= SPY_LEVEL_ERROR; level++) {
        if (strcmp(value, spy__level_name((enum spy_level)level)) == 0) {
            *ret = (enum spy_level)level;
            return 0;
        }
    }
    return -EINVAL;
}

static int find_number(uint64_t *ret, const char *value, uint64_t least, uint64_t most)
{
    size_t n = strspn(value, "0123456789");
    if (n == 0 || n > 18 || value[n]) {
        return -EINVAL;
    }
    uint64_t number = strtoull(value, NULL, 10);
    if (number < least || number > most) {
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

int spy__recent_param(struct spy__recent_query *query, const char *name, const char *value,
                      const char **ret_why)
{
    uint64_t number = 0;
    int err = 0;
    if (!value || !value[0]) {
        return 0;
    }
    if (strcmp(name, "level") == 0) {
        *ret_why = "level is debug, info, warn or error.";
        err = find_level(&query->match.level, value);
    } else if (strcmp(name, "text") == 0) {
        *ret_why = "text has at most 256 bytes.";
        query->match.text = value;
        err = strlen(value) > SPY__RECENT_TEXT_MAX ? -EINVAL : 0;
    } else if (strcmp(name, "id") == 0) {
        query->match.id = value; // one that no record has finds nothing
    } else if (strcmp(name, "since") == 0) {
        *ret_why = "since is a number that an answer gave as next.";
        query->has_since = true;
        err = find_number(&query->since, value, 0, UINT64_MAX);
    } else if (strcmp(name, "limit") == 0) {
        *ret_why = "limit is 1 to 1000.";
        err = find_number(&number, value, 1, SPY__RECENT_LIMIT_MAX);
        query->limit = err == 0 ? (unsigned)number : query->limit;
    }
    return err;
}

// ---- lines

// A line, as it went to the log.
static void write_line(struct spy__json *json, const struct spy__window_record *record)
{
    static const struct spy__log_style plain;
    struct spy__buf *out = json->out;
    spy__json_object(json);
    spy__json_key(json, "number");
    spy__json_u64(json, record->number);
    spy__json_key(json, "line");
    spy__encode_log_json(out, &record->view.record, &plain);
    if (!out->failed) {
        out->len--; // its newline
    }
    json->comma = true;
    spy__json_object_end(json);
}

// Where to begin, so that the last `limit` that match are what follows.
static uint64_t find_start(struct spy__window *window, const struct spy__recent_query *query,
                           struct spy__window_record *record)
{
    uint64_t start = UINT64_MAX;
    for (unsigned n = 0; n < query->limit; n++) {
        if (!spy__window_find_before(window, &query->match, start, record)) {
            break;
        }
        start = record->number;
    }
    return start;
}

static bool is_full(const struct spy__json *json)
{
    return json->out->failed || json->out->len >= SPY__RECENT_BYTES;
}

// Writes what matches from *from on, as an array. *from is then the number to go on with. Returns
// how many.
static unsigned write_lines(struct spy__json *json, struct spy__window *window,
                            const struct spy__recent_query *query, uint64_t *from,
                            struct spy__window_record *record)
{
    uint64_t first, next, at = *from;
    spy__window_range(window, &first, &next);
    spy__json_array(json);
    unsigned n = 0;
    while (n < query->limit && !is_full(json)) {
        if (!spy__window_find_after(window, &query->match, at, record)) {
            at = at > next ? at : next;
            break;
        }
        write_line(json, record);
        at = record->number + 1;
        n++;
    }
    spy__json_array_end(json);
    *from = at;
    return n;
}

static int logs(struct spy__buf *out, const struct spy__recent_query *query,
                struct spy__window *window, struct spy__window_record *record)
{
    struct spy__json json;
    uint64_t first, next;
    spy__window_range(window, &first, &next);
    // A number from before the process was started again is beyond all that is here.
    bool tail = !query->has_since || query->since > next;
    uint64_t from = tail ? find_start(window, query, record) : query->since;
    uint64_t missed = !tail && from < first ? first - from : 0;
    if (from == UINT64_MAX) {
        from = next;
    }
    spy__json_init(&json, out);
    spy__json_object(&json);
    spy__json_key(&json, "lines");
    (void)write_lines(&json, window, query, &from, record);
    spy__json_key(&json, "next");
    spy__json_u64(&json, from);
    spy__json_key(&json, "missed");
    spy__json_u64(&json, missed);
    spy__json_object_end(&json);
    return out->failed ? -ENOMEM : 0;
}

int spy__recent_logs(struct spy__buf *out, const struct spy__recent_query *query)
{
    struct spy__window *window = spy__keep_window();
    struct spy__window_record record;
    if (!window) {
        return -ENOENT;
    }
    if (spy__window_record_init(&record) != 0) {
        return -ENOMEM;
    }
    int err = logs(out, query, window, &record);
    spy__window_record_done(&record);
    return err;
}

// ---- spans

static void write_hex(struct spy__json *json, const char *key, uint64_t hi, uint64_t lo, int digits)
{
    char hex[33];
    if (hi | lo) {
        snprintf(hex, sizeof(hex), "%016" PRIx64 "%016" PRIx64, hi, lo);
        spy__json_key(json, key);
        spy__json_str(json, hex + 32 - digits);
    }
}

static void write_fields(struct spy__json *json, const struct spy__record *record)
{
    spy__json_key(json, "fields");
    spy__json_object(json);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if (field->type == SPY_FIELD_ADDRS) {
            continue;
        }
        spy__json_key(json, field->key);
        spy__encode_value(json, field, SPY__VALUE_WHOLE);
    }
    spy__json_object_end(json);
}

// What is the same in the list of requests and in a timeline.
static void write_span_parts(struct spy__json *json, const struct spy__record *span)
{
    spy__json_key(json, "name");
    spy__json_str(json, span->event);
    spy__json_key(json, "start_us");
    spy__json_u64(json, span->time_ns / 1000);
    spy__json_key(json, "duration_us");
    spy__json_u64(json, span->duration_ns / 1000);
    write_fields(json, span);
}

static void write_span(struct spy__json *json, const struct spy__record *span)
{
    spy__json_object(json);
    write_hex(json, "span_id", 0, span->span_id, 16);
    write_hex(json, "parent_id", 0, span->parent_id, 16);
    spy__json_key(json, "root");
    spy__json_bool(json, span->root);
    write_span_parts(json, span);
    spy__json_object_end(json);
}

// ---- requests

// Traces that are in the list already, by their ids and their roots' (0: it has none).
struct listed {
    unsigned count;
    uint64_t ids[SPY__TRACES_KEPT_MAX][3];
};

static bool is_listed(const struct listed *listed, const struct spy__record *span)
{
    for (unsigned i = 0; i < listed->count; i++) {
        const uint64_t *ids = listed->ids[i];
        if (ids[0] == span->trace_hi && ids[1] == span->trace_lo &&
            (ids[2] == 0 || ids[2] == span->span_id)) {
            return true;
        }
    }
    return false;
}

// A request by its root. `trace` is NULL where it is not kept.
static void write_request(struct spy__json *json, const struct spy__record *root,
                          const struct spy__trace *trace)
{
    spy__json_object(json);
    write_hex(json, "trace_id", root->trace_hi, root->trace_lo, 32);
    spy__json_key(json, "correlation_id");
    spy__json_str(json, root->correlation_id);
    if (trace) {
        spy__json_key(json, "outcome");
        spy__json_str(json, spy__trace_outcome_name(trace->outcome));
        spy__json_key(json, "spans");
        spy__json_u64(json, trace->count);
    }
    write_span_parts(json, root);
    spy__json_object_end(json);
}

static bool is_trouble(const struct spy__trace *trace)
{
    return trace->outcome == SPY__TRACE_ERROR || trace->outcome == SPY__TRACE_SLOW;
}

static void write_kept(struct spy__json *json, const struct spy__traces *traces, bool trouble,
                       struct listed *listed)
{
    struct spy__wire_view view;
    for (const struct spy__trace *t = NULL; !is_full(json) && (t = spy__traces_kept(traces, t));) {
        const struct spy__trace_span *head = t->root ? t->root : t->spans[0];
        if (is_trouble(t) == trouble && spy__wire_read(&view, head->bytes, head->n) == 0) {
            write_request(json, &view.record, t);
            uint64_t *ids = listed->ids[listed->count++];
            ids[0] = t->hi;
            ids[1] = t->lo;
            ids[2] = t->root ? view.record.span_id : 0;
        }
    }
}

// Those whose traces were not kept, as long as the window has their root.
static void write_recent(struct spy__json *json, const struct listed *listed,
                         struct spy__window_record *record)
{
    static const struct spy__window_query spans = { .kinds = KINDS_SPAN };
    struct spy__window *window = spy__keep_window();
    uint64_t before = UINT64_MAX;
    for (unsigned n = 0; n < SPY__RECENT_REQUESTS_MAX && !is_full(json);) {
        if (!spy__window_find_before(window, &spans, before, record)) {
            break;
        }
        before = record->number;
        const struct spy__record *span = &record->view.record;
        if (span->root && !is_listed(listed, span)) {
            write_request(json, span, NULL);
            n++;
        }
    }
}

static int requests(struct spy__buf *out, struct spy__window_record *record)
{
    struct spy__json json;
    struct listed listed = { .count = 0 };
    spy__json_init(&json, out);
    spy__json_object(&json);
    spy__json_key(&json, "requests");
    spy__json_array(&json);
    const struct spy__traces *traces = spy__keep_lock_traces();
    write_kept(&json, traces, true, &listed);
    write_kept(&json, traces, false, &listed);
    spy__keep_unlock_traces();
    write_recent(&json, &listed, record);
    spy__json_array_end(&json);
    spy__json_object_end(&json);
    return out->failed ? -ENOMEM : 0;
}

int spy__recent_requests(struct spy__buf *out)
{
    struct spy__window_record record;
    if (!spy__keep_window()) {
        return -ENOENT;
    }
    if (spy__window_record_init(&record) != 0) {
        return -ENOMEM;
    }
    int err = requests(out, &record);
    spy__window_record_done(&record);
    return err;
}

// ---- one request

static void write_spans(struct spy__json *json, const struct spy__trace *trace)
{
    struct spy__wire_view view;
    for (unsigned i = 0; i < trace->count && !is_full(json); i++) {
        if (spy__wire_read(&view, trace->spans[i]->bytes, trace->spans[i]->n) == 0) {
            write_span(json, &view.record);
        }
    }
}

// The spans of its trace, in all of its parts; what else is said is of the newest. False where the
// trace window does not have it.
static bool write_trace(struct spy__json *json, const char *id)
{
    const struct spy__traces *traces = spy__keep_lock_traces();
    const struct spy__trace *trace = spy__traces_find(traces, id);
    if (trace) {
        spy__json_key(json, "outcome");
        spy__json_str(json, trace->decided ? spy__trace_outcome_name(trace->outcome) : "open");
        write_hex(json, "trace_id", trace->hi, trace->lo, 32);
        spy__json_key(json, "correlation_id");
        spy__json_str(json, trace->correlation_id);
        spy__json_key(json, "spans_lost");
        spy__json_u64(json, trace->lost);
        spy__json_key(json, "spans");
        spy__json_array(json);
        for (const struct spy__trace *part = NULL;
             (part = spy__traces_part(traces, trace, part));) {
            write_spans(json, part);
        }
        spy__json_array_end(json);
    }
    spy__keep_unlock_traces();
    return trace;
}

// Those that the window has. Returns how many.
static unsigned write_window_spans(struct spy__json *json, const char *id,
                                   struct spy__window_record *record)
{
    const struct spy__window_query spans = { .kinds = KINDS_SPAN, .id = id };
    unsigned n = 0;
    spy__json_key(json, "spans");
    spy__json_array(json);
    for (uint64_t at = 0; n < SPY__TRACE_SPANS_MAX && !is_full(json);
         at = record->number + 1, n++) {
        if (!spy__window_find_after(spy__keep_window(), &spans, at, record)) {
            break;
        }
        write_span(json, &record->view.record);
    }
    spy__json_array_end(json);
    return n;
}

static int request(struct spy__buf *out, const char *id, struct spy__window_record *record)
{
    struct spy__json json;
    struct spy__recent_query lines;
    uint64_t from = 0;
    spy__recent_query_init(&lines);
    lines.match.id = id;
    lines.limit = SPY__RECENT_LIMIT_MAX;
    spy__json_init(&json, out);
    spy__json_object(&json);
    spy__json_key(&json, "id");
    spy__json_str(&json, id);
    bool known = write_trace(&json, id) || write_window_spans(&json, id, record) > 0;
    spy__json_key(&json, "lines");
    known = write_lines(&json, spy__keep_window(), &lines, &from, record) > 0 || known;
    spy__slow_put_link(&json, id);
    spy__json_object_end(&json);
    return out->failed ? -ENOMEM : known ? 0 : -ENOENT;
}

int spy__recent_request(struct spy__buf *out, const char *id)
{
    struct spy__window_record record;
    if (!spy__keep_window()) {
        return -ENOENT;
    }
    if (spy__window_record_init(&record) != 0) {
        return -ENOMEM;
    }
    int err = request(out, id, &record);
    spy__window_record_done(&record);
    return err;
}
