// A lane between a journal and a server that is a model: it stores rows, knows the tokens it has
// seen, and says what the test lets it say.
#ifndef TESTS_LANE_RIG_H
#define TESTS_LANE_RIG_H

#include "deliver/lane.h"
#include "journal_rig.h"

#define LANE_RIG_ROWS 256
#define LANE_RIG_TOKENS 512
#define LANE_RIG_KIND 3u

struct lane_rig {
    struct journal_rig *journal;
    struct spy__backend backend;
    struct spy__transport transport;
    struct spy__lane_hooks hooks;
    struct spy__journal_reader *reader;
    struct spy__lane lane;
    bool open;

    // What is on its way.
    bool calling, preparing;
    char token[SPY__TOKEN_MAX];
    size_t rows, body_bytes;
    unsigned numbers[LANE_RIG_ROWS];
    unsigned sends, cancels;

    // The server.
    int unprepared;                 // how many requests it wants before a batch
    unsigned stored[LANE_RIG_ROWS]; // how often, by number
    struct {
        char token[SPY__TOKEN_MAX];
        unsigned first, last;
        size_t rows;
        bool taken;
    } tokens[LANE_RIG_TOKENS];
    size_t token_count;
    unsigned poison;     // a number that it refuses, 0 for none
    unsigned unreadable; // a number that the backend cannot read, 0 for none
    bool no_send;        // the transport has no memory

    // What was told.
    uint64_t counts[SPY__LANE_COUNTS], dropped, took;
    char reason[32];
    unsigned fails, works, buried, forgets;
    int bury_err, forget_err;
};

int lane_rig_set_up(void **state);
int lane_rig_tear_down(void **state);

// Opens journal, reader and lane; `in_memory` without a state directory.
void lane_rig_open(struct lane_rig *rig, bool in_memory);
// Takes them down, as a kill does: nothing is told.
void lane_rig_kill(struct lane_rig *rig);
// Appends entries with these numbers.
void lane_rig_append(struct lane_rig *rig, unsigned from, unsigned to);

// Steps the lane at the rig's time.
uint64_t lane_rig_step(struct lane_rig *rig);
void lane_rig_pass(struct lane_rig *rig, unsigned ms);

// Ends the call that is on its way; checks that there is one.
void lane_rig_take(struct lane_rig *rig); // stores its rows, and says so
void lane_rig_lose(struct lane_rig *rig); // stores its rows; the answer is lost
void lane_rig_fail(struct lane_rig *rig, long status, const char *header); // stores nothing
// As the model does by itself: poison is refused, all else is taken.
void lane_rig_judge(struct lane_rig *rig);
// Steps and judges until nothing is left to do.
void lane_rig_run(struct lane_rig *rig);
// Checks that each of [from, to) but the poison is stored once.
void lane_rig_expect_stored(const struct lane_rig *rig, unsigned from, unsigned to);

#endif
