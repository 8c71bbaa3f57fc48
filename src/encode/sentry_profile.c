// Stacks are numbered as the profile has them, then the empty one, then those that waited.

#include "encode/sentry_profile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/number.h"
#include "encode/sentry_common.h"
#include "encode/sentry_stack.h"
#include "spyglass/api.h"

// Stacks that waited in different operations; more are written without their "waiting".
#define WAITS_MAX 256u

// The time of a sample on its thread.
struct span {
    uint64_t begin_ns, end_ns; // since the profile's start
    uint32_t thread, stack;
};

// A sample as Sentry has it.
struct point {
    uint64_t time_ns;
    uint32_t thread, stack;
    size_t order; // of equal times
};

struct wait {
    uint32_t stack, operation;
};

struct work {
    const struct spy__profile *profile;
    struct span *spans;
    struct point *points;
    size_t span_count, point_count;
    uint32_t *frames; // number of each location's first frame; behind them that of the first wait's
    size_t wait_count;
    struct wait waits[WAITS_MAX];
};

static void put_str(struct spy__json *j, const char *key, const char *text)
{
    spy__json_key(j, key);
    spy__json_str(j, text);
}

// As text: Relay reads numbers of 64 bits out of strings.
static void put_number(struct spy__json *j, const char *key, uint64_t number)
{
    char text[SPY__NUMBER_MAX];
    spy__json_key(j, key);
    spy__json_strn(j, text, spy__u64_print(text, number));
}

// ---- samples in time

static uint32_t empty_stack(const struct work *w)
{
    return w->profile->stack_count;
}

static uint32_t waiting_stack(struct work *w, const struct spy__profile_sample *sample)
{
    size_t i = 0;
    while (i < w->wait_count &&
           (w->waits[i].stack != sample->stack || w->waits[i].operation != sample->operation)) {
        i++;
    }
    if (i == WAITS_MAX) {
        return sample->stack;
    }
    if (i == w->wait_count) {
        w->waits[w->wait_count++] =
            (struct wait){ .stack = sample->stack, .operation = sample->operation };
    }
    return empty_stack(w) + 1 + (uint32_t)i;
}

// A sample of the CPU was taken at the end of its time, one that waited has the time of its beginning.
static void add_span(struct work *w, const struct spy__profile_sample *sample)
{
    const struct spy__profile *p = w->profile;
    uint64_t begin_ns = sample->time_ns, end_ns = sample->time_ns + sample->weight_ns;
    if (!sample->waited) {
        begin_ns -= begin_ns < sample->weight_ns ? begin_ns : sample->weight_ns;
        end_ns = sample->time_ns;
    }
    if (begin_ns >= SPY__SENTRY_PROFILE_NS_MAX || sample->thread >= p->thread_count ||
        p->stacks[sample->stack].count == 0) {
        return;
    }
    w->spans[w->span_count++] = (struct span){
        .begin_ns = begin_ns,
        .end_ns = end_ns < SPY__SENTRY_PROFILE_NS_MAX ? end_ns : SPY__SENTRY_PROFILE_NS_MAX,
        .thread = sample->thread,
        .stack = sample->waited && sample->operation != SPY__PROFILE_NONE ? waiting_stack(w, sample)
                                                                          : sample->stack
    };
}

static int by_thread(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->thread != y->thread) {
        return x->thread < y->thread ? -1 : 1;
    }
    return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

static int by_time(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

static void add_point(struct work *w, uint64_t time_ns, uint32_t thread, uint32_t stack)
{
    w->points[w->point_count] = (struct point){
        .time_ns = time_ns, .thread = thread, .stack = stack, .order = w->point_count
    };
    w->point_count++;
}

static void add_points(struct work *w)
{
    qsort(w->spans, w->span_count, sizeof(*w->spans), by_thread);
    for (size_t i = 0; i < w->span_count; i++) {
        const struct span *span = &w->spans[i];
        const struct span *next =
            i + 1 < w->span_count && span[1].thread == span->thread ? span + 1 : NULL;
        add_point(w, span->begin_ns, span->thread, span->stack);
        if (!next) {
            add_point(w, span->end_ns, span->thread, span->stack);
        } else if (next->begin_ns > span->end_ns + SPY__SENTRY_PROFILE_GAP_NS) {
            add_point(w, span->end_ns, span->thread, empty_stack(w));
        }
    }
    qsort(w->points, w->point_count, sizeof(*w->points), by_time);
}

static void put_samples(struct spy__json *j, const struct work *w)
{
    spy__json_key(j, "samples");
    spy__json_array(j);
    for (size_t i = 0; i < w->point_count; i++) {
        const struct point *point = &w->points[i];
        spy__json_object(j);
        put_number(j, "elapsed_since_start_ns", point->time_ns);
        spy__json_key(j, "stack_id");
        spy__json_u64(j, point->stack);
        put_number(j, "thread_id", w->profile->threads[point->thread].id);
        spy__json_object_end(j);
    }
    spy__json_array_end(j);
}

// ---- stacks

// One for an address without a name.
static uint32_t frame_count(const struct spy__profile_location *location)
{
    return location->frame_count > 0 ? location->frame_count : 1;
}

static void put_stack_frames(struct spy__json *j, const struct work *w, uint32_t stack)
{
    const struct spy__profile *p = w->profile;
    const struct spy__profile_stack *s = &p->stacks[stack];
    for (uint32_t i = s->first; i < s->first + s->count; i++) {
        const uint32_t location = p->entries[i];
        for (uint32_t k = 0; k < frame_count(&p->locations[location]); k++) {
            spy__json_u64(j, w->frames[location] + k);
        }
    }
}

static void put_stacks(struct spy__json *j, const struct work *w)
{
    spy__json_key(j, "stacks");
    spy__json_array(j);
    for (uint32_t i = 0; i < w->profile->stack_count; i++) {
        spy__json_array(j);
        put_stack_frames(j, w, i);
        spy__json_array_end(j);
    }
    spy__json_array(j); // the empty one
    spy__json_array_end(j);
    for (size_t i = 0; i < w->wait_count; i++) {
        spy__json_array(j);
        spy__json_u64(j, w->frames[w->profile->location_count] + i);
        put_stack_frames(j, w, w->waits[i].stack);
        spy__json_array_end(j);
    }
    spy__json_array_end(j);
}

static const char *package_of(const struct spy__profile *p,
                              const struct spy__profile_location *location)
{
    return location->module == SPY__PROFILE_NONE ? NULL : p->modules[location->module].path;
}

// Addresses lie inside of their instruction: what a reader takes off for a return address, leaves
// that of a caller in its call.
static void put_location(struct spy__json *j, const struct spy__profile *p,
                         const struct spy__profile_location *location)
{
    struct spy__frame frame = { .function = NULL };
    for (uint32_t i = 0; i < frame_count(location); i++) {
        if (location->frame_count > 0) {
            frame = location->frames[i];
        }
        frame.address = location->address;
        frame.package = package_of(p, location);
        frame.image_addr = 0; // its image is found by the address
        spy__sentry_put_frame(j, &frame);
    }
}

// As if it were inlined where it waits: a frame without an address is none for Sentry.
static void put_wait(struct spy__json *j, const struct spy__profile *p, const struct wait *wait)
{
    const char *operation = p->operations[wait->operation];
    char text[128];
    struct spy__buf name;
    spy__buf_init_fixed(&name, text, sizeof(text));
    spy__buf_puts(&name, "waiting: ");
    spy__buf_put(&name, operation, strnlen(operation, 100));
    spy__buf_putc(&name, '\0');
    const struct spy__profile_location *leaf =
        &p->locations[p->entries[p->stacks[wait->stack].first]];
    spy__sentry_put_frame(j, &(struct spy__frame){ .function = text,
                                                   .address = leaf->address,
                                                   .package = package_of(p, leaf) });
}

static void put_frames(struct spy__json *j, const struct work *w)
{
    spy__json_key(j, "frames");
    spy__json_array(j);
    for (uint32_t i = 0; i < w->profile->location_count; i++) {
        put_location(j, w->profile, &w->profile->locations[i]);
    }
    for (size_t i = 0; i < w->wait_count; i++) {
        put_wait(j, w->profile, &w->waits[i]);
    }
    spy__json_array_end(j);
}

static void put_threads(struct spy__json *j, const struct spy__profile *p)
{
    spy__json_key(j, "thread_metadata");
    spy__json_object(j);
    for (uint32_t i = 0; i < p->thread_count; i++) {
        char id[SPY__NUMBER_MAX];
        spy__json_keyn(j, id, spy__u64_print(id, p->threads[i].id));
        spy__json_object(j);
        put_str(j, "name", p->threads[i].name);
        spy__json_object_end(j);
    }
    spy__json_object_end(j);
}

static void put_profile(struct spy__json *j, const struct work *w)
{
    spy__json_key(j, "profile");
    spy__json_object(j);
    put_samples(j, w);
    put_stacks(j, w);
    put_frames(j, w);
    put_threads(j, w->profile);
    spy__json_object_end(j);
}

// ---- where it comes from

// Relay demands the architecture and the system's name and version, known or not.
static void put_host(struct spy__json *j, const struct spy__sentry_host *host)
{
    const struct spy__host *machine = host->machine;
    if (host->release) {
        put_str(j, "release", host->release);
    }
    if (host->environment) {
        put_str(j, "environment", host->environment);
    }
    spy__json_key(j, "os");
    spy__json_object(j);
    put_str(j, "name", machine->os_name[0] ? machine->os_name : "Linux");
    put_str(j, "version", machine->os_name[0] ? machine->os_version : machine->kernel);
    spy__json_object_end(j);
    spy__json_key(j, "device");
    spy__json_object(j);
    put_str(j, "architecture", machine->arch);
    spy__json_object_end(j);
    if (machine->libc[0]) {
        spy__json_key(j, "runtime");
        spy__json_object(j);
        put_str(j, "name", "glibc");
        put_str(j, "version", machine->libc);
        spy__json_object_end(j);
    }
}

static void put_images(struct spy__json *j, const struct spy__profile *p)
{
    spy__json_key(j, "debug_meta");
    spy__json_object(j);
    spy__json_key(j, "images");
    spy__json_array(j);
    for (uint32_t i = 0; i < p->module_count; i++) {
        const struct spy__profile_module *module = &p->modules[i];
        if (module->build_id[0]) {
            spy__sentry_put_profile_image(j, module->path, module->build_id, module->start,
                                          module->end - module->start);
        }
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

static void put_transaction(struct spy__json *j, const struct spy__sentry_profile *p,
                            const struct work *w)
{
    spy__json_key(j, "transaction");
    spy__json_object(j);
    spy__json_key(j, "id");
    spy__sentry_put_id(j, p->transaction_hi, p->transaction_lo);
    spy__json_key(j, "name");
    spy__json_strn(j, p->name, p->name_n);
    spy__json_key(j, "trace_id");
    spy__sentry_put_id(j, p->profile->trace_hi, p->profile->trace_lo);
    put_number(j, "active_thread_id", w->profile->threads[w->points[0].thread].id);
    spy__json_object_end(j);
}

static void put_all(struct spy__json *j, const struct spy__sentry_profile *p, const struct work *w)
{
    spy__json_object(j);
    put_str(j, "version", "1");
    spy__json_key(j, "event_id");
    spy__sentry_put_id(j, p->event_hi, p->event_lo);
    put_str(j, "platform", p->platform);
    spy__json_key(j, "timestamp");
    spy__sentry_put_time(j, p->profile->start_ns);
    put_host(j, p->host);
    put_images(j, p->profile);
    put_transaction(j, p, w);
    put_profile(j, w);
    spy__json_object_end(j);
}

static bool allot(struct work *w)
{
    const struct spy__profile *p = w->profile;
    w->spans = calloc(p->sample_count, sizeof(*w->spans));
    w->points = calloc(2 * (size_t)p->sample_count, sizeof(*w->points));
    w->frames = calloc(p->location_count + 1, sizeof(*w->frames));
    if (!w->spans || !w->points || !w->frames) {
        return false;
    }
    for (uint32_t i = 0; i < p->location_count; i++) {
        w->frames[i + 1] = w->frames[i] + frame_count(&p->locations[i]);
    }
    return true;
}

static int encode(struct spy__buf *out, const struct spy__sentry_profile *p, struct work *w)
{
    struct spy__json j;
    if (!allot(w)) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->profile->sample_count; i++) {
        add_span(w, &p->profile->samples[i]);
    }
    if (w->span_count < 2 || p->name_n == 0) {
        return -ENODATA;
    }
    add_points(w);
    spy__json_init(&j, out);
    put_all(&j, p, w);
    return out->failed ? -ENOMEM : 0;
}

int spy__encode_sentry_profile(struct spy__buf *out, const struct spy__sentry_profile *p)
{
    if (p->profile->sample_count < 2) {
        return -ENODATA;
    }
    struct work w = { .profile = p->profile };
    int err = encode(out, p, &w);
    free(w.spans);
    free(w.points);
    free(w.frames);
    return err;
}
