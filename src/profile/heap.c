#include "profile/heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "profile/names.h"

// A program that is linked statically has none, and cannot load the library either.
#pragma weak dlsym

const struct spy__heap_source *spy__heap_source(void)
{
    return dlsym ? dlsym(RTLD_DEFAULT, SPY__HEAP_SOURCE_NAME) : NULL;
}

static uint64_t rounded(double estimate)
{
    return (uint64_t)(estimate + 0.5);
}

// Returns 0 or -ENOMEM. *left_out counts those whose stack the profile has no room for.
static int add_sum(struct spy__profile *p, const struct spy__heap_sum *sum, uint64_t *left_out)
{
    const struct spy__profile_sample sample = {
        .weight_ns = rounded(sum->inuse_bytes),
        .count = 1,
        .stack = spy__profile_add_stack(p, sum->stack, sum->frames),
        .thread = SPY__PROFILE_NONE,
        .operation = SPY__PROFILE_NONE,
    };
    const uint32_t index = spy__profile_add_sample(p, &sample);
    if (index == SPY__PROFILE_NONE) {
        return -ENOMEM;
    }
    *left_out += sample.stack == SPY__PROFILE_NONE && sum->frames > 0;
    p->heap[index] = (struct spy__profile_heap){ .alloc_objects = rounded(sum->alloc_objects),
                                                 .alloc_bytes = rounded(sum->alloc_bytes),
                                                 .inuse_objects = rounded(sum->inuse_objects),
                                                 .inuse_bytes = rounded(sum->inuse_bytes) };
    return 0;
}

static void note_losses(struct spy__profile *p, const struct spy__heap_source *source,
                        uint64_t left_out)
{
    struct spy__heap_losses losses;
    source->losses(&losses);
    p->lost = losses.stacks + losses.untracked + left_out;
    if (p->lost > 0) {
        (void)snprintf(p->note, sizeof(p->note),
                       "Tables were full: %" PRIu64 " samples and %" PRIu64
                       " places have no stack; %" PRIu64
                       " samples count as allocated, but not as in use.",
                       losses.stacks, left_out, losses.untracked);
    }
}

bool spy__heap_is_sampled(const struct spy__heap_source *source)
{
    return source && source->mean_bytes() > 0;
}

int spy__profile_heap(struct spy__profile **ret, const struct spy__heap_source *source)
{
    struct spy__heap_sum sum;
    uint64_t left_out = 0;
    if (!spy__heap_is_sampled(source)) {
        return -ENOSYS;
    }
    const uint32_t count = source->count();
    struct spy__profile *p = spy__profile_new();
    int err = p && (p->heap = calloc((size_t)count + 1, sizeof(*p->heap))) ? 0 : -ENOMEM;
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        source->read(&sum, i);
        err = sum.alloc_objects > 0 ? add_sum(p, &sum, &left_out) : 0;
    }
    if (err != 0) {
        spy__profile_free(p);
        return err;
    }
    p->kind = SPY__PROFILE_HEAP;
    p->start_ns = spy__realtime_ns();
    p->period_bytes = source->mean_bytes();
    note_losses(p, source, left_out);
    spy__profile_name(p);
    *ret = p;
    return 0;
}
