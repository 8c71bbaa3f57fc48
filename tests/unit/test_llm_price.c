// Prices: the shipped file, names with dates, what a wrong file is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memegen/llm/price.h"

static char error[512];

static int load_text(struct price *price, const char *text, const char *model)
{
    char path[] = "/tmp/test-price-XXXXXX";
    int fd = mkstemp(path);
    size_t n = strlen(text);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
    int r = price_load(price, path, model, error, sizeof(error));
    unlink(path);
    return r;
}

static void test_the_shipped_file(void **state)
{
    struct price price, dated;
    struct chat_usage usage = { 1000000, 500000 };
    (void)state;
    assert_int_equal(
        price_load(&price, DATA_DIR "/prices.yaml", "gpt-4o-mini", error, sizeof(error)), 0);
    assert_true(price.input > 0 && price.output > price.input);
    assert_true(fabs(price_of(&price, &usage) - (price.input + price.output / 2)) < 1e-9);
    assert_int_equal(
        price_load(&dated, DATA_DIR "/prices.yaml", "gpt-4o-mini-2024-07-18", error, sizeof(error)),
        0);
    assert_true(dated.input == price.input && dated.output == price.output);
    assert_int_equal(
        price_load(&price, DATA_DIR "/prices.yaml", "gpt-4o-mini-x", error, sizeof(error)),
        -ENOENT);
    assert_non_null(strstr(error, "there is no price of gpt-4o-mini-x"));
}

static void test_a_name_of_its_own_goes_before_a_date(void **state)
{
    struct price price;
    (void)state;
    assert_int_equal(load_text(&price,
                               "models:\n  m-2024-01-02: {input: 1, output: 2}\n"
                               "  m: {input: 3, output: 4}\n",
                               "m-2024-01-02"),
                     0);
    assert_true(price.input == 1 && price.output == 2);
}

static void test_wrong_files(void **state)
{
    static const char *const texts[] = {
        "models: [1]\n",
        "[]\n",
        "models:\n  m: 3\n",
        "models:\n  m: {input: 1}\n",
        "models:\n  m: {input: 1, output: -2}\n",
        "models:\n  m: {input: 1, output: .inf}\n",
        "models:\n  m: {input: 1, output: \"2\"}\n",
        "models:\n  m: {input: 1, output: 2, cached: 3}\n",
        "models:\n  m: {input: 1, output: 2\n",
        "models:\n  other: {input: 1}\n  m: {input: 1, output: 2}\n",
    };
    struct price price;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        error[0] = '\0';
        if (load_text(&price, texts[i], "m") != -EINVAL || !strstr(error, "/tmp/test-price-")) {
            fail_msg("%s: %s", texts[i], error);
        }
    }
    assert_int_equal(price_load(&price, "/nowhere/prices.yaml", "m", error, sizeof(error)),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_shipped_file),
        cmocka_unit_test(test_a_name_of_its_own_goes_before_a_date),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
