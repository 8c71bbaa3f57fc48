// Disk space for a file that is going to be mapped.
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

// Gives the file all its blocks: a hole in it would end its host by SIGBUS once the disk is full. A
// limit on file sizes is an error here, not a signal. Returns 0 or a negative errno. Threads: any.
int spy__reserve(int fd, size_t bytes);

// Opens the file `name` of an earlier start where it is an ordinary one of that size, else makes one
// called `new_name`, which is the caller's to rename once it is good; *ret_new says which. Returns a
// descriptor, or a negative errno. Threads: one at a time in a directory.
int spy__reserve_open(int dir_fd, const char *name, const char *new_name, size_t bytes,
                      bool *ret_new);

// Has all pages of a mapping there at once. False: the kernel cannot (before Linux 5.14). Threads:
// any.
bool spy__reserve_populate(void *at, size_t bytes);

#endif
