// What is const between a start and a stop is written once, into an object that is never changed:
// readers have no lock. One that was replaced is kept, since a reader may be in it; a process starts
// few times.
#include "signals/dsc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "record/recent/sampling.h"

struct dsc {
    struct dsc *older;
    double sample_rate;
    char text[SPY__DSC_MAX]; // the members that every trace has alike
};

static struct dsc *made;    // all of them, the newest first; spy__dsc_set()'s
static struct dsc *current; // atomic; NULL: none

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("-._~", c));
}

// Adds ",sentry-KEY=VALUE", percent-encoded; one for which there is no room is left out.
static void add(struct dsc *dsc, const char *key, const char *value)
{
    char member[SPY__DSC_MAX];
    if (!value || !*value) {
        return;
    }
    int n = snprintf(member, sizeof(member), ",%s%s=", SPY__DSC_PREFIX, key);
    size_t at = (size_t)n;
    for (; *value; value++) {
        if (at + 4 > sizeof(member)) {
            return;
        }
        if (is_plain(*value)) {
            member[at++] = *value;
        } else {
            at += (size_t)snprintf(member + at, 4, "%%%02X", (unsigned char)*value);
        }
    }
    size_t used = strlen(dsc->text);
    // What is of the trace itself needs some of it too: see spy__dsc_print().
    if (used + at < sizeof(dsc->text) - 160) {
        memcpy(dsc->text + used, member, at);
        dsc->text[used + at] = 0;
    }
}

int spy__dsc_set(const struct spy__dsc_options *options)
{
    struct dsc *dsc = NULL;
    if (options) {
        char rate[SPY__NUMBER_MAX + 1];
        dsc = calloc(1, sizeof(*dsc));
        if (!dsc) {
            return -ENOMEM;
        }
        rate[spy__double_print(rate, options->sample_rate)] = 0;
        dsc->sample_rate = options->sample_rate;
        add(dsc, "public_key", options->public_key);
        add(dsc, "org_id", options->org_id);
        add(dsc, "environment", options->environment);
        add(dsc, "release", options->release);
        add(dsc, "sample_rate", rate);
        dsc->older = made;
        made = dsc;
    }
    __atomic_store_n(&current, dsc, __ATOMIC_RELEASE);
    return 0;
}

bool spy__dsc_is_set(void)
{
    return __atomic_load_n(&current, __ATOMIC_RELAXED) != NULL;
}

size_t spy__dsc_print(char ret[SPY__DSC_MAX], uint64_t trace_hi, uint64_t trace_lo,
                      bool *ret_sampled)
{
    const struct dsc *dsc = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    if (!dsc) {
        ret[0] = 0;
        return 0;
    }
    double rand = spy__sampling_rand(trace_hi, trace_lo);
    *ret_sampled = rand < dsc->sample_rate;
    // Six decimals, whatever the locale.
    int n = snprintf(ret, SPY__DSC_MAX,
                     SPY__DSC_PREFIX "trace_id=%016llx%016llx," SPY__DSC_PREFIX
                                     "sample_rand=0.%06u," SPY__DSC_PREFIX "sampled=%s%s",
                     (unsigned long long)trace_hi, (unsigned long long)trace_lo,
                     (unsigned)(rand * 1e6 + 0.5), *ret_sampled ? "true" : "false", dsc->text);
    return n > 0 && (size_t)n < SPY__DSC_MAX ? (size_t)n : 0;
}
