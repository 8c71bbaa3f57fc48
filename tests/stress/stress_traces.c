// Timelines and propagation under load, for ThreadSanitizer: threads that answer requests, end spans
// in each other's, read timelines that still grow, and give their headers out; spans become records
// while the library stops and starts.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "metrics/dropped.h"
#include "signals/span.h"
#include "spyglass/spyglass.h"

#define THREADS 4
#define ROUNDS 1500
#define CYCLES 3

static struct spy_operation step = { .name = "step", .labels = SPY_LABELS("worker") };

struct shared {
    struct spy_context *context;
    struct spy_trace *trace;
};

static struct shared *_Atomic handed_over;
static atomic_ulong wrong, rounds;

static void check_header(void *arg, const char *name, const char *value)
{
    const char *id = arg;
    if (strcmp(name, "baggage") == 0) {
        wrong += strcmp(value + 3, id) != 0; // "id=…"
    } else if (strcmp(name, "X-Correlation-ID") == 0) {
        wrong += strcmp(value, id) != 0;
    } else if (strcmp(name, "tracestate") == 0) {
        wrong += strcmp(value, "a=1") != 0;
    }
}

static void count_span(void *arg, const struct spy_trace_span *span)
{
    *(size_t *)arg += span->name[0] != '\0';
}

static size_t count_spans(struct spy_trace *trace)
{
    size_t count = 0;
    spy_trace_each(trace, count_span, &count);
    return count;
}

static void end_a_span(const char *worker)
{
    struct spy_span span = spy_begin(&step, worker);
    spy_end(&span, SPY_SUCCESS);
}

static void share(struct spy_trace *trace, const char *worker)
{
    static struct shared slots[2 * THREADS];
    static atomic_bool taken[2 * THREADS];
    struct shared *mine = NULL;
    for (size_t i = 0; !mine && i < 2 * THREADS; i++) {
        mine = atomic_exchange(&taken[i], true) ? NULL : &slots[i];
    }
    if (!mine) {
        return;
    }
    *mine = (struct shared){ spy_context_capture(), spy_trace_hold(trace) };
    struct shared *other = atomic_exchange(&handed_over, mine);
    if (!other) {
        return;
    }
    struct spy_context_scope scope = spy_context_attach(other->context);
    end_a_span(worker);
    wrong += count_spans(other->trace) == 0;
    spy_context_detach(scope);
    spy_context_release(other->context);
    spy_trace_release(other->trace);
    atomic_store(&taken[other - slots], false);
}

static void one_round(int number, int i)
{
    static const char *const names[THREADS] = { "0", "1", "2", "3" };
    char id[32], baggage[40], traceparent[64];
    (void)snprintf(id, sizeof(id), "%d-%d", number, i);
    (void)snprintf(baggage, sizeof(baggage), "id=%s", id);
    (void)snprintf(traceparent, sizeof(traceparent), "00-%016x%016x-00f067aa0ba902b7-01",
                   number + 1, i + 1);
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){ .method = "GET",
                                                                       .path = "/",
                                                                       .correlation_id = id,
                                                                       .traceparent = traceparent,
                                                                       .tracestate = "a=1",
                                                                       .baggage = baggage });
    struct spy_trace *trace = spy_trace_gather();
    end_a_span(names[number]);
    share(trace, names[number]);
    end_a_span(names[number]);
    spy_propagate(check_header, id);
    spy_http_answered(http, 200, 0);
    wrong += count_spans(trace) < 3 || spy_trace_lost(trace) > 0;
    spy_http_end(http);
    spy_trace_release(trace);
    rounds++;
}

static void *work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        one_round((int)(size_t)arg, i);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct spy_options options = { .log_fd = fd, .full_wait_ms = 10000 };
    if (fd < 0 || spy_start(&options) != 0) {
        return 1;
    }
    spy__spans_want(true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, work, (void *)i);
    }
    for (unsigned long cycle = 1; cycle <= CYCLES; cycle++) {
        while (rounds < cycle * THREADS * ROUNDS / (CYCLES + 1)) {
            sched_yield();
        }
        wrong += spy_stop(10000) != 0 || spy_start(&options) != 0;
        spy__spans_want(true);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    struct shared *left = atomic_load(&handed_over);
    spy_context_release(left->context);
    spy_trace_release(left->trace);
    wrong += spy_stop(10000) != 0;
    wrong += spy__dropped_count(SPY__SIGNAL_SPAN, SPY__DROP_FULL) +
             spy__dropped_count(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY);
    printf("%lu rounds, %lu wrong\n", rounds, wrong);
    return wrong == 0 ? 0 : 1;
}
