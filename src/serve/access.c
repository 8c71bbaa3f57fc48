#include "serve/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

// Splits "HOST[:PORT]" into a host of at most max - 1 bytes, brackets off, and its port: -1 where
// there is none. Returns false for what is neither. `*ret_ipv6` tells of brackets.
static bool split(const char *text, char *host, size_t max, bool *ret_ipv6, int *ret_port)
{
    const char *end, *rest;
    *ret_ipv6 = text[0] == '[';
    if (*ret_ipv6) {
        text++;
        end = strchr(text, ']');
        rest = end ? end + 1 : NULL;
    } else {
        end = text + strcspn(text, ":");
        rest = end;
    }
    if (!end || end == text || (size_t)(end - text) >= max) {
        return false;
    }
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';

    *ret_port = -1;
    if (*rest == '\0') {
        return true;
    }
    if (*rest++ != ':') {
        return false;
    }
    size_t digits = strspn(rest, "0123456789");
    if (digits == 0 || digits > 5 || rest[digits] != '\0') {
        return false;
    }
    int port = 0;
    for (size_t i = 0; i < digits; i++) {
        port = port * 10 + (rest[i] - '0');
    }
    *ret_port = port;
    return port <= UINT16_MAX;
}

int spy__address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char host[INET6_ADDRSTRLEN];
    bool ipv6;
    int port;
    struct sockaddr_in in4 = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    if (!split(text, host, sizeof(host), &ipv6, &port) || port < 0) {
        return -EINVAL;
    }
    if (ipv6 && inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        in6.sin6_port = htons((uint16_t)port);
        memset(ret, 0, sizeof(*ret));
        memcpy(ret, &in6, sizeof(in6));
        *ret_len = sizeof(in6);
        return 0;
    }
    if (!ipv6 && inet_pton(AF_INET, strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                           &in4.sin_addr) == 1) {
        in4.sin_port = htons((uint16_t)port);
        memset(ret, 0, sizeof(*ret));
        memcpy(ret, &in4, sizeof(in4));
        *ret_len = sizeof(in4);
        return 0;
    }
    return -EINVAL;
}

static bool is_loopback4(uint32_t network_order)
{
    return ntohl(network_order) >> 24 == 127;
}

bool spy__address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof(in4));
        return is_loopback4(in4.sin_addr.s_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        uint32_t mapped;
        memcpy(&in6, address, sizeof(in6));
        memcpy(&mapped, in6.sin6_addr.s6_addr + 12, sizeof(mapped));
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && is_loopback4(mapped));
    }
    return false;
}

bool spy__host_is_loopback(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    bool ipv6;
    int port;
    struct in_addr in4;
    struct in6_addr in6;
    if (!split(text, host, sizeof(host), &ipv6, &port)) {
        return false;
    }
    if (ipv6) {
        return inet_pton(AF_INET6, host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
    }
    return strcasecmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &in4) == 1 && is_loopback4(in4.s_addr));
}

bool spy__header_is_forwarding(const char *name)
{
    static const char x_forwarded[] = "X-Forwarded";
    return strcasecmp(name, "Forwarded") == 0 || strcasecmp(name, "Via") == 0 ||
           strncasecmp(name, x_forwarded, sizeof(x_forwarded) - 1) == 0;
}

// The time taken tells the length of `given`, and nothing of `token`.
static bool equal_in_constant_time(const char *given, size_t given_len, const char *token)
{
    size_t token_len = strlen(token);
    volatile unsigned char difference = given_len != token_len;
    for (size_t i = 0; i < given_len; i++) {
        difference =
            (unsigned char)(difference | (given[i] ^ token[token_len > 0 ? i % token_len : 0]));
    }
    return difference == 0;
}

static bool has_token(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    const char *given = authorization + sizeof(scheme) - 1;
    given += strspn(given, " ");
    return equal_in_constant_time(given, strlen(given), token);
}

// Whether the Origin header (https://www.rfc-editor.org/rfc/rfc6454#section-7) names another server than
// the one that the request was sent to.
static bool is_foreign_origin(const struct spy__access_request *request)
{
    if (!request->origin) {
        return false; // no browser
    }
    const char *server = strstr(request->origin, "://");
    return !server || !request->host || strcasecmp(server + 3, request->host) != 0;
}

enum spy__access spy__access_check_change(const struct spy__access_request *request,
                                          const char *token)
{
    if (is_foreign_origin(request)) {
        return SPY__ACCESS_FORBIDDEN;
    }
    if (request->peer && request->peer->sa_family == AF_UNIX) {
        return SPY__ACCESS_GRANTED;
    }
    if (!token || token[0] == '\0') {
        return SPY__ACCESS_FORBIDDEN;
    }
    return has_token(request->authorization, token) ? SPY__ACCESS_GRANTED
                                                    : SPY__ACCESS_TOKEN_WANTED;
}

enum spy__access spy__access_check(const struct spy__access_request *request, const char *token)
{
    if (request->peer && spy__address_is_loopback(request->peer) && request->host &&
        spy__host_is_loopback(request->host) && !request->forwarded) {
        return SPY__ACCESS_GRANTED;
    }
    if (!token || token[0] == '\0') {
        return SPY__ACCESS_FORBIDDEN;
    }
    return has_token(request->authorization, token) ? SPY__ACCESS_GRANTED
                                                    : SPY__ACCESS_TOKEN_WANTED;
}

enum spy__access spy__access_check_post(const struct spy__access_request *request,
                                        const char *token)
{
    return is_foreign_origin(request) ? SPY__ACCESS_FORBIDDEN : spy__access_check(request, token);
}
