// The page's questions for recent lines, by whoever may ask: the first bytes of the input, up to an
// empty line, are NAME=VALUE lines of a question, the rest is text of records. Whatever they say, the
// answer is JSON, with no more lines than were asked for.
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/recent/keep.h"
#include "serve/recent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give(const char *text, size_t n)
{
    const struct spy_field field = spy_strn("text", text, n > 1000 ? 1000 : n);
    char id[64];
    size_t m = n < sizeof(id) ? n : sizeof(id) - 1;
    memcpy(id, text, m);
    id[m] = 0;
    for (int kind = SPY__KIND_LOG; kind <= SPY__KIND_ERROR; kind++) {
        spy__keep_give(&(struct spy__record){ .kind = (enum spy__record_kind)kind,
                                              .level = n % 2 ? SPY_LEVEL_INFO : SPY_LEVEL_ERROR,
                                              .time_ns = 1,
                                              .correlation_id = id,
                                              .trace_lo = n,
                                              .root = n % 3 == 0,
                                              .event = id,
                                              .fields = &field,
                                              .field_count = 1 });
    }
}

// A copy that ends in a NUL, as parameters do. The caller frees it.
static char *copy(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) {
        abort();
    }
    memcpy(text, data, size);
    text[size] = 0;
    return text;
}

static void take_params(struct spy__recent_query *query, char *text)
{
    char *line, *rest = text;
    const char *why;
    while ((line = strsep(&rest, "\n")) && line[0]) {
        char *value = strchr(line, '=');
        if (value) {
            *value++ = 0;
            (void)spy__recent_param(query, line, value, &why);
        }
    }
}

static void check(struct spy__buf *out, int err, const char *list, size_t most)
{
    if (err == 0) {
        json_t *answer = json_loadb(out->bytes, out->len, JSON_ALLOW_NUL, NULL);
        if (!answer || json_array_size(json_object_get(answer, list)) > most) {
            abort();
        }
        json_decref(answer);
    }
    spy__buf_reset(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spy__keep_options options = { .recent = true, .slow_ns = 1 };
    const uint8_t *end = memmem(data, size, "\n\n", 2);
    size_t head = end ? (size_t)(end - data) + 1 : size;
    char *params = copy(data, head);
    struct spy__recent_query query;
    struct spy__buf out;
    if (spy__keep_open(&options) != 0) {
        abort();
    }
    for (size_t at = head; at < size; at += 37) {
        give((const char *)data + at, size - at);
    }
    spy__buf_init(&out, 8u << 20);
    spy__recent_query_init(&query);
    take_params(&query, params);
    check(&out, spy__recent_logs(&out, &query), "lines", query.limit);
    check(&out, spy__recent_requests(&out), "requests", 400);
    if (query.match.id) {
        check(&out, spy__recent_request(&out, query.match.id), "spans", SPY__TRACE_SPANS_MAX);
    }
    spy__buf_done(&out);
    spy__keep_close();
    free(params);
    return 0;
}
