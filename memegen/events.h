// The product events of memegen: meme_generated and meme_interaction, published from what the store
// has committed, in the order commit, publish, answer.
//
// An event's id is the UUID of version 5 of its type in the namespace of the meme's (or the
// interaction's) own id, so that whoever publishes it twice publishes the same event.
//
// Between the commit and the publishing a process may be killed. So it notes what it is about to
// commit in a small file of the state directory, by a store into a shared mapping which outlives
// the process, and takes the note back once the event is published: what a start still finds noted
// and committed was not published, and is published then. Only a kill within the nanoseconds
// between the two stores publishes it a second time, under the same id.
#ifndef MEMEGEN_EVENTS_H
#define MEMEGEN_EVENTS_H

#include <stddef.h>

#include "memegen/meme.h"
#include "memegen/store/store.h"

struct events;

// The note of one thing that is being committed.
struct events_note {
    void *place; // NULL: it is not noted, and published all the same
};

// Declares the event types and opens the notes in state_dir. Where their file cannot be had it goes
// on without one, and says so in the log. Returns 0 or -ENOMEM. Call it after spy_start(), which
// has locked state_dir.
int events_open(struct events **ret, const char *state_dir);
// Keeps the file. NULL is a no-op.
void events_close(struct events *events);

// Publishes what an earlier process committed and did not publish. Returns how many those were.
// Before anything is noted.
size_t events_recover(struct events *events, struct store *store);

// Note what is about to be committed, by its id. events: NULL notes and publishes nothing, here and
// below. Threads: any.
struct events_note events_note_meme(struct events *events, const char *id);
struct events_note events_note_interaction(struct events *events, const char *id);
// It was not committed.
void events_forget(struct events_note note);
// It was: publish it, under the request's context. Threads: the one that noted it.
void events_meme(struct events *events, struct events_note note, const struct meme *meme);
void events_interaction(struct events *events, struct events_note note,
                        const struct store_interaction *interaction);

#endif
