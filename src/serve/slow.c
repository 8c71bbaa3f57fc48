#include "serve/slow.h"

#include <errno.h>
#include <string.h>

#include "base/ids.h"
#include "profile/heap.h"
#include "profile/sampler.h"

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    spy__json_key(j, key);
    spy__json_str(j, text);
}

static void put_us(struct spy__json *j, const char *key, uint64_t ns)
{
    spy__json_key(j, key);
    spy__json_u64(j, ns / 1000);
}

static void trace_of(char ret[33], const struct spy__slow_request *request)
{
    spy__hex_u64(ret, request->trace_hi);
    spy__hex_u64(ret + 16, request->trace_lo);
    ret[32] = '\0';
}

// By its trace: requests may share a correlation id, which also may be of any characters.
static void put_flamegraph(struct spy__json *j, const struct spy__slow_request *request)
{
    char path[sizeof(SPY__SLOW_PATH) + 32] = SPY__SLOW_PATH;
    trace_of(path + strlen(SPY__SLOW_PATH), request);
    put_text(j, "flamegraph", path);
}

static void put_request(struct spy__json *j, const struct spy__slow_request *request)
{
    char trace[33];
    trace_of(trace, request);
    spy__json_object(j);
    put_text(j, "correlation_id", request->correlation_id);
    put_text(j, "trace_id", trace);
    put_text(j, "name", request->name);
    put_us(j, "start_us", request->start_ns);
    put_us(j, "duration_us", request->duration_ns);
    spy__json_key(j, "samples");
    spy__json_u64(j, request->samples);
    put_flamegraph(j, request);
    spy__json_object_end(j);
}

int spy__slow_list(struct spy__buf *out)
{
    struct spy__slow_request requests[SPY__PROFILE_SLOW_MAX];
    struct spy__json j;
    uint64_t from_ns, to_ns;
    size_t n = spy__profile_list_slow(requests, SPY__PROFILE_SLOW_MAX);
    spy__json_init(&j, out);
    spy__json_object(&j);
    if (spy__profile_covered(&from_ns, &to_ns)) {
        put_us(&j, "from_us", from_ns);
        put_us(&j, "to_us", to_ns);
    }
    spy__json_key(&j, "heap");
    spy__json_bool(&j, spy__heap_is_sampled(spy__heap_source()));
    spy__json_key(&j, "slow");
    spy__json_array(&j);
    for (size_t i = 0; i < n; i++) {
        put_request(&j, &requests[i]);
    }
    spy__json_array_end(&j);
    spy__json_object_end(&j);
    return out->failed ? -ENOMEM : 0;
}

void spy__slow_put_link(struct spy__json *j, const char *id)
{
    struct spy__slow_request requests[SPY__PROFILE_SLOW_MAX];
    size_t n = spy__profile_list_slow(requests, SPY__PROFILE_SLOW_MAX);
    for (size_t i = 0; i < n; i++) {
        char trace[33];
        trace_of(trace, &requests[i]);
        if (strcmp(trace, id) == 0 || strcmp(requests[i].correlation_id, id) == 0) {
            put_flamegraph(j, &requests[i]);
            return;
        }
    }
}
