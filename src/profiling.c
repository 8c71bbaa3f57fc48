#include "profiling.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "encode/sentry_transaction.h"
#include "profile/sampler.h"
#include "signals/context.h"
#include "signals/tail.h"
#include "signals/work.h"
#include "spyglass/log.h"

static uint64_t slow_after_ns; // const while a pump runs
static bool host_handles;      // SIGPROF, itself: likewise

int spy__profiling_register(void)
{
    return spy__sampler_register();
}

int spy__profiling_start(const struct spy__settings *s)
{
    struct spy__sampler_options options = { .continuous_hz = s->continuous_hz,
                                            .work = spy__context_work,
                                            .mark = spy__context_mark,
                                            .watch = spy__context_watch };
    spy__sampler_watch_forks();
    int err = spy__sampler_start(&options);
    host_handles = err == -EBUSY;
    if (host_handles) {
        options.continuous_hz = 0;
        err = spy__sampler_start(&options);
    }
    errno = -err; // for %m
    return err ? spy__settings_refuse(err, "profiling cannot be started: %m") : 0;
}

void spy__profiling_say(void)
{
    if (host_handles) {
        spy_warn("spyglass_profiling_unusable",
                 spy_str("error", "the program handles SIGPROF itself"));
    }
}

void spy__profiling_stop(void)
{
    spy__sampler_stop();
}

void spy__profiling_slow(uint64_t slow_ns)
{
    slow_after_ns = slow_ns;
}

// Of a root's record: the request, as the sampler is asked for it.
static struct spy__slow_request request_of(const struct spy__trace *trace,
                                           const struct spy__record *root)
{
    struct spy__slow_request request = { .trace_hi = trace->hi,
                                         .trace_lo = trace->lo,
                                         .start_ns = root->time_ns,
                                         .duration_ns = trace->root_ns };
    (void)snprintf(request.correlation_id, sizeof(request.correlation_id), "%s",
                   trace->correlation_id);
    struct spy__buf name;
    spy__buf_init_fixed(&name, request.name, sizeof(request.name) - 1);
    spy__sentry_put_transaction_name(&name, root);
    if (name.failed) {
        (void)snprintf(request.name, sizeof(request.name), "%s", root->event);
    }
    return request;
}

// Whatever else is to be said of its trace.
static void keep_slow(const struct spy__trace *trace)
{
    struct spy__wire_view root;
    if (!trace->root || trace->root_ns < slow_after_ns ||
        spy__wire_read(&root, trace->root->bytes, trace->root->n) != 0) {
        return;
    }
    const struct spy__slow_request request = request_of(trace, &root.record);
    spy__profile_keep_slow(&request);
}

bool spy__profiling_has_slow(const struct spy__trace *trace)
{
    struct spy__slow_request newest;
    return spy__profile_list_slow(&newest, 1) == 1 && newest.trace_hi == trace->hi &&
           newest.trace_lo == trace->lo;
}

struct spy__profile *spy__profiling_of_trace(const struct spy__trace *trace,
                                             const struct spy__record *root)
{
    const struct spy__slow_request request = request_of(trace, root);
    return spy__profile_of_request(&request);
}

void spy__profiling_decided(const struct spy__trace *trace)
{
    spy__tail_decided(trace);
    keep_slow(trace);
}
