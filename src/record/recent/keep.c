// One record is encoded once, for all who keep it.

#include "record/recent/keep.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "record/journal/watermarks.h"

struct scratch {
    _Alignas(8) unsigned char bytes[SPY__RECORD_MAX + SPY__WIRE_SLACK];
};

static struct {
    // Const between open and close.
    struct spy__journal *journal;
    struct spy__watermarks *watermarks;                    // of that, where there is one
    void (*found)(void *arg, const void *bytes, size_t n); // of who else asks what it holds
    void *found_arg;
    struct spy__window *window;
    struct spy__traces *traces; // what it points to is guarded by mu
    void (*decided)(const struct spy__trace *trace);
    void (*span_lost)(void);
    struct scratch *scratch; // the pump's
    // What was recalled into the window: const once the pump runs.
    struct spy__record_id recalled[SPY__WINDOW_PICK_MAX];
    unsigned recalled_count;
    bool child; // written after fork() alone
    pthread_mutex_t mu;
} keep = { .mu = PTHREAD_MUTEX_INITIALIZER };

static void become_child(void)
{
    keep.child = true;
    keep.mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; // whoever held it is not here
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

static void tell_decided(void *arg, const struct spy__trace *trace)
{
    (void)arg;
    if (keep.decided) {
        keep.decided(trace);
    }
}

static int open_windows(const struct spy__keep_options *options)
{
    keep.window = spy__window_new();
    keep.traces = spy__traces_new(&(struct spy__traces_options){
        .slow_ns = options->slow_ns,
        .sampling = options->sampling,
        .kept_max = SPY__TRACES_KEPT_MAX,
        .decided = tell_decided,
    });
    return keep.window && keep.traces ? 0 : -ENOMEM;
}

static void note_found(void *arg, const void *bytes, size_t n)
{
    spy__watermarks_note(arg, bytes, n);
    if (keep.found) {
        keep.found(keep.found_arg, bytes, n);
    }
}

static int open_journal(const struct spy__journal_options *options)
{
    struct spy__journal_options o = *options;
    keep.watermarks = calloc(1, sizeof(*keep.watermarks));
    if (!keep.watermarks) {
        return -ENOMEM;
    }
    keep.found = o.found;
    keep.found_arg = o.found_arg;
    o.found = note_found;
    o.found_arg = keep.watermarks;
    return spy__journal_open(&keep.journal, &o);
}

int spy__keep_open(const struct spy__keep_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    keep.child = false;
    keep.recalled_count = 0;
    keep.decided = options->decided;
    keep.span_lost = options->span_lost;
    keep.scratch = malloc(sizeof(*keep.scratch));
    int err = keep.scratch ? 0 : -ENOMEM;
    if (err == 0 && options->journal) {
        err = open_journal(options->journal);
    }
    if (err == 0 && options->recent) {
        err = open_windows(options);
    }
    if (err != 0) {
        spy__keep_close();
    }
    return err;
}

void spy__keep_close(void)
{
    if (keep.traces && !keep.child) {
        spy__traces_flush(keep.traces); // so that all that were opened are counted
    }
    spy__traces_free(keep.traces);
    spy__window_free(keep.window);
    spy__journal_close(keep.journal);
    free(keep.watermarks);
    free(keep.scratch);
    keep.traces = NULL;
    keep.window = NULL;
    keep.journal = NULL;
    keep.watermarks = NULL;
    keep.scratch = NULL;
}

bool spy__keep_holds(const struct spy__record *record)
{
    return keep.journal && record->recovered && spy__watermarks_hold(keep.watermarks, &record->id);
}

// Whether it is for the journal, and not there yet.
static bool is_sent(const struct spy__record *record)
{
    return keep.journal && (spy__journal_wanted(keep.journal) >> record->kind & 1) &&
           !spy__keep_holds(record);
}

// A line that nobody but the window keeps is there as it came: most hold no secret.
static size_t write_record(void *to, size_t cap, const struct spy__record *record, bool sent)
{
    bool whole = record->kind == SPY__KIND_LOG || record->kind == SPY__KIND_SPAN;
    size_t n = !sent && whole ? spy__wire_copy(to, cap, record) : 0;
    return n > 0 ? n : spy__wire_write(to, cap, record);
}

// Appends the record at the start of n bytes, which may be anything. Returns its length, or 0.
static size_t recall(const unsigned char *bytes, size_t n)
{
    struct spy__wire_head *head = (struct spy__wire_head *)(void *)keep.scratch->bytes;
    struct spy__wire_view view;
    if (n < sizeof(*head)) {
        return 0;
    }
    memcpy(head, bytes, sizeof(*head));
    const size_t whole = head->bytes;
    if (whole > n || whole > SPY__RECORD_MAX) {
        return 0;
    }
    memcpy(keep.scratch->bytes, bytes, whole);
    if (spy__wire_read(&view, keep.scratch->bytes, whole) != 0) {
        return 0;
    }
    head->flags |= SPY__WIRE_RECOVERED;
    spy__window_append(keep.window, view.record.kind, view.record.level, keep.scratch->bytes,
                       whole);
    keep.recalled[keep.recalled_count++] = view.record.id;
    return whole;
}

void spy__keep_recall(const void *bytes, size_t n)
{
    size_t some = 1;
    if (!keep.scratch || !keep.window) {
        return;
    }
    for (size_t at = 0; at < n && some > 0 && keep.recalled_count < SPY__WINDOW_PICK_MAX;
         at += some) {
        some = recall((const unsigned char *)bytes + at, n - at);
    }
}

// Whether its process had shown it to its window before it died.
static bool is_recalled(const struct spy__record *record)
{
    for (unsigned i = 0; record->recovered && i < keep.recalled_count; i++) {
        const struct spy__record_id *id = &keep.recalled[i];
        if (id->run == record->id.run && id->slot == record->id.slot &&
            id->sequence == record->id.sequence) {
            return true;
        }
    }
    return false;
}

void spy__keep_give(const struct spy__record *record)
{
    if (!keep.scratch || keep.child) {
        return;
    }
    bool sent = is_sent(record);
    if (!sent && !keep.window) {
        return;
    }
    unsigned char *bytes = keep.scratch->bytes;
    size_t n = write_record(bytes, sizeof(keep.scratch->bytes), record, sent);
    if (n == 0) {
        return; // longer than any that came out of a ring
    }
    if (sent) {
        spy__journal_append(keep.journal, (unsigned)record->kind, bytes, n);
    }
    if (keep.window && !is_recalled(record)) {
        spy__window_append(keep.window, record->kind, record->level, bytes, n);
    }
    if (keep.traces && record->kind == SPY__KIND_SPAN) {
        pthread_mutex_lock(&keep.mu);
        bool added = spy__traces_add(keep.traces, record, bytes, n);
        pthread_mutex_unlock(&keep.mu);
        if (!added && keep.span_lost) {
            keep.span_lost();
        }
    }
}

void spy__keep_document(const void *bytes, size_t n)
{
    if (keep.journal && !keep.child) {
        spy__journal_append(keep.journal, SPY__KIND_DOCUMENT, bytes, n);
    }
}

void spy__keep_flush(void)
{
    if (keep.journal && !keep.child) {
        spy__journal_flush(keep.journal);
    }
}

struct spy__journal *spy__keep_journal(void)
{
    return keep.journal;
}

struct spy__window *spy__keep_window(void)
{
    return keep.window;
}

const struct spy__traces *spy__keep_lock_traces(void)
{
    if (keep.traces) {
        pthread_mutex_lock(&keep.mu);
    }
    return keep.traces;
}

void spy__keep_unlock_traces(void)
{
    pthread_mutex_unlock(&keep.mu);
}
