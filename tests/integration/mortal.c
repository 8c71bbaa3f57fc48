// A host that dies in the middle of its work, for test_recovery.py:
//
//     mortal STATE_DIR COUNTS LINES THREADS LEVEL END AFTER
//
// THREADS threads log LINES lines in all, as fast as they can, and note each call that has returned
// in COUNTS: one u64 a thread. The first thread ends the process by END (_exit, abort, segv, kill,
// exit; wait: it waits to be killed from outside once all is logged) after its AFTER-th call. The
// destination comes from the environment (SPY_LOG_FILE and its kin).
//
//     mortal STATE_DIR
//
// starts, stops, and prints what spyglass_dropped_total says.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

#define STOP_MS 20000
#define THREADS_MAX 16

static struct {
    uint64_t *counts; // shared with the file: what the kernel keeps when this process ends
    uint64_t lines;   // a thread
    uint64_t after;
    const char *end;
    int debug;
} job;

static void die(const char *how)
{
    if (strcmp(how, "_exit") == 0) {
        _exit(7);
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "segv") == 0) {
        raise(SIGSEGV);
    } else if (strcmp(how, "kill") == 0) {
        raise(SIGKILL);
    }
}

static void *work(void *arg)
{
    uint64_t thread = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < job.lines; i++) {
        if (job.debug) {
            spy_debug("line", spy_uint("thread", thread), spy_uint("i", i));
        } else {
            spy_info("line", spy_uint("thread", thread), spy_uint("i", i));
        }
        __atomic_store_n(&job.counts[thread], i + 1, __ATOMIC_RELEASE);
        if (thread == 0 && i + 1 == job.after) {
            die(job.end);
        }
    }
    return NULL;
}

static uint64_t *map_counts(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *counts = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, THREADS_MAX * sizeof(uint64_t)) == 0) {
        counts =
            mmap(NULL, THREADS_MAX * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    return counts == MAP_FAILED ? NULL : counts;
}

static int print_drops(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, arg) == n ? 0 : -EIO;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 8) {
        return 2;
    }
    struct spy_options options = { .service = "mortal",
                                   .state_dir = argv[1],
                                   .log_format = SPY_LOG_JSON,
                                   .log_level = SPY_LEVEL_DEBUG };
    if (spy_start(&options) != 0) {
        fprintf(stderr, "mortal: %s\n", spy_start_error());
        return 1;
    }
    if (argc == 2) {
        int err = spy_stop(STOP_MS);
        return spy_metrics_write(NULL, NULL, print_drops, stdout) == 0 && err == 0 ? 0 : 1;
    }
    uint64_t threads = strtoull(argv[4], NULL, 10);
    pthread_t ids[THREADS_MAX];
    job.counts = map_counts(argv[2]);
    job.end = argv[6];
    job.after = strtoull(argv[7], NULL, 10);
    job.debug = strcmp(argv[5], "debug") == 0;
    if (!job.counts || threads == 0 || threads > THREADS_MAX) {
        return 1;
    }
    job.lines = strtoull(argv[3], NULL, 10) / threads;
    for (uint64_t i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, (void *)(uintptr_t)i) != 0) {
            return 1;
        }
    }
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    if (strcmp(job.end, "wait") == 0) {
        pause();
    }
    return spy_stop(STOP_MS) == 0 ? 0 : 1;
}
