// libdwfl with a process that is none: its memory is the copied stack, its registers are those of
// the report. All of one crash's threads are threads of one such process.

#include "crash/unwind.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "crash/machine.h"
#include "profile/elf_file.h"

// Whatever a thread's id was: libdwfl wants one that is not zero, and finds threads by it.
#define FIRST_TID 1

struct spy__unwinder {
    const struct spy__crash *crash;
    Dwfl *dwfl;
    // Of the thread that is being unwound.
    const struct spy__crash_stack *thread;
    uint64_t pc, registers[SPY__CRASH_REGISTERS];
    struct spy__unwound *out;
    size_t max, count;
    bool more;
};

// ---- modules

// Gives libdwfl a module's file, if it is the one that ran.
static int give_elf(Dwfl_Module *module, void **arg, const char *name, Dwarf_Addr base, char **path,
                    Elf **ret)
{
    const struct spy__module *from = *arg;
    struct spy__elf_file file;
    (void)module, (void)name, (void)base, (void)path;
    if (from && strchr(from->path, '/') && spy__elf_file_open_loaded(&file, from) == 0) {
        *ret = file.elf;
        return file.fd; // taken, as the Elf is
    }
    return -1;
}

// The unwind tables are in the loaded file; libdwfl's own would ask debuginfod.
static int find_no_debug_file(Dwfl_Module *module, void **arg, const char *name, Dwarf_Addr base,
                              const char *file, const char *link, GElf_Word crc, char **ret)
{
    (void)module, (void)arg, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
    return -1;
}

static bool report_modules(struct spy__unwinder *u)
{
    const struct spy__modules *modules = &u->crash->modules;
    dwfl_report_begin(u->dwfl);
    for (size_t i = 0; i < modules->count; i++) {
        const struct spy__module *from = &modules->list[i];
        Dwfl_Module *module = dwfl_report_module(u->dwfl, from->path, from->start, from->end);
        void **arg;
        if (module && dwfl_module_info(module, &arg, NULL, NULL, NULL, NULL, NULL, NULL)) {
            *arg = (void *)from;
        }
    }
    return dwfl_report_end(u->dwfl, NULL, NULL) == 0;
}

// ---- threads and their memory

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
    (void)dwfl;
    if (*thread_arg) {
        return 0;
    }
    *thread_arg = arg;
    return FIRST_TID;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
    (void)dwfl;
    *thread_arg = arg;
    return tid == FIRST_TID;
}

static bool read_word(const struct spy__crash_stack *stack, uint64_t address, uint64_t *ret)
{
    if (address < stack->start || address - stack->start > stack->n ||
        stack->n - (address - stack->start) < sizeof(*ret)) {
        return false;
    }
    memcpy(ret, stack->bytes + (address - stack->start), sizeof(*ret));
    return true;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *arg)
{
    const struct spy__unwinder *u = arg;
    uint64_t word;
    (void)dwfl;
    if (!read_word(u->thread, address, &word)) {
        return false;
    }
    *ret = word;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    struct spy__unwinder *u = arg;
    Dwarf_Word words[SPY__CRASH_REGISTERS];
    const unsigned count = SPY__MACHINE == EM_X86_64 ? 17 : SPY__CRASH_REGISTERS;
    for (unsigned i = 0; i < count; i++) {
        words[i] = u->registers[i];
    }
    dwfl_thread_state_register_pc(thread, u->pc);
    return dwfl_thread_state_registers(thread, 0, count, words);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_memory,
    .set_initial_registers = set_registers,
};

// ---- the crash

struct spy__unwinder *spy__unwinder_new(const struct spy__crash *crash)
{
    static const Dwfl_Callbacks callbacks = { .find_elf = give_elf,
                                              .find_debuginfo = find_no_debug_file,
                                              .section_address = dwfl_offline_section_address };
    if (SPY__MACHINE == EM_NONE || crash->machine != SPY__MACHINE) {
        return NULL;
    }
    struct spy__unwinder *u = calloc(1, sizeof(*u));
    if (!u) {
        return NULL;
    }
    u->crash = crash;
    u->dwfl = dwfl_begin(&callbacks);
    if (!u->dwfl || !report_modules(u) ||
        !dwfl_attach_state(u->dwfl, NULL, FIRST_TID, &thread_callbacks, u)) {
        spy__unwinder_free(u);
        return NULL;
    }
    return u;
}

void spy__unwinder_free(struct spy__unwinder *u)
{
    if (u) {
        if (u->dwfl) {
            dwfl_end(u->dwfl);
        }
        free(u);
    }
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
    struct spy__unwinder *u = arg;
    Dwarf_Addr pc;
    bool exact;
    if (!dwfl_frame_pc(frame, &pc, &exact) || pc == 0) {
        return DWARF_CB_ABORT;
    }
    if (u->count == u->max) {
        u->more = true;
        return DWARF_CB_ABORT;
    }
    u->out[u->count++] = (struct spy__unwound){ (uintptr_t)pc, exact };
    return DWARF_CB_OK;
}

// A call of what is no code (a NULL function pointer) has changed nothing yet but what a call
// changes: whoever called can be gone on from.
static void leave_bad_call(struct spy__unwinder *u)
{
    if (spy__modules_find(&u->crash->modules, (uintptr_t)u->pc)) {
        return;
    }
    uint64_t caller = 0;
    uint64_t *sp = &u->registers[SPY__MACHINE_SP];
    if (SPY__MACHINE == EM_X86_64) {
        (void)read_word(u->thread, *sp, &caller);
    } else {
        caller = u->registers[30];
    }
    if (caller == 0 || !spy__modules_find(&u->crash->modules, (uintptr_t)caller - 1)) {
        return;
    }
    u->out[u->count++] = (struct spy__unwound){ (uintptr_t)u->pc, true };
    u->pc = caller - 1; // in the call
    if (SPY__MACHINE == EM_X86_64) {
        *sp += sizeof(uint64_t);
        u->registers[16] = u->pc;
    }
}

size_t spy__unwind(struct spy__unwinder *u, size_t i, struct spy__unwound *out, size_t max,
                   bool *ret_more)
{
    u->thread = &u->crash->threads[i];
    u->pc = u->thread->pc;
    memcpy(u->registers, u->thread->registers, sizeof(u->registers));
    u->out = out;
    u->max = max;
    u->count = 0;
    u->more = false;
    if (max > 1) {
        leave_bad_call(u);
    }
    const size_t left = u->count;
    (void)dwfl_getthread_frames(u->dwfl, FIRST_TID, take_frame, u);
    if (u->count == left && max > left) {
        out[u->count++] = (struct spy__unwound){ (uintptr_t)u->pc, true };
    }
    if (left > 0 && u->count > left) { // back to what all others are
        out[left].address++;
        out[left].exact = false;
    }
    *ret_more = u->more;
    return u->count;
}
