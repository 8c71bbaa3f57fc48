// The library's HTTP client, on libcurl: one exchange at a time for a caller that waits, and the
// delivery engine's transport. The only file that knows libcurl.
//
// No redirect is followed, no cookie or netrc file is used, and nothing is sent but what the caller
// says. libcurl is initialised once and never torn down under a caller.
// Threads: any.
#ifndef DELIVER_HTTP_H
#define DELIVER_HTTP_H

#include "base/buf.h"
#include "deliver/backend.h"
#include "deliver/transport.h"

#define SPY__HTTP_LINES_MAX 64
#define SPY__HTTP_HEAD_BYTES_MAX (64u << 10)
#define SPY__HTTP_ERROR_MAX 128
#define SPY__HTTP_CONNECT_MS 5000u
// Of an answer's body in the engine: half of it the first bytes, half the last.
#define SPY__HTTP_BODY_KEPT (64u << 10)

// Fetches url (http or https; through no proxy) into body, up to the buffer's maximum, within timeout_ms. The call
// ends soon after *stop, an atomic, is not 0; NULL for none. Returns 0 with *ret_status (any HTTP
// status), or -EINVAL (url), -ECONNREFUSED, -EHOSTUNREACH (a name that does not resolve, no route),
// -ETIMEDOUT, -EMSGSIZE (a body past the maximum), -ECANCELED (stop), -EPROTO (no HTTP answer, TLS
// that fails) or -ENOMEM. What body then holds is of no use.
int spy__http_get(const char *url, unsigned timeout_ms, const int *stop, long *ret_status,
                  struct spy__buf *body);

// What came back of a POST.
struct spy__http_reply {
    bool may_cut;               // a body past the maximum ends there, and is no failure
    bool cut;                   // it was
    struct spy__buf head, body; // head: header lines, a NUL behind each
    const char *lines[SPY__HTTP_LINES_MAX];
    char error[SPY__HTTP_ERROR_MAX];
};
void spy__http_reply_init(struct spy__http_reply *reply, size_t body_bytes_max);
void spy__http_reply_done(struct spy__http_reply *reply);

// Where a POST goes, and as whom.
struct spy__http_server {
    const char *base; // "http://HOST:PORT"
    struct spy__tls tls;
};

// Sends the request's path behind the server's base with the body as it is (the request's encoding
// is not looked at), through the proxy that the environment names, but to a server on this machine
// through none, and fills in *ret, which borrows from the reply: also where nothing came back. *stop
// as above.
void spy__http_post(struct spy__answer *ret, struct spy__http_reply *reply,
                    const struct spy__http_server *server, const struct spy__request *request,
                    const struct spy__buf *body, const int *stop);

// ---- the engine's transport (deliver/transport.h)
//
// Connections are kept and used again. A certificate is always checked. Proxies are those that the
// environment names (https_proxy, no_proxy and their kin), but none for a server on this machine.

struct spy__http;

// With so many slots. Returns 0 or -ENOMEM.
int spy__http_open(struct spy__http **ret, unsigned slots);
// What is on its way ends. NULL is fine. In a forked child, which shares its parent's connections:
// does nothing.
void spy__http_close(struct spy__http *http);
struct spy__transport spy__http_transport(struct spy__http *http);

#endif
