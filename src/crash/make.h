// The crash file of this start: made, mapped, and given up.
#ifndef CRASH_MAKE_H
#define CRASH_MAKE_H

#include <stdint.h>

// Makes the file anew, or uses again what lies there, empty, and maps it. Every block and page of it
// is there when this returns: the handler needs neither disk space nor memory. Returns 0 or a
// negative errno.
int spy__crash_make(unsigned char **ret, const char *state_dir, uint64_t run);
void spy__crash_unmap(unsigned char *file);

#endif
