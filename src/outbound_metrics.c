// The metrics of delivery, the same for every backend.
//
// queued = sent + dropped + waiting, as of the engine's last look: once a second while anything
// moves. The journal's losses are among what was dropped.

#include <errno.h>

#include "outbound.h"
#include "spyglass/metrics.h"

// Zero, a no-op, where the host has a metric of that name.
static struct {
    struct spy_counter counts[SPY__LANE_COUNTS], queued, dropped, dead;
    struct spy_gauge records, bytes, failing, journal, journal_max;
    struct spy_histogram seconds;
} metrics;

static int counter(struct spy_counter *ret, const char *name, const char *help, const char *label)
{
    int err = spy_counter_register(
        ret, &(struct spy_metric){ .name = name, .help = help, .labels = { "backend", label } });
    return err == -EEXIST ? 0 : err;
}

static int gauge(struct spy_gauge *ret, const char *name, const char *help, const char *label)
{
    int err = spy_gauge_register(
        ret, &(struct spy_metric){ .name = name, .help = help, .labels = { label } });
    return err == -EEXIST ? 0 : err;
}

static int register_counters(void)
{
    int err = counter(&metrics.queued, "spyglass_delivery_queued_total",
                      "Records bound for a backend", NULL);
    err = err ? err
              : counter(&metrics.counts[SPY__LANE_SENT], "spyglass_delivery_sent_total",
                        "Records that a backend took", NULL);
    err = err ? err
              : counter(&metrics.counts[SPY__LANE_RETRIED], "spyglass_delivery_retried_total",
                        "Records whose try failed and is made again, for each such try", NULL);
    err = err ? err
              : counter(&metrics.counts[SPY__LANE_BYTES], "spyglass_delivery_sent_bytes_total",
                        "Bytes of bodies that a backend took, as they were sent", NULL);
    err = err ? err
              : counter(&metrics.dead, "spyglass_delivery_dead_letters_total",
                        "Records that were dropped and are kept in the dead-letter file", NULL);
    return err ? err
               : counter(&metrics.dropped, "spyglass_delivery_dropped_total",
                         "Records that were never delivered, by reason", "reason");
}

static int register_gauges(void)
{
    int err = gauge(&metrics.records, "spyglass_delivery_waiting_records",
                    "Records in the journal that a backend has not taken", "backend");
    err = err ? err
              : gauge(&metrics.bytes, "spyglass_delivery_waiting_bytes",
                      "Bytes of the journal behind a backend's cursor", "backend");
    err = err ? err
              : gauge(&metrics.failing, "spyglass_delivery_failing",
                      "1 while tries of a backend fail, else 0", "backend");
    err = err ? err
              : gauge(&metrics.journal, "spyglass_journal_bytes", "Bytes that the journal keeps",
                      NULL);
    return err ? err
               : gauge(&metrics.journal_max, "spyglass_journal_max_bytes",
                       "Bytes past which the journal drops its oldest records", NULL);
}

static const char *const losses[SPY__JOURNAL_LOSSES] = {
    [SPY__JOURNAL_LOST_CAP] = "journal_cap",
    [SPY__JOURNAL_LOST_WRITE] = "journal_write",
    [SPY__JOURNAL_LOST_MEMORY] = "journal_memory",
    [SPY__JOURNAL_LOST_CORRUPT] = "journal_corrupt",
};

void spy__outbound_show(const char *backend)
{
    for (int what = 0; what < SPY__LANE_COUNTS; what++) {
        spy__outbound_count(NULL, backend, (enum spy__lane_count)what, 0);
    }
    spy__outbound_waits(NULL, backend, 0, 0, 0, false);
    spy__outbound_kept_dead(backend, 0);
    for (int why = 0; why < SPY__JOURNAL_LOSSES; why++) {
        spy__outbound_lost(NULL, backend, (enum spy__journal_loss)why, 0);
    }
    (void)spy_histogram_with(metrics.seconds, backend);
}

int spy__outbound_register(void)
{
    int err = register_counters();
    err = err ? err : register_gauges();
    if (err != 0) {
        return err;
    }
    err = spy_histogram_register(
        &metrics.seconds,
        &(struct spy_metric){ .name = "spyglass_delivery_batch_seconds",
                              .help = "Time from the first try of a batch until it was taken",
                              .labels = SPY_LABELS("backend"),
                              .buckets = SPY_BUCKETS(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                     2.5, 5, 10, 30, 60, 300) });
    return err == -EEXIST ? 0 : err;
}

void spy__outbound_count(void *arg, const char *backend, enum spy__lane_count what, uint64_t n)
{
    (void)arg;
    spy_counter_add(spy_counter_with(metrics.counts[what], backend), n);
}

void spy__outbound_dropped(void *arg, const char *backend, const char *reason, uint64_t records)
{
    (void)arg;
    spy_counter_add(spy_counter_with(metrics.dropped, backend, reason), records);
}

void spy__outbound_refused(const char *backend, const char *reason)
{
    spy_counter_add(spy_counter_with(metrics.queued, backend), 1);
    spy__outbound_dropped(NULL, backend, reason, 1);
}

void spy__outbound_took(void *arg, const char *backend, uint64_t ns)
{
    (void)arg;
    spy_histogram_observe(spy_histogram_with(metrics.seconds, backend), (double)ns / 1e9);
}

void spy__outbound_waits(void *arg, const char *backend, uint64_t queued, uint64_t records,
                         uint64_t bytes, bool failing)
{
    (void)arg;
    spy_counter_add(spy_counter_with(metrics.queued, backend), queued);
    spy_gauge_set(spy_gauge_with(metrics.records, backend), (double)records);
    spy_gauge_set(spy_gauge_with(metrics.bytes, backend), (double)bytes);
    spy_gauge_set(spy_gauge_with(metrics.failing, backend), failing ? 1 : 0);
}

void spy__outbound_lost(void *arg, const char *reader, enum spy__journal_loss why, uint64_t entries)
{
    spy__outbound_dropped(arg, reader, losses[why], entries);
}

void spy__outbound_journal_is(const struct spy__journal_state *state)
{
    spy_gauge_set(metrics.journal, (double)state->bytes);
    spy_gauge_set(metrics.journal_max, (double)state->bytes_max);
}

void spy__outbound_kept_dead(const char *backend, uint64_t records)
{
    spy_counter_add(spy_counter_with(metrics.dead, backend), records);
}
