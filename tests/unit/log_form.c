// See the header.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "log_form.h"

struct spy__log_style bare, named, coloured;

struct spy__buf line;

int set_up(void **state)
{
    (void)state;
    spy__buf_init(&line, 1u << 20);
    spy__log_style_init(&bare, NULL, "", false);
    spy__log_style_init(&named, "memegen", "test", false);
    spy__log_style_init(&coloured, "memegen", "test", true);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    spy__buf_done(&line);
    return 0;
}

void assert_line(const char *expected)
{
    assert_false(line.failed);
    spy__buf_putc(&line, '\0');
    assert_string_equal(line.bytes, expected);
    spy__buf_reset(&line);
}

static const uintptr_t stack[] = { 0x55d0, 0 };

static const struct spy_field every_type[] = {
    { "i", SPY_FIELD_INT, .value = { .i = INT64_MIN } },
    { "u", SPY_FIELD_UINT, .value = { .u = UINT64_MAX } },
    { "d", SPY_FIELD_DOUBLE, .value = { .d = 0.25 } },
    { "nan", SPY_FIELD_DOUBLE, .value = { .d = NAN } },
    { "yes", SPY_FIELD_BOOL, .value = { .b = true } },
    { "s", SPY_FIELD_STR, .len = 9, .value = { .s = "a \"b\"\n\x1b[m" } },
    { "traceback", SPY_FIELD_ADDRS, .len = 2, .value = { .addrs = stack } },
};

struct spy__record full(void)
{
    return (struct spy__record){
        .level = SPY_LEVEL_WARN,
        .time_ns = LEAP_NS,
        .correlation_id = "c-1",
        .trace_hi = 0x0af7651916cd43dd,
        .trace_lo = 0x8448eb211c80319c,
        .span_id = 0xb7ad6b7169203331,
        .event = "request_failed",
        .module = "http",
        .fields = every_type,
        .field_count = sizeof(every_type) / sizeof(every_type[0]),
    };
}
