// A body as the server wants it: gzip or zstd. The same bytes in give the same bytes out.
//
// The state of either is made at its first use and kept. Threads: one at a time.
#ifndef DELIVER_COMPRESS_H
#define DELIVER_COMPRESS_H

#include "base/buf.h"
#include "deliver/backend.h"

struct spy__compress {
    void *gzip, *zstd; // NULL until used
};

// `to` becomes `from` in this encoding, which is not NONE. Returns 0 or -ENOMEM (also: past the
// maximum of `to`).
int spy__compress(struct spy__compress *c, enum spy__encoding encoding, const struct spy__buf *from,
                  struct spy__buf *to);
void spy__compress_done(struct spy__compress *c);

// "gzip" or "zstd", for Content-Encoding.
const char *spy__encoding_name(enum spy__encoding encoding);

#endif
