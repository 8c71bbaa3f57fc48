#include "record/document.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "record/journal/segment.h"

// No record begins so (record/wire.h): it would be of more than a gigabyte.
#define MAGIC UINT64_C(0x00434f4459505344)
#define VERSION UINT64_C(1)
#define VERSION_SHIFT 56

struct head {
    uint64_t magic, event_hi, event_lo, run, sequence;
    uint32_t slot, trace_n, item_count, zero;
    uint64_t totals[SPY__DOCUMENT_TOTALS];
};

struct item_head {
    char type[SPY__DOCUMENT_TYPE_MAX + 1];
    uint32_t count, n;
};

static_assert(sizeof(struct head) == 56 + 8 * SPY__DOCUMENT_TOTALS, "the format has no padding");
static_assert(sizeof(struct item_head) == SPY__DOCUMENT_TYPE_MAX + 9, "the format has no padding");
static_assert(sizeof(struct head) + SPY__DOCUMENT_TRACE_BYTES_MAX +
                      SPY__DOCUMENT_ITEMS_MAX *
                          (sizeof(struct item_head) + SPY__DOCUMENT_ITEM_BYTES_MAX) <=
                  SPY__ENTRY_BYTES_MAX,
              "the longest document is an entry of the journal");

static bool is_type(const char type[SPY__DOCUMENT_TYPE_MAX + 1])
{
    size_t n = strnlen(type, SPY__DOCUMENT_TYPE_MAX + 1);
    return n > 0 && n <= SPY__DOCUMENT_TYPE_MAX && strspn(type, "abcdefghijklmnopqrstuvwxyz_") == n;
}

static bool is_item(const char type[SPY__DOCUMENT_TYPE_MAX + 1], size_t n)
{
    return is_type(type) && n > 0 && n <= SPY__DOCUMENT_ITEM_BYTES_MAX;
}

static size_t put(char *to, size_t at, const void *bytes, size_t n)
{
    if (n > 0) {
        memcpy(to + at, bytes, n);
    }
    return at + n;
}

static size_t size_of(const struct spy__document *d)
{
    bool good = d->item_count > 0 && d->item_count <= SPY__DOCUMENT_ITEMS_MAX &&
                d->trace_n <= SPY__DOCUMENT_TRACE_BYTES_MAX;
    size_t n = sizeof(struct head) + d->trace_n;
    for (size_t i = 0; good && i < d->item_count; i++) {
        good = is_item(d->items[i].type, d->items[i].n);
        n += sizeof(struct item_head) + d->items[i].n;
    }
    return good ? n : 0;
}

size_t spy__document_write(void *to, size_t cap, const struct spy__document *d)
{
    size_t n = size_of(d);
    if (n == 0 || n > cap) {
        return 0;
    }
    struct head head = {
        .magic = MAGIC | VERSION << VERSION_SHIFT,
        .event_hi = d->event_hi,
        .event_lo = d->event_lo,
        .run = d->id.run,
        .sequence = d->id.sequence,
        .slot = d->id.slot,
        .trace_n = (uint32_t)d->trace_n,
        .item_count = (uint32_t)d->item_count,
    };
    memcpy(head.totals, d->totals, sizeof(head.totals));
    size_t at = put(to, 0, &head, sizeof(head));
    for (size_t i = 0; i < d->item_count; i++) {
        struct item_head item = { .count = d->items[i].count, .n = (uint32_t)d->items[i].n };
        memcpy(item.type, d->items[i].type, strlen(d->items[i].type));
        at = put(to, at, &item, sizeof(item));
    }
    at = put(to, at, d->trace, d->trace_n);
    for (size_t i = 0; i < d->item_count; i++) {
        at = put(to, at, d->items[i].bytes, d->items[i].n);
    }
    return at;
}

// Reads the items' heads, and finds their bytes. False where they are not just what is there.
static bool read_items(struct spy__document *ret, const char *bytes, size_t n)
{
    size_t at = sizeof(struct head), body = at + ret->item_count * sizeof(struct item_head);
    if (body > n || ret->trace_n > n - body) {
        return false;
    }
    ret->trace = bytes + body;
    body += ret->trace_n;
    for (size_t i = 0; i < ret->item_count; i++, at += sizeof(struct item_head)) {
        struct spy__document_item *item = &ret->items[i];
        struct item_head head;
        memcpy(&head, bytes + at, sizeof(head));
        if (!is_item(head.type, head.n) || head.n > n - body) {
            return false;
        }
        memcpy(item->type, head.type, sizeof(item->type));
        item->count = head.count;
        item->bytes = bytes + body;
        item->n = head.n;
        body += head.n;
    }
    return body == n;
}

int spy__document_read(struct spy__document *ret, const void *bytes, size_t n)
{
    struct head head;
    if (n < sizeof(head)) {
        return -EBADMSG;
    }
    memcpy(&head, bytes, sizeof(head));
    if ((head.magic ^ MAGIC) << (64 - VERSION_SHIFT) != 0) {
        return -EBADMSG;
    }
    if (head.magic >> VERSION_SHIFT != VERSION) {
        return -ENOTSUP;
    }
    if (head.item_count == 0 || head.item_count > SPY__DOCUMENT_ITEMS_MAX ||
        head.trace_n > SPY__DOCUMENT_TRACE_BYTES_MAX) {
        return -EBADMSG;
    }
    struct spy__document document = {
        .event_hi = head.event_hi,
        .event_lo = head.event_lo,
        .id = { .run = head.run, .slot = head.slot, .sequence = head.sequence },
        .trace_n = head.trace_n,
        .item_count = head.item_count,
    };
    memcpy(document.totals, head.totals, sizeof(document.totals));
    if (!read_items(&document, bytes, n)) {
        return -EBADMSG;
    }
    *ret = document;
    return 0;
}
