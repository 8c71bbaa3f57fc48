#include "encode/flame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"

// All names of one profile; mangled C++ ones run to kilobytes.
#define FRAMES_BYTES_MAX (32u << 20)
// Longest name that is kept, as much of it as a reader wants to see.
#define NAME_MAX_BYTES 512u

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// ---- frames

static uint32_t intern_frame(struct spy__flame *flame, enum spy__flame_kind kind, const char *name,
                             const char *where)
{
    struct spy__buf key;
    char storage[2 * NAME_MAX_BYTES + 2];
    spy__buf_init_fixed(&key, storage, sizeof(storage));
    spy__buf_putc(&key, (char)kind);
    spy__buf_put(&key, name, strnlen(name, NAME_MAX_BYTES));
    spy__buf_putc(&key, '\0');
    spy__buf_put(&key, where, strnlen(where, NAME_MAX_BYTES));
    return spy__intern(&flame->frames, key.bytes, key.len);
}

struct spy__flame_frame spy__flame_frame_at(const struct spy__flame *flame, uint32_t frame)
{
    const char *key = spy__intern_at(&flame->frames, frame, NULL);
    return (struct spy__flame_frame){ .kind = (enum spy__flame_kind)key[0],
                                      .name = key + 1,
                                      .where = key + 1 + strlen(key + 1) + 1 };
}

// "libc.so.6+0x1234": what addr2line asks for.
static uint32_t unnamed_frame(struct spy__flame *flame,
                              const struct spy__profile_location *location)
{
    const struct spy__profile *p = flame->profile;
    struct spy__buf name;
    char storage[NAME_MAX_BYTES], text[18];
    const bool has_module = location->module < p->module_count;
    const char *module = has_module ? base_name(p->modules[location->module].path) : "";
    uintptr_t address = location->address - (has_module ? p->modules[location->module].bias : 0);
    spy__buf_init_fixed(&name, storage, sizeof(storage));
    spy__buf_put(&name, module, strnlen(module, NAME_MAX_BYTES / 2));
    spy__buf_puts(&name, has_module ? "+" : "");
    spy__buf_put(&name, text, spy__address_print(text, address));
    spy__buf_putc(&name, '\0');
    return intern_frame(flame, SPY__FLAME_UNKNOWN, name.bytes, module);
}

static uint32_t named_frame(struct spy__flame *flame, const struct spy__profile_location *location,
                            const struct spy__frame *frame)
{
    const struct spy__profile *p = flame->profile;
    const bool has_module = location->module < p->module_count;
    const char *module = has_module ? base_name(p->modules[location->module].path) : "";
    bool app = frame->in_app || (has_module && p->modules[location->module].is_program);
    return intern_frame(flame, app ? SPY__FLAME_APP : SPY__FLAME_LIBRARY,
                        frame->function ? frame->function : "??",
                        frame->file ? frame->file : module);
}

static void forget_locations(struct spy__flame *flame)
{
    free(flame->of_locations);
    free(flame->of_frames);
    free(flame->of_stacks);
    flame->of_locations = flame->of_frames = flame->of_stacks = NULL;
}

static int name_locations(struct spy__flame *flame)
{
    const struct spy__profile *p = flame->profile;
    size_t total = 0;
    for (uint32_t i = 0; i < p->location_count; i++) {
        total += p->locations[i].frame_count > 0 ? p->locations[i].frame_count : 1;
    }
    flame->of_locations = calloc((size_t)p->location_count + 1, sizeof(uint32_t));
    flame->of_frames = calloc(total + 1, sizeof(uint32_t));
    flame->of_stacks = calloc((size_t)p->stack_count + 1, sizeof(uint32_t));
    if (!flame->of_locations || !flame->of_frames || !flame->of_stacks) {
        return -ENOMEM;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < p->location_count; i++) {
        const struct spy__profile_location *location = &p->locations[i];
        flame->of_locations[i] = at;
        if (location->frame_count == 0) {
            flame->of_frames[at++] = unnamed_frame(flame, location);
        }
        for (uint32_t k = location->frame_count; k > 0; k--) {
            flame->of_frames[at++] = named_frame(flame, location, &location->frames[k - 1]);
        }
    }
    flame->of_locations[p->location_count] = at;
    for (uint32_t i = 0; i < at; i++) {
        if (flame->of_frames[i] == SPY__INTERN_NONE) {
            return -ENOMEM;
        }
    }
    return 0;
}

static uint32_t waiting_frame(struct spy__flame *flame, uint32_t operation)
{
    const struct spy__profile *p = flame->profile;
    struct spy__buf name;
    char storage[NAME_MAX_BYTES];
    const char *text = operation < p->operation_count ? p->operations[operation] : "?";
    spy__buf_init_fixed(&name, storage, sizeof(storage));
    spy__buf_puts(&name, "waiting: ");
    spy__buf_put(&name, text, strnlen(text, NAME_MAX_BYTES / 2));
    spy__buf_putc(&name, '\0');
    return intern_frame(flame, SPY__FLAME_WAITING, name.bytes, "");
}

static void walk_stack(const struct spy__flame *flame, uint32_t stack, spy__flame_take *take,
                       void *arg)
{
    const struct spy__profile *p = flame->profile;
    for (uint32_t k = p->stacks[stack].count; k > 0; k--) {
        uint32_t location = p->entries[p->stacks[stack].first + k - 1];
        for (uint32_t i = flame->of_locations[location]; i < flame->of_locations[location + 1];
             i++) {
            take(arg, flame->of_frames[i]);
        }
    }
}

void spy__flame_walk(struct spy__flame *flame, const struct spy__profile_sample *sample,
                     spy__flame_take *take, void *arg)
{
    if (sample->stack < flame->profile->stack_count) {
        walk_stack(flame, sample->stack, take, arg);
    }
    if (sample->waited) {
        take(arg, waiting_frame(flame, sample->operation));
    } else if (sample->stack >= flame->profile->stack_count) {
        take(arg, intern_frame(flame, SPY__FLAME_UNKNOWN, "no stack", ""));
    }
}

// ---- the tree

int spy__flame_init(struct spy__flame *flame, const struct spy__profile *profile)
{
    *flame = (struct spy__flame){ .profile = profile };
    spy__intern_init(&flame->frames, FRAMES_BYTES_MAX);
    spy__intern_init(&flame->keys, (size_t)SPY__FLAME_NODES_MAX * (2 * sizeof(uint32_t) + 1));
    return name_locations(flame);
}

void spy__flame_done(struct spy__flame *flame)
{
    spy__intern_done(&flame->frames);
    spy__intern_done(&flame->keys);
    free(flame->nodes);
    forget_locations(flame);
    *flame = (struct spy__flame){ .nodes = NULL };
}

static bool grow_nodes(struct spy__flame *flame)
{
    if (flame->node_count == flame->node_cap) {
        uint32_t cap = flame->node_cap ? flame->node_cap * 2 : 256;
        struct spy__flame_node *nodes = realloc(flame->nodes, cap * sizeof(*nodes));
        if (!nodes) {
            return false;
        }
        flame->nodes = nodes;
        flame->node_cap = cap;
    }
    return true;
}

struct path {
    struct spy__flame *flame;
    uint32_t node; // the innermost one so far
    bool full;     // the tree has no room for the next one
    bool failed;   // no memory
};

static void step(void *arg, uint32_t frame)
{
    struct path *path = arg;
    struct spy__flame *flame = path->flame;
    const uint32_t key[2] = { path->node, frame };
    if (path->full || path->failed) {
        return;
    }
    uint32_t node = frame != SPY__INTERN_NONE && grow_nodes(flame)
                        ? spy__intern(&flame->keys, key, sizeof(key))
                        : SPY__INTERN_NONE;
    if (node == SPY__INTERN_NONE) {
        path->full = flame->node_count == SPY__FLAME_NODES_MAX;
        path->failed = !path->full;
        return;
    }
    if (node == flame->node_count) {
        flame->nodes[flame->node_count++] =
            (struct spy__flame_node){ .parent = path->node, .frame = frame };
    }
    path->node = node;
}

// The node of a sample's innermost frame, or SPY__PROFILE_NONE where not even the outermost one has
// room. False without memory.
static bool find_node(struct spy__flame *flame, const struct spy__profile_sample *sample,
                      uint32_t *ret)
{
    struct path path = { .flame = flame, .node = SPY__PROFILE_NONE };
    const bool plain = !sample->waited && sample->stack < flame->profile->stack_count;
    if (plain && flame->of_stacks[sample->stack] > 0) {
        *ret = flame->of_stacks[sample->stack] - 1;
        return true;
    }
    spy__flame_walk(flame, sample, step, &path);
    if (plain && !path.failed && path.node != SPY__PROFILE_NONE) {
        flame->of_stacks[sample->stack] = path.node + 1;
    }
    *ret = path.node;
    return !path.failed;
}

// What a sample weighs goes there.
static uint64_t *weight_of(struct spy__flame_node *node, bool waited, bool against)
{
    return against  ? waited ? &node->against_waited_ns : &node->against_cpu_ns
           : waited ? &node->waited_ns
                    : &node->cpu_ns;
}

static int add_samples(struct spy__flame *flame, bool against)
{
    const struct spy__profile *p = flame->profile;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        const struct spy__profile_sample *sample = &p->samples[i];
        uint32_t node = SPY__PROFILE_NONE;
        if (!find_node(flame, sample, &node)) {
            return -ENOMEM;
        }
        if (node == SPY__PROFILE_NONE) {
            flame->left_out++;
            continue;
        }
        *weight_of(&flame->nodes[node], sample->waited, against) += sample->weight_ns;
        flame->nodes[node].samples += against ? 0 : sample->count;
    }
    return 0;
}

// Into the same tree: frames and nodes are known by their names, which both profiles have.
static int add_against(struct spy__flame *flame)
{
    const struct spy__profile *own = flame->profile;
    forget_locations(flame);
    flame->profile = own->against;
    int rc = name_locations(flame);
    if (rc == 0) {
        rc = add_samples(flame, true);
    }
    flame->profile = own;
    return rc;
}

int spy__flame_add_samples(struct spy__flame *flame)
{
    int rc = add_samples(flame, false);
    return rc == 0 && flame->profile->against ? add_against(flame) : rc;
}
