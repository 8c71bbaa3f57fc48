// A profile as something to read: the encoders, with what else the process knows of the request.
#ifndef REPORTS_H
#define REPORTS_H

#include "base/buf.h"
#include "base/wish.h"
#include "profile/profile.h"

// Longest report.
#define SPY__REPORT_BYTES_MAX (32u << 20)

// Writes the profile in this form, and its type to *ret_type. `status` is that of the request's
// answer, 0 for none. pprof is gzipped where this build can. Returns 0 or -ENOMEM. Threads: any.
int spy__report_write(struct spy__buf *out, const struct spy__profile *profile,
                      const struct spy__wish *wish, const char *title, int status,
                      const char **ret_type);

#endif
