// The appender's side: entries are collected in a buffer, and written to the current segment.
//
// Invariant: what is buffered belongs to `current` and goes behind its last byte; a segment is
// listed when its first bytes are written. After a failed write the segment is given up, cut back
// to what it had: a reader never sees a part of a flush that was counted as lost.

#include "record/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/journal/journal_set.h"

#define RETRY_NS 1000000000u
#define LOOK_NS 1000000000u

// Begins a segment: its head is the first thing buffered. Returns 0 or -ENOMEM.
static int begin_segment(struct spy__journal *journal)
{
    struct spy__segment *segment = calloc(1, sizeof(*segment));
    if (!segment) {
        return -ENOMEM;
    }
    uint64_t now_ns = spy__realtime_ns();
    segment->id = now_ns > journal->last_id ? now_ns : journal->last_id + 1;
    segment->first_sequence = journal->next_sequence;
    journal->last_id = segment->id;
    spy__segment_head_write(journal->buffer, segment->id, segment->first_sequence);
    journal->buffered = SPY__SEGMENT_HEAD;
    pthread_mutex_lock(&journal->mu); // it is compared with the list's
    journal->current = segment;
    pthread_mutex_unlock(&journal->mu);
    return 0;
}

// No more is appended to it; from then on it may be dropped.
static void end_segment(struct spy__journal *journal)
{
    struct spy__segment *segment = journal->current;
    bool listed = segment->listed;
    pthread_mutex_lock(&journal->mu);
    journal->current = NULL;
    pthread_mutex_unlock(&journal->mu);
    if (!listed) {
        free(segment->memory);
        free(segment);
    }
    if (journal->fd >= 0) {
        close(journal->fd);
        journal->fd = -1;
    }
}

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t some = write(fd, bytes, n);
        if (some > 0) {
            bytes += some;
            n -= (size_t)some;
        } else if (some == 0 || errno != EINTR) {
            return some == 0 ? -EIO : -errno;
        }
    }
    return 0;
}

static int write_to_file(struct spy__journal *journal)
{
    struct spy__segment *segment = journal->current;
    char name[SPY__SEGMENT_NAME];
    spy__segment_name(name, segment->id, "");
    if (journal->fd < 0) {
        journal->fd = openat(journal->dir_fd, name,
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (journal->fd < 0) {
            return -errno;
        }
    }
    int err = write_all(journal->fd, journal->buffer, journal->buffered);
    if (err != 0) {
        if (segment->listed) {
            (void)!ftruncate(journal->fd, (off_t)segment->bytes);
        } else {
            (void)unlinkat(journal->dir_fd, name, 0);
        }
    }
    return err;
}

static int write_to_memory(struct spy__journal *journal)
{
    struct spy__segment *segment = journal->current;
    if (!segment->memory) {
        size_t n = journal->segment_bytes > journal->buffered ? (size_t)journal->segment_bytes
                                                              : journal->buffered;
        segment->memory = malloc(n);
        if (!segment->memory) {
            return -ENOMEM;
        }
    }
    // Readers look at what is published alone, which this is not yet.
    memcpy(segment->memory + segment->bytes, journal->buffer, journal->buffered);
    return 0;
}

// What was written is for readers to see. Called with mu held.
static void publish(struct spy__journal *journal)
{
    struct spy__segment *segment = journal->current;
    segment->bytes += journal->buffered;
    segment->newest_ns = spy__realtime_ns();
    if (segment->listed) {
        journal->bytes += journal->buffered;
    } else {
        spy__journal_list(journal, segment);
    }
    uint32_t kinds = 0;
    for (unsigned kind = 0; kind < SPY__ENTRY_KINDS; kind++) {
        segment->counts[kind] += journal->counts[kind];
        kinds |= journal->counts[kind] ? 1u << kind : 0;
    }
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        if (r->open && r->armed && (r->kinds & kinds)) {
            r->armed = false;
            (void)!write(r->event_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
        }
    }
    if (journal->failing) {
        journal->failing = false;
        spy__journal_say(journal, SPY__JOURNAL_WORKS, "", 0);
    }
}

static enum spy__journal_loss loss_of(int err)
{
    return err == -ENOMEM ? SPY__JOURNAL_LOST_MEMORY : SPY__JOURNAL_LOST_WRITE;
}

// Called with mu held.
static void give_up(struct spy__journal *journal, int err)
{
    spy__journal_count_lost_kinds(journal, loss_of(err), journal->counts);
    journal->retry_ns = spy__monotonic_ns() + RETRY_NS;
    journal->error = err;
    if (!journal->failing) {
        journal->failing = true;
        spy__journal_say(journal, SPY__JOURNAL_FAILS, "", err);
    }
}

// Writes what is buffered. Afterwards nothing is.
static void write_out(struct spy__journal *journal)
{
    int err = journal->dir_fd >= 0 ? write_to_file(journal) : write_to_memory(journal);
    pthread_mutex_lock(&journal->mu);
    if (err == 0) {
        publish(journal);
    } else {
        give_up(journal, err);
        journal->next_sequence -= spy__count_kinds(journal->counts, ~0u); // they were never there
    }
    pthread_mutex_unlock(&journal->mu);
    journal->buffered = 0;
    memset(journal->counts, 0, sizeof(journal->counts));
    if (err != 0) {
        end_segment(journal);
    }
}

// Makes sure that there is a current segment, with room in it and in the buffer. Returns 0, or the
// negative errno of why there cannot be one now.
static int make_room(struct spy__journal *journal, size_t size)
{
    const struct spy__segment *current = journal->current;
    if (current && current->bytes + journal->buffered + size > journal->segment_bytes) {
        if (journal->buffered > 0) {
            write_out(journal);
        }
        if (journal->current) {
            end_segment(journal);
        }
    } else if (journal->buffered > 0 && journal->buffered + size > SPY__JOURNAL_BUFFER) {
        write_out(journal);
    }
    if (journal->current) {
        return 0;
    }
    // `failing` is written by this thread alone.
    if (journal->failing && spy__monotonic_ns() < journal->retry_ns) {
        return journal->error;
    }
    return begin_segment(journal);
}

uint32_t spy__journal_wanted(const struct spy__journal *journal)
{
    return __atomic_load_n(&journal->wanted, __ATOMIC_RELAXED);
}

void spy__journal_append(struct spy__journal *journal, unsigned kind, const void *bytes, size_t n)
{
    if (kind >= SPY__ENTRY_KINDS || !(spy__journal_wanted(journal) >> kind & 1)) {
        return;
    }
    bool fits = n > 0 && n <= SPY__ENTRY_BYTES_MAX;
    int err = fits ? make_room(journal, spy__entry_size(n)) : -EMSGSIZE;
    if (err != 0) {
        uint64_t one[SPY__ENTRY_KINDS] = { 0 };
        one[kind] = 1;
        pthread_mutex_lock(&journal->mu);
        spy__journal_count_lost_kinds(journal, loss_of(err), one);
        pthread_mutex_unlock(&journal->mu);
        return;
    }
    spy__entry_write(journal->buffer + journal->buffered, journal->current->id,
                     journal->current->bytes + journal->buffered, journal->next_sequence++, kind,
                     bytes, n);
    journal->buffered += spy__entry_size(n);
    journal->counts[kind]++;
}

void spy__journal_flush(struct spy__journal *journal)
{
    bool wrote = journal->buffered > 0;
    if (wrote) {
        write_out(journal);
    }
    uint64_t now_ns = spy__monotonic_ns();
    if (!wrote && now_ns < journal->look_ns) {
        return;
    }
    journal->look_ns = now_ns + LOOK_NS;
    now_ns = spy__realtime_ns();
    // So that even a slow journal has segments that grow too old.
    if (journal->current && now_ns > journal->current->id &&
        now_ns - journal->current->id > journal->age_max_ns / 8) {
        end_segment(journal);
    }
    pthread_mutex_lock(&journal->mu);
    struct spy__segment *dropped = spy__journal_drop_excess(journal, now_ns);
    pthread_mutex_unlock(&journal->mu);
    spy__journal_remove(journal, dropped);
}
