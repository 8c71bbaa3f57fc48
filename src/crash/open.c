// What a thread was at when it crashed, or was asked: the chain of its open operations.
//
// Nothing keeps a list of them: beginning and ending one costs nothing for this. What there is, is the
// innermost one's id and name, in each span its parent's, and the spans themselves, which lie on the
// thread's stack. An id is 64 random bits: a word that is the id, where in a span it would be, beside
// an operation of the very name that is looked for, is that span.
//
// Async-signal-safe, and bounded: see capture.h.

#include <stdbool.h>
#include <stddef.h>

#include "base/moment.h"
#include "crash/capture.h"
#include "spyglass/span.h"

// A thread's stack by default: of an exhausted one, the spans are at its far end.
#define STACK_MAX ((uintptr_t)8 << 20)
#define PAGE ((uintptr_t)4096)
// Of one thread: a stack that is walked again for each of its spans takes some ten milliseconds.
#define PAGES_MAX (8u * (unsigned)(STACK_MAX / PAGE))
// Words of one thread's stack that are such an id and, mostly, no span's: a host may keep it in many
// places.
#define TRIES_MAX 1000u
#define READS_ANYTHING __attribute__((no_sanitize("address", "thread")))

// What lies before the metrics.
#define OPERATION_BYTES offsetof(struct spy_operation, seconds)

_Static_assert(offsetof(struct spy_operation, op) < OPERATION_BYTES &&
                   offsetof(struct spy_operation, labels) < OPERATION_BYTES,
               "what is read of an operation lies at its beginning");

struct search {
    uintptr_t from, to; // of the stack
    uintptr_t at;       // where the last span was: its parent is mostly above
    unsigned pages;     // that may still be looked at
    unsigned tries;     // at words that are the id
};

struct wanted {
    uint64_t id;
    const char *name;
};

// The thread's own variables lie above its stack (but the main thread's): what is there is no span.
static uintptr_t end_of_stack(uintptr_t sp)
{
    static __thread char own __attribute__((tls_model("initial-exec")));
    const uintptr_t end = sp + STACK_MAX < sp ? UINTPTR_MAX : sp + STACK_MAX;
    return (uintptr_t)&own > sp && (uintptr_t)&own < end ? (uintptr_t)&own : end;
}

// The bytes of a span are on the stack: there is an operation of that name in it.
static bool read_span(struct spy_span *ret, struct spy_operation *ret_operation, uintptr_t at,
                      const struct wanted *wanted)
{
    return spy__crash_copy(ret, at, sizeof(*ret)) == sizeof(*ret) && ret->span_id == wanted->id &&
           spy__crash_copy(ret_operation, (uintptr_t)ret->operation, OPERATION_BYTES) ==
               OPERATION_BYTES &&
           ret_operation->name == wanted->name;
}

// The first word in [from, to) that is the id; 0: there is none before what cannot be read.
READS_ANYTHING static uintptr_t find_word(struct search *s, uintptr_t from, uintptr_t to,
                                          uint64_t id)
{
    for (uintptr_t at = from; at < to; at = (at / PAGE + 1) * PAGE) {
        const uintptr_t end = (at / PAGE + 1) * PAGE < to ? (at / PAGE + 1) * PAGE : to;
        if (s->pages == 0 || !spy__crash_readable(at / PAGE * PAGE)) {
            break;
        }
        s->pages--;
        for (uintptr_t word = at; word + sizeof(id) <= end; word += sizeof(id)) {
            if (*(const volatile uint64_t *)word == id) {
                return word;
            }
        }
    }
    return 0;
}

static bool find_in(struct spy_span *ret, struct spy_operation *ret_operation, struct search *s,
                    uintptr_t from, uintptr_t to, const struct wanted *wanted)
{
    uintptr_t at = from;
    while (s->tries > 0 && (at = find_word(s, at, to, wanted->id)) != 0) {
        s->tries--;
        if (at - s->from >= offsetof(struct spy_span, span_id) &&
            read_span(ret, ret_operation, at - offsetof(struct spy_span, span_id), wanted)) {
            s->at = at;
            return true;
        }
        at += sizeof(uint64_t);
    }
    return false;
}

static bool find_span(struct spy_span *ret, struct spy_operation *ret_operation, struct search *s,
                      const struct wanted *wanted)
{
    const uintptr_t last = s->at;
    return find_in(ret, ret_operation, s, last, s->to, wanted) ||
           find_in(ret, ret_operation, s, s->from, last, wanted);
}

// The values of its labels, with spaces between them.
static void write_detail(char *to, size_t cap, const struct spy_span *span,
                         const struct spy_operation *operation)
{
    size_t n = 0;
    for (size_t i = 0; i < SPY_LABELS_MAX - 1 && operation->labels[i] && n + 2 < cap; i++) {
        const size_t gap = n > 0;
        spy__crash_copy_text(to + n + gap, cap - n - gap, (uintptr_t)span->values[i]);
        if (to[n + gap] != '\0') {
            to[n] = gap ? ' ' : to[n];
            n += gap;
            while (to[n] != '\0') {
                n++;
            }
        }
    }
}

static uint64_t open_ns(uint64_t start, const struct spy__crash_instant *crashed)
{
    return spy__moment_ns(start, spy__moment_is_count(start)
                                     ? crashed->count
                                     : spy__moment_of(crashed->monotonic_ns));
}

static void write_span(struct spy__crash_open *to, const struct spy_span *span,
                       const struct spy_operation *operation,
                       const struct spy__crash_instant *crashed)
{
    to->parent_id = span->parent_id;
    to->open_ns = open_ns(span->start, crashed);
    spy__crash_copy_text(to->op, sizeof(to->op), (uintptr_t)operation->op);
    write_detail(to->detail, sizeof(to->detail), span, operation);
}

// Who comes after a span that was not found: the one that the context was captured in, then the
// request.
static struct wanted further_out(uint64_t id, const struct spy__crash_ids *ids)
{
    if (id != ids->outer_id && id != ids->request_id && ids->outer_id != 0 &&
        ids->outer_id != ids->remote_id) {
        return (struct wanted){ ids->outer_id, ids->outer };
    }
    return id != ids->request_id ? (struct wanted){ ids->request_id, ids->request }
                                 : (struct wanted){ 0, NULL };
}

uint32_t spy__crash_open(struct spy__crash_open *out, uint32_t max,
                         const struct spy__crash_ids *ids, uintptr_t sp,
                         const struct spy__crash_instant *crashed)
{
    struct search s = {
        .from = sp, .to = end_of_stack(sp), .at = sp, .pages = PAGES_MAX, .tries = TRIES_MAX
    };
    struct wanted wanted = { ids->span_id, ids->operation };
    struct spy_span span;
    struct spy_operation operation;
    uint32_t n = 0;
    for (; n < max && wanted.id != 0 && wanted.id != ids->remote_id; n++) {
        struct spy__crash_open *open = &out[n];
        open->span_id = wanted.id;
        open->parent_id = 0;
        open->open_ns = SPY__CRASH_UNKNOWN;
        spy__crash_copy_text(open->operation, sizeof(open->operation), (uintptr_t)wanted.name);
        spy__crash_copy_text(open->op, sizeof(open->op), 0);
        spy__crash_copy_text(open->detail, sizeof(open->detail), 0);
        if (find_span(&span, &operation, &s, &wanted)) {
            write_span(open, &span, &operation, crashed);
            wanted = (struct wanted){ span.parent_id, span.outer };
            continue;
        }
        if (wanted.id == ids->request_id) {
            open->open_ns = open_ns(ids->request_start, crashed);
            spy__crash_copy_text(open->op, sizeof(open->op), (uintptr_t)ids->request_op);
        }
        wanted = further_out(wanted.id, ids);
    }
    return n;
}
