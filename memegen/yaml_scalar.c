#include "memegen/yaml_scalar.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static const char *skip_sign(const char *p)
{
    return *p == '-' || *p == '+' ? p + 1 : p;
}

static const char *skip_digits(const char *p)
{
    return p + strspn(p, "0123456789");
}

// [-+]? [0-9]+
static bool is_decimal(const char *text)
{
    const char *digits = skip_sign(text);
    const char *end = skip_digits(digits);
    return end > digits && *end == '\0';
}

// 0o [0-7]+ or 0x [0-9a-fA-F]+
static bool is_prefixed(const char *text, char letter, const char *digits)
{
    return text[0] == '0' && text[1] == letter && text[2] != '\0' &&
           text[2 + strspn(text + 2, digits)] == '\0';
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
static bool is_float(const char *text)
{
    const char *p = skip_sign(text);
    const char *whole_end = skip_digits(p);
    bool has_digits = whole_end > p;
    p = whole_end;
    if (*p == '.') {
        const char *fraction_end = skip_digits(p + 1);
        has_digits = has_digits || fraction_end > p + 1;
        p = fraction_end;
    }
    if (has_digits && (*p == 'e' || *p == 'E')) {
        const char *exponent = skip_sign(p + 1);
        p = skip_digits(exponent);
        has_digits = p > exponent;
    }
    return has_digits && *p == '\0';
}

// Neither JSON nor anybody here has a use for them.
static bool is_infinite(const char *text)
{
    static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
    return is_one_of(skip_sign(text), words);
}

static json_t *integer(const char *text, int base, const char **why)
{
    long long value;
    errno = 0;
    value = strtoll(text, NULL, base);
    if (errno == ERANGE) {
        *why = "an integer is larger than 64 bits";
        return NULL;
    }
    return json_integer(value);
}

// The decimal point is a point whatever the host's locale is.
static json_t *real(const char *text, const char **why)
{
    double value;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale) {
        return NULL;
    }
    value = strtod_l(text, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(value)) {
        *why = "a number is too large";
        return NULL;
    }
    return json_real(value);
}

json_t *yaml_plain_scalar(const char *text, size_t len, const char **why)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    *why = "out of memory";
    if (is_one_of(text, nulls)) {
        return json_null();
    }
    if (is_one_of(text, trues)) {
        return json_true();
    }
    if (is_one_of(text, falses)) {
        return json_false();
    }
    if (is_decimal(text)) {
        return integer(text, 10, why);
    }
    if (is_prefixed(text, 'o', "01234567")) {
        return integer(text + 2, 8, why);
    }
    if (is_prefixed(text, 'x', "0123456789abcdefABCDEF")) {
        return integer(text + 2, 16, why);
    }
    if (is_infinite(text)) {
        *why = "infinities and NaN are not supported";
        return NULL;
    }
    if (is_float(text)) {
        return real(text, why);
    }
    return json_stringn(text, len);
}
