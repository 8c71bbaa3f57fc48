// The loader's list, kept sorted; build ids from the notes in memory.

#include "profile/modules.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Where the loader has no name it is the program itself.
static char *path_of(const char *name)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_MAX];
    if (name && name[0]) {
        return strdup(name);
    }
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n < 0 || n == (ssize_t)sizeof(path) - 1) {
        n = 0;
    }
    path[n] = '\0';
    size_t tail = sizeof(deleted) - 1;
    if ((size_t)n > tail && strcmp(path + n - tail, deleted) == 0) {
        path[(size_t)n - tail] = '\0';
    }
    return strdup(path);
}

void spy__build_id_print(char *out, const unsigned char *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = hex[bytes[i] >> 4];
        *out++ = hex[bytes[i] & 15];
    }
    *out = '\0';
}

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

// Finds the GNU build id among the notes of a segment. Names and descriptions are padded to the
// segment's alignment: 4, or 8 where it says so (https://www.sco.com/developers/gabi/latest/ch5.pheader.html).
static bool find_build_id(char *out, const unsigned char *notes, size_t n, size_t align)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; n - at >= sizeof(note);) {
        memcpy(&note, notes + at, sizeof(note));
        size_t name = at + sizeof(note), left = n - name;
        if (note.n_namesz > left) {
            return false;
        }
        size_t text = align_up(name + note.n_namesz, align);
        if (text > n || note.n_descsz > n - text) {
            return false;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
            memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
            if (note.n_descsz == 0 || note.n_descsz > SPY__BUILD_ID_MAX) {
                return false;
            }
            spy__build_id_print(out, notes + text, note.n_descsz);
            return true;
        }
        at = align_up(text + note.n_descsz, align);
        if (at > n) {
            return false;
        }
    }
    return false;
}

// Whether a segment's bytes are in memory: those of a loaded, readable one that holds it.
static bool is_loaded(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *load = &info->dlpi_phdr[i];
        if (load->p_type == PT_LOAD && (load->p_flags & PF_R) &&
            segment->p_vaddr >= load->p_vaddr &&
            segment->p_vaddr - load->p_vaddr <= load->p_memsz &&
            segment->p_memsz <= load->p_memsz - (segment->p_vaddr - load->p_vaddr)) {
            return true;
        }
    }
    return false;
}

// Fills in all but the path; false where nothing of it is loaded.
static bool describe(struct spy__module *m, const struct dl_phdr_info *info)
{
    *m = (struct spy__module){ .start = UINTPTR_MAX,
                               .bias = info->dlpi_addr,
                               .is_program = !info->dlpi_name || !info->dlpi_name[0] };
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && segment->p_memsz > 0) {
            m->start = at < m->start ? at : m->start;
            m->end = at + segment->p_memsz > m->end ? at + segment->p_memsz : m->end;
        } else if (segment->p_type == PT_NOTE && !m->build_id[0] && is_loaded(info, segment)) {
            (void)find_build_id(m->build_id, (const unsigned char *)at, segment->p_memsz,
                                segment->p_align == 8 ? 8 : 4);
        }
    }
    return m->start < m->end;
}

static void note_counts(struct spy__modules *m, const struct dl_phdr_info *info, size_t size)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
        m->loads = info->dlpi_adds;
        m->unloads = info->dlpi_subs;
    }
}

static int take_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct spy__modules *m = arg;
    struct spy__module module;
    note_counts(m, info, size);
    if (m->count == SPY__LOADED_MAX || !describe(&module, info)) {
        return 0;
    }
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 32;
        struct spy__module *list = realloc(m->list, cap * sizeof(*list));
        if (!list) {
            return -ENOMEM;
        }
        m->list = list;
        m->cap = cap;
    }
    module.path = path_of(info->dlpi_name);
    if (!module.path) {
        return -ENOMEM;
    }
    m->list[m->count++] = module;
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct spy__module *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

int spy__modules_read_from(struct spy__modules *m, spy__loader *loader)
{
    struct spy__modules read = { 0 };
    int err = loader(take_module, &read);
    if (err != 0) {
        spy__modules_done(&read);
        return err;
    }
    if (read.count > 0) {
        qsort(read.list, read.count, sizeof(*read.list), by_start);
    }
    spy__modules_done(m);
    *m = read;
    return 0;
}

int spy__modules_read(struct spy__modules *m)
{
    return spy__modules_read_from(m, dl_iterate_phdr);
}

static int take_counts(struct dl_phdr_info *info, size_t size, void *arg)
{
    note_counts(arg, info, size);
    return 1; // every entry has them
}

bool spy__modules_changed(const struct spy__modules *m)
{
    struct spy__modules now = { 0 };
    (void)dl_iterate_phdr(take_counts, &now);
    return m->count == 0 || now.loads != m->loads || now.unloads != m->unloads;
}

const struct spy__module *spy__modules_find(const struct spy__modules *m, uintptr_t address)
{
    size_t from = 0, to = m->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (address < m->list[middle].start) {
            to = middle;
        } else if (address >= m->list[middle].end) {
            from = middle + 1;
        } else {
            return &m->list[middle];
        }
    }
    return NULL;
}

bool spy__module_in_app(const struct spy__modules *m, const struct spy__module *module)
{
    for (size_t i = 0; i < m->count && !module->is_program; i++) {
        const struct spy__module *program = &m->list[i];
        const char *slash = strrchr(program->path, '/');
        if (program->is_program && slash) {
            size_t folder = (size_t)(slash - program->path) + 1;
            return folder > 1 && strncmp(module->path, program->path, folder) == 0;
        }
    }
    return module->is_program;
}

bool spy__is_own_function(const char *function)
{
    return function && strncmp(function, "spy_", 4) == 0;
}

void spy__modules_done(struct spy__modules *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->list[i].path);
    }
    free(m->list);
    *m = (struct spy__modules){ 0 };
}
