// The journal: what is bound for the network, kept until each of its readers has sent it.
//
// An append-only run of segments (record/journal/segment.h): files of state_dir/journal, named by 16 hex
// digits that rise with time, or blocks of memory where there is no such directory. One thread
// appends (the pump); each reader is a name, a set of kinds and a cursor, and has a thread of its
// own. A segment goes when no reader wants anything of it any more, or when the journal is larger
// or older than it may be: what a reader had not read by then is counted, by reader.
//
// What was flushed outlives the process, not the machine: nothing is synced. A start cuts a torn
// tail, sets aside what it cannot read (*.corrupt), and always goes on in a new segment, so that a
// position never means two different entries. A reader repeats what it had not committed.
//
// A disk that is full or read-only holds nobody: what cannot be written is counted as lost, tried
// again once a second, and told once.
//
// Threads: append and flush, one at a time; each reader, one at a time; all of these beside each
// other. A forked child may close the journal, which leaves the files alone, and nothing else.
#ifndef RECORD_JOURNAL_JOURNAL_H
#define RECORD_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Defaults and limits: a segment is small beside the whole, so that the oldest one is a small
// loss; the whole is what an outage of hours at a hundred records a second needs.
#define SPY__JOURNAL_SEGMENT_BYTES (8u << 20)
#define SPY__JOURNAL_BYTES_MAX (256u << 20)
#define SPY__JOURNAL_MEMORY_MAX (16u << 20) // of a journal without a directory
#define SPY__JOURNAL_AGE_MAX_S (7u * 24 * 3600)
#define SPY__JOURNAL_SEGMENTS_MAX 1024u // starts that come one after the other make small ones
#define SPY__JOURNAL_READERS_MAX 16u
#define SPY__JOURNAL_NAME_MAX 32u
// Entries are collected up to here before they are written, and read in pieces of this size; one that
// is longer goes alone.
#define SPY__JOURNAL_BUFFER (256u << 10)

struct spy__journal;
struct spy__journal_reader;

// Why a reader lost entries.
enum spy__journal_loss {
    SPY__JOURNAL_LOST_CAP,     // the journal was full or they were too old, before they were read
    SPY__JOURNAL_LOST_WRITE,   // the disk did not take them
    SPY__JOURNAL_LOST_MEMORY,  // or there was no memory
    SPY__JOURNAL_LOST_CORRUPT, // unreadable
    SPY__JOURNAL_LOSSES,
};

enum spy__journal_news {
    SPY__JOURNAL_IN_MEMORY, // the directory is not usable: err says why
    SPY__JOURNAL_FAILS,     // writing fails: err; told again only after it worked
    SPY__JOURNAL_WORKS,     // and works again
    SPY__JOURNAL_ASIDE, // a segment was renamed to *.corrupt; err: -EBADMSG or -EPROTO (another version)
    SPY__JOURNAL_DAMAGED, // a segment has unreadable bytes, which readers skip
    SPY__JOURNAL_CURSOR,  // a cursor cannot be written: err; what was sent may be sent again
};

struct spy__journal_options {
    const char *state_dir;  // NULL: in memory
    uint64_t bytes_max;     // 0: SPY__JOURNAL_BYTES_MAX, or SPY__JOURNAL_MEMORY_MAX in memory
    uint64_t segment_bytes; // 0: SPY__JOURNAL_SEGMENT_BYTES; at most a quarter of bytes_max
    uint64_t age_max_s;     // 0: SPY__JOURNAL_AGE_MAX_S
    // What a reader lost, and what is to be said. Called from any of the journal's threads, with
    // its lock held: they must neither wait nor call the journal. Either may be NULL.
    void (*lost)(void *arg, const char *reader, enum spy__journal_loss why, uint64_t entries);
    void (*tell)(void *arg, enum spy__journal_news what, const char *name, int err);
    void *arg;
    // Sees the bytes of each entry that an earlier run left, in their order, while the journal is
    // opened; 8-aligned, borrowed. May be NULL.
    void (*found)(void *arg, const void *bytes, size_t n);
    void *found_arg;
};

// Opens the journal and looks through what an earlier run left. A directory that cannot be used is
// told, and the journal is in memory. Returns 0 or -ENOMEM.
int spy__journal_open(struct spy__journal **ret, const struct spy__journal_options *options);
// Flushes and frees; its readers must be closed. NULL is fine.
void spy__journal_close(struct spy__journal *journal);

// The kinds that some open reader wants, as a set of bits: the rest need not be appended.
uint32_t spy__journal_wanted(const struct spy__journal *journal);
// Appends one entry of 1 to SPY__ENTRY_BYTES_MAX bytes, which reach the file or the readers at a
// flush, or earlier. What nobody wants is not kept.
void spy__journal_append(struct spy__journal *journal, unsigned kind, const void *bytes, size_t n);
// Writes what was appended, wakes readers, drops what is too much or too old.
void spy__journal_flush(struct spy__journal *journal);

struct spy__journal_state {
    uint64_t bytes, segments; // kept
    uint64_t bytes_max;       // past it the oldest goes
    uint64_t oldest_ns;       // when the oldest segment was begun, 0 for none
    bool in_memory, failing;
};
void spy__journal_look(struct spy__journal *journal, struct spy__journal_state *ret);

// A place between two entries, of one reader. `segment` and `offset` name it for ever, as a token
// for what begins there; the rest counts this reader's entries.
struct spy__journal_position {
    uint64_t segment, offset;
    uint64_t sequence; // of the next entry of any kind, 0 for unknown
    uint64_t seen;     // in this segment before it
    uint64_t given;    // ever before it, since the reader was opened
};

struct spy__journal_entry {
    const void *bytes; // valid until the next call with this reader
    size_t n;
    unsigned kind;
    struct spy__journal_position start, end;
};

// Opens the reader `name` ([a-z0-9_-], at most SPY__JOURNAL_NAME_MAX) for a set of kinds. One that
// an earlier run knew goes on at its cursor, a new one begins with the oldest entry kept. Returns
// 0, -EINVAL (also: opened with other kinds in this run), -EBUSY (open already), -ENFILE (too many),
// -EMFILE or -ENOMEM.
int spy__journal_reader_open(struct spy__journal_reader **ret, struct spy__journal *journal,
                             const char *name, uint32_t kinds);
void spy__journal_reader_close(struct spy__journal_reader *reader);

// The next entry. False: there is none now, and the reader's descriptor becomes readable when
// there is.
bool spy__journal_reader_next(struct spy__journal_reader *reader, struct spy__journal_entry *ret);
// An eventfd to poll; the reader reads it itself.
int spy__journal_reader_fd(const struct spy__journal_reader *reader);
// All before `position`, the end of an entry that next() gave, is done with. Writes the cursor.
void spy__journal_reader_commit(struct spy__journal_reader *reader,
                                const struct spy__journal_position *position);
// Goes back to what was committed last. What is not kept any more is counted as lost.
void spy__journal_reader_rewind(struct spy__journal_reader *reader);

struct spy__journal_lag {
    uint64_t bytes, entries; // not committed; bytes of all kinds
    uint64_t lost[SPY__JOURNAL_LOSSES];
};
// Threads: any, while the reader is open.
void spy__journal_reader_lag(struct spy__journal_reader *reader, struct spy__journal_lag *ret);

#endif
