#include "deliver/dead_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *dir, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/dead_letters", dir);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    n = snprintf(path, sizeof(path), "%s/dead_letters/%s.jsonl", dir, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

// Ends a line that a kill or a full disk cut. Returns a negative errno.
static int end_torn(int fd, off_t size)
{
    char last;
    if (size == 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n')) {
        return 0;
    }
    return write(fd, "\n", 1) == 1 ? 0 : -errno;
}

static int append(int fd, const void *bytes, size_t n, size_t bytes_max)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return -errno;
    }
    if ((size_t)st.st_size > bytes_max || n > bytes_max - (size_t)st.st_size) {
        return -EFBIG;
    }
    int err = end_torn(fd, st.st_size);
    if (err != 0) {
        return err;
    }
    ssize_t written = write(fd, bytes, n);
    if (written == (ssize_t)n) {
        return 0;
    }
    err = written < 0 ? -errno : -ENOSPC;
    (void)ftruncate(fd,
                    st.st_size); // part of a line helps nobody; where it stays, it is ended later
    return err;
}

int spy__dead_letters_add(const char *dir, const char *name, const void *bytes, size_t n,
                          size_t bytes_max)
{
    int fd = open_file(dir, name);
    if (fd < 0) {
        return fd;
    }
    int err = append(fd, bytes, n, bytes_max);
    return close(fd) == 0 ? err : (err ? err : -errno);
}
