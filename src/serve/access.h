// Who may use the admin server: pure functions over what a request brought.
//
// The door is open to whoever is on this machine, and to whoever knows the token. "On this machine"
// takes more than a loopback peer: a reverse proxy on the same host is one too, on behalf of
// anyone, and so is a browser whose page rebinds its name to 127.0.0.1. So the Host header must
// name loopback as well, and no header of a proxy may be there.
#ifndef SERVE_ACCESS_H
#define SERVE_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct spy__access_request {
    const struct sockaddr *peer;
    const char *host;          // NULL where the header is absent or came twice
    const char *authorization; // NULL where the header is absent or came twice
    const char *origin;        // NULL where the header is absent, "" where it came twice
    bool forwarded;            // some header is spy__header_is_forwarding()
};

enum spy__access {
    SPY__ACCESS_GRANTED,
    SPY__ACCESS_TOKEN_WANTED, // 401
    SPY__ACCESS_FORBIDDEN,    // 403: there is no token that could help
};

// token is NULL or "" where none is configured.
enum spy__access spy__access_check(const struct spy__access_request *request, const char *token);

// Who may change something: whoever knows the token, and whoever is on the other end of a Unix
// socket, but no page of another origin. The door alone is not enough: whatever runs on this machine
// may look, and none may touch.
enum spy__access spy__access_check_change(const struct spy__access_request *request,
                                          const char *token);

// Who may look by a request that a page of another origin could make without asking first: the door,
// but no such page.
enum spy__access spy__access_check_post(const struct spy__access_request *request,
                                        const char *token);

// Whether the header tells of a proxy: Forwarded (RFC 7239), Via (RFC 9110), X-Forwarded-…
bool spy__header_is_forwarding(const char *name);
// Whether a Host header names this machine: localhost, 127.0.0.0/8 or [::1], with or without a
// port.
bool spy__host_is_loopback(const char *host);
bool spy__address_is_loopback(const struct sockaddr *address);

// "HOST:PORT" → *ret, *ret_len. HOST is a numeric IPv4 address, a numeric IPv6 address in brackets,
// or "localhost" (127.0.0.1). Returns 0 or -EINVAL.
int spy__address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len);

#endif
