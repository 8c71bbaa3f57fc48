// Parsers and printers of ids; each reads only the bytes it was given.

#include "base/ids.h"

#include <string.h>

#include "base/bytes16.h"

void spy__hex_u64(char out[16], uint64_t v)
{
    spy__store16(out, spy__hex16(v));
}

size_t spy__address_print(char out[18], uintptr_t address)
{
    char digits[16];
    spy__hex_u64(digits, (uint64_t)address);
    size_t zeros = 0;
    while (zeros < 15 && digits[zeros] == '0') {
        zeros++;
    }
    memcpy(out, "0x", 2);
    memcpy(out + 2, digits + zeros, 16 - zeros);
    return 18 - zeros;
}

// Reads n <= 16 digits of lower-case hex.
static bool hex_read(uint64_t *ret, const char *s, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit;
        if (s[i] >= '0' && s[i] <= '9') {
            digit = (unsigned)(s[i] - '0');
        } else if (s[i] >= 'a' && s[i] <= 'f') {
            digit = (unsigned)(s[i] - 'a') + 10;
        } else {
            return false;
        }
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

// https://www.w3.org/TR/trace-context-2/#trace-flags
enum { FLAG_SAMPLED = 1, FLAG_RANDOM = 2 };

bool spy__traceparent_parse(struct spy__traceparent *ret, const char *s, size_t n)
{
    // "vv-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff"
    if (n < SPY__TRACEPARENT_LEN || s[2] != '-' || s[35] != '-' || s[52] != '-') {
        return false;
    }
    uint64_t version, trace_hi, trace_lo, parent, flags;
    if (!hex_read(&version, s, 2) || !hex_read(&trace_hi, s + 3, 16) ||
        !hex_read(&trace_lo, s + 19, 16) || !hex_read(&parent, s + 36, 16) ||
        !hex_read(&flags, s + 53, 2)) {
        return false;
    }
    if (version == 0xff || (trace_hi | trace_lo) == 0 || parent == 0) {
        return false;
    }
    if (n > SPY__TRACEPARENT_LEN && (version == 0 || s[SPY__TRACEPARENT_LEN] != '-')) {
        return false;
    }
    *ret = (struct spy__traceparent){ .trace_hi = trace_hi,
                                      .trace_lo = trace_lo,
                                      .parent_id = parent,
                                      .sampled = (flags & FLAG_SAMPLED) != 0,
                                      .random = (flags & FLAG_RANDOM) != 0 };
    return true;
}

void spy__traceparent_print(char ret[SPY__TRACEPARENT_LEN + 1], const struct spy__traceparent *t)
{
    memcpy(ret, "00-", 3);
    spy__hex_u64(ret + 3, t->trace_hi);
    spy__hex_u64(ret + 19, t->trace_lo);
    ret[35] = '-';
    spy__hex_u64(ret + 36, t->parent_id);
    memcpy(ret + 52, "-0", 2);
    ret[54] = (char)('0' + (t->sampled ? FLAG_SAMPLED : 0) + (t->random ? FLAG_RANDOM : 0));
    ret[SPY__TRACEPARENT_LEN] = '\0';
}

bool spy__sentry_trace_parse(struct spy__traceparent *ret, const char *s, size_t n)
{
    // "tttttttttttttttttttttttttttttttt-pppppppppppppppp-d"
    uint64_t trace_hi, trace_lo, parent;
    bool decided = n == SPY__SENTRY_TRACE_LEN;
    if ((!decided && n != SPY__SENTRY_TRACE_LEN - 2) || s[32] != '-' ||
        !hex_read(&trace_hi, s, 16) || !hex_read(&trace_lo, s + 16, 16) ||
        !hex_read(&parent, s + 33, 16) || (trace_hi | trace_lo) == 0 || parent == 0) {
        return false;
    }
    if (decided && (s[49] != '-' || (s[50] != '0' && s[50] != '1'))) {
        return false;
    }
    // Where nobody decided, we may record it: that is what traceparent then says.
    *ret = (struct spy__traceparent){ .trace_hi = trace_hi,
                                      .trace_lo = trace_lo,
                                      .parent_id = parent,
                                      .sampled = !decided || s[50] == '1',
                                      .deferred = !decided };
    return true;
}

void spy__sentry_trace_print(char ret[SPY__SENTRY_TRACE_LEN + 1], const struct spy__traceparent *t)
{
    spy__hex_u64(ret, t->trace_hi);
    spy__hex_u64(ret + 16, t->trace_lo);
    ret[32] = '-';
    spy__hex_u64(ret + 33, t->parent_id);
    memcpy(ret + 49, t->deferred ? "" : t->sampled ? "-1" : "-0", t->deferred ? 1 : 3);
}

bool spy__correlation_valid(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0'; n++) {
        char c = s[n];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fine || n == SPY__CORRELATION_MAX) {
            return false;
        }
    }
    return n > 0;
}
