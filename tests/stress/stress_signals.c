// Logs, contexts and operations under load, for ThreadSanitizer: threads that work for each other's
// requests while others change the level, capture, publish, and the library stops and starts. At
// the end every call is accounted for.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "metrics/dropped.h"
#include "record/pump.h"
#include "spyglass/spyglass.h"

#define THREADS 4
#define ROUNDS 3000
#define CYCLES 5

static struct spy_operation step = {
    .name = "step",
    .labels = SPY_LABELS("worker"),
    .seconds = { "stress_step_seconds", "Time of a step" },
    .success = { "stress_step_success_total", "Good steps" },
    .failures = { "stress_step_failures_total", "Bad steps" },
};

static struct spy_context *_Atomic handed_over;
static atomic_ulong calls, wrong;
static atomic_bool over;

static void one_round(int number, int i)
{
    static const char *const names[THREADS] = { "0", "1", "2", "3" };
    char id[32];
    snprintf(id, sizeof(id), "%d-%d", number, i);
    struct spy_context_scope scope = spy_context_begin(id, NULL);
    spy_bind(spy_int("i", i));
    struct spy_span span = spy_begin(&step, names[number]);
    spy_info("mine", spy_str("id", id));
    calls++;
    // Hand this context over, and work for whoever handed over theirs.
    struct spy_context *other = atomic_exchange(&handed_over, spy_context_capture());
    struct spy_context_scope inner = spy_context_attach(other);
    spy_bind(spy_int("helper", number));
    spy_info("theirs");
    calls++;
    spy_context_detach(inner);
    spy_context_release(other);
    wrong += strcmp(spy_correlation_id(), id) != 0;
    spy_end(&span, i % 100 == 0 ? spy_failure("internal", "one in a hundred") : SPY_SUCCESS);
    calls += i % 100 == 0;
    if (i % 10 == 0) {
        spy__pump_flush();
    }
    spy_context_detach(scope);
}

static void *work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        one_round((int)(size_t)arg, i);
    }
    return NULL;
}

static void *stop_and_start(void *arg)
{
    const struct spy_options *options = arg;
    for (int i = 0; i < CYCLES && !over; i++) {
        // Between two cycles the others get some work done.
        for (unsigned long before = calls; calls - before < THREADS * ROUNDS / CYCLES && !over;) {
            sched_yield();
        }
        spy_log_set_level(i % 2 ? SPY_LEVEL_DEBUG : SPY_LEVEL_INFO);
        if (spy_stop(10000) != 0 || spy_start(options) != 0) {
            wrong++;
        }
        calls++; // spyglass_started
    }
    return NULL;
}

static unsigned long count_lines(int fd)
{
    static char bytes[65536];
    unsigned long lines = 0;
    off_t at = 0;
    for (ssize_t n; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n) {
        for (ssize_t i = 0; i < n; i++) {
            lines += bytes[i] == '\n';
        }
    }
    return lines;
}

int main(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct spy_options options = { .log_fd = fd,
                                   .log_format = SPY_LOG_JSON,
                                   .full_wait_ms = 10000 };
    if (fd < 0 || spy_start(&options) != 0) {
        return 1;
    }
    calls++;
    pthread_t threads[THREADS], cycler;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, work, (void *)i);
    }
    pthread_create(&cycler, NULL, stop_and_start, &options);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    over = true;
    pthread_join(cycler, NULL);
    spy_context_release(atomic_exchange(&handed_over, NULL));
    wrong += spy_stop(10000) != 0;

    unsigned long lines = count_lines(fd), dropped = 0;
    for (int reason = 0; reason < SPY__DROPS; reason++) {
        dropped += spy__dropped_count(SPY__SIGNAL_LOG, (enum spy__drop)reason);
    }
    printf("%lu calls = %lu lines + %lu dropped; %lu wrong\n", (unsigned long)calls, lines, dropped,
           (unsigned long)wrong);
    return wrong > 0 || calls != lines + dropped;
}
