#include "base/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int spy__reserve(int fd, size_t bytes)
{
    sigset_t ours, before, old, now;
    sigemptyset(&ours);
    sigaddset(&ours, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &ours, &old);
    sigpending(&before);
    int err = posix_fallocate(fd, 0, (off_t)bytes);
    sigpending(&now);
    if (sigismember(&now, SIGXFSZ) && !sigismember(&before, SIGXFSZ)) {
        sigtimedwait(&ours, NULL, &(struct timespec){ 0 });
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -err;
}

int spy__reserve_open(int dir_fd, const char *name, const char *new_name, size_t bytes,
                      bool *ret_new)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *ret_new = false;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)bytes) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    *ret_new = true;
    if (unlinkat(dir_fd, new_name, 0) != 0 && errno != ENOENT) {
        return -errno;
    }
    fd = openat(dir_fd, new_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd : -errno;
}

bool spy__reserve_populate(void *at, size_t bytes)
{
    return madvise(at, bytes, MADV_POPULATE_WRITE) == 0;
}
