// A profile as pprof's profile.proto
// (https://github.com/google/pprof/blob/main/proto/profile.proto), not compressed: its files
// usually are gzipped, its readers take both.
//
// Sample types are samples/count and cpu/nanoseconds; a wall profile has wall/nanoseconds too, which
// is the default then. Time waited has no CPU time; its innermost location is named
// "waiting: OPERATION". Equal samples are added up. Labels: operation, span, thread, thread_id.
//
// A heap profile has alloc_objects/count, alloc_space/bytes, inuse_objects/count and
// inuse_space/bytes, its default.
//
// Pure function of its arguments.
#ifndef ENCODE_PPROF_H
#define ENCODE_PPROF_H

#include "base/buf.h"
#include "profile/profile.h"

// Returns 0 or -ENOMEM (also: past the maximum of out).
int spy__encode_pprof(struct spy__buf *out, const struct spy__profile *profile);

#endif
