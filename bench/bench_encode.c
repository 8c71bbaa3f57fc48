// What the pump's thread spends on a log line, from a record's bytes to a line's: reading, masking,
// finding repeats, and the text in each format.
//
// Lines: name, median nanoseconds, "ns", ratio to an atomic add (bench.h). The line is that of the
// log's own bench: at least 300 bytes of JSON with all three ids and five fields, one of them
// masked, one that needs escapes. Goal: json_line 150 ns.
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "bench.h"
#include "encode/log_console.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"
#include "encode/log_style.h"
#include "record/mask/mask.h"
#include "record/mask/repeats.h"
#include "record/wire.h"

#define OPS 400000ul
#define ROOM (128u << 10)

typedef void encode(struct spy__buf *out, const struct spy__record *record, const void *style);

static struct spy__log_style style;
static struct spy__masker *masker;
static struct spy__wire_view view;
static struct spy__record record; // as it was read
static _Alignas(8) unsigned char wire[4096];
static size_t wire_bytes;

static void read_lines(void *arg, unsigned thread, unsigned long ops)
{
    (void)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        if (spy__wire_read_keys(&view, wire, wire_bytes, spy__masker_keys(masker)) != 0) {
            fprintf(stderr, "bench_encode: a record cannot be read\n");
            exit(1);
        }
    }
}

static void make_record(void)
{
    struct spy_field fields[5];
    fields[0] = spy_int("status_code", 200);
    fields[1] = spy_double("duration_ms", 12.375);
    fields[2] = spy_str("path", "/api/v1/memes/01hq3k5v9d");
    fields[3] = spy_str("user_agent", "Mozilla/5.0 \"quoted\"");
    fields[4] = spy_str("authorization", "[redacted]");
    record = (struct spy__record){
        .level = SPY_LEVEL_INFO,
        .time_ns = UINT64_C(1709251198123456789),
        .correlation_id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        .trace_hi = 0x0af7651916cd43dd,
        .trace_lo = 0x8448eb211c80319c,
        .span_id = 0xb7ad6b7169203331,
        .event = "request_processed",
        .module = "http",
        .fields = fields,
        .field_count = 5,
    };
    masker = spy__masker_new("iban");
    wire_bytes = spy__wire_write(wire, sizeof(wire), &record);
    if (!masker || wire_bytes == 0) {
        fprintf(stderr, "bench_encode: no record\n");
        exit(1);
    }
    read_lines(NULL, 0, 1);
    record = view.record;
    spy__log_style_init(&style, "memegen", "production", false);
}

static void encode_lines(void *arg, unsigned thread, unsigned long ops)
{
    static char room[ROOM];
    encode *one = *(encode **)arg;
    struct spy__buf out;
    (void)thread;
    spy__buf_init_fixed(&out, room, sizeof(room));
    for (unsigned long i = 0; i < ops; i++) {
        record.time_ns += 300; // as fast as they may come
        if (out.cap - out.len < 4096) {
            spy__buf_reset(&out);
        }
        one(&out, &record, &style);
    }
    if (out.failed) {
        fprintf(stderr, "bench_encode: a line had no room\n");
        exit(1);
    }
}

static void mask_lines(void *arg, unsigned thread, unsigned long ops)
{
    const size_t count = *(const size_t *)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        struct spy__record one = record;
        one.field_count = count;
        spy__mask_record(masker, &one);
    }
}

static void take_line(void *arg, const struct spy__record *line)
{
    (void)arg;
    (void)line;
}

// Each line differs from the one before, as lines do.
static void pass_lines(void *arg, unsigned thread, unsigned long ops)
{
    struct spy__repeats *repeats = spy__repeats_new(
        &(struct spy__repeats_options){ .max_per_second = 100, .line = take_line });
    struct spy__record one = record;
    (void)arg;
    (void)thread;
    one.event = "request_planned"; // no line that always passes
    for (unsigned long i = 0; repeats && i < ops; i++) {
        view.fields[0].value.i = (int64_t)i;
        spy__repeats_pass(repeats, &one);
    }
    spy__repeats_free(repeats);
}

static size_t line_bytes(encode *one)
{
    char room[4096];
    struct spy__buf out;
    spy__buf_init_fixed(&out, room, sizeof(room));
    one(&out, &record, &style);
    return out.len;
}

int main(void)
{
    encode *json = spy__encode_log_json, *logfmt = spy__encode_log_logfmt,
           *console = spy__encode_log_console;
    make_record();
    bench_print("json_line_bytes", (double)line_bytes(json), "bytes", -1);
    const size_t clean = 4, all = 5;
    bench_print_ns("read", read_lines, NULL, 1, OPS);
    bench_print_ns("mask_clean", mask_lines, (void *)&clean, 1, OPS);
    bench_print_ns("mask_secret", mask_lines, (void *)&all, 1, OPS);
    bench_print_ns("repeats", pass_lines, NULL, 1, OPS);
    bench_print_ns("json_line", encode_lines, &json, 1, OPS);
    bench_print_ns("logfmt_line", encode_lines, &logfmt, 1, OPS);
    bench_print_ns("console_line", encode_lines, &console, 1, OPS);
    spy__masker_free(masker);
    return 0;
}
