#include "deliver/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "spyglass-parcel 1 "
// Each number has at most 16 digits.
#define PLAN_BYTES_MAX (sizeof(MAGIC) + 17 + SPY__PARCEL_CUTS_MAX * 34)

// ---- the plan

// 1 to 16 hexadecimal digits, then `end`.
static bool parse_hex(const char **at, const char *limit, char end, uint64_t *ret)
{
    const char *s = *at;
    uint64_t v = 0;
    for (; s < limit && s - *at < 16; s++) {
        char lower = (char)(*s | 0x20);
        if (*s >= '0' && *s <= '9') {
            v = v << 4 | (uint64_t)(*s - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            v = v << 4 | (uint64_t)(lower - 'a' + 10);
        } else {
            break;
        }
    }
    if (s == *at || s == limit || *s != end) {
        return false;
    }
    *at = s + 1;
    *ret = v;
    return true;
}

static bool is_behind(const struct spy__parcel_end *a, const struct spy__parcel_end *b)
{
    return a->segment != b->segment ? a->segment > b->segment : a->offset > b->offset;
}

bool spy__parcel_parse(struct spy__parcel *parcel, const char *text, size_t n)
{
    const char *at = text + sizeof(MAGIC) - 1, *limit = text + n;
    size_t count = 0;
    parcel->planned_count = 0;
    if (n < sizeof(MAGIC) || memcmp(text, MAGIC, sizeof(MAGIC) - 1) != 0 || text[n - 1] != '\n' ||
        !parse_hex(&at, limit, ' ', &parcel->number)) {
        return false;
    }
    while (at < limit && *at != '\n') {
        struct spy__parcel_end end;
        if (count == SPY__PARCEL_CUTS_MAX || !parse_hex(&at, limit, '.', &end.segment) ||
            !parse_hex(&at, limit, ' ', &end.offset) ||
            (count > 0 && !is_behind(&parcel->planned[count - 1], &end))) {
            return false;
        }
        parcel->planned[count++] = end;
    }
    if (count == 0 || at + 1 != limit) {
        return false;
    }
    parcel->planned_count = count;
    return true;
}

static bool path_of(char path[PATH_MAX], const struct spy__parcel *parcel, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s/delivery/%s.parcel%s", parcel->dir, parcel->name, suffix);
    return n > 0 && n < PATH_MAX;
}

static void load_plan(struct spy__parcel *parcel)
{
    char path[PATH_MAX], text[PLAN_BYTES_MAX];
    int fd = path_of(path, parcel, "") ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) {
        return;
    }
    ssize_t n = read(fd, text, sizeof(text));
    if (n > 0) {
        (void)spy__parcel_parse(parcel, text, (size_t)n);
    }
    close(fd);
}

static int write_file(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    ssize_t written = write(fd, text, n);
    int err = written == (ssize_t)n ? 0 : written < 0 ? -errno : -ENOSPC;
    return close(fd) == 0 || err != 0 ? err : -errno;
}

static int save_plan(const struct spy__parcel *parcel)
{
    char text[PLAN_BYTES_MAX], path[PATH_MAX], temporary[PATH_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), MAGIC "%" PRIx64 " ", parcel->number);
    if (!parcel->dir) {
        return 0;
    }
    for (size_t i = 0; i < parcel->cut_count; i++) {
        const struct spy__journal_position *end = &parcel->entries[parcel->cuts[i] - 1].end;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%" PRIx64 ".%" PRIx64 " ", end->segment,
                              end->offset);
    }
    text[n++] = '\n'; // in the place of the NUL
    if (!path_of(path, parcel, "") || !path_of(temporary, parcel, ".new")) {
        return -ENAMETOOLONG;
    }
    int err = write_file(temporary, text, n);
    return err == 0 && rename(temporary, path) != 0 ? -errno : err;
}

// ---- gathering

int spy__parcel_open(struct spy__parcel *parcel, struct spy__journal_reader *reader,
                     const char *name, const char *dir, size_t rows_max, size_t bytes_max)
{
    *parcel = (struct spy__parcel){
        .reader = reader, .dir = dir, .rows_max = rows_max, .bytes_max = bytes_max
    };
    (void)snprintf(parcel->name, sizeof(parcel->name), "%s", name);
    // Memory that is not used yet costs nothing.
    parcel->bytes = malloc(bytes_max + SPY__PARCEL_ENTRY_MAX);
    parcel->entries = malloc(rows_max * sizeof(*parcel->entries));
    parcel->records = malloc(rows_max * sizeof(*parcel->records));
    if (!parcel->bytes || !parcel->entries || !parcel->records) {
        spy__parcel_close(parcel);
        return -ENOMEM;
    }
    if (dir) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/delivery", dir);
        if (n > 0 && n < PATH_MAX) {
            (void)mkdir(path, 0700); // where that fails, so does writing the plan, which is told
        }
        load_plan(parcel);
    }
    return 0;
}

void spy__parcel_close(struct spy__parcel *parcel)
{
    free(parcel->bytes);
    free(parcel->entries);
    free(parcel->records);
    parcel->bytes = NULL;
    parcel->entries = NULL;
    parcel->records = NULL;
}

static void add(struct spy__parcel *parcel, const struct spy__journal_entry *entry)
{
    parcel->entries[parcel->count++] =
        (struct spy__parcel_entry){ parcel->len, entry->n, entry->start.segment,
                                    entry->start.offset, entry->end };
    memcpy(parcel->bytes + parcel->len, entry->bytes, entry->n);
    parcel->len += (entry->n + 7) & ~(size_t)7;
}

static struct spy__parcel_end end_of(const struct spy__parcel_entry *entry)
{
    return (struct spy__parcel_end){ entry->end.segment, entry->end.offset };
}

// Whether all that an earlier process had planned was gathered: the last entry is there, or one
// behind it.
static bool has_planned(const struct spy__parcel *parcel)
{
    if (parcel->planned_count == 0 || parcel->count == 0) {
        return false;
    }
    struct spy__parcel_end last = end_of(&parcel->entries[parcel->count - 1]);
    return !is_behind(&parcel->planned[0], &last);
}

bool spy__parcel_is_full(const struct spy__parcel *parcel)
{
    return parcel->count >= parcel->rows_max || parcel->len >= parcel->bytes_max ||
           has_planned(parcel);
}

bool spy__parcel_is_empty(const struct spy__parcel *parcel)
{
    return parcel->count == parcel->first;
}

// What is planned and not there has been lost: the rest is sent as it is. (All that a reader was
// given by then lies in the journal at once.)
static void end_plan(struct spy__parcel *parcel)
{
    if (parcel->planned_count > 0 && parcel->count > 0) {
        parcel->planned[0] = end_of(&parcel->entries[parcel->count - 1]);
    } else {
        parcel->planned_count = 0;
    }
}

static bool is_past_plan(const struct spy__parcel *parcel, const struct spy__journal_entry *entry)
{
    const struct spy__parcel_end start = { entry->start.segment, entry->start.offset };
    return parcel->planned_count > 0 && !is_behind(&parcel->planned[0], &start);
}

void spy__parcel_gather(struct spy__parcel *parcel, uint64_t now_ns)
{
    struct spy__journal_entry entry;
    size_t before = parcel->count;
    if (parcel->cut_count > 0) {
        return;
    }
    while (!spy__parcel_is_full(parcel)) {
        if (!spy__journal_reader_next(parcel->reader, &entry)) {
            end_plan(parcel);
            break;
        }
        if (parcel->count == 0 && is_past_plan(parcel, &entry)) {
            parcel->planned_count = 0; // it was all settled
        }
        add(parcel, &entry);
    }
    if (before == 0 && parcel->count > 0) {
        parcel->begun_ns = now_ns;
    }
}

// ---- ranges

// The ends of the plan as indices, the last one first. Those that the cursor has passed are left
// out, and those between which nothing lies.
static void cut_as_planned(struct spy__parcel *parcel)
{
    size_t count = parcel->count;
    for (size_t i = 0; i < parcel->planned_count; i++) {
        while (count > 0) {
            struct spy__parcel_end end = end_of(&parcel->entries[count - 1]);
            if (!is_behind(&end, &parcel->planned[i])) {
                break;
            }
            count--;
        }
        if (count > 0 && (parcel->cut_count == 0 || parcel->cuts[parcel->cut_count - 1] > count)) {
            parcel->cuts[parcel->cut_count++] = count;
        }
    }
    parcel->planned_count = 0;
}

int spy__parcel_cut(struct spy__parcel *parcel, uint64_t random)
{
    cut_as_planned(parcel);
    if (parcel->cut_count == 0) {
        parcel->number = random;
        parcel->cuts[parcel->cut_count++] = parcel->count;
    }
    return save_plan(parcel);
}

bool spy__parcel_is_cut(const struct spy__parcel *parcel)
{
    return parcel->cut_count > 0;
}

void spy__parcel_range(struct spy__parcel *parcel, struct spy__delivery *ret)
{
    size_t end = parcel->cuts[parcel->cut_count - 1];
    for (size_t i = parcel->first; i < end; i++) {
        const struct spy__parcel_entry *entry = &parcel->entries[i];
        parcel->records[i] = (struct spy__bytes){ parcel->bytes + entry->at, entry->n };
    }
    ret->records = parcel->records + parcel->first;
    ret->count = end - parcel->first;
    const struct spy__parcel_entry *first = &parcel->entries[parcel->first];
    const struct spy__journal_position *last = &parcel->entries[end - 1].end;
    (void)snprintf(ret->token, sizeof(ret->token),
                   "%" PRIx64 "-%" PRIx64 ".%" PRIx64 "-%" PRIx64 ".%" PRIx64, parcel->number,
                   first->start_segment, first->start_offset, last->segment, last->offset);
}

int spy__parcel_split(struct spy__parcel *parcel)
{
    size_t end = parcel->cuts[parcel->cut_count - 1];
    parcel->cuts[parcel->cut_count++] = parcel->first + (end - parcel->first) / 2;
    return save_plan(parcel);
}

// Entries that were read beyond the parcel's end are the beginning of the next one.
static void begin_next(struct spy__parcel *parcel, uint64_t now_ns)
{
    size_t from = parcel->first < parcel->count ? parcel->entries[parcel->first].at : parcel->len;
    size_t left = parcel->count - parcel->first;
    memmove(parcel->bytes, parcel->bytes + from, parcel->len - from);
    memmove(parcel->entries, parcel->entries + parcel->first, left * sizeof(*parcel->entries));
    for (size_t i = 0; i < left; i++) {
        parcel->entries[i].at -= from;
    }
    parcel->len -= from;
    parcel->count = left;
    parcel->first = 0;
    parcel->begun_ns = now_ns;
}

void spy__parcel_settle(struct spy__parcel *parcel, uint64_t now_ns)
{
    size_t end = parcel->cuts[--parcel->cut_count];
    spy__journal_reader_commit(parcel->reader, &parcel->entries[end - 1].end);
    parcel->first = end;
    if (parcel->cut_count == 0) {
        begin_next(parcel, now_ns);
    }
}
