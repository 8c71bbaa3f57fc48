// Any bytes as a body for the event store, and as what the engine gives for Native. The first byte
// says which (its low bits) and how long the pieces are that a body comes in (the others).

#include <stdint.h>
#include <stdlib.h>

#include "tools/events/coding.h"
#include "tools/events/native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(enum events_coding coding, const char *bytes, size_t n, size_t step)
{
    struct events_body body = { 0 };
    if (events_body_begin(&body, coding)) {
        for (size_t at = 0; at < n; at += step) {
            events_body_take(&body, bytes + at, n - at < step ? n - at : step);
        }
        events_body_end(&body);
        if (body.bytes.len > EVENTS_BODY_BYTES_MAX ||
            (coding == EVENTS_IDENTITY && body.bytes.len != n)) {
            abort();
        }
    }
    events_body_done(&body);
}

// The header is what comes before the first 0xff.
static void frame(const char *bytes, size_t n)
{
    struct spy__buf out;
    const char *split = memchr(bytes, 0xff, n);
    size_t header_len = split ? (size_t)(split - bytes) : n;
    const char *rest = split ? split + 1 : bytes + n;
    spy__buf_init(&out, 1u << 20);
    (void)events_native_put(&out, 54460, (struct events_text){ bytes, header_len },
                            (struct events_text){ rest, (size_t)(bytes + n - rest) });
    spy__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *bytes = (const char *)data + 1;
    size_t step = (size_t)(data[0] >> 2) + 1;
    if ((data[0] & 3) == 3) {
        frame(bytes, size - 1);
    } else {
        take((enum events_coding)(data[0] & 3), bytes, size - 1, step);
    }
    return 0;
}
