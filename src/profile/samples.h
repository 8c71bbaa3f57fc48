// Samples on their way from the thread that they were taken in: a ring with one producer, the thread
// itself, mostly in its signal handler, and one consumer.
//
// A push copies the sample in and publishes it; it never waits. The handler may interrupt a push of
// its own thread: it then loses its sample, counted.
//
// Invariant: head - tail <= SPY__SAMPLES_WORDS, and [tail, head) holds whole samples.
// Memory order: head is released by the producer and acquired by the consumer; tail the other way
// round. `pushing` is between a thread and its own signal handler: a compiler's fence is enough.
#ifndef PROFILE_SAMPLES_H
#define PROFILE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stack.h"
#include "base/work.h"

// Of a ring, a power of two: 64 KiB, half a second of the deepest stacks at 250 a second.
#define SPY__SAMPLES_WORDS 8192u

enum spy__sample_kind {
    SPY__SAMPLE_CPU,        // the thread ran
    SPY__SAMPLE_WAITED,     // an operation was off the CPU
    SPY__SAMPLE_SPAN_BEGAN, // no sample: a span of a profiled request
    SPY__SAMPLE_SPAN_ENDED,
};

struct spy__sample {
    uint16_t kind; // enum spy__sample_kind
    uint16_t stack_count;
    uint32_t profile; // of its request; 0: none
    uint64_t time_ns; // monotonic
    uint64_t weight_ns;
    uint64_t cost_ns; // of taking it
    uint64_t trace_hi, trace_lo, span_id, parent_id;
    const char *operation; // static
    uintptr_t stack[SPY__STACK_MAX];
};

struct spy__samples {
    uint64_t head, tail; // atomic
    uint64_t lost;       // atomic, relaxed
    volatile int pushing;
    uint64_t words[SPY__SAMPLES_WORDS];
};

// Threads: the producer, its signal handler too. False: lost, counted.
bool spy__samples_push(struct spy__samples *ring, const struct spy__sample *sample);
// Takes the oldest. False: there is none. Threads: the consumer.
bool spy__samples_pop(struct spy__samples *ring, struct spy__sample *ret);
// How many were lost since it was last asked. Threads: any.
uint64_t spy__samples_lost(struct spy__samples *ring);

#endif
