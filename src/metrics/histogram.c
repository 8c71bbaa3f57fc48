// Classic histograms. A child is a run of cells: one for each bound, +Inf's, NaN's, and the sum as
// the bits of a double.
#include <string.h>

#include "metrics/cells.h"
#include "metrics/family.h"
#include "spyglass/metrics.h"

int spy_histogram_register(struct spy_histogram *ret, const struct spy_metric *metric)
{
    struct spy__family *f;
    int r = spy__family_register(&f, SPY__HISTOGRAM, metric, NULL);
    if (r == 0) {
        const struct spy__child *only = f->label_count == 0 ? spy__child_first(f) : NULL;
        *ret = (struct spy_histogram){ f, only ? only->cell : 0 };
    }
    return r;
}

struct spy_histogram spy__histogram_with(struct spy_histogram family, const char *const values[],
                                         size_t n)
{
    struct spy__family *f = family.family;
    const struct spy__child *child = f ? spy__child_with(f, values, n) : NULL;
    return child ? (struct spy_histogram){ f, child->cell } : (struct spy_histogram){ 0 };
}

typedef double double_pair __attribute__((vector_size(16)));
typedef int64_t int_pair __attribute__((vector_size(16)));

// The bucket of v is the number of bounds below it: a bound belongs to its bucket (le). All bounds
// are compared, two at a time and without a branch: for as many as there may be this is quicker
// than halving, which mispredicts. Past the last bound there is +Inf.
static size_t bucket_of(const struct spy__family *f, double v)
{
    const double_pair value = { v, v };
    int_pair below = { 0, 0 };
    for (size_t i = 0; i < f->bucket_count; i += 2) {
        double_pair bounds;
        memcpy(&bounds, &f->bounds[i], sizeof(bounds));
        below -= bounds < value; // -1 where it is
    }
    return (size_t)(below[0] + below[1]);
}

void spy_histogram_observe(struct spy_histogram h, double v)
{
    const struct spy__family *f = h.family;
    if (h.cell == 0) {
        return;
    }
    uint64_t *cells = spy__cell(h.cell);
    size_t nan = f->bucket_count + 1;
    uint64_t *bucket = &cells[SPY__UNLIKELY(v != v) ? nan : bucket_of(f, v)];
    uint64_t *sum_cell = &cells[nan + 1];
    uint64_t bits = __atomic_load_n(sum_cell, __ATOMIC_RELAXED);
    double sum;
    memcpy(&sum, &bits, sizeof(sum));
    sum += v;
    memcpy(&bits, &sum, sizeof(bits));
    __atomic_store_n(bucket, __atomic_load_n(bucket, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    __atomic_store_n(sum_cell, bits, __ATOMIC_RELAXED);
}

uint64_t spy_histogram_count(struct spy_histogram h)
{
    const struct spy__child *child = spy__child_of_cell(h.family, h.cell);
    struct spy__snapshot_series series;
    if (!child) {
        return 0;
    }
    spy__child_read(h.family, child, &series);
    return series.histogram.count;
}

void spy_histogram_remove(struct spy_histogram child)
{
    spy__child_remove(child.family, spy__child_of_cell(child.family, child.cell));
}
