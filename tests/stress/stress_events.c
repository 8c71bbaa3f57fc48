// Event types declared by some threads while others publish events of them, for ThreadSanitizer: a
// type is there whole or not at all, and every event is counted once, or as lost.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/dropped.h"
#include "signals/event_types.h"
#include "spyglass/spyglass.h"

#define PUBLISHERS 3
#define DECLARERS 2
#define TYPES 64
#define EVENTS 20000

static atomic_ulong wrong;

static void name_of(char name[32], int i)
{
    (void)snprintf(name, 32, "type_%d", i);
}

// Both declare all: the second finds each there, the same.
static void *declare(void *arg)
{
    (void)arg;
    for (int i = 0; i < TYPES; i++) {
        char name[32];
        name_of(name, i);
        const struct spy_event_type type = {
            name, { { "n", SPY_FIELD_INT }, { name, SPY_FIELD_DOUBLE } }
        };
        wrong += spy_event_declare(&type) != 0;
    }
    return NULL;
}

static void *publish(void *arg)
{
    (void)arg;
    for (int i = 0; i < EVENTS; i++) {
        char name[32];
        name_of(name, i % TYPES);
        const struct spy__event_type *type = spy__event_type_find(name);
        wrong += type && (type->count != 2 || strcmp(type->fields[1].name, name) != 0);
        spy_event(name, spy_uint("n", (uint64_t)i), spy_str("more", "x"));
    }
    return NULL;
}

// The sum of a family in the exposition.
static unsigned long sum_of(const char *text, const char *family)
{
    unsigned long sum = 0;
    size_t n = strlen(family);
    for (const char *at = text; (at = strstr(at, family)); at += n) {
        const char *end = strchr(at, '\n'), *value = end;
        while (value && value > at && value[-1] != ' ') {
            value--;
        }
        if (at[n] == '{' && value) {
            sum += strtoul(value, NULL, 10);
        }
    }
    return sum;
}

static int take(void *arg, const char *bytes, size_t n)
{
    FILE *out = arg;
    return fwrite(bytes, 1, n, out) == n ? 0 : -1;
}

int main(void)
{
    pthread_t threads[PUBLISHERS + DECLARERS];
    char *text = NULL;
    size_t size = 0;
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    if (spy_start(&(struct spy_options){ .service = "stress" }) != 0) {
        return 1;
    }
    for (size_t i = 0; i < PUBLISHERS + DECLARERS; i++) {
        if (pthread_create(&threads[i], NULL, i < PUBLISHERS ? publish : declare, NULL) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < PUBLISHERS + DECLARERS; i++) {
        pthread_join(threads[i], NULL);
    }
    int err = spy_stop(60000);
    FILE *out = open_memstream(&text, &size);
    if (err != 0 || !out || spy_metrics_write(NULL, NULL, take, out) != 0 || fclose(out) != 0) {
        return 1;
    }
    unsigned long counted = sum_of(text, "spyglass_events_total");
    unsigned long lost = spy__dropped_count(SPY__SIGNAL_EVENT, SPY__DROP_FULL);
    free(text);
    if (wrong != 0 || counted + lost != (unsigned long)PUBLISHERS * EVENTS) {
        fprintf(stderr, "%lu wrong, %lu counted, %lu lost\n", wrong, counted, lost);
        return 1;
    }
    return 0;
}
