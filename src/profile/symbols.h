// What one ELF file says about its code: function, source file and line of an address, through its
// DWARF (static and inlined functions too), else its symbol tables (.symtab, .gnu_debugdata,
// .dynsym). By libdw and libdwfl of elfutils.
//
// A file is taken only if its build id is that of the module that runs: one that was replaced on
// disk, or has none, would give wrong names. debuginfod is never asked.
//
// What is needed is read (not mapped: a file that is cut short must not be SIGBUS) into memory when
// the file is opened, and the file is closed then. It stays in memory until close, which the
// strings of frames borrow from.
//
// Names are those of DWARF; of functions that only the symbol table has they are the linker's (C++:
// mangled). Not for use by two threads at a time; different files may be.
#ifndef PROFILE_SYMBOLS_H
#define PROFILE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "profile/modules.h"
#include "record/frame.h"

// Debug information of more bytes is left alone, and names come from the symbol tables: it would
// take the host's memory, and a good part of a second. memegen has 1.3 MiB, libc 13.
#define SPY__DEBUG_BYTES_MAX (64u << 20)
// Larger symbol tables are left alone too.
#define SPY__SYMTAB_BYTES_MAX (64u << 20)
// Most frames of one address: a function and what is inlined in it. Scopes that are nested deeper
// are not looked at.
#define SPY__INLINED_MAX 64

struct spy__symbols;

// Reads what the module's file says. Returns 0; -ENOENT where there is no such file, it has no
// build id, or it is another file now; -ENOMEM; -EBADMSG where its headers make no sense.
int spy__symbols_open(struct spy__symbols **ret, const struct spy__module *module);

// Writes at most max frames of the code at `address` (as the file has it), innermost first, and
// returns how many: 0 where nothing is known. Sets function, file, line and inlined.
size_t spy__symbols_find(struct spy__symbols *s, uint64_t address, struct spy__frame *out,
                         size_t max);

void spy__symbols_close(struct spy__symbols *s);

#endif
