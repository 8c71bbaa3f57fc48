// The ids that a stranger sends: traceparent, sentry-trace and X-Correlation-ID. What is taken must
// print back the same.

#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__traceparent t = { 0 };
    if (spy__traceparent_parse(&t, (const char *)data, size)) {
        char back[SPY__TRACEPARENT_LEN + 1];
        spy__traceparent_print(back, &t);
        struct spy__traceparent again;
        if (size < SPY__TRACEPARENT_LEN || memcmp(back + 3, data + 3, 49) != 0 ||
            (t.trace_hi | t.trace_lo) == 0 || t.parent_id == 0 ||
            !spy__traceparent_parse(&again, back, SPY__TRACEPARENT_LEN)) {
            abort();
        }
    }
    if (spy__sentry_trace_parse(&t, (const char *)data, size)) {
        char back[SPY__SENTRY_TRACE_LEN + 1];
        spy__sentry_trace_print(back, &t);
        if (strlen(back) != size || memcmp(back, data, size) != 0 || t.parent_id == 0) {
            abort();
        }
    }
    char *id = malloc(size + 1);
    if (id) {
        memcpy(id, data, size);
        id[size] = '\0';
        if (spy__correlation_valid(id) &&
            (strlen(id) > SPY__CORRELATION_MAX || strpbrk(id, " \r\n\"<\\/"))) {
            abort();
        }
        free(id);
    }
    return 0;
}
