#include "profile/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/dropped.h"

#ifndef sigev_notify_thread_id // glibc has the name from 2.37 on
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct {
    pthread_mutex_t mu;
    struct spy__worker *list; // guarded by mu
    unsigned count;           // guarded by mu
    uint64_t period_ns;       // guarded by mu
    spy__take *take;          // atomic
    bool every;               // atomic, relaxed: all threads that call Spyglass
} all = { .mu = PTHREAD_MUTEX_INITIALIZER };

static char token; // its address is the token

// The handler looks at it: NULL before and after the thread is a worker.
static __thread struct spy__worker *self __attribute__((tls_model("initial-exec")));
// Its end will be told, and it was not tried in vain.
static __thread bool may_be __attribute__((tls_model("initial-exec")));

void *spy__workers_token(void)
{
    return &token;
}

// ---- the handler

static uintptr_t interrupted_at(const void *context)
{
    const ucontext_t *machine = context;
#if defined(__x86_64__)
    return (uintptr_t)machine->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)machine->uc_mcontext.pc;
#else
#error "where does this machine keep its program counter?"
#endif
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    const int error = errno;
    struct spy__worker *worker = self;
    // A timer that ran out more than once before its signal came stands for as many periods. A
    // signal that was queued, as tests do, stands for one.
    if (worker && (info->si_code == SI_TIMER || info->si_code == SI_QUEUE) &&
        info->si_value.sival_ptr == &token) {
        uint64_t periods = 1 + (info->si_code == SI_TIMER ? (uint64_t)info->si_overrun : 0);
        uint64_t period_ns = __atomic_load_n(&worker->period_ns, __ATOMIC_RELAXED);
        __atomic_load_n(&all.take, __ATOMIC_ACQUIRE)(worker, periods * period_ns,
                                                     interrupted_at(context));
    }
    errno = error;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

static int install(void)
{
    struct sigaction before;
    struct sigaction ours = { .sa_sigaction = on_signal,
                              .sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGPROF, NULL, &before) != 0) {
        return -errno;
    }
    if (is_ours(&before)) {
        return 0;
    }
    if ((before.sa_flags & SA_SIGINFO) ||
        (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)) {
        return -EBUSY;
    }
    return sigaction(SIGPROF, &ours, NULL) == 0 ? 0 : -errno;
}

// ---- timers

// At a moment of the period that is any: so that each of the thread's moments is as likely to be
// sampled, from the first on.
static void set_timer(struct spy__worker *worker, uint64_t period_ns)
{
    struct itimerspec when = { 0 };
    if (period_ns > 0) {
        uint64_t first_ns = 1 + spy__random_u64() % period_ns;
        when.it_interval.tv_sec = (time_t)(period_ns / 1000000000u);
        when.it_interval.tv_nsec = (long)(period_ns % 1000000000u);
        when.it_value.tv_sec = (time_t)(first_ns / 1000000000u);
        when.it_value.tv_nsec = (long)(first_ns % 1000000000u);
    }
    if (worker->has_timer) {
        __atomic_store_n(&worker->period_ns, period_ns, __ATOMIC_RELAXED);
        (void)timer_settime(worker->timer, 0, &when, NULL);
    }
}

// Of the calling thread.
static bool make_timer(struct spy__worker *worker)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
    event.sigev_notify_thread_id = (pid_t)worker->tid;
    event.sigev_value.sival_ptr = &token;
    return timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &worker->timer) == 0;
}

void spy__workers_set_period(uint64_t period_ns)
{
    pthread_mutex_lock(&all.mu);
    if (all.period_ns != period_ns) {
        all.period_ns = period_ns;
        for (struct spy__worker *worker = all.list; worker; worker = worker->next) {
            set_timer(worker, period_ns);
        }
    }
    pthread_mutex_unlock(&all.mu);
}

// ---- a worker's life

// What the kernel gives at the first touch: most threads fill little of it.
static struct spy__worker *new_worker(void)
{
    struct spy__worker *worker = mmap(NULL, sizeof(*worker), PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return worker == MAP_FAILED ? NULL : worker;
}

static void free_worker(struct spy__worker *worker)
{
    (void)munmap(worker, sizeof(*worker));
}

// The library's own threads block all signals.
static bool takes_signals(void)
{
    sigset_t blocked;
    return pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGPROF);
}

static void begin_thread(void)
{
    may_be = true;
    if (__atomic_load_n(&all.every, __ATOMIC_RELAXED) && takes_signals()) {
        (void)spy__worker_self();
    }
}

static void end_thread(void)
{
    struct spy__worker *worker = self;
    may_be = false;
    if (!worker) {
        return;
    }
    self = NULL; // a signal that is still on its way finds nothing
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    pthread_mutex_lock(&all.mu);
    (void)timer_delete(worker->timer);
    worker->has_timer = false;
    pthread_mutex_unlock(&all.mu);
    __atomic_store_n(&worker->ended, true, __ATOMIC_RELEASE);
}

static const struct spy__thread_hook hook = { .begin = begin_thread, .end = end_thread };

// Puts the calling thread's on the list, with a timer that runs. False: too many, or no timer.
static bool enlist(struct spy__worker *worker)
{
    pthread_mutex_lock(&all.mu);
    bool ok = all.count < SPY__WORKERS_MAX && make_timer(worker);
    if (ok) {
        worker->has_timer = true;
        worker->next = all.list;
        all.list = worker;
        all.count++;
        self = worker;
        set_timer(worker, all.period_ns);
    }
    pthread_mutex_unlock(&all.mu);
    return ok;
}

static struct spy__worker *make_self(void)
{
    spy__thread_enter(); // where all threads are to be workers, it makes it one
    if (self || !may_be) {
        return self;
    }
    may_be = false;
    struct spy__worker *worker = new_worker();
    if (!worker) {
        spy__dropped(SPY__SIGNAL_PROFILE, SPY__DROP_MEMORY, 1);
        return NULL;
    }
    worker->tid = (uint64_t)gettid();
    (void)pthread_getname_np(pthread_self(), worker->name, sizeof(worker->name));
    worker->waits.cpu_ns = spy__thread_cpu_ns();
    if (!enlist(worker)) {
        spy__dropped(SPY__SIGNAL_PROFILE, SPY__DROP_MEMORY, 1);
        free_worker(worker);
        return NULL;
    }
    return worker;
}

struct spy__worker *spy__worker_self(void)
{
    return self ? self : make_self();
}

struct spy__worker *spy__worker_here(void)
{
    return self;
}

// ---- all of them

int spy__workers_open(spy__take *take, bool every)
{
    bool hooked = __atomic_load_n(&all.take, __ATOMIC_RELAXED) != NULL;
    int err = install();
    if (err == 0) {
        __atomic_store_n(&all.take, take, __ATOMIC_RELEASE);
        __atomic_store_n(&all.every, every || all.every, __ATOMIC_RELAXED);
    }
    if (err == 0 && (every || !hooked)) {
        err = spy__threads_hook(&hook); // each thread is asked again
    }
    if (err != 0 && !hooked) {
        __atomic_store_n(&all.take, NULL, __ATOMIC_RELAXED);
    }
    return err;
}

void spy__workers_rest(void)
{
    __atomic_store_n(&all.every, false, __ATOMIC_RELAXED);
    spy__workers_set_period(0);
}

static void unlink_worker(struct spy__worker *worker)
{
    pthread_mutex_lock(&all.mu);
    struct spy__worker **at = &all.list;
    while (*at != worker) {
        at = &(*at)->next;
    }
    *at = worker->next;
    all.count--;
    pthread_mutex_unlock(&all.mu);
}

void spy__workers_each(void (*each)(void *arg, struct spy__worker *worker), void *arg)
{
    struct spy__worker *next;
    pthread_mutex_lock(&all.mu);
    struct spy__worker *worker = all.list;
    pthread_mutex_unlock(&all.mu);
    for (; worker; worker = next) {
        // Asked before: after its end it takes no more samples.
        bool ended = __atomic_load_n(&worker->ended, __ATOMIC_ACQUIRE);
        next = worker->next; // new ones come before it, and none goes but here
        each(arg, worker);
        if (ended) {
            unlink_worker(worker);
            free_worker(worker);
        }
    }
}

void spy__workers_forget(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    all.mu = unlocked;
    all.list = NULL;
    all.count = 0;
    all.period_ns = 0;
    all.every = false;
    self = NULL;
    may_be = all.take != NULL;
}
