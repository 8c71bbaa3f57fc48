// Where log_fd is a terminal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "spyglass/spyglass.h"

// What a terminal is shown of one line.
static void show(int terminal, int shown, char *text, size_t room)
{
    assert_int_equal(spy_start(&(struct spy_options){ .service = "memegen", .log_fd = terminal }),
                     0);
    spy_warn("for_people");
    assert_int_equal(spy_stop(20000), 0);
    size_t n = 0;
    while (n == 0 || text[n - 1] != '\n' || !memmem(text, n, "for_people", 10)) {
        ssize_t more = read(shown, text + n, room - 1 - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    text[n] = '\0';
}

// The console form is a terminal's, with colours unless it or its user wants none.
static void a_terminal_has_colours(void **state)
{
    (void)state;
    char text[4096];
    unsetenv("NO_COLOR");
    unsetenv("SPY_LOG_FORMAT");
    unsetenv("SPY_LOG_LEVEL");
    int shown = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (shown < 0 || grantpt(shown) != 0 || unlockpt(shown) != 0) {
        skip(); // no pseudo-terminals here
    }
    int terminal = open(ptsname(shown), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    setenv("TERM", "xterm", 1);
    show(terminal, shown, text, sizeof(text));
    assert_non_null(strstr(text, "\x1b[33mwarn"));
    assert_non_null(strstr(text, "\x1b[1mfor_people\x1b[0m"));
    setenv("NO_COLOR", "", 1); // empty counts as not set
    show(terminal, shown, text, sizeof(text));
    assert_non_null(strstr(text, "\x1b[33mwarn"));
    setenv("NO_COLOR", "1", 1);
    show(terminal, shown, text, sizeof(text));
    assert_non_null(strstr(text, " warn  for_people\r\n"));
    assert_null(strstr(text, "\x1b"));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    show(terminal, shown, text, sizeof(text));
    assert_null(strstr(text, "\x1b"));
    close(terminal);
    close(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_has_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
