// A profile as folded stacks: "root;child;leaf 123", a line each, in microseconds, those of
// a heap profile in bytes in use; what flamegraph.pl and its kin read (https://github.com/brendangregg/FlameGraph).
//
// Pure function of its arguments.
#ifndef ENCODE_FOLDED_H
#define ENCODE_FOLDED_H

#include "base/buf.h"
#include "profile/profile.h"

// Of a profile that is compared with another the line has two numbers, as difffolded.pl -n writes them:
// first what was before, brought to the same sum, then what is now ("root;child;leaf 80 123").
//
// With `waited`, waiting is in it too. Control characters, ';' and what is no UTF-8 are written as
// '_'. Returns 0 or -ENOMEM (also: past the maximum of out).
int spy__encode_folded(struct spy__buf *out, const struct spy__profile *profile, bool waited);

#endif
