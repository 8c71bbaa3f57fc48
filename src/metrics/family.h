// The inside of the registry: families and their children.
//
// A *family* is what was registered: a name, a kind, label names. A *child* is one series of it:
// one combination of label values (a family without labels has exactly one child). Both live until
// the process ends, so a pointer to one is good forever, and readers need no lock.
//
// Invariants: a family is const after it was listed, but for what is marked below. A child is const
// after it was listed, but for its word or baseline and `removed`. Children are listed in the order
// in which they were made. Memory order: whoever lists a family or a child, or puts one into an
// index, does it with a release store; readers acquire. Registration, making and removing children
// hold the registry's lock.
#ifndef METRICS_FAMILY_H
#define METRICS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/arena.h"
#include "metrics/snapshot.h"
#include "spyglass/metrics.h"

// Bytes of a metric or label name, of a label's value, and of a help text.
#define SPY__NAME_MAX 200
#define SPY__VALUE_MAX 1024
#define SPY__HELP_MAX 1024
#define SPY__SERIES_DEFAULT 2000

struct spy__child {
    union {
        uint64_t word;      // gauge: the bits of its value, or SPY__GAUGE_ABSENT; atomic
        uint64_t *baseline; // counter, histogram: its cells when it was last removed, NULL for
                            // zeros; atomic
    };
    uint32_t next;     // reference, 0 at the list's end; atomic
    uint32_t cell;     // its first cell; or an index into its family's words
    uint32_t hash;     // of its values
    uint16_t text_len; // bytes
    bool escaped;      // text is not just the values: some character in it is escaped
    uint8_t removed;   // shown only once its cells have left the baseline; atomic
    char text[];       // `a="b",c="d"`, escaped for the exposition formats
};

// A gauge that was removed: a NaN that no arithmetic makes.
#define SPY__GAUGE_ABSENT 0x7ff8535059474c41u

struct spy__index;

struct spy__family {
    struct spy__family *next; // atomic
    enum spy__kind kind;
    bool library; // a callback, or words of the library: no handle is given out twice
    unsigned label_count;
    unsigned bucket_count; // finite bounds
    unsigned series_max;
    uint32_t first;      // child; atomic
    uint32_t last;       // child; guarded by the registry's lock
    uint32_t overflow;   // child; atomic
    uint32_t count;      // children made, but for the overflow child; atomic
    uint32_t spare_cell; // guarded by the registry's lock: taken for a child that found no memory
    struct spy__index *index;       // atomic; NULL without labels
    double bounds[SPY_BUCKETS_MAX]; // past bucket_count: +Inf, so that loops may round up
    double (*read)(void *arg);      // a callback's; NULL elsewhere
    void *read_arg;
    unsigned read_period_ms; // least time between two calls
    bool read_optional;      // a callback's NaN means that there is no value
    uint64_t read_ns;        // when it was called last, 0 for never; atomic
    uint64_t read_last;      // bits of what it returned last; atomic
    uint8_t read_busy;       // a call is under way; atomic
    const uint64_t *words;   // atomic words that count in place of cells; NULL elsewhere
    size_t name_len, help_len;
    const char *name, *help;
    const char *labels[SPY_LABELS_MAX];
    size_t label_lens[SPY_LABELS_MAX];
    char strings[]; // name, help and labels, each with its NUL
};

static inline struct spy__child *spy__child_at(uint32_t ref)
{
    return ref ? (struct spy__child *)spy__arena_at(ref) : NULL;
}
static inline struct spy__child *spy__child_first(const struct spy__family *f)
{
    return spy__child_at(__atomic_load_n(&f->first, __ATOMIC_ACQUIRE));
}
static inline struct spy__child *spy__child_next(const struct spy__child *c)
{
    return spy__child_at(__atomic_load_n(&c->next, __ATOMIC_ACQUIRE));
}
// Cells of one child: a counter has a whole part and a double; a histogram its buckets, +Inf's,
// NaN's and the sum. A gauge and a callback have none.
static inline uint32_t spy__family_cells(const struct spy__family *f)
{
    return f->read                     ? 0
           : f->kind == SPY__COUNTER   ? 2
           : f->kind == SPY__HISTOGRAM ? f->bucket_count + 3
                                       : 0;
}

// ---- registry.c
// --------------------------------------------------------------------------------------------------

void spy__registry_lock(void);
void spy__registry_unlock(void);

// What a family of the library's own reads in place of cells: a callback, or words.
struct spy__source {
    double (*read)(void *arg);
    void *arg;
    unsigned period_ms; // `read` is not called more often
    bool optional;      // NaN from `read` means that there is no value to show
    const uint64_t *words;
};
// Registers the library's own families, if they are not there yet; under the lock. Returns 0 or
// -ENOMEM.
int spy__registry_init(void);
// Registers a family, or finds the one of the same shape where source is NULL. As
// spy_counter_register().
int spy__family_register(struct spy__family **ret, enum spy__kind kind,
                         const struct spy_metric *metric, const struct spy__source *source);
// The same under the registry's lock, which the caller holds, for a metric that is known to be
// right.
int spy__family_add(struct spy__family **ret, enum spy__kind kind, const struct spy_metric *metric,
                    const struct spy__source *source);
// The first family, in the order of registration; the library's own are made if they are not there
// yet.
struct spy__family *spy__family_first(void);

// ---- child.c
// -----------------------------------------------------------------------------------------------------

// The child with these values; makes it, or revives it. NULL: a drop, counted.
struct spy__child *spy__child_with(struct spy__family *f, const char *const values[], size_t n);
// Makes a child under the registry's lock, which the caller holds; NULL when there is no memory. In
// a family with words, the child's is words[word].
struct spy__child *spy__child_make(struct spy__family *f, const char *const values[], size_t n,
                                   uint32_t word);
// The child that a handle's cell belongs to, NULL for none. Walks the family.
struct spy__child *spy__child_of_cell(struct spy__family *f, uint32_t cell);

// ---- snapshot.c
// --------------------------------------------------------------------------------------------------

// The child's value now; false where it is removed and has not counted since. Calls the family's
// callback.
bool spy__child_read(struct spy__family *f, const struct spy__child *c,
                     struct spy__snapshot_series *ret);
// Hides the child and sets it back to zero. A no-op for NULL, for the only child of a family
// without labels, and in families of the library's own.
void spy__child_remove(struct spy__family *f, struct spy__child *c);

// ---- labels.c
// ----------------------------------------------------------------------------------------------------

bool spy__metric_name_ok(const char *name);
bool spy__label_name_ok(const char *name);

// A child's values, made fit for the exposition: at most SPY__VALUE_MAX bytes of valid UTF-8 each.
struct spy__label_values {
    const char *at[SPY_LABELS_MAX];
    size_t len[SPY_LABELS_MAX];
    uint32_t hash;
    bool too_long; // some value passes SPY__VALUE_MAX: to be normalised before any use
};
void spy__values_read(struct spy__label_values *ret, const char *const values[], size_t n);
// Cuts what is too long and replaces what is not UTF-8, into storage; true when anything changed
// (the hash too).
bool spy__values_normalise(struct spy__label_values *v, size_t n,
                           char storage[SPY_LABELS_MAX][SPY__VALUE_MAX]);
// Whether this child's text is that of these values.
bool spy__values_equal(const struct spy__family *f, const struct spy__child *c,
                       const struct spy__label_values *v);
// The text's length, and the text; *ret_escaped where some character had to be escaped.
size_t spy__values_text_len(const struct spy__family *f, const struct spy__label_values *v,
                            bool *ret_escaped);
void spy__values_text(const struct spy__family *f, const struct spy__label_values *v, char *out);
// Copies n bytes of text to out (room for max), invalid UTF-8 replaced by U+FFFD, cut at a
// character; returns its length.
size_t spy__text_normalise(char *out, size_t max, const char *text, size_t n);

#endif
