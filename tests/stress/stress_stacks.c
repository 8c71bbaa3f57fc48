// Stacks under load, for ThreadSanitizer: threads resolve records of their own, also while a
// library comes and goes and children are forked.
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <pthread.h>
#include <unistd.h>

#include "base/stack.h"
#include "profile/stacks.h"

#define THREADS 4
#define ROUNDS 2000
#define LOADS 200
#define FORKS 20

static atomic_ulong wrong;
static atomic_bool over;

// Takes and resolves the stack of a function that is known; what lies above it is the caller's.
__attribute__((noinline)) static void one_round(struct spy__stacks_room *room)
{
    uintptr_t addresses[SPY__STACK_MAX];
    size_t n = spy__stack_capture(addresses, SPY__STACK_MAX, 0);
    struct spy_field field = spy_addrs("traceback", addresses, n);
    struct spy__record record = { .fields = &field, .field_count = 1 };
    spy__stacks_of_record(&record, room);
    const struct spy__frame *frames = spy__field_frames(&record.fields[0]);
    if (spy__has_stack(&record) || record.fields[0].len < n || frames[0].address != addresses[0] ||
        !frames[0].module || strcmp(frames[0].module, "stress_stacks") != 0) {
        wrong++;
    }
    wrong += !frames[0].function || strcmp(frames[0].function, "one_round") != 0;
}

static void *resolve(void *arg)
{
    static __thread struct spy__stacks_room room;
    (void)arg;
    for (int i = 0; i < ROUNDS || !over; i++) {
        one_round(&room);
    }
    return NULL;
}

static void load_and_unload(void)
{
    for (int i = 0; i < LOADS; i++) {
        void *library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
        if (!library || dlclose(library) != 0) {
            wrong++;
        }
    }
}

static void fork_children(void)
{
    static struct spy__stacks_room room;
    for (int i = 0; i < FORKS; i++) {
        unsigned long before = wrong;
        pid_t child = fork();
        if (child == 0) {
            one_round(&room);
            _exit(wrong != before);
        }
        int status = 1;
        (void)waitpid(child, &status, 0);
        wrong += status != 0;
    }
}

int main(void)
{
    pthread_t threads[THREADS];
    spy__stack_warm_up();
    spy__stacks_hold_over_fork();
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, resolve, NULL) != 0) {
            return 1;
        }
    }
    load_and_unload();
    fork_children();
    over = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%lu wrong\n", (unsigned long)wrong);
    return wrong == 0 ? 0 : 1;
}
