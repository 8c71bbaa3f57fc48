#include "serve/errors.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/json.h"
#include "encode/line.h"
#include "signals/error_report.h"

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text && text[0]) {
        spy__json_key(j, key);
        spy__json_str(j, text);
    }
}

static void put_number(struct spy__json *j, const char *key, uint64_t number)
{
    spy__json_key(j, key);
    spy__json_u64(j, number);
}

static void put_time(struct spy__json *j, const char *key, uint64_t ns)
{
    char text[SPY__TIME_LEN];
    spy__time_print(text, ns);
    spy__json_key(j, key);
    spy__json_strn(j, text, sizeof(text));
}

static void put_id(struct spy__json *j, const char *key, uint64_t hi, uint64_t lo)
{
    char hex[32];
    if (hi | lo) {
        spy__hex_u64(hex, hi);
        spy__hex_u64(hex + 16, lo);
        spy__json_key(j, key);
        spy__json_strn(j, hex, sizeof(hex));
    }
}

static void put_frame(struct spy__json *j, const struct spy__frame *frame)
{
    char address[19] = "";
    address[spy__address_print(address, frame->address)] = '\0';
    spy__json_object(j);
    put_text(j, "function", frame->function);
    put_text(j, "file", frame->file);
    if (frame->line > 0) {
        put_number(j, "line", frame->line);
    }
    put_text(j, "address", address);
    put_text(j, "module", frame->module);
    spy__json_key(j, "in_app");
    spy__json_bool(j, frame->in_app);
    spy__json_object_end(j);
}

static void put_group(struct spy__json *j, const struct spy__error_group *group)
{
    char key[17] = "";
    spy__hex_u64(key, group->key);
    spy__json_object(j);
    put_text(j, "key", key);
    put_text(j, "type", group->type);
    put_text(j, "message", group->message);
    put_text(j, "place", group->place);
    put_number(j, "count", group->count);
    put_time(j, "first_seen", group->first_ns);
    put_time(j, "last_seen", group->last_ns);
    put_text(j, "correlation_id", group->correlation_id);
    put_id(j, "trace_id", group->trace_hi, group->trace_lo);
    put_id(j, "event_id", group->event_hi, group->event_lo);
    spy__json_key(j, "stack");
    spy__json_array(j);
    for (size_t i = 0; i < group->frame_count; i++) {
        put_frame(j, &group->frames[i]);
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

static int by_last_seen(const void *a, const void *b)
{
    const struct spy__error_group *x = *(const struct spy__error_group *const *)a;
    const struct spy__error_group *y = *(const struct spy__error_group *const *)b;
    return (x->last_ns < y->last_ns) - (x->last_ns > y->last_ns);
}

static void put_groups(struct spy__json *j, const struct spy__error_groups *groups)
{
    const struct spy__error_group *all[SPY__ERROR_GROUPS_MAX], *group = NULL;
    size_t count = 0;
    while ((group = spy__error_groups_next(groups, group))) {
        all[count++] = group;
    }
    qsort(all, count, sizeof(all[0]), by_last_seen);
    spy__json_key(j, "groups");
    spy__json_array(j);
    for (size_t i = 0; i < count && j->out->len < SPY__ERRORS_BYTES; i++) {
        put_group(j, all[i]);
    }
    spy__json_array_end(j);
}

int spy__errors_list(struct spy__buf *out)
{
    struct spy__json j;
    const struct spy__error_groups *groups = spy__error_lock();
    if (!groups) {
        return -ENOENT;
    }
    spy__json_init(&j, out);
    spy__json_object(&j);
    put_text(&j, "release", spy__error_release());
    put_text(&j, "environment", spy__error_environment());
    put_groups(&j, groups);
    spy__json_object_end(&j);
    spy__error_unlock();
    return out->failed ? -ENOMEM : 0;
}
