// What is loaded, as the kernel and the mapped files themselves tell it: /proc/self/maps line by
// line; a file that is mapped from its beginning, and begins as an ELF file does, is a module.
// dl_iterate_phdr() would be shorter, and takes the loader's lock, which the crashed thread may
// hold.

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "crash/capture.h"

#define SEGMENTS_MAX 64u
#define NOTES_MAX ((size_t)64 << 10)
#define DELETED " (deleted)"

// One line of the file, as far as it is of use.
struct mapping {
    uintptr_t start, end;
    uint64_t offset;
    const char *path; // in the line's bytes; "" for none
};

// The module that the last lines were of.
struct lister {
    unsigned char *file;
    uint32_t count;
    struct spy__crash_module *open; // NULL: none, or no room
};

static const char *read_hex(uint64_t *ret, const char *at)
{
    uint64_t n = 0;
    for (;; at++) {
        if (*at >= '0' && *at <= '9') {
            n = n << 4 | (uint64_t)(*at - '0');
        } else if (*at >= 'a' && *at <= 'f') {
            n = n << 4 | (uint64_t)(*at - 'a' + 10);
        } else {
            *ret = n;
            return at;
        }
    }
}

static const char *next_word(const char *at)
{
    while (*at && *at != ' ') {
        at++;
    }
    while (*at == ' ') {
        at++;
    }
    return at;
}

// "start-end perms offset dev inode   path": proc(5).
static void read_line(struct mapping *ret, const char *line)
{
    uint64_t start, end;
    const char *at = read_hex(&start, line);
    at = next_word(read_hex(&end, at + (*at == '-')));
    at = next_word(at);
    at = next_word(read_hex(&ret->offset, at));
    at = next_word(at);
    ret->path = next_word(at);
    ret->start = (uintptr_t)start;
    ret->end = (uintptr_t)end;
}

// ---- one ELF file in memory

static bool read_memory(void *to, uintptr_t from, size_t n)
{
    return spy__crash_copy(to, from, n) == n;
}

// Finds the GNU build id among n bytes of notes.
static void find_build_id(struct spy__crash_module *module, uintptr_t notes, size_t n)
{
    ElfW(Nhdr) note;
    n = n < NOTES_MAX ? n : NOTES_MAX;
    for (size_t at = 0; at + sizeof(note) <= n && read_memory(&note, notes + at, sizeof(note));) {
        char name[4] = { 0 };
        size_t text = at + sizeof(note) + ((note.n_namesz + (size_t)3) & ~(size_t)3);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            read_memory(name, notes + at + sizeof(note), 4) && memcmp(name, "GNU", 4) == 0) {
            unsigned char id[SPY__BUILD_ID_MAX];
            if (note.n_descsz <= sizeof(id) && read_memory(id, notes + text, note.n_descsz)) {
                spy__build_id_print(module->build_id, id, note.n_descsz);
            }
            return;
        }
        at = text + ((note.n_descsz + (size_t)3) & ~(size_t)3);
    }
}

// Fills in bias and build id of the ELF file whose head is at `start`; false where none is.
static bool read_elf(struct spy__crash_module *module, uintptr_t start)
{
    ElfW(Ehdr) head;
    if (!read_memory(&head, start, sizeof(head)) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_phentsize != sizeof(ElfW(Phdr))) {
        return false;
    }
    const uintptr_t segments = start + head.e_phoff;
    const unsigned count = head.e_phnum < SEGMENTS_MAX ? head.e_phnum : SEGMENTS_MAX;
    bool loads = false;
    ElfW(Phdr) segment;
    for (unsigned i = 0; i < count; i++) {
        if (!read_memory(&segment, segments + i * sizeof(segment), sizeof(segment))) {
            return false;
        }
        if (segment.p_type == PT_LOAD && !loads) { // they come in rising order
            module->bias = start - (segment.p_vaddr - segment.p_offset);
            loads = true;
        }
    }
    for (unsigned i = 0; loads && !module->build_id[0] && i < count; i++) {
        if (read_memory(&segment, segments + i * sizeof(segment), sizeof(segment)) &&
            segment.p_type == PT_NOTE) {
            find_build_id(module, (uintptr_t)module->bias + segment.p_vaddr, segment.p_memsz);
        }
    }
    return loads;
}

// ---- the list

static size_t path_bytes(const char *path)
{
    size_t n = strlen(path), tail = sizeof(DELETED) - 1;
    return n > tail && memcmp(path + n - tail, DELETED, tail) == 0 ? n - tail : n;
}

static bool is_of(const struct spy__crash_module *module, const char *path)
{
    size_t n = path_bytes(path);
    return n < sizeof(module->path) && memcmp(module->path, path, n) == 0 && !module->path[n];
}

static void take(struct lister *list, const struct mapping *mapping)
{
    if (mapping->path[0] != '/' && strcmp(mapping->path, "[vdso]") != 0) {
        return;
    }
    if (list->open && is_of(list->open, mapping->path) && mapping->offset > 0) {
        list->open->end = mapping->end;
        return;
    }
    list->open = NULL;
    if (mapping->offset != 0 || list->count == SPY__CRASH_MODULES_MAX) {
        return;
    }
    struct spy__crash_module module = { .start = mapping->start, .end = mapping->end };
    size_t n = path_bytes(mapping->path);
    memcpy(module.path, mapping->path, n < sizeof(module.path) ? n : 0);
    if (read_elf(&module, mapping->start)) {
        list->open = spy__crash_module_at(list->file, list->count++);
        *list->open = module;
    }
}

static void list_all(struct lister *list, int fd)
{
    char bytes[8192]; // a line has a path of PATH_MAX at most, and some numbers
    size_t n = 0;
    for (;;) {
        ssize_t some = read(fd, bytes + n, sizeof(bytes) - 1 - n);
        if (some < 0 && errno == EINTR) {
            continue;
        }
        if (some <= 0) {
            return;
        }
        n += (size_t)some;
        size_t from = 0;
        for (char *end; (end = memchr(bytes + from, '\n', n - from)) != NULL;) {
            struct mapping mapping;
            *end = '\0';
            read_line(&mapping, bytes + from);
            take(list, &mapping);
            from = (size_t)(end - bytes) + 1;
        }
        n -= from;
        memmove(bytes, bytes + from, n);
        if (n == sizeof(bytes) - 1) {
            return; // no line is so long
        }
    }
}

void spy__crash_modules(unsigned char *file)
{
    struct lister list = { .file = file };
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        list_all(&list, fd);
        close(fd);
    }
    if (list.count > 0) {
        spy__crash_head(file)->modules = list.count;
    }
}
