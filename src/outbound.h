// What leaves for the network: the backends that the host asked for, their engine, and what is said
// of them in the log (and by outbound_metrics.c in metrics).
//
// Nothing here runs unless a backend is configured: no journal, no thread, no connection.
//
// Threads: spyglass.c's, one at a time; the hooks that it gives to others are theirs to call.
#ifndef OUTBOUND_H
#define OUTBOUND_H

#include "backends/clickhouse_ask.h"
#include "backends/sentry_report.h"
#include "deliver/engine.h"
#include "encode/sentry_host.h"
#include "record/document.h"
#include "record/journal/journal.h"
#include "record/recent/traces.h"
#include "settings.h"
#include "signals/error_report.h"

// The journal that the configured backends need: fills *ret and returns it, or NULL where there are
// none. state_dir: NULL for a journal in memory.
const struct spy__journal_options *spy__outbound_journal(struct spy__journal_options *ret,
                                                         const struct spy__settings *settings,
                                                         const char *state_dir);
// Opens that journal's readers, so that it keeps records for them: before any is replayed into it. A
// no-op where it is NULL. Returns 0, or what spy__settings_refuse() returned.
int spy__outbound_open(const struct spy__settings *settings, const char *state_dir,
                       struct spy__journal *journal);
// Starts the engine, once lines can be written. A no-op where none is open. Returns likewise.
int spy__outbound_start(void);
// Sends what it can. Returns 0, or -ETIMEDOUT where records were lost (they are counted): those of a
// journal on a disk are the next start's. A no-op without a start.
int spy__outbound_stop(unsigned timeout_ms);

// Whether the log is not to be written any more. Threads: any.
bool spy__outbound_is_quiet(void);
// Lets the delivery thread look around. Threads: any.
void spy__outbound_wake(void);

// ---- outbound_clickhouse.c

// Makes the backend, where clickhouse_url is set. Returns as spy__outbound_open().
int spy__outbound_clickhouse_make(struct spy__backend *ret, const struct spy__settings *settings);
// Where events go, without secrets; NULL for nowhere.
const char *spy__outbound_clickhouse(void);
// Who asks that server for people, until the stop; NULL where there is none.
struct spy__clickhouse_asker *spy__outbound_asker(void);
// In a child after fork() what was made is left as it is.
void spy__outbound_clickhouse_free(bool child);

// ---- outbound_sentry.c

// Likewise, where sentry_dsn is set. state_dir: borrowed for the call; NULL for none.
int spy__outbound_sentry_make(struct spy__backend *ret, const struct spy__settings *settings,
                              const char *state_dir);
void spy__outbound_sentry_free(bool child);
// Where documents go, without the DSN's key and project; NULL for nowhere.
const char *spy__outbound_sentry(void);
// Sees what an earlier run left in the journal; before make.
void spy__outbound_sentry_found(void *arg, const void *bytes, size_t n);
// In a child after fork() there is no Sentry.
void spy__outbound_sentry_forget(void);
// Whether there is somewhere for documents to go. Threads: any.
bool spy__outbound_sentry_wants(void);
// Appends a document to the journal: its totals are filled in here. What the server does not want
// now, or never would for its size, is dropped and counted, as spy__outbound_sentry_lost() does. A
// no-op where Sentry is off. Threads: the pump's; or that of the start, before the pump runs.
void spy__outbound_sentry_give(const struct spy__document *document);
// Counts what was dropped before it became a document, for the next report to Sentry. A transaction
// is one of its category, and its spans, and one more, of theirs. Threads: any.
void spy__outbound_sentry_lost(enum spy__sentry_reason reason, enum spy__sentry_category category,
                               uint64_t n);

// ---- outbound_errors.c

// Where sentry_dsn is set: what events say of this machine and process, known from here on. Returns
// as spy__outbound_open().
int spy__outbound_errors_open(const struct spy__settings *settings);
void spy__outbound_errors_close(void);
const struct spy__sentry_host *spy__outbound_host(void);
// Makes an event of an error, and gives it as a document. Of a crash, error->crash is a struct
// spy__sentry_event with what is not in its record. Threads: as spy__outbound_sentry_give().
void spy__outbound_error(const struct spy__error_passed *error);
// One was not to be sent: the host did not want it, or there were too many.
void spy__outbound_error_unsent(bool refused);
// Some never came out of the rings. Threads: any.
void spy__outbound_errors_lost(uint64_t n);

// ---- outbound_traces.c

// Where sentry_dsn is set: what heads of traces say of themselves from here on. Returns as
// spy__outbound_open().
int spy__outbound_traces_open(const struct spy__settings *settings);
void spy__outbound_traces_close(void);
// A trace was decided: a kept one becomes a transaction, any other is counted for Sentry. Threads: as
// spy__outbound_sentry_give().
void spy__outbound_trace(const struct spy__trace *trace);

// ---- outbound_metrics.c

// spyglass_delivery_*, spyglass_journal_*. Returns as spy_counter_register().
int spy__outbound_register(void);
// A backend's series stand in every scrape, at zero, from here on.
void spy__outbound_show(const char *backend);
void spy__outbound_count(void *arg, const char *backend, enum spy__lane_count what, uint64_t n);
void spy__outbound_dropped(void *arg, const char *backend, const char *reason, uint64_t records);
// Something bound for a backend was dropped before it waited for it.
void spy__outbound_refused(const char *backend, const char *reason);
void spy__outbound_took(void *arg, const char *backend, uint64_t ns);
void spy__outbound_waits(void *arg, const char *backend, uint64_t queued, uint64_t records,
                         uint64_t bytes, bool failing);
void spy__outbound_lost(void *arg, const char *reader, enum spy__journal_loss why,
                        uint64_t entries);
void spy__outbound_journal_is(const struct spy__journal_state *state);
// Records that were dropped are kept as dead letters.
void spy__outbound_kept_dead(const char *backend, uint64_t records);

#endif
