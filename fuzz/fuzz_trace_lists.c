// The lists that a stranger sends along: tracestate and baggage. What is taken fits, is printable
// ASCII without anything that ends a header, and is taken again unchanged.

#include "base/trace_lists.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(size_t (*take)(char *, const char *, size_t), const uint8_t *data, size_t size,
                  size_t most)
{
    char *once = malloc(size + 1), *twice = malloc(size + 1);
    if (once && twice) {
        size_t n = take(once, (const char *)data, size);
        if (n > size || n > most) {
            abort();
        }
        for (size_t i = 0; i < n; i++) {
            if ((once[i] < ' ' && once[i] != '\t') || once[i] > '~') {
                abort();
            }
        }
        if (take(twice, once, n) != n || memcmp(once, twice, n) != 0) {
            abort();
        }
    }
    free(once);
    free(twice);
}

static void read_values(const uint8_t *data, size_t size)
{
    char *list = malloc(size + 1), value[64];
    size_t n = list ? spy__baggage_take(list, (const char *)data, size) : 0;
    for (size_t at = 0; at < n; at++) {
        char key[16] = "";
        size_t len = n - at < sizeof(key) - 1 ? n - at : sizeof(key) - 1;
        memcpy(key, list + at, len);
        key[strcspn(key, "=")] = '\0';
        long found = spy__baggage_find(value, sizeof(value), key, list, n);
        if (found >= 0 && (!spy__utf8_valid(value, strlen(value)) ||
                           (strlen(value) != (size_t)found && found < (long)sizeof(value)))) {
            abort();
        }
    }
    free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(spy__tracestate_take, data, size, SPY__TRACESTATE_MAX);
    check(spy__baggage_take, data, size, SPY__BAGGAGE_MAX);
    if (size <= 512) {
        read_values(data, size);
    }
    return 0;
}
