// What a backend is to the delivery engine (deliver/engine.h): a way from records to a request, and
// from an answer to a verdict. It does no I/O of its own and starts no thread.
//
// The engine first sends what prepare() asks for (a version probe, migrations), until there is
// nothing more; then batches of the journal's records, each to its verdict. A batch is encoded again
// for each attempt, also in another process after a crash: the same records must give the same bytes
// under the same token, or a server that deduplicates cannot.
//
// Threads: the delivery thread alone, one request at a time.
#ifndef DELIVER_BACKEND_H
#define DELIVER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SPY__REQUEST_PATH_MAX 2048
#define SPY__REQUEST_HEADERS_MAX 8
#define SPY__REQUEST_HEADER_BYTES_MAX 512
#define SPY__TOKEN_MAX 96
#define SPY__REASON_MAX 256

// The records of one attempt, as the journal keeps them: their bytes are the backend's to read.
struct spy__delivery {
    const struct spy__bytes {
        const void *bytes;
        size_t n;
    } * records;
    size_t count;
    char token[SPY__TOKEN_MAX]; // names the journal and both ends of the range
};

enum spy__encoding {
    SPY__ENCODING_NONE,
    SPY__ENCODING_GZIP,
    SPY__ENCODING_ZSTD,
};

// A POST: this path with its query, behind the backend's base; the body is sent beside it.
struct spy__request {
    char path[SPY__REQUEST_PATH_MAX];
    // "Name: value" each; they may hold secrets, and are never printed.
    char headers[SPY__REQUEST_HEADERS_MAX][SPY__REQUEST_HEADER_BYTES_MAX];
    size_t header_count;
    enum spy__encoding encoding; // the engine compresses the body so, and says so in a header
    unsigned timeout_ms;         // of the whole exchange; the engine has a least one of its own
};

// What came back. Strings are borrowed; headers are as the server sent them, NUL-terminated lines
// without their ends.
struct spy__answer {
    long status; // 0: none came (refused, reset, timed out, cut short)
    const char *const *headers;
    size_t header_count;
    const char *body; // the first bytes of it, and its last ones where it was longer
    size_t body_bytes;
    const char *error; // where status is 0: what happened, in words
};

// The value of a header, without blanks before it; NULL for none. Names are compared whatever their
// case.
const char *spy__answer_header(const struct spy__answer *answer, const char *name);

enum spy__verdict_kind {
    SPY__SENT,
    SPY__RETRY, // the same again, later
    SPY__SPLIT, // each half on its own; where only one record is left, it is a DROP
    SPY__DROP,  // never to be sent
};

struct spy__verdict {
    enum spy__verdict_kind kind;
    unsigned after_ms;          // RETRY: not before; 0 leaves it to the engine's back-off
    const char *reason;         // a static snake_case word, for metrics; "" for SENT
    char text[SPY__REASON_MAX]; // what the server said, cut; no secrets
};

// What the server said in n bytes, as one line of printable text.
void spy__verdict_put_text(struct spy__verdict *verdict, const char *text, size_t n);

// Beside what the system trusts; paths of PEM files, NULL for none.
struct spy__tls {
    const char *ca;   // these authorities instead of the system's
    const char *cert; // ours, for a server that asks for one
    const char *key;  // its key, where it is not in the same file
};

struct spy__backend {
    const char *name; // of its reader and in metrics: [a-z0-9_-]
    const char *base; // "http://HOST:PORT", without secrets
    struct spy__tls tls;
    void *self;
    uint32_t kinds;   // 1u << each enum spy__kind that it takes
    size_t rows_max;  // of a batch
    size_t bytes_max; // of a batch's records
    unsigned age_ms;  // a batch is closed when its first record is that old
    // Asks what must be sent before any batch: 1 with *ret and body filled, or 0 when it is ready.
    // NULL: always ready.
    int (*prepare)(void *self, struct spy__request *ret, struct spy__buf *body);
    // The answer to that: SENT, or RETRY the same later.
    struct spy__verdict (*prepared)(void *self, const struct spy__answer *answer);
    // When prepare() is to be asked, on the monotonic clock, whether or not a record waits; UINT64_MAX
    // for never. `ending`: nothing can be sent much later. NULL: before any batch.
    uint64_t (*due_ns)(void *self, bool ending);
    // Whether a batch needs no request, and what its verdict is (SENT or DROP). Asked before each
    // try. NULL: each needs one.
    bool (*pass_over)(void *self, const struct spy__delivery *delivery, struct spy__verdict *ret);
    // A batch as bytes. Returns the number of records that are in them (the others cannot be read),
    // or -ENOMEM, also where they have no room in the body: then each half is asked for. One record
    // always has.
    int (*encode)(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                  struct spy__request *ret);
    struct spy__verdict (*judge)(void *self, const struct spy__answer *answer);
    // Appends what is kept of a delivery that is dropped: lines for people to read, with the reason.
    // Returns as encode(). NULL: nothing is kept.
    int (*bury)(void *self, const struct spy__delivery *delivery,
                const struct spy__verdict *verdict, struct spy__buf *ret);
};

#endif
