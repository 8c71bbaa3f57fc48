// The file that a crash is written into, as it lies in the state directory: made by spy_start(),
// with all its blocks, written by the crash handler through a shared mapping, read at the next
// start by another process. All numbers are the machine's own.
//
//     struct spy__crash_head       at 0
//     struct spy__crash_module[]   at SPY__CRASH_MODULES_AT: what was loaded
//     struct spy__crash_thread[]   at SPY__CRASH_THREADS_AT: the thread that crashed is the first
//     stacks                       from SPY__CRASH_STACKS_AT on: SPY__CRASH_STACK_MAX bytes of the
//                                  first, SPY__THREAD_STACK_MAX of each other
//     struct spy__crash_scene[]    at SPY__CRASH_SCENES_AT: what each thread was at
//     bound                        at SPY__CRASH_BOUND_AT: the bound fields of the first thread's
//                                  context, in wire form (record/wire.h)
//     records                      at SPY__CRASH_RECORDS_AT: those of its request that the pump had
//                                  done with, in wire form, the oldest first
//
// A stack's bytes are those from just below the stack pointer upwards: the innermost frames.
#ifndef CRASH_FILE_H
#define CRASH_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "profile/modules.h"

#define SPY__CRASH_FILE "crash"
#define SPY__CRASH_MAGIC "SPYCRASH"
#define SPY__CRASH_ENDIAN 0x01020304u
#define SPY__CRASH_VERSION 2u

// A process has no more than some hundred of them.
#define SPY__CRASH_MODULES_MAX 512u
// Threads beside the one that crashed: as many as have a ring of their own by default.
#define SPY__CRASH_OTHERS_MAX 64u
#define SPY__CRASH_THREADS_MAX (1u + SPY__CRASH_OTHERS_MAX)
// Hundreds of frames; a handler with large buffers on its stack still shows who called it.
#define SPY__CRASH_STACK_MAX (256u << 10)
#define SPY__THREAD_STACK_MAX (64u << 10)

// As DWARF numbers them; of x86-64 the first 17 are used (the last is the return address, which
// stands for the instruction pointer), of arm64 32 (the last is the stack pointer).
#define SPY__CRASH_REGISTERS 32u

#define SPY__CRASH_CORRELATION_MAX 128u
#define SPY__CRASH_PATH_MAX 415u // so that a module has a multiple of 8 bytes

// Operations that one thread is in: the innermost ones.
#define SPY__CRASH_OPEN_MAX 16u
// Bound fields are no longer: SPY_BOUND_MAX of SPY_BOUND_STR_MAX, and their keys.
#define SPY__CRASH_BOUND_MAX (8u << 10)
// As many records as an event has breadcrumbs, of ten times their mean length.
#define SPY__CRASH_RECORD_BYTES_MAX (256u << 10)

enum spy__crash_state {
    SPY__CRASH_NONE,
    SPY__CRASH_BEGUN,    // the process died while it was being written
    SPY__CRASH_WHOLE,    // all of it is there
    SPY__CRASH_SURVIVED, // an earlier handler of the host saved the process
};

// When it crashed, by both clocks that a span may have been begun by (base/moment.h).
struct spy__crash_instant {
    uint64_t count, monotonic_ns;
};

struct spy__crash_head {
    char magic[8]; // all zero while the file is being made
    uint32_t endian, version;
    uint32_t machine;  // EM_X86_64, EM_AARCH64
    uint32_t state;    // atomic: enum spy__crash_state
    uint64_t run, pid; // whose it is
    uint64_t time_ns;  // of the crash, since 1970
    int32_t signal, code;
    uint64_t address;    // that was touched, or that of the instruction: what si_addr says
    uint64_t sender;     // of a signal that another process, or this one, sent: its pid
    uint32_t modules;    // how many there are
    uint32_t threads;    // entries that are used, the first included
    uint32_t unanswered; // threads that did not copy their stack in time
    uint32_t unlisted;   // threads that found no place
    struct spy__crash_instant at;
    uint32_t bound_bytes, zero;
    uint32_t records_from, records_to; // of the room for records: where there are any
};

struct spy__crash_module {
    uint64_t start, end, bias; // as in struct spy__module
    char build_id[2 * SPY__BUILD_ID_MAX + 1];
    char path[SPY__CRASH_PATH_MAX]; // "" where it is longer
};

enum spy__thread_copy {
    SPY__COPY_NONE,
    SPY__COPY_ASKED, // it was sent the signal
    SPY__COPY_BEGUN,
    SPY__COPY_DONE,
};

struct spy__crash_thread {
    uint32_t copy; // atomic: enum spy__thread_copy
    uint32_t tid;
    char name[16];
    uint64_t trace_hi, trace_lo, span_id; // zero for none
    char correlation_id[SPY__CRASH_CORRELATION_MAX + 1];
    uint64_t pc, registers[SPY__CRASH_REGISTERS];
    uint64_t stack_start; // address of the first byte that was copied
    uint64_t stack_bytes;
};

#define SPY__CRASH_UNKNOWN UINT64_MAX

// An operation that was begun and not ended. Texts may lack their NUL.
struct spy__crash_open {
    uint64_t span_id;
    uint64_t parent_id; // 0: none, or not known
    uint64_t open_ns;   // how long, when the process crashed; SPY__CRASH_UNKNOWN
    char operation[64];
    char op[32];     // what kind of work, in Sentry's words; "" for none
    char detail[96]; // the values of its labels, with spaces between them
};

// A thread's entry has the place that it has among the threads.
struct spy__crash_scene {
    uint64_t count;
    char method[16]; // of the HTTP request; "" for none, as is the route's template
    char route[128];
    struct spy__crash_open open[SPY__CRASH_OPEN_MAX]; // the innermost first
};

#define SPY__CRASH_MODULES_AT ((size_t)4096)
#define SPY__CRASH_THREADS_AT                                                                      \
    (SPY__CRASH_MODULES_AT + SPY__CRASH_MODULES_MAX * sizeof(struct spy__crash_module))
#define SPY__CRASH_STACKS_AT                                                                       \
    ((SPY__CRASH_THREADS_AT + SPY__CRASH_THREADS_MAX * sizeof(struct spy__crash_thread) + 4095) /  \
     4096 * 4096)
#define SPY__CRASH_SCENES_AT                                                                       \
    (SPY__CRASH_STACKS_AT + SPY__CRASH_STACK_MAX +                                                 \
     SPY__CRASH_OTHERS_MAX * (size_t)SPY__THREAD_STACK_MAX)
#define SPY__CRASH_BOUND_AT                                                                        \
    (SPY__CRASH_SCENES_AT + SPY__CRASH_THREADS_MAX * sizeof(struct spy__crash_scene))
#define SPY__CRASH_RECORDS_AT (SPY__CRASH_BOUND_AT + SPY__CRASH_BOUND_MAX)
#define SPY__CRASH_BYTES (SPY__CRASH_RECORDS_AT + SPY__CRASH_RECORD_BYTES_MAX)

// Where the stack of thread i lies, and how many bytes it may have.
static inline size_t spy__crash_stack_at(size_t i)
{
    return SPY__CRASH_STACKS_AT +
           (i == 0 ? 0 : SPY__CRASH_STACK_MAX + (i - 1) * (size_t)SPY__THREAD_STACK_MAX);
}

static inline size_t spy__crash_stack_max(size_t i)
{
    return i == 0 ? SPY__CRASH_STACK_MAX : SPY__THREAD_STACK_MAX;
}

_Static_assert(sizeof(struct spy__crash_head) <= SPY__CRASH_MODULES_AT, "the head is a page");
_Static_assert(SPY__CRASH_RECORDS_AT % 8 == 0, "records are written 8-aligned");

#endif
