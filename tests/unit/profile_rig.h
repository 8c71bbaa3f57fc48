// A profile made by hand, for the tests of encoders: two threads, an operation that waited, a function
// that is inlined, a module without symbols, and names that nobody should trust.
//
// The CPU time of busy_a() is three times that of busy_b(): 300 and 100 ms.
#ifndef PROFILE_RIG_H
#define PROFILE_RIG_H

#include "profile/profile.h"

#define RIG_BUILD_ID "0123456789abcdef0123456789abcdef01234567"
#define RIG_HOSTILE "</script><script>alert(1)</script>;\"\\\n\xff"

// NULL without memory.
struct spy__profile *profile_rig_new(void);

#endif
