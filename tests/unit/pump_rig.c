// The rig of the pump's tests; see the header.
#include "pump_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/rings.h"

atomic_ulong rig_written[SPY__LEVELS], rig_lost[SPY__LOSSES];

static void encode(struct spy__buf *out, const struct spy__record *record, const void *arg)
{
    (void)arg;
    spy__buf_puts(out, record->event);
    if (record->field_count > 0 && record->fields[0].type == SPY_FIELD_STR) {
        spy__buf_putc(out, ' ');
        spy__buf_put(out, record->fields[0].value.s, record->fields[0].len);
    }
    spy__buf_putc(out, '\n');
}

static void on_written(const uint64_t lines[SPY__LEVELS])
{
    for (int i = 0; i < SPY__LEVELS; i++) {
        rig_written[i] += lines[i];
    }
}

static void on_lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    assert_int_equal(kind, SPY__KIND_LOG);
    rig_lost[why] += n;
}

struct spy__pump_options rig_options = {
    .full_wait_ms = LONG_MS, .encode = encode, .written = on_written, .lost = on_lost
};

static unsigned long sum(atomic_ulong *counts, int n)
{
    unsigned long all = 0;
    for (int i = 0; i < n; i++) {
        all += counts[i];
    }
    return all;
}

unsigned long rig_all_written(void)
{
    return sum(rig_written, SPY__LEVELS);
}

unsigned long rig_all_lost(void)
{
    return sum(rig_lost, SPY__LOSSES);
}

int rig_set_up(void **state)
{
    (void)state;
    memset(rig_written, 0, sizeof(rig_written));
    memset(rig_lost, 0, sizeof(rig_lost));
    rig_options.full_wait_ms = LONG_MS;
    return 0;
}

int rig_tear_down(void **state)
{
    (void)state;
    (void)spy__pump_stop(1000); // what a failed test left running
    return 0;
}

void rig_start(int fd)
{
    int why;
    rig_options.sink = (struct spy__sink_options){ .kind = SPY__SINK_FD, .fd = fd };
    assert_int_equal(spy__pump_start(&rig_options, &why), 0);
    assert_int_equal(why, 0);
}

void rig_give(enum spy_level level, const char *event)
{
    struct spy__record record = { .level = level, .correlation_id = "", .event = event };
    enum spy__push push = spy__rings_push(&record);
    if (push == SPY__PUSH_CHILD) {
        assert_true(spy__pump_write_direct(&record));
    } else {
        assert_int_not_equal(push, SPY__PUSH_STOPPED);
    }
}

static char rig_text[1 << 20];

const char *rig_read(int fd)
{
    ssize_t n = pread(fd, rig_text, sizeof(rig_text) - 1, 0);
    assert_true(n >= 0);
    rig_text[n] = '\0';
    return rig_text;
}

int rig_new_file(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

unsigned rig_count_lines(const char *s)
{
    unsigned n = 0;
    for (; *s; s++) {
        n += *s == '\n';
    }
    return n;
}

size_t rig_prefilled;

void rig_start_on_full_pipe(int ends[2])
{
    static const char page[4096];
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    rig_prefilled = 0;
    for (ssize_t n; (n = write(ends[1], page, sizeof(page))) > 0;) {
        rig_prefilled += (size_t)n;
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    rig_start(ends[1]);
}

static char long_event[1000];

const char *rig_thousand_bytes(void)
{
    memset(long_event, 'y', sizeof(long_event) - 1);
    return long_event;
}

unsigned rig_fill(enum spy_level level)
{
    unsigned given = 0;
    while (rig_all_lost() == 0 && given < 5000) {
        rig_give(level, rig_thousand_bytes());
        given++;
    }
    assert_int_equal(rig_lost[SPY__LOSS_FULL], 1);
    return given;
}
