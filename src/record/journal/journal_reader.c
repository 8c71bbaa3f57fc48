// A reader: its place in the journal, and what it loses.
//
// Two places: `committed`, which its cursor file holds, and `read`, behind what next() gave. The
// reader's thread looks into segments without the lock, and takes an entry only if `read` is still
// where it was when it began: the appender may have dropped the segment meanwhile.

#include "record/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "record/journal/journal_set.h"

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= SPY__JOURNAL_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

// Called with mu held, as all here that are not said to be without.
static void update_wanted(struct spy__journal *journal)
{
    uint32_t wanted = 0;
    for (const struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        wanted |= r->open ? r->kinds : 0;
    }
    __atomic_store_n(&journal->wanted, wanted, __ATOMIC_RELAXED);
}

// The reader called so, open or not; *ret_count is set to how many there are.
static struct spy__journal_reader *find_reader(struct spy__journal *journal, const char *name,
                                               unsigned *ret_count)
{
    struct spy__journal_reader *found = NULL;
    *ret_count = 0;
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        (*ret_count)++;
        if (strcmp(r->name, name) == 0) {
            found = r;
        }
    }
    return found;
}

static int list_reader(struct spy__journal_reader **ret, struct spy__journal *journal,
                       const char *name)
{
    unsigned count;
    struct spy__journal_reader *reader = find_reader(journal, name, &count);
    if (!reader) {
        if (count >= SPY__JOURNAL_READERS_MAX) {
            return -ENFILE;
        }
        reader = calloc(1, sizeof(*reader));
        if (!reader) {
            return -ENOMEM;
        }
        memcpy(reader->name, name, strlen(name));
        reader->journal = journal;
        reader->next = journal->readers;
        journal->readers = reader;
    }
    *ret = reader;
    return reader->open ? -EBUSY : 0;
}

static int open_reader(struct spy__journal_reader **ret, struct spy__journal *journal,
                       const char *name, uint32_t kinds, char *chunk, int event_fd)
{
    struct spy__journal_reader *reader;
    int err = list_reader(&reader, journal, name);
    if (err != 0) {
        return err;
    }
    if (reader->known && reader->kinds != kinds) {
        return -EINVAL;
    }
    if (!reader->known) {
        reader->committed.seen = spy__count_kinds(reader->before, kinds);
    }
    reader->known = true;
    reader->kinds = kinds;
    reader->event_fd = event_fd;
    reader->fd = -1;
    reader->chunk = (struct spy__chunk){ .bytes = chunk };
    reader->committed.given = 0;
    reader->read = reader->committed;
    reader->open = true;
    update_wanted(journal);
    *ret = reader;
    return 0;
}

int spy__journal_reader_open(struct spy__journal_reader **ret, struct spy__journal *journal,
                             const char *name, uint32_t kinds)
{
    if (!is_name(name)) {
        return -EINVAL;
    }
    char *chunk = journal->dir_fd >= 0 ? malloc(SPY__JOURNAL_ROOM) : NULL;
    if (journal->dir_fd >= 0 && !chunk) {
        return -ENOMEM;
    }
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = event_fd < 0 ? -errno : 0;
    struct spy__segment *done = NULL;
    if (err == 0) {
        pthread_mutex_lock(&journal->mu);
        err = open_reader(ret, journal, name, kinds, chunk, event_fd);
        done = err == 0 ? spy__journal_drop_done(journal) : NULL;
        pthread_mutex_unlock(&journal->mu);
    }
    if (err != 0) {
        if (event_fd >= 0) {
            close(event_fd);
        }
        free(chunk);
        return err;
    }
    spy__journal_remove(journal, done);
    return 0;
}

// Lets go of the segment that the reader looks into.
static void leave_segment(struct spy__journal_reader *reader)
{
    spy__segment_release(reader->at);
    reader->at = NULL;
    reader->chunk.n = 0;
    if (reader->fd >= 0) {
        close(reader->fd);
        reader->fd = -1;
    }
}

void spy__journal_reader_forget(struct spy__journal_reader *reader)
{
    leave_segment(reader);
    close(reader->event_fd);
    free(reader->chunk.bytes);
    reader->chunk.bytes = NULL;
    reader->open = reader->armed = false;
}

void spy__journal_reader_close(struct spy__journal_reader *reader)
{
    if (!reader || reader->journal->pid != getpid()) {
        return;
    }
    struct spy__journal *journal = reader->journal;
    pthread_mutex_lock(&journal->mu);
    spy__journal_reader_forget(reader);
    reader->read = reader->committed;
    update_wanted(journal);
    pthread_mutex_unlock(&journal->mu);
}

static struct spy__segment *find_segment(const struct spy__journal *journal, uint64_t id)
{
    struct spy__segment *segment = journal->oldest;
    while (segment && segment->id < id) {
        segment = segment->next;
    }
    return segment;
}

// Looks into `segment` from here on: the one that it is in, or the one behind all that it has read.
static void enter_segment(struct spy__journal_reader *reader, struct spy__segment *segment)
{
    leave_segment(reader);
    segment->refs++;
    reader->at = segment;
    if (reader->read.segment != segment->id) {
        reader->read.segment = segment->id;
        reader->read.offset = SPY__SEGMENT_HEAD;
        reader->read.seen = 0;
        reader->read.sequence = segment->first_sequence;
    }
}

// Finds the segment with something to read behind `read`, and sets reader->at to it. False where
// there is none: the reader is then woken by the next flush.
static bool find_place(struct spy__journal_reader *reader)
{
    struct spy__journal *journal = reader->journal;
    struct spy__segment *segment = reader->at;
    if (!segment || !segment->listed || segment->id != reader->read.segment) {
        segment = find_segment(journal, reader->read.segment);
    }
    if (segment && segment->id == reader->read.segment && reader->read.offset >= segment->bytes) {
        segment = segment->next;
    }
    if (!segment) {
        uint64_t count;
        (void)!read(reader->event_fd, &count, sizeof(count));
        reader->armed = true;
        return false;
    }
    if (segment != reader->at || segment->id != reader->read.segment) {
        enter_segment(reader, segment);
    }
    return true;
}

// Without mu. Finds the first entry of the reader's kinds in [from, limit) of the segment it looks
// into. *sequence is the next one, and is moved on; *ret_missing says how many were not there.
// Returns as spy__segment_next().
static int look_for(struct spy__journal_reader *reader, uint64_t from, uint64_t limit,
                    struct spy__entry *ret, uint64_t *sequence, uint64_t *ret_missing)
{
    struct spy__segment *segment = reader->at;
    if (!segment->memory && reader->fd < 0) {
        char name[SPY__SEGMENT_NAME];
        spy__segment_name(name, segment->id, "");
        reader->fd = openat(reader->journal->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (reader->fd < 0) {
            return -errno;
        }
    }
    for (;;) {
        int found = spy__segment_next(&reader->chunk, segment, reader->fd, from, limit, ret);
        if (found != 1) {
            return found;
        }
        if (*sequence != 0 && ret->sequence > *sequence) {
            *ret_missing += ret->sequence - *sequence;
        }
        *sequence = ret->sequence + 1;
        if (reader->kinds >> ret->kind & 1) {
            return 1;
        }
        from = ret->end;
    }
}

static bool same_place(const struct spy__journal_position *a, const struct spy__journal_position *b)
{
    return a->segment == b->segment && a->offset == b->offset;
}

// Takes what was found, or notes that the rest of the segment has nothing.
static bool take(struct spy__journal_reader *reader, int found, const struct spy__entry *entry,
                 uint64_t limit, struct spy__journal_entry *ret)
{
    if (found == 1) {
        *ret = (struct spy__journal_entry){ entry->bytes, entry->n, entry->kind, reader->read };
        ret->start.offset = entry->start;
        ret->start.sequence = entry->sequence;
        reader->read.offset = entry->end;
        reader->read.seen++;
        reader->read.given++;
        ret->end = reader->read;
        return true;
    }
    if (found < 0) {
        // The file cannot be read, or is not there any more.
        uint64_t all = spy__count_kinds(reader->at->counts, reader->kinds);
        uint64_t left = all > reader->read.seen ? all - reader->read.seen : 0;
        spy__journal_count_lost(reader, SPY__JOURNAL_LOST_CORRUPT, left);
        reader->read.seen += left;
    }
    reader->read.offset = limit;
    return false;
}

bool spy__journal_reader_next(struct spy__journal_reader *reader, struct spy__journal_entry *ret)
{
    struct spy__journal *journal = reader->journal;
    bool taken = false;
    pthread_mutex_lock(&journal->mu);
    while (!taken && find_place(reader)) {
        struct spy__journal_position place = reader->read;
        uint64_t limit = reader->at->bytes, missing = 0;
        uint64_t sequence = place.sequence;
        struct spy__entry entry;
        pthread_mutex_unlock(&journal->mu);
        int found = look_for(reader, place.offset, limit, &entry, &sequence, &missing);
        pthread_mutex_lock(&journal->mu);
        if (same_place(&place, &reader->read)) {
            reader->read.sequence = found < 0 ? 0 : sequence;
            spy__journal_count_lost(reader, SPY__JOURNAL_LOST_CORRUPT, missing);
            taken = take(reader, found, &entry, limit, ret);
        }
    }
    pthread_mutex_unlock(&journal->mu);
    return taken;
}

int spy__journal_reader_fd(const struct spy__journal_reader *reader)
{
    return reader->event_fd;
}

void spy__journal_reader_commit(struct spy__journal_reader *reader,
                                const struct spy__journal_position *position)
{
    struct spy__journal *journal = reader->journal;
    int err = journal->dir_fd >= 0 ? spy__cursor_write(reader, position) : 0;
    pthread_mutex_lock(&journal->mu);
    reader->committed = *position;
    if (err != 0 && !reader->cursor_fails) {
        spy__journal_say(journal, SPY__JOURNAL_CURSOR, reader->name, err);
    }
    reader->cursor_fails = err != 0;
    struct spy__segment *done = spy__journal_drop_done(journal);
    pthread_mutex_unlock(&journal->mu);
    spy__journal_remove(journal, done);
}

// How many of the entries between `committed` and `read` are still there.
static uint64_t count_kept(const struct spy__journal_reader *reader)
{
    uint64_t kept = 0;
    for (const struct spy__segment *s = reader->journal->oldest; s; s = s->next) {
        if (s->id < reader->read.segment) {
            kept += spy__count_kinds(s->counts, reader->kinds);
        } else if (s->id == reader->read.segment) {
            kept += reader->read.seen;
        }
    }
    return kept;
}

void spy__journal_reader_rewind(struct spy__journal_reader *reader)
{
    struct spy__journal *journal = reader->journal;
    pthread_mutex_lock(&journal->mu);
    const struct spy__segment *first = find_segment(journal, reader->committed.segment);
    uint64_t given = reader->read.given - reader->committed.given;
    if (!first || first->id != reader->committed.segment) {
        uint64_t kept = count_kept(reader);
        spy__journal_count_lost(reader, SPY__JOURNAL_LOST_CAP, given > kept ? given - kept : 0);
    }
    reader->read = reader->committed;
    leave_segment(reader);
    pthread_mutex_unlock(&journal->mu);
}

void spy__journal_reader_lag(struct spy__journal_reader *reader, struct spy__journal_lag *ret)
{
    struct spy__journal *journal = reader->journal;
    const struct spy__journal_position *from = &reader->committed;
    struct spy__journal_lag lag = { 0 };
    pthread_mutex_lock(&journal->mu);
    for (const struct spy__segment *s = journal->oldest; s; s = s->next) {
        uint64_t all = spy__count_kinds(s->counts, reader->kinds);
        if (s->id > from->segment) {
            lag.bytes += s->bytes;
            lag.entries += all;
        } else if (s->id == from->segment && s->bytes > from->offset) {
            lag.bytes += s->bytes - from->offset;
            lag.entries += all > from->seen ? all - from->seen : 0;
        }
    }
    memcpy(lag.lost, reader->lost, sizeof(lag.lost));
    pthread_mutex_unlock(&journal->mu);
    *ret = lag;
}
