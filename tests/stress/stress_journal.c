// One thread appends while readers read, commit and go back, and the oldest segments go under
// them: each gets its entries once and in order, but for those that were counted as lost.
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/journal/journal.h"

#define ENTRIES 60000u
#define READERS 3
#define KINDS 4

struct reader {
    const char *name;
    uint32_t kinds;
    unsigned pause; // so many ms after each hundred entries
    struct spy__journal_reader *from;
    atomic_ulong lost;
    unsigned long read, calls;
};

static struct reader readers[READERS] = {
    { .name = "all", .kinds = 15 },
    { .name = "some", .kinds = 6 },
    { .name = "slow", .kinds = 9, .pause = 1 },
};
static struct spy__journal *journal;
static atomic_int failed, done;

static void fail(const char *what, const char *reader)
{
    fprintf(stderr, "%s: %s\n", reader, what);
    atomic_store(&failed, 1);
}

static void note_lost(void *arg, const char *reader, enum spy__journal_loss why, uint64_t entries)
{
    (void)arg;
    if (why == SPY__JOURNAL_LOST_CORRUPT) {
        fail("something is corrupt", reader);
    }
    for (int i = 0; i < READERS; i++) {
        if (strcmp(readers[i].name, reader) == 0) {
            atomic_fetch_add(&readers[i].lost, entries);
        }
    }
}

static void *append(void *arg)
{
    unsigned text[300];
    for (unsigned i = 0; i < ENTRIES; i++) {
        unsigned n = 1 + i % 300;
        for (unsigned j = 0; j < n; j++) {
            text[j] = i;
        }
        spy__journal_append(journal, i % KINDS, text, n * sizeof(*text));
        if (i % 37 == 0) {
            spy__journal_flush(journal);
        }
    }
    spy__journal_flush(journal);
    atomic_store(&done, 1);
    return arg;
}

// The entry says its number, as often as its length tells.
static unsigned check(const struct reader *reader, const struct spy__journal_entry *entry)
{
    unsigned i, word;
    memcpy(&i, entry->bytes, sizeof(i));
    if (entry->n != (1 + i % 300) * sizeof(i) || entry->kind != i % KINDS ||
        !(reader->kinds >> entry->kind & 1)) {
        fail("a wrong entry", reader->name);
    }
    for (size_t at = 0; at < entry->n; at += sizeof(word)) {
        memcpy(&word, (const char *)entry->bytes + at, sizeof(word));
        if (word != i) {
            fail("torn", reader->name);
        }
    }
    return i;
}

// Reads what there is now. Every 500 entries it commits all; now and then it goes back, and
// reads again what it had read since.
static long read_some(struct reader *reader, long last, unsigned long *since)
{
    struct spy__journal_reader *from = reader->from;
    struct spy__journal_entry entry;
    while (spy__journal_reader_next(from, &entry)) {
        long i = check(reader, &entry);
        if (i <= last) {
            fail("out of order", reader->name);
        }
        last = i;
        reader->read++;
        (*since)++;
        if (*since == 500) {
            spy__journal_reader_commit(from, &entry.end);
            *since = 0;
        } else if (++reader->calls % 1700 == 0) {
            spy__journal_reader_rewind(from);
            reader->read -= *since; // they come again, or are counted as lost
            *since = 0;
            last = -1;
        }
        if (reader->pause && reader->read % 100 == 0) {
            (void)poll(NULL, 0, (int)reader->pause);
        }
    }
    return last;
}

static void *read_all(void *arg)
{
    struct reader *reader = arg;
    unsigned long since = 0;
    long last = -1;
    for (bool over = false; !over;) {
        over = atomic_load(&done); // all is flushed: what is read from here on is the rest
        last = read_some(reader, last, &since);
        struct pollfd p = { .fd = spy__journal_reader_fd(reader->from), .events = POLLIN };
        if (!over) {
            (void)poll(&p, 1, 10);
        }
    }
    return NULL;
}

static void check_sums(void)
{
    for (int i = 0; i < READERS; i++) {
        const struct reader *r = &readers[i];
        unsigned long wanted = 0;
        for (unsigned e = 0; e < ENTRIES; e++) {
            wanted += r->kinds >> e % KINDS & 1;
        }
        if (r->read + r->lost != wanted) {
            fprintf(stderr, "%s: read %lu, lost %lu of %lu\n", r->name, r->read, r->lost, wanted);
            atomic_store(&failed, 1);
        }
    }
}

static void run(const char *state_dir)
{
    pthread_t threads[READERS + 1];
    struct spy__journal_options options = {
        .state_dir = state_dir,
        .segment_bytes = 64 << 10,
        .bytes_max = 512 << 10,
        .lost = note_lost,
    };
    atomic_store(&done, 0);
    if (spy__journal_open(&journal, &options) != 0) {
        abort();
    }
    for (int i = 0; i < READERS; i++) {
        struct reader *r = &readers[i];
        r->read = 0;
        atomic_store(&r->lost, 0);
        if (spy__journal_reader_open(&r->from, journal, r->name, r->kinds) != 0) {
            abort();
        }
    }
    for (int i = 0; i <= READERS; i++) {
        if (pthread_create(&threads[i], NULL, i < READERS ? read_all : append,
                           &readers[i % READERS]) != 0) {
            abort();
        }
    }
    for (int i = 0; i <= READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    check_sums();
    for (int i = 0; i < READERS; i++) {
        spy__journal_reader_close(readers[i].from);
    }
    spy__journal_close(journal);
}

int main(void)
{
    char dir[] = "/tmp/stress_journal.XXXXXX", command[80];
    if (!mkdtemp(dir)) {
        return 1;
    }
    run(dir);
    run(NULL);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command) == 0 ? atomic_load(&failed) : 1;
}
