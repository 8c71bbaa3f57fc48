// What `?profile=` costs a request that does not ask for it.
#ifndef BENCH_PROFILE_UNUSED_H
#define BENCH_PROFILE_UNUSED_H

// Requests over loopback with a query of two other values, through the middleware for
// libmicrohttpd: CPU time of the whole process, client included, with `profiles` on and off.
void profile_unused(void);

#endif
