// The HTTP service: routes of docs/api.md over libmicrohttpd.
//
// libmicrohttpd's threads read requests, check them and answer everything but POST /memes; that one
// waits in the queue, deferred, until a worker answers it. Each request is measured and logged by
// the adaptor (spyglass_mhd.h).
#ifndef MEMEGEN_API_API_H
#define MEMEGEN_API_API_H

#include <stddef.h>
#include <stdint.h>

#include <spyglass/http.h>

#include "memegen/analytics/clickhouse.h"
#include "memegen/cache/cache.h"
#include "memegen/events.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/render/render.h"
#include "memegen/store/store.h"

struct api;

struct api_options {
    const char *listen;                  // HOST:PORT, port 0 for any
    const char *data_dir;                // its folder page/ is the page at /
    struct clickhouse_server clickhouse; // no analytics without its url
    size_t queue;                        // requests that may wait for a worker
    size_t workers;
    enum spy_http_profiles profiles; // who may have a request's
    const struct scenes *scenes;     // borrowed, as all below
    struct pipeline *pipeline;
    struct store *store;
    struct events *events; // may be NULL: none are published
    struct cache *cache;
};

// Listens, starts the workers, answers. Returns 0 or a negative errno; error then says what, in a
// sentence.
int api_start(struct api **ret, const struct api_options *options, char *error, size_t error_size);

// "127.0.0.1:8080", with the port that is really in use.
const char *api_address(const struct api *api);

// Stops accepting, makes and answers what was accepted, as far as it can within timeout_ms; the
// rest is answered with an error. Returns 0, and api is freed; or -ETIMEDOUT: a worker is stuck,
// nothing is freed and the process had better end.
int api_stop(struct api *api, unsigned timeout_ms);

#endif
