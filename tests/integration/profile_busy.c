#include "profile_busy.h"

#include <stdint.h>
#include <time.h>

// What follows a call keeps it from becoming a jump, which leaves no frame behind.
static volatile unsigned after;

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static __attribute__((noinline)) void busy_inner(unsigned ms)
{
    for (const uint64_t until_ns = cpu_ns() + ms * UINT64_C(1000000); cpu_ns() < until_ns;) {
        for (unsigned i = 0; i < 20000; i++) {
            after++;
        }
    }
}

static __attribute__((noinline)) void busy_outer(unsigned ms)
{
    busy_inner(ms);
    after++;
}

void profile_busy(unsigned ms)
{
    busy_outer(ms);
    after++;
}
