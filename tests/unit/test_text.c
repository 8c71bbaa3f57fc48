// Buffers, UTF-8 and the hash: what all text passes through.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/utf8.h"

static void buffer_grows_to_its_maximum(void **state)
{
    (void)state;
    struct spy__buf b;
    spy__buf_init(&b, 1000);
    assert_null(b.bytes);
    for (int i = 0; i < 1000; i++) {
        spy__buf_putc(&b, (char)('a' + i % 26));
        assert_true(b.len <= b.cap && b.cap <= b.max);
    }
    assert_false(b.failed);
    assert_int_equal(b.len, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(b.bytes[i], 'a' + i % 26);
    }
    spy__buf_putc(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 1000);
    spy__buf_reset(&b);
    assert_false(b.failed);
    spy__buf_puts(&b, "again");
    assert_int_equal(b.len, 5);
    assert_int_equal(b.cap, 1000);
    spy__buf_done(&b);
    assert_null(b.bytes);
}

static void buffer_stays_failed(void **state)
{
    (void)state;
    struct spy__buf b;
    spy__buf_init(&b, 10);
    spy__buf_puts(&b, "eleven char");
    assert_true(b.failed);
    spy__buf_putc(&b, 'a'); // there would be room
    assert_int_equal(b.len, 0);
    assert_false(spy__buf_reserve(&b, SIZE_MAX));
    spy__buf_done(&b);
}

static void buffer_in_borrowed_storage(void **state)
{
    (void)state;
    char storage[8] = "xxxxxxx";
    struct spy__buf b;
    spy__buf_init_fixed(&b, storage, 4);
    spy__buf_puts(&b, "abcd");
    assert_false(b.failed);
    spy__buf_putc(&b, 'e');
    assert_true(b.failed);
    assert_memory_equal(storage, "abcdxxx", 7);
    spy__buf_done(&b); // does not free it
}

static void buffer_without_memory(void **state)
{
    (void)state;
    struct spy__buf b;
    spy__buf_init(&b, 10000);
    alloc_fail_after(0);
    spy__buf_putc(&b, 'a');
    alloc_fail_never();
    assert_true(b.failed);
    assert_null(b.bytes);
    spy__buf_reset(&b);
    spy__buf_puts(&b, "abc");
    alloc_fail_after(0);
    assert_false(spy__buf_reserve(&b, 5000));
    alloc_fail_never();
    assert_memory_equal(b.bytes, "abc", 3);
    spy__buf_done(&b);
}

// Every sequence of one to four bytes against a decoder by the book, RFC 3629 section 3.
static size_t by_the_book(const unsigned char *s, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = s[0] < 0x80       ? 1
                 : s[0] >> 5 == 6  ? 2
                 : s[0] >> 4 == 14 ? 3
                 : s[0] >> 3 == 30 ? 4
                                   : 0;
    if (len == 0 || len > n) {
        return 0;
    }
    uint32_t c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (s[i] >> 6 != 2) {
            return 0;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

static void utf8_characters(void **state)
{
    (void)state;
    static const unsigned char tails[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90,
                                           0x9f, 0xa0, 0xbf, 0xc0, 0xff };
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t i = 0; i < sizeof(tails) * sizeof(tails); i++) {
                const unsigned char s[4] = { (unsigned char)first, (unsigned char)second,
                                             tails[i / sizeof(tails)], tails[i % sizeof(tails)] };
                for (size_t n = 1; n <= 4; n++) {
                    assert_int_equal(spy__utf8_char(s, n), by_the_book(s, n));
                }
            }
        }
    }
}

static void utf8_strings(void **state)
{
    (void)state;
    assert_true(spy__utf8_valid("", 0));
    assert_true(spy__utf8_valid("plain text of more than eight bytes", 35));
    assert_true(spy__utf8_valid("1234567\xe2\x82\xac tail", 15));
    assert_false(spy__utf8_valid("12345678\xff", 9));
    assert_false(spy__utf8_valid("1234567\xe2\x82", 9));
    assert_true(spy__utf8_valid("a\0b", 3));
}

static void utf8_cuts(void **state)
{
    (void)state;
    const char *s = "a\xe2\x82\xac\xf0\x9f\x98\x80z"; // a € 😀 z
    static const size_t cuts[] = { 0, 1, 1, 1, 4, 4, 4, 4, 8, 9 };
    for (size_t max = 0; max < 10; max++) {
        assert_int_equal(spy__utf8_cut(s, 9, max), cuts[max]);
    }
    assert_int_equal(spy__utf8_cut(s, 9, 100), 9);
    assert_int_equal(spy__utf8_cut("\x80\x80\x80\x80\x80", 5, 3), 3); // no character to divide
    assert_int_equal(spy__utf8_cut("\xe2\x28\xa1", 3, 1), 1);
}

static void hash_tells_apart(void **state)
{
    (void)state;
    // 20,000 keys, as label values are, in 2^32: a collision has a chance of one in twenty.
    enum { KEYS = 20000 };
    static uint32_t seen[KEYS];
    int collisions = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[32] = "/api/v1/memes/";
        size_t n = 14;
        for (int v = i; v; v /= 10) {
            key[n++] = (char)('0' + v % 10);
        }
        uint64_t hash = spy__hash(key, n, 0);
        seen[i] = (uint32_t)(hash ^ hash >> 32);
        for (int j = 0; j < i; j += 97) {
            collisions += seen[j] == seen[i];
        }
    }
    assert_true(collisions <= 1);
    assert_int_not_equal(spy__hash("ab", 2, spy__hash("c", 1, 0)),
                         spy__hash("a", 1, spy__hash("bc", 2, 0)));
    assert_int_not_equal(spy__hash("", 0, 0), spy__hash("\0", 1, 0));
}

static void hash_takes_all_bytes_in(void **state)
{
    (void)state;
    char key[64];
    spy__random_seed(3);
    for (size_t n = 1; n <= sizeof(key); n++) {
        for (size_t i = 0; i < n; i++) {
            key[i] = (char)spy__random_u64();
        }
        uint64_t before = spy__hash(key, n, 7);
        for (size_t i = 0; i < n; i++) {
            key[i] ^= 1;
            assert_int_not_equal(spy__hash(key, n, 7), before);
            key[i] ^= 1;
        }
        assert_int_equal(spy__hash(key, n, 7), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_grows_to_its_maximum),
        cmocka_unit_test(buffer_stays_failed),
        cmocka_unit_test(buffer_in_borrowed_storage),
        cmocka_unit_test(buffer_without_memory),
        cmocka_unit_test(utf8_characters),
        cmocka_unit_test(utf8_strings),
        cmocka_unit_test(utf8_cuts),
        cmocka_unit_test(hash_tells_apart),
        cmocka_unit_test(hash_takes_all_bytes_in),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
