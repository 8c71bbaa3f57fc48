// Profiling under ThreadSanitizer, which defers signals to the next intercepted call: the handler is
// called directly, in each thread, while operations begin and end, contexts travel, threads come and
// go, profiles begin and end, and the history is read.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/stack.h"
#include "profile/sampler.h"
#include "profile/watch.h"
#include "profile/workers.h"
#include "signals/context.h"
#include "signals/work.h"
#include "spyglass/span.h"

#define REQUESTERS 3
#define REQUESTS 150
// No multiple of a timer's period: the samples that timers take meanwhile are told from ours by it.
#define WEIGHT_NS 1000003u

static struct spy_operation operation = { .name = "work" };
static atomic_ulong wrong, refused;
static atomic_bool over;

// As the signal handler does.
static void sample(void)
{
    struct spy__worker *self = spy__worker_self();
    if (self) {
        spy__watch_take(self, WEIGHT_NS, (uintptr_t)sample);
    }
}

static void *help(void *context)
{
    struct spy_context_scope scope = spy_context_attach(context);
    struct spy_span span = spy_begin(&operation);
    sample();
    spy_end(&span, SPY_SUCCESS);
    spy_context_detach(scope);
    spy_context_release(context);
    return NULL;
}

static uint64_t sampled_ns(const struct spy__profile *profile)
{
    uint64_t weight_ns = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct spy__profile_sample *sample = &profile->samples[i];
        bool ours = !sample->waited && sample->weight_ns % WEIGHT_NS == 0;
        weight_ns += ours ? sample->weight_ns : 0;
    }
    return weight_ns;
}

// A request with so many samples of its own, which its profile must have, and no more.
static void request(unsigned samples)
{
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    uint32_t mark;
    pthread_t helper;
    if (spy__profile_begin(&mark, &(struct spy__profile_ask){ .rate_hz = 1 }) != 0) {
        refused++;
        spy_context_detach(scope);
        return;
    }
    bool helped = pthread_create(&helper, NULL, help, spy_context_capture()) == 0;
    struct spy_span span = spy_begin(&operation);
    for (unsigned i = 1 + helped; i < samples; i++) {
        sample();
    }
    spy_end(&span, SPY_SUCCESS);
    sample();
    if (helped) {
        pthread_join(helper, NULL);
    }
    struct spy__profile *profile = spy__profile_end(mark);
    wrong += !profile || sampled_ns(profile) + profile->lost * WEIGHT_NS < samples * WEIGHT_NS ||
             sampled_ns(profile) > samples * WEIGHT_NS;
    spy__profile_free(profile);
    sample(); // nobody's
    spy_context_detach(scope);
}

static void *send_requests(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < REQUESTS; i++) {
        request(2 + i % 40);
    }
    return NULL;
}

static void *look_back(void *arg)
{
    (void)arg;
    while (!over) {
        struct spy__slow_request slow[4];
        spy__profile_free(spy__profile_window(0, UINT64_MAX));
        (void)spy__profile_list_slow(slow, 4);
        spy__profile_keep_slow(&(struct spy__slow_request){ .trace_lo = 1 });
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return NULL;
}

static void *profile_process(void *arg)
{
    (void)arg;
    while (!over) {
        uint32_t mark;
        if (spy__profile_begin(&mark, &(struct spy__profile_ask){ .whole_process = true }) == 0) {
            spy__profile_free(spy__profile_end(mark));
        }
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return NULL;
}

int main(void)
{
    pthread_t requesters[REQUESTERS], others[2];
    spy__stack_warm_up();
    if (spy__sampler_start(&(struct spy__sampler_options){ .continuous_hz = 1,
                                                           .work = spy__context_work,
                                                           .mark = spy__context_mark,
                                                           .watch = spy__context_watch }) != 0) {
        return 1;
    }
    (void)pthread_create(&others[0], NULL, look_back, NULL);
    (void)pthread_create(&others[1], NULL, profile_process, NULL);
    for (int i = 0; i < REQUESTERS; i++) {
        (void)pthread_create(&requesters[i], NULL, send_requests, NULL);
    }
    for (int i = 0; i < REQUESTERS; i++) {
        pthread_join(requesters[i], NULL);
    }
    over = true;
    pthread_join(others[0], NULL);
    pthread_join(others[1], NULL);
    spy__sampler_stop();
    printf("%lu wrong, %lu refused\n", wrong, refused);
    return wrong > 0 || refused > 0;
}
