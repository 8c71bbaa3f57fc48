// Writing to a descriptor: what write(2) may answer, and what the stream makes of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/output/stream.h"

// The next answers of write(2): a number of bytes to take, or a negative errno. 0 ends the list:
// the real one answers.
static const ssize_t *script;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (!script || *script == 0) {
        return __real_write(fd, bytes, n);
    }
    ssize_t answer = *script++;
    if (answer < 0) {
        errno = (int)-answer;
        return -1;
    }
    return __real_write(fd, bytes, (size_t)answer < n ? (size_t)answer : n);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static bool third_time(void *arg)
{
    int *asked = arg;
    return ++*asked == 3;
}

static int new_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    return ends[1];
}

static void assert_reads(int fd, const char *expected)
{
    char got[256];
    ssize_t n = read(fd, got, sizeof(got));
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(got, expected, strlen(expected));
}

static void short_and_interrupted_writes_go_on(void **state)
{
    (void)state;
    int ends[2];
    struct spy__stream stream;
    spy__stream_init(&stream, new_pipe(ends));
    script = (const ssize_t[]){ 1, -EINTR, 2, -EAGAIN, 1, 0 };
    assert_int_equal(spy__stream_write(&stream, "abcdef\n", 7, never, NULL), 7);
    assert_false(stream.torn);
    assert_reads(ends[0], "abcdef\n");
    close(ends[0]);
    close(ends[1]);
}

static void a_torn_line_is_ended_before_the_next(void **state)
{
    (void)state;
    int ends[2];
    struct spy__stream stream;
    spy__stream_init(&stream, new_pipe(ends));
    script = (const ssize_t[]){ 6, -EIO, -EIO, 0 };
    assert_int_equal(spy__stream_write(&stream, "one\ntwo\n", 8, never, NULL), 6);
    assert_true(stream.torn);
    assert_int_equal(spy__stream_write(&stream, "three\n", 6, never, NULL),
                     0); // the newline fails too
    assert_true(stream.torn);
    assert_int_equal(spy__stream_write(&stream, "four\n", 5, never, NULL), 5);
    assert_reads(ends[0], "one\ntw\nfour\n");
    close(ends[0]);
    close(ends[1]);
}

static void errors_end_it(void **state)
{
    (void)state;
    int ends[2];
    struct spy__stream stream;
    spy__stream_init(&stream, new_pipe(ends));
    static const ssize_t answers[][2] = {
        { -EPIPE, 0 }, { -ENOSPC, 0 }, { -EIO, 0 }, { -EBADF, 0 }
    };
    for (size_t i = 0; i < 4; i++) {
        script = answers[i];
        assert_int_equal(spy__stream_write(&stream, "x\n", 2, never, NULL), 0);
        assert_int_equal(stream.error, -answers[i][0]);
        assert_false(stream.torn);
    }
    close(ends[0]);
    close(ends[1]);
}

// A full pipe of the smallest size.
static int full_pipe(int ends[2])
{
    new_pipe(ends);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    char zeros[512] = { 0 };
    while (write(ends[1], zeros, sizeof(zeros)) > 0) {
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    return ends[1];
}

static void a_stuck_pipe_is_given_up(void **state)
{
    (void)state;
    int ends[2], asked = 0;
    struct spy__stream stream;
    script = NULL;
    spy__stream_init(&stream, full_pipe(ends));
    assert_int_equal(spy__stream_write(&stream, "x\n", 2, third_time, &asked), 0);
    assert_int_equal(asked, 3);
    assert_int_equal(stream.error, ETIMEDOUT);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); // left as it was
    close(ends[0]);
    close(ends[1]);
}

// In a thread whose signals are the host's.
struct host_write {
    struct spy__stream *stream;
    size_t done;
};

static void write_guarded(void *arg)
{
    struct host_write *w = arg;
    w->done = spy__stream_write(w->stream, "x\n", 2, never, NULL);
}

static size_t write_as_host(struct spy__stream *stream)
{
    struct host_write w = { stream, 99 };
    spy__stream_guard(write_guarded, &w);
    return w.done;
}

// The pipe has no reader: the signal's default action would end this program.
static void a_broken_pipe_does_not_kill_the_host(void **state)
{
    (void)state;
    int ends[2];
    struct spy__stream stream;
    script = NULL;
    spy__stream_init(&stream, new_pipe(ends));
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(write_as_host(&stream), 0);

    sigset_t pipe_only, pending, mask;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_false(sigismember(&mask, SIGPIPE));

    // One that the host has pending itself stays pending.
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    assert_int_equal(write_as_host(&stream), 0);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGPIPE));
    assert_int_equal(sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 }), SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
    close(ends[1]);
}

static void files_and_memory_never_block(void **state)
{
    (void)state;
    int ends[2], fd = memfd_create("stream", MFD_CLOEXEC);
    struct spy__stream stream;
    spy__stream_init(&stream, fd);
    assert_false(stream.can_block);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    spy__stream_init(&stream, null);
    assert_false(stream.can_block);
    close(null);
    spy__stream_init(&stream, new_pipe(ends));
    assert_true(stream.can_block);
    spy__stream_init(&stream, -1);
    assert_true(stream.can_block);
    assert_int_equal(spy__stream_write(&stream, "x\n", 2, third_time, &(int){ 0 }), 0);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_interrupted_writes_go_on),
        cmocka_unit_test(a_torn_line_is_ended_before_the_next),
        cmocka_unit_test(errors_end_it),
        cmocka_unit_test(a_stuck_pipe_is_given_up),
        cmocka_unit_test(a_broken_pipe_does_not_kill_the_host),
        cmocka_unit_test(files_and_memory_never_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
