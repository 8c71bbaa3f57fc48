// Log lines caught in memory; see the header.
#include "lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/pump.h"
#include "spyglass/spyglass.h"

int lines_open(void)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

void lines_start(int fd)
{
    int err = spy_start(&(struct spy_options){ .service = "test",
                                               .log_fd = fd,
                                               .log_format = SPY_LOG_JSON,
                                               .log_level = SPY_LEVEL_DEBUG,
                                               .full_wait_ms = 20000 });
    assert_string_equal(spy_start_error(), "");
    assert_int_equal(err, 0);
}

json_t *lines_read(int fd)
{
    static char bytes[4u << 20];
    spy__pump_flush();
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    assert_in_range(n, 0, sizeof(bytes) - 1);
    json_t *lines = json_array();
    for (char *p = bytes, *end = bytes + n; p < end;) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        assert_non_null(newline);
        json_error_t error;
        json_t *line =
            json_loadb(p, (size_t)(newline - p), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        if (!line) {
            fail_msg("%s: %.*s", error.text, (int)(newline - p), p);
        }
        json_array_append_new(lines, line);
        p = newline + 1;
    }
    return lines;
}

json_t *lines_last(json_t *lines, const char *event)
{
    for (size_t i = json_array_size(lines); i-- > 0;) {
        json_t *line = json_array_get(lines, i);
        if (strcmp(lines_str(line, "event"), event) == 0) {
            return line;
        }
    }
    return NULL;
}

const char *lines_str(const json_t *line, const char *key)
{
    const char *s = json_string_value(json_object_get(line, key));
    return s ? s : "";
}
