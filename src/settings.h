// The options of spy_start() as they are in force: checked, with defaults and environment variables
// filled in.
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

#include "record/mask/pseudonym.h"
#include "record/output/sink.h"
#include "record/recent/sampling.h"
#include "signals/log_level.h"
#include "spyglass/options.h"

#define SPY__SENTRY_DSN_MAX 1024

// Strings are borrowed from the options and the environment. What is owned is there only where
// spy__settings_find() returned 0.
struct spy__settings {
    const char *service, *environment, *release, *state_dir, *admin, *admin_token, *resource_disk,
        *prometheus_url, *clickhouse_url, *clickhouse_ca, *clickhouse_cert, *clickhouse_key,
        *sentry_dsn;
    char dsn[SPY__SENTRY_DSN_MAX]; // where a file said it
    struct spy__sink_options sink;
    enum spy_log_format log_format; // not SPY_LOG_AUTO
    bool colour;
    enum spy_level log_level;
    const char *log_levels;
    struct spy__module_levels modules;
    const char *redact;
    unsigned log_repeats_max;
    unsigned full_wait_ms, ring_slots, ring_bytes, resource_period_s, trace_slow_ms;
    unsigned continuous_hz; // of profiling; 0: off
    int (*before_send)(struct spy_error_report *report, void *arg);
    void *before_send_arg;
    struct spy__sampling sampling;
    bool send_default_pii; // what says who the client of a request is
    double profiles_rate;  // of the transactions
    const char *profiles_platform;
    bool clickhouse_no_migrate, crash_handler;
    uint64_t journal_max_bytes;
    struct spy__pseudonyms *pseudonyms; // of events; NULL for none. Owned: free it
};

// Returns 0, or what spy__settings_refuse() returned.
int spy__settings_find(struct spy__settings *ret, const struct spy_options *options);

// A format's, and a destination's name.
const char *spy__settings_format(const struct spy__settings *settings);
const char *spy__settings_output(const struct spy__settings *settings);

// Keeps the sentence for this thread's spy_start_error(), and returns err.
SPY_PRINTF(2, 3) int spy__settings_refuse(int err, const char *format, ...);

#endif
