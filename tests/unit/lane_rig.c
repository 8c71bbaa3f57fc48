// See lane_rig.h. Answers have these statuses: 200 SENT, 400 SPLIT, 410 DROP, all else RETRY.
#include "lane_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"

// ---- the backend

static int prepare(void *self, struct spy__request *ret, struct spy__buf *body)
{
    const struct lane_rig *rig = self;
    if (rig->unprepared == 0) {
        return 0;
    }
    (void)snprintf(ret->path, sizeof(ret->path), "/prepare");
    ret->header_count = 0;
    ret->encoding = SPY__ENCODING_NONE;
    ret->timeout_ms = 1000;
    spy__buf_reset(body);
    spy__buf_puts(body, "prepare");
    return body->failed ? -ENOMEM : 1;
}

static struct spy__verdict prepared(void *self, const struct spy__answer *answer)
{
    struct lane_rig *rig = self;
    if (answer->status != 200) {
        return (struct spy__verdict){ .kind = SPY__RETRY, .reason = "trouble", .text = "not yet" };
    }
    rig->unprepared--;
    return (struct spy__verdict){ .kind = SPY__SENT, .reason = "" };
}

static unsigned number_of(const struct spy__bytes *record)
{
    char text[64] = "";
    unsigned number = 0;
    assert_true(record->n < sizeof(text));
    assert_int_equal((uintptr_t)record->bytes % 8, 0);
    memcpy(text, record->bytes, record->n);
    assert_int_equal(sscanf(text, "entry %u", &number), 1);
    return number;
}

static int encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                  struct spy__request *ret)
{
    const struct lane_rig *rig = self;
    int rows = 0;
    (void)snprintf(ret->path, sizeof(ret->path), "/%s", delivery->token);
    ret->header_count = 0;
    ret->encoding = SPY__ENCODING_NONE;
    ret->timeout_ms = 60000;
    spy__buf_reset(body);
    for (size_t i = 0; i < delivery->count; i++) {
        unsigned number = number_of(&delivery->records[i]);
        if (number != rig->unreadable || number == 0) {
            char text[16];
            (void)snprintf(text, sizeof(text), "%u\n", number);
            spy__buf_puts(body, text);
            rows++;
        }
    }
    return body->failed ? -ENOMEM : rows;
}

static struct spy__verdict judge(void *self, const struct spy__answer *answer)
{
    (void)self;
    switch (answer->status) {
    case 200:
        return (struct spy__verdict){ .kind = SPY__SENT, .reason = "" };
    case 400:
        return (struct spy__verdict){ .kind = SPY__SPLIT, .reason = "bad_row", .text = "bad" };
    case 410:
        return (struct spy__verdict){ .kind = SPY__DROP, .reason = "gone", .text = "never" };
    default:
        return (struct spy__verdict){ .kind = SPY__RETRY, .reason = "trouble", .text = "later" };
    }
}

static int bury(void *self, const struct spy__delivery *delivery,
                const struct spy__verdict *verdict, struct spy__buf *ret)
{
    (void)self;
    for (size_t i = 0; i < delivery->count; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%u %s\n", number_of(&delivery->records[i]),
                       verdict->reason);
        spy__buf_puts(ret, text);
    }
    return ret->failed ? -ENOMEM : (int)delivery->count;
}

// ---- the transport

static int take_call(void *self, unsigned slot, const struct spy__call *call)
{
    struct lane_rig *rig = self;
    assert_int_equal(slot, 0);
    assert_false(rig->calling);
    if (rig->no_send) {
        return -ENOMEM;
    }
    rig->calling = true;
    rig->sends++;
    rig->rows = 0;
    rig->body_bytes = call->body->len;
    rig->preparing = strcmp(call->request->path, "/prepare") == 0;
    (void)snprintf(rig->token, sizeof(rig->token), "%s", call->request->path + 1);
    const char *at = call->body->bytes, *end = at + call->body->len;
    while (!rig->preparing && at < end) {
        rig->numbers[rig->rows++] = (unsigned)strtoul(at, NULL, 10);
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
    return 0;
}

static void cancel(void *self, unsigned slot)
{
    struct lane_rig *rig = self;
    assert_int_equal(slot, 0);
    rig->cancels++;
    rig->calling = false;
}

// ---- what is told

static void note_count(void *arg, const char *backend, enum spy__lane_count what, uint64_t n)
{
    struct lane_rig *rig = arg;
    assert_string_equal(backend, "a");
    rig->counts[what] += n;
}

static void note_dropped(void *arg, const char *backend, const char *reason, uint64_t records)
{
    struct lane_rig *rig = arg;
    (void)backend;
    rig->dropped += records;
    (void)snprintf(rig->reason, sizeof(rig->reason), "%s", reason);
}

static void note_took(void *arg, const char *backend, uint64_t ns)
{
    struct lane_rig *rig = arg;
    (void)backend;
    rig->took = ns;
}

static void note_fails(void *arg, const char *backend, const struct spy__verdict *verdict)
{
    struct lane_rig *rig = arg;
    (void)backend;
    assert_int_equal(verdict->kind, SPY__RETRY);
    rig->fails++;
}

static void note_works(void *arg, const char *backend, uint64_t ns)
{
    struct lane_rig *rig = arg;
    (void)backend;
    assert_true(ns > 0);
    rig->works++;
}

static void note_buried(void *arg, const char *backend, const struct spy__verdict *verdict,
                        uint64_t records, int err)
{
    struct lane_rig *rig = arg;
    (void)backend;
    (void)verdict;
    rig->buried += (unsigned)records;
    rig->bury_err = err;
}

static void note_forgets(void *arg, const char *backend, int err)
{
    struct lane_rig *rig = arg;
    (void)backend;
    rig->forgets++;
    rig->forget_err = err;
}

// ---- the rig

int lane_rig_set_up(void **state)
{
    struct lane_rig *rig = calloc(1, sizeof(*rig));
    void *journal;
    journal_rig_set_up(&journal);
    rig->journal = journal;
    rig->backend = (struct spy__backend){ .name = "a",
                                          .base = "http://model",
                                          .self = rig,
                                          .kinds = 1u << LANE_RIG_KIND,
                                          .rows_max = 4,
                                          .bytes_max = 4096,
                                          .age_ms = 1000,
                                          .prepare = prepare,
                                          .prepared = prepared,
                                          .encode = encode,
                                          .judge = judge,
                                          .bury = bury };
    rig->transport = (struct spy__transport){ .self = rig, .send = take_call, .cancel = cancel };
    rig->hooks = (struct spy__lane_hooks){ .arg = rig,
                                           .count = note_count,
                                           .dropped = note_dropped,
                                           .took = note_took,
                                           .fails = note_fails,
                                           .works = note_works,
                                           .buried = note_buried,
                                           .forgets = note_forgets };
    spy__random_seed(1);
    *state = rig;
    return 0;
}

int lane_rig_tear_down(void **state)
{
    static const char *const files[] = { "delivery/a.parcel", "delivery/a.parcel.new",
                                         "dead_letters/a.jsonl" };
    struct lane_rig *rig = *state;
    char path[128];
    void *journal = rig->journal;
    lane_rig_kill(rig);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rig->journal->dir, files[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/delivery", rig->journal->dir);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/dead_letters", rig->journal->dir);
    (void)rmdir(path);
    free(rig);
    return journal_rig_tear_down(&journal);
}

void lane_rig_open(struct lane_rig *rig, bool in_memory)
{
    journal_rig_open(rig->journal, in_memory);
    rig->reader = journal_rig_reader(rig->journal, "a", rig->backend.kinds);
    assert_int_equal(spy__lane_open(&rig->lane, &rig->backend, rig->reader, &rig->transport, 0,
                                    in_memory ? NULL : rig->journal->dir, &rig->hooks),
                     0);
    rig->open = true;
}

void lane_rig_kill(struct lane_rig *rig)
{
    if (rig->open) {
        spy__lane_close(&rig->lane);
        spy__journal_reader_close(rig->reader);
        journal_rig_close(rig->journal);
        rig->open = rig->calling = false;
    }
}

void lane_rig_append(struct lane_rig *rig, unsigned from, unsigned to)
{
    journal_rig_append(rig->journal, LANE_RIG_KIND, from, to);
}

uint64_t lane_rig_step(struct lane_rig *rig)
{
    return spy__lane_step(&rig->lane, rig->journal->clock.monotonic_ns);
}

void lane_rig_pass(struct lane_rig *rig, unsigned ms)
{
    rig->journal->clock.monotonic_ns += ms * UINT64_C(1000000);
    rig->journal->clock.realtime_ns += ms * UINT64_C(1000000);
}

// The same token is the same rows, whenever it comes.
static bool is_new(struct lane_rig *rig, bool takes)
{
    size_t i = 0;
    assert_true(rig->rows > 0);
    while (i < rig->token_count && strcmp(rig->tokens[i].token, rig->token) != 0) {
        i++;
    }
    assert_true(i < LANE_RIG_TOKENS);
    if (i == rig->token_count) {
        rig->token_count++;
        memcpy(rig->tokens[i].token, rig->token, sizeof(rig->token));
        rig->tokens[i].first = rig->numbers[0];
        rig->tokens[i].last = rig->numbers[rig->rows - 1];
        rig->tokens[i].rows = rig->rows;
    }
    assert_int_equal(rig->tokens[i].first, rig->numbers[0]);
    assert_int_equal(rig->tokens[i].last, rig->numbers[rig->rows - 1]);
    assert_int_equal(rig->tokens[i].rows, rig->rows);
    bool new = !rig->tokens[i].taken;
    rig->tokens[i].taken = rig->tokens[i].taken || takes;
    return new;
}

static void store(struct lane_rig *rig)
{
    if (!rig->preparing && is_new(rig, true)) {
        for (size_t i = 0; i < rig->rows; i++) {
            rig->stored[rig->numbers[i]]++;
        }
    }
}

static void answer(struct lane_rig *rig, long status, const char *header)
{
    const struct spy__answer answer = {
        .status = status,
        .headers = &header,
        .header_count = header ? 1 : 0,
        .body = "",
        .error = status == 0 ? "no answer" : NULL,
    };
    assert_true(rig->calling);
    rig->calling = false;
    spy__lane_answered(&rig->lane, &answer, rig->journal->clock.monotonic_ns);
}

void lane_rig_take(struct lane_rig *rig)
{
    assert_true(rig->calling);
    store(rig);
    answer(rig, 200, NULL);
}

void lane_rig_lose(struct lane_rig *rig)
{
    assert_true(rig->calling);
    store(rig);
    answer(rig, 0, NULL);
}

void lane_rig_fail(struct lane_rig *rig, long status, const char *header)
{
    assert_true(rig->calling);
    (void)(rig->preparing || is_new(rig, false));
    answer(rig, status, header);
}

void lane_rig_judge(struct lane_rig *rig)
{
    for (size_t i = 0; i < rig->rows && rig->poison > 0; i++) {
        if (rig->numbers[i] == rig->poison) {
            lane_rig_fail(rig, 400, NULL);
            return;
        }
    }
    lane_rig_take(rig);
}

void lane_rig_run(struct lane_rig *rig)
{
    unsigned idle = 0;
    while (idle < 3) {
        uint64_t next_ns = lane_rig_step(rig);
        idle = rig->calling || next_ns != UINT64_MAX ? 0 : idle + 1;
        if (rig->calling) {
            lane_rig_judge(rig);
        } else {
            lane_rig_pass(rig, 500);
        }
    }
}

void lane_rig_expect_stored(const struct lane_rig *rig, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        assert_int_equal(rig->stored[i], i != rig->poison || i == 0 ? 1 : 0);
    }
}
