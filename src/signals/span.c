// Operations: one registration gives up to four families; one begin and end feeds them, keeps the
// innermost span of the thread's context, and makes a line on failure.
//
// An operation's state is made once, under `mu`, by whoever comes first, and released into
// operation->state; from then on it is const. It is never freed: families live as long as the
// process. A registration that fails for good leaves a state whose handles are zero, so that the
// host's calls count nothing but what is lost; one that had no memory is tried again.

#include "spyglass/span.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "metrics/dropped.h"
#include "metrics/family.h"
#include "record/record.h"
#include "signals/context.h"
#include "signals/error.h"
#include "signals/span.h"
#include "signals/trace.h"
#include "signals/work.h"
#include "spyglass/log.h"

#define LABELS_MAX (SPY_LABELS_MAX - 1)

// Which of the operation's labels a metric carries, in the metric's order.
struct subset {
    unsigned char count;
    unsigned char index[LABELS_MAX];
};

struct spy__operation_state {
    int error; // what registration returned
    size_t label_count;
    struct spy_histogram seconds;
    struct spy_counter total, success, failures, cpu_seconds;
    struct subset seconds_labels, total_labels, success_labels, failures_labels, cpu_labels;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static size_t count_labels(const struct spy_operation *operation)
{
    size_t n = 0;
    while (n < LABELS_MAX && operation->labels[n]) {
        n++;
    }
    return n;
}

// Finds the metric's labels among the operation's; none listed means all. 0 or -EINVAL.
static int find_subset(struct subset *ret, const struct spy_operation *operation,
                       const struct spy_metric *metric)
{
    const size_t known = count_labels(operation);
    *ret = (struct subset){ 0 };
    if (!metric->labels[0]) {
        for (size_t i = 0; i < known; i++) {
            ret->index[ret->count++] = (unsigned char)i;
        }
        return 0;
    }
    for (size_t i = 0; i < SPY_LABELS_MAX && metric->labels[i]; i++) {
        size_t at = 0;
        while (at < known && strcmp(operation->labels[at], metric->labels[i]) != 0) {
            at++;
        }
        if (at == known || ret->count == LABELS_MAX) {
            return -EINVAL;
        }
        ret->index[ret->count++] = (unsigned char)at;
    }
    return 0;
}

// The metric as it is registered: with the labels that it really carries.
static struct spy_metric with_labels(const struct spy_operation *operation,
                                     const struct spy_metric *metric, const struct subset *subset,
                                     const char *last)
{
    struct spy_metric full = *metric;
    memset(full.labels, 0, sizeof(full.labels));
    size_t n = 0;
    for (; n < subset->count; n++) {
        full.labels[n] = operation->labels[subset->index[n]];
    }
    if (last) {
        full.labels[n] = last;
    }
    return full;
}

static int register_counter(struct spy_counter *ret, struct subset *labels,
                            const struct spy_operation *operation, const struct spy_metric *metric,
                            const char *last_label)
{
    if (!metric->name) {
        return 0;
    }
    int err = find_subset(labels, operation, metric);
    if (err == 0) {
        struct spy_metric full = with_labels(operation, metric, labels, last_label);
        err = spy_counter_register(ret, &full);
    }
    return err;
}

static int register_seconds(struct spy__operation_state *state,
                            const struct spy_operation *operation)
{
    if (!operation->seconds.name) {
        return 0;
    }
    int err = find_subset(&state->seconds_labels, operation, &operation->seconds);
    if (err == 0) {
        struct spy_metric full =
            with_labels(operation, &operation->seconds, &state->seconds_labels, NULL);
        err = spy_histogram_register(&state->seconds, &full);
    }
    return err;
}

static int register_all(struct spy__operation_state *state, const struct spy_operation *operation)
{
    state->label_count = count_labels(operation);
    for (size_t i = 0; i < state->label_count; i++) {
        if (strcmp(operation->labels[i], "error_type") == 0) {
            return -EINVAL;
        }
    }
    int err = operation->name && operation->name[0] ? 0 : -EINVAL;
    err = err ? err : register_seconds(state, operation);
    const struct {
        struct spy_counter *counter;
        struct subset *labels;
        const struct spy_metric *metric;
        const char *last_label;
    } counters[] = {
        { &state->total, &state->total_labels, &operation->total, NULL },
        { &state->success, &state->success_labels, &operation->success, NULL },
        { &state->failures, &state->failures_labels, &operation->failures, "error_type" },
        { &state->cpu_seconds, &state->cpu_labels, &operation->cpu_seconds, NULL },
    };
    for (size_t i = 0; err == 0 && i < sizeof(counters) / sizeof(counters[0]); i++) {
        err = register_counter(counters[i].counter, counters[i].labels, operation,
                               counters[i].metric, counters[i].last_label);
    }
    return err;
}

static void lock_before_fork(void)
{
    pthread_mutex_lock(&mu);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&mu);
}

static void watch_forks(void)
{
    // Handlers that run before a fork do so in reverse: the registry's, registered first, takes its
    // lock last, as a registration does.
    spy__registry_lock();
    (void)spy__registry_init();
    spy__registry_unlock();
    // Without memory for the handlers, a child forked in the middle of a registration cannot
    // register more; there is nobody to tell.
    (void)pthread_atfork(lock_before_fork, unlock_after_fork, unlock_after_fork);
}

void spy__operations_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

// The operation's state, made at the first call; NULL when there is no memory for it now.
static struct spy__operation_state *state_of(struct spy_operation *operation)
{
    struct spy__operation_state *state = __atomic_load_n(&operation->state, __ATOMIC_ACQUIRE);
    if (SPY__LIKELY(state != NULL)) {
        return state;
    }
    spy__operations_watch_forks();
    pthread_mutex_lock(&mu);
    state = __atomic_load_n(&operation->state, __ATOMIC_RELAXED);
    if (!state && (state = calloc(1, sizeof(*state)))) {
        int err = register_all(state, operation);
        if (err == -ENOMEM) {
            free(state);
            state = NULL;
        } else if (err != 0) {
            *state = (struct spy__operation_state){ .error = err };
        }
        __atomic_store_n(&operation->state, state, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&mu);
    return state;
}

int spy_operation_register(struct spy_operation *operation)
{
    if (!operation) {
        return -EINVAL;
    }
    const struct spy__operation_state *state = state_of(operation);
    return state ? state->error : -ENOMEM;
}

// Picks the subset's values. False where one is NULL and none may be.
static bool pick(const char *ret[SPY_LABELS_MAX], const struct subset *subset,
                 const char *const values[], bool none_null)
{
    for (size_t i = 0; i < subset->count; i++) {
        const char *value = values[subset->index[i]];
        if (!value && none_null) {
            return false;
        }
        ret[i] = value ? value : "";
    }
    return true;
}

// The child of these values; a family without labels is its own child.
static struct spy_counter counter_child(struct spy_counter family, const char *const values[],
                                        size_t n)
{
    return family.family && n > 0 ? spy__counter_with(family, values, n) : family;
}

static struct spy_histogram histogram_child(struct spy_histogram family, const char *const values[],
                                            size_t n)
{
    return family.family && n > 0 ? spy__histogram_with(family, values, n) : family;
}

int spy_operation_declare(struct spy_operation *operation, const char *const values[], size_t n,
                          const char *const error_types[])
{
    int err = spy_operation_register(operation);
    if (err != 0) {
        return err;
    }
    const struct spy__operation_state *state = operation->state;
    if (n != state->label_count) {
        return -EINVAL;
    }
    const char *v[SPY_LABELS_MAX];
    if (pick(v, &state->seconds_labels, values, true)) {
        (void)histogram_child(state->seconds, v, state->seconds_labels.count);
    }
    if (pick(v, &state->total_labels, values, true)) {
        (void)counter_child(state->total, v, state->total_labels.count);
    }
    if (pick(v, &state->success_labels, values, true)) {
        (void)counter_child(state->success, v, state->success_labels.count);
    }
    if (pick(v, &state->cpu_labels, values, true)) {
        (void)counter_child(state->cpu_seconds, v, state->cpu_labels.count);
    }
    if (pick(v, &state->failures_labels, values, true)) {
        const size_t count = state->failures_labels.count;
        for (size_t i = 0; error_types && error_types[i]; i++) {
            v[count] = error_types[i];
            (void)counter_child(state->failures, v, count + 1);
        }
    }
    return 0;
}

struct spy_span spy__begin(struct spy_operation *operation, const char *const values[], size_t n)
{
    struct spy_span span = { 0 };
    if (!operation) {
        return span;
    }
    spy__thread_enter();
    const struct spy__operation_state *state = state_of(operation);
    if (!state) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_MEMORY, 1);
        return span;
    }
    for (size_t i = 0; i < n && i < LABELS_MAX; i++) {
        span.values[i] = values[i];
    }
    span.operation = operation;
    span.parent_id = spy__context_span();
    span.outer = spy__current.operation;
    span.span_id = spy__random_id();
    spy__context_set_span(span.span_id);
    spy__current.operation = operation->name;
    span.start_ns = spy__monotonic_ns();
    spy__tell_begin(&span, __builtin_return_address(0));
    if (SPY__UNLIKELY(state->cpu_seconds.family != NULL)) {
        span.cpu_ns = spy__thread_cpu_ns();
    }
    return span;
}

void spy_span_label(struct spy_span *span, const char *label, const char *value)
{
    if (!span || !span->operation || !label) {
        return;
    }
    for (size_t i = 0; i < LABELS_MAX && span->operation->labels[i]; i++) {
        if (strcmp(span->operation->labels[i], label) == 0) {
            span->values[i] = value;
            return;
        }
    }
}

void spy_span_attributes(struct spy_span *span, const struct spy_field *attributes, size_t n)
{
    if (span && span->operation) {
        span->attributes = attributes;
        span->attribute_count = n;
    }
}

static double seconds_until(const struct spy_span *span, uint64_t end_ns)
{
    // Divided, not multiplied by 1e-9: the quotient is the double nearest to the decimal, and
    // prints short.
    return end_ns > span->start_ns ? (double)(end_ns - span->start_ns) / 1e9 : 0;
}

double spy_span_seconds(const struct spy_span *span)
{
    return span && span->operation ? seconds_until(span, spy__monotonic_ns()) : 0;
}

// Fields of the failure line that the operation's labels must not take the place of.
static const char *line_key(const char *label)
{
    static const char *const taken[][2] = { { "operation", "operation_" },
                                            { "error_message", "error_message_" },
                                            { "duration_seconds", "duration_seconds_" } };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(label, taken[i][0]) == 0) {
            return taken[i][1];
        }
    }
    return label;
}

// Which piece of work failed: writes at most LABELS_MAX + 1 fields and returns how many.
static size_t describe(struct spy_field *fields, const struct spy_span *span)
{
    const struct spy_operation *operation = span->operation;
    size_t n = 0;
    fields[n++] = spy_str("operation", operation->name);
    for (size_t i = 0; i < LABELS_MAX && operation->labels[i]; i++) {
        fields[n++] = spy_str(line_key(operation->labels[i]), span->values[i]);
    }
    return n;
}

static void write_failure(const struct spy_span *span, struct spy_outcome outcome, double seconds)
{
    struct spy_field fields[LABELS_MAX + 4];
    size_t n = describe(fields, span);
    fields[n++] = spy_str("error_type", outcome.error_type);
    fields[n++] = spy_str("error_message", outcome.message);
    fields[n++] = spy_double("duration_seconds", seconds);
    spy__log(NULL, SPY_LEVEL_WARN, NULL, "operation_failed", fields, n);
}

// The operation's name and the values of its labels, with spaces between them.
static void print_place(char out[SPY__ERROR_PLACE_MAX + 1], const struct spy_span *span)
{
    const char *name = span->operation->name ? span->operation->name : "";
    size_t len = spy__utf8_cut(name, strlen(name), SPY__ERROR_PLACE_MAX);
    memcpy(out, name, len);
    for (size_t i = 0; i < LABELS_MAX && span->operation->labels[i]; i++) {
        const char *value = span->values[i] ? span->values[i] : "";
        if (value[0] && len + 1 < SPY__ERROR_PLACE_MAX) {
            out[len++] = ' ';
            size_t n = spy__utf8_cut(value, strlen(value), SPY__ERROR_PLACE_MAX - len);
            memcpy(out + len, value, n);
            len += n;
        }
    }
    out[len] = '\0';
}

// A failure is an error: told before its line, which is then none of what led to it.
static __attribute__((noinline)) void publish_error(const struct spy_span *span,
                                                    struct spy_outcome outcome, uint64_t end_ns)
{
    uintptr_t stack[SPY__ERROR_FRAMES_MAX];
    struct spy_field fields[LABELS_MAX + 2];
    char place[SPY__ERROR_PLACE_MAX + 1];
    size_t n = describe(fields, span);
    print_place(place, span);
    fields[n++] = spy_double("duration_seconds", seconds_until(span, end_ns));
    const struct spy__error error = {
        .type = outcome.error_type,
        .message = outcome.message,
        .mechanism = "spy_end",
        .place = place,
        .fields = fields,
        .field_count = n,
        .stack = stack,
        .depth = spy__stack_capture(stack, SPY__ERROR_FRAMES_MAX, 2), // spy_end() too
    };
    spy__error_record(spy__uuid_random(), &error);
}

static void count_outcome(const struct spy__operation_state *state, const struct spy_span *span,
                          struct spy_outcome outcome, double seconds)
{
    const char *v[SPY_LABELS_MAX];
    if (SPY__UNLIKELY(state->error)) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_UNREGISTERED, 1);
        return;
    }
    if (state->seconds.family) {
        pick(v, &state->seconds_labels, span->values, false);
        spy_histogram_observe(histogram_child(state->seconds, v, state->seconds_labels.count),
                              seconds);
    }
    if (state->total.family) {
        pick(v, &state->total_labels, span->values, false);
        spy_counter_inc(counter_child(state->total, v, state->total_labels.count));
    }
    if (!outcome.error_type && state->success.family) {
        pick(v, &state->success_labels, span->values, false);
        spy_counter_inc(counter_child(state->success, v, state->success_labels.count));
    }
    if (outcome.error_type && state->failures.family) {
        pick(v, &state->failures_labels, span->values, false);
        v[state->failures_labels.count] = outcome.error_type;
        spy_counter_inc(counter_child(state->failures, v, state->failures_labels.count + 1u));
    }
}

static void count_cpu(const struct spy_span *span)
{
    const struct spy__operation_state *state = span->operation->state;
    const char *v[SPY_LABELS_MAX];
    if (SPY__UNLIKELY(state->cpu_seconds.family != NULL)) {
        double seconds = (double)(spy__thread_cpu_ns() - span->cpu_ns) / 1e9;
        pick(v, &state->cpu_labels, span->values, false);
        spy_counter_add_double(counter_child(state->cpu_seconds, v, state->cpu_labels.count),
                               seconds);
    }
}

static void end_span(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns,
                     uint64_t now_ns)
{
    const struct spy_operation *operation = span->operation;
    double seconds = seconds_until(span, end_ns);
    count_outcome(operation->state, span, outcome, seconds);
    if (outcome.error_type && !operation->no_failure_line && spy_log_enabled(SPY_LEVEL_WARN)) {
        write_failure(span, outcome, seconds);
    }
    if (__atomic_load_n(&spy__spans_wanted, __ATOMIC_RELAXED)) {
        spy__span_record(span, outcome, end_ns, now_ns);
    }
    // A span that is no longer the innermost (its context was detached meanwhile) leaves things as
    // they are.
    if (spy__context_span() == span->span_id) {
        spy__context_set_span(span->parent_id);
        spy__current.operation = span->outer;
    }
    span->operation = NULL;
}

void spy__end_at(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns)
{
    uint64_t now_ns = spy__monotonic_ns();
    spy__tell_end(span, now_ns, __builtin_return_address(0));
    end_span(span, outcome, end_ns, now_ns);
}

void spy_end(struct spy_span *span, struct spy_outcome outcome)
{
    if (span && span->operation) {
        uint64_t now_ns = spy__monotonic_ns();
        count_cpu(span);
        spy__tell_end(span, now_ns, __builtin_return_address(0));
        spy__trace_add(span, outcome, now_ns);
        if (outcome.error_type && __atomic_load_n(&spy__errors_wanted, __ATOMIC_RELAXED)) {
            publish_error(span, outcome, now_ns);
        }
        end_span(span, outcome, now_ns, now_ns);
    }
}
