// A profile as speedscope's file (https://www.speedscope.app/file-format-schema.json): one "sampled"
// profile for each thread, in the order of time.
//
// Pure function of its arguments.
#ifndef ENCODE_SPEEDSCOPE_H
#define ENCODE_SPEEDSCOPE_H

#include "base/buf.h"
#include "profile/profile.h"

// With `waited`, waiting is in it too. Returns 0 or -ENOMEM (also: past the maximum of out).
int spy__encode_speedscope(struct spy__buf *out, const struct spy__profile *profile,
                           const char *name, bool waited);

#endif
