// The lock that keeps a second process out of the state directory.

#include "record/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int take_lock(struct spy__state_dir *ret, int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        ret->lock_fd = fd;
        return 0;
    }
    int err = errno;
    if (err != EAGAIN && err != EACCES) {
        return -err;
    }
    lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        ret->held_by = lock.l_pid;
    }
    return -EBUSY;
}

int spy__state_dir_open(struct spy__state_dir *ret, const char *path)
{
    struct spy__state_dir dir = { .lock_fd = -1 };
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int err = 0;
    int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        err = -errno;
    }
    close(dir_fd);
    if (err == 0) {
        err = take_lock(&dir, fd);
        if (err != 0) {
            close(fd);
        }
    }
    *ret = dir;
    return err;
}

void spy__state_dir_close(struct spy__state_dir *dir)
{
    if (dir->lock_fd >= 0) {
        close(dir->lock_fd);
        dir->lock_fd = -1;
    }
}
