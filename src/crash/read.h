// A dead process's crash file, read: who crashed of what, at what, and the stacks of its threads as
// bytes.
//
// The file is outside bytes: a kill or a full disk may have cut it, the crash itself may have
// written into it. Whatever it holds, reading it gives something that can be used.
#ifndef CRASH_READ_H
#define CRASH_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash/file.h"
#include "profile/modules.h"
#include "record/frame.h"
#include "spyglass/context.h"

// Most frames of one thread, inlined ones included.
#define SPY__CRASH_FRAMES_MAX SPY__FRAMES_MAX

// An operation that a thread was in.
struct spy__crash_operation {
    uint64_t span_id, parent_id; // 0: none, or not known
    bool known;                  // how long it had been open
    uint64_t open_ns;
    // UTF-8, "" for none.
    char operation[sizeof(((struct spy__crash_open *)0)->operation) + 1];
    char op[sizeof(((struct spy__crash_open *)0)->op) + 1];
    char detail[sizeof(((struct spy__crash_open *)0)->detail) + 1];
};

struct spy__crash_stack {
    uint32_t tid;
    char name[16];                                       // UTF-8, "" for none
    uint64_t trace_hi, trace_lo, span_id;                // zero for none
    char correlation_id[SPY__CRASH_CORRELATION_MAX + 1]; // "" for none
    uint64_t pc, registers[SPY__CRASH_REGISTERS];
    uint64_t start; // address of the first byte
    const unsigned char *bytes;
    size_t n;
    // Innermost first; by spy__crash_name(), before it there are none. Owned, its strings are not.
    struct spy__frame *frames;
    size_t frame_count;
    bool truncated; // there are more
    // Of the HTTP request that it worked for; "" for none.
    char method[sizeof(((struct spy__crash_scene *)0)->method) + 1];
    char route[sizeof(((struct spy__crash_scene *)0)->route) + 1];
    // The innermost first, at most SPY__CRASH_OPEN_MAX. Owned; NULL where there are none.
    struct spy__crash_operation *open;
    size_t open_count;
};

struct spy__crash {
    uint64_t run, pid, time_ns, address, sender;
    int signal, code;
    uint32_t machine;
    bool whole;                    // it was written to its end
    uint32_t unanswered, unlisted; // threads whose stacks are missing
    struct spy__modules modules;   // of the dead process
    size_t thread_count;           // at least one: the one that crashed is the first
    struct spy__crash_stack threads[SPY__CRASH_THREADS_MAX];
    // Of the context of the thread that crashed; they point into the bytes, as the next do.
    struct spy_field bound[SPY_BOUND_MAX];
    size_t bound_count;
    const unsigned char *records; // of its request, in wire form: whatever bytes they are
    size_t record_bytes;
    unsigned char *file; // owned, or NULL: what the stacks' bytes lie in
};

// Reads n bytes of a crash file, which must outlive *ret. Returns 0; -ENOENT where no crash is in it
// (or one that an earlier handler of the host saved it from); -EBADMSG where it is none of ours; or
// -ENOMEM.
int spy__crash_parse(struct spy__crash *ret, const void *bytes, size_t n);

// Takes the crash out of a state directory, if there is one: what is read once is not read again,
// whatever becomes of the reader. *ret_again: an earlier reader died of one. Returns as above, or
// the negative errno of a file that cannot be read.
int spy__crash_take(struct spy__crash *ret, const char *state_dir, bool *ret_again);
// The taken one was dealt with; or it was not, and is the next start's, which may name it again.
void spy__crash_taken(const char *state_dir);
void spy__crash_put_back(const char *state_dir);

void spy__crash_done(struct spy__crash *crash);

// "SIGSEGV"; "signal" for one that is no crash's.
const char *spy__crash_signal_name(int signal);
// What the kernel meant: "SEGV_MAPERR"; "" for none.
const char *spy__crash_code_name(int signal, int code);

#endif
