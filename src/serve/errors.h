// What the page's room of errors shows: groups of errors with their stacks, as JSON.
//
//     {"release":"1.2.3","environment":"production","groups":[{"key":"00c0ffee00c0ffee","type":"timeout",
//       "message":"no answer","place":"agent router","count":3,"first_seen":"2026-…Z",
//       "last_seen":"2026-…Z","correlation_id":"…","trace_id":"…","event_id":"…",
//       "stack":[{"function":"…","file":"…","line":12,"address":"0x…","module":"…","in_app":true}]}]}
//
// The last seen group comes first; message and ids are those of its last error. A stack's innermost frame comes first.
//
// Threads: any.
#ifndef SERVE_ERRORS_H
#define SERVE_ERRORS_H

#include "base/buf.h"

// Groups of one answer end after so many bytes.
#define SPY__ERRORS_BYTES (2u << 20)

// Appends it. Returns 0, -ENOENT where no errors are kept, or -ENOMEM.
int spy__errors_list(struct spy__buf *out);

#endif
