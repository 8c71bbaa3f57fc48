// What is compressed comes out again as it was, and the same bytes each time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/random.h"
#include "deliver/compress.h"

#define BYTES_MAX (1u << 20)

static size_t expand(enum spy__encoding encoding, const struct spy__buf *from, char *to,
                     size_t room)
{
    if (encoding == SPY__ENCODING_ZSTD) {
        size_t n = ZSTD_decompress(to, room, from->bytes, from->len);
        assert_false(ZSTD_isError(n));
        return n;
    }
    z_stream z = { .next_in = (unsigned char *)from->bytes,
                   .avail_in = (unsigned)from->len,
                   .next_out = (unsigned char *)to,
                   .avail_out = (unsigned)room };
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    (void)inflateEnd(&z);
    return z.total_out;
}

static void come_back(enum spy__encoding encoding)
{
    static const size_t sizes[] = { 0, 1, 100, 70000, BYTES_MAX };
    struct spy__compress c = { 0 };
    struct spy__buf from, to, again;
    char *back = malloc(BYTES_MAX + 1);
    spy__buf_init(&from, BYTES_MAX);
    spy__buf_init(&to, 2 * BYTES_MAX);
    spy__buf_init(&again, 2 * BYTES_MAX);
    for (int plain = 0; plain < 2; plain++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            spy__buf_reset(&from);
            while (from.len < sizes[i]) {
                spy__buf_putc(&from, plain ? 'x' : (char)spy__random_u64());
            }
            assert_int_equal(spy__compress(&c, encoding, &from, &to), 0);
            assert_int_equal(spy__compress(&c, encoding, &from, &again), 0);
            assert_int_equal(to.len, again.len);
            assert_memory_equal(to.bytes, again.bytes, to.len);
            assert_int_equal(expand(encoding, &to, back, BYTES_MAX + 1), from.len);
            assert_true(from.len == 0 || memcmp(back, from.bytes, from.len) == 0);
        }
    }
    assert_true(to.len < from.len / 100); // of what is all the same
    spy__compress_done(&c);
    spy__buf_done(&from);
    spy__buf_done(&to);
    spy__buf_done(&again);
    free(back);
}

static void gzip_comes_back(void **state)
{
    (void)state;
    assert_string_equal(spy__encoding_name(SPY__ENCODING_GZIP), "gzip");
    come_back(SPY__ENCODING_GZIP);
}

static void zstd_comes_back(void **state)
{
    (void)state;
    assert_string_equal(spy__encoding_name(SPY__ENCODING_ZSTD), "zstd");
    come_back(SPY__ENCODING_ZSTD);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    char text[] = "some text";
    struct spy__buf from, to;
    spy__buf_init_fixed(&from, text, sizeof(text));
    from.len = sizeof(text);
    for (int encoding = SPY__ENCODING_GZIP; encoding <= SPY__ENCODING_ZSTD; encoding++) {
        int err = -ENOMEM;
        for (long n = 0; err != 0; n++) {
            struct spy__compress c = { 0 };
            spy__buf_init(&to, 4096);
            alloc_fail_after(n);
            err = spy__compress(&c, (enum spy__encoding)encoding, &from, &to);
            alloc_fail_never();
            assert_true(err == 0 || err == -ENOMEM);
            spy__compress_done(&c);
            spy__buf_done(&to);
        }
        struct spy__compress c = { 0 };
        spy__buf_init(&to, 4); // has no room for it
        assert_int_equal(spy__compress(&c, (enum spy__encoding)encoding, &from, &to), -ENOMEM);
        spy__compress_done(&c);
        spy__buf_done(&to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_comes_back),
        cmocka_unit_test(zstd_comes_back),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
