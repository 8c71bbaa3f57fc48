// Measuring: threads that start together, CPU time, medians.
#include "bench.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct job {
    bench_work *work;
    void *arg;
    unsigned thread;
    unsigned long ops;
    pthread_barrier_t *start;
    double ns;
};

double bench_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *run(void *arg)
{
    struct job *job = arg;
    job->work(job->arg, job->thread, job->ops / 16 + 1); // warm up
    pthread_barrier_wait(job->start);
    double before = bench_cpu_ns();
    job->work(job->arg, job->thread, job->ops);
    job->ns = (bench_cpu_ns() - before) / (double)job->ops;
    return NULL;
}

double bench_ns_per_op(bench_work *work, void *arg, unsigned threads, unsigned long ops)
{
    pthread_t ids[BENCH_THREADS_MAX];
    struct job jobs[BENCH_THREADS_MAX];
    pthread_barrier_t start;
    double sum = 0;
    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){ work, arg, i, ops, &start, 0 };
        if (pthread_create(&ids[i], NULL, run, &jobs[i]) != 0) {
            fprintf(stderr, "bench: no thread\n");
            exit(1);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += jobs[i].ns;
    }
    pthread_barrier_destroy(&start);
    return sum / threads;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double values[], int n)
{
    qsort(values, (size_t)n, sizeof(values[0]), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void fetch_add(void *arg, unsigned thread, unsigned long ops)
{
    uint64_t *word = arg;
    (void)thread;
    for (unsigned long i = 0; i < ops; i++) {
        __atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
    }
}

double bench_reference_ns(void)
{
    static _Alignas(64) uint64_t word[8];
    return bench_ns_per_op(fetch_add, word, 1, 2000000);
}

void bench_print(const char *name, double value, const char *unit, double ratio)
{
    printf("%s\t%.2f\t%s\t", name, value, unit);
    if (ratio < 0) {
        printf("-\n");
    } else {
        printf("%.2f\n", ratio);
    }
    fflush(stdout);
}

void bench_print_ns(const char *name, bench_work *work, void *arg, unsigned threads,
                    unsigned long ops)
{
    double ns[BENCH_ROUNDS], ratios[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        double reference = bench_reference_ns();
        ns[i] = bench_ns_per_op(work, arg, threads, ops);
        ratios[i] = ns[i] / reference;
    }
    bench_print(name, bench_median(ns, BENCH_ROUNDS), "ns", bench_median(ratios, BENCH_ROUNDS));
}
