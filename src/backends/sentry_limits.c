#include "backends/sentry_limits.h"

#include <string.h>
#include <strings.h>

#include "deliver/retry.h"

#define NS_PER_S UINT64_C(1000000000)
#define STATUS_TOO_MANY 429
#define HEADER "X-Sentry-Rate-Limits:"

static void limit(struct spy__sentry_limits *limits, unsigned category, uint64_t until_ns)
{
    uint64_t *until = &limits->until_ns[category];
    uint64_t old = __atomic_load_n(until, __ATOMIC_RELAXED);
    while (old < until_ns && !__atomic_compare_exchange_n(until, &old, until_ns, true,
                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void limit_all(struct spy__sentry_limits *limits, uint64_t until_ns)
{
    for (unsigned i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        limit(limits, i, until_ns);
    }
}

// A number of seconds, whole or with a fraction, whatever the locale; what is none, and what is
// longer than we believe, has a length of ours.
static uint64_t duration_ns(const char *s, size_t n)
{
    uint64_t seconds = 0, ns = 0, unit = NS_PER_S;
    size_t i = 0, digits = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++, digits++) {
        seconds = seconds < SPY__SENTRY_LIMIT_MAX_S ? seconds * 10 + (uint64_t)(s[i] - '0')
                                                    : SPY__SENTRY_LIMIT_MAX_S;
    }
    if (i < n && s[i] == '.') {
        for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++, digits++) {
            unit /= 10;
            ns += (uint64_t)(s[i] - '0') * unit;
        }
    }
    if (digits == 0 || i < n) {
        return SPY__SENTRY_LIMIT_DEFAULT_S * NS_PER_S;
    }
    return seconds < SPY__SENTRY_LIMIT_MAX_S ? seconds * NS_PER_S + ns
                                             : SPY__SENTRY_LIMIT_MAX_S * NS_PER_S;
}

// Cuts blanks at both ends off.
static void trim(const char **s, size_t *n)
{
    while (*n > 0 && (**s == ' ' || **s == '\t')) {
        (*s)++, (*n)--;
    }
    while (*n > 0 && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t')) {
        (*n)--;
    }
}

// The part of s[0, *n) before the next `end`, without blanks; goes on behind it. False: there is none
// any more.
static bool next_part(const char **s, size_t *n, char end, const char **ret, size_t *ret_n)
{
    if (!*s) {
        return false;
    }
    const char *at = memchr(*s, end, *n);
    *ret = *s;
    *ret_n = at ? (size_t)(at - *s) : *n;
    *n -= at ? *ret_n + 1 : *n;
    *s = at ? at + 1 : NULL;
    trim(ret, ret_n);
    return true;
}

// "LENGTH:CATEGORY;CATEGORY:SCOPE:REASON:…": no category is all of them.
static void note_one(struct spy__sentry_limits *limits, const char *s, size_t n, uint64_t now_ns)
{
    const char *length, *categories, *name;
    size_t length_n, categories_n, name_n;
    (void)next_part(&s, &n, ':', &length, &length_n);
    if (!next_part(&s, &n, ':', &categories, &categories_n)) {
        return; // no limit at all
    }
    uint64_t until_ns = now_ns + duration_ns(length, length_n);
    if (categories_n == 0) {
        limit_all(limits, until_ns);
        return;
    }
    while (next_part(&categories, &categories_n, ';', &name, &name_n)) {
        enum spy__sentry_category category = spy__sentry_category_find(name, name_n);
        if (category != SPY__SENTRY_CATEGORIES) {
            limit(limits, category, until_ns);
        }
    }
}

void spy__sentry_limits_note(struct spy__sentry_limits *limits, const struct spy__answer *answer,
                             uint64_t now_ns)
{
    bool said = false;
    for (size_t i = 0; i < answer->header_count; i++) {
        const char *line = answer->headers[i], *one;
        if (strncasecmp(line, HEADER, sizeof(HEADER) - 1) != 0) {
            continue;
        }
        size_t n = strlen(line) - (sizeof(HEADER) - 1), one_n;
        line += sizeof(HEADER) - 1;
        said = said || strspn(line, " \t") < n;
        while (next_part(&line, &n, ',', &one, &one_n)) {
            note_one(limits, one, one_n, now_ns);
        }
    }
    if (!said && answer->status == STATUS_TOO_MANY) {
        unsigned asked_ms = spy__retry_asked_ms(answer);
        limit_all(limits, now_ns + (asked_ms > 0 ? (uint64_t)asked_ms * 1000000u
                                                 : SPY__SENTRY_LIMIT_DEFAULT_S * NS_PER_S));
    }
}

bool spy__sentry_is_limited(const struct spy__sentry_limits *limits,
                            enum spy__sentry_category category, uint64_t now_ns)
{
    return now_ns < __atomic_load_n(&limits->until_ns[category], __ATOMIC_RELAXED);
}
