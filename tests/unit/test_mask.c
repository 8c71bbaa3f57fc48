// Which keys name a secret: these tables are the specification. And what a record becomes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "record/mask/mask.h"
#include "record/mask/mask_words.h"

static void secrets(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "password",
        "PASSWORD",
        "user_password",
        "passwd",
        "db.passwd",
        "pwd",
        "user_pwd",
        "passphrase",
        "secret",
        "client_secret",
        "secretKey",
        "token",
        "access_token",
        "X-Auth-Token",
        "authorization",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "set_cookie",
        "Set-Cookie",
        "api_key",
        "apikey",
        "apiKey",
        "API-KEY",
        "x.api.key",
        "openai_api_key",
        "private_key",
        "privateKey",
        "credential",
        "credentials",
        "aws_credentials",
        "dsn",
        "SENTRY_DSN",
        "sentry.dsn",
        "jwt",
        "access_key",
        "session_key",
        "signing-key",
        "pass_word",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct spy_field field = spy_str(keys[i], "x");
        if (!spy__is_secret(&field)) {
            fail_msg("not found: %s", keys[i]);
        }
    }
}

static void others(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "",       "path",           "status_code", "user_id", "pass",
        "passed", "author",         "key",         "monkey",  "windsn",
        "dsnx",   "cook",           "tok",         "secre",   "template_id",
        "topic",  "correlation_id", "description", "compwdx", "authorize_url",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct spy_field field = spy_str(keys[i], "x");
        if (spy__is_secret(&field)) {
            fail_msg("taken for a secret: %s", keys[i]);
        }
    }
    struct spy_field no_key = spy_str(NULL, "x");
    assert_false(spy__is_secret(&no_key));
}

// A number is no token: tokens are what a language model counts. A number may be a password.
static void numbers(void **state)
{
    (void)state;
    struct spy_field field = spy_int("input_tokens", 12);
    assert_false(spy__is_secret(&field));
    field = spy_str("input_tokens", "twelve");
    assert_true(spy__is_secret(&field));
    field = spy_uint("password", 1234);
    assert_true(spy__is_secret(&field));
}

static void words_of_the_user(void **state)
{
    (void)state;
    struct spy__mask_words words;
    assert_int_equal(spy__mask_words_parse(&words, " IBAN,card_number\tuser.name,,2fa "), 0);
    assert_int_equal(words.count, 4);
    static const char *const found[] = { "iban",        "IBAN",     "user_iban",    "ibanCode",
                                         "userIban",    "iban2",    "card.number",  "cardNumber",
                                         "card-number", "username", "my_user_name", "2fa",
                                         "old_2fa",     "password" };
    static const char *const others[] = { "libanon", "ibans",       "cards", "card",
                                          "number",  "cardnumbers", "12fa",  "fa" };
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        if (spy__key_kind(&words, found[i], strlen(found[i])) != SPY__KEY_SECRET) {
            fail_msg("not found: %s", found[i]);
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (spy__key_kind(&words, others[i], strlen(others[i])) != SPY__KEY_CLEAN) {
            fail_msg("taken for a secret: %s", others[i]);
        }
    }
    assert_int_equal(spy__key_kind(NULL, "iban", 4), SPY__KEY_CLEAN);
    assert_int_equal(spy__mask_words_parse(&words, NULL), 0);
    assert_int_equal(words.count, 0);
    assert_int_equal(spy__mask_words_parse(&words, ""), 0);
    assert_int_equal(words.count, 0);
}

static void words_that_cannot_be(void **state)
{
    (void)state;
    struct spy__mask_words words = { .count = 7 };
    char many[4 * SPY__MASK_WORDS_MAX + 8] = "", longest[SPY__MASK_WORD_BYTES_MAX + 2];
    assert_int_equal(spy__mask_words_parse(&words, "a,-_."), -EINVAL);
    for (size_t i = 0; i <= SPY__MASK_WORDS_MAX; i++) {
        snprintf(many + strlen(many), 5, "a%zu,", i % 100);
    }
    assert_int_equal(spy__mask_words_parse(&words, many), -EINVAL);
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(spy__mask_words_parse(&words, longest), -EINVAL);
    assert_int_equal(words.count, 7); // untouched
    assert_int_equal(spy__mask_words_parse(&words, longest + 1), 0);
}

static struct spy__record record_of(const struct spy_field *fields, size_t n)
{
    return (struct spy__record){
        .correlation_id = "", .event = "x", .fields = fields, .field_count = n
    };
}

static void assert_text(const struct spy__record *record, size_t i, const char *expected)
{
    assert_int_equal(record->fields[i].type, SPY_FIELD_STR);
    assert_int_equal(record->fields[i].len, strlen(expected));
    assert_memory_equal(record->fields[i].value.s, expected, record->fields[i].len);
}

static void records(void **state)
{
    (void)state;
    struct spy__masker *masker = spy__masker_new("iban");
    assert_non_null(masker);
    const struct spy_field clean[] = { spy_str("path", "/memes"), spy_int("input_tokens", 3),
                                       spy_str(NULL, "x") };
    struct spy__record record = record_of(clean, 3);
    assert_false(spy__mask_record(masker, &record));
    assert_ptr_equal(record.fields, clean);

    const struct spy_field fields[] = {
        spy_str("path", "/memes"),           spy_uint("password", 12),
        spy_str("url", "/?token=abc&b=1"),   spy_str("iban", "DE02"),
        spy_str("body", "{\"iban\":\"x\"}"), spy_int("tokens", 3),
        spy_str("tokens", "three"),
    };
    for (int again = 0; again < 3; again++) {
        record = record_of(fields, 7);
        assert_true(spy__mask_record(masker, &record));
        assert_text(&record, 0, "/memes");
        assert_text(&record, 1, "[redacted]");
        assert_text(&record, 2, "/?token=[redacted]&b=1");
        assert_text(&record, 3, "[redacted]");
        assert_text(&record, 4, "{\"iban\":\"[redacted]\"}");
        assert_int_equal(record.fields[5].value.i, 3);
        assert_text(&record, 6, "[redacted]");
        assert_string_equal(record.fields[2].key, "url");
    }
    spy__masker_free(masker);
}

// Very many keys, long ones too; a table of them is test_keys.c's.
static void many_keys(void **state)
{
    (void)state;
    struct spy__masker *masker = spy__masker_new(NULL);
    assert_non_null(masker);
    for (unsigned i = 0; i < 20000; i++) {
        char key[100];
        snprintf(key, sizeof(key), "%s_%u%.*s", i % 3 ? "key" : "password", i * 7919 % 1500,
                 (int)(i % 5 ? 0 : 60),
                 "............................................................");
        const struct spy_field field = spy_int(key, 1);
        struct spy__record record = record_of(&field, 1);
        assert_int_equal(spy__mask_record(masker, &record), i % 3 == 0);
    }
    spy__masker_free(masker);
}

// What finds no room is masked whole.
static void more_secrets_than_room(void **state)
{
    (void)state;
    struct spy__masker *masker = spy__masker_new(NULL);
    static char text[SPY__FIELD_STR_MAX];
    struct spy_field fields[SPY_FIELDS_MAX];
    memset(text, ' ', sizeof(text));
    memcpy(text, "password=hunter2", 16);
    for (size_t i = 0; i < SPY_FIELDS_MAX; i++) {
        fields[i] = spy_strn("text", text, sizeof(text));
    }
    for (int again = 0; again < 2; again++) {
        struct spy__record record = record_of(fields, SPY_FIELDS_MAX);
        assert_true(spy__mask_record(masker, &record));
        assert_memory_equal(record.fields[0].value.s, "password=[redacted]  ", 21);
        assert_int_equal(record.fields[0].len, sizeof(text) + 3);
        assert_text(&record, SPY_FIELDS_MAX - 1, "[redacted]");
    }
    spy__masker_free(masker);
}

static void no_memory(void **state)
{
    (void)state;
    for (long n = 0; n < 2; n++) {
        alloc_fail_after(n);
        assert_null(spy__masker_new(NULL));
        alloc_fail_never();
    }
    spy__masker_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets),
        cmocka_unit_test(others),
        cmocka_unit_test(numbers),
        cmocka_unit_test(words_of_the_user),
        cmocka_unit_test(words_that_cannot_be),
        cmocka_unit_test(records),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(more_secrets_than_room),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
