#include "base/reserve.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

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
