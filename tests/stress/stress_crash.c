// Threads that come and go while the crash handler is started and stopped, and that fault, all at
// once, on pages that a handler of the host's then mends: for ThreadSanitizer. Each fault is written
// down and survived; none is told by the next start.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash/read.h"
#include "signals/sessions.h"
#include "spyglass/spyglass.h"

#define THREADS 4
#define CYCLES 4
#define SHORT_LIVED 100
#define FAULTS 5

static size_t page_bytes;
static atomic_uint saved, wrong;
static char state_dir[] = "/tmp/stress_crash.XXXXXX";

static void save(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uintptr_t page = (uintptr_t)info->si_addr & ~(page_bytes - 1);
    wrong += mprotect((void *)page, page_bytes, PROT_READ | PROT_WRITE) != 0;
    saved++;
}

static void fault(void)
{
    volatile char *page = mmap(NULL, page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[8] = 7;
    wrong += page[8] != 7;
    munmap((void *)page, page_bytes);
}

static void *live_shortly(void *arg)
{
    spy_info("short");
    spy__sessions_count(false);
    spy_thread_detach();
    spy_thread_attach();
    return arg;
}

static void *work(void *arg)
{
    pthread_t thread;
    for (int i = 0; i < SHORT_LIVED; i++) {
        if (pthread_create(&thread, NULL, live_shortly, NULL) == 0) {
            pthread_join(thread, NULL);
        }
    }
    return arg;
}

static void *fail(void *arg)
{
    spy_thread_attach();
    for (int i = 0; i < FAULTS; i++) {
        fault();
    }
    return arg;
}

static void run_all(void *(*call)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, call, NULL) != 0) {
            abort();
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void start(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct spy_options options = { .state_dir = state_dir,
                                         .crash_handler = 1,
                                         .log_fd = nowhere };
    if (spy_start(&options) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        exit(1);
    }
    close(nowhere);
}

static void *start_and_stop(void *arg)
{
    for (int i = 0; i < CYCLES; i++) {
        start();
        wrong += spy_stop(20000) != 0;
    }
    return arg;
}

static void remove_all(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", state_dir);
    wrong += system(command) != 0;
}

int main(void)
{
    static struct spy__crash crash;
    pthread_t starter;
    bool again;
    const struct sigaction action = { .sa_sigaction = save, .sa_flags = SA_SIGINFO };
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (!mkdtemp(state_dir) || sigaction(SIGSEGV, &action, NULL) != 0) {
        return 1;
    }
    start(); // the first one is had before there are threads
    wrong += spy_stop(20000) != 0;
    if (pthread_create(&starter, NULL, start_and_stop, NULL) != 0) {
        return 1;
    }
    run_all(work);
    pthread_join(starter, NULL);
    start();
    run_all(fail);
    wrong += saved != THREADS * FAULTS;
    wrong += spy_stop(20000) != 0;
    wrong += spy__crash_take(&crash, state_dir, &again) == 0;
    remove_all();
    printf("%u faults survived, %u things wrong\n", saved, wrong);
    return wrong != 0;
}
