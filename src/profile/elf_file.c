// Which file, and what is in it; see the header.

#include "profile/elf_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define DEBUG_FILES "/usr/lib/debug/.build-id"

static bool has_build_id(Elf *elf, const char *hex)
{
    const void *id;
    ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
    char own[2 * SPY__BUILD_ID_MAX + 1];
    if (n <= 0 || n > SPY__BUILD_ID_MAX) {
        return false;
    }
    spy__build_id_print(own, id, (size_t)n);
    return strcmp(own, hex) == 0;
}

// Keeps an Elf only if it is the one that is wanted.
static Elf *check(Elf *elf, const char *build_id)
{
    if (elf && (elf_kind(elf) != ELF_K_ELF || !has_build_id(elf, build_id))) {
        (void)elf_end(elf);
        return NULL;
    }
    return elf;
}

static uint64_t section_bytes(Elf_Scn *section, const GElf_Shdr *header)
{
    GElf_Chdr compressed;
    if ((header->sh_flags & SHF_COMPRESSED) && gelf_getchdr(section, &compressed)) {
        return compressed.ch_size;
    }
    return header->sh_size;
}

static void weigh_section(struct spy__elf_file *file, Elf_Scn *section, size_t names)
{
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS) {
        return;
    }
    const char *name = elf_strptr(file->elf, names, header.sh_name);
    if (!name) {
        return;
    }
    if (strncmp(name, ".debug_", 7) == 0 || strncmp(name, ".zdebug_", 8) == 0) {
        file->debug_bytes += section_bytes(section, &header);
        file->has_debug_info |= strcmp(strchr(name, '_'), "_info") == 0;
    } else if (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM ||
               header.sh_type == SHT_STRTAB || strcmp(name, ".gnu_debugdata") == 0) {
        file->symtab_bytes += header.sh_size;
    }
}

static void weigh(struct spy__elf_file *file)
{
    size_t names;
    if (elf_getshdrstrndx(file->elf, &names) == 0) {
        for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section)) != NULL;) {
            weigh_section(file, section, names);
        }
    }
}

static int open_path(struct spy__elf_file *ret, const char *path, const char *build_id)
{
    // O_NONBLOCK: not for ever, should it be a pipe by now.
    struct spy__elf_file file = { .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    if (file.fd < 0) {
        return -ENOENT;
    }
    file.elf = check(elf_begin(file.fd, ELF_C_READ, NULL), build_id);
    if (!file.elf) {
        close(file.fd);
        return -ENOENT;
    }
    weigh(&file);
    *ret = file;
    return 0;
}

static void prefer_debug_file(struct spy__elf_file *file, const char *build_id)
{
    char path[sizeof(DEBUG_FILES) + 2 * SPY__BUILD_ID_MAX + 16];
    struct spy__elf_file debug;
    if (file->has_debug_info) {
        return;
    }
    (void)snprintf(path, sizeof(path), DEBUG_FILES "/%.2s/%s.debug", build_id, build_id + 2);
    if (open_path(&debug, path, build_id) == 0) {
        (void)elf_end(file->elf);
        close(file->fd);
        *file = debug;
    }
}

static int open_image(struct spy__elf_file *ret, const struct spy__module *module)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (module->end - module->start + page - 1) & ~(page - 1);
    struct spy__elf_file file = { .fd = -1 };
    file.elf = check(elf_memory((char *)module->start, bytes), module->build_id);
    if (!file.elf) {
        return -ENOENT;
    }
    weigh(&file);
    *ret = file;
    return 0;
}

int spy__elf_file_open_loaded(struct spy__elf_file *ret, const struct spy__module *module)
{
    if (!module->build_id[0] || elf_version(EV_CURRENT) == EV_NONE) {
        return -ENOENT;
    }
    if (module->start == getauxval(AT_SYSINFO_EHDR)) {
        return open_image(ret, module);
    }
    int err = module->is_program ? open_path(ret, "/proc/self/exe", module->build_id) : -ENOENT;
    return err ? open_path(ret, module->path, module->build_id) : 0;
}

int spy__elf_file_open(struct spy__elf_file *ret, const struct spy__module *module)
{
    int err = spy__elf_file_open_loaded(ret, module);
    if (err == 0 && ret->fd >= 0) {
        prefer_debug_file(ret, module->build_id);
    }
    return err;
}
