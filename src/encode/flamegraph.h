// A profile as one HTML page: its flame graph with search and zoom, its operations, its log lines; one
// that is compared with another has a differential flame graph
// (https://www.brendangregg.com/blog/2014-11-09/differential-flame-graphs.html).
// The page needs nothing else and no network, and treats all names as text.
//
// The page is src/encode/flamegraph/, built in by embed.py; what is written here is its data.
// Pure function of its arguments.
#ifndef ENCODE_FLAMEGRAPH_H
#define ENCODE_FLAMEGRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "profile/profile.h"

struct spy__flamegraph_line {
    uint64_t time_ns;         // since 1970
    const char *level, *text; // text: of text_n bytes, any
    size_t text_n;
};

struct spy__flamegraph {
    const struct spy__profile *profile;
    const char *title;
    int status; // of the HTTP answer; 0: there is none
    const struct spy__flamegraph_line *lines;
    size_t line_count;
};

#define SPY__FLAMEGRAPH_TYPE "text/html; charset=utf-8"

// Returns 0 or -ENOMEM (also: past the maximum of out).
int spy__encode_flamegraph(struct spy__buf *out, const struct spy__flamegraph *graph);

// The page before and behind its data.
extern const unsigned char spy__flamegraph_before[], spy__flamegraph_behind[];
extern const size_t spy__flamegraph_before_len, spy__flamegraph_behind_len;

#endif
