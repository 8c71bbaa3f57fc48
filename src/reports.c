#include "reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "encode/flamegraph.h"
#include "encode/folded.h"
#include "encode/log_logfmt.h"
#include "encode/pprof.h"
#include "encode/speedscope.h"
#include "record/recent/keep.h"
#ifdef SPY_WITH_DELIVER
#include "deliver/compress.h"
#endif

// Most lines of a request that its page shows.
#define LINES_MAX 200u
#define LINES_BYTES_MAX (1u << 20)

// ---- the request's log lines

struct lines {
    struct spy__flamegraph_line list[LINES_MAX];
    size_t ends[LINES_MAX]; // of each text in `text`, which moves as it grows
    size_t count;
    struct spy__buf text;
};

// The event, its module and its fields, as logfmt; without what all lines of a request share.
static void add_line(struct lines *lines, const struct spy__record *found)
{
    static const struct spy__log_style plain;
    static const char mark[] = " event=";
    struct spy__record record = *found;
    struct spy__buf line;
    record.correlation_id = "";
    record.trace_hi = record.trace_lo = record.span_id = 0;
    spy__buf_init(&line, LINES_BYTES_MAX);
    spy__encode_log_logfmt(&line, &record, &plain);
    const char *at = line.failed ? NULL : memmem(line.bytes, line.len, mark, strlen(mark));
    if (at) {
        at += strlen(mark);
        spy__buf_put(&lines->text, at, (size_t)(line.bytes + line.len - 1 - at));
    }
    if (at && !lines->text.failed) {
        lines->list[lines->count] =
            (struct spy__flamegraph_line){ .time_ns = record.time_ns,
                                           .level = spy__level_name(record.level) };
        lines->ends[lines->count++] = lines->text.len;
    }
    spy__buf_done(&line);
}

static void find_lines(struct lines *lines, const struct spy__profile *profile)
{
    struct spy__window *window = spy__keep_window();
    struct spy__window_record record;
    char trace[33] = "";
    if (!window || spy__window_record_init(&record) != 0) {
        return;
    }
    spy__hex_u64(trace, profile->trace_hi);
    spy__hex_u64(trace + 16, profile->trace_lo);
    const struct spy__window_query query = {
        .kinds = 1u << SPY__KIND_LOG,
        .id = profile->correlation_id[0] ? profile->correlation_id : trace,
    };
    for (uint64_t from = 0; lines->count < LINES_MAX && !lines->text.failed &&
                            spy__window_find_after(window, &query, from, &record);
         from = record.number + 1) {
        add_line(lines, &record.view.record);
    }
    spy__window_record_done(&record);
    for (size_t i = 0, start = 0; i < lines->count; start = lines->ends[i++]) {
        lines->list[i].text = lines->text.bytes + start;
        lines->list[i].text_n = lines->ends[i] - start;
    }
}

static int write_page(struct spy__buf *out, const struct spy__profile *profile, const char *title,
                      int status)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    if (!lines) {
        return -ENOMEM;
    }
    spy__buf_init(&lines->text, LINES_BYTES_MAX);
    if (profile->correlation_id[0] || (profile->trace_hi | profile->trace_lo)) {
        find_lines(lines, profile);
    }
    int rc = spy__encode_flamegraph(out, &(struct spy__flamegraph){ .profile = profile,
                                                                    .title = title,
                                                                    .status = status,
                                                                    .lines = lines->list,
                                                                    .line_count = lines->count });
    spy__buf_done(&lines->text);
    free(lines);
    return rc;
}

// ---- forms

static int write_pprof(struct spy__buf *out, const struct spy__profile *profile)
{
#ifdef SPY_WITH_DELIVER
    struct spy__buf plain;
    struct spy__compress compress = { .gzip = NULL };
    spy__buf_init(&plain, SPY__REPORT_BYTES_MAX);
    int rc = spy__encode_pprof(&plain, profile);
    if (rc == 0) {
        rc = spy__compress(&compress, SPY__ENCODING_GZIP, &plain, out);
    }
    spy__compress_done(&compress);
    spy__buf_done(&plain);
    return rc;
#else
    return spy__encode_pprof(out, profile);
#endif
}

int spy__report_write(struct spy__buf *out, const struct spy__profile *profile,
                      const struct spy__wish *wish, const char *title, int status,
                      const char **ret_type)
{
    switch (wish->form) {
    case SPY__WISH_SPEEDSCOPE:
        *ret_type = "application/json";
        return spy__encode_speedscope(out, profile, title, !wish->cpu);
    case SPY__WISH_PPROF:
        *ret_type = "application/octet-stream";
        return write_pprof(out, profile);
    case SPY__WISH_FOLDED:
        *ret_type = "text/plain; charset=utf-8";
        return spy__encode_folded(out, profile, !wish->cpu);
    case SPY__WISH_HTML:
        break;
    }
    *ret_type = SPY__FLAMEGRAPH_TYPE;
    return write_page(out, profile, title, status);
}
