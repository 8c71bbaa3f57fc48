// Memory order: all is guarded by the lock, but for spy__window_pick(), whose thread has crashed and
// may hold it. It sees a record's bytes before `next` says that they are there (release), and that
// `first` has gone past one before those are written over (the fence).
//
// Invariants: the index has the numbers [first, next), at most SPY__WINDOW_RECORDS of them, at
// number % SPY__WINDOW_RECORDS. Their bytes lie behind each other in that order, from the oldest's
// offset to `at`, but for one jump from near the end to 0; a record never wraps.

#include "record/recent/window.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// So many entries of the index are looked at under one lock.
#define LOOK_MAX 256
// A few records.
#define AHEAD_BYTES 1024u
#define LINE_BYTES 64u

struct entry {
    uint32_t offset, n;
    uint8_t kind, level;
};

struct spy__window {
    pthread_mutex_t mu;
    // All guarded by mu.
    uint64_t first, next;
    size_t at;
    struct entry index[SPY__WINDOW_RECORDS];
    _Alignas(8) unsigned char bytes[SPY__WINDOW_BYTES];
};

struct spy__window *spy__window_new(void)
{
    // Pages that were never written take no memory.
    struct spy__window *window = malloc(sizeof(*window));
    if (window) {
        pthread_mutex_init(&window->mu, NULL);
        window->first = window->next = 1;
        window->at = 0;
    }
    return window;
}

void spy__window_free(struct spy__window *window)
{
    if (window) {
        pthread_mutex_destroy(&window->mu);
        free(window);
    }
}

static struct entry *entry_of(struct spy__window *window, uint64_t number)
{
    return &window->index[number % SPY__WINDOW_RECORDS];
}

static void set(uint64_t *number, uint64_t value)
{
    __atomic_store_n(number, value, __ATOMIC_RELEASE);
}

// Drops the oldest while it begins in [from, to).
static void give_way(struct spy__window *window, size_t from, size_t to)
{
    while (window->first < window->next) {
        size_t offset = entry_of(window, window->first)->offset;
        if (offset < from || offset >= to) {
            return;
        }
        set(&window->first, window->first + 1);
    }
}

// Asks for n bytes that will be written soon: they have long left the caches, and letting go of the
// lock would wait for them.
static void look_ahead(const struct spy__window *window, size_t n)
{
    const size_t from = window->at + AHEAD_BYTES;
    for (size_t at = from; at < from + n && at < SPY__WINDOW_BYTES; at += LINE_BYTES) {
        __builtin_prefetch(window->bytes + at, 1);
    }
}

void spy__window_append(struct spy__window *window, enum spy__record_kind kind,
                        enum spy_level level, const void *bytes, size_t n)
{
    if (n > SPY__RECORD_MAX) {
        return;
    }
    pthread_mutex_lock(&window->mu);
    if (window->at + n > SPY__WINDOW_BYTES) {
        give_way(window, window->at, SPY__WINDOW_BYTES);
        window->at = 0;
    }
    give_way(window, window->at, window->at + n);
    if (window->next - window->first == SPY__WINDOW_RECORDS) {
        set(&window->first, window->first + 1);
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *entry_of(window, window->next) = (struct entry){
        .offset = (uint32_t)window->at,
        .n = (uint32_t)n,
        .kind = (uint8_t)kind,
        .level = (uint8_t)level,
    };
    memcpy(window->bytes + window->at, bytes, n);
    window->at += n;
    look_ahead(window, n);
    set(&window->next, window->next + 1);
    pthread_mutex_unlock(&window->mu);
}

int spy__window_record_init(struct spy__window_record *record)
{
    unsigned char *bytes = malloc(SPY__RECORD_MAX);
    if (!bytes) {
        return -ENOMEM;
    }
    record->bytes = bytes;
    return 0;
}

void spy__window_record_done(struct spy__window_record *record)
{
    free(record->bytes);
    record->bytes = NULL;
}

void spy__window_range(struct spy__window *window, uint64_t *ret_first, uint64_t *ret_next)
{
    pthread_mutex_lock(&window->mu);
    *ret_first = window->first;
    *ret_next = window->next;
    pthread_mutex_unlock(&window->mu);
}

// ---- what matches

// Of what the index knows.
static bool may_match(const struct entry *entry, const struct spy__window_query *query)
{
    if (query->kinds && !(query->kinds >> entry->kind & 1)) {
        return false;
    }
    bool has_level = entry->kind == SPY__KIND_LOG || entry->kind == SPY__KIND_ERROR;
    return !has_level || entry->level >= (uint8_t)query->level;
}

static bool has_id(const struct spy__record *record, const char *id)
{
    char trace[33];
    if (strcmp(record->correlation_id, id) == 0) {
        return true;
    }
    snprintf(trace, sizeof(trace), "%016" PRIx64 "%016" PRIx64, record->trace_hi, record->trace_lo);
    return (record->trace_hi | record->trace_lo) && strcmp(trace, id) == 0;
}

// Part of n bytes, whatever the case of ASCII letters.
static bool contains(const char *bytes, size_t n, const char *text)
{
    size_t m = strlen(text);
    for (size_t i = 0; i + m <= n; i++) {
        if (strncasecmp(bytes + i, text, m) == 0) {
            return true;
        }
    }
    return false;
}

static bool value_has(const struct spy_field *field, const char *text)
{
    char number[32];
    int n = 0;
    switch (field->type) {
    case SPY_FIELD_STR:
        return contains(field->value.s, field->len, text);
    case SPY_FIELD_INT:
        n = snprintf(number, sizeof(number), "%" PRId64, field->value.i);
        break;
    case SPY_FIELD_UINT:
        n = snprintf(number, sizeof(number), "%" PRIu64, field->value.u);
        break;
    case SPY_FIELD_BOOL:
        n = snprintf(number, sizeof(number), "%s", field->value.b ? "true" : "false");
        break;
    default:
        break;
    }
    return contains(number, (size_t)n, text);
}

static bool has_text(const struct spy__record *record, const char *text)
{
    const char *module = record->module ? record->module : "";
    if (contains(record->event, strlen(record->event), text) ||
        contains(module, strlen(module), text)) {
        return true;
    }
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if (contains(field->key, strlen(field->key), text) || value_has(field, text)) {
            return true;
        }
    }
    return false;
}

static bool matches(const struct spy__record *record, const struct spy__window_query *query)
{
    return (!query->id || has_id(record, query->id)) &&
           (!query->text || has_text(record, query->text));
}

// ---- looking

// Copies the first entry from *number on that may match, in steps of `step`, as far as one lock
// goes. Returns its bytes, or 0; *number is then where to go on.
static size_t copy_next(struct spy__window *window, const struct spy__window_query *query,
                        uint64_t *number, int step, void *to)
{
    size_t n = 0;
    pthread_mutex_lock(&window->mu);
    if (step > 0 && *number < window->first) {
        *number = window->first;
    } else if (step < 0 && *number >= window->next) {
        *number = window->next - 1;
    }
    for (unsigned looked = 0; looked < LOOK_MAX && n == 0; looked++) {
        if (*number < window->first || *number >= window->next) {
            break;
        }
        const struct entry *entry = entry_of(window, *number);
        if (may_match(entry, query)) {
            n = entry->n;
            memcpy(to, window->bytes + entry->offset, n);
        } else {
            *number += (uint64_t)step;
        }
    }
    pthread_mutex_unlock(&window->mu);
    return n;
}

static bool is_kept(struct spy__window *window, uint64_t number)
{
    uint64_t first, next;
    spy__window_range(window, &first, &next);
    return number >= first && number < next;
}

static bool find(struct spy__window *window, const struct spy__window_query *query, uint64_t number,
                 int step, struct spy__window_record *ret)
{
    for (;;) {
        size_t n = copy_next(window, query, &number, step, ret->bytes);
        if (n > 0) {
            ret->number = number;
            if (spy__wire_read(&ret->view, ret->bytes, n) == 0 &&
                matches(&ret->view.record, query)) {
                return true;
            }
            number += (uint64_t)step;
        } else if (!is_kept(window, number)) {
            return false;
        }
    }
}

bool spy__window_find_after(struct spy__window *window, const struct spy__window_query *query,
                            uint64_t from, struct spy__window_record *ret)
{
    return find(window, query, from, 1, ret);
}

bool spy__window_find_before(struct spy__window *window, const struct spy__window_query *query,
                             uint64_t before, struct spy__window_record *ret)
{
    return before > 0 && find(window, query, before - 1, -1, ret);
}

// ---- after a crash

// The bytes that tell whose a record is: its head, what may lie between, and its context with a
// correlation id of 128.
#define EXTRA_BYTES ((size_t)16)
#define HEAD_BYTES (sizeof(struct spy__wire_head) + 4 * EXTRA_BYTES + 16 + 128 + 1)

struct picked {
    uint64_t number;
    uint32_t offset, n;
};

static bool same_text(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i == n;
}

// As has_id(), of bytes that may be anything.
static bool is_of(const unsigned char *bytes, size_t n, const struct spy__window_pick *pick)
{
    struct spy__wire_head head;
    uint64_t trace[2];
    memcpy(&head, bytes, sizeof(head));
    const unsigned extras =
        head.flags & (SPY__WIRE_TIME | SPY__WIRE_PARENT | SPY__WIRE_ID | SPY__WIRE_EVENT);
    const size_t at = sizeof(head) + EXTRA_BYTES * (size_t)__builtin_popcount(extras);
    if (head.context_bytes <= sizeof(trace) || at + head.context_bytes > n) {
        return false;
    }
    memcpy(trace, bytes + at, sizeof(trace));
    if (pick->correlation_id[0]) {
        const char *id = (const char *)bytes + at + sizeof(trace);
        return same_text(id, pick->correlation_id, head.context_bytes - sizeof(trace));
    }
    return (trace[0] | trace[1]) && trace[0] == pick->trace_hi && trace[1] == pick->trace_lo;
}

// Reads an entry, if it is one of those that are picked.
static bool look_at(const struct spy__window *window, uint64_t number,
                    const struct spy__window_pick *pick, struct picked *ret)
{
    unsigned char head[HEAD_BYTES];
    struct entry entry;
    const struct entry *from = &window->index[number % SPY__WINDOW_RECORDS];
    if (pick->read(&entry, (uintptr_t)from, sizeof(entry)) != sizeof(entry) ||
        entry.kind >= SPY__KINDS || !(pick->kinds >> entry.kind & 1) ||
        entry.n < sizeof(struct spy__wire_head) || entry.offset > SPY__WINDOW_BYTES ||
        entry.n > SPY__WINDOW_BYTES - entry.offset) {
        return false;
    }
    const size_t some = entry.n < sizeof(head) ? entry.n : sizeof(head);
    *ret = (struct picked){ number, entry.offset, entry.n };
    return pick->read(head, (uintptr_t)window->bytes + entry.offset, some) == some &&
           is_of(head, some, pick);
}

static uint64_t read_number(const uint64_t *from, const struct spy__window_pick *pick)
{
    uint64_t number = 0;
    (void)pick->read(&number, (uintptr_t)from, sizeof(number));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return number;
}

size_t spy__window_pick(const struct spy__window *window, const struct spy__window_pick *pick,
                        unsigned char *to, size_t cap, size_t *ret_from)
{
    struct picked picked[SPY__WINDOW_PICK_MAX];
    unsigned count = 0, looked = 0;
    size_t all = 0, at = 0;
    uint64_t first = read_number(&window->first, pick);
    for (uint64_t number = read_number(&window->next, pick);
         number > first && looked < SPY__WINDOW_RECORDS && count < SPY__WINDOW_PICK_MAX; looked++) {
        if (look_at(window, --number, pick, &picked[count])) {
            if (picked[count].n > cap - all) {
                break;
            }
            all += picked[count++].n;
        }
    }
    for (unsigned i = count; i-- > 0;) {
        if (pick->read(to + at, (uintptr_t)window->bytes + picked[i].offset, picked[i].n) !=
            picked[i].n) {
            break;
        }
        at += picked[i].n;
    }
    // What has given way meanwhile may be others' bytes: the oldest.
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    first = read_number(&window->first, pick);
    *ret_from = 0;
    for (unsigned i = count; i-- > 0 && picked[i].number < first && *ret_from < at;) {
        *ret_from += picked[i].n;
    }
    return at;
}
