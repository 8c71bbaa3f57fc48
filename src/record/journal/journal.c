// The set of segments: what is listed, what goes, and who loses by it.

#include "record/journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "record/journal/journal_set.h"

void spy__journal_say(struct spy__journal *journal, enum spy__journal_news what, const char *name,
                      int err)
{
    if (journal->tell) {
        journal->tell(journal->arg, what, name, err);
    }
}

void spy__journal_count_lost(struct spy__journal_reader *reader, enum spy__journal_loss why,
                             uint64_t entries)
{
    if (entries == 0) {
        return;
    }
    reader->lost[why] += entries;
    if (reader->journal->lost) {
        reader->journal->lost(reader->journal->arg, reader->name, why, entries);
    }
}

void spy__journal_count_lost_kinds(struct spy__journal *journal, enum spy__journal_loss why,
                                   const uint64_t counts[SPY__ENTRY_KINDS])
{
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        spy__journal_count_lost(r, why, spy__count_kinds(counts, r->kinds));
    }
}

void spy__journal_list(struct spy__journal *journal, struct spy__segment *segment)
{
    segment->listed = true;
    segment->next = NULL;
    if (journal->newest) {
        journal->newest->next = segment;
    } else {
        journal->oldest = segment;
    }
    journal->newest = segment;
    journal->bytes += segment->bytes;
    journal->segments++;
}

static struct spy__segment *unlist_oldest(struct spy__journal *journal)
{
    struct spy__segment *segment = journal->oldest;
    journal->oldest = segment->next;
    if (!journal->oldest) {
        journal->newest = NULL;
    }
    journal->bytes -= segment->bytes;
    journal->segments--;
    segment->listed = false;
    segment->refs++; // of the list that it goes on
    return segment;
}

// What the reader has not read of a segment, from one of its two places.
static uint64_t count_unread(const struct spy__journal_reader *reader,
                             const struct spy__journal_position *place,
                             const struct spy__segment *segment)
{
    uint64_t all = spy__count_kinds(segment->counts, reader->kinds);
    if (place->segment != segment->id) {
        return place->segment < segment->id ? all : 0;
    }
    return all > place->seen ? all - place->seen : 0;
}

// What is read already stays the reader's business: it may still send it, and counts it as lost
// only if it wants to read it again.
static void lose_segment(struct spy__journal *journal, const struct spy__segment *segment)
{
    for (struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        if (r->read.segment <= segment->id) {
            spy__journal_count_lost(r, SPY__JOURNAL_LOST_CAP, count_unread(r, &r->read, segment));
            r->read.segment = segment->id;
            r->read.offset = segment->bytes;
            r->read.seen = spy__count_kinds(segment->counts, r->kinds);
            r->read.sequence = 0;
        }
    }
}

struct spy__segment *spy__journal_drop_excess(struct spy__journal *journal, uint64_t now_ns)
{
    struct spy__segment *dropped = NULL, **end = &dropped;
    while (journal->oldest && journal->oldest != journal->current) {
        const struct spy__segment *oldest = journal->oldest;
        bool old = now_ns > oldest->newest_ns && now_ns - oldest->newest_ns > journal->age_max_ns;
        if (!old && journal->bytes <= journal->bytes_max &&
            journal->segments <= SPY__JOURNAL_SEGMENTS_MAX) {
            break;
        }
        lose_segment(journal, oldest);
        *end = unlist_oldest(journal);
        end = &(*end)->next;
        *end = NULL;
    }
    return dropped;
}

static bool is_done(const struct spy__journal *journal, const struct spy__segment *segment)
{
    for (const struct spy__journal_reader *r = journal->readers; r; r = r->next) {
        if (count_unread(r, &r->committed, segment) > 0) {
            return false;
        }
    }
    return journal->readers != NULL; // before the first reader, nobody knows
}

struct spy__segment *spy__journal_drop_done(struct spy__journal *journal)
{
    struct spy__segment *dropped = NULL, **end = &dropped;
    while (journal->oldest && journal->oldest != journal->current &&
           is_done(journal, journal->oldest)) {
        *end = unlist_oldest(journal);
        end = &(*end)->next;
        *end = NULL;
    }
    return dropped;
}

static void free_segment(struct spy__segment *segment)
{
    free(segment->memory);
    free(segment);
}

void spy__segment_release(struct spy__segment *segment)
{
    if (segment && --segment->refs == 0 && !segment->listed) {
        free_segment(segment);
    }
}

void spy__journal_remove(struct spy__journal *journal, struct spy__segment *unlisted)
{
    char name[SPY__SEGMENT_NAME];
    for (const struct spy__segment *s = unlisted; s && journal->dir_fd >= 0; s = s->next) {
        spy__segment_name(name, s->id, "");
        (void)unlinkat(journal->dir_fd, name, 0);
    }
    pthread_mutex_lock(&journal->mu);
    for (struct spy__segment *s = unlisted, *next; s; s = next) {
        next = s->next;
        spy__segment_release(s);
    }
    pthread_mutex_unlock(&journal->mu);
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

static void set_options(struct spy__journal *journal, const struct spy__journal_options *options)
{
    journal->lost = options->lost;
    journal->tell = options->tell;
    journal->arg = options->arg;
    journal->found = options->found;
    journal->found_arg = options->found_arg;
    journal->age_max_ns = or_default(options->age_max_s, SPY__JOURNAL_AGE_MAX_S) * 1000000000u;
    journal->dir_fd = -1;
    if (options->state_dir) {
        int fd = spy__journal_dir_open(options->state_dir);
        if (fd < 0) {
            spy__journal_say(journal, SPY__JOURNAL_IN_MEMORY, "", fd);
        } else {
            journal->dir_fd = fd;
        }
    }
    journal->bytes_max = or_default(options->bytes_max, SPY__JOURNAL_BYTES_MAX);
    if (journal->dir_fd < 0 &&
        (!options->bytes_max || journal->bytes_max > SPY__JOURNAL_MEMORY_MAX)) {
        journal->bytes_max = SPY__JOURNAL_MEMORY_MAX;
    }
    journal->segment_bytes = or_default(options->segment_bytes, SPY__JOURNAL_SEGMENT_BYTES);
    if (journal->segment_bytes > journal->bytes_max / 4) {
        journal->segment_bytes = journal->bytes_max / 4;
    }
}

int spy__journal_open(struct spy__journal **ret, const struct spy__journal_options *options)
{
    struct spy__journal *journal = calloc(1, sizeof(*journal));
    char *buffer = malloc(SPY__JOURNAL_ROOM);
    if (!journal || !buffer) {
        free(buffer);
        free(journal);
        return -ENOMEM;
    }
    pthread_mutex_init(&journal->mu, NULL);
    journal->buffer = buffer;
    journal->fd = -1;
    journal->pid = getpid();
    journal->next_sequence = 1;
    set_options(journal, options);
    if (journal->dir_fd >= 0) {
        int err = spy__journal_load(journal);
        if (err != 0) {
            spy__journal_close(journal);
            return err;
        }
        pthread_mutex_lock(&journal->mu);
        struct spy__segment *dropped = spy__journal_drop_excess(journal, spy__realtime_ns());
        pthread_mutex_unlock(&journal->mu);
        spy__journal_remove(journal, dropped);
    }
    *ret = journal;
    return 0;
}

// In a forked child the lock may be held by a thread that does not exist there, and the files are
// the parent's.
static void close_files(struct spy__journal *journal)
{
    spy__journal_flush(journal);
    pthread_mutex_lock(&journal->mu);
    journal->current = NULL;
    struct spy__segment *done = spy__journal_drop_done(journal);
    pthread_mutex_unlock(&journal->mu);
    spy__journal_remove(journal, done);
}

void spy__journal_close(struct spy__journal *journal)
{
    if (!journal) {
        return;
    }
    if (journal->pid == getpid()) {
        close_files(journal);
    } else if (journal->current && !journal->current->listed) {
        free_segment(journal->current);
    }
    for (struct spy__journal_reader *r = journal->readers, *next; r; r = next) {
        next = r->next;
        if (r->open) { // in a child alone; it may look into a segment
            spy__journal_reader_forget(r);
        }
        free(r);
    }
    for (struct spy__segment *s = journal->oldest, *next; s; s = next) {
        next = s->next;
        free_segment(s);
    }
    if (journal->fd >= 0) {
        close(journal->fd);
    }
    if (journal->dir_fd >= 0) {
        close(journal->dir_fd);
    }
    pthread_mutex_destroy(&journal->mu);
    free(journal->buffer);
    free(journal);
}

void spy__journal_look(struct spy__journal *journal, struct spy__journal_state *ret)
{
    pthread_mutex_lock(&journal->mu);
    *ret = (struct spy__journal_state){
        .bytes = journal->bytes,
        .segments = journal->segments,
        .bytes_max = journal->bytes_max,
        .oldest_ns = journal->oldest ? journal->oldest->id : 0,
        .in_memory = journal->dir_fd < 0,
        .failing = journal->failing,
    };
    pthread_mutex_unlock(&journal->mu);
}
