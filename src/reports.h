// A profile as something to read: the encoders, with what else the process knows of the request.
#ifndef REPORTS_H
#define REPORTS_H

#include "base/buf.h"
#include "base/wish.h"
#include "profile/profile.h"
#include "settings.h"

// Longest report.
#define SPY__REPORT_BYTES_MAX (32u << 20)

// Writes the profile in this form, and its type to *ret_type. `status` is that of the request's
// answer, 0 for none. pprof is gzipped where this build can. Returns 0 or -ENOMEM. Threads: any.
int spy__report_write(struct spy__buf *out, const struct spy__profile *profile,
                      const struct spy__wish *wish, const char *title, int status,
                      const char **ret_type);

// ---- of requests (?profile=)

// Where they are, followed by a correlation id.
#define SPY__REPORTS_PATH "/debug/profiles/"
// Most reports that are kept to be asked for on the admin port, and their bytes; the oldest go.
#define SPY__REPORTS_KEPT_MAX 32u
#define SPY__REPORTS_KEPT_BYTES_MAX (32u << 20)

// From here on requests may be profiled. Of the settings, those of the admin server; copied. After
// the sampler's start; `port` is 0 without an admin server.
void spy__reports_start(const struct spy__settings *settings, uint16_t port);
void spy__reports_stop(void);

// A kept report, the newest of this correlation id: copied to *out. Returns 0, -ENOENT or -ENOMEM.
// Threads: any.
int spy__reports_find(struct spy__buf *out, const char *id, const char **ret_type);

#endif
