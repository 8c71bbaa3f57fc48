// How a process ended, as its next start sees it: a small file of the state directory that is told
// when it ends in order, and not otherwise. And how many sessions it had (signals/sessions.h) that
// nobody was told of yet.
//
// The file is mapped, so that the kernel keeps what was stored in it, however the process ends. The
// page stays mapped until then, for whoever counts late.
//
// Threads: start and stop one at a time; seen and told the pump's. A forked child changes nothing.
#ifndef CRASH_LIFE_H
#define CRASH_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/sessions.h"

#define SPY__LIFE_FILE "run"
#define SPY__LIFE_TEXT_MAX 128u

enum spy__life_end {
    SPY__LIFE_RUNNING, // it was killed, or crashed
    SPY__LIFE_STOPPED, // by spy_stop()
    SPY__LIFE_EXITED,  // by exit() or a return from main(), without a stop
};

struct spy__life {
    uint64_t run, pid, start_ns;
    uint64_t seen_ns; // when it was last seen alive
    enum spy__life_end end;
    bool rebooted;                        // the machine has started anew since
    struct spy__sessions untold;          // since told_ns
    uint64_t told_ns;                     // since 1970
    char release[SPY__LIFE_TEXT_MAX + 1]; // "" for none, as is the next
    char environment[SPY__LIFE_TEXT_MAX + 1];
};

// Reads the file of the process before, n bytes of it. Returns 0, or -EBADMSG where it is none of
// ours. boot_id is the present one.
int spy__life_parse(struct spy__life *ret, const void *bytes, size_t n, const char *boot_id);
// The same for the file in a state directory. Returns 0, -ENOENT, -EBADMSG or what the system said.
int spy__life_read(struct spy__life *ret, const char *state_dir);

struct spy__life_options {
    const char *state_dir;
    uint64_t run, now_ns;
    const char *release, *environment; // NULL for none
};

// Makes the file anew: this process runs. *ret: where it counts its sessions, all zero now, as long as
// it lives. Returns 0 or a negative errno.
int spy__life_start(struct spy__sessions **ret, const struct spy__life_options *options);
// It was alive then; and so many sessions have been told. No-ops without a start.
void spy__life_seen(uint64_t now_ns);
void spy__life_told(const struct spy__sessions *told, uint64_t now_ns);
// It ends in order. A no-op without a start.
void spy__life_stop(void);

#endif
