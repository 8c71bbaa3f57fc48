// Invariants: every trace is in one list (open, kept or gone) and in the table, found by its id; one
// that is gone has no spans left. `bytes` is the sum over all lists.

#include "record/recent/traces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "record/recent/chunks.h"

#define BUCKETS 4096u

struct list {
    struct spy__trace *newest, *oldest;
    unsigned count;
};

struct spy__traces {
    struct spy__traces_options options;
    struct list open, kept, gone;
    size_t bytes;
    struct spy__trace *last;   // of the last span, or NULL: most come one after the other
    struct spy__chunks chunks; // spare ones: not in `bytes`
    struct spy__trace *table[BUCKETS];
};

struct spy__traces *spy__traces_new(const struct spy__traces_options *options)
{
    struct spy__traces *traces = calloc(1, sizeof(*traces));
    if (traces) {
        traces->options = *options;
        if (traces->options.kept_max > SPY__TRACES_KEPT_MAX) {
            traces->options.kept_max = SPY__TRACES_KEPT_MAX;
        }
    }
    return traces;
}

// ---- lists and the table

static void push(struct list *list, struct spy__trace *trace)
{
    trace->newer = NULL;
    trace->older = list->newest;
    if (list->newest) {
        list->newest->newer = trace;
    } else {
        list->oldest = trace;
    }
    list->newest = trace;
    list->count++;
}

static void take_out(struct list *list, struct spy__trace *trace)
{
    if (trace->newer) {
        trace->newer->older = trace->older;
    } else {
        list->newest = trace->older;
    }
    if (trace->older) {
        trace->older->newer = trace->newer;
    } else {
        list->oldest = trace->newer;
    }
    list->count--;
}

static uint64_t hash_id(uint64_t hi, uint64_t lo)
{
    return spy__hash((const uint64_t[2]){ hi, lo }, 16, 0);
}

static struct spy__trace **bucket_of(struct spy__traces *traces, uint64_t hi, uint64_t lo)
{
    return &traces->table[hash_id(hi, lo) % BUCKETS];
}

static bool is_part(const struct spy__trace *trace, uint64_t hi, uint64_t lo, uint64_t task)
{
    return trace->hi == hi && trace->lo == lo && trace->task == task;
}

static struct spy__trace *look_up(struct spy__traces *traces, uint64_t hi, uint64_t lo,
                                  uint64_t task)
{
    if (traces->last && is_part(traces->last, hi, lo, task)) {
        return traces->last;
    }
    struct spy__trace *trace = *bucket_of(traces, hi, lo);
    while (trace && !is_part(trace, hi, lo, task)) {
        trace = trace->chain;
    }
    return traces->last = trace;
}

static void free_spans(struct spy__traces *traces, struct spy__trace *trace)
{
    while (trace->chunk) {
        struct spy__trace_chunk *older = trace->chunk->older;
        spy__chunk_give(&traces->chunks, trace->chunk);
        trace->chunk = older;
    }
    free(trace->spans);
    trace->spans = NULL;
    trace->root = NULL;
    trace->count = trace->spans_cap = 0;
    traces->bytes -= trace->bytes;
    trace->bytes = 0;
}

// Forgets it altogether. It is in no list.
static void forget(struct spy__traces *traces, struct spy__trace *trace)
{
    struct spy__trace **at = bucket_of(traces, trace->hi, trace->lo);
    while (*at != trace) {
        at = &(*at)->chain;
    }
    *at = trace->chain;
    traces->last = traces->last == trace ? NULL : traces->last;
    free_spans(traces, trace);
    free(trace);
}

static void forget_list(struct spy__traces *traces, struct list *list)
{
    while (list->oldest) {
        struct spy__trace *trace = list->oldest;
        take_out(list, trace);
        forget(traces, trace);
    }
}

void spy__traces_free(struct spy__traces *traces)
{
    if (traces) {
        forget_list(traces, &traces->open);
        forget_list(traces, &traces->kept);
        forget_list(traces, &traces->gone);
        spy__chunks_done(&traces->chunks);
        free(traces);
    }
}

// ---- the decision

// Drops the spans, and remembers the id for a while. It is in no list.
static void put_away(struct spy__traces *traces, struct spy__trace *trace)
{
    free_spans(traces, trace);
    push(&traces->gone, trace);
    if (traces->gone.count > SPY__TRACES_GONE_MAX) {
        struct spy__trace *oldest = traces->gone.oldest;
        take_out(&traces->gone, oldest);
        forget(traces, oldest);
    }
}

static void put_away_oldest_kept(struct spy__traces *traces)
{
    struct spy__trace *oldest = traces->kept.oldest;
    take_out(&traces->kept, oldest);
    put_away(traces, oldest);
}

static enum spy__trace_outcome find_outcome(const struct spy__traces *traces,
                                            const struct spy__trace *trace)
{
    uint64_t slow_ns = traces->options.slow_ns;
    if (!trace->root) {
        return SPY__TRACE_TRUNCATED;
    }
    if (trace->failed) {
        return SPY__TRACE_ERROR;
    }
    if (slow_ns > 0 && trace->root_ns >= slow_ns) {
        return SPY__TRACE_SLOW;
    }
    return trace->sampled ? SPY__TRACE_SAMPLED : SPY__TRACE_UNSAMPLED;
}

// It is open, and is not afterwards.
static void decide(struct spy__traces *traces, struct spy__trace *trace)
{
    trace->outcome = find_outcome(traces, trace);
    trace->kept = trace->outcome == SPY__TRACE_TRUNCATED
                      ? trace->failed ||
                            spy__sampling_keeps_id(&traces->options.sampling, trace->hi, trace->lo)
                      : trace->outcome != SPY__TRACE_UNSAMPLED;
    trace->decided = true;
    take_out(&traces->open, trace);
    if (traces->options.decided) {
        traces->options.decided(traces->options.arg, trace);
    }
    if (!trace->kept || traces->options.kept_max == 0) {
        put_away(traces, trace);
        return;
    }
    push(&traces->kept, trace);
    if (traces->kept.count > traces->options.kept_max) {
        put_away_oldest_kept(traces);
    }
}

void spy__traces_flush(struct spy__traces *traces)
{
    while (traces->open.oldest) {
        decide(traces, traces->open.oldest);
    }
}

// What was kept gives way first.
static void make_room(struct spy__traces *traces, size_t n)
{
    while (traces->bytes + n > SPY__TRACES_BYTES_MAX) {
        if (traces->kept.oldest) {
            put_away_oldest_kept(traces);
        } else if (traces->open.oldest) {
            decide(traces, traces->open.oldest);
        } else {
            return;
        }
    }
}

// ---- a span comes in

// What a span of n bytes takes.
static size_t span_bytes(size_t n)
{
    return (sizeof(struct spy__trace_span) + n + 7) & ~(size_t)7;
}

// Of the chunk that a trace gets when n bytes more do not fit into its last one.
static size_t chunk_bytes(const struct spy__trace *trace, size_t n)
{
    size_t bytes = trace->chunk ? 2 * trace->chunk->bytes : SPY__CHUNK_BYTES_MIN;
    bytes = bytes < SPY__CHUNK_BYTES_MAX ? bytes : SPY__CHUNK_BYTES_MAX;
    return bytes > n ? bytes : n;
}

static uint64_t task_of(const struct spy__record *span)
{
    for (size_t i = 0; i < span->field_count; i++) {
        const struct spy_field *field = &span->fields[i];
        if (field->type == SPY_FIELD_UINT && strcmp(field->key, SPY__SPAN_TASK) == 0) {
            return field->value.u;
        }
    }
    return 0;
}

static struct spy__trace *open_trace(struct spy__traces *traces, const struct spy__record *span,
                                     uint64_t task)
{
    if (traces->open.count >= SPY__TRACES_OPEN_MAX) {
        decide(traces, traces->open.oldest);
    }
    struct spy__trace *trace = calloc(1, sizeof(*trace));
    if (trace) {
        trace->hi = span->trace_hi;
        trace->lo = span->trace_lo;
        trace->task = task;
        struct spy__trace **bucket = bucket_of(traces, trace->hi, trace->lo);
        trace->chain = *bucket;
        *bucket = trace;
        push(&traces->open, trace);
    }
    return trace;
}

// Another request of the same trace: it is decided by itself, as far as its spans come from here on.
static void open_again(struct spy__traces *traces, struct spy__trace *trace)
{
    take_out(&traces->gone, trace);
    trace->decided = trace->kept = trace->failed = false;
    trace->lost = 0;
    push(&traces->open, trace);
}

static bool is_gone(const struct spy__trace *trace)
{
    return trace->decided && !trace->spans;
}

static bool has_failed(const struct spy__record *span)
{
    for (size_t i = 0; i < span->field_count; i++) {
        const struct spy_field *field = &span->fields[i];
        if (field->key[0] == 'e' && field->type == SPY_FIELD_STR && field->len > 0 &&
            strcmp(field->key, "error_type") == 0) {
            return true;
        }
    }
    return false;
}

// Room for one more pointer, and the root's.
static bool grow(struct spy__trace *trace)
{
    if (trace->count < trace->spans_cap) {
        return true;
    }
    unsigned cap = trace->spans_cap ? 2 * trace->spans_cap : 16;
    struct spy__trace_span **spans = realloc(trace->spans, cap * sizeof(struct spy__trace_span *));
    if (spans) {
        trace->spans = spans;
        trace->spans_cap = cap;
    }
    return spans;
}

// Room for a span in the trace's chunks, n being a multiple of 8.
static void *take_room(struct spy__traces *traces, struct spy__trace *trace, size_t n)
{
    struct spy__trace_chunk *chunk = trace->chunk;
    if (!chunk || chunk->bytes - chunk->used < n) {
        size_t bytes = chunk_bytes(trace, n);
        chunk = spy__chunk_take(&traces->chunks, bytes);
        if (!chunk) {
            return NULL;
        }
        chunk->older = trace->chunk;
        trace->chunk = chunk;
        trace->bytes += bytes;
        traces->bytes += bytes;
    }
    void *room = chunk->spans + chunk->used;
    chunk->used += n;
    return room;
}

static const struct spy__trace_span *keep_span(struct spy__traces *traces, struct spy__trace *trace,
                                               const void *bytes, size_t n)
{
    struct spy__trace_span *span = grow(trace) ? take_room(traces, trace, span_bytes(n)) : NULL;
    if (!span) {
        return NULL;
    }
    span->n = n;
    memcpy(span->bytes, bytes, n);
    trace->spans[trace->count++] = span;
    return span;
}

bool spy__traces_add(struct spy__traces *traces, const struct spy__record *span, const void *bytes,
                     size_t n)
{
    if (!(span->trace_hi | span->trace_lo)) {
        return true;
    }
    make_room(traces, span_bytes(n) < SPY__CHUNK_BYTES_MAX ? SPY__CHUNK_BYTES_MAX : span_bytes(n));
    const uint64_t task = task_of(span);
    struct spy__trace *trace = look_up(traces, span->trace_hi, span->trace_lo, task);
    if (!trace) {
        trace = open_trace(traces, span, task);
    } else if (is_gone(trace) && span->root) {
        open_again(traces, trace);
    } else if (is_gone(trace)) {
        return true;
    }
    if (!trace) {
        return false;
    }
    if (!trace->correlation_id[0]) { // all of it zeros, of which the last one stays
        memcpy(trace->correlation_id, span->correlation_id,
               strnlen(span->correlation_id, sizeof(trace->correlation_id) - 1));
    }
    trace->failed = trace->failed || has_failed(span);
    // One more than the rest may have is the root's.
    bool full = trace->count >= SPY__TRACE_SPANS_MAX - !span->root;
    const struct spy__trace_span *kept = full ? NULL : keep_span(traces, trace, bytes, n);
    trace->lost += !kept;
    if (span->root && !trace->root) {
        trace->root = kept;
        trace->root_ns = span->duration_ns;
        trace->sampled = spy__sampling_keeps(&traces->options.sampling, span);
        if (!trace->decided && kept) {
            decide(traces, trace);
        }
    }
    return kept || full;
}

// ---- looking

static const struct spy__trace *find_in(const struct list *list, const char *id)
{
    char hex[33];
    for (const struct spy__trace *trace = list->newest; trace; trace = trace->older) {
        snprintf(hex, sizeof(hex), "%016" PRIx64 "%016" PRIx64, trace->hi, trace->lo);
        if (strcmp(hex, id) == 0 || (id[0] && strcmp(trace->correlation_id, id) == 0)) {
            return trace;
        }
    }
    return NULL;
}

const struct spy__trace *spy__traces_find(const struct spy__traces *traces, const char *id)
{
    const struct spy__trace *trace = find_in(&traces->open, id);
    return trace ? trace : find_in(&traces->kept, id);
}

const struct spy__trace *spy__traces_part(const struct spy__traces *traces,
                                          const struct spy__trace *of,
                                          const struct spy__trace *after)
{
    const struct spy__trace *part =
        after ? after->chain : traces->table[hash_id(of->hi, of->lo) % BUCKETS];
    while (part && (part->hi != of->hi || part->lo != of->lo || is_gone(part))) {
        part = part->chain;
    }
    return part;
}

const struct spy__trace *spy__traces_kept(const struct spy__traces *traces,
                                          const struct spy__trace *after)
{
    return after ? after->older : traces->kept.newest;
}

const char *spy__trace_outcome_name(enum spy__trace_outcome outcome)
{
    static const char *const names[SPY__TRACE_OUTCOMES] = { "error", "slow", "sampled", "unsampled",
                                                            "truncated" };
    return names[outcome];
}
