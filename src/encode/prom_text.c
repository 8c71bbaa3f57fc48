// Lines are written straight into the buffer, each only when it fits as a whole.
#include "encode/prom_text.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {
    [SPY__COUNTER] = "counter",
    [SPY__GAUGE] = "gauge",
    [SPY__HISTOGRAM] = "histogram",
};

// What any line has beside names, labels and help: suffix, braces, le, number, newline.
#define LINE_REST 128

static bool has_room(const struct spy__buf *b, size_t n)
{
    return b->max - b->len >= n;
}

static char *put(char *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

// Escapes backslash and newline, nothing else, as the format wants it in HELP.
static void put_help(struct spy__buf *b, const char *help, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (help[i] == '\\') {
            spy__buf_put(b, "\\\\", 2);
        } else if (help[i] == '\n') {
            spy__buf_put(b, "\\n", 2);
        } else {
            spy__buf_putc(b, help[i]);
        }
    }
}

static void write_header(struct spy__buf *b, const struct spy__snapshot_family *f)
{
    spy__buf_puts(b, "# HELP ");
    spy__buf_put(b, f->name, f->name_len);
    spy__buf_putc(b, ' ');
    put_help(b, f->help, f->help_len);
    spy__buf_puts(b, "\n# TYPE ");
    spy__buf_put(b, f->name, f->name_len);
    spy__buf_putc(b, ' ');
    spy__buf_puts(b, type_names[f->kind]);
    spy__buf_putc(b, '\n');
}

static void prepare_les(struct spy__prom_text *t)
{
    for (size_t i = 0; i <= t->family.bucket_count; i++) {
        char *at = put(t->les[i], "le=\"", 4);
        at += spy__double_print(at, i < t->family.bucket_count ? t->family.bounds[i] : INFINITY);
        at = put(at, "\"} ", 3);
        t->le_lens[i] = (unsigned char)(at - t->les[i]);
    }
}

// `name{labels} `; the caller made room.
static char *put_series_name(char *at, const struct spy__prom_text *t, const char *suffix,
                             size_t suffix_len)
{
    at = put(at, t->family.name, t->family.name_len);
    at = put(at, suffix, suffix_len);
    if (t->series.labels_len > 0) {
        *at++ = '{';
        at = put(at, t->series.labels, t->series.labels_len);
        *at++ = '}';
    }
    *at++ = ' ';
    return at;
}

// Exact where no fraction was ever added.
static char *put_counter(char *at, const struct spy__prom_text *t)
{
    uint64_t whole = t->series.counter.whole;
    double part = t->series.counter.part;
    return at +
           (part != 0 ? spy__double_print(at, (double)whole + part) : spy__u64_print(at, whole));
}

static void write_single(const struct spy__prom_text *t, struct spy__buf *b)
{
    char *at = put_series_name(b->bytes + b->len, t, "", 0);
    at = t->family.kind == SPY__COUNTER ? put_counter(at, t)
                                        : at + spy__double_print(at, t->series.gauge);
    *at++ = '\n';
    b->len = (size_t)(at - b->bytes);
}

// One line of a histogram: its buckets in turn, then _sum, then _count.
static void write_histogram_line(struct spy__prom_text *t, struct spy__buf *b)
{
    char *at = b->bytes + b->len;
    size_t buckets = t->family.bucket_count + 1;
    if (t->line < buckets) {
        at = put(at, t->family.name, t->family.name_len);
        at = put(at, "_bucket{", 8);
        if (t->series.labels_len > 0) {
            at = put(at, t->series.labels, t->series.labels_len);
            *at++ = ',';
        }
        at = put(at, t->les[t->line], t->le_lens[t->line]);
        t->below += t->series.histogram.counts[t->line];
        at += spy__u64_print(at, t->below);
    } else if (t->line == buckets) {
        at = put_series_name(at, t, "_sum", 4);
        at += spy__double_print(at, t->series.histogram.sum);
    } else {
        at = put_series_name(at, t, "_count", 6);
        at += spy__u64_print(at, t->series.histogram.count);
    }
    *at++ = '\n';
    b->len = (size_t)(at - b->bytes);
    t->line++;
    t->in_series = t->line < buckets + 2;
}

// The family's header and preparations; false where there is no room yet.
static bool begin_family(struct spy__prom_text *t, struct spy__buf *b)
{
    size_t most = 2 * t->family.name_len + 2 * t->family.help_len + LINE_REST;
    if (!has_room(b, most)) {
        return false;
    }
    write_header(b, &t->family);
    if (t->family.kind == SPY__HISTOGRAM) {
        prepare_les(t);
    }
    t->in_family = true;
    return true;
}

// All series of the family; false where there is no room for the next line.
static bool write_family(struct spy__prom_text *t, struct spy__buf *b)
{
    for (;;) {
        if (!t->in_series) {
            if (!spy__snapshot_series(&t->at, &t->series)) {
                return true;
            }
            t->in_series = true;
            t->line = 0;
            t->below = 0;
        }
        while (t->in_series) {
            size_t most = t->family.name_len + t->series.labels_len + LINE_REST;
            if (!has_room(b, most) || !spy__buf_reserve(b, most)) {
                return false;
            }
            if (t->family.kind == SPY__HISTOGRAM) {
                write_histogram_line(t, b);
            } else {
                write_single(t, b);
                t->in_series = false;
            }
        }
    }
}

bool spy__prom_text_write(struct spy__prom_text *t, struct spy__buf *b)
{
    for (;;) {
        if (!t->in_family) {
            // A family that found no room for its header waits in t->family.
            if (!t->waiting && !spy__snapshot_family(&t->at, &t->family)) {
                return false;
            }
            t->waiting = !begin_family(t, b);
            if (t->waiting) {
                return true;
            }
        }
        if (!write_family(t, b)) {
            return !b->failed;
        }
        t->in_family = false;
    }
}
