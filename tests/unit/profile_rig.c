#include "profile_rig.h"

#include <stddef.h>

#define MS UINT64_C(1000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Addresses as they are captured: those of the locations + 1.
enum { MAIN = 0x1001, BUSY_A = 0x1101, BUSY_B = 0x1201, HOSTILE = 0x1301, LIBRARY = 0x20001 };

static const struct {
    uintptr_t address;
    size_t count;
    struct spy__frame frames[2];
} names[] = {
    { MAIN - 1, 1, { { .function = "main", .file = "src/main.c", .line = 10, .in_app = true } } },
    { BUSY_A - 1,
      2,
      { { .function = "spin", .file = "src/spin.h", .line = 3, .inlined = true, .in_app = true },
        { .function = "busy_a", .file = "src/busy.c", .line = 20, .in_app = true } } },
    { BUSY_B - 1,
      1,
      { { .function = "busy_b", .file = "src/busy.c", .line = 30, .in_app = true } } },
    { HOSTILE - 1, 1, { { .function = RIG_HOSTILE } } },
    { LIBRARY - 1, 0, { { .function = NULL } } },
};

static void name(struct spy__profile *p, uint32_t program, uint32_t library)
{
    for (uint32_t i = 0; i < p->location_count; i++) {
        for (size_t k = 0; k < COUNT(names); k++) {
            if (names[k].address == p->locations[i].address) {
                (void)spy__profile_name_location(p, i,
                                                 names[k].address < 0x20000 ? program : library,
                                                 names[k].frames, names[k].count);
            }
        }
    }
}

static void add_samples(struct spy__profile *p)
{
    static const uintptr_t a[] = { BUSY_A, MAIN }, b[] = { BUSY_B, MAIN },
                           odd[] = { LIBRARY, HOSTILE, MAIN }, waiting[] = { MAIN };
    uint32_t stack_a = spy__profile_add_stack(p, a, COUNT(a));
    uint32_t stack_b = spy__profile_add_stack(p, b, COUNT(b));
    uint32_t stack_odd = spy__profile_add_stack(p, odd, COUNT(odd));
    uint32_t stack_waiting = spy__profile_add_stack(p, waiting, COUNT(waiting));
    uint32_t first = spy__profile_add_thread(p, 4001, "worker-1");
    uint32_t second = spy__profile_add_thread(p, 4002, "worker-2");
    uint32_t operation = spy__profile_add_operation(p, "llm_call");
    struct spy__profile_sample sample = {
        .weight_ns = 10 * MS, .count = 1, .thread = first, .operation = SPY__PROFILE_NONE
    };
    for (unsigned i = 0; i < 40; i++) {
        sample.time_ns = i * 10 * MS;
        sample.stack = i % 4 == 3 ? stack_b : stack_a;
        sample.span_id = i < 20 ? 0x11 : 0x22;
        (void)spy__profile_add_sample(p, &sample);
    }
    sample.time_ns = 400 * MS;
    sample.thread = second;
    sample.operation = operation;
    sample.stack = stack_odd;
    (void)spy__profile_add_sample(p, &sample);
    sample.time_ns = 700 * MS;
    sample.weight_ns = 250 * MS;
    sample.stack = stack_waiting;
    sample.waited = true;
    (void)spy__profile_add_sample(p, &sample);
}

struct spy__profile *profile_rig_new(void)
{
    struct spy__profile *p = spy__profile_new();
    if (!p) {
        return NULL;
    }
    p->start_ns = UINT64_C(1700000000000000000);
    p->duration_ns = 750 * MS;
    p->kind = SPY__PROFILE_WALL;
    p->rate_hz = 100;
    p->overhead_ns = 3 * MS;
    p->trace_hi = 1;
    p->trace_lo = 2;
    p->correlation_id[0] = 'c';
    p->correlation_id[1] = '1';
    uint32_t library =
        spy__profile_add_module(p, &(struct spy__profile_module){ .path = "/usr/lib/libodd.so.1",
                                                                  .build_id = "",
                                                                  .start = 0x20000,
                                                                  .end = 0x30000,
                                                                  .bias = 0x20000 });
    uint32_t program =
        spy__profile_add_module(p, &(struct spy__profile_module){ .path = "/opt/rig",
                                                                  .build_id = RIG_BUILD_ID,
                                                                  .start = 0x1000,
                                                                  .end = 0x2000,
                                                                  .is_program = true });
    add_samples(p);
    name(p, program, library);
    (void)spy__profile_add_span(
        p, &(struct spy__profile_span){
               .id = 0x11, .name = "GET /memes/{id}", .end_ns = 750 * MS, .thread = 0 });
    (void)spy__profile_add_span(p, &(struct spy__profile_span){ .id = 0x22,
                                                                .parent_id = 0x11,
                                                                .name = "llm_call",
                                                                .start_ns = 200 * MS,
                                                                .end_ns = 700 * MS,
                                                                .thread = 1 });
    return p;
}
