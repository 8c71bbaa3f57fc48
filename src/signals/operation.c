// Operations: what a piece of work is, and the four families that it gives.
//
// An operation's state is made once, under `mu`, by whoever comes first, and released into
// operation->state; from then on it is const. It is never freed: families live as long as the
// process. A registration that fails for good leaves a state whose handles are zero, so that the
// host's calls count nothing but what is lost; one that had no memory is tried again.

#include "signals/operation.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/dropped.h"
#include "metrics/family.h"

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static size_t count_labels(const struct spy_operation *operation)
{
    size_t n = 0;
    while (n < SPY__OPERATION_LABELS_MAX && operation->labels[n]) {
        n++;
    }
    return n;
}

// Finds the metric's labels among the operation's; none listed means all. 0 or -EINVAL.
static int find_subset(struct spy__label_subset *ret, const struct spy_operation *operation,
                       const struct spy_metric *metric)
{
    const size_t known = count_labels(operation);
    *ret = (struct spy__label_subset){ 0 };
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
        if (at == known || ret->count == SPY__OPERATION_LABELS_MAX) {
            return -EINVAL;
        }
        ret->index[ret->count++] = (unsigned char)at;
    }
    return 0;
}

// The metric as it is registered: with the labels that it really carries.
static struct spy_metric with_labels(const struct spy_operation *operation,
                                     const struct spy_metric *metric,
                                     const struct spy__label_subset *subset, const char *last)
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

static int register_counter(struct spy_counter *ret, struct spy__label_subset *labels,
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

// The labels as fields, and what kind of work it is: as a span's record has them.
static const struct spy__shape *make_shape(const struct spy_operation *operation, size_t labels)
{
    struct spy_field fields[SPY__OPERATION_LABELS_MAX + 1];
    size_t n = 0;
    for (; n < labels; n++) {
        fields[n] = spy__str(operation->labels[n], true, "");
    }
    if (operation->op) {
        fields[n++] = spy__str("op", true, operation->op);
    }
    return spy__shape_make(operation->name ? operation->name : "", NULL, fields, n);
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
        struct spy__label_subset *labels;
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
    state->counts = state->seconds.family || state->total.family || state->success.family ||
                    state->failures.family;
    state->shape = make_shape(operation, state->label_count);
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

const struct spy__operation_state *spy__operation_make(struct spy_operation *operation)
{
    spy__operations_watch_forks();
    pthread_mutex_lock(&mu);
    struct spy__operation_state *state = __atomic_load_n(&operation->state, __ATOMIC_RELAXED);
    if (!state && (state = calloc(1, sizeof(*state)))) {
        int err = register_all(state, operation);
        if (err == -ENOMEM) {
            free(state);
            state = NULL;
        } else if (err != 0) {
            *state = (struct spy__operation_state){ .error = err,
                                                    .counts = true,
                                                    .label_count = state->label_count,
                                                    .shape = &spy__shape_none };
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
    const struct spy__operation_state *state = spy__operation_state(operation);
    return state ? state->error : -ENOMEM;
}

// Picks the subset's values. False where one is NULL and none may be.
static bool pick(const char *ret[SPY_LABELS_MAX], const struct spy__label_subset *subset,
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

void spy__operation_count(const struct spy__operation_state *state, const char *const values[],
                          const char *error_type, double seconds)
{
    const char *v[SPY_LABELS_MAX];
    if (SPY__UNLIKELY(state->error)) {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_UNREGISTERED, 1);
        return;
    }
    if (state->seconds.family) {
        pick(v, &state->seconds_labels, values, false);
        spy_histogram_observe(histogram_child(state->seconds, v, state->seconds_labels.count),
                              seconds);
    }
    if (state->total.family) {
        pick(v, &state->total_labels, values, false);
        spy_counter_inc(counter_child(state->total, v, state->total_labels.count));
    }
    if (!error_type && state->success.family) {
        pick(v, &state->success_labels, values, false);
        spy_counter_inc(counter_child(state->success, v, state->success_labels.count));
    }
    if (error_type && state->failures.family) {
        pick(v, &state->failures_labels, values, false);
        v[state->failures_labels.count] = error_type;
        spy_counter_inc(counter_child(state->failures, v, state->failures_labels.count + 1u));
    }
}

void spy__operation_count_cpu(const struct spy__operation_state *state, const char *const values[],
                              double seconds)
{
    const char *v[SPY_LABELS_MAX];
    pick(v, &state->cpu_labels, values, false);
    spy_counter_add_double(counter_child(state->cpu_seconds, v, state->cpu_labels.count), seconds);
}
