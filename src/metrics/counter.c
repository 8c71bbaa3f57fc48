// Counters: a cell for what is whole, and beside it one for what is not.
#include <string.h>

#include "metrics/cells.h"
#include "metrics/dropped.h"
#include "metrics/family.h"
#include "spyglass/metrics.h"

static struct spy_counter handle(struct spy__family *f, const struct spy__child *child)
{
    return child ? (struct spy_counter){ f, child->cell } : (struct spy_counter){ 0 };
}

int spy_counter_register(struct spy_counter *ret, const struct spy_metric *metric)
{
    struct spy__family *f;
    int r = spy__family_register(&f, SPY__COUNTER, metric, NULL);
    if (r == 0) {
        const struct spy__child *only = f->label_count == 0 ? spy__child_first(f) : NULL;
        *ret = (struct spy_counter){ f, only ? only->cell : 0 };
    }
    return r;
}

struct spy_counter spy__counter_with(struct spy_counter family, const char *const values[],
                                     size_t n)
{
    struct spy__family *f = family.family;
    return f ? handle(f, spy__child_with(f, values, n)) : (struct spy_counter){ 0 };
}

void spy_counter_add_double(struct spy_counter c, double v)
{
    if (!(v >= 0)) {
        spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_NEGATIVE, 1);
        return;
    }
    if (v < 9007199254740992.0 && v == (double)(uint64_t)v) { // whole numbers stay exact
        spy_counter_add(c, (uint64_t)v);
        return;
    }
    if (c.cell == 0) {
        return;
    }
    uint64_t *cell = spy__cell(c.cell) + 1; // behind the whole part
    uint64_t bits = __atomic_load_n(cell, __ATOMIC_RELAXED);
    double sum;
    memcpy(&sum, &bits, sizeof(sum));
    sum += v;
    memcpy(&bits, &sum, sizeof(bits));
    __atomic_store_n(cell, bits, __ATOMIC_RELAXED);
}

double spy_counter_value(struct spy_counter c)
{
    const struct spy__child *child = spy__child_of_cell(c.family, c.cell);
    struct spy__snapshot_series series;
    if (!child) {
        return 0;
    }
    spy__child_read(c.family, child, &series);
    return (double)series.counter.whole + series.counter.part;
}

void spy_counter_remove(struct spy_counter child)
{
    spy__child_remove(child.family, spy__child_of_cell(child.family, child.cell));
}
