// An ELF file's symbols through libdwfl, its DWARF through libdw.
//
// Compilation units are found by an index of ours, made from the units' own ranges: .debug_aranges,
// which libdw asks, is not written by clang. The tree of a unit is walked once, down the scopes
// that hold the address.

#include "profile/symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/elf_file.h"

// Nested scopes of a function: ours have ten.
#define DEPTH_MAX SPY__INLINED_MAX
// Ranges of a file's units, the rest is left out; 64 MiB of debug information have some 20,000.
#define RANGES_MAX (1u << 20)

// Code of one unit.
struct range {
    Dwarf_Addr start, end;
    Dwarf_Off unit; // its DIE
};

struct spy__symbols {
    Dwfl *dwfl;
    Dwfl_Module *module;
    Dwarf *dwarf; // NULL for none; borrowed from module
    Elf *elf;     // taken by dwfl once it was asked for
    struct range *ranges;
    size_t range_count, range_cap;
    bool has_symtab;
};

// ---- libdwfl

// The Elf that we opened: then libdwfl neither opens nor maps anything.
static int give_elf(Dwfl_Module *module, void **arg, const char *name, Dwarf_Addr base, char **path,
                    Elf **ret)
{
    (void)module, (void)name, (void)base, (void)path;
    struct spy__symbols *s = *arg;
    *ret = s->elf;
    s->elf = NULL;
    return -1;
}

// libdwfl's own would ask debuginfod.
static int find_no_debug_file(Dwfl_Module *module, void **arg, const char *name, Dwarf_Addr base,
                              const char *file, const char *link, GElf_Word crc, char **ret)
{
    (void)module, (void)arg, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
    return -1;
}

// Reports the file at the addresses that it has itself.
static int report(struct spy__symbols *s)
{
    static const Dwfl_Callbacks callbacks = { .find_elf = give_elf,
                                              .find_debuginfo = find_no_debug_file,
                                              .section_address = dwfl_offline_section_address };
    Dwarf_Addr start = UINT64_MAX, end = 0;
    size_t count;
    GElf_Phdr segment;
    if (elf_getphdrnum(s->elf, &count) != 0) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < count; i++) {
        if (gelf_getphdr(s->elf, (int)i, &segment) && segment.p_type == PT_LOAD) {
            Dwarf_Addr align = segment.p_align ? segment.p_align : 1;
            start = start == UINT64_MAX ? segment.p_vaddr & -align : start;
            end = segment.p_vaddr + segment.p_memsz;
        }
    }
    if (start >= end) {
        return -EBADMSG;
    }
    s->dwfl = dwfl_begin(&callbacks);
    if (!s->dwfl) {
        return -ENOMEM;
    }
    dwfl_report_begin(s->dwfl);
    s->module = dwfl_report_module(s->dwfl, "", start, end);
    (void)dwfl_report_end(s->dwfl, NULL, NULL);
    void **arg;
    if (!s->module || !dwfl_module_info(s->module, &arg, NULL, NULL, NULL, NULL, NULL, NULL)) {
        return -ENOMEM;
    }
    *arg = s;
    Dwarf_Addr bias;
    return dwfl_module_getelf(s->module, &bias) ? 0 : -EBADMSG;
}

// ---- units

static int add_range(struct spy__symbols *s, Dwarf_Addr start, Dwarf_Addr end, Dwarf_Off unit)
{
    if (start == 0 || start >= end || s->range_count == RANGES_MAX) {
        return 0; // what a linker threw away lies at 0
    }
    if (s->range_count == s->range_cap) {
        size_t cap = s->range_cap ? 2 * s->range_cap : 256;
        struct range *ranges = realloc(s->ranges, cap * sizeof(*ranges));
        if (!ranges) {
            return -ENOMEM;
        }
        s->ranges = ranges;
        s->range_cap = cap;
    }
    s->ranges[s->range_count++] = (struct range){ start, end, unit };
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int index_units(struct spy__symbols *s)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    while (dwarf_get_units(s->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Addr base, start, end;
        for (ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &start, &end)) > 0;) {
            int err = add_range(s, start, end, dwarf_dieoffset(&die));
            if (err != 0) {
                return err;
            }
        }
    }
    if (s->range_count > 0) {
        qsort(s->ranges, s->range_count, sizeof(*s->ranges), by_start);
    }
    return 0;
}

static bool find_unit(const struct spy__symbols *s, Dwarf_Addr pc, Dwarf_Die *ret)
{
    size_t from = 0, to = s->range_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (pc < s->ranges[middle].start) {
            to = middle;
        } else if (pc >= s->ranges[middle].end) {
            from = middle + 1;
        } else {
            return dwarf_offdie(s->dwarf, s->ranges[middle].unit, ret) != NULL;
        }
    }
    return false;
}

// ---- open and close

// Reads the tables while the file is open.
static int read_tables(struct spy__symbols *s, const struct spy__elf_file *file)
{
    Dwarf_Addr bias;
    if (file->symtab_bytes <= SPY__SYMTAB_BYTES_MAX) {
        s->has_symtab = dwfl_module_getsymtab(s->module) > 0;
    }
    if (file->has_debug_info && file->debug_bytes <= SPY__DEBUG_BYTES_MAX) {
        s->dwarf = dwfl_module_getdwarf(s->module, &bias);
    }
    return s->dwarf ? index_units(s) : 0;
}

int spy__symbols_open(struct spy__symbols **ret, const struct spy__module *module)
{
    struct spy__elf_file file;
    struct spy__symbols *s = calloc(1, sizeof(*s));
    int err = s ? spy__elf_file_open(&file, module) : -ENOMEM;
    if (err != 0) {
        free(s);
        return err;
    }
    s->elf = file.elf;
    err = report(s);
    err = err ? err : read_tables(s, &file);
    if (err == 0) {
        (void)elf_cntl(file.elf, ELF_C_FDDONE); // all that is needed is read
        *ret = s;
    } else {
        spy__symbols_close(s);
    }
    if (file.fd >= 0) {
        close(file.fd);
    }
    return err;
}

void spy__symbols_close(struct spy__symbols *s)
{
    if (s) {
        if (s->dwfl) {
            dwfl_end(s->dwfl);
        }
        (void)elf_end(s->elf);
        free(s->ranges);
        free(s);
    }
}

// ---- look-up

// The functions around an address, outermost first.
struct chain {
    Dwarf_Addr pc;
    size_t count;
    Dwarf_Die dies[SPY__INLINED_MAX];
};

static bool walk_scopes(struct chain *chain, Dwarf_Die *parent, unsigned depth);

// Whether the address is in this scope; then the chain is complete.
static bool walk_scope(struct chain *chain, Dwarf_Die *scope, unsigned depth)
{
    switch (dwarf_tag(scope)) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
        if (dwarf_haspc(scope, chain->pc) <= 0) {
            return false;
        }
        chain->dies[chain->count++] = *scope; // has room: no deeper than DEPTH_MAX
        (void)walk_scopes(chain, scope, depth);
        return true;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        if (dwarf_haspc(scope, chain->pc) <= 0) {
            return false;
        }
        (void)walk_scopes(chain, scope, depth);
        return true;
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
        return walk_scopes(chain, scope, depth); // they have no code of their own
    default:
        return false;
    }
}

static bool walk_scopes(struct chain *chain, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth == DEPTH_MAX || dwarf_child(parent, &die) != 0) {
        return false;
    }
    do {
        if (walk_scope(chain, &die, depth + 1)) {
            return true;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

// A path as one would type it at the root of the sources: what is relative to the folder where the
// compiler ran is mostly below one beside that.
static const char *short_path(Dwarf_Die *unit, const char *path)
{
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    size_t n = folder ? strlen(folder) : 0;
    if (path && n > 0 && strncmp(path, folder, n) == 0 && path[n] == '/') {
        path += n + 1;
    }
    while (path && path[0] == '.') {
        size_t dots = path[1] == '.' ? 2 : 1;
        if (path[dots] != '/') {
            break;
        }
        path += dots + 1;
    }
    return path;
}

static void set_line(struct spy__frame *frame, Dwarf_Die *unit, Dwarf_Addr pc)
{
    int line;
    Dwarf_Line *found = dwarf_getsrc_die(unit, pc);
    if (found) {
        frame->file = short_path(unit, dwarf_linesrc(found, NULL, NULL));
        frame->line = dwarf_lineno(found, &line) == 0 && line > 0 ? (unsigned)line : 0;
    }
}

// Where `inlined` was called: the line of the frame around it.
static void set_call_line(struct spy__frame *frame, Dwarf_Die *unit, Dwarf_Die *inlined)
{
    Dwarf_Attribute attribute;
    Dwarf_Files *files;
    size_t count;
    Dwarf_Word file, line;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) == 0 &&
        dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count) {
        frame->file = short_path(unit, dwarf_filesrc(files, file, NULL, NULL));
    }
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0) {
        frame->line = line <= UINT_MAX ? (unsigned)line : 0;
    }
}

// A symbol without a size could reach anywhere, and one of data is no function: they name nothing.
static const char *symbol_at(const struct spy__symbols *s, Dwarf_Addr pc)
{
    GElf_Off offset;
    GElf_Sym symbol;
    if (!s->has_symtab) {
        return NULL;
    }
    const char *name = dwfl_module_addrinfo(s->module, pc, &offset, &symbol, NULL, NULL, NULL);
    bool is_data = name && (GELF_ST_TYPE(symbol.st_info) == STT_OBJECT ||
                            GELF_ST_TYPE(symbol.st_info) == STT_TLS);
    return name && !is_data && offset < symbol.st_size ? name : NULL;
}

size_t spy__symbols_find(struct spy__symbols *s, uint64_t address, struct spy__frame *out,
                         size_t max)
{
    struct chain chain = { .pc = address };
    Dwarf_Die unit;
    bool has_unit = find_unit(s, address, &unit);
    if (max == 0) {
        return 0;
    }
    if (has_unit) {
        (void)walk_scopes(&chain, &unit, 0);
    }
    size_t count = chain.count == 0 ? 1 : chain.count < max ? chain.count : max;
    for (size_t i = 0; i < count; i++) {
        // The chain's last is the innermost.
        Dwarf_Die *function = chain.count ? &chain.dies[chain.count - 1 - i] : NULL;
        out[i] = (struct spy__frame){ .function = function ? dwarf_diename(function) : NULL,
                                      .inlined = i + 1 < chain.count };
        if (has_unit && i == 0) {
            set_line(&out[i], &unit, address);
        } else if (has_unit) {
            set_call_line(&out[i], &unit, function + 1);
        }
    }
    struct spy__frame *outermost = &out[count - 1];
    if (!outermost->function && !outermost->inlined) {
        outermost->function = symbol_at(s, address);
    }
    return count > 1 || out[0].function || out[0].file ? count : 0;
}
