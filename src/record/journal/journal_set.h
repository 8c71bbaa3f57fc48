// The inside of the journal: what its files share. See record/journal/journal.h for what it is.
//
// Invariants: segments are listed by rising id; all but `current` are whole and closed. A segment's
// counts are of the good entries in [head, bytes). A reader's `seen` is how many of its kinds lie
// before its offset in its segment, so that what it has not read is counts - seen, and a loss is
// known without reading.
#ifndef RECORD_JOURNAL_JOURNAL_SET_H
#define RECORD_JOURNAL_JOURNAL_SET_H

#include <pthread.h>
#include <sys/types.h>

#include "record/journal/journal.h"
#include "record/journal/segment.h"

struct spy__segment {
    struct spy__segment *next;   // guarded by mu
    uint64_t id, first_sequence; // const after new; the id is also when it was begun, in ns
    char *memory;                // const after new; NULL: a file
    // Guarded by mu.
    uint64_t bytes; // whole entries, and the head
    uint64_t newest_ns;
    uint64_t counts[SPY__ENTRY_KINDS];
    unsigned refs; // readers that look into it
    bool listed;   // freed when it is neither listed nor looked into
};

// What one entry takes at most, with the head of the segment that it may begin: the buffer of the
// appender and the chunk of a reader have that much room. (Pages that no entry is long enough for are
// never touched.)
#define SPY__JOURNAL_ROOM (SPY__SEGMENT_HEAD + SPY__ENTRY_HEAD + SPY__ENTRY_BYTES_MAX)

// A part of a segment's file, as its one user last read it.
struct spy__chunk {
    char *bytes; // SPY__JOURNAL_ROOM of them
    uint64_t segment, offset;
    size_t n;
};

struct spy__journal_reader {
    struct spy__journal_reader *next; // guarded by mu
    struct spy__journal *journal;
    char name[SPY__JOURNAL_NAME_MAX + 1];

    // Guarded by mu.
    bool open, armed;
    uint32_t kinds;
    struct spy__journal_position committed, read;
    bool known;                        // was open in this run
    uint64_t before[SPY__ENTRY_KINDS]; // what lies before the cursor in its segment; until known
    uint64_t lost[SPY__JOURNAL_LOSSES];

    // Its own thread's.
    int event_fd;
    struct spy__segment *at; // referenced
    int fd;                  // of `at`, -1 for none
    struct spy__chunk chunk;
    bool cursor_fails;
};

struct spy__journal {
    // Const after open.
    uint64_t bytes_max, segment_bytes, age_max_ns;
    void (*lost)(void *arg, const char *reader, enum spy__journal_loss why, uint64_t entries);
    void (*tell)(void *arg, enum spy__journal_news what, const char *name, int err);
    void *arg;
    void (*found)(void *arg, const void *bytes, size_t n);
    void *found_arg;
    int dir_fd; // -1: in memory
    pid_t pid;

    uint32_t wanted; // atomic, relaxed: written with mu held

    pthread_mutex_t mu;
    // Guarded by mu.
    struct spy__segment *oldest, *newest;
    uint64_t bytes, segments;
    struct spy__journal_reader *readers;
    bool failing;

    // The appender's own.
    struct spy__segment *current; // what is appended to, NULL for none
    int fd;                       // of current, -1 while it has no file
    char *buffer;
    size_t buffered;
    uint64_t counts[SPY__ENTRY_KINDS]; // of what is buffered
    uint64_t last_id, next_sequence;
    int error;                  // of the last write, while `failing`
    uint64_t retry_ns, look_ns; // on the monotonic clock: write again, look at the age again
};

// How many entries of a set of kinds these are.
static inline uint64_t spy__count_kinds(const uint64_t counts[SPY__ENTRY_KINDS], uint32_t kinds)
{
    uint64_t n = 0;
    for (unsigned kind = 0; kind < SPY__ENTRY_KINDS; kind++) {
        n += kinds >> kind & 1 ? counts[kind] : 0;
    }
    return n;
}

// journal.c, all with mu held:

// Counts what a reader lost, and tells it.
void spy__journal_count_lost(struct spy__journal_reader *reader, enum spy__journal_loss why,
                             uint64_t entries);
// The same for every reader, by kinds.
void spy__journal_count_lost_kinds(struct spy__journal *journal, enum spy__journal_loss why,
                                   const uint64_t counts[SPY__ENTRY_KINDS]);
void spy__journal_say(struct spy__journal *journal, enum spy__journal_news what, const char *name,
                      int err);
void spy__journal_list(struct spy__journal *journal, struct spy__segment *segment);
// Takes segments off the list that are too many, too large or too old, or that no reader wants any
// more. Returns them as a list of their own, to be given to spy__journal_remove().
struct spy__segment *spy__journal_drop_excess(struct spy__journal *journal, uint64_t now_ns);
struct spy__segment *spy__journal_drop_done(struct spy__journal *journal);
// One reference less; frees it where it was the last.
void spy__segment_release(struct spy__segment *segment);

// Without mu: deletes the files of unlisted segments, and what nobody looks into.
void spy__journal_remove(struct spy__journal *journal, struct spy__segment *unlisted);

// journal_reader.c: gives back what an open reader holds.
void spy__journal_reader_forget(struct spy__journal_reader *reader);

// journal_files.c:

// "0123456789abcdef" and a suffix.
#define SPY__SEGMENT_NAME 32
void spy__segment_name(char to[SPY__SEGMENT_NAME], uint64_t id, const char *suffix);
// Opens or makes state_dir/journal. Returns a descriptor or a negative errno.
int spy__journal_dir_open(const char *state_dir);
// Lists what an earlier run left: cursors and segments. Returns 0 or -ENOMEM.
int spy__journal_load(struct spy__journal *journal);
// Writes the reader's cursor. Returns 0 or a negative errno.
int spy__cursor_write(const struct spy__journal_reader *reader,
                      const struct spy__journal_position *position);

// journal_chunk.c:

// Finds the first good entry in [from, limit) of a segment. Returns 1, 0 where there is none, or a
// negative errno; *ret borrows from the chunk or from the segment's memory.
int spy__segment_next(struct spy__chunk *chunk, const struct spy__segment *segment, int fd,
                      uint64_t from, uint64_t limit, struct spy__entry *ret);

#endif
