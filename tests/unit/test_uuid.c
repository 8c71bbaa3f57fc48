// UUIDs and the hashes below them, against published values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/sha1.h"
#include "base/sha256.h"
#include "base/uuid.h"

static void assert_hex(const unsigned char *bytes, size_t n, const char *hex)
{
    char text[2 * 64 + 1];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * n] = '\0';
    assert_string_equal(text, hex);
}

// A million times 'a', taken in by pieces of all lengths.
static char many[997];

// https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values
static void sha1_of_published_messages(void **state)
{
    (void)state;
    static const struct {
        const char *message, *digest;
    } cases[] = {
        { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
        { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
    };
    unsigned char digest[SPY__SHA1_BYTES];
    struct spy__sha1 sha;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spy__sha1_init(&sha);
        spy__sha1_add(&sha, cases[i].message, strlen(cases[i].message));
        spy__sha1_end(&sha, digest);
        assert_hex(digest, sizeof(digest), cases[i].digest);
    }
    memset(many, 'a', sizeof(many));
    spy__sha1_init(&sha);
    for (size_t left = 1000000, n = 1; left > 0; left -= n, n = n % sizeof(many) + 1) {
        n = n < left ? n : left;
        spy__sha1_add(&sha, many, n);
    }
    spy__sha1_end(&sha, digest);
    assert_hex(digest, sizeof(digest), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

static void sha256_of_published_messages(void **state)
{
    (void)state;
    static const struct {
        const char *message, *digest;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    unsigned char digest[SPY__SHA256_BYTES];
    struct spy__sha256 sha;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spy__sha256_init(&sha);
        spy__sha256_add(&sha, cases[i].message, strlen(cases[i].message));
        spy__sha256_end(&sha, digest);
        assert_hex(digest, sizeof(digest), cases[i].digest);
    }
    memset(many, 'a', sizeof(many));
    spy__sha256_init(&sha);
    for (size_t left = 1000000, n = 1; left > 0; left -= n, n = n % sizeof(many) + 1) {
        n = n < left ? n : left;
        spy__sha256_add(&sha, many, n);
    }
    spy__sha256_end(&sha, digest);
    assert_hex(digest, sizeof(digest),
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 4231 sections 4.2, 4.3 and 4.7 (a key longer than a block).
static void hmac_of_the_rfc(void **state)
{
    (void)state;
    unsigned char key[131], mac[SPY__SHA256_BYTES];
    struct spy__hmac_key hmac;
    memset(key, 0x0b, 20);
    spy__hmac_key_init(&hmac, key, 20);
    spy__hmac(&hmac, "Hi There", 8, mac);
    assert_hex(mac, sizeof(mac),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    spy__hmac_key_init(&hmac, "Jefe", 4);
    spy__hmac(&hmac, "what do ya want for nothing?", 28, mac);
    assert_hex(mac, sizeof(mac),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    spy__hmac_key_init(&hmac, key, sizeof(key));
    const char *message = "Test Using Larger Than Block-Size Key - Hash Key First";
    spy__hmac(&hmac, message, strlen(message), mac);
    assert_hex(mac, sizeof(mac),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    spy__hmac(&hmac, message, strlen(message), mac); // a key is used again and again
    assert_hex(mac, sizeof(mac),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void assert_uuid(struct spy_uuid id, const char *text)
{
    char printed[SPY_UUID_LEN + 1];
    spy_uuid_print(printed, id);
    assert_string_equal(printed, text);
}

// RFC 9562 appendix A.4 and, for the URL namespace, Python's uuid.
static void names(void **state)
{
    (void)state;
    const struct spy_uuid dns = SPY_UUID_DNS, url = SPY_UUID_URL;
    assert_uuid(spy_uuid_v5(dns, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    assert_uuid(spy_uuid_v5(url, "https://example.com/"), "dd2c1780-811a-5296-81c5-178a0ef488bc");
    assert_uuid(spy_uuid_v5(dns, ""), "4ebd0208-8328-5d69-8c44-ec50939c0967");
    assert_uuid(spy_uuid_v5(dns, NULL), "4ebd0208-8328-5d69-8c44-ec50939c0967");
}

// RFC 9562 appendix A.6 has the same time.
static void times(void **state)
{
    (void)state;
    struct spy_uuid id = spy__uuid_v7(UINT64_C(1645557742000000000));
    char text[SPY_UUID_LEN + 1];
    spy_uuid_print(text, id);
    assert_memory_equal(text, "017f22e2-79b0-7000-", 19);
    assert_non_null(strchr("89ab", text[19])); // the variant

    struct spy__fake_clock clock = { .realtime_ns = UINT64_C(1700000000999999999) };
    spy__clock_fake(&clock);
    struct spy_uuid last = spy_uuid_v7();
    assert_int_equal(last.hi >> 16, 1700000000999); // milliseconds
    assert_int_equal(last.hi & 0xffff, 0x7fff);     // the last fraction of one
    clock.realtime_ns += 1;
    struct spy_uuid next = spy_uuid_v7();
    spy__clock_fake(NULL);
    assert_true(next.hi > last.hi);
    assert_int_equal(next.hi & 0xffff, 0x7000);
    assert_int_equal(next.lo >> 62, 2);
    assert_true(next.lo != last.lo);
}

static void text_is_read_and_refused(void **state)
{
    (void)state;
    struct spy_uuid id;
    assert_int_equal(spy_uuid_parse(&id, "2ED6657D-e927-568b-95E1-2665a8aea6a2"), 0);
    assert_uuid(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    static const char *const bad[] = {
        "",
        "2ed6657d",
        "2ed6657d-e927-568b-95e1-2665a8aea6a",
        "2ed6657d-e927-568b-95e1-2665a8aea6a22",
        "2ed6657de-927-568b-95e1-2665a8aea6a2",
        "2ed6657d-e927-568b-95e1_2665a8aea6a2",
        "2ed6657g-e927-568b-95e1-2665a8aea6a2",
        "{ed6657d-e927-568b-95e1-2665a8aea6a2",
        "2ed6657d-e927-568b-95e1-2665a8aea6@2",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spy_uuid_parse(&id, bad[i]), -22);
    }
    assert_int_equal(spy_uuid_parse(&id, NULL), -22);
    assert_uuid(id, "2ed6657d-e927-568b-95e1-2665a8aea6a2"); // untouched
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_of_published_messages),
        cmocka_unit_test(sha256_of_published_messages),
        cmocka_unit_test(hmac_of_the_rfc),
        cmocka_unit_test(names),
        cmocka_unit_test(times),
        cmocka_unit_test(text_is_read_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
