// The state directory: made if need be, and held by one process at a time.
//
// The guard is one POSIX record lock on the file `lock` in it: it ends with the process however
// that ends, and a forked child does not inherit it. The kernel drops it when the process closes
// any descriptor of that file, so nothing else may open the file.
#ifndef RECORD_STATE_DIR_H
#define RECORD_STATE_DIR_H

#include <stddef.h>
#include <sys/types.h>

struct spy__state_dir {
    int lock_fd;
    pid_t held_by; // after -EBUSY: who has it, 0 where the kernel does not say
};

// Makes the directory 0700 (its parent must exist) and takes the lock. Returns 0, -EBUSY (a live
// process holds it) or the negative errno of what failed.
int spy__state_dir_open(struct spy__state_dir *ret, const char *path);
void spy__state_dir_close(struct spy__state_dir *dir);

#endif
