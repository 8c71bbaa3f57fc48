// What the page may ask of Prometheus: a list of read-only questions, each with the parameters that
// it takes and their bounds. A pure function from what a request brought to the address that
// answers it.
//
// Whatever a caller sends, the address begins with the configured base, names one of the questions
// below, and carries its checked parameters percent-encoded, with a time limit of ours.
// (https://prometheus.io/docs/prometheus/latest/querying/api/)
#ifndef SERVE_PROXY_URL_H
#define SERVE_PROXY_URL_H

#include <stddef.h>

#include "base/buf.h"

// Parameters of one question: a page names one or two series, and a time range.
#define SPY__PROXY_PARAMS_MAX 16u
#define SPY__PROXY_POINTS_MAX 11000u // a line; Prometheus's own limit

struct spy__proxy_param {
    const char *name;
    const char *value; // decoded, value_len bytes of anything; NULL where there was no '='
    size_t value_len;
};

// Writes the address for `path` (what follows /api/prometheus/, as "query_range" or
// "label/job/values") to url. Returns 0, -ENOENT (no such question), -EINVAL with one English
// sentence in *ret_why, or -ENOMEM (past the buffer's maximum too).
int spy__proxy_url(struct spy__buf *url, const char *base, const char *path,
                   const struct spy__proxy_param *params, size_t count, const char **ret_why);

// Whether base is an address to build on: http:// or https://, a host, no query, no fragment.
// *ret_why as above.
bool spy__proxy_base_ok(const char *base, const char **ret_why);

#endif
