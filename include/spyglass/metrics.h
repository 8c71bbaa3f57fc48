/**
 * Counters, gauges and histograms, exposed to Prometheus.
 *
 * Register each family once and keep its handle. A family with labels hands out one child per
 * combination of values: look it up with spy_*_with() where it is used (tens of nanoseconds), or
 * keep the child's handle (one nanosecond an update). A zero handle is a no-op, so a failed
 * registration never hurts the host.
 *
 * Updates are safe from any thread and never block, allocate or fail once a thread has touched its
 * first cell of a block; they are not safe from signal handlers. Families live until the process
 * ends.
 *
 * Naming: https://prometheus.io/docs/practices/naming/ — one unit and one quantity a metric, base
 * units, the unit last (`_seconds`, `_bytes`, `_ratio`), `_total` for counters.
 */
#ifndef SPYGLASS_METRICS_H
#define SPYGLASS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"

SPY_BEGIN_DECLS

struct spy__family;

/** A family or one of its children. Copy freely. */
struct spy_counter {
    struct spy__family *family; /* private */
    uint32_t cell;              /* private */
};

/** A family or one of its children. Copy freely. */
struct spy_gauge {
    struct spy__family *family; /* private */
    uint64_t *word;             /* private: bits of a double */
};

/** A family or one of its children. Copy freely. */
struct spy_histogram {
    struct spy__family *family; /* private */
    uint32_t cell;              /* private */
};

struct spy_buckets {
    size_t count;
    double bounds[SPY_BUCKETS_MAX];
};

/** What a family is. Strings and arrays are copied at registration. */
struct spy_metric {
    /** [a-zA-Z_:][a-zA-Z0-9_:]*, 1 to 200 bytes. */
    const char *name;
    /** One line of UTF-8, up to 1024 bytes; escaped on the way out. */
    const char *help;
    /** [a-zA-Z_][a-zA-Z0-9_]*, not `__…`; no `le` on a histogram. */
    const char *labels[SPY_LABELS_MAX];
    /** Histograms only; default .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10. */
    struct spy_buckets buckets;
    /** Most children ever made, removed ones too; past it, values go to one child whose every
     *  label is `__overflow__`; default 2000. */
    unsigned series_max;
};

/**
 * Registers a counter family. Registering the same name again with the same shape returns the same
 * handle. Returns 0, -EINVAL (name, label, buckets), -EEXIST (same name, other shape) or -ENOMEM;
 * *ret is set only on 0. Threads: any.
 */
SPY_API SPY_CHECK int spy_counter_register(struct spy_counter *ret,
                                           const struct spy_metric *metric);
/** As spy_counter_register(). */
SPY_API SPY_CHECK int spy_gauge_register(struct spy_gauge *ret, const struct spy_metric *metric);
/** As spy_counter_register(). */
SPY_API SPY_CHECK int spy_histogram_register(struct spy_histogram *ret,
                                             const struct spy_metric *metric);

/**
 * A gauge whose value is asked for at each scrape. `read` may be called from any thread, one call
 * at a time a family, must return soon, and must not call back into Spyglass's registration; it and
 * `arg` must be there as long as the process. Labels are not allowed. Returns as
 * spy_counter_register(), and -EEXIST for a name already registered. Threads: any.
 */
SPY_API SPY_CHECK int spy_gauge_callback(const struct spy_metric *metric, double (*read)(void *arg),
                                         void *arg);

SPY_API struct spy_counter spy__counter_with(struct spy_counter family, const char *const values[],
                                             size_t n);
SPY_API struct spy_gauge spy__gauge_with(struct spy_gauge family, const char *const values[],
                                         size_t n);
SPY_API struct spy_histogram spy__histogram_with(struct spy_histogram family,
                                                 const char *const values[], size_t n);

/**
 * Removes the child from the exposition; its cells stay reserved. A kept handle, or the next
 * spy_*_with(), revives it, from zero. A family's own handle, or a zero one, is a no-op. Threads:
 * any.
 */
SPY_API void spy_counter_remove(struct spy_counter child);
/** As spy_counter_remove(). */
SPY_API void spy_gauge_remove(struct spy_gauge child);
/** As spy_counter_remove(). */
SPY_API void spy_histogram_remove(struct spy_histogram child);

/** Adds a value that is not whole. Negative or NaN: ignored, counted as dropped (reason
 * `negative`). Threads: any. */
SPY_API void spy_counter_add_double(struct spy_counter c, double v);

/** Observes one value. NaN counts into `_count` and makes `_sum` NaN. Threads: any. */
SPY_API void spy_histogram_observe(struct spy_histogram h, double v);

/** Sets the gauge. Threads: any. */
static inline void spy_gauge_set(struct spy_gauge g, double v);
/** Adds v, which may be negative; a compare-and-swap loop. Threads: any. */
SPY_API void spy_gauge_add(struct spy_gauge g, double v);
/** Sets the gauge to the current Unix time in seconds. Threads: any. */
SPY_API void spy_gauge_set_to_current_time(struct spy_gauge g);

/** The value of a child now: exact, summed over all threads. For tests and for pages of the host.
 * Threads: any. */
SPY_API double spy_counter_value(struct spy_counter c);
/** As spy_counter_value(). */
SPY_API double spy_gauge_value(struct spy_gauge g);
/** Observations so far. As spy_counter_value(). */
SPY_API uint64_t spy_histogram_count(struct spy_histogram h);

/**
 * Writes one whole scrape to `write`, in pieces of at most 64 KiB, for a host that answers its
 * scraper itself. `write` returns 0 to go on; anything else ends the scrape, and is returned. No
 * lock is held while `write` runs.
 * `*ret_content_type`, where not NULL, is set before the first piece: send it as the Content-Type.
 * `accept` is the scraper's Accept header, or NULL. Returns 0, -ENOMEM or what `write` returned.
 * Threads: any.
 */
SPY_API int spy_metrics_write(const char *accept, const char **ret_content_type,
                              int (*write)(void *arg, const char *bytes, size_t n), void *arg);

/* ---- the inline path
 * --------------------------------------------------------------------------------------- */

#define SPY__BLOCK_CELLS 512 /* cells of 8 bytes: a block is a 4 KiB page */

#ifndef SPY_NO_INLINE
/* This thread's blocks: a table of pointers, NULL where this thread has no block yet. Only this
 * thread writes it. Cell 0 is nobody's: zero handles write there. */
extern __thread uint64_t **spy__blocks __attribute__((tls_model("initial-exec")));
#endif

/* This thread's cell; makes the block at its first use. Never NULL. */
SPY_API uint64_t *spy__cell_slow(uint32_t cell);

static inline uint64_t *spy__cell(uint32_t cell)
{
#ifdef SPY_NO_INLINE
    return spy__cell_slow(cell);
#else
    uint64_t *block = spy__blocks[cell / SPY__BLOCK_CELLS];
    return SPY__LIKELY(block != NULL) ? &block[cell % SPY__BLOCK_CELLS] : spy__cell_slow(cell);
#endif
}

/** Adds n. Threads: any. */
static inline void spy_counter_add(struct spy_counter c, uint64_t n)
{
    uint64_t *cell = spy__cell(c.cell);
    __atomic_store_n(cell, __atomic_load_n(cell, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/** Adds 1. Threads: any. */
static inline void spy_counter_inc(struct spy_counter c)
{
    spy_counter_add(c, 1);
}

static inline void spy_gauge_set(struct spy_gauge g, double v)
{
    uint64_t bits;
    if (!g.word) {
        return;
    }
    __builtin_memcpy(&bits, &v, sizeof(bits));
    __atomic_store_n(g.word, bits, __ATOMIC_RELAXED);
}

/** Adds 1. Threads: any. */
static inline void spy_gauge_inc(struct spy_gauge g)
{
    spy_gauge_add(g, 1);
}

/** Takes 1 away. Threads: any. */
static inline void spy_gauge_dec(struct spy_gauge g)
{
    spy_gauge_add(g, -1);
}

SPY_END_DECLS

/*
 * spy_counter_with(family, values…), spy_gauge_with(…), spy_histogram_with(…): the child with these
 * label values, one for each label, in the order of registration; made at the first use. Values are
 * any bytes up to 1024 each; a longer one is cut at a character, invalid UTF-8 is replaced, NULL is
 * "". A wrong number of values returns a zero handle and counts
 * `spyglass_dropped_total{signal="metrics",reason="labels"}`. Threads: any.
 */
#ifdef __cplusplus
template <typename... Value> inline spy_counter spy_counter_with(spy_counter family, Value... value)
{
    const char *const values[] = { value... };
    return spy__counter_with(family, values, sizeof...(value));
}
template <typename... Value> inline spy_gauge spy_gauge_with(spy_gauge family, Value... value)
{
    const char *const values[] = { value... };
    return spy__gauge_with(family, values, sizeof...(value));
}
template <typename... Value>
inline spy_histogram spy_histogram_with(spy_histogram family, Value... value)
{
    const char *const values[] = { value... };
    return spy__histogram_with(family, values, sizeof...(value));
}
#else
#define SPY__VALUES(...)                                                                           \
    (const char *const[]){ __VA_ARGS__ },                                                          \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)
#define spy_counter_with(family, ...) spy__counter_with((family), SPY__VALUES(__VA_ARGS__))
#define spy_gauge_with(family, ...) spy__gauge_with((family), SPY__VALUES(__VA_ARGS__))
#define spy_histogram_with(family, ...) spy__histogram_with((family), SPY__VALUES(__VA_ARGS__))
#endif

#endif
