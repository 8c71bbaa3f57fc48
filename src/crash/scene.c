// What threads of a dead process were at, read back; see read.h.

#include "crash/scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "record/wire_take.h"

// Copies a text that may have no end, may be cut within a character, and may be no UTF-8: then it is
// "".
static void copy_cut(char *to, const char *from, size_t cap)
{
    size_t n = strnlen(from, cap);
    for (unsigned i = 0; i < 3 && n > 0 && !spy__utf8_valid(from, n); i++) {
        n--;
    }
    n = spy__utf8_valid(from, n) ? n : 0;
    memcpy(to, from, n);
    to[n] = '\0';
}

static void read_open(struct spy__crash_operation *to, const struct spy__crash_open *from)
{
    const bool known = from->open_ns != SPY__CRASH_UNKNOWN;
    *to = (struct spy__crash_operation){ .span_id = from->span_id,
                                         .parent_id = from->parent_id,
                                         .known = known,
                                         .open_ns = known ? from->open_ns : 0 };
    copy_cut(to->operation, from->operation, sizeof(from->operation));
    copy_cut(to->op, from->op, sizeof(from->op));
    copy_cut(to->detail, from->detail, sizeof(from->detail));
}

int spy__crash_read_scene(struct spy__crash_stack *to, const unsigned char *bytes, size_t n,
                          size_t i)
{
    struct spy__crash_scene from;
    const size_t at = SPY__CRASH_SCENES_AT + i * sizeof(from);
    if (at > n || n - at < sizeof(from)) {
        return 0;
    }
    memcpy(&from, bytes + at, sizeof(from));
    copy_cut(to->method, from.method, sizeof(from.method));
    copy_cut(to->route, from.route, sizeof(from.route));
    const size_t count = from.count < SPY__CRASH_OPEN_MAX ? from.count : SPY__CRASH_OPEN_MAX;
    to->open = count > 0 ? calloc(SPY__CRASH_OPEN_MAX, sizeof(*to->open)) : NULL;
    if (count > 0 && !to->open) {
        return -ENOMEM;
    }
    to->open_count = count;
    for (size_t k = 0; k < to->open_count; k++) {
        read_open(&to->open[k], &from.open[k]);
    }
    return 0;
}

size_t spy__crash_read_bound(struct spy_field out[SPY_BOUND_MAX], const unsigned char *bytes,
                             size_t n, size_t bound_bytes)
{
    size_t count = 0, key_bytes;
    if (n < SPY__CRASH_BOUND_AT || bound_bytes > SPY__CRASH_BOUND_MAX ||
        bound_bytes > n - SPY__CRASH_BOUND_AT) {
        return 0;
    }
    const unsigned char *start = bytes + SPY__CRASH_BOUND_AT;
    struct spy__cursor c = { start, start, start + bound_bytes };
    while (count < SPY_BOUND_MAX && spy__take_field(&c, &out[count], &key_bytes) &&
           out[count].type <= SPY_FIELD_STR && key_bytes <= SPY__KEY_MAX + 1 &&
           strlen(out[count].key) + 1 == key_bytes &&
           spy__utf8_valid(out[count].key, key_bytes - 1)) {
        count++;
    }
    return count;
}

// ---- who began what

// The operation of that span as a thread had it that knows when it began.
static const struct spy__crash_operation *find_known(const struct spy__crash *crash,
                                                     uint64_t span_id, size_t *ret_left)
{
    for (size_t i = 0; i < crash->thread_count; i++) {
        const struct spy__crash_stack *thread = &crash->threads[i];
        for (size_t k = 0; k < thread->open_count; k++) {
            if (thread->open[k].span_id == span_id && thread->open[k].known) {
                *ret_left = thread->open_count - k;
                return &thread->open[k];
            }
        }
    }
    return NULL;
}

// From there outwards it is the same chain.
static void join(const struct spy__crash *crash, struct spy__crash_stack *thread)
{
    for (size_t k = 0; k < thread->open_count; k++) {
        size_t left;
        const struct spy__crash_operation *from =
            thread->open[k].known ? NULL : find_known(crash, thread->open[k].span_id, &left);
        if (from) {
            left = left < SPY__CRASH_OPEN_MAX - k ? left : SPY__CRASH_OPEN_MAX - k;
            memmove(&thread->open[k], from, left * sizeof(*from)); // it may be its own
            thread->open_count = k + left;
            return;
        }
    }
}

void spy__crash_join(struct spy__crash *crash)
{
    for (size_t i = 0; i < crash->thread_count; i++) {
        join(crash, &crash->threads[i]);
    }
}
