// Which keys name a secret. This table is the specification.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "record/mask.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets),
        cmocka_unit_test(others),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
