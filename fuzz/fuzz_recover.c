// A dead process's ring file after a loss of power, or anybody else, had its hands on it. The input
// is what is done to a good one: each five bytes write one byte somewhere, or an input that begins
// with 0xff is the file itself. Whatever it is, reading ends, what it gives are records, and while
// the file's head is left alone every record whose bytes are is among them.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/drain.h"
#include "record/mask/keys.h"
#include "record/recover.h"
#include "record/rings.h"
#include "record/wire_put.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 40u
#define RUN 0x1b2c3d4eu
#define DATA_OFFSET 8192u
#define FILE_BYTES (DATA_OFFSET + SPY__RING_BYTES_MIN)
#define BOOT_ID "0e6ff9e2-0000-4000-8000-000000000000"

static struct file {
    _Alignas(64) unsigned char bytes[FILE_BYTES];
    size_t ends[RECORDS + 1]; // of the records, in the file
} good, bad;

static void make_good(void)
{
    struct spy__rings_header *head = (void *)good.bytes;
    struct spy__slot *slot = (void *)(good.bytes + 4096);
    memcpy(head->magic, SPY__RINGS_MAGIC, sizeof(head->magic));
    head->endian = SPY__RINGS_ENDIAN;
    head->version = SPY__RINGS_VERSION;
    head->slot_size = sizeof(*slot);
    head->ring_bytes = SPY__RING_BYTES_MIN;
    head->slots_offset = 4096;
    head->data_offset = DATA_OFFSET;
    head->run = RUN;
    memcpy(head->boot_id, BOOT_ID, sizeof(BOOT_ID));
    good.ends[0] = DATA_OFFSET;
    for (unsigned i = 0; i < RECORDS; i++) {
        static const char text[] = "text of some length, of which each record has another part";
        const struct spy_field fields[] = { spy_uint("i", i), spy_strn("text", text, i) };
        const struct spy__record record = { .level = SPY_LEVEL_INFO,
                                            .correlation_id = "c-1",
                                            .event = "event",
                                            .fields = fields,
                                            .field_count = 2 };
        struct spy__wire_head wire = { .sequence = i + 1, .ticks = SPY__TICKS_NS | i };
        struct spy__wire_put put;
        spy__wire_put_begin(&put, good.bytes + good.ends[i], 1024, spy__ring_seed(RUN, 0));
        spy__wire_put_record(&put, &wire, &record);
        good.ends[i + 1] = good.ends[i] + spy__wire_put_end(&put, &wire);
    }
    slot->head = good.ends[RECORDS] - DATA_OFFSET;
    slot->sequence = RECORDS;
}

static void make_bad(const uint8_t *data, size_t size)
{
    bad = good;
    for (size_t i = 0; i + 5 <= size; i += 5) {
        size_t at = (size_t)(data[i] | data[i + 1] << 8 | data[i + 2] << 16) % FILE_BYTES;
        bad.bytes[at] = data[i + 3] & 1 ? data[i + 4] : bad.bytes[at] ^ data[i + 4];
    }
}

// Goes through what was found, and marks the good records that are among it.
static void look(const struct spy__dead *dead, bool found[RECORDS])
{
    static struct spy__keys keys;
    struct spy__drain drain;
    uint64_t records = 0;
    if (spy__drain_init(&drain, dead->slots, &keys) != 0) {
        return;
    }
    spy__drain_begin(&drain, &dead->map, dead->run, true);
    for (unsigned i = 0; i < dead->slots; i++) {
        spy__drain_lane(&drain, i, dead->slot[i].bytes, dead->slot[i].n);
    }
    for (; spy__drain_first(&drain); spy__drain_next(&drain)) {
        uint64_t sequence = drain.view.record.id.sequence;
        if (sequence >= 1 && sequence <= RECORDS) {
            found[sequence - 1] = true;
        }
        records++;
    }
    if (drain.unreadable > 0 || records != dead->records) {
        abort();
    }
    spy__drain_done(&drain);
}

static void check_all_good(const bool found[RECORDS])
{
    if (memcmp(good.bytes, bad.bytes, DATA_OFFSET) != 0) {
        return;
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t begin = good.ends[i], n = good.ends[i + 1] - begin;
        if (memcmp(good.bytes + begin, bad.bytes + begin, n) == 0 && !found[i]) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    struct spy__dead dead;
    bool found[RECORDS] = { false };
    if (!made) {
        make_good();
        made = true;
    }
    bool whole = size > 0 && data[0] == 0xff;
    if (!whole) {
        make_bad(data, size);
    }
    const char *boot_id = size % 2 ? BOOT_ID : "another";
    int err = whole ? spy__recover_read(&dead, data + 1, size - 1, boot_id)
                    : spy__recover_read(&dead, bad.bytes, FILE_BYTES, boot_id);
    if (err == 0) {
        look(&dead, found);
        spy__recover_close(&dead);
    }
    if (!whole) {
        check_all_good(found);
    }
    return 0;
}
