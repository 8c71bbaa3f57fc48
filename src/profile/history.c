// Stacks hang in a table of chains. A minute's entries are an array; those of the newest minute are
// found by a table of open addressing, which is emptied when a new one begins.

#include "profile/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/ids.h"

#define MINUTE_NS (60 * UINT64_C(1000000000))
#define STACK_CHAINS 4096u // a power of two
#define ENTRY_SLOTS 8192u  // a power of two
#define MINUTE_ENTRIES_MAX (ENTRY_SLOTS / 4 * 3)
#define THREADS_MAX 256u // whose names are remembered; later ones have none

struct stack {
    struct stack *chain;
    uint64_t hash;
    uint32_t refs, count;
    uintptr_t addresses[];
};

struct entry {
    struct stack *stack; // a reference
    const char *operation;
    uint64_t weight_ns;
    uint32_t count;
    bool waited;
};

struct minute {
    uint64_t start_ns;
    uint32_t count, cap;
    struct entry *entries;
};

struct recent {
    struct stack *stack; // a reference
    uint64_t time_ns, weight_ns, trace_hi, trace_lo, span_id, tid;
    const char *operation;
    bool waited;
};

struct slow {
    struct spy__slow_request request;
    struct recent *samples; // request.samples of them, each with a reference to its stack
};

struct thread {
    uint64_t tid;
    char name[SPY__PROFILE_THREAD_NAME_MAX + 1];
};

struct spy__history {
    size_t bytes; // of stacks and entries
    uint32_t minute_first, minute_count;
    struct minute minutes[SPY__HISTORY_MINUTES_MAX]; // a ring, by time
    struct stack *stacks[STACK_CHAINS];
    uint32_t slots[ENTRY_SLOTS];       // of the newest minute's entries: index + 1; 0: free
    uint64_t recent_first, recent_end; // counted from the start; the ring has those between
    struct recent recent[SPY__HISTORY_RECENT_MAX];
    uint32_t slow_count; // ever, likewise
    struct slow slow[SPY__PROFILE_SLOW_MAX];
    uint32_t thread_count;
    struct thread threads[THREADS_MAX];
};

struct spy__history *spy__history_new(void)
{
    return calloc(1, sizeof(struct spy__history)); // 3 MiB, of which the kernel gives what is used
}

// ---- stacks

static size_t stack_bytes(uint32_t count)
{
    return sizeof(struct stack) + count * sizeof(uintptr_t);
}

static struct stack *hold(struct stack *stack)
{
    stack->refs++;
    return stack;
}

static void drop(struct spy__history *h, struct stack *stack)
{
    if (--stack->refs > 0) {
        return;
    }
    struct stack **at = &h->stacks[stack->hash % STACK_CHAINS];
    while (*at != stack) {
        at = &(*at)->chain;
    }
    *at = stack->chain;
    h->bytes -= stack_bytes(stack->count);
    free(stack);
}

// The stack of these addresses with a reference for the caller; NULL without memory.
static struct stack *get_stack(struct spy__history *h, const uintptr_t *addresses, uint32_t count)
{
    const uint64_t hash = spy__hash(addresses, count * sizeof(*addresses), 0);
    struct stack **chain = &h->stacks[hash % STACK_CHAINS];
    for (struct stack *stack = *chain; stack; stack = stack->chain) {
        if (stack->hash == hash && stack->count == count &&
            memcmp(stack->addresses, addresses, count * sizeof(*addresses)) == 0) {
            return hold(stack);
        }
    }
    struct stack *stack = malloc(stack_bytes(count));
    if (stack) {
        *stack = (struct stack){ .chain = *chain, .hash = hash, .refs = 1, .count = count };
        memcpy(stack->addresses, addresses, count * sizeof(*addresses));
        *chain = stack;
        h->bytes += stack_bytes(count);
    }
    return stack;
}

// ---- minutes

static const struct minute *minute_at(const struct spy__history *h, uint32_t i)
{
    return &h->minutes[(h->minute_first + i) % SPY__HISTORY_MINUTES_MAX];
}

static struct minute *newest(struct spy__history *h)
{
    return &h->minutes[(h->minute_first + h->minute_count - 1) % SPY__HISTORY_MINUTES_MAX];
}

static void forget_oldest_single(struct spy__history *h)
{
    drop(h, h->recent[h->recent_first++ % SPY__HISTORY_RECENT_MAX].stack);
}

// With its single samples, which would hold on to its stacks.
static void forget_oldest(struct spy__history *h)
{
    struct minute *minute = &h->minutes[h->minute_first];
    for (uint32_t i = 0; i < minute->count; i++) {
        drop(h, minute->entries[i].stack);
    }
    h->bytes -= minute->cap * sizeof(*minute->entries);
    free(minute->entries);
    *minute = (struct minute){ 0 };
    h->minute_first = (h->minute_first + 1) % SPY__HISTORY_MINUTES_MAX;
    h->minute_count--;
    uint64_t start_ns = h->minute_count > 0 ? minute_at(h, 0)->start_ns : UINT64_MAX;
    while (h->recent_first < h->recent_end &&
           h->recent[h->recent_first % SPY__HISTORY_RECENT_MAX].time_ns < start_ns) {
        forget_oldest_single(h);
    }
}

static void begin_minute(struct spy__history *h, uint64_t time_ns)
{
    if (h->minute_count == SPY__HISTORY_MINUTES_MAX) {
        forget_oldest(h);
    }
    h->minute_count++;
    *newest(h) = (struct minute){ .start_ns = time_ns - time_ns % MINUTE_NS };
    memset(h->slots, 0, sizeof(h->slots));
}

// The newest minute's entry of these, made where it is not there. NULL: no memory, or too many.
static struct entry *get_entry(struct spy__history *h, struct stack *stack, const char *operation,
                               bool waited)
{
    struct minute *minute = newest(h);
    const uint64_t key[] = { (uintptr_t)stack, (uintptr_t)operation, waited };
    uint64_t at = spy__hash(key, sizeof(key), 0);
    for (; h->slots[at % ENTRY_SLOTS] != 0; at++) {
        struct entry *entry = &minute->entries[h->slots[at % ENTRY_SLOTS] - 1];
        if (entry->stack == stack && entry->operation == operation && entry->waited == waited) {
            return entry;
        }
    }
    if (minute->count == MINUTE_ENTRIES_MAX) {
        return NULL;
    }
    if (minute->count == minute->cap) {
        uint32_t cap = minute->cap ? 2 * minute->cap : 64;
        struct entry *entries = realloc(minute->entries, cap * sizeof(*entries));
        if (!entries) {
            return NULL;
        }
        h->bytes += (cap - minute->cap) * sizeof(*entries);
        minute->entries = entries;
        minute->cap = cap;
    }
    h->slots[at % ENTRY_SLOTS] = ++minute->count;
    struct entry *entry = &minute->entries[minute->count - 1];
    *entry = (struct entry){ .stack = hold(stack), .operation = operation, .waited = waited };
    return entry;
}

// ---- single samples

// A thread's number may be another's later.
static void remember_thread(struct spy__history *h, uint64_t tid, const char *name)
{
    uint32_t i = 0;
    while (i < h->thread_count && h->threads[i].tid != tid) {
        i++;
    }
    if (i == THREADS_MAX) {
        return;
    }
    struct thread *thread = &h->threads[i];
    if (i == h->thread_count || strcmp(thread->name, name) != 0) {
        h->thread_count += i == h->thread_count;
        thread->tid = tid;
        (void)snprintf(thread->name, sizeof(thread->name), "%s", name);
    }
}

static const char *thread_name(const struct spy__history *h, uint64_t tid)
{
    for (uint32_t i = 0; i < h->thread_count; i++) {
        if (h->threads[i].tid == tid) {
            return h->threads[i].name;
        }
    }
    return "";
}

// Takes the reference to the stack.
static void add_recent(struct spy__history *h, struct stack *stack,
                       const struct spy__sample *sample, uint64_t tid, uint64_t time_ns)
{
    if (h->recent_end - h->recent_first == SPY__HISTORY_RECENT_MAX) {
        forget_oldest_single(h);
    }
    h->recent[h->recent_end++ % SPY__HISTORY_RECENT_MAX] = (struct recent){
        .stack = stack,
        .time_ns = time_ns,
        .weight_ns = sample->weight_ns,
        .trace_hi = sample->trace_hi,
        .trace_lo = sample->trace_lo,
        .span_id = sample->span_id,
        .tid = tid,
        .operation = sample->operation,
        .waited = sample->kind == SPY__SAMPLE_WAITED,
    };
}

bool spy__history_add(struct spy__history *h, const struct spy__sample *sample, uint64_t tid,
                      const char *name, uint64_t time_ns)
{
    struct stack *stack = get_stack(h, sample->stack, sample->stack_count);
    if (!stack) {
        return false;
    }
    if (h->minute_count == 0 || time_ns >= newest(h)->start_ns + MINUTE_NS) {
        begin_minute(h, time_ns);
    }
    struct entry *entry =
        get_entry(h, stack, sample->operation, sample->kind == SPY__SAMPLE_WAITED);
    if (entry) {
        entry->weight_ns += sample->weight_ns;
        entry->count++;
    }
    remember_thread(h, tid, name);
    add_recent(h, stack, sample, tid, time_ns);
    while (h->bytes > SPY__HISTORY_BYTES_MAX && h->minute_count > 1) {
        forget_oldest(h);
    }
    return entry != NULL;
}

// ---- windows

bool spy__history_covers(const struct spy__history *h, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    if (h->minute_count == 0) {
        return false;
    }
    *ret_from_ns = minute_at(h, 0)->start_ns;
    *ret_to_ns = minute_at(h, h->minute_count - 1)->start_ns + MINUTE_NS;
    return true;
}

static void add_minute(const struct minute *minute, struct spy__profile *profile)
{
    for (uint32_t i = 0; i < minute->count; i++) {
        const struct entry *entry = &minute->entries[i];
        const struct spy__profile_sample sample = {
            .weight_ns = entry->weight_ns,
            .count = entry->count,
            .stack = spy__profile_add_stack(profile, entry->stack->addresses, entry->stack->count),
            .thread = SPY__PROFILE_NONE,
            .operation = spy__profile_add_operation(profile, entry->operation),
            .waited = entry->waited,
        };
        if (sample.stack == SPY__PROFILE_NONE ||
            spy__profile_sum_sample(profile, &sample) == SPY__PROFILE_NONE) {
            profile->lost += entry->count;
        }
    }
}

void spy__history_window(const struct spy__history *h, uint64_t from_ns, uint64_t to_ns,
                         struct spy__profile *profile)
{
    uint64_t start_ns = from_ns, end_ns = from_ns;
    for (uint32_t i = 0; i < h->minute_count; i++) {
        const struct minute *minute = minute_at(h, i);
        if (minute->start_ns < to_ns && minute->start_ns + MINUTE_NS > from_ns) {
            start_ns = minute->start_ns < start_ns ? minute->start_ns : start_ns;
            end_ns = minute->start_ns + MINUTE_NS > end_ns ? minute->start_ns + MINUTE_NS : end_ns;
            add_minute(minute, profile);
        }
    }
    profile->start_ns = start_ns;
    profile->duration_ns = end_ns - start_ns;
}

// ---- slow requests

static void free_slow(struct spy__history *h, struct slow *slow)
{
    for (uint32_t i = 0; i < slow->request.samples; i++) {
        drop(h, slow->samples[i].stack);
    }
    free(slow->samples);
    *slow = (struct slow){ 0 };
}

static bool is_of(const struct recent *recent, const struct spy__slow_request *request)
{
    return recent->trace_hi == request->trace_hi && recent->trace_lo == request->trace_lo;
}

static uint32_t find_samples(const struct spy__history *h, const struct spy__slow_request *request,
                             struct recent *ret)
{
    uint32_t count = 0;
    for (uint64_t at = h->recent_first; at < h->recent_end; at++) {
        const struct recent *recent = &h->recent[at % SPY__HISTORY_RECENT_MAX];
        if (is_of(recent, request)) {
            if (ret) {
                ret[count] = *recent;
                (void)hold(recent->stack);
            }
            count++;
        }
    }
    return count;
}

uint32_t spy__history_keep(struct spy__history *h, const struct spy__slow_request *request)
{
    uint32_t count = find_samples(h, request, NULL);
    struct recent *samples = count > 0 ? calloc(count, sizeof(*samples)) : NULL;
    if (!samples) {
        return 0;
    }
    struct slow *slow = &h->slow[h->slow_count++ % SPY__PROFILE_SLOW_MAX];
    free_slow(h, slow);
    slow->request = *request;
    slow->samples = samples;
    slow->request.samples = find_samples(h, request, samples);
    return count;
}

static const struct slow *slow_back(const struct spy__history *h, uint32_t back)
{
    return &h->slow[(h->slow_count - 1 - back) % SPY__PROFILE_SLOW_MAX];
}

static uint32_t slow_number(const struct spy__history *h)
{
    return h->slow_count < SPY__PROFILE_SLOW_MAX ? h->slow_count : SPY__PROFILE_SLOW_MAX;
}

size_t spy__history_kept(const struct spy__history *h, struct spy__slow_request *ret, size_t max)
{
    size_t count = 0;
    for (uint32_t i = 0; i < slow_number(h) && count < max; i++) {
        ret[count++] = slow_back(h, i)->request;
    }
    return count;
}

static bool is_called(const struct spy__slow_request *request, const char *id)
{
    char trace[33];
    spy__hex_u64(trace, request->trace_hi);
    spy__hex_u64(trace + 16, request->trace_lo);
    trace[32] = '\0';
    return strcmp(trace, id) == 0 || strcmp(request->correlation_id, id) == 0;
}

static void add_single(const struct spy__history *h, const struct recent *recent,
                       struct spy__profile *profile)
{
    uint64_t time_ns = recent->time_ns - (recent->waited ? recent->weight_ns : 0);
    const struct spy__profile_sample sample = {
        .time_ns = time_ns > profile->start_ns ? time_ns - profile->start_ns : 0,
        .weight_ns = recent->weight_ns,
        .span_id = recent->span_id,
        .count = 1,
        .stack = spy__profile_add_stack(profile, recent->stack->addresses, recent->stack->count),
        .thread = spy__profile_add_thread(profile, recent->tid, thread_name(h, recent->tid)),
        .operation = spy__profile_add_operation(profile, recent->operation),
        .waited = recent->waited,
    };
    if (sample.stack == SPY__PROFILE_NONE ||
        spy__profile_add_sample(profile, &sample) == SPY__PROFILE_NONE) {
        profile->lost++;
    }
}

static void begin_profile(struct spy__profile *profile, const struct spy__slow_request *request)
{
    profile->start_ns = request->start_ns;
    profile->duration_ns = request->duration_ns;
    profile->trace_hi = request->trace_hi;
    profile->trace_lo = request->trace_lo;
    memcpy(profile->correlation_id, request->correlation_id, sizeof(profile->correlation_id));
}

void spy__history_single(const struct spy__history *h, const struct spy__slow_request *request,
                         struct spy__profile *profile)
{
    begin_profile(profile, request);
    for (uint64_t at = h->recent_first; at < h->recent_end; at++) {
        const struct recent *recent = &h->recent[at % SPY__HISTORY_RECENT_MAX];
        if (is_of(recent, request)) {
            add_single(h, recent, profile);
        }
    }
}

bool spy__history_slow(const struct spy__history *h, const char *id, struct spy__profile *profile)
{
    for (uint32_t i = 0; i < slow_number(h); i++) {
        const struct slow *slow = slow_back(h, i);
        if (is_called(&slow->request, id)) {
            begin_profile(profile, &slow->request);
            for (uint32_t s = 0; s < slow->request.samples; s++) {
                add_single(h, &slow->samples[s], profile);
            }
            return true;
        }
    }
    return false;
}

void spy__history_free(struct spy__history *h)
{
    if (!h) {
        return;
    }
    while (h->minute_count > 0) {
        forget_oldest(h);
    }
    for (size_t i = 0; i < SPY__PROFILE_SLOW_MAX; i++) {
        free_slow(h, &h->slow[i]);
    }
    free(h);
}
