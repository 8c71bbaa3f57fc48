// What a switch costs: the same work with it on and off, in turns of a millisecond, in one process.
//
// What a machine moves by itself (its clock's rate, what runs beside, which memory a process got) is
// the same for both or moves slower than the turns, which go off, on, on, off so that a drift cancels
// out. Turns are added up by PAIRED_TURNS to one ratio, on to off; of those the median is told, and
// the interval that holds the true one in 19 of 20 runs whatever their distribution: by the ranks
// that a binomial distribution gives (H. A. David and H. N. Nagaraja, Order Statistics, 7.1).
//
// A ratio's turns must hold enough of what is rare (samples) for their median to be their mean.
#ifndef BENCH_PAIRED_H
#define BENCH_PAIRED_H

#include <stdbool.h>

#define PAIRED_TURNS 64u // a ratio; a multiple of 4

struct paired_work {
    void (*turn)(void *arg, bool on); // may be NULL; before each run, and not counted
    void (*run)(void *arg, bool on);
    double (*cpu_ns)(void); // the clock that a run is measured by
    void *arg;
};

struct paired {
    double off_ns;          // of a turn, the mean
    double on_s;            // of all turns that were on
    double cost, low, high; // what on costs more, as a part of off: the median, its interval
    double total_cost;      // the same by the sums of all turns
};

// Runs ratios * PAIRED_TURNS turns.
void paired_run(struct paired *ret, const struct paired_work *work, unsigned ratios);

// Prints NAME, NAME_low and NAME_high in percent, and says on stderr what the sums say. `more` is
// added: a cost beside the turns.
void paired_print(const char *name, const struct paired *result, double more);

#endif
