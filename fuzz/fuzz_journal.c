// The journal's files after an earlier run, or anybody else, had its hands on them. The input is
// what is done to a segment and a cursor that were good: whatever it is, a start goes on, and the
// reader gets every entry whose bytes were left alone.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/journal/journal.h"
#include "record/journal/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID 0x17u
#define ENTRIES 40u
#define BYTES_MAX 16384u

static struct segment {
    unsigned char bytes[BYTES_MAX];
    size_t n;
    size_t ends[ENTRIES + 1]; // of the entries; the first is the head's
} good, bad;

static void make_good(void)
{
    unsigned char text[200];
    good.n = SPY__SEGMENT_HEAD;
    spy__segment_head_write(good.bytes, ID, 1);
    good.ends[0] = good.n;
    for (unsigned i = 0; i < ENTRIES; i++) {
        size_t n = 1 + i * 37 % sizeof(text);
        memset(text, (int)i, n);
        spy__entry_write(good.bytes + good.n, ID, good.n, 1 + i, i % SPY__ENTRY_KINDS, text, n);
        good.n += spy__entry_size(n);
        good.ends[i + 1] = good.n;
    }
}

// Each four bytes of the input write one byte somewhere, or cut the segment there.
static void make_bad(const uint8_t *data, size_t size)
{
    bad = good;
    for (size_t i = 0; i + 4 <= size; i += 4) {
        size_t at = (size_t)(data[i] | data[i + 1] << 8) % BYTES_MAX;
        if (data[i + 2] == 0xff) {
            bad.n = at < bad.n ? at : bad.n;
        } else {
            bad.bytes[at] = data[i + 3];
            bad.n = at + 1 > bad.n && data[i + 2] == 0xfe ? at + 1 : bad.n;
        }
    }
}

static bool is_left_alone(unsigned i)
{
    size_t start = good.ends[i], end = good.ends[i + 1];
    return end <= bad.n && memcmp(good.bytes + start, bad.bytes + start, end - start) == 0;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) {
        abort();
    }
    close(fd);
}

static char dir[] = "/tmp/fuzz_journal.XXXXXX", segment[80], cursor[80];

static void remove_dir(void)
{
    char command[80];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    (void)!system(command);
}

static void set_up(void)
{
    char command[80];
    make_good();
    if (!mkdtemp(dir)) {
        abort();
    }
    atexit(remove_dir);
    snprintf(command, sizeof(command), "%s/journal", dir);
    snprintf(segment, sizeof(segment), "%s/journal/%016x", dir, ID);
    snprintf(cursor, sizeof(cursor), "%s/journal/a.cursor", dir);
    snprintf(command, sizeof(command), "mkdir %s/journal", dir);
    if (system(command) != 0) {
        abort();
    }
}

static void read_all(bool whole)
{
    struct spy__journal_options options = { .state_dir = dir };
    struct spy__journal *journal;
    struct spy__journal_reader *reader;
    struct spy__journal_entry entry;
    bool seen[ENTRIES] = { false };
    if (spy__journal_open(&journal, &options) != 0 ||
        spy__journal_reader_open(&reader, journal, "a", UINT32_MAX) != 0) {
        abort();
    }
    while (spy__journal_reader_next(reader, &entry)) {
        unsigned i = (unsigned)entry.start.sequence - 1;
        if (entry.start.sequence == 0 || i >= ENTRIES || seen[i] || entry.n != 1 + i * 37 % 200 ||
            *(const unsigned char *)entry.bytes != i) {
            abort();
        }
        seen[i] = true;
    }
    for (unsigned i = 0; i < ENTRIES && whole; i++) {
        if (is_left_alone(i) && !seen[i]) {
            abort();
        }
    }
    spy__journal_reader_close(reader);
    spy__journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    uint32_t version;
    if (!ready) {
        set_up();
        ready = true;
    }
    // First as damage to what was good, with no cursor; then as the bytes of both files.
    make_bad(data, size);
    memcpy(&version, bad.bytes + 8, sizeof(version));
    write_file(segment, bad.bytes, bad.n);
    (void)unlink(cursor);
    read_all(version == SPY__SEGMENT_VERSION);
    size_t half = size / 2;
    write_file(segment, good.bytes, good.n);
    write_file(cursor, data, half);
    read_all(false);
    write_file(segment, data + half, size - half);
    read_all(false);
    return 0;
}
