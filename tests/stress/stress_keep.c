// The pump gives records while the page's threads look for them, and a handler picks what led to its
// crash without a lock: what they see is whole, and in order.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/capture.h"
#include "record/recent/keep.h"

#define RECORDS 60000u
#define LOOKERS 3
// Every so many: what is picked lies all over the window, also where it is written over.
#define RARE 41u

static atomic_int failed, done;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    atomic_store(&failed, 1);
}

// Record i: its number as a field, and text whose length depends on it.
static void *give(void *arg)
{
    static char text[2000];
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < RECORDS; i++) {
        const struct spy_field fields[] = { spy_uint("i", i), spy_strn("text", text, i % 2000) };
        bool span = i % 3 == 0;
        spy__keep_give(&(struct spy__record){ .kind = span ? SPY__KIND_SPAN : SPY__KIND_LOG,
                                              .level = i % 2 ? SPY_LEVEL_INFO : SPY_LEVEL_WARN,
                                              .time_ns = 1 + i,
                                              .duration_ns = i % 5 == 0 ? 5000 : 1,
                                              .root = i % 9 == 0,
                                              .correlation_id = i % RARE == 0 ? "rare"
                                                                : i % 2       ? "odd"
                                                                              : "even",
                                              .trace_hi = 1,
                                              .trace_lo = 1 + i / 9,
                                              .event = "something",
                                              .fields = fields,
                                              .field_count = 2 });
    }
    atomic_store(&done, 1);
    return arg;
}

static void check(const struct spy__window_record *found)
{
    const struct spy__record *record = &found->view.record;
    // Numbers begin with 1, i with 0.
    if (record->field_count != 2 || record->fields[0].value.u != found->number - 1 ||
        record->fields[1].len != (found->number - 1) % 2000) {
        fail("a record is not what was given");
    }
}

static void look_at_traces(void)
{
    struct spy__wire_view view;
    const struct spy__traces *traces = spy__keep_lock_traces();
    unsigned n = 0;
    for (const struct spy__trace *t = NULL; (t = spy__traces_kept(traces, t)) && n < 20; n++) {
        if (t->count == 0 || spy__wire_read(&view, t->spans[0]->bytes, t->spans[0]->n) != 0 ||
            view.record.trace_lo != t->lo) {
            fail("a trace is not whole");
        }
    }
    spy__keep_unlock_traces();
}

static void *look(void *arg)
{
    const struct spy__window_query queries[LOOKERS] = {
        { 0 },
        { .level = SPY_LEVEL_WARN, .kinds = 1u << SPY__KIND_LOG },
        { .id = "odd", .text = "some" },
    };
    const struct spy__window_query *query = &queries[(uintptr_t)arg];
    struct spy__window *window = spy__keep_window();
    struct spy__window_record found;
    uint64_t at = 0;
    if (spy__window_record_init(&found) != 0) {
        abort();
    }
    for (bool over = false; !over;) {
        over = atomic_load(&done);
        while (spy__window_find_after(window, query, at, &found)) {
            if (found.number < at) {
                fail("out of order");
            }
            check(&found);
            at = found.number + 1;
        }
        if (spy__window_find_before(window, query, UINT64_MAX, &found)) {
            check(&found);
        }
        look_at_traces();
    }
    spy__window_record_done(&found);
    return NULL;
}

// The record at bytes + from, which was picked after number `last`.
static size_t check_picked(const unsigned char *bytes, size_t n, uint64_t *last)
{
    static _Alignas(8) unsigned char copy[SPY__RECORD_MAX];
    struct spy__wire_view view;
    memcpy(copy, bytes, n < sizeof(copy) ? n : sizeof(copy));
    if (spy__wire_read(&view, copy, n) != 0 || view.record.field_count != 2 ||
        strcmp(view.record.correlation_id, "rare") != 0) {
        fail("what was picked is no record of ours");
        return n;
    }
    const struct spy_field *text = &view.record.fields[1];
    const uint64_t i = view.record.fields[0].value.u;
    bool good = i % RARE == 0 && i + 1 > *last && text->len == i % 2000;
    for (size_t k = 0; k < text->len; k++) {
        good = good && text->value.s[k] == 'x';
    }
    if (!good) {
        fail("what was picked is not what was given");
    }
    *last = i + 1;
    return view.bytes;
}

static void *pick(void *arg)
{
    static _Alignas(8) unsigned char bytes[256u << 10];
    const struct spy__window_pick picked = { .kinds = 1u << SPY__KIND_LOG | 1u << SPY__KIND_SPAN,
                                             .correlation_id = "rare",
                                             .read = spy__crash_copy };
    while (!atomic_load(&done)) {
        uint64_t last = 0;
        size_t from,
            to = spy__window_pick(spy__keep_window(), &picked, bytes, sizeof(bytes), &from);
        while (from < to) {
            from += check_picked(bytes + from, to - from, &last);
        }
    }
    return arg;
}

int main(void)
{
    pthread_t threads[LOOKERS + 2];
    const struct spy__keep_options options = { .recent = true, .slow_ns = 5000 };
    if (spy__keep_open(&options) != 0) {
        return 1;
    }
    for (uintptr_t i = 0; i < LOOKERS + 2; i++) {
        void *(*run)(void *) = i < LOOKERS ? look : i == LOOKERS ? pick : give;
        if (pthread_create(&threads[i], NULL, run, (void *)i) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < LOOKERS + 2; i++) {
        pthread_join(threads[i], NULL);
    }
    spy__keep_close();
    return atomic_load(&failed);
}
