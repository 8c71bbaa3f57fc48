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

static void put_line(struct spy__buf *out, const struct spy__flame *flame, uint32_t node,
                     uint64_t number)
{
    char text[SPY__NUMBER_MAX];
    put_stack(out, flame, node);
    spy__buf_putc(out, ' ');
    spy__buf_put(out, text, spy__u64_print(text, number));
    spy__buf_putc(out, '\n');
}

int spy__encode_folded(struct spy__buf *out, const struct spy__profile *profile, bool waited)
{
    struct spy__flame flame;
    int rc = spy__flame_init(&flame, profile);
    if (rc == 0) {
        rc = spy__flame_add_samples(&flame);
    }
    for (uint32_t i = 0; rc == 0 && i < flame.node_count; i++) {
        uint64_t ns = flame.nodes[i].cpu_ns + (waited ? flame.nodes[i].waited_ns : 0);
        uint64_t number =
            profile->kind == SPY__PROFILE_HEAP ? ns : (ns + NS_PER_US / 2) / NS_PER_US;
        if (number > 0) {
            put_line(out, &flame, i, number);
        }
    }
    spy__flame_done(&flame);
    return rc == 0 && out->failed ? -ENOMEM : rc;
}
