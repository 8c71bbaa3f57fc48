// The admin server, on a port of its own: /metrics, /healthz and /readyz for machines, / for
// people.
//
// A thread a connection (at most ADMIN_CONNECTIONS_MAX), so that a slow scraper stands in nobody's
// way; all of them, and the one that accepts, block all signals. Four scrapes run at once, the rest
// wait for their own timeout, then get 503. Who may ask is decided in serve/access.h.
#ifndef SERVE_ADMIN_H
#define SERVE_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/profile.h"
#include "serve/proxy.h"
#include "serve/sql.h"

struct spy__admin;

struct spy__admin_options {
    const char *address; // "HOST:PORT": a numeric IPv4 address, a numeric IPv6 one in brackets, or
                         // localhost
    const char *token;   // bearer token, NULL or "" for none; copied
    bool (*ready)(void); // answers /readyz; NULL: always
    const char *prometheus_url; // where the page's questions go, NULL or "" for nowhere; copied
    spy__fetch *fetch;          // carries them; NULL: they are answered 501
    spy__sql_ask *ask; // carries its SQL to ClickHouse, by `asker`; NULL: it is answered 501
    void *asker;       // borrowed until the stop
    spy__profile_write *write_profile; // writes profiles for people; NULL: there are none
    spy__profile_find *find_report;    // of requests; NULL: none is kept
};

// Enough for any sentence of spy__admin_start().
#define SPY__ADMIN_ERROR_MAX 256

// Starts the server, returns it in *ret. 0 or -EINVAL (address), -EADDRINUSE, -EADDRNOTAVAIL,
// -EACCES (beyond loopback without a token, or a port that needs privileges), -ENOMEM; on failure
// `error` is one English sentence and *ret is untouched.
int spy__admin_start(struct spy__admin **ret, const struct spy__admin_options *options,
                     char error[SPY__ADMIN_ERROR_MAX]);
// The port in use.
uint16_t spy__admin_port(const struct spy__admin *admin);
// Ends it: scrapes under way are cut off. NULL is a no-op.
void spy__admin_stop(struct spy__admin *admin);

#endif
