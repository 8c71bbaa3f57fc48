// CPU time in functions of known names, in the program or in a library of its own.
#ifndef PROFILE_BUSY_H
#define PROFILE_BUSY_H

// Uses so much of it in busy_inner(), which busy_outer() calls, which this one calls.
__attribute__((visibility("default"))) void profile_busy(unsigned ms);

#endif
