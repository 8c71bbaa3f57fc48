// Threads that set levels at once, of the same modules and of all, while others log: a line's level is
// one that its module had, and when all is quiet the least of all is what the first look says.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "signals/log_level.h"

#define SETTERS 4
#define READERS 2
#define ROUNDS 3000
#define MODULES 8

static const char *const modules[MODULES] = { "a", "b", "c", "d", "e", "f", "g", "h" };
static bool done; // atomic

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "stress_log_level: %s\n", what);
        exit(1);
    }
}

static void *set(void *arg)
{
    unsigned seed = *(const unsigned *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        enum spy_level level = (enum spy_level)(seed >> 20 & 3); // never above warn
        if (seed >> 28 == 0) {
            spy_log_set_level(level);
        } else {
            check(spy_log_set_module_level(modules[seed >> 24 & (MODULES - 1)], level) == 0,
                  "a module has no place");
        }
    }
    return NULL;
}

static void *look(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        for (int m = 0; m < MODULES; m++) {
            check(spy__log_module_enabled(SPY_LEVEL_ERROR, modules[m]), "an error is not made");
        }
        struct spy__module_levels now;
        enum spy_level all = spy__log_levels_get(&now);
        check(all >= SPY_LEVEL_DEBUG && all <= SPY_LEVEL_WARN, "a level that nobody set");
    }
    return NULL;
}

int main(void)
{
    pthread_t setters[SETTERS], readers[READERS];
    unsigned seeds[SETTERS];
    for (int round = 0; round < 5; round++) {
        __atomic_store_n(&done, false, __ATOMIC_RELAXED);
        for (int i = 0; i < READERS; i++) {
            check(pthread_create(&readers[i], NULL, look, NULL) == 0, "no thread");
        }
        for (int i = 0; i < SETTERS; i++) {
            seeds[i] = (unsigned)(round * SETTERS + i);
            check(pthread_create(&setters[i], NULL, set, &seeds[i]) == 0, "no thread");
        }
        for (int i = 0; i < SETTERS; i++) {
            pthread_join(setters[i], NULL);
        }
        __atomic_store_n(&done, true, __ATOMIC_RELAXED);
        for (int i = 0; i < READERS; i++) {
            pthread_join(readers[i], NULL);
        }
        struct spy__module_levels now;
        int least = (int)spy__log_levels_get(&now);
        for (size_t i = 0; i < now.count; i++) {
            least = (int)now.modules[i].level < least ? (int)now.modules[i].level : least;
        }
        check(spy__log_level == least, "the least level is another");
        check((spy__log_modules != 0) == (now.count > 0), "modules differ, or do not");
    }
    return 0;
}
