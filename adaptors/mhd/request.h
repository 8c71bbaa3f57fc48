// What the adaptor's files share: the application and one request.
//
// A request belongs to libmicrohttpd's thread of its connection, but between spy_mhd_defer() and
// spy_mhd_answer(), where it belongs to the thread that works on it. libmicrohttpd's own lock,
// taken by suspending and by resuming, orders the two. Only libmicrohttpd's thread frees a request,
// in its completed callback.
#ifndef MHD_REQUEST_H
#define MHD_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "spyglass_mhd.h"

#include "spyglass/metrics.h"

struct spy_mhd {
    struct spy_mhd_options options;     // const after new
    struct MHD_OptionItem daemon[4];    // const after new
    struct spy_counter refused_timeout; // const after new, as the two below
    struct spy_counter refused_malformed;
    struct spy_counter refused_aborted;
    pthread_mutex_t mu;
    pthread_cond_t idle; // live fell to 0
    unsigned live;       // guarded by mu: requests begun and not completed
    bool closing;        // atomic, relaxed: a late reader keeps one connection a request longer
};

struct spy_mhd_request {
    struct spy_mhd *app;
    struct MHD_Connection *connection;
    const struct sockaddr *peer; // the connection's; NULL for none. Const after begin
    struct spy_http *http; // NULL before the headers are whole, and after its end was published
    const char *method;
    char *body;
    size_t body_len, body_cap;
    uint64_t received;    // bytes of the body so far, thrown away ones included
    uint64_t deadline_ns; // for the whole request to be here
    bool begun;           // the headers were whole
    bool deferred;
    bool answered;
    bool profiled;
    bool queued; // the answer was given to libmicrohttpd
    int status;
    struct MHD_Response *response; // NULL once queued
    const char *answer_bytes;
    size_t answer_len;
    void (*release)(void *arg);
    void *release_arg;
    void *data;
    char *error_body;  // JSON of an answer of the adaptor's own
    const char *query; // raw; NULL for none
    char path[];       // raw, the query behind it
};

// incoming.c
//
// What the headers say of who calls. Borrows from the connection, and owns what had to be joined.
struct mhd_incoming {
    struct spy_incoming ids;
    char *tracestate, *baggage;
    bool lost; // there was no memory to join one
};
void mhd_incoming_read(struct mhd_incoming *ret, struct MHD_Connection *connection);
void mhd_incoming_done(struct mhd_incoming *incoming);
// Tells of the headers, the query and the peer, as struct spy_http_request asks. Until the request was
// published libmicrohttpd changes none of them: any thread may read them.
spy_http_details_fn mhd_tell_details;

// profile.c
//
// Begins the profile that the request asks for with ?profile=, where it may. False: too many are under
// way. The context is attached.
bool mhd_profile_begin(struct spy_mhd_request *request);
// Where the request is profiled: ends that, and puts the report into *answer, whose own body is
// released then. `address` is borrowed by it.
void mhd_profile_answer(struct spy_mhd_request *request, struct spy_mhd_answer *answer,
                        struct spy_http_report *report);

// answer.c
//
// Answers with an error of the adaptor's own.
void mhd_answer_error(struct spy_mhd_request *request, int status);
// Hands the decided answer to libmicrohttpd. Returns MHD_NO where that failed: the connection
// closes.
enum MHD_Result mhd_queue_answer(struct spy_mhd_request *request);
// The request is decided but can no longer be answered by libmicrohttpd (it is in the middle of the
// upload, or timing out): publishes the request and writes the status to the socket by hand, as far
// as it takes it at once.
void mhd_answer_raw(struct spy_mhd_request *request, int status);
// Whether the client has closed its side.
bool mhd_client_is_gone(const struct spy_mhd_request *request);
// Publishes the request's records and counts; the first call alone does it.
void mhd_publish(struct spy_mhd_request *request);

#endif
