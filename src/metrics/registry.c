// The registry: every family of the process, in the order of registration.
#include "metrics/family.h"

#include <errno.h>
#include <math.h> // NAN and INFINITY alone: the core does not link libm
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/cells.h"
#include "metrics/dropped.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct spy__family *first; // atomic
static struct spy__family *last;  // guarded by lock
static uint8_t ready;             // the library's own families are there; atomic
static bool fork_safe;            // guarded by lock

void spy__registry_lock(void)
{
    pthread_mutex_lock(&lock);
}

void spy__registry_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

// A callback that ran in another thread of the parent never ends here.
static void after_fork_child(void)
{
    for (struct spy__family *f = first; f; f = f->next) {
        f->read_busy = 0;
    }
    pthread_mutex_unlock(&lock);
}

static int init_fork(void)
{
    if (fork_safe) {
        return 0;
    }
    // The cells' handlers first: they are then the inner ones, as their lock is.
    if (spy__cells_init() != 0 ||
        pthread_atfork(spy__registry_lock, spy__registry_unlock, after_fork_child) != 0) {
        return -ENOMEM;
    }
    fork_safe = true;
    return 0;
}

// ---- What a metric may be
// ----------------------------------------------------------------------------------------

static size_t label_count(const struct spy_metric *m)
{
    size_t n = 0;
    while (n < SPY_LABELS_MAX && m->labels[n]) {
        n++;
    }
    return n;
}

static bool labels_ok(const struct spy_metric *m, enum spy__kind kind)
{
    size_t n = label_count(m);
    for (size_t i = 0; i < n; i++) {
        if (!spy__label_name_ok(m->labels[i]) ||
            (kind == SPY__HISTOGRAM && strcmp(m->labels[i], "le") == 0)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(m->labels[i], m->labels[j]) == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool buckets_ok(const struct spy_buckets *b)
{
    if (b->count > SPY_BUCKETS_MAX) {
        return false;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (!isfinite(b->bounds[i]) || (i > 0 && b->bounds[i] <= b->bounds[i - 1])) {
            return false;
        }
    }
    return true;
}

// https://prometheus.io/docs/instrumenting/writing_clientlibs/#histogram
static const struct spy_buckets default_buckets =
    SPY_BUCKETS(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10);

static const struct spy_buckets *buckets_of(const struct spy_metric *m)
{
    return m->buckets.count > 0 ? &m->buckets : &default_buckets;
}

static bool same_shape(const struct spy__family *f, enum spy__kind kind, const struct spy_metric *m)
{
    if (f->kind != kind || f->label_count != label_count(m)) {
        return false;
    }
    for (size_t i = 0; i < f->label_count; i++) {
        if (strcmp(f->labels[i], m->labels[i]) != 0) {
            return false;
        }
    }
    if (kind != SPY__HISTOGRAM) {
        return true;
    }
    const struct spy_buckets *b = buckets_of(m);
    return f->bucket_count == b->count &&
           memcmp(f->bounds, b->bounds, b->count * sizeof(b->bounds[0])) == 0;
}

// Whether a histogram of this name has a series called `name`: x_bucket, x_sum, x_count.
static bool histogram_has(const char *histogram, const char *name)
{
    size_t n = strlen(histogram);
    return strncmp(histogram, name, n) == 0 &&
           (strcmp(name + n, "_bucket") == 0 || strcmp(name + n, "_sum") == 0 ||
            strcmp(name + n, "_count") == 0);
}

static bool clashes(const struct spy__family *f, enum spy__kind kind, const char *name)
{
    return strcmp(f->name, name) == 0 ||
           (f->kind == SPY__HISTOGRAM && histogram_has(f->name, name)) ||
           (kind == SPY__HISTOGRAM && histogram_has(name, f->name));
}

// ---- Making one
// --------------------------------------------------------------------------------------------------

static const char *keep(char **at, const char *s, size_t n)
{
    char *kept = *at;
    memcpy(kept, s, n);
    kept[n] = 0;
    *at += n + 1;
    return kept;
}

static struct spy__family *new_family(enum spy__kind kind, const struct spy_metric *m)
{
    char help[SPY__HELP_MAX];
    const char *given = m->help ? m->help : "";
    size_t help_len =
        spy__text_normalise(help, sizeof(help), given, strnlen(given, SPY__HELP_MAX + 1));
    size_t labels = label_count(m), bytes = strlen(m->name) + 1 + help_len + 1;
    for (size_t i = 0; i < labels; i++) {
        bytes += strlen(m->labels[i]) + 1;
    }
    struct spy__family *f = calloc(1, sizeof(*f) + bytes);
    if (!f) {
        return NULL;
    }
    char *at = f->strings;
    f->kind = kind;
    f->series_max = m->series_max ? m->series_max : SPY__SERIES_DEFAULT;
    f->name_len = strlen(m->name);
    f->name = keep(&at, m->name, f->name_len);
    f->help_len = help_len;
    f->help = keep(&at, help, help_len);
    f->label_count = (unsigned)labels;
    for (size_t i = 0; i < labels; i++) {
        f->label_lens[i] = strlen(m->labels[i]);
        f->labels[i] = keep(&at, m->labels[i], f->label_lens[i]);
    }
    if (kind == SPY__HISTOGRAM) {
        const struct spy_buckets *b = buckets_of(m);
        f->bucket_count = (unsigned)b->count;
        for (size_t i = 0; i < SPY_BUCKETS_MAX; i++) {
            f->bounds[i] = i < b->count ? b->bounds[i] : INFINITY;
        }
    }
    return f;
}

int spy__family_add(struct spy__family **ret, enum spy__kind kind, const struct spy_metric *m,
                    const struct spy__source *source)
{
    for (struct spy__family *f = first; f; f = f->next) {
        if (!source && !f->library && strcmp(f->name, m->name) == 0 && same_shape(f, kind, m)) {
            *ret = f;
            return 0;
        }
        if (clashes(f, kind, m->name)) {
            return -EEXIST;
        }
    }
    struct spy__family *f = new_family(kind, m);
    if (!f) {
        return -ENOMEM;
    }
    if (source) {
        f->library = true;
        f->read = source->read;
        f->read_arg = source->arg;
        f->read_period_ms = source->period_ms;
        f->read_optional = source->optional;
        f->words = source->words;
    }
    if (f->label_count == 0 && !spy__child_make(f, NULL, 0, 0)) {
        free(f);
        return -ENOMEM;
    }
    __atomic_store_n(last ? &last->next : &first, f, __ATOMIC_RELEASE);
    last = f;
    *ret = f;
    return 0;
}

// spyglass_build_info{version} 1: which library a program has. Where memory ran out, the next call
// goes on.
static int add_build_info(void)
{
    static struct spy__family *family; // guarded by lock
    int r = 0;
    if (!family) {
        r = spy__family_add(&family, SPY__GAUGE,
                            &(struct spy_metric){ .name = "spyglass_build_info",
                                                  .help = "The version of Spyglass in this program",
                                                  .labels = SPY_LABELS("version") },
                            &(struct spy__source){ 0 });
    }
    if (r == 0 && !spy__child_first(family)) {
        struct spy_gauge one = { family, NULL };
        struct spy__child *child =
            spy__child_make(family, (const char *const[]){ SPYGLASS_VERSION }, 1, 0);
        one.word = child ? &child->word : NULL;
        spy_gauge_set(one, 1);
        r = child ? 0 : -ENOMEM;
    }
    return r;
}

// The library's own families come first, at the first call that needs the registry.
int spy__registry_init(void)
{
    if (__atomic_load_n(&ready, __ATOMIC_RELAXED)) {
        return 0;
    }
    int r = init_fork();
    if (r == 0) {
        r = add_build_info();
    }
    if (r == 0) {
        r = spy__dropped_register();
    }
    if (r == 0) {
        __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    }
    return r;
}

int spy__family_register(struct spy__family **ret, enum spy__kind kind,
                         const struct spy_metric *metric, const struct spy__source *source)
{
    if (!metric || !spy__metric_name_ok(metric->name) || !labels_ok(metric, kind) ||
        (kind == SPY__HISTOGRAM && !buckets_ok(&metric->buckets))) {
        return -EINVAL;
    }
    spy__registry_lock();
    int r = spy__registry_init();
    if (r == 0) {
        r = spy__family_add(ret, kind, metric, source);
    }
    spy__registry_unlock();
    return r;
}

struct spy__family *spy__family_first(void)
{
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        spy__registry_lock();
        (void)spy__registry_init(); // without memory the scrape goes on with what there is, and the
                                    // next one tries again
        spy__registry_unlock();
    }
    return __atomic_load_n(&first, __ATOMIC_ACQUIRE);
}
