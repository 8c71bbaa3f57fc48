// The ELF file of a loaded module, open for libelf: the very one that runs, told by its build id.
//
// Of the program that is /proc/self/exe, which outlives its name; of the vDSO its image in memory. A
// file without debug information gives way to its debug file, where /usr/lib/debug/.build-id has
// one: the same addresses, and the full symbol table.
#ifndef PROFILE_ELF_FILE_H
#define PROFILE_ELF_FILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

#include "profile/modules.h"

struct spy__elf_file {
    Elf *elf; // reads from fd when it is asked to; maps nothing
    int fd;   // -1 for an image in memory
    // What its sections take once they are read.
    uint64_t debug_bytes, symtab_bytes;
    bool has_debug_info;
};

// Returns 0; -ENOENT where there is no such file, it has no build id, or it is another file now;
// -ENOMEM. The caller ends `elf` and closes `fd`.
int spy__elf_file_open(struct spy__elf_file *ret, const struct spy__module *module);
// The same, but never the debug file, which has no unwind tables.
int spy__elf_file_open_loaded(struct spy__elf_file *ret, const struct spy__module *module);

#endif
