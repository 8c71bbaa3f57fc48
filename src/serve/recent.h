// What the page's rooms of logs and requests show, as JSON: from the windows of record/recent/keep.h.
//
// No I/O; the answer is bounded by SPY__RECENT_BYTES. Threads: any.
#ifndef SERVE_RECENT_H
#define SERVE_RECENT_H

#include "base/buf.h"
#include "record/recent/window.h"

#define SPY__RECENT_LIMIT 200u // lines of an answer, unless the question says otherwise
#define SPY__RECENT_LIMIT_MAX 1000u
#define SPY__RECENT_REQUESTS_MAX 200u // beside those whose traces are kept
#define SPY__RECENT_TEXT_MAX 256u
// An answer ends before the line that would pass it; what is in one line is bounded by
// SPY__LINE_MAX.
#define SPY__RECENT_BYTES (1u << 20)

struct spy__recent_query {
    struct spy__window_query match; // borrows
    bool has_since;
    uint64_t since; // a number that an earlier answer gave as `next`
    unsigned limit;
};

void spy__recent_query_init(struct spy__recent_query *query);
// Takes one parameter: level, text, id, since or limit; others are ignored, and so are empty ones.
// Returns 0, or -EINVAL with a sentence in *ret_why.
int spy__recent_param(struct spy__recent_query *query, const char *name, const char *value,
                      const char **ret_why);

// {"next":N,"missed":N,"lines":[{"number":N,"line":{…}}]}: the last lines that match, or the first
// ones from `since` on; oldest first. `missed` counts records, matching or not, that went before they
// could be asked for. Returns 0, -ENOENT (nothing is kept) or -ENOMEM.
int spy__recent_logs(struct spy__buf *out, const struct spy__recent_query *query);
// {"requests":[…]}: failed and slow ones first, then others, the newest first in each. Returns as
// above.
int spy__recent_requests(struct spy__buf *out);
// {"spans":[…],"lines":[…],…}: all that is known of one correlation id or trace id, with `flamegraph`
// where it is in serve/slow.h's list. Returns as above;
// -ENOENT also where nothing is known of it.
int spy__recent_request(struct spy__buf *out, const char *id);

#endif
