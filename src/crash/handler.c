// The handlers and what they share; see the header.
//
// Invariant: `owner` is the thread that writes the report, or has written it and not yet handed on
// its signal. All signals are blocked in a handler of ours, so whatever fault comes in one ends the
// process by the kernel's hand; the host's earlier handler runs with the mask that it asked for,
// and a fault in that finds `owner` taken by its own thread.
//
// Memory order: a thread's copy is asked for with release and taken with acquire, and done the other
// way round; `on` is stored after everything that a handler reads.

#include "crash/handler.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/ticks.h"
#include "crash/attach.h"
#include "crash/machine.h"
#include "crash/make.h"

// How long the report waits for other threads, and other threads for the report.
#define ANSWERS_WAIT_MS 200u
#define REPORT_WAIT_MS 1000u

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct {
    bool on;        // atomic
    uint32_t owner; // atomic: a thread's id, or 0
    // Const while on.
    pid_t pid; // whose it is: a forked child has a copy
    unsigned char *file;
    void (*ids)(struct spy__crash_ids *ret);
    size_t (*records)(unsigned char *to, size_t cap, size_t *ret_from,
                      const struct spy__crash_ids *ids);
    int ask_signal; // 0: none is ours

    bool installed[SIGNALS];           // ours is there, or below somebody else's
    struct sigaction earlier[SIGNALS]; // const while installed, but for SA_RESETHAND
} crash;

static pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_ours(void)
{
    return __atomic_load_n(&crash.on, __ATOMIC_ACQUIRE) && getpid() == crash.pid;
}

// ---- other threads

// Writes this thread, if it was asked to and not yet given up.
static void answer(const void *context)
{
    int place = spy__attached_place();
    if (place < 0) {
        return;
    }
    struct spy__crash_thread *thread = spy__crash_thread_at(crash.file, 1 + (size_t)place);
    uint32_t asked = SPY__COPY_ASKED;
    if (__atomic_compare_exchange_n(&thread->copy, &asked, SPY__COPY_BEGUN, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        spy__crash_thread(crash.file, 1 + (size_t)place, context, crash.ids);
        __atomic_store_n(&thread->copy, SPY__COPY_DONE, __ATOMIC_RELEASE);
    }
}

static void on_asked(int number, siginfo_t *info, void *context)
{
    int error = errno;
    (void)number, (void)info;
    if (is_ours()) {
        answer(context);
    }
    errno = error;
}

static void ask_others(void)
{
    for (size_t i = 0; i < SPY__CRASH_OTHERS_MAX; i++) {
        struct spy__crash_thread *thread = spy__crash_thread_at(crash.file, 1 + i);
        const pid_t tid = (pid_t)spy__attached_at(i);
        if (__atomic_load_n(&thread->copy, __ATOMIC_ACQUIRE) == SPY__COPY_BEGUN) {
            continue; // it is still at it for an earlier report, which the process has survived
        }
        __atomic_store_n(&thread->copy, SPY__COPY_NONE, __ATOMIC_RELAXED);
        if (tid == 0 || tid == this_thread()) {
            continue;
        }
        thread->tid = (uint32_t)tid; // known even if it does not answer
        __atomic_store_n(&thread->copy, SPY__COPY_ASKED, __ATOMIC_RELEASE);
        if (syscall(SYS_tgkill, crash.pid, tid, crash.ask_signal) != 0) {
            __atomic_store_n(&thread->copy, SPY__COPY_NONE, __ATOMIC_RELAXED); // it has ended
        }
    }
}

static bool is_waited_for(size_t i)
{
    uint32_t copy =
        __atomic_load_n(&spy__crash_thread_at(crash.file, 1 + i)->copy, __ATOMIC_ACQUIRE);
    return copy == SPY__COPY_ASKED || copy == SPY__COPY_BEGUN;
}

static void wait_for_others(void)
{
    const uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + ANSWERS_WAIT_MS * UINT64_C(1000000);
    for (size_t i = 0; i < SPY__CRASH_OTHERS_MAX; i++) {
        while (is_waited_for(i) && now_ns(CLOCK_MONOTONIC) < deadline_ns) {
            wait_a_moment();
        }
    }
}

// Whoever has not answered by now is not waited for; one that is about to, does not.
static void count_others(struct spy__crash_head *head)
{
    for (size_t i = 0; i < SPY__CRASH_OTHERS_MAX; i++) {
        struct spy__crash_thread *thread = spy__crash_thread_at(crash.file, 1 + i);
        uint32_t asked = SPY__COPY_ASKED;
        bool missed = __atomic_compare_exchange_n(&thread->copy, &asked, SPY__COPY_NONE, false,
                                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        if (missed || asked == SPY__COPY_BEGUN) {
            head->unanswered++;
        }
    }
}

// ---- the report

static void write_records(struct spy__crash_head *head)
{
    struct spy__crash_ids ids = { 0 };
    size_t from = 0;
    head->records_from = head->records_to = 0;
    if (crash.ids && crash.records) {
        crash.ids(&ids);
        head->records_to = (uint32_t)crash.records(crash.file + SPY__CRASH_RECORDS_AT,
                                                   SPY__CRASH_RECORD_BYTES_MAX, &from, &ids);
        head->records_from = (uint32_t)from;
    }
}

static void write_report(int number, const siginfo_t *info, const void *context)
{
    struct spy__crash_head *head = spy__crash_head(crash.file);
    __atomic_store_n(&head->state, SPY__CRASH_BEGUN, __ATOMIC_SEQ_CST);
    head->time_ns = now_ns(CLOCK_REALTIME);
    head->at = (struct spy__crash_instant){ spy__counter(), now_ns(CLOCK_MONOTONIC) };
    head->signal = number;
    head->code = info->si_code;
    // A union: the address of a fault, or the sender of a signal.
    head->address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
    head->sender = info->si_code <= 0 ? (uint64_t)info->si_pid : 0;
    head->unanswered = 0;
    head->unlisted = spy__attached_unlisted();
    ask_others(); // first: they go on meanwhile
    spy__crash_thread(crash.file, 0, context, crash.ids);
    spy__crash_thread_at(crash.file, 0)->copy = SPY__COPY_DONE;
    spy__crash_modules(crash.file);
    write_records(head);
    wait_for_others();
    count_others(head);
    __atomic_store_n(&head->state, SPY__CRASH_WHOLE, __ATOMIC_RELEASE);
}

// ---- handing on

static void on_crash(int number, siginfo_t *info, void *context);

static int index_of(int number)
{
    int i = 0;
    while (signals[i] != number) {
        i++;
    }
    return i;
}

// The process dies by the signal, with what it said, when this handler returns.
static void die(int number, siginfo_t *info)
{
    const struct sigaction by_default = { .sa_handler = SIG_DFL };
    sigaction(number, &by_default, NULL);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), this_thread(), number, info) != 0) {
        (void)syscall(SYS_tgkill, getpid(), this_thread(), number);
    }
}

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

// As the kernel would have called it.
static void call_earlier(int number, siginfo_t *info, void *context)
{
    struct sigaction *earlier = &crash.earlier[index_of(number)];
    const struct sigaction action = *earlier;
    sigset_t mask = ((ucontext_t *)context)->uc_sigmask, all;
    for (int i = 1; i < NSIG; i++) {
        if (sigismember(&action.sa_mask, i) == 1) {
            sigaddset(&mask, i);
        }
    }
    if (!(action.sa_flags & SA_NODEFER)) {
        sigaddset(&mask, number);
    }
    if ((unsigned)action.sa_flags & SA_RESETHAND) {
        earlier->sa_handler = SIG_DFL;
        earlier->sa_flags = 0;
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (action.sa_flags & SA_SIGINFO) {
        action.sa_sigaction(number, info, context);
    } else {
        action.sa_handler(number);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static bool has_ours(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
           now.sa_sigaction == on_crash;
}

// Returns whether the process is to live on: an earlier handler that puts another one in our place,
// mostly the default one, does so for the process to die of what comes next.
static bool hand_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *earlier = &crash.earlier[index_of(number)];
    if (is_function(earlier)) {
        call_earlier(number, info, context);
        return has_ours(number);
    }
    die(number, info);
    return false;
}

// Becomes the one who writes the report, or waits until another has, and gives it what it asks this
// thread for: its context, or NULL outside of a handler. False where this thread is in
// the middle of it.
static bool take_turn(const void *context, bool *ret_mine)
{
    const uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + REPORT_WAIT_MS * UINT64_C(1000000);
    const uint32_t self = (uint32_t)this_thread();
    do {
        uint32_t owner = 0;
        *ret_mine = __atomic_compare_exchange_n(&crash.owner, &owner, self, false, __ATOMIC_ACQUIRE,
                                                __ATOMIC_RELAXED);
        if (*ret_mine || owner == self) {
            return *ret_mine;
        }
        if (context) {
            answer(context);
        }
        wait_a_moment();
    } while (now_ns(CLOCK_MONOTONIC) < deadline_ns);
    return true;
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    int error = errno;
    bool mine = false, written = false;
    const struct sigaction *earlier = &crash.earlier[index_of(number)];
    if (!is_function(earlier) && earlier->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; // somebody's signal, which the host ignores: no crash
    }
    if (is_ours()) {
        if (!take_turn(context, &mine)) {
            die(number, info);
            return;
        }
        if (mine && is_ours()) { // not stopped meanwhile
            write_report(number, info, context);
            written = true;
        }
    }
    if (hand_on(number, info, context)) { // and the process lives on
        if (written) {
            __atomic_store_n(&spy__crash_head(crash.file)->state, SPY__CRASH_SURVIVED,
                             __ATOMIC_RELAXED);
        }
        if (mine) {
            __atomic_store_n(&crash.owner, 0, __ATOMIC_RELEASE);
        }
    }
    errno = error;
}

// ---- start and stop

// A real-time signal that nobody handles: from the last one downwards, since hosts count upwards.
static int take_ask_signal(void)
{
    struct sigaction now,
        ask = { .sa_sigaction = on_asked, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    sigfillset(&ask.sa_mask);
    for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
        if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
            now.sa_handler == SIG_DFL && sigaction(number, &ask, NULL) == 0) {
            return number;
        }
    }
    return 0;
}

static void install(void)
{
    struct sigaction ours = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&ours.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++) {
        // One of ours may have been left below somebody else's, which calls it: once is enough.
        if (!crash.installed[i] && sigaction(signals[i], NULL, &crash.earlier[i]) == 0 &&
            sigaction(signals[i], &ours, NULL) == 0) {
            crash.installed[i] = true;
        }
    }
}

int spy__crash_start(const struct spy__crash_options *options)
{
    if (SPY__MACHINE == EM_NONE) {
        return -ENOTSUP;
    }
    if (crash.file && crash.pid == getpid()) {
        return -EALREADY;
    }
    unsigned char *file;
    int err = spy__crash_make(&file, options->state_dir, options->run);
    if (err != 0) {
        return err;
    }
    crash.ask_signal = crash.ask_signal ? crash.ask_signal : take_ask_signal();
    err = crash.ask_signal ? spy__attach_start(crash.ask_signal) : -EAGAIN;
    if (err != 0) {
        spy__crash_unmap(file);
        return err;
    }
    crash.file = file;
    crash.pid = getpid();
    crash.ids = options->ids;
    crash.records = options->records;
    crash.owner = 0;
    __atomic_store_n(&crash.on, true, __ATOMIC_SEQ_CST);
    install();
    return 0;
}

// The signal that threads are asked by stays ours: one may be on its way.
void spy__crash_stop(void)
{
    __atomic_store_n(&crash.on, false, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < SIGNALS; i++) {
        if (crash.installed[i] && has_ours(signals[i]) &&
            sigaction(signals[i], &crash.earlier[i], NULL) == 0) {
            crash.installed[i] = false;
        }
    }
    spy__attach_stop();
    // Whoever writes a report now dies of what he reports, or lets go; the file is his till then.
    bool mine = false;
    (void)take_turn(NULL, &mine);
    if (mine && crash.file && crash.pid == getpid()) {
        // A handler of the host's may have left ours by longjmp(): what it saved ends cleanly now.
        __atomic_store_n(&spy__crash_head(crash.file)->state, SPY__CRASH_NONE, __ATOMIC_RELAXED);
    }
    if (mine) {
        spy__crash_unmap(crash.file);
        __atomic_store_n(&crash.owner, 0, __ATOMIC_RELEASE);
    }
    crash.file = NULL;
}
