// Sessions as they are counted: in memory of the process, or in a file that outlives it.
#ifndef RECORD_SESSIONS_H
#define RECORD_SESSIONS_H

#include <stdint.h>

struct spy__sessions {
    uint64_t exited, errored; // atomic where many count: they only rise
};

#endif
