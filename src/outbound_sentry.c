// Sentry, where documents go: errors, transactions, sessions.
//
// Each document says how much was given before it, so that the reader knows what the journal lost
// (backends/sentry_report.h). What is to be told of losses, and how far the reader was, lies in
// state_dir/delivery/sentry.counts, written over in place by one call: it outlives the process, as
// the journal does.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sentry.h"
#include "base/clock.h"
#include "outbound.h"
#include "record/journal/segment.h"
#include "record/recent/keep.h"

#define NAME "sentry"

static struct {
    bool wants; // atomic: some ask without a lock
    struct spy__sentry *sentry;
    int counts_fd; // -1: there is no file

    // The giver's own.
    unsigned char *scratch; // one document as bytes; pages that none needs are never touched
    uint64_t totals[SPY__SENTRY_CATEGORIES]; // of what was given
} out = { .counts_fd = -1 };

static void wake(void *arg)
{
    (void)arg;
    spy__outbound_wake();
}

// Not freed: callers count in them whatever stops meanwhile.
static struct spy__sentry_limits limits;
static struct spy__sentry_report report = { .mu = PTHREAD_MUTEX_INITIALIZER, .wake = wake };

// ---- what is kept over a restart

static void save_counts(void)
{
    unsigned char bytes[SPY__SENTRY_REPORT_BYTES];
    if (out.counts_fd >= 0 && spy__sentry_report_pack(&report, bytes)) {
        // Where that fails a later one may not; what a full disk takes away are counts of losses.
        (void)!pwrite(out.counts_fd, bytes, sizeof(bytes), 0);
    }
}

static void load_counts(const char *state_dir)
{
    char path[PATH_MAX];
    unsigned char bytes[SPY__SENTRY_REPORT_BYTES];
    int n = snprintf(path, sizeof(path), "%s/delivery", state_dir);
    if (n < 0 || n + 16 >= PATH_MAX) {
        return;
    }
    (void)mkdir(path, 0700);
    memcpy(path + n, "/" NAME ".counts", sizeof("/" NAME ".counts"));
    out.counts_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t some = out.counts_fd < 0 ? -1 : pread(out.counts_fd, bytes, sizeof(bytes), 0);
    if (some > 0) {
        spy__sentry_report_unpack(&report, bytes, (size_t)some);
    }
}

// Documents that an earlier process gave: this one counts on.
void spy__outbound_sentry_found(void *arg, const void *bytes, size_t n)
{
    struct spy__document document;
    (void)arg;
    if (spy__document_read(&document, bytes, n) == 0) {
        memcpy(out.totals, document.totals, sizeof(out.totals));
        for (size_t i = 0; i < document.item_count; i++) {
            spy__sentry_count_item(out.totals, &document.items[i]);
        }
    }
}

// Where all that were given had been done with, and their segments are gone.
static void count_on(void)
{
    pthread_mutex_lock(&report.mu);
    for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        out.totals[i] = out.totals[i] < report.settled[i] ? report.settled[i] : out.totals[i];
    }
    pthread_mutex_unlock(&report.mu);
}

// ---- start and stop

int spy__outbound_sentry_make(struct spy__backend *ret, const struct spy__settings *s,
                              const char *state_dir)
{
    const char *why = "no memory";
    const struct spy__sentry_options options = {
        .dsn = s->sentry_dsn,
        .limits = &limits,
        .report = &report,
        .overflow = state_dir ? SPY__SENTRY_CACHE_OVERFLOW : SPY__SENTRY_QUEUE_OVERFLOW,
        .changed = save_counts,
    };
    memset(&limits, 0, sizeof(limits));
    spy__sentry_report_reset(&report);
    out.scratch = malloc(SPY__ENTRY_BYTES_MAX);
    int err = out.scratch ? spy__sentry_new(&out.sentry, &options, &why) : -ENOMEM;
    if (err != 0) {
        return spy__settings_refuse(err, "sentry_dsn cannot be used: %s", why);
    }
    if (state_dir) {
        load_counts(state_dir);
    }
    count_on();
    __atomic_store_n(&out.wants, true, __ATOMIC_RELAXED);
    *ret = (struct spy__backend){
        .name = NAME,
        .base = spy__sentry_base(out.sentry),
        .self = out.sentry,
        .kinds = 1u << SPY__KIND_DOCUMENT,
        .rows_max = 1, // an envelope has one event at most
        .bytes_max = SPY__ENTRY_BYTES_MAX,
        .prepare = spy__sentry_prepare,
        .prepared = spy__sentry_prepared,
        .due_ns = spy__sentry_due_ns,
        .pass_over = spy__sentry_pass_over,
        .encode = spy__sentry_encode,
        .judge = spy__sentry_judge,
    };
    return 0;
}

const char *spy__outbound_sentry(void)
{
    return out.sentry ? spy__sentry_base(out.sentry) : NULL;
}

void spy__outbound_sentry_free(bool child)
{
    __atomic_store_n(&out.wants, false, __ATOMIC_RELAXED);
    if (!child) { // whose copy may be half of something
        save_counts();
        spy__sentry_free(out.sentry);
        free(out.scratch);
    }
    if (out.counts_fd >= 0) {
        close(out.counts_fd);
    }
    out.counts_fd = -1;
    out.sentry = NULL;
    out.scratch = NULL;
    memset(out.totals, 0, sizeof(out.totals));
}

void spy__outbound_sentry_forget(void)
{
    __atomic_store_n(&out.wants, false, __ATOMIC_RELAXED);
}

// ---- documents

bool spy__outbound_sentry_wants(void)
{
    return __atomic_load_n(&out.wants, __ATOMIC_RELAXED);
}

void spy__outbound_sentry_lost(enum spy__sentry_reason reason, enum spy__sentry_category category,
                               uint64_t n)
{
    if (spy__outbound_sentry_wants()) {
        spy__sentry_report_lost(&report, reason, category, n);
    }
}

static void refuse(const struct spy__document_item *items, size_t count,
                   enum spy__sentry_reason reason, const char *word)
{
    uint64_t counts[SPY__SENTRY_CATEGORIES] = { 0 };
    for (size_t i = 0; i < count; i++) {
        spy__sentry_count_item(counts, &items[i]);
    }
    spy__sentry_report_lost_all(&report, reason, counts);
    if (word) {
        spy__outbound_refused(NAME, word);
    }
}

static bool is_limited(const struct spy__document_item *item)
{
    return spy__sentry_is_limited(&limits, spy__sentry_category_of(item), spy__monotonic_ns());
}

// What is limited, or too large, beside the first item is left out; a document without that is none.
static bool leave_out(struct spy__document *document)
{
    size_t kept = 0, given = document->item_count;
    for (size_t i = 0; i < given; i++) {
        const struct spy__document_item item = document->items[i];
        bool limited = is_limited(&item), large = item.n > SPY__DOCUMENT_ITEM_BYTES_MAX;
        if (!limited && !large) {
            document->items[kept++] = item;
            continue;
        }
        enum spy__sentry_reason reason =
            limited ? SPY__SENTRY_RATELIMIT_BACKOFF : SPY__SENTRY_INSUFFICIENT_DATA;
        if (i == 0) {
            refuse(document->items, given, reason, limited ? "ratelimit_backoff" : "too_large");
            return false;
        }
        refuse(&item, 1, reason, NULL);
    }
    document->item_count = kept;
    return true;
}

void spy__outbound_sentry_give(const struct spy__document *given)
{
    struct spy__document document = *given;
    if (!spy__outbound_sentry_wants() || !leave_out(&document)) {
        return;
    }
    memcpy(document.totals, out.totals, sizeof(out.totals));
    size_t n = spy__document_write(out.scratch, SPY__ENTRY_BYTES_MAX, &document);
    if (n == 0) { // not as record/document.h wants it
        refuse(document.items, document.item_count, SPY__SENTRY_INTERNAL_ERROR, "unreadable");
        return;
    }
    for (size_t i = 0; i < document.item_count; i++) {
        spy__sentry_count_item(out.totals, &document.items[i]);
    }
    spy__keep_document(out.scratch, n);
}
