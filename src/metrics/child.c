// Children: found without a lock, made under the registry's.
//
// An index is an open-addressing table of references. It grows by a copy that replaces it; a reader
// may go on in the old one, which is kept. There it finds all but the newest children, and for
// those it comes by the lock and looks again. So every child is found, and an old index is never
// freed: together they are less than the one in use.
#include "metrics/family.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/cells.h"
#include "metrics/dropped.h"

#define OVERFLOW_VALUE "__overflow__"
#define INDEX_FIRST_SLOTS 16u
#define REF_MASK ((1u << SPY__ARENA_REF_BITS) - 1)

struct spy__index {
    struct spy__index *older; // kept for readers that are still in it
    uint32_t mask;            // slots - 1
    uint32_t slots[];         // 0, or the hash's five high bits before a reference; atomic
};

// The reference of the child with these values, 0 for none.
static uint32_t find_ref(const struct spy__family *f, const struct spy__label_values *v)
{
    const struct spy__index *index = __atomic_load_n(&f->index, __ATOMIC_ACQUIRE);
    if (!index) {
        return 0;
    }
    for (uint32_t at = v->hash & index->mask;; at = (at + 1) & index->mask) {
        uint32_t slot = __atomic_load_n(&index->slots[at], __ATOMIC_ACQUIRE);
        if (slot == 0) {
            return 0;
        }
        if ((slot ^ v->hash) & ~REF_MASK) {
            continue;
        }
        const struct spy__child *child = spy__child_at(slot & REF_MASK);
        if (child->hash == v->hash && spy__values_equal(f, child, v)) {
            return slot & REF_MASK;
        }
    }
}

static struct spy__child *find(const struct spy__family *f, const struct spy__label_values *v)
{
    return spy__child_at(find_ref(f, v));
}

static void put(struct spy__index *index, uint32_t ref, uint32_t hash)
{
    uint32_t at = hash & index->mask;
    while (__atomic_load_n(&index->slots[at], __ATOMIC_RELAXED) != 0) {
        at = (at + 1) & index->mask;
    }
    __atomic_store_n(&index->slots[at], (hash & ~REF_MASK) | ref, __ATOMIC_RELEASE);
}

// Room in the index for one child more. Without memory to grow it fills up to seven eighths.
static bool index_reserve(struct spy__family *f, uint32_t children)
{
    struct spy__index *old = f->index;
    uint32_t slots = old ? old->mask + 1 : 0;
    if (old && children < slots - slots / 4) {
        return true;
    }
    uint32_t more = old ? slots * 2 : INDEX_FIRST_SLOTS;
    struct spy__index *index = calloc(1, sizeof(*index) + more * sizeof(index->slots[0]));
    if (!index) {
        return old && children < slots - slots / 8;
    }
    index->older = old;
    index->mask = more - 1;
    for (uint32_t ref = f->first; ref; ref = spy__child_at(ref)->next) {
        put(index, ref, spy__child_at(ref)->hash);
    }
    __atomic_store_n(&f->index, index, __ATOMIC_RELEASE);
    return true;
}

// The first of the child's cells, or its word; 0 when there are no cells left.
static uint32_t take_cells(struct spy__family *f, uint32_t word)
{
    if (f->words) {
        return word;
    }
    uint32_t cell = f->spare_cell;
    f->spare_cell = 0;
    return cell ? cell : spy__cells_take(spy__family_cells(f));
}

static void list(struct spy__family *f, uint32_t ref)
{
    uint32_t *link = f->last ? &spy__child_at(f->last)->next : &f->first;
    __atomic_store_n(link, ref, __ATOMIC_RELEASE);
    f->last = ref;
}

// Makes a child and returns its reference, 0 when there is no memory.
static uint32_t make(struct spy__family *f, const struct spy__label_values *v, uint32_t word)
{
    bool counts = spy__family_cells(f) > 0;
    if (f->label_count > 0 && !index_reserve(f, f->count + (f->overflow != 0) + 1)) {
        return 0;
    }
    uint32_t cell = counts ? take_cells(f, word) : 0;
    if (counts && !f->words && cell == 0) {
        return 0;
    }
    bool escaped;
    size_t text_len = spy__values_text_len(f, v, &escaped);
    uint32_t ref = spy__arena_new(offsetof(struct spy__child, text) + text_len);
    if (!ref) {
        f->spare_cell = f->words ? 0 : cell;
        return 0;
    }
    struct spy__child *child = spy__child_at(ref);
    child->cell = cell;
    child->hash = v->hash;
    child->text_len = (uint16_t)text_len;
    child->escaped = escaped;
    spy__values_text(f, v, child->text);
    list(f, ref);
    if (f->label_count > 0) {
        put(f->index, ref, v->hash);
    }
    return ref;
}

// As make(), counted against series_max.
static uint32_t make_counted(struct spy__family *f, const struct spy__label_values *v,
                             uint32_t word)
{
    uint32_t ref = make(f, v, word);
    if (ref) {
        __atomic_store_n(&f->count, f->count + 1, __ATOMIC_RELAXED);
    }
    return ref;
}

struct spy__child *spy__child_make(struct spy__family *f, const char *const values[], size_t n,
                                   uint32_t word)
{
    struct spy__label_values v;
    spy__values_read(&v, values, n);
    return spy__child_at(make_counted(f, &v, word));
}

static uint32_t find_or_make_overflow(struct spy__family *f)
{
    static const char *const values[SPY_LABELS_MAX] = {
        OVERFLOW_VALUE, OVERFLOW_VALUE, OVERFLOW_VALUE, OVERFLOW_VALUE,
        OVERFLOW_VALUE, OVERFLOW_VALUE, OVERFLOW_VALUE, OVERFLOW_VALUE,
    };
    struct spy__label_values v;
    spy__values_read(&v, values, f->label_count);
    uint32_t ref = find_ref(f, &v); // a host may have used this value itself
    return ref ? ref : make(f, &v, 0);
}

static struct spy__child *overflow(struct spy__family *f)
{
    uint32_t ref = __atomic_load_n(&f->overflow, __ATOMIC_ACQUIRE);
    if (!ref) {
        spy__registry_lock();
        ref = f->overflow ? f->overflow : find_or_make_overflow(f);
        __atomic_store_n(&f->overflow, ref, __ATOMIC_RELEASE);
        spy__registry_unlock();
    }
    if (ref) {
        spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_CARDINALITY, 1);
    }
    return spy__child_at(ref);
}

static bool full(const struct spy__family *f)
{
    return __atomic_load_n(&f->count, __ATOMIC_RELAXED) >= f->series_max;
}

static struct spy__child *find_or_make(struct spy__family *f, const struct spy__label_values *v)
{
    if (!full(f)) {
        spy__registry_lock();
        uint32_t ref = find_ref(f, v);
        bool room = !full(f);
        if (!ref && room) {
            ref = make_counted(f, v, 0);
        }
        spy__registry_unlock();
        if (ref || room) {
            return spy__child_at(ref);
        }
    }
    return overflow(f);
}

// Apart from the quick path for its 8 KiB of stack.
static __attribute__((noinline)) struct spy__child *with_slowly(struct spy__family *f,
                                                                struct spy__label_values *v)
{
    char storage[SPY_LABELS_MAX][SPY__VALUE_MAX];
    struct spy__child *child = NULL;
    if (spy__values_normalise(v, f->label_count, storage)) {
        child = find(f, v);
    }
    if (!child) {
        child = find_or_make(f, v);
    }
    if (!child) {
        spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY, 1);
    }
    return child;
}

// A removed child comes back at zero, in every kind of it.
static void revive(const struct spy__family *f, struct spy__child *child)
{
    if (f->kind == SPY__GAUGE) {
        uint64_t absent = SPY__GAUGE_ABSENT;
        __atomic_compare_exchange_n(&child->word, &absent, 0, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
    }
    __atomic_store_n(&child->removed, 0, __ATOMIC_RELAXED);
}

// A thread remembers look-ups by where their values lie, which costs less than to hash them: most
// callers pass literals, the same each time. What is found so is compared in full, so that it does
// not matter what else lies at an address by now.
static uint64_t key_of(const struct spy__family *f, const char *const values[], size_t n)
{
    uint64_t key = (uint64_t)(uintptr_t)f;
    for (size_t i = 0; i < n; i++) {
        key = (key ^ (uint64_t)(uintptr_t)values[i]) * 0x9e3779b97f4a7c15u; // 2^64 / golden ratio
    }
    return key;
}

// Whether it is of this family and these values, and not removed.
static inline bool remembers(const struct spy__lookup *l, const struct spy__family *f, uint64_t key,
                             const char *const values[])
{
    if (l->key != key || l->family != f || __atomic_load_n(&l->child->removed, __ATOMIC_RELAXED)) {
        return false;
    }
    const char *at = l->child->text;
    for (size_t i = 0; i < f->label_count; i++) {
        size_t len = l->lens[i];
        at += f->label_lens[i] + 2; // name="
        // strncmp() ends at the value's end where that comes first, and so does not read past it.
        if (!values[i] || strncmp(values[i], at, len) != 0 || values[i][len] != 0) {
            return false;
        }
        at += len + 2; // ",
    }
    return true;
}

// Puts it first in its set of two; what was first is second. Not a child whose text is not its
// values, nor one with a value too long for `lens`.
static __attribute__((noinline)) void remember(struct spy__lookup l[2], const struct spy__family *f,
                                               uint64_t key, struct spy__child *child)
{
    struct spy__lookup made = { .family = f, .child = child, .key = key };
    const char *at = child->text;
    for (size_t i = 0; i < f->label_count; i++) {
        at += f->label_lens[i] + 2;
        const char *end = strchr(at, '"');
        if (child->escaped || end - at > UINT8_MAX) {
            return;
        }
        made.lens[i] = (uint8_t)(end - at);
        at = end + 2;
    }
    l[1] = l[0];
    l[0] = made;
}

static __attribute__((noinline)) struct spy__child *
find_or_revive(struct spy__family *f, const char *const values[], size_t n)
{
    struct spy__label_values v;
    spy__values_read(&v, values, n);
    struct spy__child *child = n == 0 ? spy__child_first(f) : v.too_long ? NULL : find(f, &v);
    if (!child) {
        child = with_slowly(f, &v);
    }
    if (child && SPY__UNLIKELY(__atomic_load_n(&child->removed, __ATOMIC_RELAXED))) {
        revive(f, child);
    }
    return child;
}

struct spy__child *spy__child_with(struct spy__family *f, const char *const values[], size_t n)
{
    if (n != f->label_count) {
        spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_LABELS, 1);
        return NULL;
    }
    struct spy__thread_table *table = spy__thread_table();
    uint64_t key = key_of(f, values, n);
    struct spy__lookup *set = table ? table->lookups[key >> (64 - SPY__LOOKUP_SETS_LOG2)] : NULL;
    if (set && remembers(&set[0], f, key, values)) {
        return set[0].child;
    }
    if (set && remembers(&set[1], f, key, values)) {
        return set[1].child;
    }
    struct spy__child *child = find_or_revive(f, values, n);
    if (set && child) {
        remember(set, f, key, child);
    }
    return child;
}

struct spy__child *spy__child_of_cell(struct spy__family *f, uint32_t cell)
{
    if (!f || cell == 0) {
        return NULL;
    }
    struct spy__child *child = spy__child_first(f);
    while (child && child->cell != cell) {
        child = spy__child_next(child);
    }
    return child;
}
