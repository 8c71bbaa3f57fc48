// A waterfall: one row a span, each under its parent, its bar from its start to its end.
//
// Text goes through put_text() alone, which escapes it; numbers are printed as such.

#include "memegen/api/trace_page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/api/text.h"

#define SPANS_MAX 1024 // more than a timeline has
#define WIDTH 1100
#define LABEL_WIDTH 380 // of it, for names
#define BAR_WIDTH 620   // of the rest, for bars; their durations stand behind them
#define ROW_HEIGHT 22
#define INDENT 14
#define LABEL_CHARS 48
#define DEPTH_MAX 12 // deeper ones are drawn no further in

struct row {
    const json_t *span;
    int depth;
};

struct tree {
    const json_t *spans;
    size_t count, rows_count;
    bool placed[SPANS_MAX];
    struct row rows[SPANS_MAX];
};

// Five characters mean something in HTML's text and attributes.
static void put_text(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(text[i], out);
        }
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static double seconds_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void put_duration(FILE *out, double seconds)
{
    if (seconds < 0.001) {
        fprintf(out, "%.0f µs", seconds * 1e6);
    } else if (seconds < 1) {
        fprintf(out, "%.1f ms", seconds * 1e3);
    } else {
        fprintf(out, "%.2f s", seconds);
    }
}

// Puts the span and, under it, its children, in the order of their starts.
static void place(struct tree *tree, size_t at, int depth)
{
    const json_t *span = json_array_get(tree->spans, at);
    const char *id = text_of(span, "span_id");

    tree->placed[at] = true;
    tree->rows[tree->rows_count++] = (struct row){ span, depth };
    for (size_t i = 0; i < tree->count; i++) {
        const json_t *child = json_array_get(tree->spans, i);
        if (!tree->placed[i] && strcmp(text_of(child, "parent_span_id"), id) == 0) {
            place(tree, i, depth < DEPTH_MAX ? depth + 1 : depth);
        }
    }
}

static bool has_parent(const struct tree *tree, const json_t *span)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(text_of(json_array_get(tree->spans, i), "span_id"),
                   text_of(span, "parent_span_id")) == 0) {
            return true;
        }
    }
    return false;
}

static void build_tree(struct tree *tree, const json_t *spans)
{
    tree->spans = spans;
    tree->count = json_array_size(spans) < SPANS_MAX ? json_array_size(spans) : SPANS_MAX;
    tree->rows_count = 0;
    memset(tree->placed, 0, sizeof(tree->placed));
    for (size_t i = 0; i < tree->count; i++) {
        if (!tree->placed[i] && !has_parent(tree, json_array_get(spans, i))) {
            place(tree, i, 0);
        }
    }
}

// "agent router": its name and what its labels say.
static char *label_of(const json_t *span)
{
    char *label = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&label, &len);
    const char *key;
    const json_t *value;

    if (!out) {
        return NULL;
    }
    fputs(text_of(span, "name"), out);
    json_object_foreach(json_object_get(span, "attributes"), key, value)
    {
        if (json_string_length(value) > 0) {
            fprintf(out, " %s", json_string_value(value));
        }
    }
    if (fclose(out) != 0) {
        free(label);
        return NULL;
    }
    return label;
}

// As many characters as there is room for.
static void put_short(FILE *out, const char *text, size_t chars)
{
    size_t len = strlen(text), at = 0;

    for (size_t i = 0; i < chars && at < len; i++) {
        size_t n;
        text_decode(text + at, &n);
        at += n;
    }
    put_text(out, text, at);
    fputs(at < len ? "…" : "", out);
}

static const char *class_of(const json_t *span)
{
    static const struct {
        const char *name, *class;
    } known[] = {
        { "http", "http" },   { "meme_generation", "work" },
        { "agent", "agent" }, { "external_service", "call" },
        { "db", "store" },    { "cache", "store" },
    };

    if (!json_is_null(json_object_get(span, "error"))) {
        return "bad";
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, text_of(span, "name")) == 0) {
            return known[i].class;
        }
    }
    return "other";
}

static void put_tooltip(FILE *out, const json_t *span, const char *label)
{
    const json_t *error = json_object_get(span, "error");
    const char *type = text_of(error, "type"), *message = text_of(error, "message");

    fputs("<title>", out);
    put_text(out, label, strlen(label));
    fputs("\nafter ", out);
    put_duration(out, seconds_of(span, "offset_seconds"));
    fputs(", for ", out);
    put_duration(out, seconds_of(span, "duration_seconds"));
    if (type[0]) {
        fputs("\n", out);
        put_text(out, type, strlen(type));
        fputs(message[0] ? ": " : "", out);
        put_text(out, message, strlen(message));
    }
    fputs("</title>", out);
}

static void put_row(FILE *out, const struct row *row, size_t number, double total)
{
    const json_t *span = row->span;
    double offset = seconds_of(span, "offset_seconds");
    double duration = seconds_of(span, "duration_seconds");
    double x = total > 0 ? LABEL_WIDTH + offset / total * BAR_WIDTH : LABEL_WIDTH;
    double width = total > 0 ? duration / total * BAR_WIDTH : 0;
    int y = (int)number * ROW_HEIGHT, indent = row->depth * INDENT;
    char *label = label_of(span);

    fprintf(out,
            "<g class=\"%s\"><rect class=\"row\" x=\"0\" y=\"%d\" width=\"%d\" height=\"%d\"/>",
            class_of(span), y, WIDTH, ROW_HEIGHT);
    put_tooltip(out, span, label ? label : "");
    fprintf(out, "<text x=\"%d\" y=\"%d\">", 6 + indent, y + 15);
    put_short(out, label ? label : "", (size_t)(LABEL_CHARS - row->depth * 2));
    fprintf(
        out,
        "</text><rect class=\"bar\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"12\" rx=\"2\"/>", x,
        y + 5, width > 1.5 ? width : 1.5);
    fprintf(out, "<text class=\"took\" x=\"%.2f\" y=\"%d\">", x + (width > 1.5 ? width : 1.5) + 5,
            y + 15);
    put_duration(out, duration);
    fputs("</text></g>\n", out);
    free(label);
}

static const char style[] =
    "body{font:14px system-ui,sans-serif;margin:24px;background:#fff;color:#1c1e21}"
    "h1{font-size:20px;margin:0 0 8px}dl{display:grid;grid-template-columns:max-content auto;"
    "gap:2px 16px;margin:0 0 16px}dt{color:#5f6670}dd{margin:0;overflow-wrap:anywhere}"
    "svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}text{fill:#1c1e21}"
    ".row{fill:transparent}g:hover .row{fill:#8884}.took{fill:#5f6670}"
    ".http .bar{fill:#5b6ee1}.work .bar{fill:#8e63c7}.agent .bar{fill:#1f9d8f}"
    ".call .bar{fill:#d98a1f}.store .bar{fill:#7a8794}.other .bar{fill:#4a90c2}"
    ".bad .bar{fill:#d0342c}.bad text{fill:#d0342c}"
    "@media(prefers-color-scheme:dark){body{background:#16181b;color:#e6e8ea}text{fill:#e6e8ea}"
    "dt,.took{color:#9aa2ab}.took{fill:#9aa2ab}.bad text{fill:#ff8078}}";

static void put_fact(FILE *out, const char *name, const char *value)
{
    fprintf(out, "<dt>%s</dt><dd>", name);
    put_text(out, value, strlen(value));
    fputs("</dd>", out);
}

static void put_facts(FILE *out, const json_t *trace)
{
    json_int_t lost = json_integer_value(json_object_get(trace, "lost_spans"));

    fputs("<dl>", out);
    put_fact(out, "Status", text_of(trace, "status"));
    put_fact(out, "Started", text_of(trace, "started_at"));
    fputs("<dt>Took</dt><dd>", out);
    put_duration(out, seconds_of(trace, "duration_seconds"));
    fputs(json_is_true(json_object_get(trace, "complete")) ? "</dd>" : ", so far</dd>", out);
    put_fact(out, "Correlation id", text_of(trace, "correlation_id"));
    put_fact(out, "Trace id", text_of(trace, "trace_id"));
    if (lost > 0) {
        fprintf(out, "<dt>Spans left out</dt><dd>%lld</dd>", (long long)lost);
    }
    fputs("</dl>\n", out);
}

static void put_page(FILE *out, const json_t *trace, const struct tree *tree)
{
    const char *id = text_of(trace, "meme_id");
    double total = seconds_of(trace, "duration_seconds");

    fputs(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Timeline of meme ",
        out);
    put_text(out, id, strlen(id));
    fprintf(out, "</title><style>%s</style></head>\n<body><h1>Timeline of meme ", style);
    put_text(out, id, strlen(id));
    fputs("</h1>\n", out);
    put_facts(out, trace);
    fprintf(out,
            "<svg role=\"img\" aria-label=\"%zu spans\" width=\"%d\" viewBox=\"0 0 %d %zu\">\n",
            tree->rows_count, WIDTH, WIDTH, tree->rows_count * ROW_HEIGHT + 1);
    for (size_t i = 0; i < tree->rows_count; i++) {
        put_row(out, &tree->rows[i], i, total);
    }
    fputs("</svg></body></html>\n", out);
}

char *trace_page(const json_t *trace, size_t *ret_len)
{
    struct tree *tree = malloc(sizeof(*tree));
    char *page = NULL;
    size_t len = 0;
    FILE *out = tree ? open_memstream(&page, &len) : NULL;
    bool failed;

    if (!out) {
        free(tree);
        return NULL;
    }
    build_tree(tree, json_object_get(trace, "spans"));
    put_page(out, trace, tree);
    free(tree);
    failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(page);
        return NULL;
    }
    *ret_len = len;
    return page;
}
