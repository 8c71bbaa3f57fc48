#include "crash/name.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#ifdef SPY_WITH_SYMBOLS
#include "crash/unwind.h"
#include "profile/symbols.h"
#endif

// Most calls of one thread, before what is inlined in them.
#define CALLS_MAX 96u

struct named_module {
    const char *name; // the path's end
    bool in_app;
#ifdef SPY_WITH_SYMBOLS
    bool opened;
    struct spy__symbols *symbols; // NULL where it has none
#endif
};

struct spy__crash_names {
    struct spy__crash *crash;
    uint64_t deadline_ns;
    bool raw;
    struct named_module *named; // one for each of its modules
};

// Which of the dead process's files was the program: it may have another name by now, or be another
// program under the same one.
static void find_program(struct spy__modules *dead)
{
    struct spy__modules own = { 0 };
    if (spy__modules_read(&own) != 0) {
        return;
    }
    for (size_t i = 0; i < own.count; i++) {
        for (size_t k = 0; own.list[i].is_program && k < dead->count; k++) {
            struct spy__module *module = &dead->list[k];
            module->is_program =
                strcmp(own.list[i].path, module->path) == 0 ||
                (module->build_id[0] && strcmp(own.list[i].build_id, module->build_id) == 0);
        }
    }
    spy__modules_done(&own);
}

#ifdef SPY_WITH_SYMBOLS
static bool is_late(const struct spy__crash_names *names)
{
    return names->raw || spy__monotonic_ns() >= names->deadline_ns;
}

static size_t find_symbols(struct spy__crash_names *names, size_t i, uint64_t address,
                           struct spy__frame *out, size_t max)
{
    struct named_module *named = &names->named[i];
    const struct spy__module *module = &names->crash->modules.list[i];
    if (!named->opened && !is_late(names)) {
        named->opened = true;
        // What is no file (the vDSO) was in the dead process's memory alone.
        if (strchr(module->path, '/')) {
            (void)spy__symbols_open(&named->symbols, module);
        }
    }
    return named->symbols ? spy__symbols_find(named->symbols, address, out, max) : 0;
}

static size_t unwind(struct spy__unwinder *unwinder, size_t i, struct spy__unwound *out,
                     bool *ret_more)
{
    return unwinder ? spy__unwind(unwinder, i, out, CALLS_MAX, ret_more) : 0;
}
#else
struct spy__unwinder;
struct spy__unwound {
    uintptr_t address;
    bool exact;
};

static size_t find_symbols(struct spy__crash_names *names, size_t i, uint64_t address,
                           struct spy__frame *out, size_t max)
{
    (void)names, (void)i, (void)address, (void)out, (void)max;
    return 0;
}

static size_t unwind(struct spy__unwinder *unwinder, size_t i, struct spy__unwound *out,
                     bool *ret_more)
{
    (void)unwinder, (void)i, (void)out, (void)ret_more;
    return 0;
}
#endif

// The frames of one address: at least one where there is room.
static size_t name_one(struct spy__crash_names *names, const struct spy__unwound *at,
                       struct spy__frame *out, size_t max)
{
    const struct spy__modules *modules = &names->crash->modules;
    const uintptr_t inside = at->address - !at->exact;
    const struct spy__module *module = spy__modules_find(modules, inside);
    if (max == 0) {
        return 0;
    }
    if (!module) {
        out[0] = (struct spy__frame){ .address = at->address };
        return 1;
    }
    const size_t i = (size_t)(module - modules->list);
    size_t count = find_symbols(names, i, inside - module->bias, out, max);
    if (count == 0) {
        out[count++] = (struct spy__frame){ 0 };
    }
    for (size_t k = 0; k < count; k++) {
        out[k].address = at->address;
        out[k].module = names->named[i].name;
        out[k].build_id = module->build_id[0] ? module->build_id : NULL;
        out[k].offset = at->address - module->bias;
        out[k].package = module->path[0] ? module->path : NULL;
        out[k].image_addr = module->start;
        out[k].image_size = module->end - module->start;
        out[k].in_app = names->named[i].in_app && !spy__is_own_function(out[k].function);
    }
    return count;
}

static void name_thread(struct spy__crash_names *names, struct spy__unwinder *unwinder, size_t i)
{
    struct spy__crash_stack *thread = &names->crash->threads[i];
    struct spy__unwound calls[CALLS_MAX];
    size_t n = unwind(unwinder, i, calls, &thread->truncated);
    if (n == 0 && thread->pc != 0) {
        calls[n++] = (struct spy__unwound){ (uintptr_t)thread->pc, true };
    }
    thread->frames = calloc(SPY__CRASH_FRAMES_MAX, sizeof(*thread->frames));
    for (size_t k = 0; thread->frames && k < n; k++) {
        if (thread->frame_count == SPY__CRASH_FRAMES_MAX) {
            thread->truncated = true;
            break;
        }
        thread->frame_count += name_one(names, &calls[k], thread->frames + thread->frame_count,
                                        SPY__CRASH_FRAMES_MAX - thread->frame_count);
    }
}

static struct spy__crash_names *make(struct spy__crash *crash, bool raw, uint64_t deadline_ns)
{
    const struct spy__modules *modules = &crash->modules;
    struct spy__crash_names *names = calloc(1, sizeof(*names));
    struct named_module *named = calloc(modules->count + 1, sizeof(*named));
    if (!names || !named) {
        free(names);
        free(named);
        return NULL;
    }
    for (size_t i = 0; i < modules->count; i++) {
        const char *slash = strrchr(modules->list[i].path, '/');
        named[i].name = slash ? slash + 1 : modules->list[i].path;
        named[i].in_app = spy__module_in_app(modules, &modules->list[i]);
    }
    names->crash = crash;
    names->raw = raw;
    names->deadline_ns = deadline_ns;
    names->named = named;
    return names;
}

struct spy__crash_names *spy__crash_name(struct spy__crash *crash, bool raw, uint64_t deadline_ns)
{
    struct spy__unwinder *unwinder = NULL;
    find_program(&crash->modules);
    struct spy__crash_names *names = make(crash, raw, deadline_ns);
    if (!names) {
        return NULL;
    }
#ifdef SPY_WITH_SYMBOLS
    unwinder = raw ? NULL : spy__unwinder_new(crash);
#endif
    for (size_t i = 0; i < crash->thread_count; i++) {
        name_thread(names, unwinder, i);
#ifdef SPY_WITH_SYMBOLS
        if (is_late(names)) {
            spy__unwinder_free(unwinder);
            unwinder = NULL;
        }
#endif
    }
#ifdef SPY_WITH_SYMBOLS
    spy__unwinder_free(unwinder);
#endif
    return names;
}

void spy__crash_names_free(struct spy__crash_names *names)
{
    if (!names) {
        return;
    }
#ifdef SPY_WITH_SYMBOLS
    for (size_t i = 0; i < names->crash->modules.count; i++) {
        spy__symbols_close(names->named[i].symbols);
    }
#endif
    free(names->named);
    free(names);
}
