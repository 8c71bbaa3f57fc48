#include "tools/events/chdb.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__aarch64__)
#define CHDB_PACKAGE "lib-linux-arm64-gnu"
#else
#define CHDB_PACKAGE "lib-linux-x64-gnu"
#endif
// Where npm unpacks it, by script/setup.
static const char unpacked[] =
    EVENTS_SOURCE_DIR "/.deps/npm/node_modules/@chdb/" CHDB_PACKAGE "/libchdb.so";

// dlsym gives an object's address; POSIX has it read as a function's.
static bool find(void *library, const char *name, void *ret_function)
{
    void *address = dlsym(library, name);
    memcpy(ret_function, &address, sizeof(address));
    return address != NULL;
}

// The name of a function that is not there, or NULL.
static const char *find_all(struct chdb *c)
{
    const struct {
        const char *name;
        void *to;
    } functions[] = {
        { "chdb_set_signal_handlers_enabled", &c->set_signal_handlers_enabled },
        { "chdb_connect", &c->connect },
        { "chdb_close_conn", &c->close_conn },
        { "chdb_shutdown", &c->shutdown },
        { "chdb_query_with_params_n", &c->query_with_params_n },
        { "chdb_stream_insert_with_params_n", &c->stream_insert_with_params_n },
        { "chdb_stream_append", &c->stream_append },
        { "chdb_stream_done", &c->stream_done },
        { "chdb_stream_insert_error", &c->stream_insert_error },
        { "chdb_destroy_insert_stream", &c->destroy_insert_stream },
        { "chdb_result_buffer", &c->result_buffer },
        { "chdb_result_length", &c->result_length },
        { "chdb_result_error", &c->result_error },
        { "chdb_result_elapsed", &c->result_elapsed },
        { "chdb_result_rows_read", &c->result_rows_read },
        { "chdb_result_bytes_read", &c->result_bytes_read },
        { "chdb_result_storage_rows_read", &c->result_storage_rows_read },
        { "chdb_result_storage_bytes_read", &c->result_storage_bytes_read },
        { "chdb_result_rows_written", &c->result_rows_written },
        { "chdb_result_bytes_written", &c->result_bytes_written },
        { "chdb_destroy_query_result", &c->destroy_query_result },
        { "chdb_classify_query_n", &c->classify_query_n },
    };
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (!find(c->library, functions[i].name, functions[i].to)) {
            return functions[i].name;
        }
    }
    return NULL;
}

bool chdb_load(struct chdb *ret, char *why, size_t why_bytes)
{
    struct chdb found = { 0 };
    const char *named = getenv("SPY_LIBCHDB");
    const char *path = named && *named ? named : unpacked;
    if (access(path, R_OK) != 0) {
        snprintf(why, why_bytes,
                 "%s is not there: script/setup brings libchdb.so, or SPY_LIBCHDB names another",
                 path);
        return false;
    }
    found.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!found.library) {
        snprintf(why, why_bytes, "%s", dlerror());
        return false;
    }
    const char *missing = find_all(&found);
    if (missing) {
        snprintf(why, why_bytes, "%s has no %s: this program wants chdb 26.7 or newer", path,
                 missing);
        return false;
    }
    *ret = found;
    return true;
}
