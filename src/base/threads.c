// A short list of hooks, whose number of changes each thread compares with what it has seen.
//
// Memory order: a hook is stored with release and loaded with acquire, as is the number that says
// that there is something new.

#include "base/threads.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// A destructor of another key may call Spyglass after ours ran; POSIX goes round so many times at
// least. What comes in the last round has no hook: its end would never come.
#define ENDING_ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)

uint32_t spy__threads_hooked;
__thread uint32_t spy__thread_seen __attribute__((tls_model("initial-exec")));

static const struct spy__thread_hook *hooks[SPY__THREAD_HOOKS_MAX]; // atomic
static __thread unsigned ending; // rounds of destructors that this thread has been through

static pthread_key_t at_end;
static bool have_key; // const after once

static void end_thread(void *arg)
{
    (void)arg;
    ending++;
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX; i++) {
        const struct spy__thread_hook *hook = __atomic_load_n(&hooks[i], __ATOMIC_ACQUIRE);
        if (hook) {
            hook->end();
        }
    }
    // So that a later call begins anew.
    spy__thread_seen = 0;
}

static void make_key(void)
{
    have_key = pthread_key_create(&at_end, end_thread) == 0;
}

void spy__thread_begin(void)
{
    spy__thread_seen = __atomic_load_n(&spy__threads_hooked, __ATOMIC_ACQUIRE);
    if (ending >= ENDING_ROUNDS || pthread_setspecific(at_end, hooks) != 0) {
        return;
    }
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX; i++) {
        const struct spy__thread_hook *hook = __atomic_load_n(&hooks[i], __ATOMIC_ACQUIRE);
        if (hook) {
            hook->begin();
        }
    }
}

// Zero is what a thread has seen that has seen nothing.
static void tell_threads(void)
{
    uint32_t next = spy__threads_hooked + 1;
    __atomic_store_n(&spy__threads_hooked, next ? next : 1, __ATOMIC_RELEASE);
}

int spy__threads_hook(const struct spy__thread_hook *hook)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    if (!have_key) {
        return -EAGAIN;
    }
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX; i++) {
        if (!hooks[i] || hooks[i] == hook) {
            __atomic_store_n(&hooks[i], hook, __ATOMIC_RELEASE);
            tell_threads();
            return 0;
        }
    }
    return -ENOSPC;
}

void spy__threads_unhook(const struct spy__thread_hook *hook)
{
    for (int i = 0; i < SPY__THREAD_HOOKS_MAX; i++) {
        if (hooks[i] == hook) {
            __atomic_store_n(&hooks[i], NULL, __ATOMIC_RELEASE);
            tell_threads();
        }
    }
}
