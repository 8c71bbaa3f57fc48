// ClickHouse's HTTP interface over the engine: what it offers is in the program's --help.
//
// Each connection has a thread, which waits while the engine works. Loopback alone: the address, the
// Host and Origin headers, and no proxy between.
#ifndef EVENTS_HTTP_H
#define EVENTS_HTTP_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "tools/events/work.h"

struct events_http {
    struct events_work *work;
    struct MHD_Daemon *daemon;
    unsigned requests_max;
    atomic_uint active;   // requests between their first byte and their answer's last
    atomic_bool stopping; // whoever comes is sent away
};

// Starts to listen; *ret_port is the port. False: errno tells why.
bool events_http_start(struct events_http *http, struct events_work *work,
                       const struct sockaddr_storage *address, unsigned *ret_port);
// Lets running requests end for as long as given; false where some did not.
bool events_http_drain(struct events_http *http, unsigned timeout_ms);
// Closes all connections; no request runs by now.
void events_http_stop(struct events_http *http);

#endif
