// Where the service's requests for analytics wait: one thread asks ClickHouse, so that a slow one
// holds up neither libmicrohttpd's threads nor the workers.
//
// Answers are kept for 10 s, failures for 2 s. A question that has waited for 5 s is not asked any
// more. Every question that was taken ends, in its answer or a failure.
#ifndef MEMEGEN_ANALYTICS_DESK_H
#define MEMEGEN_ANALYTICS_DESK_H

#include <stddef.h>

#include "memegen/analytics/analytics.h"

struct desk;

struct desk_options {
    struct clickhouse_server server; // borrowed until close
    // In the desk's thread, before anything is done for a question.
    void (*begin)(void *job_arg);
    // It ended. text: the JSON; NULL where it failed, and error then says why. Both are borrowed.
    void (*ended)(void *job_arg, const char *text, const char *error);
};

// Returns 0 or a negative errno (-EINVAL: the URL).
int desk_open(struct desk **ret, const struct desk_options *options);
// Takes a question; before(job_arg) is called just before the desk's thread can see it. Returns 0,
// -EAGAIN (too many wait) or -ESHUTDOWN; then nothing is called. Threads: any.
int desk_ask(struct desk *desk, const struct analytics_question *question,
             void (*before)(void *job_arg), void *job_arg);
// Takes no more; what is not answered yet is, or fails, within about a second. NULL is a no-op.
void desk_stop(struct desk *desk);
// Stops it, waits for its end and frees it. NULL is a no-op.
void desk_close(struct desk *desk);

#endif
