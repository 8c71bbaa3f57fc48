#include "signals/event_types.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "record/record.h"

#define SLOTS 512u // a power of two, twice of what may be declared: a probe ends soon

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct spy__event_type *slots[SLOTS]; // each atomic; written once, under mu
static size_t count;                         // written under mu, read atomically
static void (*hook)(const char *name);       // guarded by mu

static size_t slot_of(const char *name)
{
    return spy__hash(name, strlen(name), 0) & (SLOTS - 1);
}

const struct spy__event_type *spy__event_type_find(const char *name)
{
    for (size_t i = slot_of(name);; i = (i + 1) & (SLOTS - 1)) {
        const struct spy__event_type *type = __atomic_load_n(&slots[i], __ATOMIC_ACQUIRE);
        if (!type || strcmp(type->name, name) == 0) {
            return type;
        }
    }
}

bool spy__event_types_any(void)
{
    return __atomic_load_n(&count, __ATOMIC_RELAXED) > 0;
}

void spy__event_types_hook(void (*declared)(const char *name))
{
    pthread_mutex_lock(&mu);
    hook = declared;
    for (size_t i = 0; declared && i < SLOTS; i++) {
        if (slots[i]) {
            declared(slots[i]->name);
        }
    }
    pthread_mutex_unlock(&mu);
}

static bool name_ok(const char *name)
{
    return name && name[0] && strlen(name) <= SPY__KEY_MAX;
}

// How many fields it has; -1 where one is wrong.
static int check(const struct spy_event_type *type)
{
    int n = 0;
    if (!name_ok(type->name)) {
        return -1;
    }
    for (; n < SPY_FIELDS_MAX && type->fields[n].name; n++) {
        const struct spy_event_field *field = &type->fields[n];
        if (!name_ok(field->name) || field->type < SPY_FIELD_INT || field->type > SPY_FIELD_STR) {
            return -1;
        }
        for (int i = 0; i < n; i++) {
            if (strcmp(type->fields[i].name, field->name) == 0) {
                return -1;
            }
        }
    }
    return n;
}

static bool is_same(const struct spy__event_type *a, const struct spy_event_type *b, size_t fields)
{
    bool same = a->count == fields;
    for (size_t i = 0; same && i < fields; i++) {
        same = a->fields[i].type == b->fields[i].type &&
               strcmp(a->fields[i].name, b->fields[i].name) == 0;
    }
    return same;
}

static struct spy__event_type *copy_of(const struct spy_event_type *type, size_t fields)
{
    size_t text = strlen(type->name) + 1;
    for (size_t i = 0; i < fields; i++) {
        text += strlen(type->fields[i].name) + 1;
    }
    struct spy__event_type *copy = malloc(sizeof(*copy) + fields * sizeof(copy->fields[0]) + text);
    if (!copy) {
        return NULL;
    }
    char *at = (char *)&copy->fields[fields];
    copy->count = fields;
    copy->name = memcpy(at, type->name, strlen(type->name) + 1);
    at += strlen(type->name) + 1;
    for (size_t i = 0; i < fields; i++) {
        size_t n = strlen(type->fields[i].name) + 1;
        copy->fields[i].type = type->fields[i].type;
        copy->fields[i].name = memcpy(at, type->fields[i].name, n);
        at += n;
    }
    return copy;
}

static int declare(const struct spy_event_type *type, size_t fields)
{
    size_t i = slot_of(type->name);
    while (slots[i] && strcmp(slots[i]->name, type->name) != 0) {
        i = (i + 1) & (SLOTS - 1);
    }
    if (slots[i]) {
        return is_same(slots[i], type, fields) ? 0 : -EEXIST;
    }
    if (count == SPY_EVENT_TYPES_MAX) {
        return -ENOSPC;
    }
    struct spy__event_type *copy = copy_of(type, fields);
    if (!copy) {
        return -ENOMEM;
    }
    __atomic_store_n(&slots[i], copy, __ATOMIC_RELEASE);
    __atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
    if (hook) {
        hook(copy->name);
    }
    return 0;
}

int spy_event_declare(const struct spy_event_type *type)
{
    int fields = type ? check(type) : -1;
    if (fields < 0) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mu);
    int err = declare(type, (size_t)fields);
    pthread_mutex_unlock(&mu);
    return err;
}
