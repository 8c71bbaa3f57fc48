// Registers, stacks and what belongs to them; see the header.

#include "crash/capture.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "crash/machine.h"

// As little as any machine has: a larger page is looked at more than once.
#define PAGE ((uintptr_t)4096)
// Below the stack pointer of an exhausted stack lies its guard, then more of the same: so far it is
// looked for memory above it.
#define GUARD_MAX ((uintptr_t)1 << 20)
// What lies so far below the stack pointer is a function's too (System V ABI for x86-64, 3.2.2: the
// red zone), and gcc's unwind tables look there behind a function's last `pop`.
#define RED_ZONE ((uintptr_t)128)
// Bytes of a kernel's signal set.
#define SIGSET_BYTES 8

// Memory of any kind is read here: poisoned by a sanitizer, written by other threads.
#define READS_ANYTHING __attribute__((no_sanitize("address", "thread")))

// The kernel reads the set before it refuses the unknown `how`: EFAULT where it cannot. (As abseil's
// AddressIsReadable() does; unlike a pipe or process_vm_readv(2) it needs no descriptor and no
// permission.)
bool spy__crash_readable(uintptr_t address)
{
    return syscall(SYS_rt_sigprocmask, ~0, address, NULL, SIGSET_BYTES) == 0 || errno != EFAULT;
}

// By hand: memcpy() of a sanitizer looks at what it copies.
READS_ANYTHING static void copy_bytes(volatile unsigned char *to,
                                      const volatile unsigned char *from, size_t n)
{
    size_t i = 0;
    if (((uintptr_t)to | (uintptr_t)from) % 8 == 0) {
        for (; i + 8 <= n; i += 8) {
            *(volatile uint64_t *)(volatile void *)(to + i) =
                *(const volatile uint64_t *)(const volatile void *)(from + i);
        }
    }
    for (; i < n; i++) {
        to[i] = from[i];
    }
}

size_t spy__crash_copy(void *to, uintptr_t from, size_t n)
{
    size_t done = 0;
    while (done < n) {
        uintptr_t at = from + done;
        size_t some = (size_t)(PAGE - at % PAGE);
        some = some < n - done ? some : n - done;
        // A page's first bytes are as good as any of it.
        if (at < PAGE || at + some < at || !spy__crash_readable(at / PAGE * PAGE)) {
            break;
        }
        copy_bytes((unsigned char *)to + done, (const unsigned char *)at, some);
        done += some;
    }
    return done;
}

void spy__crash_copy_text(char *to, size_t cap, uintptr_t from)
{
    volatile char *out = to; // no memset() is made of this
    size_t n = spy__crash_copy(to, from, cap - 1);
    for (size_t i = 0; i < n; i++) {
        n = to[i] == '\0' ? i : n;
    }
    for (; n < cap; n++) {
        out[n] = '\0';
    }
}

// The first address at or above sp that can be read.
static uintptr_t first_readable(uintptr_t sp)
{
    uintptr_t at = sp;
    while (!spy__crash_readable(at / PAGE * PAGE)) {
        at = (at / PAGE + 1) * PAGE;
        if (at - sp > GUARD_MAX || at < sp) {
            return sp;
        }
    }
    return at;
}

static void write_scene(struct spy__crash_scene *to, const struct spy__crash_ids *ids, uintptr_t sp,
                        const struct spy__crash_instant *crashed)
{
    spy__crash_copy_text(to->method, sizeof(to->method), (uintptr_t)ids->method);
    spy__crash_copy_text(to->route, sizeof(to->route), (uintptr_t)ids->route);
    to->count = spy__crash_open(to->open, SPY__CRASH_OPEN_MAX, ids, sp, crashed);
}

void spy__crash_thread(unsigned char *file, size_t i, const void *context,
                       void (*ids)(struct spy__crash_ids *ret))
{
    struct spy__crash_thread *thread = spy__crash_thread_at(file, i);
    struct spy__crash_ids own = { 0 };
    thread->tid = (uint32_t)syscall(SYS_gettid);
    (void)prctl(PR_GET_NAME, thread->name);
    if (ids) {
        ids(&own);
    }
    thread->trace_hi = own.trace_hi;
    thread->trace_lo = own.trace_lo;
    thread->span_id = own.span_id;
    copy_bytes((unsigned char *)thread->correlation_id, (const unsigned char *)own.correlation_id,
               sizeof(thread->correlation_id));
    if (i == 0) {
        size_t room = own.bound_bytes <= SPY__CRASH_BOUND_MAX ? own.bound_bytes : 0;
        spy__crash_head(file)->bound_bytes =
            (uint32_t)spy__crash_copy(file + SPY__CRASH_BOUND_AT, (uintptr_t)own.bound, room);
    }
    uintptr_t sp = spy__machine_registers(thread, context);
    sp = first_readable((sp - RED_ZONE) & ~(uintptr_t)7);
    thread->stack_start = sp;
    thread->stack_bytes =
        spy__crash_copy(file + spy__crash_stack_at(i), sp, spy__crash_stack_max(i));
    write_scene(spy__crash_scene_at(file, i), &own, sp, &spy__crash_head(file)->at);
}
