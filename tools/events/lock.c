#include "tools/events/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Who has it, as the owner wrote it; 0: not told.
static long owner_of(int fd)
{
    char text[32] = { 0 };
    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

static bool write_owner(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

// A lock of the open file description: closing some other descriptor of the file, as a library
// might, does not give it back.
static bool take(int fd, const char *folder, char *why, size_t why_bytes)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) {
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) {
        snprintf(why, why_bytes, "%s is in use by process %ld", folder, owner_of(fd));
    } else {
        snprintf(why, why_bytes, "cannot lock %s: %s", folder, strerror(errno));
    }
    return false;
}

bool events_lock(const char *folder, char *why, size_t why_bytes)
{
    char path[4352];
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        snprintf(why, why_bytes, "cannot make %s: %s", folder, strerror(errno));
        return false;
    }
    snprintf(path, sizeof(path), "%s/" EVENTS_LOCK_FILE, folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(why, why_bytes, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    if (!take(fd, folder, why, why_bytes)) {
        close(fd);
        return false;
    }
    if (!write_owner(fd)) {
        snprintf(why, why_bytes, "cannot write %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}
