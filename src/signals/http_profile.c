#include "signals/http_profile.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct spy__http_profiler *in_use; // atomic: what it points to is published with it

void spy__http_profiler_set(const struct spy__http_profiler *profiler)
{
    __atomic_store_n(&in_use, profiler, __ATOMIC_RELEASE);
}

int spy__http_profile_begin(struct spy__http_profile *profile,
                            const struct spy_http_profile_ask *ask)
{
    const struct spy__http_profiler *profiler = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
    struct spy__wish wish;
    if (!ask->value || !spy__wish_read(&wish, ask->value, strlen(ask->value), ask->accept)) {
        return -EINVAL;
    }
    if (!profiler) {
        return -ENOTSUP;
    }
    if (profile->open) {
        return -EALREADY;
    }
    if (!profiler->may(ask)) {
        return -EACCES;
    }
    int err = profiler->begin(&profile->session, &wish);
    profile->open = err == 0;
    profile->wish = wish;
    return err;
}

int spy__http_profile_end(struct spy__http_profile *profile, struct spy_http_report *ret,
                          const char *title, int status, const char *correlation_id)
{
    const struct spy__http_profiler *profiler = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
    if (!profile->open || !profiler) {
        return -ENOENT;
    }
    profile->open = false;
    return profiler->end(ret, profile->session, &profile->wish, title, status, correlation_id);
}

void spy__http_profile_cancel(struct spy__http_profile *profile)
{
    const struct spy__http_profiler *profiler = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
    if (profile->open && profiler) {
        profile->open = false;
        profiler->cancel(profile->session);
    }
}
