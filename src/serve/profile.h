// Profiles on the admin port: of the process from now on, of what continuous profiling saw, and of
// one slow request.
//
//     /debug/pprof/profile?seconds=10   pprof, CPU time      (1 to 60; 10)
//     /debug/pprof/wall?seconds=10      pprof, and what waited
//     /debug/pprof/folded?seconds=10    folded stacks
//     /debug/pprof/heap                 pprof, what was allocated, and what of it is in use
//     /debug/flamegraph?seconds=10      a page
//     /debug/profiles/ID                what ?profile= made of the request with this correlation id
//     ...?from=SECONDS&to=SECONDS       instead: that time of the history, since 1970; either may be
//                                       left out
//     ...&against_from=SECONDS&against_to=SECONDS  compared with that time, as a page or folded
//     ...?id=ID                         instead: the slow request with this id
//     /debug/slow/ID                    the same, as a page
//     ...?profile=WORDS                 as of a request: cpu, pprof, folded, speedscope
//     ...?kind=heap                     instead: what of the heap is in use
//     ...?view=cpu                      CPU time alone, where there is a choice
//
// A profile of the process blocks the thread of its connection alone.
#ifndef SERVE_PROFILE_H
#define SERVE_PROFILE_H

#include <microhttpd.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/wish.h"
#include "profile/profile.h"
#include "serve/slots.h"

// How many at once: each one of the process costs all of its threads.
#define SPY__PROFILE_VIEWS_MAX 4u
#define SPY__PROFILE_VIEW_SECONDS 10u
#define SPY__PROFILE_VIEW_SECONDS_MAX 60u
#define SPY__PROFILE_VIEW_ID_MAX 128u

// spy__report_write().
typedef int spy__profile_write(struct spy__buf *out, const struct spy__profile *profile,
                               const struct spy__wish *wish, const char *title, int status,
                               const char **ret_type);

// spy__reports_find().
typedef int spy__profile_find(struct spy__buf *out, const char *id, const char **ret_type);

struct spy__profile_views {
    struct spy__slots slots;   // SPY__PROFILE_VIEWS_MAX
    struct spy__slots pause;   // none: whoever waits for one waits for the time, or for the stop
    spy__profile_write *write; // const after init, as the one below
    spy__profile_find *find;
};

void spy__profile_views_init(struct spy__profile_views *views, spy__profile_write *write,
                             spy__profile_find *find);
// Ends what is under way, and refuses what comes.
void spy__profile_views_close(struct spy__profile_views *views);
void spy__profile_views_done(struct spy__profile_views *views);

// A time of the history, since 1970; an end that is not said is its own.
struct spy__profile_time {
    bool has_from, has_to;
    uint64_t from_s, to_s;
};

// What a query asks for.
struct spy__profile_ask_view {
    struct spy__wish wish;
    struct spy__profile_time time, against; // against: what it is compared with
    unsigned seconds;                       // of now, where no time is said
    char id[SPY__PROFILE_VIEW_ID_MAX + 1];  // of a slow request; "" for none
    bool kept;                              // ?profile= made it
    bool heap;                              // the heap's, in place of any other
};

// What is asked of this path, without a query. False: it is none of ours.
bool spy__profile_view_has(const char *path, struct spy__profile_ask_view *ret);
// Takes one parameter; others are ignored, and so are empty ones. Returns 0, or -EINVAL with a
// sentence in *ret_why.
int spy__profile_view_param(struct spy__profile_ask_view *ask, const char *name, const char *value,
                            const char **ret_why);
// Whether all that is asked for goes together. False: *ret_why is a sentence.
bool spy__profile_view_agrees(const struct spy__profile_ask_view *ask, const char **ret_why);

// The answer, its status and its type. NULL without memory.
struct MHD_Response *spy__profile_view_response(struct spy__profile_views *views,
                                                struct MHD_Connection *connection, const char *path,
                                                unsigned *ret_status, const char **ret_type);

#endif
