// What is done in each thread at its first call of Spyglass, and at that thread's end: a stack for
// signal handlers, a timer.
//
// Who calls spy__thread_enter() pays a load and a compare; there is more to do once a thread, and
// once again after a hook was added or taken away. A thread that makes no call is never hooked.
//
// Threads: enter any, not from signal handlers; hook and unhook one at a time. A begin may run in
// another thread while its hook is taken away: it must look at what it belongs to itself.
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <stdint.h>

// Most hooks at a time.
#define SPY__THREAD_HOOKS_MAX 4

struct spy__thread_hook {
    // Called in the thread, once after each change of the hooks: a second time must do nothing. May
    // allocate; must not call spy__thread_enter() and expect anything of it.
    void (*begin)(void);
    // Called in the thread, at its end, if it ends otherwise than with the process. Whoever calls
    // Spyglass from a destructor that runs later begins and ends once more.
    void (*end)(void);
};

// Adds a hook, which is borrowed until it is taken away; one that is there already is begun anew in
// each thread. Returns 0, -ENOSPC, or -EAGAIN where the process has no key left for the ends of
// threads.
int spy__threads_hook(const struct spy__thread_hook *hook);
// A no-op for one that is not there.
void spy__threads_unhook(const struct spy__thread_hook *hook);

// Private to the inline function below: a number that changes with the hooks, and what the thread
// has seen of it.
extern uint32_t spy__threads_hooked; // atomic
extern __thread uint32_t spy__thread_seen __attribute__((tls_model("initial-exec")));
void spy__thread_begin(void);

static inline void spy__thread_enter(void)
{
    if (__builtin_expect(
            __atomic_load_n(&spy__threads_hooked, __ATOMIC_ACQUIRE) != spy__thread_seen, 0)) {
        spy__thread_begin();
    }
}

#endif
