#include "serve/proxy_url.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define QUERY_BYTES_MAX 8192u // the longest expression of a dashboard has some hundreds
#define LABEL_BYTES_MAX 128u
#define BASE_BYTES_MAX 1024u
#define RANGE_MS_MAX (UINT64_C(400) * 86400 * 1000) // a year and some
#define TIME_MS_MAX (UINT64_C(100000000000) * 1000) // the year 5138

enum kind {
    KIND_QUERY,
    KIND_MATCH, // may come more than once
    KIND_TIME,
    KIND_STEP,
};

enum {
    NAME_QUERY,
    NAME_MATCH,
    NAME_TIME,
    NAME_START,
    NAME_END,
    NAME_STEP,
    NAME_COUNT,
};

static const struct {
    const char *name;
    enum kind kind;
} names[NAME_COUNT] = {
    [NAME_QUERY] = { "query", KIND_QUERY }, [NAME_MATCH] = { "match[]", KIND_MATCH },
    [NAME_TIME] = { "time", KIND_TIME },    [NAME_START] = { "start", KIND_TIME },
    [NAME_END] = { "end", KIND_TIME },      [NAME_STEP] = { "step", KIND_STEP },
};

#define BIT(name) (1u << (name))
#define BITS_SPAN (BIT(NAME_START) | BIT(NAME_END))

static const struct question {
    const char *path;
    unsigned takes, wants; // bits of names
    bool timed;            // takes a time limit
} questions[] = {
    { "query", BIT(NAME_QUERY) | BIT(NAME_TIME), BIT(NAME_QUERY), true },
    { "query_range", BIT(NAME_QUERY) | BIT(NAME_STEP) | BITS_SPAN,
      BIT(NAME_QUERY) | BIT(NAME_STEP) | BITS_SPAN, true },
    { "series", BIT(NAME_MATCH) | BITS_SPAN, BIT(NAME_MATCH), false },
    { "labels", BIT(NAME_MATCH) | BITS_SPAN, 0, false },
    { "label/", BIT(NAME_MATCH) | BITS_SPAN, 0, false },
    { "alerts", 0, 0, false },
    { "rules", 0, 0, false },
};

// [A-Za-z_][A-Za-z0-9_]*, then "/values".
static bool is_label_values(const char *s)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t n = strspn(s, first);
    return n > 0 && n <= LABEL_BYTES_MAX && !(s[0] >= '0' && s[0] <= '9') &&
           strcmp(s + n, "/values") == 0;
}

static const struct question *find_question(const char *path)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        const struct question *q = &questions[i];
        size_t n = strlen(q->path);
        if (q->path[n - 1] == '/' ? strncmp(path, q->path, n) == 0 && is_label_values(path + n)
                                  : strcmp(path, q->path) == 0) {
            return q;
        }
    }
    return NULL;
}

static int find_name(const struct spy__proxy_param *param)
{
    for (int i = 0; i < NAME_COUNT; i++) {
        if (strcmp(param->name, names[i].name) == 0) {
            return i;
        }
    }
    return -1;
}

// "SECONDS" or "SECONDS.FRACTION", as milliseconds; what is finer is left away.
static bool parse_ms(const struct spy__proxy_param *param, uint64_t *ret)
{
    uint64_t ms = 0;
    size_t i = 0, digits = 0;
    for (; i < param->value_len && param->value[i] != '.'; i++, digits++) {
        if (param->value[i] < '0' || param->value[i] > '9' || digits == 12) {
            return false;
        }
        ms = ms * 10 + (uint64_t)(param->value[i] - '0');
    }
    if (digits == 0 || i + 1 == param->value_len || param->value_len - i > 10) {
        return false; // ".5", "5." or more than nine places
    }
    ms *= 1000;
    uint64_t unit = 100;
    for (i++; i < param->value_len; i++, unit /= 10) {
        if (param->value[i] < '0' || param->value[i] > '9') {
            return false;
        }
        ms += unit * (uint64_t)(param->value[i] - '0');
    }
    *ret = ms;
    return ms <= TIME_MS_MAX;
}

static const char *check_value(const struct spy__proxy_param *param, enum kind kind, uint64_t *ret)
{
    if (!param->value || param->value_len == 0) {
        return "A parameter is empty.";
    }
    if (kind == KIND_TIME || kind == KIND_STEP) {
        return parse_ms(param, ret) && (kind == KIND_TIME || *ret > 0)
                   ? NULL
                   : "Times and steps are seconds, as 1700000000 or 0.5.";
    }
    if (param->value_len > QUERY_BYTES_MAX) {
        return "The expression is longer than 8192 bytes.";
    }
    return spy__utf8_valid(param->value, param->value_len) &&
                   !memchr(param->value, '\0', param->value_len)
               ? NULL
               : "The expression is not UTF-8.";
}

static const char *check_span(const uint64_t values[NAME_COUNT], unsigned seen)
{
    if ((seen & BITS_SPAN) != BITS_SPAN) {
        return NULL;
    }
    if (values[NAME_END] < values[NAME_START]) {
        return "The end is before the start.";
    }
    uint64_t span = values[NAME_END] - values[NAME_START];
    if (span > RANGE_MS_MAX) {
        return "The range is longer than 400 days.";
    }
    return !(seen & BIT(NAME_STEP)) || span / values[NAME_STEP] < SPY__PROXY_POINTS_MAX
               ? NULL
               : "The range has more than 11000 steps.";
}

// Checks all parameters against the question; NULL, or what is wrong.
static const char *check_params(const struct question *q, const struct spy__proxy_param *params,
                                size_t count)
{
    uint64_t values[NAME_COUNT] = { 0 };
    unsigned seen = 0;
    if (count > SPY__PROXY_PARAMS_MAX) {
        return "There are too many parameters.";
    }
    for (size_t i = 0; i < count; i++) {
        int name = find_name(&params[i]);
        if (name < 0 || !(q->takes & BIT(name))) {
            return "There is a parameter that this question does not take.";
        }
        if ((seen & BIT(name)) && names[name].kind != KIND_MATCH) {
            return "A parameter came twice.";
        }
        const char *wrong = check_value(&params[i], names[name].kind, &values[name]);
        if (wrong) {
            return wrong;
        }
        seen |= BIT(name);
    }
    return (q->wants & ~seen) ? "A parameter is missing." : check_span(values, seen);
}

// All but the unreserved characters of RFC 3986 is escaped.
static void put_encoded(struct spy__buf *url, const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
            c == '.' || c == '_' || c == '~') {
            spy__buf_putc(url, (char)c);
        } else {
            char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };
            spy__buf_put(url, escaped, sizeof(escaped));
        }
    }
}

int spy__proxy_url(struct spy__buf *url, const char *base, const char *path,
                   const struct spy__proxy_param *params, size_t count, const char **ret_why)
{
    const struct question *q = find_question(path);
    if (!q) {
        return -ENOENT;
    }
    *ret_why = check_params(q, params, count);
    if (*ret_why) {
        return -EINVAL;
    }
    size_t base_len = strlen(base);
    while (base_len > 0 && base[base_len - 1] == '/') {
        base_len--;
    }
    spy__buf_put(url, base, base_len);
    spy__buf_puts(url, "/api/v1/");
    spy__buf_puts(url, path);
    char before = '?';
    for (size_t i = 0; i < count; i++, before = '&') {
        spy__buf_putc(url, before);
        put_encoded(url, params[i].name, strlen(params[i].name));
        spy__buf_putc(url, '=');
        put_encoded(url, params[i].value, params[i].value_len);
    }
    if (q->timed) {
        spy__buf_puts(url, "&timeout=8s"); // sooner than ours, so that Prometheus says what it was
    }
    spy__buf_putc(url, '\0');
    return url->failed ? -ENOMEM : 0;
}

bool spy__proxy_base_ok(const char *base, const char **ret_why)
{
    size_t scheme = strncmp(base, "http://", 7) == 0    ? 7
                    : strncmp(base, "https://", 8) == 0 ? 8
                                                        : 0;
    *ret_why = NULL;
    if (scheme == 0 || strchr("/:", base[scheme])) { // the end of the string is found too
        *ret_why = "it must be http://HOST:PORT or https://HOST:PORT, a path may follow";
    } else if (strlen(base) > BASE_BYTES_MAX) {
        *ret_why = "it is longer than 1024 bytes";
    } else if (strpbrk(base, "?#")) {
        *ret_why = "it has a query or a fragment";
    } else {
        for (const char *c = base; *c && !*ret_why; c++) {
            *ret_why = *c > ' ' && *c < 127 ? NULL : "it has a character that no address has";
        }
    }
    return !*ret_why;
}
