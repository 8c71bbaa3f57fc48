// A program whose use of the heap is known: heap_host [churn LIBRARY].
//
// It leaks 12 MiB in leak_three(), in blocks of 3000 bytes, and 4 MiB in leak_one(), in blocks of 64;
// allocate_and_free() gives back 8 MiB. Then it says its port, and waits for SIGTERM.
//
// With "churn" it does all that threads, fork() and dlopen() may do to an allocator, checks what lies
// in its blocks, and ends.

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

#define MIB (UINT64_C(1) << 20)

// Each one a frame of its own: neither inlined nor left by a jump.
#define OWN_FRAME __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
#if defined(__clang__)
#undef OWN_FRAME
#define OWN_FRAME __attribute__((noinline, disable_tail_calls))
#endif

struct block {
    struct block *next;
};

static struct block *volatile leaked; // reachable, all the same

OWN_FRAME static void leak_three(void)
{
    for (uint64_t bytes = 0; bytes < 12 * MIB; bytes += 3000) {
        struct block *block = malloc(3000);
        if (block) {
            block->next = leaked;
            leaked = block;
        }
    }
}

OWN_FRAME static void leak_one(void)
{
    for (uint64_t bytes = 0; bytes < 4 * MIB; bytes += 64) {
        struct block *block = malloc(64);
        if (block) {
            block->next = leaked;
            leaked = block;
        }
    }
}

OWN_FRAME static void allocate_and_free(void)
{
    for (uint64_t bytes = 0; bytes < 8 * MIB; bytes += 1000) {
        char *volatile block = malloc(1000);
        free(block);
    }
}

// ---- churn

enum { THREADS = 4, ROUNDS = 4000, SLOTS = 64, FORKS = 20, LOADS = 40 };

static _Atomic(unsigned char *) shared[SLOTS]; // each block begins with its size
static atomic_uint wrong;

static unsigned char *make(uint32_t size, unsigned how)
{
    unsigned char *block = NULL;
    switch (how % 4) {
    case 0:
        block = malloc(size);
        break;
    case 1:
        block = calloc(1, size);
        break;
    case 2:
        if (posix_memalign((void **)&block, 64, size) != 0) {
            block = NULL;
        }
        break;
    default:
        block = realloc(malloc(size / 2), size);
    }
    if (block) {
        memset(block, (int)(size & 0xff), size);
        memcpy(block, &size, sizeof(size));
    }
    return block;
}

static void check_and_free(unsigned char *block)
{
    uint32_t size;
    if (block) {
        memcpy(&size, block, sizeof(size));
        wrong += block[size - 1] != (size & 0xff) || block[size / 2] != (size & 0xff);
        free(block);
    }
}

// Puts blocks where any thread may take them.
static void *churn_blocks(void *arg)
{
    uint32_t seed = (uint32_t)(uintptr_t)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u; // Numerical Recipes' generator
        uint32_t size = 16 + (seed >> 8) % (i % 100 == 0 ? 300000 : 2000);
        check_and_free(atomic_exchange(&shared[seed % SLOTS], make(size, seed >> 16)));
    }
    return NULL;
}

static void *churn_threads(void *arg)
{
    pthread_t thread;
    for (unsigned i = 0; i < 10; i++) {
        if (pthread_create(&thread, NULL, churn_blocks, (void *)((uintptr_t)arg + i)) == 0) {
            pthread_join(thread, NULL);
        }
    }
    return NULL;
}

static void *churn_library(void *path)
{
    for (unsigned i = 0; i < LOADS; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        wrong += !library || dlclose(library) != 0;
    }
    return NULL;
}

static void churn_forks(void)
{
    for (unsigned i = 0; i < FORKS; i++) {
        int status = 1;
        pid_t child = fork();
        if (child == 0) {
            wrong = 0;
            churn_blocks((void *)(uintptr_t)i);
            _exit(wrong > 0);
        }
        wrong += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
}

static int churn(char *library)
{
    pthread_t threads[THREADS + 1];
    unsigned started = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        started += pthread_create(&threads[started], NULL, churn_threads,
                                  (void *)(uintptr_t)(100 * i)) == 0;
    }
    started += pthread_create(&threads[started], NULL, churn_library, library) == 0;
    churn_forks();
    while (started > 0) {
        pthread_join(threads[--started], NULL);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        check_and_free(shared[i]);
    }
    printf("%u wrong\n", wrong);
    return wrong > 0;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    int got;
    if (argc == 3 && strcmp(argv[1], "churn") == 0) {
        return churn(argv[2]);
    }
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (spy_start(&(struct spy_options){ .service = "heap_host", .admin = "127.0.0.1:0" }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    leak_three();
    leak_one();
    allocate_and_free();
    fprintf(stderr, "ports 0 %u\n", spy_admin_port());
    (void)sigwait(&ends, &got);
    return spy_stop(2000) == 0 ? 0 : 1;
}
