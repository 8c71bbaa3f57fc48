// Reading children, and removing them: both are about cells and their baseline.
//
// A baseline is stored after the sums in it were read, and read before new sums are: so no
// difference is negative.
#include "metrics/snapshot.h"

#include <string.h>

#include "base/clock.h"
#include "metrics/cells.h"
#include "metrics/dropped.h"
#include "metrics/family.h"

static double to_double(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static uint64_t to_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

// The child's cells, summed over the threads, in the order in which they lie; a double as its bits.
static void sum_cells(const struct spy__family *f, const struct spy__child *c, uint64_t ret[])
{
    double part = 0;
    if (f->words) {
        ret[0] = __atomic_load_n(&f->words[c->cell], __ATOMIC_RELAXED);
        ret[1] = 0;
        return;
    }
    if (f->kind == SPY__COUNTER) {
        spy__cells_sum_counter(c->cell, &ret[0], &part);
        ret[1] = to_bits(part);
    } else {
        size_t n = f->bucket_count + 2;
        spy__cells_sum_histogram(c->cell, n, ret, &part);
        ret[n] = to_bits(part);
    }
}

// What the child counted since it was last removed; false where that is nothing and it is still
// removed.
static bool read_cells(const struct spy__family *f, const struct spy__child *c, uint64_t ret[])
{
    bool removed = __atomic_load_n(&c->removed, __ATOMIC_ACQUIRE);
    const uint64_t *baseline = __atomic_load_n(&c->baseline, __ATOMIC_ACQUIRE);
    size_t cells = spy__family_cells(f);
    bool moved = false;
    if (!baseline) {
        sum_cells(f, c, ret);
        for (size_t i = 0; removed && i < cells; i++) {
            moved |= ret[i] != 0;
        }
        return !removed || moved;
    }
    uint64_t base[SPY_BUCKETS_MAX + 3];
    for (size_t i = 0; i < cells; i++) {
        base[i] = __atomic_load_n(&baseline[i], __ATOMIC_ACQUIRE);
    }
    sum_cells(f, c, ret);
    for (size_t i = 0; i < cells; i++) {
        moved |= ret[i] != base[i];
        bool is_double = i == cells - 1;
        ret[i] = is_double ? to_bits(to_double(ret[i]) - to_double(base[i])) : ret[i] - base[i];
    }
    return !removed || moved;
}

// One call at a time, and not too often; who comes meanwhile takes the last value and does not
// wait.
static bool call_back(struct spy__family *f, double *ret)
{
    if (!__atomic_exchange_n(&f->read_busy, 1, __ATOMIC_ACQUIRE)) {
        uint64_t now_ns = spy__monotonic_ns();
        uint64_t last_ns = __atomic_load_n(&f->read_ns, __ATOMIC_RELAXED);
        if (last_ns == 0 || now_ns - last_ns >= (uint64_t)f->read_period_ms * 1000000u) {
            __atomic_store_n(&f->read_last, to_bits(f->read(f->read_arg)), __ATOMIC_RELAXED);
            __atomic_store_n(&f->read_ns, now_ns ? now_ns : 1, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&f->read_busy, 0, __ATOMIC_RELEASE);
    }
    *ret = to_double(__atomic_load_n(&f->read_last, __ATOMIC_RELAXED));
    // A first call under way has no value yet.
    return __atomic_load_n(&f->read_ns, __ATOMIC_RELAXED) != 0 &&
           !(f->read_optional && *ret != *ret);
}

static bool read_gauge(const struct spy__child *c, double *ret)
{
    uint64_t bits = __atomic_load_n(&c->word, __ATOMIC_RELAXED);
    *ret = to_double(bits);
    return bits != SPY__GAUGE_ABSENT;
}

static bool read_histogram(const struct spy__family *f, const struct spy__child *c,
                           struct spy__snapshot_series *ret)
{
    uint64_t cells[SPY_BUCKETS_MAX + 3];
    bool shown = read_cells(f, c, cells);
    size_t buckets = f->bucket_count + 1;
    ret->histogram.count = 0;
    for (size_t i = 0; i < buckets; i++) {
        ret->histogram.counts[i] = cells[i];
        ret->histogram.count += cells[i];
    }
    // NaN is in no bucket but the last, which holds all there is: `le="+Inf"` and `_count` are one
    // number.
    ret->histogram.counts[buckets - 1] += cells[buckets];
    ret->histogram.count += cells[buckets];
    ret->histogram.sum = to_double(cells[buckets + 1]);
    return shown;
}

static bool read_counter(const struct spy__family *f, const struct spy__child *c,
                         struct spy__snapshot_series *ret)
{
    uint64_t cells[2];
    // Nearly all counters: never removed, and counted in cells.
    if (!f->words && !__atomic_load_n(&c->baseline, __ATOMIC_ACQUIRE) &&
        !__atomic_load_n(&c->removed, __ATOMIC_RELAXED)) {
        spy__cells_sum_counter(c->cell, &ret->counter.whole, &ret->counter.part);
        return true;
    }
    bool shown = read_cells(f, c, cells);
    ret->counter.whole = cells[0];
    ret->counter.part = to_double(cells[1]);
    return shown;
}

bool spy__child_read(struct spy__family *f, const struct spy__child *c,
                     struct spy__snapshot_series *ret)
{
    ret->labels = c->text;
    ret->labels_len = c->text_len;
    switch (f->kind) {
    case SPY__COUNTER:
        if (f->read) {
            ret->counter.whole = 0;
            return call_back(f, &ret->counter.part);
        }
        return read_counter(f, c, ret);
    case SPY__GAUGE:
        return f->read ? call_back(f, &ret->gauge) : read_gauge(c, &ret->gauge);
    case SPY__HISTOGRAM:
        return read_histogram(f, c, ret);
    }
    return false;
}

// The first removal takes memory for the baseline; later ones write over it.
static bool store_baseline(const struct spy__family *f, struct spy__child *c)
{
    uint64_t cells[SPY_BUCKETS_MAX + 3];
    size_t n = spy__family_cells(f);
    uint64_t *baseline = c->baseline;
    if (!baseline) {
        uint32_t ref = spy__arena_new(n * sizeof(uint64_t));
        if (!ref) {
            return false;
        }
        baseline = spy__arena_at(ref);
    }
    sum_cells(f, c, cells);
    for (size_t i = 0; i < n; i++) {
        __atomic_store_n(&baseline[i], cells[i], __ATOMIC_RELEASE);
    }
    __atomic_store_n(&c->baseline, baseline, __ATOMIC_RELEASE);
    return true;
}

void spy__child_remove(struct spy__family *f, struct spy__child *c)
{
    if (!c || f->label_count == 0 || f->library) {
        return;
    }
    spy__registry_lock();
    if (f->kind == SPY__GAUGE) {
        __atomic_store_n(&c->word, SPY__GAUGE_ABSENT, __ATOMIC_RELAXED);
        __atomic_store_n(&c->removed, 1, __ATOMIC_RELEASE);
    } else if (store_baseline(f, c)) {
        __atomic_store_n(&c->removed, 1, __ATOMIC_RELEASE);
    } else {
        spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY, 1);
    }
    spy__registry_unlock();
}

bool spy__snapshot_family(struct spy__snapshot *at, struct spy__snapshot_family *ret)
{
    struct spy__family *f = at->begun ? at->family : NULL;
    if (!at->begun) {
        f = spy__family_first();
    } else if (f) {
        f = __atomic_load_n(&f->next, __ATOMIC_ACQUIRE);
    }
    *at = (struct spy__snapshot){ .begun = true, .family = f };
    if (!f) {
        return false;
    }
    *ret = (struct spy__snapshot_family){
        .kind = f->kind,
        .name = f->name,
        .name_len = f->name_len,
        .help = f->help,
        .help_len = f->help_len,
        .bounds = f->bounds,
        .bucket_count = f->bucket_count,
    };
    return true;
}

bool spy__snapshot_series(struct spy__snapshot *at, struct spy__snapshot_series *ret)
{
    struct spy__family *f = at->family;
    while (f) {
        const struct spy__child *c = at->child ? spy__child_next(at->child) : spy__child_first(f);
        if (!c) {
            return false;
        }
        at->child = c;
        if (spy__child_read(f, c, ret)) {
            return true;
        }
    }
    return false;
}
