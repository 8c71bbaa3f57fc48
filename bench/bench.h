// What benchmarks share: CPU time of a thread, medians, and the reference of a run.
//
// Costs are CPU time, not time on the wall, so that a busy machine disturbs them less. Figures move
// from machine to machine all the same: every run measures its own reference, one uncontended
// relaxed fetch_add, and prints ratios to it.
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ROUNDS 9
#define BENCH_THREADS_MAX 2

// Some work, `ops` times, in one of several threads.
typedef void bench_work(void *arg, unsigned thread, unsigned long ops);

// Nanoseconds of CPU time of the calling thread.
double bench_cpu_ns(void);

// Runs the work in so many threads at once; returns nanoseconds of CPU time an operation, the mean
// of the threads.
double bench_ns_per_op(bench_work *work, void *arg, unsigned threads, unsigned long ops);

// The median of n values; sorts them.
double bench_median(double values[], int n);

// The reference of this run, in nanoseconds.
double bench_reference_ns(void);

// Measures the work BENCH_ROUNDS times, the reference beside it each time, and prints one line:
// name, median nanoseconds, "ns", median ratio to the reference.
void bench_print_ns(const char *name, bench_work *work, void *arg, unsigned threads,
                    unsigned long ops);

// Prints one line; a ratio below zero is written as "-".
void bench_print(const char *name, double value, const char *unit, double ratio);

#ifdef __cplusplus
}
#endif

#endif
