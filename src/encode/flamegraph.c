#include "encode/flamegraph.h"

#include <errno.h>

#include "base/ids.h"
#include "base/json.h"
#include "encode/flame.h"

static void put_str(struct spy__json *j, const char *key, const char *value)
{
    spy__json_key(j, key);
    spy__json_str(j, value);
}

static void put_u64(struct spy__json *j, const char *key, uint64_t value)
{
    spy__json_key(j, key);
    spy__json_u64(j, value);
}

static uint64_t samples_of(const struct spy__profile *p)
{
    uint64_t samples = 0;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        samples += p->samples[i].waited ? 0 : p->samples[i].count;
    }
    return samples;
}

static void put_against(struct spy__json *j, const struct spy__profile *against)
{
    spy__json_key(j, "against");
    spy__json_object(j);
    put_u64(j, "start_ns", against->start_ns);
    put_u64(j, "duration_ns", against->duration_ns);
    put_u64(j, "cpu_ns", spy__profile_total_ns(against, false));
    put_u64(j, "waited_ns", spy__profile_total_ns(against, true));
    put_u64(j, "samples", samples_of(against));
    put_u64(j, "lost", against->lost);
    spy__json_object_end(j);
}

static void put_facts(struct spy__json *j, const struct spy__flamegraph *graph)
{
    static const char *const kinds[] = {
        [SPY__PROFILE_WALL] = "wall", [SPY__PROFILE_CPU] = "cpu", [SPY__PROFILE_HEAP] = "heap"
    };
    const struct spy__profile *p = graph->profile;
    char trace[33] = "";
    if (p->trace_hi | p->trace_lo) {
        spy__hex_u64(trace, p->trace_hi);
        spy__hex_u64(trace + 16, p->trace_lo);
    }
    put_str(j, "title", graph->title);
    put_str(j, "kind", kinds[p->kind]);
    put_u64(j, "status", graph->status > 0 ? (uint64_t)graph->status : 0);
    put_u64(j, "start_ns", p->start_ns);
    put_u64(j, "duration_ns", p->duration_ns);
    put_u64(j, "overhead_ns", p->overhead_ns);
    put_u64(j, "cpu_ns", spy__profile_total_ns(p, false));
    put_u64(j, "waited_ns", spy__profile_total_ns(p, true));
    put_u64(j, "rate_hz", p->rate_hz);
    put_u64(j, "period_bytes", p->period_bytes);
    put_str(j, "note", p->note);
    put_u64(j, "samples", samples_of(p));
    put_u64(j, "threads", p->thread_count);
    put_u64(j, "lost", p->lost);
    spy__json_key(j, "truncated");
    spy__json_bool(j, p->truncated);
    put_str(j, "correlation_id", p->correlation_id);
    put_str(j, "trace_id", trace);
    if (p->against) {
        put_against(j, p->against);
    }
}

static void put_tree(struct spy__json *j, const struct spy__flame *flame)
{
    put_u64(j, "left_out", flame->left_out);
    spy__json_key(j, "frames");
    spy__json_array(j);
    for (uint32_t i = 0; i < flame->frames.count; i++) {
        struct spy__flame_frame frame = spy__flame_frame_at(flame, i);
        spy__json_array(j);
        spy__json_u64(j, (uint64_t)frame.kind);
        spy__json_str(j, frame.name);
        spy__json_str(j, frame.where);
        spy__json_array_end(j);
    }
    spy__json_array_end(j);
    spy__json_key(j, "nodes");
    spy__json_array(j);
    for (uint32_t i = 0; i < flame->node_count; i++) {
        const struct spy__flame_node *node = &flame->nodes[i];
        spy__json_array(j);
        spy__json_i64(j, node->parent == SPY__PROFILE_NONE ? -1 : (int64_t)node->parent);
        spy__json_u64(j, node->frame);
        spy__json_u64(j, node->cpu_ns);
        spy__json_u64(j, node->waited_ns);
        if (flame->profile->against) {
            spy__json_u64(j, node->against_cpu_ns);
            spy__json_u64(j, node->against_waited_ns);
        }
        spy__json_array_end(j);
    }
    spy__json_array_end(j);
}

static int64_t span_index(const struct spy__profile *p, uint64_t id)
{
    for (uint32_t i = 0; id != 0 && i < p->span_count; i++) {
        if (p->spans[i].id == id) {
            return (int64_t)i;
        }
    }
    return -1;
}

// Most spans that the page lists.
#define SPANS_MAX 500u

static void put_spans(struct spy__json *j, const struct spy__profile *p)
{
    spy__json_key(j, "spans");
    spy__json_array(j);
    for (uint32_t i = 0; i < p->span_count && i < SPANS_MAX; i++) {
        const struct spy__profile_span *span = &p->spans[i];
        spy__json_array(j);
        spy__json_str(j, span->name);
        spy__json_u64(j, span->start_ns);
        spy__json_u64(j, span->end_ns);
        spy__json_i64(j, span_index(p, span->parent_id));
        spy__json_array_end(j);
    }
    spy__json_array_end(j);
}

static void put_lines(struct spy__json *j, const struct spy__flamegraph *graph)
{
    spy__json_key(j, "lines");
    spy__json_array(j);
    for (size_t i = 0; i < graph->line_count; i++) {
        const struct spy__flamegraph_line *line = &graph->lines[i];
        spy__json_array(j);
        spy__json_i64(j, (int64_t)(line->time_ns - graph->profile->start_ns));
        spy__json_str(j, line->level);
        spy__json_strn(j, line->text, line->text_n);
        spy__json_array_end(j);
    }
    spy__json_array_end(j);
}

// JSON inside of a script element: '<' stands in strings alone, and could begin its end tag.
static void put_embedded(struct spy__buf *out, const struct spy__buf *json)
{
    for (size_t at = 0; at < json->len;) {
        const char *from = json->bytes + at;
        const char *less = memchr(from, '<', json->len - at);
        size_t n = less ? (size_t)(less - from) : json->len - at;
        spy__buf_put(out, from, n);
        spy__buf_puts(out, less ? "\\u003c" : "");
        at += less ? n + 1 : n;
    }
}

int spy__encode_flamegraph(struct spy__buf *out, const struct spy__flamegraph *graph)
{
    struct spy__flame flame;
    struct spy__buf data;
    struct spy__json j;
    int rc = spy__flame_init(&flame, graph->profile);
    spy__buf_init(&data, out->max);
    spy__json_init(&j, &data);
    if (rc == 0) {
        rc = spy__flame_add_samples(&flame);
    }
    if (rc == 0) {
        spy__json_object(&j);
        put_facts(&j, graph);
        put_tree(&j, &flame);
        put_spans(&j, graph->profile);
        put_lines(&j, graph);
        spy__json_object_end(&j);
        spy__buf_put(out, spy__flamegraph_before, spy__flamegraph_before_len);
        put_embedded(out, &data);
        spy__buf_put(out, spy__flamegraph_behind, spy__flamegraph_behind_len);
        rc = data.failed || out->failed ? -ENOMEM : 0;
    }
    spy__buf_done(&data);
    spy__flame_done(&flame);
    return rc;
}
