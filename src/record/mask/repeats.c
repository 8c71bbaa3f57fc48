// A table of the second's lines by their hash, and a copy of each line that is held back.
//
// The hash is keyed by a random number, so that nobody can make two lines that share it.

#include "record/mask/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"

// Lines that are counted at a time: sets of WAYS, in one cache line each.
#define WAYS 4u
#define SETS 256u
// Different lines held back in one second; a further one passes.
#define HELD_MAX 64u
// What is kept of a line to say it again: fields that find no room are left out.
#define HELD_BYTES 2048u

struct seen {
    uint64_t hash;
    uint32_t epoch; // which second, as repeats.epoch
    uint32_t count;
};

struct held {
    uint64_t hash, count;
    struct spy__record record; // its strings lie in `text`
    struct spy_field fields[SPY_FIELDS_MAX];
    size_t text_len;
    char text[HELD_BYTES];
};

struct spy__repeats {
    struct spy__repeats_options options;
    uint64_t seed, second;
    uint32_t epoch; // counts seconds, so that a new one empties the table; not 0
    unsigned held_count;
    struct held *held; // HELD_MAX of them
    _Alignas(64) struct seen seen[SETS][WAYS];
};

struct spy__repeats *spy__repeats_new(const struct spy__repeats_options *options)
{
    struct spy__repeats *repeats = aligned_alloc(64, sizeof(*repeats));
    struct held *held = malloc(HELD_MAX * sizeof(*held));
    if (!repeats || !held) {
        free(repeats);
        free(held);
        return NULL;
    }
    memset(repeats, 0, sizeof(*repeats));
    repeats->options = *options;
    repeats->seed = spy__random_u64();
    repeats->epoch = 1;
    repeats->held = held;
    return repeats;
}

void spy__repeats_free(struct spy__repeats *repeats)
{
    if (repeats) {
        free(repeats->held);
        free(repeats);
    }
}

// ---- what is the same

// The parts of a line are hashed each by itself, with a seed of its own, and then added: none waits
// for another.
static uint64_t hash_text(const char *s, uint64_t seed)
{
    return s ? spy__hash(s, strlen(s), seed) : ~seed;
}

// A key that was looked up is three numbers and its length, the second mostly 0.
static inline uint64_t hash_key(const struct spy__record *record, size_t i, uint64_t seed)
{
    const struct spy__key *key = record->keys ? record->keys[i] : NULL;
    if (!key) {
        return hash_text(record->fields[i].key, seed);
    }
    seed = key->middle ? spy__hash_fold(key->middle ^ seed, seed) : seed;
    return spy__hash_fold(key->first ^ seed, key->last ^ key->len);
}

static inline uint64_t hash_value(const struct spy_field *field, uint64_t seed)
{
    switch ((int)field->type) {
    case SPY_FIELD_STR:
        return spy__hash(field->value.s, field->len, seed);
    case SPY_FIELD_ADDRS:
        return spy__hash(field->value.addrs, field->len * sizeof(uintptr_t), seed);
    case SPY_FIELD_BOOL:
        return field->value.b ? seed : ~seed;
    default: // a number, by its bits
        return field->value.u + seed;
    }
}

static uint64_t hash_line(const struct spy__repeats *repeats, const struct spy__record *record)
{
    const uint64_t step = 0x9e3779b97f4a7c15; // odd: no two seeds are the same
    uint64_t seed = repeats->seed + (uint64_t)record->level;
    uint64_t hash = hash_text(record->event, seed);
    hash += hash_text(record->module, seed + step);
    hash += hash_text(record->correlation_id, seed + 2 * step);
    seed += 3 * step;
    for (size_t i = 0; i < record->field_count; i++, seed += step) {
        const struct spy_field *field = &record->fields[i];
        hash += spy__hash_fold(hash_key(record, i, seed) + (uint64_t)field->type,
                               hash_value(field, seed) ^ repeats->seed);
    }
    return hash;
}

static bool always_passes(const struct spy__repeats *repeats, const struct spy__record *record)
{
    return repeats->options.max_per_second == SPY_REPEATS_UNLIMITED || record->recovered ||
           record->kind != SPY__KIND_LOG ||
           (record->event[0] == 'r' && (strcmp(record->event, "request_processed") == 0 ||
                                        strcmp(record->event, "request_failed") == 0));
}

// The line's place in the table: its own, or one of another second, or that of the rarest.
static struct seen *find(struct spy__repeats *repeats, uint64_t hash)
{
    struct seen *set = repeats->seen[hash % SETS], *least = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        struct seen *seen = &set[i];
        if (seen->epoch == repeats->epoch && seen->hash == hash) {
            return seen;
        }
        if (seen->epoch != repeats->epoch) {
            least = seen;
        } else if (least->epoch == repeats->epoch && seen->count < least->count) {
            least = seen;
        }
    }
    *least = (struct seen){ .hash = hash, .epoch = repeats->epoch };
    return least;
}

// ---- what is held back

// Copies n bytes and a NUL; NULL where there is no room.
static const char *keep_text(struct held *held, const char *s, size_t n)
{
    if (n >= sizeof(held->text) - held->text_len) {
        return NULL;
    }
    char *copy = memcpy(held->text + held->text_len, s, n);
    copy[n] = '\0';
    held->text_len += n + 1;
    return copy;
}

static void keep_field(struct held *held, const struct spy_field *field)
{
    struct spy_field *to = &held->fields[held->record.field_count];
    *to = *field;
    if (held->record.field_count == SPY_FIELDS_MAX - 1 || strcmp(field->key, "repeated") == 0 ||
        field->type < SPY_FIELD_INT || field->type > SPY_FIELD_STR) {
        return; // no room beside the count; or a stack
    }
    to->key = keep_text(held, field->key, strlen(field->key));
    if (to->key && field->type == SPY_FIELD_STR) {
        to->value.s = keep_text(held, field->value.s, field->len);
    }
    if (to->key && (field->type != SPY_FIELD_STR || to->value.s)) {
        held->record.field_count++;
    }
}

static bool keep_line(struct held *held, uint64_t hash, const struct spy__record *record)
{
    held->hash = hash;
    held->count = 0;
    held->text_len = 0;
    held->record = *record;
    held->record.id = (struct spy__record_id){ 0 };
    held->record.keys = NULL;
    held->record.wire = NULL;
    held->record.fields = held->fields;
    held->record.field_count = 0;
    held->record.event = keep_text(held, record->event, strlen(record->event));
    held->record.correlation_id =
        keep_text(held, record->correlation_id, strlen(record->correlation_id));
    held->record.module =
        record->module ? keep_text(held, record->module, strlen(record->module)) : NULL;
    if (!held->record.event || !held->record.correlation_id ||
        (record->module && !held->record.module)) {
        return false;
    }
    for (size_t i = 0; i < record->field_count; i++) {
        keep_field(held, &record->fields[i]);
    }
    return true;
}

// Counts the line as held back; false where it cannot be kept, and so passes.
static bool hold(struct spy__repeats *repeats, uint64_t hash, const struct spy__record *record)
{
    struct held *held = repeats->held, *end = held + repeats->held_count;
    while (held < end && held->hash != hash) {
        held++;
    }
    if (held == end) {
        if (repeats->held_count == HELD_MAX || !keep_line(held, hash, record)) {
            return false;
        }
        repeats->held_count++;
    }
    held->count++;
    held->record.time_ns = record->time_ns;
    if (repeats->options.suppressed) {
        repeats->options.suppressed(1);
    }
    return true;
}

// Ends the second: what was held back is told.
static void turn(struct spy__repeats *repeats, uint64_t second)
{
    for (unsigned i = 0; i < repeats->held_count; i++) {
        struct held *held = &repeats->held[i];
        held->fields[held->record.field_count++] = spy_uint("repeated", held->count);
        repeats->options.line(repeats->options.arg, &held->record);
    }
    repeats->held_count = 0;
    repeats->second = second;
    if (++repeats->epoch == 0) {
        memset(repeats->seen, 0, sizeof(repeats->seen));
        repeats->epoch = 1;
    }
}

// Whether a second other than the one that is counted has begun. Records of several threads may come
// somewhat out of order: one of the second before is counted here. A clock that was set back begins
// anew.
static bool is_over(const struct spy__repeats *repeats, uint64_t second)
{
    return second > repeats->second || second + 1 < repeats->second;
}

bool spy__repeats_pass(struct spy__repeats *repeats, const struct spy__record *record)
{
    if (always_passes(repeats, record)) {
        return true;
    }
    uint64_t second = record->time_ns / 1000000000u;
    if (is_over(repeats, second)) {
        turn(repeats, second);
    }
    uint64_t hash = hash_line(repeats, record);
    struct seen *seen = find(repeats, hash);
    if (seen->count < repeats->options.max_per_second) {
        seen->count++;
        return true;
    }
    return !hold(repeats, hash, record);
}

void spy__repeats_flush(struct spy__repeats *repeats, uint64_t now_ns)
{
    uint64_t second = now_ns / 1000000000u;
    if (repeats->held_count > 0 && is_over(repeats, second)) {
        turn(repeats, second);
    }
}

bool spy__repeats_waiting(const struct spy__repeats *repeats)
{
    return repeats->held_count > 0;
}
