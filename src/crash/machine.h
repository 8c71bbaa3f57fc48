// What differs between machines: their registers, in a signal's context and as DWARF numbers them.
//
// x86-64: System V ABI, AMD64 supplement, figure 3.36. arm64: DWARF for the Arm 64-bit Architecture
// (https://github.com/ARM-software/abi-aa), section 4.1.
#ifndef CRASH_MACHINE_H
#define CRASH_MACHINE_H

#include <elf.h>
#include <stdint.h>
#include <ucontext.h>

#include "crash/file.h"

#if defined(__x86_64__)

#define SPY__MACHINE EM_X86_64
#define SPY__MACHINE_SP 7u // its number among the registers

// Returns the stack pointer.
static inline uintptr_t spy__machine_registers(struct spy__crash_thread *to, const void *context)
{
    static const unsigned char order[] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                           REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                           REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };
    const ucontext_t *c = context;
    for (unsigned i = 0; i < sizeof(order); i++) {
        to->registers[i] = (uint64_t)c->uc_mcontext.gregs[order[i]];
    }
    to->pc = to->registers[16];
    return (uintptr_t)to->registers[SPY__MACHINE_SP];
}

#elif defined(__aarch64__)

#define SPY__MACHINE EM_AARCH64
#define SPY__MACHINE_SP 31u

static inline uintptr_t spy__machine_registers(struct spy__crash_thread *to, const void *context)
{
    const ucontext_t *c = context;
    for (unsigned i = 0; i < 31; i++) {
        to->registers[i] = c->uc_mcontext.regs[i];
    }
    to->registers[SPY__MACHINE_SP] = c->uc_mcontext.sp;
    to->pc = c->uc_mcontext.pc;
    return (uintptr_t)to->registers[SPY__MACHINE_SP];
}

#else

#define SPY__MACHINE EM_NONE // no crash is captured

static inline uintptr_t spy__machine_registers(struct spy__crash_thread *to, const void *context)
{
    (void)to;
    return (uintptr_t)context;
}
#endif

#endif
