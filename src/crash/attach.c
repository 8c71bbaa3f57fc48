// Stacks and places; see the header.
//
// A place is taken by one compare-and-swap of the thread's id, and given back at its end. The
// handler in another thread may read an id whose thread is just ending: the signal then reaches
// nobody, or a thread that has no place any more and ignores it.

#include "crash/attach.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/threads.h"
#include "spyglass/crash.h"

static uint32_t places[SPY__CRASH_OTHERS_MAX]; // atomic
static uint32_t unlisted;                      // atomic
static int ask_signal;                         // atomic; 0: nobody attaches

static __thread struct {
    bool attached, listed;
    unsigned place;
    void *memory; // of the stack that we gave it, with its guard; NULL for none
    size_t bytes;
    stack_t before;
} own __attribute__((tls_model("initial-exec")));

// Gives this thread a stack for its handlers, unless it has as large a one.
static void give_stack(void)
{
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE), bytes = guard + SPY__ALTSTACK_BYTES;
    if (sigaltstack(NULL, &own.before) != 0 ||
        (!(own.before.ss_flags & SS_DISABLE) && own.before.ss_size >= SPY__ALTSTACK_BYTES)) {
        return;
    }
    char *memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return;
    }
    const stack_t stack = { .ss_sp = memory + guard, .ss_size = SPY__ALTSTACK_BYTES };
    if (mprotect(stack.ss_sp, stack.ss_size, PROT_READ | PROT_WRITE) != 0 ||
        sigaltstack(&stack, NULL) != 0) {
        munmap(memory, bytes);
        return;
    }
    own.memory = memory;
    own.bytes = bytes;
}

// What the thread itself has put in its place by now stays.
static void take_stack(void)
{
    stack_t now;
    char *memory = own.memory;
    if (!memory || sigaltstack(NULL, &now) != 0) {
        return;
    }
    if (!(now.ss_flags & SS_DISABLE) && (char *)now.ss_sp > memory &&
        (char *)now.ss_sp < memory + own.bytes && sigaltstack(&own.before, NULL) != 0) {
        return; // it runs on it
    }
    own.memory = NULL;
    munmap(memory, own.bytes);
}

static void take_place(void)
{
    const uint32_t tid = (uint32_t)syscall(SYS_gettid);
    for (unsigned i = 0; i < SPY__CRASH_OTHERS_MAX; i++) {
        uint32_t nobody = 0;
        if (__atomic_compare_exchange_n(&places[i], &nobody, tid, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            own.place = i;
            own.listed = true;
            return;
        }
    }
    __atomic_fetch_add(&unlisted, 1, __ATOMIC_RELAXED);
}

// A fault in a thread that blocks its signal ends the process without a handler: no thread has any
// use for that. (abort() unblocks its own.)
static void unblock(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGBUS);
    sigaddset(&set, SIGFPE);
    sigaddset(&set, SIGILL);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void begin(void)
{
    int signal = __atomic_load_n(&ask_signal, __ATOMIC_ACQUIRE);
    if (signal != 0 && !own.attached) {
        own.attached = true;
        give_stack();
        take_place();
        unblock(signal);
    }
}

static void end(void)
{
    if (!own.attached) {
        return;
    }
    if (own.listed) {
        own.listed = false;
        __atomic_store_n(&places[own.place], 0, __ATOMIC_RELEASE);
    } else {
        __atomic_fetch_sub(&unlisted, 1, __ATOMIC_RELAXED);
    }
    take_stack();
    own.attached = false;
}

static const struct spy__thread_hook hook = { begin, end };

// A child has one thread.
static void become_child(void)
{
    for (unsigned i = 0; i < SPY__CRASH_OTHERS_MAX; i++) {
        places[i] = 0;
    }
    unlisted = 0;
    if (own.listed) {
        places[own.place] = (uint32_t)syscall(SYS_gettid);
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

int spy__attach_start(int signal)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    __atomic_store_n(&ask_signal, signal, __ATOMIC_RELEASE);
    int err = spy__threads_hook(&hook);
    if (err == 0) {
        spy__thread_enter();
    } else {
        __atomic_store_n(&ask_signal, 0, __ATOMIC_RELEASE);
    }
    return err;
}

// The hook stays for its end: a thread that is attached has memory to give back.
void spy__attach_stop(void)
{
    __atomic_store_n(&ask_signal, 0, __ATOMIC_RELEASE);
}

uint32_t spy__attached_at(size_t place)
{
    return __atomic_load_n(&places[place], __ATOMIC_ACQUIRE);
}

int spy__attached_place(void)
{
    return own.listed ? (int)own.place : -1;
}

uint32_t spy__attached_unlisted(void)
{
    return __atomic_load_n(&unlisted, __ATOMIC_RELAXED);
}

void spy_thread_attach(void)
{
    spy__thread_enter(); // so that its end is seen
    begin();             // it may have been detached
}

void spy_thread_detach(void)
{
    end();
}
