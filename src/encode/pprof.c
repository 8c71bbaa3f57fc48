#include "encode/pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "encode/intern.h"

// All strings of one profile.
#define STRINGS_BYTES_MAX (32u << 20)
#define NS_PER_S UINT64_C(1000000000)

// Field numbers of profile.proto.
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT };
enum { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_FILE = 5, MAPPING_BUILD_ID };
enum { MAPPING_HAS_FUNCTIONS = 7, MAPPING_HAS_FILES, MAPPING_HAS_LINES, MAPPING_HAS_INLINED };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE,
    PROFILE_MAPPING,
    PROFILE_LOCATION,
    PROFILE_FUNCTION,
    PROFILE_STRINGS,
    PROFILE_TIME_NS = 9,
    PROFILE_DURATION_NS,
    PROFILE_PERIOD_TYPE,
    PROFILE_PERIOD,
    PROFILE_COMMENT,
    PROFILE_DEFAULT_TYPE,
};

// What makes samples equal; no padding, as its bytes are compared.
struct key {
    uint64_t span_id;
    uint32_t stack, thread, operation, waited;
};

struct sum {
    uint64_t count, ns;
};

struct encoder {
    const struct spy__profile *profile;
    struct spy__buf *out;
    struct spy__buf part, inner;  // a message, and one inside of it
    struct spy__buf text;         // a string
    struct spy__intern strings;   // the string table
    struct spy__intern functions; // name and file, as indices of strings
    struct spy__intern keys;
    struct sum *sums; // of keys
    bool failed;
};

// ---- protobuf (https://protobuf.dev/programming-guides/encoding/)

static void put_varint(struct spy__buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        spy__buf_putc(out, (char)(unsigned char)(v | 0x80));
    }
    spy__buf_putc(out, (char)v);
}

// Zero is the default: it is left out.
static void put_u64(struct spy__buf *out, unsigned field, uint64_t v)
{
    if (v != 0) {
        put_varint(out, field << 3);
        put_varint(out, v);
    }
}

static void put_bytes(struct spy__buf *out, unsigned field, const void *bytes, size_t n)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, n);
    spy__buf_put(out, bytes, n);
}

// Empties it for the next one.
static void put_message(struct spy__buf *out, unsigned field, struct spy__buf *message)
{
    put_bytes(out, field, message->bytes, message->len);
    out->failed = out->failed || message->failed;
    message->len = 0;
}

// Its index in the string table. A string of protobuf is UTF-8: other bytes are U+FFFD, one for each.
static uint32_t string(struct encoder *e, const char *s)
{
    const size_t n = strlen(s);
    uint32_t index;
    if (spy__utf8_valid(s, n)) {
        index = spy__intern(&e->strings, s, n);
    } else {
        e->text.len = 0;
        for (size_t at = 0; at < n;) {
            size_t step = spy__utf8_char((const unsigned char *)s + at, n - at);
            spy__buf_put(&e->text, step > 0 ? s + at : "\xef\xbf\xbd", step > 0 ? step : 3);
            at += step > 0 ? step : 1;
        }
        e->failed = e->failed || e->text.failed;
        index = spy__intern(&e->strings, e->text.bytes ? e->text.bytes : "", e->text.len);
    }
    e->failed = e->failed || index == SPY__INTERN_NONE;
    return index;
}

static void put_value_type(struct encoder *e, unsigned field, const char *type, const char *unit)
{
    put_u64(&e->part, VALUE_TYPE_TYPE, string(e, type));
    put_u64(&e->part, VALUE_TYPE_UNIT, string(e, unit));
    put_message(e->out, field, &e->part);
}

// ---- samples

static void sum_samples(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    for (uint32_t i = 0; i < p->sample_count && !e->failed; i++) {
        const struct spy__profile_sample *s = &p->samples[i];
        const struct key key = { .span_id = s->span_id,
                                 .stack = s->stack,
                                 .thread = s->thread,
                                 .operation = s->operation,
                                 .waited = s->waited };
        uint32_t index = spy__intern(&e->keys, &key, sizeof(key));
        if (index == SPY__INTERN_NONE) {
            e->failed = true;
            return;
        }
        e->sums[index].count += s->count;
        e->sums[index].ns += s->weight_ns;
    }
}

// The location of waiting for an operation, behind those of the profile; SPY__PROFILE_NONE comes
// last.
static uint32_t waiting_id(const struct spy__profile *p, uint32_t operation)
{
    return p->location_count + 1 +
           (operation < p->operation_count ? operation : p->operation_count);
}

static void put_label(struct encoder *e, const char *key, const char *value)
{
    put_u64(&e->inner, LABEL_KEY, string(e, key));
    put_u64(&e->inner, LABEL_STR, string(e, value));
    put_message(&e->part, SAMPLE_LABEL, &e->inner);
}

static void put_labels(struct encoder *e, const struct key *key)
{
    const struct spy__profile *p = e->profile;
    if (key->operation < p->operation_count) {
        put_label(e, "operation", p->operations[key->operation]);
    }
    if (key->span_id != 0) {
        char hex[17] = "";
        spy__hex_u64(hex, key->span_id);
        put_label(e, "span", hex);
    }
    if (key->thread < p->thread_count) {
        put_label(e, "thread", p->threads[key->thread].name);
        put_u64(&e->inner, LABEL_KEY, string(e, "thread_id"));
        put_u64(&e->inner, LABEL_NUM, p->threads[key->thread].id);
        put_message(&e->part, SAMPLE_LABEL, &e->inner);
    }
}

// Puts the locations of a stack, behind what is in the list already.
static void put_stack(struct encoder *e, uint32_t index)
{
    const struct spy__profile *p = e->profile;
    if (index < p->stack_count) {
        const struct spy__profile_stack *stack = &p->stacks[index];
        for (uint32_t i = 0; i < stack->count; i++) {
            put_varint(&e->inner, UINT64_C(1) + p->entries[stack->first + i]);
        }
    }
    put_message(&e->part, SAMPLE_LOCATIONS, &e->inner);
}

static void put_sample(struct encoder *e, const struct key *key, const struct sum *sum)
{
    const struct spy__profile *p = e->profile;
    if (key->waited) {
        put_varint(&e->inner, waiting_id(p, key->operation));
    }
    put_stack(e, key->stack);
    put_varint(&e->inner, sum->count);
    put_varint(&e->inner, key->waited ? 0 : sum->ns);
    if (p->kind == SPY__PROFILE_WALL) {
        put_varint(&e->inner, sum->ns);
    }
    put_message(&e->part, SAMPLE_VALUES, &e->inner);
    put_labels(e, key);
    put_message(e->out, PROFILE_SAMPLE, &e->part);
}

static void put_samples(struct encoder *e)
{
    sum_samples(e);
    for (uint32_t i = 0; i < e->keys.count && !e->failed; i++) {
        struct key key;
        memcpy(&key, spy__intern_at(&e->keys, i, NULL), sizeof(key));
        if (!key.waited || e->profile->kind == SPY__PROFILE_WALL) {
            put_sample(e, &key, &e->sums[i]);
        }
    }
}

static void put_heap_samples(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        put_stack(e, p->samples[i].stack);
        put_varint(&e->inner, p->heap[i].alloc_objects);
        put_varint(&e->inner, p->heap[i].alloc_bytes);
        put_varint(&e->inner, p->heap[i].inuse_objects);
        put_varint(&e->inner, p->heap[i].inuse_bytes);
        put_message(&e->part, SAMPLE_VALUES, &e->inner);
        put_message(e->out, PROFILE_SAMPLE, &e->part);
    }
}

// ---- mappings, locations, functions

// Whether any frame of a module is known, and whether any has a file.
static void look_at_module(const struct spy__profile *p, uint32_t module, bool *functions,
                           bool *files)
{
    for (uint32_t i = 0; i < p->location_count; i++) {
        const struct spy__profile_location *location = &p->locations[i];
        if (location->module == module && location->frame_count > 0) {
            *functions = true;
            *files = *files || location->frames[0].file != NULL;
        }
    }
}

static void put_mapping(struct encoder *e, uint32_t index)
{
    const struct spy__profile *p = e->profile;
    const struct spy__profile_module *module = &p->modules[index];
    bool functions = false, files = false;
    look_at_module(p, index, &functions, &files);
    put_u64(&e->part, MAPPING_ID, UINT64_C(1) + index);
    put_u64(&e->part, MAPPING_START, module->start);
    put_u64(&e->part, MAPPING_LIMIT, module->end);
    put_u64(&e->part, MAPPING_FILE, string(e, module->path));
    put_u64(&e->part, MAPPING_BUILD_ID, string(e, module->build_id));
    put_u64(&e->part, MAPPING_HAS_FUNCTIONS, functions);
    put_u64(&e->part, MAPPING_HAS_FILES, files);
    put_u64(&e->part, MAPPING_HAS_LINES, files);
    put_u64(&e->part, MAPPING_HAS_INLINED, files);
    put_message(e->out, PROFILE_MAPPING, &e->part);
}

// Readers take the first one for the program.
static void put_mappings(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < p->module_count; i++) {
            if (p->modules[i].is_program == (round == 0)) {
                put_mapping(e, i);
            }
        }
    }
}

// Puts a Line into the location under way.
static void put_line(struct encoder *e, const char *name, const char *file, unsigned line)
{
    const uint32_t key[2] = { string(e, name), string(e, file) };
    uint32_t function = spy__intern(&e->functions, key, sizeof(key));
    e->failed = e->failed || function == SPY__INTERN_NONE;
    put_u64(&e->inner, LINE_FUNCTION, UINT64_C(1) + function);
    put_u64(&e->inner, LINE_LINE, line);
    put_message(&e->part, LOCATION_LINE, &e->inner);
}

static void put_locations(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    for (uint32_t i = 0; i < p->location_count; i++) {
        const struct spy__profile_location *location = &p->locations[i];
        put_u64(&e->part, LOCATION_ID, UINT64_C(1) + i);
        put_u64(&e->part, LOCATION_MAPPING,
                location->module < p->module_count ? UINT64_C(1) + location->module : 0);
        put_u64(&e->part, LOCATION_ADDRESS, location->address);
        for (uint32_t k = 0; k < location->frame_count; k++) {
            const struct spy__frame *frame = &location->frames[k];
            put_line(e, frame->function ? frame->function : "??", frame->file ? frame->file : "",
                     frame->line);
        }
        put_message(e->out, PROFILE_LOCATION, &e->part);
    }
}

static void put_waiting_locations(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    for (uint32_t i = 0; i <= p->operation_count; i++) {
        struct spy__buf name;
        char storage[256];
        const char *operation = i < p->operation_count ? p->operations[i] : "?";
        spy__buf_init_fixed(&name, storage, sizeof(storage));
        spy__buf_puts(&name, "waiting: ");
        spy__buf_put(&name, operation, strnlen(operation, sizeof(storage) / 2));
        spy__buf_putc(&name, '\0');
        put_u64(&e->part, LOCATION_ID, waiting_id(p, i));
        put_line(e, name.bytes, "", 0);
        put_message(e->out, PROFILE_LOCATION, &e->part);
    }
}

static void put_functions(struct encoder *e)
{
    for (uint32_t i = 0; i < e->functions.count; i++) {
        uint32_t key[2];
        memcpy(key, spy__intern_at(&e->functions, i, NULL), sizeof(key));
        put_u64(&e->part, FUNCTION_ID, UINT64_C(1) + i);
        put_u64(&e->part, FUNCTION_NAME, key[0]);
        put_u64(&e->part, FUNCTION_SYSTEM_NAME, key[0]);
        put_u64(&e->part, FUNCTION_FILE, key[1]);
        put_message(e->out, PROFILE_FUNCTION, &e->part);
    }
}

// ---- the whole

// Those of the heap as Go's runtime/pprof has them (protomem.go).
static void put_types(struct encoder *e, enum spy__profile_kind kind)
{
    if (kind == SPY__PROFILE_HEAP) {
        put_value_type(e, PROFILE_SAMPLE_TYPE, "alloc_objects", "count");
        put_value_type(e, PROFILE_SAMPLE_TYPE, "alloc_space", "bytes");
        put_value_type(e, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
        put_value_type(e, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
        return;
    }
    put_value_type(e, PROFILE_SAMPLE_TYPE, "samples", "count");
    put_value_type(e, PROFILE_SAMPLE_TYPE, "cpu", "nanoseconds");
    if (kind == SPY__PROFILE_WALL) {
        put_value_type(e, PROFILE_SAMPLE_TYPE, "wall", "nanoseconds");
    }
}

static void put_period(struct encoder *e)
{
    const struct spy__profile *p = e->profile;
    if (p->kind == SPY__PROFILE_HEAP) {
        put_value_type(e, PROFILE_PERIOD_TYPE, "space", "bytes");
        put_u64(e->out, PROFILE_PERIOD, p->period_bytes);
    } else {
        put_value_type(e, PROFILE_PERIOD_TYPE, "cpu", "nanoseconds");
        put_u64(e->out, PROFILE_PERIOD, p->rate_hz > 0 ? NS_PER_S / p->rate_hz : 0);
    }
}

static void put_head(struct encoder *e)
{
    static const char *const defaults[] = { [SPY__PROFILE_WALL] = "wall",
                                            [SPY__PROFILE_CPU] = "cpu",
                                            [SPY__PROFILE_HEAP] = "inuse_space" };
    const struct spy__profile *p = e->profile;
    (void)string(e, ""); // the first string is empty
    put_types(e, p->kind);
    put_u64(e->out, PROFILE_TIME_NS, p->start_ns);
    put_u64(e->out, PROFILE_DURATION_NS, p->duration_ns);
    put_period(e);
    put_u64(e->out, PROFILE_DEFAULT_TYPE, string(e, defaults[p->kind]));
    if (p->correlation_id[0]) {
        put_u64(e->out, PROFILE_COMMENT, string(e, p->correlation_id));
    }
    if (p->note[0]) {
        put_u64(e->out, PROFILE_COMMENT, string(e, p->note));
    }
}

static void put_strings(struct encoder *e)
{
    for (uint32_t i = 0; i < e->strings.count; i++) {
        size_t n = 0;
        const char *s = spy__intern_at(&e->strings, i, &n);
        put_bytes(e->out, PROFILE_STRINGS, s, n);
    }
}

int spy__encode_pprof(struct spy__buf *out, const struct spy__profile *profile)
{
    struct encoder e = { .profile = profile,
                         .out = out,
                         .sums = calloc((size_t)profile->sample_count + 1, sizeof(*e.sums)) };
    spy__buf_init(&e.part, out->max);
    spy__buf_init(&e.inner, out->max);
    spy__buf_init(&e.text, out->max);
    spy__intern_init(&e.strings, STRINGS_BYTES_MAX);
    spy__intern_init(&e.functions, STRINGS_BYTES_MAX);
    spy__intern_init(&e.keys, (size_t)profile->sample_count * (sizeof(struct key) + 1));
    e.failed = !e.sums;
    if (!e.failed) {
        put_head(&e);
        if (profile->kind == SPY__PROFILE_HEAP) {
            put_heap_samples(&e);
        } else {
            put_samples(&e);
        }
        put_mappings(&e);
        put_locations(&e);
        put_waiting_locations(&e);
        put_functions(&e);
        put_strings(&e);
    }
    spy__buf_done(&e.part);
    spy__buf_done(&e.inner);
    spy__buf_done(&e.text);
    spy__intern_done(&e.strings);
    spy__intern_done(&e.functions);
    spy__intern_done(&e.keys);
    free(e.sums);
    return e.failed || out->failed ? -ENOMEM : 0;
}
