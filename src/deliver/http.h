// The library's HTTP client: one GET at a time for each caller, on libcurl. The only file that
// knows libcurl.
//
// No redirect is followed, no cookie, netrc file or proxy of the environment is used, and nothing
// is sent but what the URL says. libcurl is initialised once and never torn down under a caller.
// Threads: any.
#ifndef DELIVER_HTTP_H
#define DELIVER_HTTP_H

#include "base/buf.h"

// Fetches url (http or https) into body, up to the buffer's maximum, within timeout_ms. The call
// ends soon after *stop, an atomic, is not 0; NULL for none. Returns 0 with *ret_status (any HTTP
// status), or -EINVAL (url), -ECONNREFUSED, -EHOSTUNREACH (a name that does not resolve, no route),
// -ETIMEDOUT, -EMSGSIZE (a body past the maximum), -ECANCELED (stop), -EPROTO (no HTTP answer, TLS
// that fails) or -ENOMEM. What body then holds is of no use.
int spy__http_get(const char *url, unsigned timeout_ms, const int *stop, long *ret_status,
                  struct spy__buf *body);

#endif
