#include "memegen/api/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Splits "HOST:PORT" at its last colon; takes the brackets off an IPv6 address.
static int split(const char *listen_on, char host[256], char port[8])
{
    const char *colon = strrchr(listen_on, ':');
    size_t n = colon ? (size_t)(colon - listen_on) : 0;

    if (n == 0 || n >= 256 || strlen(colon + 1) == 0 || strlen(colon + 1) >= 8) {
        return -EINVAL;
    }
    if (listen_on[0] == '[' && listen_on[n - 1] == ']') {
        listen_on++;
        n -= 2;
    }
    memcpy(host, listen_on, n);
    host[n] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return 0;
}

// What the socket is really bound to.
static int describe(int fd, char *address, size_t address_size)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char host[NI_MAXHOST], port[8];

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        return -errno;
    }
    if (getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return -EINVAL;
    }
    snprintf(address, address_size, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

static int open_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int error;

    if (fd < 0) {
        return -errno;
    }
    // A port whose last connections still linger is free for us; one that is listened on is not.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int listen_open(const char *listen_on, char *address, size_t address_size, char *error,
                size_t error_size)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *infos;
    char host[256], port[8];
    int fd, code;

    if (split(listen_on, host, port) != 0) {
        snprintf(error, error_size, "The address \"%s\" is not HOST:PORT.", listen_on);
        return -EINVAL;
    }
    code = getaddrinfo(host, port, &hints, &infos);
    if (code != 0) {
        snprintf(error, error_size, "The address \"%s\" cannot be listened on: %s.", listen_on,
                 gai_strerror(code));
        return -EINVAL;
    }
    fd = open_one(infos);
    freeaddrinfo(infos);
    code = fd < 0 ? fd : describe(fd, address, address_size);
    if (code == -EADDRINUSE) {
        snprintf(error, error_size,
                 "The address %s is in use by another program; choose another with --listen or "
                 "MEMEGEN_LISTEN.",
                 listen_on);
    } else if (code) {
        snprintf(error, error_size, "The address %s cannot be listened on: %s.", listen_on,
                 strerror(-code));
    }
    if (code && fd >= 0) {
        close(fd);
    }
    return code ? code : fd;
}
