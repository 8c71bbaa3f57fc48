// An error of whose fields nothing is known: the first line is its type, each further one KEY=VALUE
// (VALUE: a text; a number where KEY begins with '#'; a frame of its stack where it begins with '@').
// It has a group, and an event that is JSON without a key twice.
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encode/sentry_event.h"
#include "signals/error_groups.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct made {
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__frame frames[8];
    size_t field_count, frame_count;
};

static bool has_key(const struct made *made, const char *key)
{
    for (size_t i = 0; i < made->field_count; i++) {
        if (strcmp(made->fields[i].key, key) == 0) {
            return true; // a record that was read has each key once
        }
    }
    return false;
}

static void add(struct made *made, char *key, char *value)
{
    size_t n = strlen(value);
    if (key[0] == '@' && made->frame_count < 8) {
        struct spy__frame *frame = &made->frames[made->frame_count++];
        *frame = (struct spy__frame){ .function = n % 3 ? value : NULL,
                                      .file = value,
                                      .package = n % 2 ? value : NULL,
                                      .build_id = n % 5 ? value : NULL,
                                      .image_addr = n,
                                      .in_app = n % 7 == 0 };
    } else if (key[0] && !has_key(made, key) && made->field_count < SPY_FIELDS_MAX - 1) {
        made->fields[made->field_count++] =
            key[0] == '#' ? spy_int(key, (int64_t)n) : spy_str(key, value);
    }
}

static const struct spy__record *same_crumb(void *arg)
{
    return arg;
}

static void check(const struct spy__record *record)
{
    static const struct spy__host machine;
    static const struct spy__sentry_host host = { .machine = &machine };
    struct spy__error_groups *groups = spy__error_groups_new();
    struct spy__buf out;
    const struct spy__sentry_event event = { .host = &host,
                                             .record = record,
                                             .fingerprint = { record->event },
                                             .next_crumb = same_crumb,
                                             .crumb_arg = (void *)record };
    if (groups) {
        uint64_t key = spy__error_key(record, NULL);
        if (spy__error_groups_told(groups, record) || key == 0 ||
            !spy__error_groups_take(groups, key, record)) {
            abort();
        }
    }
    spy__error_groups_free(groups);
    spy__buf_init(&out, 4u << 20);
    spy__encode_sentry_event(&out, &event);
    // Keys that differ in bytes that are no UTF-8 alone are written alike.
    json_t *json = json_loadb(out.bytes, out.len, JSON_ALLOW_NUL, NULL);
    if (out.failed || !json) {
        abort();
    }
    json_decref(json);
    spy__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct made made = { .field_count = 0 };
    char *text = malloc(size + 1), *rest = text, *line;
    if (!text || size > 8000) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    const char *type = strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');
        if (value) {
            *value++ = '\0';
            add(&made, line, value);
        }
    }
    if (made.frame_count > 0 && !has_key(&made, "stack")) {
        made.fields[made.field_count++] = spy__frames("stack", made.frames, made.frame_count);
    }
    check(&(struct spy__record){ .kind = SPY__KIND_ERROR,
                                 .level = SPY_LEVEL_ERROR,
                                 .correlation_id = type,
                                 .trace_lo = size,
                                 .event = type,
                                 .fields = made.fields,
                                 .field_count = made.field_count });
    free(text);
    return 0;
}
