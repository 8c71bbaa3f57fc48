// Metrics under load, for ThreadSanitizer: threads that come and go count, observe, look up, make
// and remove children, while others scrape. A count never goes back, a histogram agrees with
// itself, and at the end every call is accounted for.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode/prom_text.h"
#include "metrics/dropped.h"
#include "spyglass/metrics.h"

#define WORKERS 4
#define GENERATIONS 40
#define ROUNDS 300
#define SCRAPERS 2
#define CHILDREN 200
#define SERIES_MAX 150 // some values overflow

static struct spy_counter plain, labelled, churned;
static struct spy_gauge level;
static struct spy_histogram seconds;
static atomic_bool over;
static atomic_int failures;
static atomic_ulong scrapes;

static void expect(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "stress_metrics: %s\n", what);
        atomic_fetch_add(&failures, 1);
    }
}

static void *work(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char value[16];
        seed = seed * 1103515245u + 12345u;
        snprintf(value, sizeof(value), "%u", (seed >> 16) % CHILDREN);
        spy_counter_inc(plain);
        spy_counter_add_double(plain, .5);
        spy_counter_inc(spy_counter_with(labelled, value, "x"));
        spy_gauge_inc(level);
        spy_histogram_observe(seconds, (double)(seed >> 16 & 15));
        struct spy_counter child = spy_counter_with(churned, value);
        spy_counter_inc(child);
        if (i % 16 == 0) {
            spy_counter_remove(child);
        }
    }
    return NULL;
}

// A worker is many short threads, one after the other.
static void *work_in_generations(void *arg)
{
    for (int i = 0; i < GENERATIONS; i++) {
        unsigned seed = *(unsigned *)arg * GENERATIONS + (unsigned)i;
        pthread_t id;
        if (pthread_create(&id, NULL, work, &seed) != 0 || pthread_join(id, NULL) != 0) {
            expect(false, "no thread");
        }
    }
    return NULL;
}

struct seen {
    double plain;
    uint64_t labelled, observed;
};

static void look_at_series(struct seen *now, const char *name, enum spy__kind kind, size_t buckets,
                           const struct spy__snapshot_series *s)
{
    if (kind == SPY__COUNTER && strcmp(name, "stress_plain_total") == 0) {
        now->plain = (double)s->counter.whole + s->counter.part;
    } else if (kind == SPY__COUNTER && strcmp(name, "stress_labelled_total") == 0) {
        now->labelled += s->counter.whole;
    } else if (kind == SPY__HISTOGRAM && strcmp(name, "stress_seconds") == 0) {
        uint64_t sum = 0;
        for (size_t i = 0; i <= buckets; i++) {
            sum += s->histogram.counts[i];
        }
        expect(sum == s->histogram.count, "a histogram does not agree with itself");
        now->observed = s->histogram.count;
    } else if (kind == SPY__COUNTER && strcmp(name, "stress_churned_total") == 0) {
        expect(s->counter.whole <= WORKERS * GENERATIONS * ROUNDS,
               "a removed counter went below zero");
    }
}

static void look(struct seen *last)
{
    struct seen now = { 0 };
    struct spy__snapshot at = { 0 };
    struct spy__snapshot_family f;
    struct spy__snapshot_series s;
    while (spy__snapshot_family(&at, &f)) {
        while (spy__snapshot_series(&at, &s)) {
            look_at_series(&now, f.name, f.kind, f.bucket_count, &s);
        }
    }
    expect(now.plain >= last->plain && now.labelled >= last->labelled &&
               now.observed >= last->observed,
           "a count went back");
    *last = now;
}

static int ignore(void *arg, const char *bytes, size_t n)
{
    (void)bytes;
    *(size_t *)arg += n;
    return 0;
}

static void *scrape_all_the_time(void *arg)
{
    struct seen last = { 0 };
    (void)arg;
    while (!atomic_load(&over)) {
        size_t n = 0;
        look(&last);
        expect(spy_metrics_write(NULL, NULL, ignore, &n) == 0 && n > 0, "a scrape failed");
        atomic_fetch_add(&scrapes, 1);
    }
    return NULL;
}

static int register_all(void)
{
    int r = spy_counter_register(&plain, &(struct spy_metric){ .name = "stress_plain_total" });
    r |= spy_counter_register(&labelled, &(struct spy_metric){ .name = "stress_labelled_total",
                                                               .labels = SPY_LABELS("a", "b"),
                                                               .series_max = SERIES_MAX });
    r |= spy_counter_register(&churned, &(struct spy_metric){ .name = "stress_churned_total",
                                                              .labels = SPY_LABELS("a") });
    r |= spy_gauge_register(&level, &(struct spy_metric){ .name = "stress_level" });
    r |= spy_histogram_register(
        &seconds,
        &(struct spy_metric){ .name = "stress_seconds", .buckets = SPY_BUCKETS(1, 3, 5, 7, 9) });
    return r;
}

int main(void)
{
    pthread_t workers[WORKERS], scrapers[SCRAPERS];
    unsigned seeds[WORKERS];
    if (register_all() != 0) {
        return 1;
    }
    for (int i = 0; i < SCRAPERS; i++) {
        expect(pthread_create(&scrapers[i], NULL, scrape_all_the_time, NULL) == 0, "no thread");
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        seeds[i] = i + 1;
        expect(pthread_create(&workers[i], NULL, work_in_generations, &seeds[i]) == 0, "no thread");
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    atomic_store(&over, true);
    for (int i = 0; i < SCRAPERS; i++) {
        pthread_join(scrapers[i], NULL);
    }
    const uint64_t calls = WORKERS * GENERATIONS * ROUNDS;
    struct seen end = { 0 };
    look(&end);
    expect(end.plain == (double)calls * 1.5, "the counter is not exact");
    expect(end.labelled == calls, "the labelled counter is not exact");
    expect(end.observed == calls, "the histogram is not exact");
    expect(spy_gauge_value(level) == (double)calls, "the gauge is not exact");
    expect(spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_CARDINALITY) > 0,
           "nothing overflowed");
    expect(spy__dropped_count(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY) == 0, "something was lost");
    printf("%lu scrapes beside %lu calls\n", atomic_load(&scrapes), (unsigned long)calls);
    return atomic_load(&failures) ? 1 : 0;
}
