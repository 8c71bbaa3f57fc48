#include "encode/folded.h"

#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "encode/flame.h"

#define NS_PER_US 1000u
// Deepest stack: what spy__stack_capture() gives, with all that is inlined, fits several times.
#define DEPTH_MAX 1024u

static void put_name(struct spy__buf *out, const char *name)
{
    for (const char *at = name; *at;) {
        size_t n = spy__utf8_char((const unsigned char *)at, strlen(at));
        bool plain = n > 0 && (unsigned char)*at >= ' ' && *at != 0x7f && *at != ';';
        spy__buf_put(out, plain ? at : "_", plain ? n : 1);
        at += n > 0 ? n : 1;
    }
}

static void put_stack(struct spy__buf *out, const struct spy__flame *flame, uint32_t node)
{
    uint32_t path[DEPTH_MAX];
    size_t n = 0;
    for (; node != SPY__PROFILE_NONE && n < DEPTH_MAX; node = flame->nodes[node].parent) {
        path[n++] = node;
    }
    while (n > 0) {
        put_name(out, spy__flame_frame_at(flame, flame->nodes[path[--n]].frame).name);
        spy__buf_puts(out, n > 0 ? ";" : "");
    }
}

static void put_number(struct spy__buf *out, uint64_t number)
{
    char text[SPY__NUMBER_MAX];
    spy__buf_putc(out, ' ');
    spy__buf_put(out, text, spy__u64_print(text, number));
}

// What a line says: of bytes, or of nanoseconds.
static uint64_t number_of(const struct spy__profile *profile, uint64_t weight)
{
    return profile->kind == SPY__PROFILE_HEAP ? weight : (weight + NS_PER_US / 2) / NS_PER_US;
}

static uint64_t now_of(const struct spy__flame_node *node, bool waited)
{
    return node->cpu_ns + (waited ? node->waited_ns : 0);
}

static uint64_t before_of(const struct spy__flame_node *node, bool waited)
{
    return node->against_cpu_ns + (waited ? node->against_waited_ns : 0);
}

// What was before is brought to the sum of what is now by this.
static double scale_of(const struct spy__flame *flame, bool waited)
{
    uint64_t now = 0, before = 0;
    for (uint32_t i = 0; i < flame->node_count; i++) {
        now += now_of(&flame->nodes[i], waited);
        before += before_of(&flame->nodes[i], waited);
    }
    return now > 0 && before > 0 ? (double)now / (double)before : 1;
}

static void put_lines(struct spy__buf *out, const struct spy__flame *flame, bool waited)
{
    const struct spy__profile *profile = flame->profile;
    const double scale = profile->against ? scale_of(flame, waited) : 0;
    for (uint32_t i = 0; i < flame->node_count; i++) {
        const struct spy__flame_node *node = &flame->nodes[i];
        const double before_ns = (double)before_of(node, waited) * scale;
        const uint64_t now = number_of(profile, now_of(node, waited));
        const uint64_t before = number_of(profile, (uint64_t)before_ns);
        if (now == 0 && before == 0) {
            continue;
        }
        put_stack(out, flame, i);
        if (profile->against) {
            put_number(out, before);
        }
        put_number(out, now);
        spy__buf_putc(out, '\n');
    }
}

int spy__encode_folded(struct spy__buf *out, const struct spy__profile *profile, bool waited)
{
    struct spy__flame flame;
    int rc = spy__flame_init(&flame, profile);
    if (rc == 0) {
        rc = spy__flame_add_samples(&flame);
    }
    if (rc == 0) {
        put_lines(out, &flame, waited);
    }
    spy__flame_done(&flame);
    return rc == 0 && out->failed ? -ENOMEM : rc;
}
