// `?profile=`: the profile of one request, from what its query says to the report that is answered.
//
// Who may ask, who samples and who writes it is told at the start (spyglass.c): this folder knows
// none of them.
#ifndef SIGNALS_HTTP_PROFILE_H
#define SIGNALS_HTTP_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wish.h"
#include "spyglass/http.h"

struct spy__http_profiler {
    bool (*may)(const struct spy_http_profile_ask *ask);
    // Returns as spy__profile_begin().
    int (*begin)(uint32_t *ret, const struct spy__wish *wish);
    // Takes the session. Returns 0, -ENOENT or -ENOMEM.
    int (*end)(struct spy_http_report *ret, uint32_t session, const struct spy__wish *wish,
               const char *title, int status, const char *correlation_id);
    void (*cancel)(uint32_t session);
};

// Borrows it until the next call; NULL: nothing is profiled. Threads: any.
void spy__http_profiler_set(const struct spy__http_profiler *profiler);

struct spy__http_profile {
    bool open;
    uint32_t session;
    struct spy__wish wish;
};

// Of the calling thread's context. As spy_http_profile().
int spy__http_profile_begin(struct spy__http_profile *profile,
                            const struct spy_http_profile_ask *ask);
// As spy_http_profile_end().
int spy__http_profile_end(struct spy__http_profile *profile, struct spy_http_report *ret,
                          const char *title, int status, const char *correlation_id);
void spy__http_profile_cancel(struct spy__http_profile *profile);

#endif
