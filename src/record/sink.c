// Writing to a descriptor that may be stuck; see the header.

#include "record/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define POLL_MS 20

void spy__sink_init(struct spy__sink *sink, int fd)
{
    struct stat st;
    *sink = (struct spy__sink){ .fd = fd };
    sink->can_block = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
}

// True once the descriptor takes bytes, or has an error to tell; false when give_up said so.
static bool wait_writable(const struct spy__sink *sink, bool (*give_up)(void *), void *arg)
{
    struct pollfd p = { .fd = sink->fd, .events = POLLOUT };
    for (;;) {
        int n = poll(&p, 1, 0);
        if (n == 0) {
            if (give_up(arg)) {
                return false;
            }
            n = poll(&p, 1, POLL_MS);
        }
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
    }
}

// One write(2), repeated while it would block or was interrupted. Returns bytes, or 0 after an
// error or give_up.
static size_t write_some(const struct spy__sink *sink, const char *bytes, size_t n,
                         bool (*give_up)(void *), void *arg)
{
    // POSIX: a pipe that polls writable takes PIPE_BUF bytes at once.
    size_t piece = sink->can_block && n > PIPE_BUF ? PIPE_BUF : n;
    for (;;) {
        if (sink->can_block && !wait_writable(sink, give_up, arg)) {
            return 0;
        }
        ssize_t done = write(sink->fd, bytes, piece);
        if (done > 0) {
            return (size_t)done;
        }
        // EAGAIN: another process made the shared descriptor non-blocking.
        if (done == 0 || (errno != EINTR && errno != EAGAIN)) {
            return 0;
        }
    }
}

size_t spy__sink_write(struct spy__sink *sink, const char *bytes, size_t n, bool (*give_up)(void *),
                       void *arg)
{
    if (sink->torn && write_some(sink, "\n", 1, give_up, arg) == 0) {
        return 0;
    }
    sink->torn = false;
    size_t done = 0;
    while (done < n) {
        size_t some = write_some(sink, bytes + done, n - done, give_up, arg);
        if (some == 0) {
            break;
        }
        done += some;
    }
    sink->torn = done > 0 && bytes[done - 1] != '\n';
    return done;
}

static bool past(void *arg)
{
    const uint64_t *deadline_ns = arg;
    return spy__monotonic_ns() >= *deadline_ns;
}

size_t spy__sink_write_host(struct spy__sink *sink, const char *bytes, size_t n, unsigned wait_ms)
{
    // A signal raised by write(2) is the thread's own: blocked before, it is taken back after,
    // unless the host had one pending of its own.
    sigset_t ours, before, old, now;
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &ours, &old);
    sigpending(&before);

    uint64_t deadline_ns = spy__monotonic_ns() + (uint64_t)wait_ms * 1000000u;
    size_t done = spy__sink_write(sink, bytes, n, past, &deadline_ns);

    sigpending(&now);
    const int signals[] = { SIGPIPE, SIGXFSZ };
    for (size_t i = 0; i < 2; i++) {
        if (sigismember(&now, signals[i]) && !sigismember(&before, signals[i])) {
            sigset_t one;
            sigemptyset(&one);
            sigaddset(&one, signals[i]);
            sigtimedwait(&one, NULL, &(struct timespec){ 0 });
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return done;
}
