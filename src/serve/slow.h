// The slow requests whose samples are kept, as JSON, what time continuous profiling covers, and whether
// the heap is sampled:
//
//     {"from_us":…,"to_us":…,"heap":false,"slow":[{"correlation_id":"…","trace_id":"…","name":"GET /memes/{id}",
//       "start_us":…,"duration_us":…,"samples":12,"flamegraph":"/debug/slow/ID"}]}
//
// The newest one comes first. Without continuous profiling the list is empty, and there are no times.
// What stands under `flamegraph` is serve/profile.h's.
//
// Threads: any.
#ifndef SERVE_SLOW_H
#define SERVE_SLOW_H

#include "base/buf.h"
#include "base/json.h"

// What comes behind it is a correlation id or a trace id.
#define SPY__SLOW_PATH "/debug/slow/"

// Appends it. Returns 0 or -ENOMEM.
int spy__slow_list(struct spy__buf *out);
// Inside of an object: `flamegraph` of the request with this id, where it is one of these.
void spy__slow_put_link(struct spy__json *j, const char *id);

#endif
