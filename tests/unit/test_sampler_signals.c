// Very many signals while threads allocate, load libraries, fork, begin and end operations, come and
// go: nobody crashes, hangs or is lost. SIGNALS in the environment says how many; a million takes
// some minutes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/stack.h"
#include "profile/sampler.h"
#include "profile/workers.h"
#include "signals/context.h"
#include "signals/work.h"
#include "spyglass/span.h"
#include "stack_plugin.h"

#define SIGNALS_DEFAULT 50000
#define SECONDS_MAX 1200 // for a million, on a machine that has much else to do
#define ERRNO 4711

static struct spy_operation churn = { .name = "churn" };
static atomic_ulong taken, rounds[3], short_lives, wrong;
static atomic_bool over;
static pthread_t targets[3];
static pthread_barrier_t all_here;

// The sampler asks for the work of a thread at each signal; at operations too, but those ask here.
static __thread bool in_operation;

static void note_work(struct spy__work *ret)
{
    taken += !in_operation;
    spy__context_work(ret);
}

// One round of a thread's life, whose errno no signal may change.
static void one_round(void (*churns)(void))
{
    in_operation = true;
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    struct spy_span span = spy_begin(&churn);
    in_operation = false;
    errno = ERRNO;
    for (volatile int i = 0; i < 1000; i++) {
    }
    wrong += errno != ERRNO;
    churns();
    in_operation = true;
    spy_end(&span, SPY_SUCCESS);
    spy_context_detach(scope);
    in_operation = false;
}

static void allocate(void)
{
    void *blocks[32];
    for (size_t i = 0; i < 32; i++) {
        blocks[i] = malloc(16u << i % 12);
    }
    for (size_t i = 0; i < 32; i++) {
        free(blocks[i]);
    }
}

static void load(void)
{
    uintptr_t frames[8];
    void *library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    size_t (*stack)(stack_capture *, uintptr_t *, size_t);
    *(void **)&stack = library ? dlsym(library, "plugin_stack") : NULL;
    wrong += !stack || stack(spy__stack_capture, frames, 8) < 3;
    wrong += library && dlclose(library) != 0;
}

static int compare(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void sort(void)
{
    int numbers[256];
    for (int i = 0; i < 256; i++) {
        numbers[i] = (i * 7919) % 251;
    }
    qsort(numbers, 256, sizeof(numbers[0]), compare);
}

static void send_signal(size_t target)
{
    const union sigval token = { .sival_ptr = spy__workers_token() };
    int err = pthread_sigqueue(targets[target], SIGPROF, token);
    wrong += err != 0 && err != EAGAIN;
}

// Each signals the others, wherever they are just then.
static void *live(void *arg)
{
    static void (*const lives[])(void) = { allocate, load, sort };
    const size_t number = (size_t)(uintptr_t)arg;
    pthread_barrier_wait(&all_here);
    while (!over) {
        one_round(lives[number]);
        send_signal((number + 1) % 3);
        send_signal((number + 2) % 3);
        rounds[number]++;
    }
    pthread_barrier_wait(&all_here); // nobody signals one that is gone
    return NULL;
}

static void *live_shortly(void *arg)
{
    (void)arg;
    one_round(allocate);
    short_lives++;
    return NULL;
}

static void *give_birth(void *arg)
{
    (void)arg;
    while (!over) {
        pthread_t child;
        if (pthread_create(&child, NULL, live_shortly, NULL) == 0) {
            pthread_join(child, NULL);
        }
    }
    return NULL;
}

// Profiles of the process come and go, so that rates change under all.
static void *profile(void *arg)
{
    (void)arg;
    while (!over) {
        uint32_t mark;
        if (spy__profile_begin(&mark, &(struct spy__profile_ask){ .whole_process = true }) == 0) {
            nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
            spy__profile_free(spy__profile_end(mark));
        } else {
            wrong++;
        }
    }
    return NULL;
}

static void wait_for_signals(unsigned long wanted)
{
    const uint64_t until_ns = spy__monotonic_ns() + SECONDS_MAX * UINT64_C(1000000000);
    while (taken < wanted && spy__monotonic_ns() < until_ns) {
        for (size_t i = 0; i < 3; i++) {
            send_signal(i);
        }
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    assert_true(taken >= wanted);
}

static void test_very_many_signals(void **state)
{
    (void)state;
    const char *variable = getenv("SIGNALS");
    const unsigned long wanted = variable ? strtoul(variable, NULL, 10) : SIGNALS_DEFAULT;
    pthread_t others[2];
    assert_int_equal(
        spy__sampler_start(&(struct spy__sampler_options){ .continuous_hz = SPY__SAMPLER_HZ_MAX,
                                                           .work = note_work,
                                                           .mark = spy__context_mark,
                                                           .watch = spy__context_watch }),
        0);
    pthread_barrier_init(&all_here, NULL, 4);
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&targets[i], NULL, live, (void *)i), 0);
    }
    assert_int_equal(pthread_create(&others[0], NULL, give_birth, NULL), 0);
    assert_int_equal(pthread_create(&others[1], NULL, profile, NULL), 0);
    pthread_barrier_wait(&all_here);
    wait_for_signals(wanted);
    // All are still there, and get on.
    for (size_t i = 0; i < 3; i++) {
        const unsigned long before = rounds[i];
        for (int n = 0; n < 20000 && rounds[i] == before; n++) {
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        assert_true(rounds[i] > before);
    }
    over = true;
    pthread_barrier_wait(&all_here);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(targets[i], NULL);
    }
    pthread_join(others[0], NULL);
    pthread_join(others[1], NULL);
    struct spy__profile *window = spy__profile_window(0, UINT64_MAX);
    assert_non_null(window);
    assert_true(window->sample_count > 0);
    spy__profile_free(window);
    spy__sampler_stop();
    assert_int_equal(wrong, 0);
    print_message("# %lu signals; %lu, %lu, %lu rounds, %lu short lives\n", taken, rounds[0],
                  rounds[1], rounds[2], short_lives);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_very_many_signals) };
    spy__stack_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
