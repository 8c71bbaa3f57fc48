// Gauges: one atomic word each, shared by all threads, or a callback.
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "metrics/family.h"
#include "spyglass/metrics.h"

static double from_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return bits == SPY__GAUGE_ABSENT ? 0 : v;
}

static struct spy__child *child_of(struct spy_gauge g)
{
    return (struct spy__child *)(void *)((char *)g.word - offsetof(struct spy__child, word));
}

int spy_gauge_register(struct spy_gauge *ret, const struct spy_metric *metric)
{
    struct spy__family *f;
    int r = spy__family_register(&f, SPY__GAUGE, metric, NULL);
    if (r == 0) {
        struct spy__child *only = f->label_count == 0 ? spy__child_first(f) : NULL;
        *ret = (struct spy_gauge){ f, only ? &only->word : NULL };
    }
    return r;
}

int spy_gauge_callback(const struct spy_metric *metric, double (*read)(void *arg), void *arg)
{
    struct spy__family *f;
    if (!read || !metric || metric->labels[0]) {
        return -EINVAL;
    }
    return spy__family_register(&f, SPY__GAUGE, metric,
                                &(struct spy__source){ .read = read, .arg = arg });
}

struct spy_gauge spy__gauge_with(struct spy_gauge family, const char *const values[], size_t n)
{
    struct spy__family *f = family.family;
    struct spy__child *child = f ? spy__child_with(f, values, n) : NULL;
    return child ? (struct spy_gauge){ f, &child->word } : (struct spy_gauge){ 0 };
}

void spy_gauge_add(struct spy_gauge g, double v)
{
    if (!g.word) {
        return;
    }
    uint64_t old = __atomic_load_n(g.word, __ATOMIC_RELAXED);
    uint64_t bits;
    do {
        double sum = from_bits(old) + v;
        memcpy(&bits, &sum, sizeof(bits));
    } while (
        !__atomic_compare_exchange_n(g.word, &old, bits, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void spy_gauge_set_to_current_time(struct spy_gauge g)
{
    spy_gauge_set(g, (double)spy__realtime_ns() / 1e9);
}

double spy_gauge_value(struct spy_gauge g)
{
    return g.word ? from_bits(__atomic_load_n(g.word, __ATOMIC_RELAXED)) : 0;
}

void spy_gauge_remove(struct spy_gauge child)
{
    // Not every word lies in a child with labels: a family's own handle is a no-op.
    if (child.word) {
        spy__child_remove(child.family, child_of(child));
    }
}
