// Writing to a descriptor that may be stuck; see the header.

#include "record/output/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 20
#define MEMORY_DEVICES                                                                             \
    1 // major number, https://www.kernel.org/doc/Documentation/admin-guide/devices.txt

void spy__stream_init(struct spy__stream *stream, int fd)
{
    struct stat st;
    *stream = (struct spy__stream){ .fd = fd };
    stream->can_block =
        fstat(fd, &st) != 0 ||
        !(S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && major(st.st_rdev) == MEMORY_DEVICES));
}

// True once the descriptor takes bytes, or has an error to tell; false when give_up said so.
static bool wait_writable(struct spy__stream *stream, bool (*give_up)(void *), void *arg)
{
    struct pollfd p = { .fd = stream->fd, .events = POLLOUT };
    for (;;) {
        int n = poll(&p, 1, 0);
        if (n == 0) {
            if (give_up(arg)) {
                stream->error = ETIMEDOUT;
                return false;
            }
            n = poll(&p, 1, POLL_MS);
        }
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            stream->error = errno;
            return false;
        }
    }
}

// One write(2), repeated while it would block or was interrupted. Returns bytes, or 0 after an
// error or give_up.
static size_t write_some(struct spy__stream *stream, const char *bytes, size_t n,
                         bool (*give_up)(void *), void *arg)
{
    // POSIX: a pipe that polls writable takes PIPE_BUF bytes at once.
    size_t piece = stream->can_block && n > PIPE_BUF ? PIPE_BUF : n;
    for (;;) {
        if (stream->can_block && !wait_writable(stream, give_up, arg)) {
            return 0;
        }
        ssize_t done = write(stream->fd, bytes, piece);
        if (done > 0) {
            return (size_t)done;
        }
        // EAGAIN: another process made the shared descriptor non-blocking.
        if (done == 0 || (errno != EINTR && errno != EAGAIN)) {
            stream->error = done == 0 ? EIO : errno;
            return 0;
        }
    }
}

size_t spy__stream_write(struct spy__stream *stream, const char *bytes, size_t n,
                         bool (*give_up)(void *), void *arg)
{
    stream->error = 0;
    if (stream->torn && write_some(stream, "\n", 1, give_up, arg) == 0) {
        return 0;
    }
    stream->torn = false;
    size_t done = 0;
    while (done < n) {
        size_t some = write_some(stream, bytes + done, n - done, give_up, arg);
        if (some == 0) {
            break;
        }
        done += some;
    }
    stream->torn = done > 0 && bytes[done - 1] != '\n';
    return done;
}

void spy__stream_guard(void (*fn)(void *), void *arg)
{
    // A signal raised by write(2) is the thread's own: blocked before, it is taken back after,
    // unless the host had one pending of its own.
    sigset_t ours, before, old, now;
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &ours, &old);
    sigpending(&before);

    fn(arg);

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
}
