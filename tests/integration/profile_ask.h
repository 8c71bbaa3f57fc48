// Asking for the profile of a request, as a client on this machine does.
#ifndef TESTS_PROFILE_ASK_H
#define TESTS_PROFILE_ASK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <spyglass/http.h>

static inline int profile_ask(struct spy_http *http, const char *value)
{
    const struct sockaddr_in peer = { .sin_family = AF_INET,
                                      .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return spy_http_profile(http,
                            &(struct spy_http_profile_ask){ .who = SPY_HTTP_PROFILES_LOOPBACK,
                                                            .value = value,
                                                            .peer = (const struct sockaddr *)&peer,
                                                            .host = "127.0.0.1" });
}

#endif
