// What libspyglass-malloc costs a malloc() and its free(): this program runs itself with it and without
// it (LD_PRELOAD), in turns, and tells the medians; the ratio of those with it is to those without.
//
// Sizes are mixed, 16 blocks are in use at a time, and one in 512 KiB is sampled, as by default.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { TURNS = 15, PAIRS = 4000000, IN_USE = 16 };

static void allocate_and_free(void *arg, unsigned thread, unsigned long ops)
{
    void *volatile blocks[IN_USE] = { NULL };
    (void)arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        free(blocks[i % IN_USE]);
        blocks[i % IN_USE] = malloc(16 + i * 40 % 512);
    }
    for (unsigned i = 0; i < IN_USE; i++) {
        free(blocks[i]);
    }
}

// In the child: one number on stdout.
static int measure(unsigned threads)
{
    printf("%.4f\n", bench_ns_per_op(allocate_and_free, NULL, threads, PAIRS));
    return 0;
}

static double turn(const char *library, unsigned threads)
{
    char command[16], text[32] = "";
    int ends[2], status = -1;
    (void)snprintf(command, sizeof(command), "%u", threads);
    if (pipe(ends) != 0) {
        abort();
    }
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)(library ? setenv("LD_PRELOAD", library, 1) : unsetenv("LD_PRELOAD"));
        (void)execl("/proc/self/exe", "bench_heap", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    const ssize_t n = child > 0 ? read(ends[0], text, sizeof(text) - 1) : -1;
    close(ends[0]);
    if (n <= 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "bench_heap: a turn failed\n");
        exit(1);
    }
    return strtod(text, NULL);
}

static void compare(unsigned threads)
{
    double with[TURNS], without[TURNS];
    char name[64];
    for (int i = 0; i < TURNS; i++) {
        without[i] = turn(NULL, threads);
        with[i] = turn(HEAP_LIBRARY, threads);
    }
    const double plain = bench_median(without, TURNS), hooked = bench_median(with, TURNS);
    (void)snprintf(name, sizeof(name), "malloc_free_%u_threads", threads);
    bench_print(name, plain, "ns", 1);
    (void)snprintf(name, sizeof(name), "malloc_free_hooked_%u_threads", threads);
    bench_print(name, hooked, "ns", hooked / plain);
    (void)snprintf(name, sizeof(name), "heap_hooks_%u_threads", threads);
    bench_print(name, hooked - plain, "ns", -1);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return measure((unsigned)strtoul(argv[1], NULL, 10));
    }
    for (unsigned threads = 1; threads <= BENCH_THREADS_MAX; threads++) {
        compare(threads);
    }
    return 0;
}
