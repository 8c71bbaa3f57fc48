// A short table that is gone through from end to end, and a set of hashes of what was told.

#include "signals/error_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/utf8.h"
#include "signals/error.h"

#define MINUTE_NS UINT64_C(60000000000)
// Functions that count in a key, the innermost ones: recursion may go deep.
#define KEY_FUNCTIONS_MAX 24u
// A failure is looked for in so many places.
#define WAYS 4u

struct told {
    uint64_t hash, time_ns;
};

struct spy__error_groups {
    uint64_t seed;
    size_t count;
    uint64_t minute_ns; // as in a group, of all
    unsigned in_minute;
    struct spy__error_group groups[SPY__ERROR_GROUPS_MAX];
    struct told told[SPY__ERRORS_SEEN_MAX / WAYS][WAYS];
};

struct spy__error_groups *spy__error_groups_new(void)
{
    struct spy__error_groups *groups = calloc(1, sizeof(*groups));
    if (groups) {
        groups->seed = spy__random_u64();
    }
    return groups;
}

void spy__error_groups_free(struct spy__error_groups *groups)
{
    for (size_t i = 0; groups && i < groups->count; i++) {
        free(groups->groups[i].frames);
    }
    free(groups);
}

static uint64_t hash_field(const struct spy_field *field, uint64_t hash)
{
    return field ? spy__hash(field->value.s, field->len, hash) : spy__hash("", 0, hash);
}

// ---- keys

static const struct spy_field *find_frames(const struct spy__record *record)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct spy_field *field = &record->fields[i];
        if ((int)field->type == SPY__FIELD_FRAMES && strcmp(field->key, SPY__ERROR_STACK) == 0) {
            return field;
        }
    }
    return NULL;
}

// What a compiler makes of a function has its name and a suffix: ".part.0", ".constprop.1".
static uint64_t hash_function(const struct spy__frame *frame, uint64_t hash)
{
    return spy__hash(frame->function, strcspn(frame->function, "."), hash);
}

// Of a function without a name: its file and its place there, which are the build's.
static uint64_t hash_place(const struct spy__frame *frame, uint64_t hash)
{
    if (frame->module) {
        hash = spy__hash(frame->module, strlen(frame->module), hash);
        hash = spy__hash(&frame->offset, sizeof(frame->offset), hash);
    }
    return hash;
}

static uint64_t hash_frames(const struct spy_field *field, bool in_app, uint64_t hash,
                            unsigned *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < field->len && *ret_count < KEY_FUNCTIONS_MAX; i++) {
        const struct spy__frame *frame = &spy__field_frames(field)[i];
        if (frame->in_app == in_app) {
            hash = frame->function ? hash_function(frame, hash) : hash_place(frame, hash);
            ++*ret_count;
        }
    }
    return hash;
}

static uint64_t key_of(const struct spy__record *record)
{
    const struct spy_field *frames = find_frames(record);
    unsigned count = 0;
    uint64_t hash = spy__hash(record->event, strlen(record->event), 2);
    hash = hash_field(spy__record_text(record, SPY__ERROR_PLACE), hash);
    if (frames) {
        uint64_t with = hash_frames(frames, true, hash, &count);
        hash = count > 0 ? with : hash_frames(frames, false, hash, &count);
    }
    return hash;
}

uint64_t spy__error_key(const struct spy__record *record, const char *fingerprint)
{
    uint64_t hash = fingerprint ? spy__hash(fingerprint, strlen(fingerprint), 1) : key_of(record);
    return hash ? hash : 1;
}

// ---- what was told

// Whether the hash was told a minute ago at most; it is now.
static bool tell(struct spy__error_groups *groups, uint64_t hash, uint64_t now_ns)
{
    struct told *set = groups->told[hash % (SPY__ERRORS_SEEN_MAX / WAYS)], *to = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            bool lately = now_ns < set[i].time_ns || now_ns - set[i].time_ns < MINUTE_NS;
            set[i].time_ns = now_ns;
            return lately;
        }
        to = set[i].time_ns < to->time_ns ? &set[i] : to;
    }
    *to = (struct told){ hash, now_ns };
    return false;
}

bool spy__error_groups_told(struct spy__error_groups *groups, const struct spy__record *record)
{
    if ((record->trace_hi | record->trace_lo) == 0) {
        return false;
    }
    const struct spy_field *mechanism = spy__record_text(record, SPY__ERROR_MECHANISM);
    const uint64_t ids[2] = { record->trace_hi, record->trace_lo };
    uint64_t trace = spy__hash(ids, sizeof(ids), groups->seed);
    bool any = tell(groups, trace, record->time_ns);
    uint64_t what = spy__hash(record->event, strlen(record->event), trace);
    bool same = tell(groups, hash_field(spy__record_text(record, SPY__ERROR_MESSAGE), what),
                     record->time_ns);
    bool unexplained = mechanism && mechanism->len == sizeof(SPY__ERROR_UNEXPLAINED) - 1 &&
                       memcmp(mechanism->value.s, SPY__ERROR_UNEXPLAINED, mechanism->len) == 0;
    return same || (any && unexplained);
}

// ---- groups

static void copy_text(char *out, size_t max, const char *s, size_t n)
{
    n = spy__utf8_cut(s, n, max);
    memcpy(out, s, n);
    out[n] = '\0';
}

static void copy_field(char *out, size_t max, const struct spy_field *field)
{
    copy_text(out, max, field ? field->value.s : "", field ? field->len : 0);
}

// The group of this key, made where there is none.
static struct spy__error_group *find_group(struct spy__error_groups *groups, uint64_t key)
{
    struct spy__error_group *quiet = &groups->groups[0];
    for (size_t i = 0; i < groups->count; i++) {
        struct spy__error_group *group = &groups->groups[i];
        if (group->key == key) {
            return group;
        }
        quiet = group->last_ns < quiet->last_ns ? group : quiet;
    }
    if (groups->count < SPY__ERROR_GROUPS_MAX) {
        quiet = &groups->groups[groups->count++];
    }
    free(quiet->frames);
    *quiet = (struct spy__error_group){ .key = key };
    return quiet;
}

static void keep_stack(struct spy__error_group *group, const struct spy__record *record)
{
    const struct spy_field *frames = find_frames(record);
    if (group->frames || !frames || frames->len == 0) {
        return;
    }
    group->frames = malloc(frames->len * sizeof(group->frames[0]));
    if (group->frames) { // else the next one's
        group->frame_count = frames->len;
        memcpy(group->frames, spy__field_frames(frames), frames->len * sizeof(group->frames[0]));
    }
}

// Whether one more may pass in this minute, which begins anew when it is over, or when time went
// back.
static bool may_pass(uint64_t *minute_ns, unsigned *in_minute, unsigned max, uint64_t now_ns)
{
    if (now_ns < *minute_ns || now_ns - *minute_ns >= MINUTE_NS) {
        *minute_ns = now_ns;
        *in_minute = 0;
    }
    return *in_minute < max;
}

bool spy__error_groups_take(struct spy__error_groups *groups, uint64_t key,
                            const struct spy__record *record)
{
    struct spy__error_group *group = find_group(groups, key);
    const uint64_t now_ns = record->time_ns;
    if (group->count++ == 0) {
        group->first_ns = now_ns;
        copy_text(group->type, SPY__ERROR_TYPE_TEXT, record->event, strlen(record->event));
        copy_field(group->place, SPY__ERROR_PLACE_TEXT, spy__record_text(record, SPY__ERROR_PLACE));
    }
    group->last_ns = now_ns > group->last_ns ? now_ns : group->last_ns;
    group->first_ns = now_ns < group->first_ns ? now_ns : group->first_ns;
    copy_field(group->message, SPY__ERROR_MESSAGE_TEXT,
               spy__record_text(record, SPY__ERROR_MESSAGE));
    copy_text(group->correlation_id, sizeof(group->correlation_id) - 1, record->correlation_id,
              strlen(record->correlation_id));
    group->trace_hi = record->trace_hi;
    group->trace_lo = record->trace_lo;
    group->event_hi = record->event_hi;
    group->event_lo = record->event_lo;
    keep_stack(group, record);
    if (!may_pass(&group->minute_ns, &group->in_minute, SPY__ERRORS_OF_GROUP_MAX, now_ns) ||
        !may_pass(&groups->minute_ns, &groups->in_minute, SPY__ERRORS_MAX, now_ns)) {
        return false;
    }
    group->in_minute++;
    groups->in_minute++;
    return true;
}

const struct spy__error_group *spy__error_groups_next(const struct spy__error_groups *groups,
                                                      const struct spy__error_group *after)
{
    size_t i = after ? (size_t)(after - groups->groups) + 1 : 0;
    return i < groups->count ? &groups->groups[i] : NULL;
}
