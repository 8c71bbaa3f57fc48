#include "backends/authority.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 255

// A name or an address; or an IPv6 one in its brackets.
static bool host_ok(const char *s, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char six[] = "0123456789abcdefABCDEF:.";
    if (n == 0 || n > HOST_MAX) {
        return false;
    }
    if (s[0] == '[') {
        return n > 2 && s[n - 1] == ']' && strspn(s + 1, six) == n - 2;
    }
    return strspn(s, plain) >= n;
}

static bool is_loopback(const char *s, size_t n)
{
    return (n > 4 && memcmp(s, "127.", 4) == 0 && strspn(s, "0123456789.") >= n) ||
           (n == 5 && memcmp(s, "[::1]", 5) == 0) ||
           (n == 9 && strncasecmp(s, "localhost", 9) == 0);
}

// Digits up to the end; 0 where it is none, or past 65535.
static unsigned port_of(const char *s, size_t n)
{
    unsigned v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || v > 65535) {
            return 0;
        }
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    return v <= 65535 ? v : 0;
}

bool spy__authority_parse(char ret_base[SPY__AUTHORITY_BASE_MAX], bool *ret_loopback, const char *s,
                          size_t n, bool tls, unsigned port_default)
{
    const char *colon = memrchr(s, ':', n), *bracket = memrchr(s, ']', n);
    colon = colon && bracket && colon < bracket ? NULL : colon;
    size_t host = colon ? (size_t)(colon - s) : n;
    unsigned port = colon ? port_of(colon + 1, n - host - 1) : port_default;
    if (!host_ok(s, host) || port == 0) {
        return false;
    }
    *ret_loopback = is_loopback(s, host);
    (void)snprintf(ret_base, SPY__AUTHORITY_BASE_MAX, "http%s://%.*s:%u", tls ? "s" : "", (int)host,
                   s, port);
    return true;
}
