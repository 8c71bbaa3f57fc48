// Disk space for a file that is going to be mapped.
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include <stddef.h>

// Gives the file all its blocks: a hole in it would end its host by SIGBUS once the disk is full. A
// limit on file sizes is an error here, not a signal. Returns 0 or a negative errno. Threads: any.
int spy__reserve(int fd, size_t bytes);

#endif
