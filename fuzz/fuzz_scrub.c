// A request's headers and query, of any bytes: what is told of them is on one line each, within bounds,
// and the same secret planted where it is one is never in it. The first byte chooses: personal data or
// not; a header, a query, or a secret under bytes that are its key or stand around it.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/mask/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK "hUnTeR2"

static void check(int fine)
{
    if (!fine) {
        abort();
    }
}

static void check_clean(const struct spy__buf *out)
{
    check(!out->failed);
    for (size_t i = 0; i + 1 < out->len; i++) { // a header's line ends in one
        check((unsigned char)out->bytes[i] >= 0x20 && out->bytes[i] != 0x7f);
    }
    check(out->len == 0 || memmem(out->bytes, out->len, MARK, sizeof(MARK) - 1) == NULL);
}

static void scrub_header(const struct spy__scrub *scrub, char *text, size_t n)
{
    char storage[1024];
    struct spy__buf out;
    const char *value = memchr(text, '\0', n);
    spy__buf_init_fixed(&out, storage, sizeof(storage));
    if (!value) {
        return; // no name
    }
    value++;
    spy__scrub_header(scrub, &out, text, value, (size_t)(text + n - value));
    check_clean(&out);
    check(out.len <= SPY__SCRUB_NAME_MAX + SPY__SCRUB_HEADER_MAX + 3);
    check(out.len == 0 || (out.bytes[out.len - 1] == '\n' && memmem(out.bytes, out.len, ": ", 2)));
    size_t before = out.len;
    spy__scrub_header(scrub, &out, text, value, (size_t)(text + n - value));
    check(out.len == before); // once
    if (before == 0) {
        spy__scrub_header(scrub, &out, "Cookie", value, (size_t)(text + n - value));
        check(out.len == 0 || memcmp(out.bytes, "Cookie: [redacted]\n", out.len) == 0);
    }
}

static void scrub_query(const struct spy__scrub *scrub, const char *before, const char *text,
                        size_t n, const char *after)
{
    struct spy__buf in, out;
    spy__buf_init(&in, 1u << 16);
    spy__buf_init(&out, 1u << 17);
    spy__buf_puts(&in, before);
    spy__buf_put(&in, text, n);
    spy__buf_puts(&in, after);
    spy__buf_putc(&in, ' '); // it has bytes in any case
    if (!in.failed) {
        spy__scrub_query(scrub, &out, in.bytes, in.len);
        check_clean(&out);
        check(out.len <= 12 * in.len);
    }
    spy__buf_done(&in);
    spy__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__mask_words words;
    check(spy__mask_words_parse(&words, "iban") == 0);
    if (size < 1 || size > 1u << 12 || memmem(data, size, MARK, sizeof(MARK) - 1)) {
        return 0; // a mark of the input's own stands where it likes
    }
    const struct spy__scrub scrub = { .personal = data[0] & 1, .more = &words };
    char *rest = malloc(size); // its end is the sanitizer's to watch
    if (!rest) {
        return 0;
    }
    memcpy(rest, data + 1, size - 1);
    switch (data[0] / 2 % 5) {
    case 0:
        scrub_header(&scrub, rest, size - 1);
        break;
    case 1:
        scrub_query(&scrub, "", rest, size - 1, "");
        break;
    case 2: // where an argument may end, the secret's has begun before
        scrub_query(&scrub, "a=b&", rest, size - 1, "&api%2dkey=" MARK);
        break;
    case 3:
        scrub_query(&scrub, "", rest, size - 1, "token=" MARK "&c=d");
        break;
    default:
        scrub_query(&scrub, "next=", rest, size - 1, "&i%62an=" MARK);
    }
    free(rest);
    return 0;
}
