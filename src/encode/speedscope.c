#include "encode/speedscope.h"

#include <errno.h>

#include "base/json.h"
#include "base/number.h"
#include "encode/flame.h"
#include "spyglass/api.h"

static void put_str(struct spy__json *j, const char *key, const char *value)
{
    spy__json_key(j, key);
    spy__json_str(j, value);
}

static void put_u64(struct spy__json *j, const char *key, uint64_t value)
{
    spy__json_key(j, key);
    spy__json_u64(j, value);
}

struct walk {
    struct spy__json *j;
    bool failed;
};

static void put_frame_index(void *arg, uint32_t frame)
{
    struct walk *walk = arg;
    walk->failed = walk->failed || frame == SPY__INTERN_NONE;
    spy__json_u64(walk->j, frame);
}

static bool is_in(const struct spy__profile_sample *sample, uint32_t thread, bool waited)
{
    return sample->thread == thread && (waited || !sample->waited);
}

static bool put_samples(struct spy__json *j, struct spy__flame *flame, uint32_t thread, bool waited)
{
    const struct spy__profile *p = flame->profile;
    struct walk walk = { .j = j };
    spy__json_key(j, "samples");
    spy__json_array(j);
    for (uint32_t i = 0; i < p->sample_count && !j->out->failed; i++) {
        if (is_in(&p->samples[i], thread, waited)) {
            spy__json_array(j);
            spy__flame_walk(flame, &p->samples[i], put_frame_index, &walk);
            spy__json_array_end(j);
        }
    }
    spy__json_array_end(j);
    spy__json_key(j, "weights");
    spy__json_array(j);
    for (uint32_t i = 0; i < p->sample_count; i++) {
        if (is_in(&p->samples[i], thread, waited)) {
            spy__json_u64(j, p->samples[i].weight_ns);
        }
    }
    spy__json_array_end(j);
    return !walk.failed;
}

static void put_thread_name(struct spy__json *j, const struct spy__profile *p, uint32_t thread)
{
    struct spy__buf name;
    char storage[SPY__PROFILE_THREAD_NAME_MAX + SPY__NUMBER_MAX + 4], text[SPY__NUMBER_MAX];
    if (thread >= p->thread_count) {
        put_str(j, "name", "all threads");
        return;
    }
    spy__buf_init_fixed(&name, storage, sizeof(storage));
    spy__buf_puts(&name, p->threads[thread].name);
    spy__buf_puts(&name, " (");
    spy__buf_put(&name, text, spy__u64_print(text, p->threads[thread].id));
    spy__buf_puts(&name, ")");
    spy__json_key(j, "name");
    spy__json_strn(j, name.bytes, name.len);
}

// Nothing where the thread has no samples. False without memory.
static bool put_thread(struct spy__json *j, struct spy__flame *flame, uint32_t thread, bool waited)
{
    const struct spy__profile *p = flame->profile;
    uint64_t total = 0;
    bool any = false;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        bool in = is_in(&p->samples[i], thread, waited);
        any = any || in;
        total += in ? p->samples[i].weight_ns : 0;
    }
    if (!any) {
        return true;
    }
    spy__json_object(j);
    put_str(j, "type", "sampled");
    put_thread_name(j, p, thread);
    put_str(j, "unit", p->kind == SPY__PROFILE_HEAP ? "bytes" : "nanoseconds");
    put_u64(j, "startValue", 0);
    put_u64(j, "endValue", total);
    bool ok = put_samples(j, flame, thread, waited);
    spy__json_object_end(j);
    return ok;
}

static void put_frames(struct spy__json *j, const struct spy__flame *flame)
{
    spy__json_key(j, "shared");
    spy__json_object(j);
    spy__json_key(j, "frames");
    spy__json_array(j);
    for (uint32_t i = 0; i < flame->frames.count; i++) {
        struct spy__flame_frame frame = spy__flame_frame_at(flame, i);
        spy__json_object(j);
        put_str(j, "name", frame.name);
        if (frame.where[0]) {
            put_str(j, "file", frame.where);
        }
        spy__json_object_end(j);
    }
    spy__json_array_end(j);
    spy__json_object_end(j);
}

int spy__encode_speedscope(struct spy__buf *out, const struct spy__profile *profile,
                           const char *name, bool waited)
{
    struct spy__flame flame;
    struct spy__json j;
    int rc = spy__flame_init(&flame, profile);
    spy__json_init(&j, out);
    if (rc == 0) {
        spy__json_object(&j);
        put_str(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
        put_str(&j, "name", name);
        put_str(&j, "exporter", "spyglass@" SPYGLASS_VERSION);
        spy__json_key(&j, "profiles");
        spy__json_array(&j);
        for (uint32_t i = 0; rc == 0 && i < profile->thread_count; i++) {
            rc = put_thread(&j, &flame, i, waited) ? 0 : -ENOMEM;
        }
        rc = rc == 0 && put_thread(&j, &flame, SPY__PROFILE_NONE, waited) ? 0 : -ENOMEM;
        spy__json_array_end(&j);
        put_frames(&j, &flame); // last, as walking adds the frames of waiting
        spy__json_object_end(&j);
    }
    spy__flame_done(&flame);
    return rc == 0 && out->failed ? -ENOMEM : rc;
}
