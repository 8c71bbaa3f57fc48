// How long a thread's open operations were off the CPU: for I/O, a lock, or a CPU.
//
// Each open operation is a frame; when it ends, its wall time less its thread's CPU time is what it
// waited, and less what its inner operations waited is what is charged to itself. A thread that comes
// to work under a profiled context opens a frame too, so that what it waits outside of operations of
// its own is charged to the innermost one of whoever it works for.
//
// A frame is exact: the CPU clock was read when it was opened. Reading it is a system call; where
// nobody asked for a request's profile a frame takes the thread's last reading, which the sampler
// renews with each sample, and one that was short is not looked at: what it waited stays with the
// operation around it. It may then be told less than it waited, by the time from one sample to the
// next, but not more.
//
// Owned by one thread; no clock of its own.
#ifndef PROFILE_WAITS_H
#define PROFILE_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stack.h"

// Frames that are open within each other. One more pushes out the outermost, which may be one that
// nobody will ever close.
#define SPY__WAITS_DEPTH_MAX 32u
// What an inexact frame must last to be looked at, and wait to be told.
#define SPY__WAITS_LONG_NS 10000000u

struct spy__wait {
    uint64_t span_id;      // that it is charged to
    uint64_t parent_id;    // of that; 0 where it is an arrival
    const char *operation; // of that; static
    uint32_t profile;      // of its request; 0: none
    bool arrival;          // not an operation, but a thread that came
    bool exact;
    uint64_t start_ns;    // monotonic
    uint64_t cpu_ns;      // of the thread
    uint64_t inner_ns;    // what the frames inside it waited
    uint32_t stack_count; // 0: none was taken
    uintptr_t stack[SPY__STACK_MAX];
};

struct spy__waits {
    unsigned depth;
    uint64_t cpu_ns; // the thread's last reading; atomic, relaxed: its signal handler writes it too
    struct spy__wait open[SPY__WAITS_DEPTH_MAX];
};

// Forgets innermost frames until one of the span is the innermost, or of a profile that is open: what
// began here and went on elsewhere will not be closed here. For whoever opens a frame inside that span.
void spy__waits_trim(struct spy__waits *waits, uint64_t span_id, bool (*is_open)(uint32_t profile));

// Opens a frame, with nothing set but its start and CPU time: `cpu_ns` where it is exact.
struct spy__wait *spy__waits_open(struct spy__waits *waits, uint64_t now_ns, uint64_t cpu_ns,
                                  bool exact);

// The innermost frame of a span, or the innermost arrival under a profile; NULL: none.
struct spy__wait *spy__waits_span(struct spy__waits *waits, uint64_t span_id);
struct spy__wait *spy__waits_arrival(struct spy__waits *waits, uint32_t profile);

// Whether closing these needs the CPU clock: `frame`, and all that were left open inside it.
bool spy__waits_need_cpu(const struct spy__waits *waits, const struct spy__wait *frame,
                         uint64_t now_ns);

// Closes the frame and all inside it, innermost first, and says what each waited by itself, where
// that is anything. cpu_ns: 0 where it is not needed.
typedef void spy__waited(void *arg, const struct spy__wait *frame, uint64_t waited_ns);
void spy__waits_close(struct spy__waits *waits, struct spy__wait *frame, uint64_t now_ns,
                      uint64_t cpu_ns, spy__waited *waited, void *arg);

// Says what each frame of the profile has waited by itself until now, and begins them anew from now.
void spy__waits_settle(struct spy__waits *waits, uint32_t profile, uint64_t now_ns, uint64_t cpu_ns,
                       spy__waited *waited, void *arg);

#endif
