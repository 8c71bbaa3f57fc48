#include "base/wish.h"

#include <string.h>

#define RATE_MAX 1000u

static unsigned read_rate(const char *word, size_t n)
{
    unsigned rate = 0;
    for (size_t i = 0; i < n; i++) {
        if (word[i] < '0' || word[i] > '9' || rate > RATE_MAX) {
            return 0;
        }
        rate = rate * 10 + (unsigned)(word[i] - '0');
    }
    return rate >= 2 && rate <= RATE_MAX ? rate : 0;
}

static bool is(const char *word, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(word, name, n) == 0;
}

static void read_word(struct spy__wish *wish, const char *word, size_t n, bool *says_form)
{
    static const char *const forms[] = { "html", "speedscope", "pprof", "folded" };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (is(word, n, forms[i])) {
            wish->form = (enum spy__wish_form)i;
            *says_form = true;
            return;
        }
    }
    if (is(word, n, "cpu") || is(word, n, "wall")) {
        wish->cpu = word[0] == 'c';
    } else if (read_rate(word, n) > 0) {
        wish->rate_hz = read_rate(word, n);
    }
}

bool spy__wish_read(struct spy__wish *ret, const char *value, size_t n, const char *accept)
{
    struct spy__wish wish = { .form = SPY__WISH_HTML };
    bool says_form = false;
    if (n == 0 || n > SPY__WISH_MAX) {
        return false;
    }
    for (size_t at = 0; at < n;) {
        const char *comma = memchr(value + at, ',', n - at);
        size_t end = comma ? (size_t)(comma - value) : n;
        read_word(&wish, value + at, end - at, &says_form);
        at = end + 1;
    }
    if (!says_form && accept && strstr(accept, "application/json") &&
        !strstr(accept, "text/html")) {
        wish.form = SPY__WISH_SPEEDSCOPE;
    }
    *ret = wish;
    return true;
}
