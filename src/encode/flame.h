// The frames of a profile as readers see them, and its stacks added up to a tree: what the folded
// text, speedscope's file and the flame graph share.
//
// A frame is a function and where it lies: its source file, or its module. What has no name is its
// module and the address that addr2line asks for. Waiting is a frame too, the innermost one:
// "waiting: OPERATION".
//
// Pure functions of their arguments. Not for use by two threads at a time.
#ifndef ENCODE_FLAME_H
#define ENCODE_FLAME_H

#include <stdbool.h>
#include <stdint.h>

#include "encode/intern.h"
#include "profile/profile.h"

enum spy__flame_kind {
    SPY__FLAME_APP,     // the program's own code
    SPY__FLAME_LIBRARY, // has a name
    SPY__FLAME_UNKNOWN, // an address
    SPY__FLAME_WAITING,
};

struct spy__flame_frame {
    enum spy__flame_kind kind;
    const char *name, *where; // where: a file or a module, "" for neither
};

// One function in one place of the stacks. Parents come before their children.
struct spy__flame_node {
    uint32_t parent; // SPY__PROFILE_NONE: a root
    uint32_t frame;
    uint64_t cpu_ns, waited_ns;                 // of itself alone
    uint32_t samples;                           // likewise
    uint64_t against_cpu_ns, against_waited_ns; // of what the profile is compared with
};

struct spy__flame {
    struct spy__intern frames; // kind, name, NUL, where
    struct spy__intern keys;   // parent and frame of each node
    struct spy__flame_node *nodes;
    uint32_t node_count, node_cap;
    uint32_t left_out;                  // samples whose outermost frame found no room
    const struct spy__profile *profile; // borrowed
    uint32_t *of_locations;             // where in of_frames the frames of each location begin
    uint32_t *of_frames;                // outermost first
    uint32_t *of_stacks;                // the innermost node of each, + 1; 0: not walked yet
};

// Most nodes of a tree: what one page can draw. Where it is full, samples are charged to the
// innermost of their frames that has a node.
#define SPY__FLAME_NODES_MAX (1u << 18)

// Names all frames; the tree is empty. Returns 0 or -ENOMEM; free it in both cases.
int spy__flame_init(struct spy__flame *flame, const struct spy__profile *profile);
// Adds all samples to the tree, and those of what the profile is compared with, where there is one.
// Returns 0 or -ENOMEM. From here on the profile is not to be walked.
int spy__flame_add_samples(struct spy__flame *flame);
void spy__flame_done(struct spy__flame *flame);

// Its frame. Valid until the next one is added.
struct spy__flame_frame spy__flame_frame_at(const struct spy__flame *flame, uint32_t frame);

// The frames of a sample, outermost first, one call each; SPY__PROFILE_NONE without memory.
typedef void spy__flame_take(void *arg, uint32_t frame);
void spy__flame_walk(struct spy__flame *flame, const struct spy__profile_sample *sample,
                     spy__flame_take *take, void *arg);

#endif
