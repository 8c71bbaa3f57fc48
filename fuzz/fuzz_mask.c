// Masking of any bytes: it ends, within bounds. The first byte chooses a shape to plant a secret in,
// whose bytes are the rest and a mark: where that is well-formed (a string of JSON, a part of a
// URL), the mark is gone afterwards.

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "record/mask/mask_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK "hUnTeR2"

static void check(int fine)
{
    if (!fine) {
        abort();
    }
}

static void check_gone(const struct spy__buf *text)
{
    struct spy__buf out;
    spy__buf_init(&out, 1u << 20);
    if (!text->failed) {
        check(spy__mask_text(NULL, &out, text->bytes, text->len));
        check(out.failed || memmem(out.bytes, out.len, MARK, sizeof(MARK) - 1) == NULL);
    }
    spy__buf_done(&out);
}

// {"x":…,"password":"<data>hUnTeR2"}, inside of as many strings of JSON as `depth` says.
static void plant_in_json(const char *data, size_t size, int depth)
{
    struct spy__buf secret, text, wrapped;
    struct spy__json j;
    spy__buf_init(&secret, 1u << 18);
    spy__buf_put(&secret, data, size);
    spy__buf_puts(&secret, MARK);
    spy__buf_init(&text, 1u << 19);
    spy__json_init(&j, &text);
    spy__json_object(&j);
    spy__json_key(&j, "x");
    spy__json_strn(&j, data, size);
    spy__json_key(&j, "password");
    spy__json_strn(&j, secret.bytes, secret.len);
    spy__json_object_end(&j);
    for (; depth > 0 && !text.failed; depth--) {
        spy__buf_init(&wrapped, 1u << 19);
        spy__json_init(&j, &wrapped);
        spy__json_object(&j);
        spy__json_key(&j, "body");
        spy__json_strn(&j, text.bytes, text.len);
        spy__json_object_end(&j);
        spy__buf_done(&text);
        text = wrapped;
    }
    check_gone(&text);
    spy__buf_done(&text);
    spy__buf_done(&secret);
}

// What RFC 3986 lets stand in a user's part and in a query, but for what separates two parameters.
static void plant_in_url(const char *data, size_t size, const char *before, const char *after)
{
    static const char fine[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$'()*+,;=:";
    struct spy__buf text;
    spy__buf_init(&text, 1u << 19);
    spy__buf_puts(&text, before);
    for (size_t i = 0; i < size; i++) {
        spy__buf_putc(&text, fine[(unsigned char)data[i] % (sizeof(fine) - 1)]);
    }
    spy__buf_puts(&text, MARK);
    spy__buf_puts(&text, after);
    check_gone(&text);
    spy__buf_done(&text);
}

static void mask_any(const char *data, size_t size)
{
    struct spy__buf out;
    spy__buf_init(&out, 1u << 20);
    bool masked = spy__mask_text(NULL, &out, data, size);
    check(masked || out.len == 0);
    // No longer than a mark in quotes for each byte that names one.
    check(out.failed || out.len <= 12 + 12 * size);
    spy__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1u << 12 || memmem(data, size, MARK, sizeof(MARK) - 1)) {
        return 0; // a mark of the input's own stands where it likes
    }
    char *rest = malloc(size); // its end is the sanitizer's to watch
    if (!rest) {
        return 0;
    }
    memcpy(rest, data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
    case 1:
    case 2:
        plant_in_json(rest, size - 1, data[0] % 8);
        break;
    case 3:
        plant_in_url(rest, size - 1, "https://user:", "@host/path");
        break;
    case 4:
        plant_in_url(rest, size - 1, "/path?a=b&token=", "&c=d");
        break;
    default:
        mask_any(rest, size - 1);
    }
    free(rest);
    return 0;
}
