// The file that says how a process ended is read by the next start, whatever it holds.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "crash/life.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__life life;
    if (spy__life_parse(&life, data, size, "a boot") == 0) {
        assert(strlen(life.release) <= SPY__LIFE_TEXT_MAX);
        assert(spy__utf8_valid(life.release, strlen(life.release)));
        assert(spy__utf8_valid(life.environment, strlen(life.environment)));
        assert(life.end <= SPY__LIFE_EXITED);
    }
    return 0;
}
