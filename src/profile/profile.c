// Growing arrays, tables of open addressing over them, and chunks for what must not move.
//
// A table holds, for each element, half of its key's hash and its index + 1; it is grown at three
// quarters. What an element's key is, only its own functions know.

#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CHUNK_BYTES 16384u
#define TABLE_SLOTS_MIN 64u

struct slot {
    uint32_t hash, index; // index + 1; 0: free
};

struct table {
    struct slot *slots;
    uint32_t cap, used; // cap is 0 or a power of two
};

struct chunk {
    struct chunk *next;
    size_t used, cap;
    _Alignas(16) char bytes[];
};

struct spy__profile_own {
    struct table samples, stacks, locations, threads, spans, operations;
    uint32_t sample_cap, stack_cap, entry_cap, location_cap, module_cap, thread_cap, span_cap,
        operation_cap;
    struct chunk *chunks;
};

// ---- memory

struct spy__profile *spy__profile_new(void)
{
    struct spy__profile *p = calloc(1, sizeof(*p));
    struct spy__profile_own *own = calloc(1, sizeof(*own));
    if (!p || !own) {
        free(p);
        free(own);
        return NULL;
    }
    p->own = own;
    return p;
}

void spy__profile_free(struct spy__profile *p)
{
    if (!p) {
        return;
    }
    spy__profile_free(p->against);
    struct spy__profile_own *own = p->own;
    struct table *tables[] = { &own->samples, &own->stacks, &own->locations,
                               &own->threads, &own->spans,  &own->operations };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        free(tables[i]->slots);
    }
    for (struct chunk *chunk = own->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(own);
    free(p->samples);
    free(p->heap);
    free(p->stacks);
    free(p->entries);
    free(p->locations);
    free(p->modules);
    free(p->threads);
    free(p->spans);
    free(p->operations);
    free(p);
}

// Room for `more` elements behind `count`, growing twofold up to max. False where there is none.
static bool make_room(void *array, uint32_t *cap, uint32_t count, uint32_t more, uint32_t max,
                      size_t element_bytes)
{
    void *at;
    if (more > max || count > max - more) {
        return false;
    }
    if (count + more <= *cap) {
        return true;
    }
    uint32_t wanted = *cap ? 2 * *cap : 32;
    wanted = wanted < count + more ? count + more : wanted;
    wanted = wanted > max ? max : wanted;
    memcpy(&at, array, sizeof(at)); // a pointer of any type
    at = realloc(at, wanted * element_bytes);
    if (!at) {
        return false;
    }
    memcpy(array, &at, sizeof(at));
    *cap = wanted;
    return true;
}

// Memory that stays where it is as long as the profile. NULL: none.
static void *allot(struct spy__profile *p, size_t n)
{
    struct chunk *chunk = p->own->chunks;
    n = (n + 15) & ~(size_t)15;
    if (!chunk || chunk->cap - chunk->used < n) {
        size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        chunk = malloc(sizeof(*chunk) + cap);
        if (!chunk) {
            return NULL;
        }
        *chunk = (struct chunk){ .next = p->own->chunks, .cap = cap };
        p->own->chunks = chunk;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += n;
    return at;
}

static const char *copy_text(struct spy__profile *p, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = allot(p, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

// ---- tables

static uint32_t hash_of(const void *key, size_t n)
{
    uint64_t hash = spy__hash(key, n, 0);
    return (uint32_t)(hash ^ hash >> 32);
}

// The next element whose key may be the one; *at goes on from where it was. NONE: no more.
static uint32_t next_match(const struct table *table, uint32_t hash, uint32_t *at)
{
    for (; table->cap > 0; ++*at) {
        const struct slot *slot = &table->slots[(hash + *at) & (table->cap - 1)];
        if (slot->index == 0) {
            break;
        }
        if (slot->hash == hash) {
            ++*at;
            return slot->index - 1;
        }
    }
    return SPY__PROFILE_NONE;
}

static void put(struct slot *slots, uint32_t cap, struct slot slot)
{
    uint32_t at = slot.hash & (cap - 1);
    while (slots[at].index != 0) {
        at = (at + 1) & (cap - 1);
    }
    slots[at] = slot;
}

// Room for one more: false without memory.
static bool table_grow(struct table *table)
{
    if (table->used < table->cap - table->cap / 4) {
        return true;
    }
    uint32_t cap = table->cap ? 2 * table->cap : TABLE_SLOTS_MIN;
    struct slot *slots = calloc(cap, sizeof(*slots));
    if (!slots) {
        return false;
    }
    for (uint32_t i = 0; i < table->cap; i++) {
        if (table->slots[i].index != 0) {
            put(slots, cap, table->slots[i]);
        }
    }
    free(table->slots);
    table->slots = slots;
    table->cap = cap;
    return true;
}

// After table_grow().
static void table_add(struct table *table, uint32_t hash, uint32_t index)
{
    put(table->slots, table->cap, (struct slot){ hash, index + 1 });
    table->used++;
}

// ---- stacks

static uint32_t add_location(struct spy__profile *p, uintptr_t address)
{
    struct spy__profile_own *own = p->own;
    const uint32_t hash = hash_of(&address, sizeof(address));
    uint32_t at = 0, index;
    while ((index = next_match(&own->locations, hash, &at)) != SPY__PROFILE_NONE) {
        if (p->locations[index].address == address) {
            return index;
        }
    }
    if (!make_room(&p->locations, &own->location_cap, p->location_count, 1,
                   SPY__PROFILE_LOCATIONS_MAX, sizeof(*p->locations)) ||
        !table_grow(&own->locations)) {
        return SPY__PROFILE_NONE;
    }
    p->locations[p->location_count] =
        (struct spy__profile_location){ .address = address, .module = SPY__PROFILE_NONE };
    table_add(&own->locations, hash, p->location_count);
    return p->location_count++;
}

// The stack that lies behind the last one, in entries that do not count yet.
static uint32_t take_stack(struct spy__profile *p, uint32_t n)
{
    struct spy__profile_own *own = p->own;
    const uint32_t *entries = p->entries + p->entry_count;
    const uint32_t hash = hash_of(entries, n * sizeof(*entries));
    uint32_t at = 0, index;
    while ((index = next_match(&own->stacks, hash, &at)) != SPY__PROFILE_NONE) {
        const struct spy__profile_stack *stack = &p->stacks[index];
        if (stack->count == n &&
            memcmp(p->entries + stack->first, entries, n * sizeof(*entries)) == 0) {
            return index;
        }
    }
    if (!make_room(&p->stacks, &own->stack_cap, p->stack_count, 1, SPY__PROFILE_STACKS_MAX,
                   sizeof(*p->stacks)) ||
        !table_grow(&own->stacks)) {
        return SPY__PROFILE_NONE;
    }
    p->stacks[p->stack_count] = (struct spy__profile_stack){ p->entry_count, n };
    p->entry_count += n;
    table_add(&own->stacks, hash, p->stack_count);
    return p->stack_count++;
}

uint32_t spy__profile_add_stack(struct spy__profile *p, const uintptr_t *addresses, size_t n)
{
    if (n > SPY__PROFILE_ENTRIES_MAX ||
        !make_room(&p->entries, &p->own->entry_cap, p->entry_count, (uint32_t)n,
                   SPY__PROFILE_ENTRIES_MAX, sizeof(*p->entries))) {
        return SPY__PROFILE_NONE;
    }
    uint32_t *entries = n > 0 ? p->entries + p->entry_count : NULL;
    for (size_t i = 0; i < n; i++) {
        entries[i] = add_location(p, addresses[i] - 1);
        if (entries[i] == SPY__PROFILE_NONE) {
            return SPY__PROFILE_NONE;
        }
    }
    return n > 0 ? take_stack(p, (uint32_t)n) : SPY__PROFILE_NONE;
}

// ---- samples

uint32_t spy__profile_add_sample(struct spy__profile *p, const struct spy__profile_sample *sample)
{
    if (!make_room(&p->samples, &p->own->sample_cap, p->sample_count, 1, SPY__PROFILE_SAMPLES_MAX,
                   sizeof(*p->samples))) {
        return SPY__PROFILE_NONE;
    }
    p->samples[p->sample_count] = *sample;
    return p->sample_count++;
}

uint32_t spy__profile_sum_sample(struct spy__profile *p, const struct spy__profile_sample *sample)
{
    struct table *table = &p->own->samples;
    const uint32_t key[] = { sample->stack, sample->operation, sample->waited };
    const uint32_t hash = hash_of(key, sizeof(key));
    uint32_t at = 0, index;
    while ((index = next_match(table, hash, &at)) != SPY__PROFILE_NONE) {
        struct spy__profile_sample *sum = &p->samples[index];
        if (sum->stack == sample->stack && sum->operation == sample->operation &&
            sum->waited == sample->waited) {
            sum->weight_ns += sample->weight_ns;
            sum->count += sample->count;
            return index;
        }
    }
    if (!table_grow(table)) {
        return SPY__PROFILE_NONE;
    }
    index = spy__profile_add_sample(p, sample);
    if (index != SPY__PROFILE_NONE) {
        table_add(table, hash, index);
    }
    return index;
}

uint64_t spy__profile_total_ns(const struct spy__profile *p, bool waited)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        total += p->samples[i].waited == waited ? p->samples[i].weight_ns : 0;
    }
    return total;
}

// ---- threads, spans, operations

uint32_t spy__profile_add_thread(struct spy__profile *p, uint64_t id, const char *name)
{
    struct spy__profile_own *own = p->own;
    const uint32_t hash = hash_of(&id, sizeof(id));
    uint32_t at = 0, index;
    while ((index = next_match(&own->threads, hash, &at)) != SPY__PROFILE_NONE) {
        if (p->threads[index].id == id) {
            return index;
        }
    }
    if (!make_room(&p->threads, &own->thread_cap, p->thread_count, 1, SPY__PROFILE_THREADS_MAX,
                   sizeof(*p->threads)) ||
        !table_grow(&own->threads)) {
        return SPY__PROFILE_NONE;
    }
    struct spy__profile_thread *thread = &p->threads[p->thread_count];
    size_t n = strnlen(name, SPY__PROFILE_THREAD_NAME_MAX);
    *thread = (struct spy__profile_thread){ .id = id };
    memcpy(thread->name, name, n);
    table_add(&own->threads, hash, p->thread_count);
    return p->thread_count++;
}

uint32_t spy__profile_add_span(struct spy__profile *p, const struct spy__profile_span *span)
{
    struct spy__profile_own *own = p->own;
    const uint32_t hash = hash_of(&span->id, sizeof(span->id));
    uint32_t at = 0, index;
    const char *name = copy_text(p, span->name ? span->name : "");
    if (!name) {
        return SPY__PROFILE_NONE;
    }
    while ((index = next_match(&own->spans, hash, &at)) != SPY__PROFILE_NONE) {
        if (p->spans[index].id == span->id) {
            break;
        }
    }
    if (index == SPY__PROFILE_NONE) {
        if (!make_room(&p->spans, &own->span_cap, p->span_count, 1, SPY__PROFILE_SPANS_MAX,
                       sizeof(*p->spans)) ||
            !table_grow(&own->spans)) {
            return SPY__PROFILE_NONE;
        }
        index = p->span_count++;
        table_add(&own->spans, hash, index);
    }
    p->spans[index] = *span;
    p->spans[index].name = name;
    return index;
}

uint32_t spy__profile_add_operation(struct spy__profile *p, const char *name)
{
    struct spy__profile_own *own = p->own;
    if (!name || !name[0]) {
        return SPY__PROFILE_NONE;
    }
    const uint32_t hash = hash_of(name, strlen(name));
    uint32_t at = 0, index;
    while ((index = next_match(&own->operations, hash, &at)) != SPY__PROFILE_NONE) {
        if (strcmp(p->operations[index], name) == 0) {
            return index;
        }
    }
    if (!make_room(&p->operations, &own->operation_cap, p->operation_count, 1,
                   SPY__PROFILE_OPERATIONS_MAX, sizeof(*p->operations)) ||
        !table_grow(&own->operations)) {
        return SPY__PROFILE_NONE;
    }
    const char *copy = copy_text(p, name);
    if (!copy) {
        return SPY__PROFILE_NONE;
    }
    p->operations[p->operation_count] = copy;
    table_add(&own->operations, hash, p->operation_count);
    return p->operation_count++;
}

// ---- names

uint32_t spy__profile_add_module(struct spy__profile *p, const struct spy__profile_module *module)
{
    const char *path = copy_text(p, module->path), *build_id = copy_text(p, module->build_id);
    if (!path || !build_id ||
        !make_room(&p->modules, &p->own->module_cap, p->module_count, 1, SPY__PROFILE_NONE,
                   sizeof(*p->modules))) {
        return SPY__PROFILE_NONE;
    }
    struct spy__profile_module *copy = &p->modules[p->module_count];
    *copy = *module;
    copy->path = path;
    copy->build_id = build_id;
    return p->module_count++;
}

bool spy__profile_name_location(struct spy__profile *p, uint32_t location, uint32_t module,
                                const struct spy__frame *frames, size_t n)
{
    struct spy__frame *copies = allot(p, n * sizeof(*copies));
    if (!copies) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        copies[i] = frames[i];
        copies[i].module = module == SPY__PROFILE_NONE ? NULL : p->modules[module].path;
        copies[i].build_id = module == SPY__PROFILE_NONE ? NULL : p->modules[module].build_id;
        copies[i].function = frames[i].function ? copy_text(p, frames[i].function) : NULL;
        copies[i].file = frames[i].file ? copy_text(p, frames[i].file) : NULL;
        if ((frames[i].function && !copies[i].function) || (frames[i].file && !copies[i].file)) {
            return false;
        }
    }
    p->locations[location].module = module;
    p->locations[location].frames = copies;
    p->locations[location].frame_count = (uint32_t)n;
    return true;
}
