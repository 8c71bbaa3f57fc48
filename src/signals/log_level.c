// A table of modules that only grows: a place is taken by one compare-and-swap, its name is written
// once, and then released. `spy__log_level` is the least of all levels, so that a line below it costs
// a load and a compare; only where modules differ is the table looked at.
//
// Memory order: sequentially consistent, for those who set. Each computes the least of all levels
// after its own change, and `changes` tells it whether another came in between. Readers of one level
// see a change soon.

#include "signals/log_level.h"

#include <errno.h>
#include <string.h>

#include "record/record.h"

enum state { FREE, TAKEN, READY };

struct place {
    int state;                            // atomic
    int level;                            // atomic; SPY_LEVEL_DEFAULT: none of its own
    char module[SPY_MODULE_NAME_MAX + 1]; // const once READY
};

int spy__log_level = SPY_LEVEL_INFO; // atomic, relaxed for its readers
int spy__log_modules;                // atomic, likewise: some module has a level of its own

static int level_of_all = SPY_LEVEL_INFO; // atomic
static struct place places[SPY__MODULES_MAX];
static unsigned changes; // atomic

static struct place *find(const char *module)
{
    for (size_t i = 0; i < SPY__MODULES_MAX; i++) {
        int state = __atomic_load_n(&places[i].state, __ATOMIC_SEQ_CST);
        if (state == FREE) {
            break; // places are taken in their order
        }
        if (state == READY && strcmp(places[i].module, module) == 0) {
            return &places[i];
        }
    }
    return NULL;
}

// Two threads may take a place each for the same module: the first counts, and the other has no
// level. Whoever sets a level looks again which is the first; whoever makes a place ready clears what
// was set in those behind it before.
static void clear_behind(const struct place *first)
{
    for (struct place *place = places; place < places + SPY__MODULES_MAX; place++) {
        if (place > first && __atomic_load_n(&place->state, __ATOMIC_SEQ_CST) == READY &&
            strcmp(place->module, first->module) == 0) {
            __atomic_store_n(&place->level, SPY_LEVEL_DEFAULT, __ATOMIC_SEQ_CST);
        }
    }
}

static struct place *find_or_take(const char *module)
{
    struct place *place = find(module);
    for (size_t i = 0; !place && i < SPY__MODULES_MAX; i++) {
        int state = FREE;
        if (__atomic_compare_exchange_n(&places[i].state, &state, TAKEN, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            memcpy(places[i].module, module, strlen(module) + 1);
            __atomic_store_n(&places[i].state, READY, __ATOMIC_SEQ_CST);
            clear_behind(&places[i]);
            place = find(module);
        }
    }
    return place;
}

// Makes the least level known; to be called after each change.
static void settle(void)
{
    unsigned seen;
    __atomic_add_fetch(&changes, 1, __ATOMIC_SEQ_CST);
    do {
        seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);
        int least = __atomic_load_n(&level_of_all, __ATOMIC_SEQ_CST), differ = 0;
        for (size_t i = 0; i < SPY__MODULES_MAX; i++) {
            int level = __atomic_load_n(&places[i].level, __ATOMIC_SEQ_CST);
            differ |= level != SPY_LEVEL_DEFAULT;
            least = level != SPY_LEVEL_DEFAULT && level < least ? level : least;
        }
        __atomic_store_n(&spy__log_modules, differ, __ATOMIC_SEQ_CST);
        __atomic_store_n(&spy__log_level, least, __ATOMIC_SEQ_CST);
    } while (__atomic_load_n(&changes, __ATOMIC_SEQ_CST) != seen);
}

bool spy__log_module_enabled(enum spy_level level, const char *module)
{
    const struct place *place = module ? find(module) : NULL;
    int least = place ? __atomic_load_n(&place->level, __ATOMIC_RELAXED) : SPY_LEVEL_DEFAULT;
    if (least == SPY_LEVEL_DEFAULT) {
        least = __atomic_load_n(&level_of_all, __ATOMIC_RELAXED);
    }
    return (int)level >= least;
}

void spy_log_set_level(enum spy_level level)
{
    if (level < SPY_LEVEL_DEFAULT || level > SPY_LEVEL_OFF) {
        return;
    }
    __atomic_store_n(&level_of_all, level == SPY_LEVEL_DEFAULT ? SPY_LEVEL_INFO : (int)level,
                     __ATOMIC_SEQ_CST);
    settle();
}

static bool is_name(const char *module, size_t n)
{
    if (n == 0 || n > SPY_MODULE_NAME_MAX || (n == 1 && module[0] == '*')) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (module[i] <= ' ' || module[i] >= 0x7f || strchr("=,\"\\", module[i])) {
            return false;
        }
    }
    return true;
}

int spy_log_set_module_level(const char *module, enum spy_level level)
{
    if (!module || !is_name(module, strlen(module)) || level < SPY_LEVEL_DEFAULT ||
        level > SPY_LEVEL_OFF) {
        return -EINVAL;
    }
    struct place *place = level == SPY_LEVEL_DEFAULT ? find(module) : find_or_take(module), *first;
    if (!place) {
        return level == SPY_LEVEL_DEFAULT ? 0 : -ENOSPC;
    }
    __atomic_store_n(&place->level, (int)level, __ATOMIC_SEQ_CST);
    while ((first = find(module)) != place) {
        __atomic_store_n(&place->level, SPY_LEVEL_DEFAULT, __ATOMIC_SEQ_CST);
        __atomic_store_n(&first->level, (int)level, __ATOMIC_SEQ_CST);
        place = first;
    }
    settle();
    return 0;
}

bool spy__level_read(enum spy_level *ret, const char *name, size_t n)
{
    for (int level = SPY_LEVEL_DEFAULT; level <= SPY_LEVEL_OFF; level++) {
        const char *known = spy__level_name((enum spy_level)level);
        if (strlen(known) == n && memcmp(known, name, n) == 0) {
            *ret = (enum spy_level)level;
            return true;
        }
    }
    return false;
}

int spy__log_levels_parse(struct spy__module_levels *ret, enum spy_level *ret_all, const char *list)
{
    static const char between[] = ", \t";
    struct spy__module_levels levels = { 0 };
    enum spy_level all = SPY_LEVEL_DEFAULT, level;
    const char *at = list ? list : "";
    for (at += strspn(at, between); *at; at += strspn(at, between)) {
        size_t n = strcspn(at, between), name = strcspn(at, "=");
        if (name >= n || !spy__level_read(&level, at + name + 1, n - name - 1) ||
            level == SPY_LEVEL_DEFAULT) {
            return -EINVAL;
        }
        if (name == 1 && at[0] == '*') {
            all = level;
        } else if (is_name(at, name) && levels.count < SPY__MODULES_MAX) {
            struct spy__module_level *one = &levels.modules[levels.count++];
            memcpy(one->module, at, name);
            one->level = level;
        } else {
            return -EINVAL;
        }
        at += n;
    }
    *ret = levels;
    *ret_all = all != SPY_LEVEL_DEFAULT ? all : *ret_all;
    return 0;
}

void spy__log_levels_set(enum spy_level all, const struct spy__module_levels *levels)
{
    for (size_t i = 0; i < SPY__MODULES_MAX; i++) {
        __atomic_store_n(&places[i].level, SPY_LEVEL_DEFAULT, __ATOMIC_SEQ_CST);
    }
    for (size_t i = 0; i < levels->count; i++) {
        (void)spy_log_set_module_level(levels->modules[i].module, levels->modules[i].level);
    }
    spy_log_set_level(all);
}

enum spy_level spy__log_levels_get(struct spy__module_levels *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < SPY__MODULES_MAX; i++) {
        int level = __atomic_load_n(&places[i].level, __ATOMIC_RELAXED);
        if (__atomic_load_n(&places[i].state, __ATOMIC_ACQUIRE) != READY ||
            level == SPY_LEVEL_DEFAULT) {
            continue;
        }
        struct spy__module_level *one = &ret->modules[ret->count++];
        memcpy(one->module, places[i].module, sizeof(one->module));
        one->level = (enum spy_level)level;
    }
    return (enum spy_level)__atomic_load_n(&level_of_all, __ATOMIC_RELAXED);
}
