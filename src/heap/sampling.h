// Which allocations are sampled, and what each sample stands for.
//
// The bytes that a thread allocates are a line on which samples lie as a Poisson process, one in
// mean_bytes: an allocation that holds at least one of them is sampled, once. So one of `size` bytes
// is sampled with the probability 1 - exp(-size / mean), whatever came before it, and one that was
// stands for 1 / (1 - exp(-size / mean)) of its size: sums of these are without bias. As in Go
// (runtime/malloc.go: fastexprand(); runtime/pprof/protomem.go: scaleHeapSample()) and tcmalloc
// (https://google.github.io/tcmalloc/sampling.html).
#ifndef HEAP_SAMPLING_H
#define HEAP_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

// As Go's runtime.MemProfileRate and jemalloc's lg_prof_sample have it.
#define SPY__HEAP_MEAN_BYTES (UINT64_C(512) << 10)
// Larger ones would be none.
#define SPY__HEAP_MEAN_BYTES_MAX (UINT64_C(1) << 40)

// Bytes up to the next sample, which are not in it, from 64 random bits.
uint64_t spy__heap_interval(uint64_t random, uint64_t mean_bytes);

// How many allocations a sampled one of this size stands for: 1 or more. size > 0.
double spy__heap_weight(size_t size, uint64_t mean_bytes);

#endif
