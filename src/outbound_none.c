// A build without delivery: nothing leaves for the network.

#include <errno.h>
#include <stdio.h>

#include "outbound.h"
#include "spyglass/events.h"

const struct spy__journal_options *spy__outbound_journal(struct spy__journal_options *ret,
                                                         const struct spy__settings *settings,
                                                         const char *state_dir)
{
    (void)ret, (void)settings, (void)state_dir;
    return NULL;
}

int spy__outbound_open(const struct spy__settings *settings, const char *state_dir,
                       struct spy__journal *journal)
{
    const char *option = settings->clickhouse_url ? "clickhouse_url" : "sentry_dsn";
    (void)state_dir, (void)journal;
    return settings->clickhouse_url || settings->sentry_dsn
               ? spy__settings_refuse(-ENOTSUP, "%s is set, and this build has no delivery", option)
               : 0;
}

int spy__outbound_start(void)
{
    return 0;
}

int spy__outbound_stop(unsigned timeout_ms)
{
    (void)timeout_ms;
    return 0;
}

const char *spy__outbound_clickhouse(void)
{
    return NULL;
}

const char *spy__outbound_sentry(void)
{
    return NULL;
}

int spy__outbound_errors_open(const struct spy__settings *settings)
{
    (void)settings;
    return 0;
}

void spy__outbound_errors_close(void)
{
}

const struct spy__sentry_host *spy__outbound_host(void)
{
    static const struct spy__sentry_host none;
    return &none;
}

bool spy__outbound_sentry_wants(void)
{
    return false;
}

void spy__outbound_sentry_give(const struct spy__document *document)
{
    (void)document;
}

void spy__outbound_error(const struct spy__error_passed *error)
{
    (void)error;
}

void spy__outbound_error_unsent(bool refused)
{
    (void)refused;
}

void spy__outbound_errors_lost(uint64_t n)
{
    (void)n;
}

int spy__outbound_traces_open(const struct spy__settings *settings)
{
    (void)settings;
    return 0;
}

void spy__outbound_traces_close(void)
{
}

void spy__outbound_trace(const struct spy__trace *trace)
{
    (void)trace;
}

int spy_events_migrate(const struct spy_events_server *server,
                       void (*applied)(void *arg, const char *name), void *arg,
                       char error[SPY_EVENTS_ERROR_MAX])
{
    (void)server, (void)applied, (void)arg;
    (void)snprintf(error, SPY_EVENTS_ERROR_MAX, "this build of Spyglass has no delivery");
    return -ENOTSUP;
}
