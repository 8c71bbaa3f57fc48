// A crash file in memory as the handler leaves it: a process that died of SIGSEGV, with no thread yet.
#ifndef TESTS_CRASH_RIG_H
#define TESTS_CRASH_RIG_H

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "crash/capture.h"
#include "crash/machine.h"

// SPY__CRASH_BYTES of it, to be freed.
static inline unsigned char *crash_rig_new(void)
{
    unsigned char *file = calloc(1, SPY__CRASH_BYTES);
    if (!file) {
        abort();
    }
    struct spy__crash_head *head = spy__crash_head(file);
    memcpy(head->magic, SPY__CRASH_MAGIC, sizeof(head->magic));
    head->endian = SPY__CRASH_ENDIAN;
    head->version = SPY__CRASH_VERSION;
    head->machine = SPY__MACHINE;
    head->state = SPY__CRASH_WHOLE;
    head->signal = SIGSEGV;
    return file;
}

#endif
