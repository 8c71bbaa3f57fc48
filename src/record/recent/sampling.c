#include "record/recent/sampling.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"

#define BLANKS " \t"

// Copies n bytes without the blanks around them. False: nothing is left, or too much.
static bool copy_word(char *ret, size_t max, const char *s, size_t n)
{
    while (n > 0 && strchr(BLANKS, *s)) {
        s++;
        n--;
    }
    while (n > 0 && strchr(BLANKS, s[n - 1])) {
        n--;
    }
    if (n == 0 || n > max) {
        return false;
    }
    memcpy(ret, s, n);
    ret[n] = 0;
    return true;
}

// A rate of n bytes: 0 to 1, in decimal, whatever the locale.
static bool read_rate(double *ret, const char *s, size_t n)
{
    char text[16];
    if (!copy_word(text, sizeof(text) - 1, s, n) || text[0] == '.') {
        return false;
    }
    uint64_t digits = 0, one = 1;
    bool fraction = false;
    for (const char *at = text; *at; at++) {
        if (*at == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (*at < '0' || *at > '9') {
            return false;
        }
        digits = digits * 10 + (uint64_t)(*at - '0');
        one *= fraction ? 10 : 1;
    }
    *ret = (double)digits / (double)one;
    return *ret <= 1;
}

bool spy__sampling_read_rate(double *ret, const char *text)
{
    return read_rate(ret, text, strlen(text));
}

// "[METHOD ]ROUTE=RATE"
static bool read_route(struct spy__sampling_route *ret, const char *s, size_t n)
{
    const char *equals = memrchr(s, '=', n);
    if (!equals || !read_rate(&ret->rate, equals + 1, (size_t)(s + n - equals) - 1)) {
        return false;
    }
    char whole[SPY__SAMPLING_METHOD_MAX + 1 + SPY__SAMPLING_ROUTE_MAX + 1];
    if (!copy_word(whole, sizeof(whole) - 1, s, (size_t)(equals - s))) {
        return false;
    }
    const char *route = whole + strcspn(whole, BLANKS);
    if (!*route) { // no method
        ret->method[0] = 0;
        return copy_word(ret->route, sizeof(ret->route) - 1, whole, strlen(whole));
    }
    return copy_word(ret->method, sizeof(ret->method) - 1, whole, (size_t)(route - whole)) &&
           copy_word(ret->route, sizeof(ret->route) - 1, route, strlen(route)) &&
           strcspn(ret->route, BLANKS) == strlen(ret->route);
}

int spy__sampling_parse(struct spy__sampling *ret, const char *list)
{
    ret->count = 0;
    while (list && list[strspn(list, BLANKS)]) {
        size_t n = strcspn(list, ",");
        if (ret->count == SPY__SAMPLING_ROUTES_MAX ||
            !read_route(&ret->routes[ret->count], list, n)) {
            return -EINVAL;
        }
        ret->count++;
        list += n;
        list += *list == ',';
    }
    return 0;
}

static bool has_text(const struct spy__record *root, const char *key, const char *text)
{
    const struct spy_field *field = spy__record_field(root, key);
    return field && field->type == SPY_FIELD_STR && field->len == strlen(text) &&
           memcmp(field->value.s, text, field->len) == 0;
}

double spy__sampling_rate(const struct spy__sampling *sampling, const struct spy__record *root)
{
    for (size_t i = 0; i < sampling->count; i++) {
        const struct spy__sampling_route *route = &sampling->routes[i];
        if (has_text(root, "route", route->route) &&
            (!route->method[0] || has_text(root, "method", route->method))) {
            return route->rate;
        }
    }
    return sampling->rate;
}

double spy__sampling_rand(uint64_t trace_hi, uint64_t trace_lo)
{
    uint64_t hash = spy__hash((const uint64_t[2]){ trace_hi, trace_lo }, 16, 1);
    return (double)(unsigned)((double)(hash >> 11) * 0x1p-53 * 1e6) / 1e6;
}

bool spy__sampling_keeps_id(const struct spy__sampling *sampling, uint64_t trace_hi,
                            uint64_t trace_lo)
{
    return spy__sampling_rand(trace_hi, trace_lo) < sampling->rate;
}

bool spy__sampling_keeps(const struct spy__sampling *sampling, const struct spy__record *root)
{
    const struct spy_field *parent = spy__record_field(root, SPY__PARENT_SAMPLED);
    if (parent && parent->type == SPY_FIELD_BOOL) {
        return parent->value.b;
    }
    const struct spy_field *sent = spy__record_field(root, SPY__SAMPLE_RAND);
    double rand = sent && sent->type == SPY_FIELD_DOUBLE
                      ? sent->value.d
                      : spy__sampling_rand(root->trace_hi, root->trace_lo);
    return rand < spy__sampling_rate(sampling, root);
}
