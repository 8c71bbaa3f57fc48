#include "record/journal/segment.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

#define MAGIC 0x4c4e524a59505301u // "\1SPYJRNL" on a little-endian machine

struct head {
    uint64_t magic;
    uint32_t version, zero;
    uint64_t id, first_sequence;
};

struct entry_head {
    uint32_t bytes;
    uint16_t kind, head_check;
    uint64_t sequence, check;
};

static_assert(sizeof(struct head) == SPY__SEGMENT_HEAD, "the format has no padding");
static_assert(sizeof(struct entry_head) == SPY__ENTRY_HEAD, "the format has no padding");

void spy__segment_head_write(void *to, uint64_t id, uint64_t first_sequence)
{
    struct head head = { MAGIC, SPY__SEGMENT_VERSION, 0, id, first_sequence };
    memcpy(to, &head, sizeof(head));
}

enum spy__segment_head spy__segment_head_read(const void *bytes, size_t n, uint64_t id,
                                              uint64_t *ret_first_sequence)
{
    struct head head;
    if (n < sizeof(head)) {
        return SPY__HEAD_BAD;
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.magic != MAGIC || head.id != id) {
        return SPY__HEAD_BAD;
    }
    if (head.version != SPY__SEGMENT_VERSION) {
        return SPY__HEAD_OTHER;
    }
    *ret_first_sequence = head.first_sequence;
    return SPY__HEAD_GOOD;
}

// The check of what the entry's head says, but for the checks themselves.
static uint64_t hash_head(const struct entry_head *head, uint64_t id, uint64_t offset)
{
    const uint64_t words[4] = { id, offset, (uint64_t)head->kind << 32 | head->bytes,
                                head->sequence };
    return spy__hash(words, sizeof(words), 0);
}

void spy__entry_write(void *to, uint64_t id, uint64_t offset, uint64_t sequence, unsigned kind,
                      const void *bytes, size_t n)
{
    assert(n > 0 && n <= SPY__ENTRY_BYTES_MAX && kind < SPY__ENTRY_KINDS && offset % 8 == 0);
    struct entry_head head = { .bytes = (uint32_t)n, .kind = (uint16_t)kind, .sequence = sequence };
    uint64_t seed = hash_head(&head, id, offset);
    head.head_check = (uint16_t)seed;
    head.check = spy__hash(bytes, n, seed);
    char *p = to;
    memcpy(p, &head, sizeof(head));
    memcpy(p + sizeof(head), bytes, n);
    memset(p + sizeof(head) + n, 0, spy__entry_size(n) - sizeof(head) - n);
}

enum look { GOOD, SHORT, BAD };

// Is there an entry at bytes[0], of which n are here?
static enum look look_at(const char *bytes, size_t n, uint64_t id, uint64_t offset,
                         struct spy__entry *ret)
{
    struct entry_head head;
    if (n < sizeof(head)) {
        return SHORT;
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.bytes == 0 || head.bytes > SPY__ENTRY_BYTES_MAX || head.kind >= SPY__ENTRY_KINDS) {
        return BAD;
    }
    uint64_t seed = hash_head(&head, id, offset);
    if (head.head_check != (uint16_t)seed) {
        return BAD;
    }
    if (n < spy__entry_size(head.bytes)) {
        return SHORT;
    }
    if (head.check != spy__hash(bytes + sizeof(head), head.bytes, seed)) {
        return BAD;
    }
    *ret = (struct spy__entry){
        .bytes = bytes + sizeof(head),
        .n = head.bytes,
        .kind = head.kind,
        .sequence = head.sequence,
        .start = offset,
        .end = offset + spy__entry_size(head.bytes),
    };
    return GOOD;
}

bool spy__segment_find(const void *bytes, size_t n, bool last, uint64_t id, uint64_t offset,
                       struct spy__entry *ret, uint64_t *ret_from)
{
    const char *p = bytes;
    for (size_t at = (size_t)(-offset & 7); at < n; at += 8) {
        switch (look_at(p + at, n - at, id, offset + at, ret)) {
        case GOOD:
            return true;
        case SHORT:
            if (!last) {
                *ret_from = offset + at;
                return false;
            }
            break;
        case BAD:
            break;
        }
    }
    *ret_from = offset + n;
    return false;
}
