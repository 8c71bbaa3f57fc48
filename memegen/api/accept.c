#include "memegen/api/accept.h"

#include <string.h>
#include <strings.h>

struct range {
    const char *s;
    size_t n;
};

static struct range trim(struct range range)
{
    while (range.n > 0 && (range.s[0] == ' ' || range.s[0] == '\t')) {
        range.s++;
        range.n--;
    }
    while (range.n > 0 && (range.s[range.n - 1] == ' ' || range.s[range.n - 1] == '\t')) {
        range.n--;
    }
    return range;
}

// Takes what stands before the next divider off *rest.
static struct range next(struct range *rest, char divider)
{
    const char *end = memchr(rest->s, divider, rest->n);
    size_t n = end ? (size_t)(end - rest->s) : rest->n;
    struct range part = trim((struct range){ rest->s, n });

    rest->s += end ? n + 1 : n;
    rest->n -= end ? n + 1 : n;
    return part;
}

// "0.5" in thousandths; anything else than a weight by section 12.4.2 is none at all: 0.
static int weight(struct range value)
{
    int thousandths = 0;

    if (value.n == 0 || value.n > 5 || (value.s[0] != '0' && value.s[0] != '1') ||
        (value.n > 1 && value.s[1] != '.')) {
        return 0;
    }
    for (size_t i = 2; i < 5; i++) {
        int digit = i < value.n ? value.s[i] - '0' : 0;
        if (digit < 0 || digit > 9) {
            return 0;
        }
        thousandths = thousandths * 10 + digit;
    }
    thousandths += value.s[0] == '1' ? 1000 : 0;
    return thousandths <= 1000 ? thousandths : 0;
}

static int quality_of(struct range parameters)
{
    while (parameters.n > 0) {
        struct range parameter = next(&parameters, ';');
        if (parameter.n >= 2 && strncasecmp(parameter.s, "q=", 2) == 0) {
            return weight((struct range){ parameter.s + 2, parameter.n - 2 });
        }
    }
    return 1000;
}

static bool is(struct range range, const char *text, size_t n)
{
    return range.n == n && strncasecmp(range.s, text, n) == 0;
}

// 3: names the type itself; 2: all of its kind; 1: everything; 0: something else.
static int specificity(struct range range, const char *type)
{
    size_t kind = strcspn(type, "/") + 1;

    if (is(range, type, strlen(type))) {
        return 3;
    }
    if (range.n == kind + 1 && range.s[kind] == '*' && strncasecmp(range.s, type, kind) == 0) {
        return 2;
    }
    return is(range, "*/*", 3);
}

int accept_quality(const char *accept, const char *type)
{
    struct range rest = { accept, accept ? strlen(accept) : 0 };
    int best = 0, quality = accept ? 0 : 1000;

    while (rest.n > 0) {
        struct range parameters = next(&rest, ',');
        struct range range = next(&parameters, ';');
        int specific = specificity(range, type);
        if (specific > best) {
            best = specific;
            quality = quality_of(parameters);
        }
    }
    return quality;
}

bool accept_page(const char *accept)
{
    return accept_quality(accept, "text/html") > accept_quality(accept, "application/json");
}
