// See journal_rig.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal_rig.h"

static void note_lost(void *arg, const char *reader, enum spy__journal_loss why, uint64_t entries)
{
    struct journal_rig *rig = arg;
    rig->lost[reader[0] == 'b'][why] += entries;
}

static void note_told(void *arg, enum spy__journal_news what, const char *name, int err)
{
    struct journal_rig *rig = arg;
    assert_non_null(name);
    rig->told[what]++;
    rig->err = err;
}

int journal_rig_set_up(void **state)
{
    struct journal_rig *rig = calloc(1, sizeof(*rig));
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/test_journal.XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    rig->clock = (struct spy__fake_clock){ 1000, 1700000000000000000u };
    spy__clock_fake(&rig->clock);
    *state = rig;
    return 0;
}

static DIR *open_dir(const struct journal_rig *rig, char path[80])
{
    snprintf(path, 80, "%s/journal", rig->dir);
    return opendir(path);
}

int journal_rig_tear_down(void **state)
{
    struct journal_rig *rig = *state;
    char path[80];
    spy__journal_close(rig->journal);
    DIR *dir = open_dir(rig, path);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir) {
        closedir(dir);
    }
    (void)rmdir(path);
    assert_int_equal(rmdir(rig->dir), 0);
    spy__clock_fake(NULL);
    free(rig);
    return 0;
}

void journal_rig_open(struct journal_rig *rig, bool in_memory)
{
    rig->options.state_dir = in_memory ? NULL : rig->dir;
    rig->options.lost = note_lost;
    rig->options.tell = note_told;
    rig->options.arg = rig;
    assert_int_equal(spy__journal_open(&rig->journal, &rig->options), 0);
}

void journal_rig_close(struct journal_rig *rig)
{
    spy__journal_close(rig->journal);
    rig->journal = NULL;
}

struct spy__journal_reader *journal_rig_reader(struct journal_rig *rig, const char *name,
                                               uint32_t kinds)
{
    struct spy__journal_reader *reader;
    assert_int_equal(spy__journal_reader_open(&reader, rig->journal, name, kinds), 0);
    return reader;
}

// Its length depends on the number too.
static size_t print(char to[64], unsigned number)
{
    return (size_t)snprintf(to, 64, "entry %u %.*s", number, (int)(number % 13), "xxxxxxxxxxxxx");
}

void journal_rig_append(struct journal_rig *rig, unsigned kind, unsigned from, unsigned to)
{
    char text[64];
    for (unsigned i = from; i < to; i++) {
        size_t n = print(text, i);
        spy__journal_append(rig->journal, kind, text, n);
    }
    spy__journal_flush(rig->journal);
}

void journal_rig_expect(struct spy__journal_reader *reader, unsigned number,
                        struct spy__journal_entry *ret)
{
    char text[64];
    size_t n = print(text, number);
    assert_true(spy__journal_reader_next(reader, ret));
    assert_int_equal(ret->n, n);
    assert_memory_equal(ret->bytes, text, n);
}

unsigned journal_rig_drain(struct spy__journal_reader *reader,
                           struct spy__journal_position *ret_last)
{
    struct spy__journal_entry entry;
    unsigned n = 0;
    while (spy__journal_reader_next(reader, &entry)) {
        *ret_last = entry.end;
        n++;
    }
    return n;
}

unsigned journal_rig_count(const struct journal_rig *rig, const char *suffix)
{
    char path[80];
    unsigned n = 0;
    DIR *dir = open_dir(rig, path);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        size_t stem = strcspn(e->d_name, ".");
        n += e->d_name[0] != '.' && strcmp(e->d_name + stem, suffix) == 0;
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

static int is_segment(const struct dirent *entry)
{
    return strlen(entry->d_name) == 16 && !strchr(entry->d_name, '.');
}

void journal_rig_path(const struct journal_rig *rig, unsigned nth, char to[128])
{
    char path[80];
    struct dirent **entries;
    snprintf(path, sizeof(path), "%s/journal", rig->dir);
    int n = scandir(path, &entries, is_segment, alphasort);
    assert_true(n > (int)nth);
    snprintf(to, 128, "%s/%.16s", path, entries[nth]->d_name);
    for (int i = 0; i < n; i++) {
        free(entries[i]);
    }
    free(entries);
}
