// A journal in a directory of its own, and what it told.
#ifndef TESTS_JOURNAL_RIG_H
#define TESTS_JOURNAL_RIG_H

#include "base/clock.h"
#include "record/journal/journal.h"

struct journal_rig {
    char dir[64]; // the state directory
    struct spy__journal_options options;
    struct spy__journal *journal;
    struct spy__fake_clock clock;
    uint64_t lost[2][SPY__JOURNAL_LOSSES]; // of reader "a" and of reader "b"
    unsigned told[SPY__JOURNAL_CURSOR + 1];
    int err; // of what was told last
};

// cmocka's set-up and tear-down; *state is the rig. A clock of its own, no journal yet.
int journal_rig_set_up(void **state);
int journal_rig_tear_down(void **state);

// Opens the journal: in the rig's directory, or in memory.
void journal_rig_open(struct journal_rig *rig, bool in_memory);
void journal_rig_close(struct journal_rig *rig);
struct spy__journal_reader *journal_rig_reader(struct journal_rig *rig, const char *name,
                                               uint32_t kinds);

// Appends entries of a kind that say the numbers [from, to), and flushes.
void journal_rig_append(struct journal_rig *rig, unsigned kind, unsigned from, unsigned to);
// Reads one entry and checks that it is what append made of this number.
void journal_rig_expect(struct spy__journal_reader *reader, unsigned number,
                        struct spy__journal_entry *ret);
// Reads until there is nothing more. Returns how many; *ret_last is the last one's end.
unsigned journal_rig_drain(struct spy__journal_reader *reader,
                           struct spy__journal_position *ret_last);

// Files of the journal's directory whose name ends so; "" for segments.
unsigned journal_rig_count(const struct journal_rig *rig, const char *suffix);
// The path of the nth segment, sorted by name.
void journal_rig_path(const struct journal_rig *rig, unsigned nth, char to[128]);

#endif
