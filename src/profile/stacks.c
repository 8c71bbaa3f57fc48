// Modules, the files behind them, and a store of what was found.
//
// A file is known by its path and build id, whatever it is loaded at, and is never forgotten: a
// library that comes and goes is read once. The store is a table of open addressing over (file,
// address in it), whose entries point into one array of frames.

#include "profile/stacks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "profile/modules.h"
#ifdef SPY_WITH_SYMBOLS
#include "profile/symbols.h"
#endif

// Entries of the table, a power of two: each has a frame at least, so it is half full at most.
#define ENTRIES (2 * SPY__STACK_FRAMES_MAX)
// Most frames of one address.
#define INLINED_MAX 64u

struct file {
    char *path, build_id[2 * SPY__BUILD_ID_MAX + 1];
    const char *name; // the path's end
    bool in_app;
#ifdef SPY_WITH_SYMBOLS
    bool opened;
    struct spy__symbols *symbols; // NULL where it has none
#endif
};

struct entry {
    const struct file *file; // NULL: free
    uint64_t offset;
    uint32_t first, count; // frames
};

struct spy__stacks {
    struct spy__modules modules;
    struct file *files[SPY__STACK_FILES_MAX];
    size_t file_count;
    size_t frame_count;
    struct entry entries[ENTRIES];
    struct spy__frame frames[SPY__STACK_FRAMES_MAX];
};

struct spy__stacks *spy__stacks_new(void)
{
    return calloc(1, sizeof(struct spy__stacks)); // 2 MiB, of which the kernel gives what is used
}

static void free_file(struct file *file)
{
#ifdef SPY_WITH_SYMBOLS
    spy__symbols_close(file->symbols);
#endif
    free(file->path);
    free(file);
}

void spy__stacks_free(struct spy__stacks *s)
{
    if (s) {
        for (size_t i = 0; i < s->file_count; i++) {
            free_file(s->files[i]);
        }
        spy__modules_done(&s->modules);
        free(s);
    }
}

// ---- files

static struct file *new_file(const struct spy__modules *modules, const struct spy__module *module)
{
    struct file *file = calloc(1, sizeof(*file));
    char *path = strdup(module->path);
    if (!file || !path) {
        free(file);
        free(path);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    file->path = path;
    file->name = slash ? slash + 1 : path;
    file->in_app = spy__module_in_app(modules, module);
    memcpy(file->build_id, module->build_id, sizeof(file->build_id));
    return file;
}

// The file of a module; NULL without memory, or past SPY__STACK_FILES_MAX.
static struct file *find_file(struct spy__stacks *s, const struct spy__module *module)
{
    for (size_t i = 0; i < s->file_count; i++) {
        if (strcmp(s->files[i]->build_id, module->build_id) == 0 &&
            strcmp(s->files[i]->path, module->path) == 0) {
            return s->files[i];
        }
    }
    struct file *file = s->file_count < SPY__STACK_FILES_MAX ? new_file(&s->modules, module) : NULL;
    if (file) {
        s->files[s->file_count++] = file;
    }
    return file;
}

// Finds at most max frames of an address in the file and returns how many. False in *ret_final: it
// may be known later.
static size_t look_up(struct file *file, const struct spy__module *module, uint64_t offset,
                      struct spy__frame *out, size_t max, bool *ret_final)
{
    *ret_final = true;
#ifdef SPY_WITH_SYMBOLS
    if (!file->opened) {
        // Memory may come back; a file that is not ours stays so.
        file->opened = spy__symbols_open(&file->symbols, module) != -ENOMEM;
        *ret_final = file->opened;
    }
    return file->symbols ? spy__symbols_find(file->symbols, offset, out, max) : 0;
#else
    (void)file, (void)module, (void)offset, (void)out, (void)max;
    return 0;
#endif
}

// ---- the store

static struct entry *find_entry(struct spy__stacks *s, const struct file *file, uint64_t offset)
{
    uint64_t at = spy__hash(&offset, sizeof(offset), (uint64_t)(uintptr_t)file);
    struct entry *entry = &s->entries[at % ENTRIES];
    while (entry->file && (entry->file != file || entry->offset != offset)) {
        entry = &s->entries[++at % ENTRIES];
    }
    return entry;
}

static void forget_all(struct spy__stacks *s)
{
    memset(s->entries, 0, sizeof(s->entries));
    s->frame_count = 0;
}

// The frames of an address in a file, from the store or found now. Returns how many: never none.
static size_t frames_of(struct spy__stacks *s, struct file *file, const struct spy__module *module,
                        uint64_t offset, const struct spy__frame **ret)
{
    bool is_final;
    struct entry *entry = find_entry(s, file, offset);
    if (entry->file) {
        *ret = &s->frames[entry->first];
        return entry->count;
    }
    if (s->frame_count + INLINED_MAX > SPY__STACK_FRAMES_MAX) {
        forget_all(s);
        entry = find_entry(s, file, offset);
    }
    struct spy__frame *frames = &s->frames[s->frame_count];
    size_t count = look_up(file, module, offset - 1, frames, INLINED_MAX, &is_final);
    if (count == 0) {
        frames[count++] = (struct spy__frame){ 0 };
    }
    for (size_t i = 0; i < count; i++) {
        frames[i].module = file->name;
        frames[i].build_id = file->build_id[0] ? file->build_id : NULL;
        frames[i].offset = offset;
        frames[i].package = file->path[0] ? file->path : NULL;
        frames[i].in_app = file->in_app && !spy__is_own_function(frames[i].function);
    }
    if (is_final) {
        *entry = (struct entry){ file, offset, (uint32_t)s->frame_count, (uint32_t)count };
        s->frame_count += count;
    }
    *ret = frames;
    return count;
}

// ---- addresses

static size_t resolve_one(struct spy__stacks *s, struct spy__frame *out, size_t max,
                          uintptr_t address)
{
    const struct spy__frame *frames;
    const struct spy__module *module =
        address > 0 ? spy__modules_find(&s->modules, address - 1) : NULL;
    struct file *file = module ? find_file(s, module) : NULL;
    if (!file) {
        out[0] = (struct spy__frame){ .address = address };
        return 1;
    }
    size_t found = frames_of(s, file, module, address - module->bias, &frames);
    size_t count = found < max ? found : max;
    for (size_t i = 0; i < count; i++) {
        out[i] = frames[i];
        out[i].address = address;
        out[i].image_addr = module->start;
        out[i].image_size = module->end - module->start;
    }
    return count;
}

size_t spy__stacks_resolve(struct spy__stacks *s, struct spy__frame *out, size_t max,
                           const uintptr_t *addresses, size_t n)
{
    size_t count = 0;
    if (spy__modules_changed(&s->modules)) {
        (void)spy__modules_read(&s->modules); // without memory: what was known goes on
    }
    for (size_t i = 0; i < n && count < max; i++) {
        count += resolve_one(s, out + count, max - count, addresses[i]);
    }
    return count;
}

// ---- the process's own

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct spy__stacks *all; // guarded by mu; made when it is first wanted

// A child that is forked while another thread is in here gets it in one piece.
static void lock(void)
{
    pthread_mutex_lock(&mu);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mu);
}

static void hold_over_fork(void)
{
    (void)pthread_atfork(lock, unlock, unlock);
}

void spy__stacks_hold_over_fork(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hold_over_fork);
}

size_t spy__stacks_name(struct spy__frame *out, size_t max, const uintptr_t *addresses, size_t n)
{
    size_t count = 0;
    lock();
    all = all ? all : spy__stacks_new();
    if (all) {
        count = spy__stacks_resolve(all, out, max, addresses, n);
    }
    unlock();
    return count;
}

// ---- records

bool spy__has_stack(const struct spy__record *record)
{
    for (size_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].type == SPY_FIELD_ADDRS && record->fields[i].len > 0) {
            return true;
        }
    }
    return false;
}

void spy__stacks_of_record(struct spy__record *record, struct spy__stacks_room *room)
{
    size_t used = 0;
    const struct spy_field *fields = record->fields;
    for (size_t i = 0; i < record->field_count; i++) {
        if (fields[i].type != SPY_FIELD_ADDRS || fields[i].len == 0) {
            continue;
        }
        struct spy__frame *frames = room->frames + used;
        size_t count =
            spy__stacks_name(frames, SPY__FRAMES_MAX - used, fields[i].value.addrs, fields[i].len);
        if (count == 0) {
            continue; // no memory, or no room: it keeps its addresses
        }
        if (record->fields != room->fields) {
            memcpy(room->fields, fields, record->field_count * sizeof(*fields));
            record->fields = room->fields;
            record->wire = NULL;
        }
        room->fields[i] = spy__frames(fields[i].key, frames, count);
        used += count;
    }
}
