// Label values of any bytes: their text is one line of UTF-8 that reads back as the values made
// fit, and only equal values have equal text.
#include "metrics/family.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

// What a parser of the exposition reads at *at, up to the closing quote; moves *at behind it.
static size_t unescape(const char **at, char *out)
{
    size_t n = 0;
    const char *s = *at;
    for (; *s != '"'; s++) {
        check(*s != '\n');
        out[n++] = *s != '\\' ? *s : *++s == 'n' ? '\n' : *s;
    }
    *at = s + 1;
    return n;
}

static void check_text(const struct spy__family *f, const struct spy__child *c,
                       const struct spy__label_values *v)
{
    char value[2 * SPY__VALUE_MAX];
    const char *at = c->text;
    check(spy__utf8_valid(c->text, c->text_len));
    for (size_t i = 0; i < f->label_count; i++) {
        check(memcmp(at, f->labels[i], f->label_lens[i]) == 0);
        at += f->label_lens[i] + 2;
        size_t n = unescape(&at, value);
        check(n == v->len[i] && n <= SPY__VALUE_MAX && memcmp(value, v->at[i], n) == 0);
        at += i + 1 < f->label_count;
    }
    check(at == c->text + c->text_len);
}

static struct spy__family *family(void)
{
    static struct spy__family *f;
    const struct spy_metric m = { .name = "fuzzed_total", .labels = SPY_LABELS("first", "b") };
    check(f || spy__family_register(&f, SPY__COUNTER, &m, NULL) == 0);
    return f;
}

// The values are the input up to its first NUL, and what follows up to the next.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__family *f = family();
    char storage[SPY_LABELS_MAX][SPY__VALUE_MAX];
    char *bytes = calloc(1, size + 2);
    check(bytes != NULL);
    memcpy(bytes, data, size);
    const char *const values[] = { bytes, bytes + strlen(bytes) + 1 };
    struct spy__label_values given, v;
    spy__values_read(&given, values, 2);
    v = given;
    bool changed = spy__values_normalise(&v, 2, storage);
    check(changed || v.hash == given.hash);
    bool escaped;
    size_t len = spy__values_text_len(f, &v, &escaped);
    struct spy__child *child = calloc(1, sizeof(*child) + len);
    check(child != NULL && len <= UINT16_MAX);
    child->text_len = (uint16_t)len;
    child->escaped = escaped;
    spy__values_text(f, &v, child->text);
    check_text(f, child, &v);
    check(spy__values_equal(f, child, &v));
    check(given.too_long || changed == !spy__values_equal(f, child, &given));
    struct spy__label_values other = v; // the values with their border moved, or one byte less
    other.len[0] -= other.len[0] > 0;
    check(v.len[0] == 0 || !spy__values_equal(f, child, &other));
    other = v;
    other.at[0] = v.at[1], other.len[0] = v.len[1], other.at[1] = v.at[0], other.len[1] = v.len[0];
    bool same = v.len[0] == v.len[1] && memcmp(v.at[0], v.at[1], v.len[0]) == 0;
    check(spy__values_equal(f, child, &other) == same);
    free(child);
    free(bytes);
    return 0;
}
