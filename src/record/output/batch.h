// Encoded records on their way to the log's destination: their bytes one behind the other, and
// where each ends.
//
// Invariant: ends[i] rises, and ends[count - 1] == out.len. A line ends in its newline and has no
// other; a datagram is whatever stands between two ends.
#ifndef RECORD_OUTPUT_BATCH_H
#define RECORD_OUTPUT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "record/record.h"

// A batch is written once it has so many bytes or records.
#define SPY__BATCH_FULL (256u << 10)
#define SPY__BATCH_RECORDS 3072u
// Lines that may come with one record: summaries, and what is told of failures.
#define SPY__BATCH_RECORDS_MAX 4096u
// Room behind SPY__BATCH_FULL: any record fits, though every byte of it be escaped to six.
#define SPY__BATCH_BYTES (SPY__BATCH_FULL + (1u << 20))

struct spy__batch {
    struct spy__buf out; // fixed, SPY__BATCH_BYTES
    unsigned count;
    uint32_t ends[SPY__BATCH_RECORDS_MAX];
    unsigned char levels[SPY__BATCH_RECORDS_MAX];
};

static inline bool spy__batch_full(const struct spy__batch *batch)
{
    return batch->out.len >= SPY__BATCH_FULL || batch->count >= SPY__BATCH_RECORDS;
}

// Where record i begins.
static inline size_t spy__batch_begin(const struct spy__batch *batch, unsigned i)
{
    return i == 0 ? 0 : batch->ends[i - 1];
}

#endif
