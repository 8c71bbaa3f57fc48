// A dead process wrote it, in a state that nobody knows. The input is what is done to a crash file
// of this process: each five bytes write one byte somewhere, or an input that begins with 0xff is
// the file itself. Whatever it is, reading and naming it ends, and what it gives can be used: the
// stacks, what the threads were at, and the lines before it.
#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/utf8.h"
#include "crash/capture.h"
#include "crash/machine.h"
#include "crash/name.h"
#include "crash/read.h"
#include "record/recent/keep.h"
#include "record/wire_put.h"
#include "tests/unit/crash_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char *good;

// The second thread does not know what the first one's operations were begun in, and the other way
// round.
static void make_scene(struct spy__crash_scene *scene, size_t thread)
{
    scene->count = 3;
    memcpy(scene->method, "POST", 5);
    memcpy(scene->route, "/dishes/{id}", 13);
    for (uint32_t i = 0; i < scene->count; i++) {
        struct spy__crash_open *open = &scene->open[i];
        *open = (struct spy__crash_open){ .span_id = i + 1,
                                          .parent_id = i + 2,
                                          .open_ns = i == 2 * thread ? SPY__CRASH_UNKNOWN : 900 + i,
                                          .operation = "kitchen",
                                          .op = "a.kitchen",
                                          .detail = "soup" };
    }
}

static void make_bound(struct spy__crash_head *head)
{
    const struct spy_field fields[] = { spy_str("path", "/dishes/7"), spy_int("table", 7),
                                        spy_bool("hungry", true) };
    struct spy__wire_put put = { .start = good + SPY__CRASH_BOUND_AT,
                                 .at = good + SPY__CRASH_BOUND_AT,
                                 .end = good + SPY__CRASH_RECORDS_AT };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        spy__wire_put_field(&put, &fields[i]);
    }
    head->bound_bytes = (uint32_t)(put.at - put.start);
}

static void make_records(struct spy__crash_head *head)
{
    unsigned char *to = good + SPY__CRASH_RECORDS_AT;
    const struct spy_field field = spy_str("step", "two");
    for (uint64_t i = 1; i <= 3; i++) {
        const struct spy__record record = { .kind = SPY__KIND_LOG,
                                            .level = SPY_LEVEL_INFO,
                                            .id = { .run = 9, .slot = 1, .sequence = i },
                                            .time_ns = 5,
                                            .correlation_id = "request-1",
                                            .event = "line",
                                            .fields = &field,
                                            .field_count = 1 };
        head->records_to += (uint32_t)spy__wire_write(
            to + head->records_to, SPY__CRASH_RECORD_BYTES_MAX - head->records_to, &record);
    }
}

__attribute__((noinline)) static void make_good(void)
{
    ucontext_t context;
    good = crash_rig_new();
    struct spy__crash_head *head = spy__crash_head(good);
    spy__crash_modules(good);
    getcontext(&context);
    for (size_t i = 0; i < 2; i++) {
        spy__crash_thread(good, i, &context, NULL);
        spy__crash_thread_at(good, i)->copy = SPY__COPY_DONE;
        make_scene(spy__crash_scene_at(good, i), i);
    }
    make_bound(head);
    make_records(head);
}

// Each text is one, and no more than there is room for.
static void check_scene(const struct spy__crash_stack *thread)
{
    assert(thread->open_count <= SPY__CRASH_OPEN_MAX);
    assert(spy__utf8_valid(thread->method, strlen(thread->method)));
    assert(spy__utf8_valid(thread->route, strlen(thread->route)));
    for (size_t i = 0; i < thread->open_count; i++) {
        const struct spy__crash_operation *open = &thread->open[i];
        assert(strlen(open->operation) < sizeof(open->operation));
        assert(spy__utf8_valid(open->operation, strlen(open->operation)));
        assert(spy__utf8_valid(open->op, strlen(open->op)));
        assert(spy__utf8_valid(open->detail, strlen(open->detail)));
    }
}

// What is recalled can be found.
static void recall(const struct spy__crash *crash)
{
    struct spy__window_record found;
    uint64_t first, next;
    if (spy__window_record_init(&found) != 0) {
        return;
    }
    if (spy__keep_open(&(struct spy__keep_options){ .recent = true }) == 0) {
        spy__keep_recall(crash->records, crash->record_bytes);
        spy__window_range(spy__keep_window(), &first, &next);
        for (uint64_t at = first; at < next; at++) {
            assert(spy__window_find_after(spy__keep_window(), &(struct spy__window_query){ 0 }, at,
                                          &found));
            assert(found.number == at && found.view.record.recovered);
        }
        spy__keep_close();
    }
    spy__window_record_done(&found);
}

// Without time there are no names: unwinding alone is ten times as quick.
static void read_all(const unsigned char *bytes, size_t n, bool named)
{
    struct spy__crash crash;
    if (spy__crash_parse(&crash, bytes, n) != 0) {
        return;
    }
    assert(crash.thread_count >= 1 && crash.thread_count <= SPY__CRASH_THREADS_MAX);
    struct spy__crash_names *names = spy__crash_name(&crash, false, named ? UINT64_MAX : 0);
    for (size_t i = 0; i < crash.thread_count; i++) {
        const struct spy__crash_stack *thread = &crash.threads[i];
        assert(thread->frame_count <= SPY__CRASH_FRAMES_MAX);
        assert(spy__utf8_valid(thread->name, strlen(thread->name)));
        check_scene(thread);
        for (size_t k = 0; k < thread->frame_count; k++) {
            const struct spy__frame *frame = &thread->frames[k];
            assert(!frame->module || spy__utf8_valid(frame->module, strlen(frame->module)));
        }
    }
    assert(crash.bound_count <= SPY_BOUND_MAX);
    for (size_t i = 0; i < crash.bound_count; i++) {
        assert(crash.bound[i].key[0] && strlen(crash.bound[i].key) <= SPY__KEY_MAX);
        assert(crash.bound[i].type <= SPY_FIELD_STR);
    }
    recall(&crash);
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0xff) {
        read_all(data + 1, size - 1, true);
        return 0;
    }
    if (!good) {
        make_good();
    }
    unsigned char *bad = malloc(SPY__CRASH_BYTES);
    if (!bad) {
        return 0;
    }
    memcpy(bad, good, SPY__CRASH_BYTES);
    const bool named = size % 8 == 0;
    for (; size >= 5; data += 5, size -= 5) {
        uint32_t at;
        memcpy(&at, data, sizeof(at));
        bad[at % SPY__CRASH_BYTES] = data[4];
    }
    read_all(bad, SPY__CRASH_BYTES, named);
    free(bad);
    return 0;
}
