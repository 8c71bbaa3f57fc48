// The engine of one data folder, and a session in it for each request.
//
// A session is a connection of its own: what its settings and its USE change ends with it, and a
// slow statement of one holds up no other. Opening one takes some 0.1 ms. One more connection stays
// open for as long as the engine lives: closing the last one would shut the engine down.
//
// The engine's user may do what happens inside of the data folder, and nothing that reads, writes or
// runs something elsewhere; time, memory and results have limits that a request may change up to a
// maximum. See engine_config.c and sandbox.h.
//
// Threads: any; a session has one owner at a time.
#ifndef EVENTS_ENGINE_H
#define EVENTS_ENGINE_H

#include "tools/events/chdb.h"
#include "tools/events/request.h"

struct events_engine {
    struct chdb chdb;
    chdb_connection *anchor;
    char path_arg[4200], config_arg[4200], users_arg[4200];
    int sandbox;                                       // 0, or why there is none: a negative errno
    char version[64], timezone[64], display_name[256]; // as the engine says them
};

struct events_session {
    struct events_engine *engine;
    chdb_connection *connection;
};

// What came of a statement. Done with events_answer_done.
struct events_answer {
    int code;    // ClickHouse's error code; 0: none
    char *error; // owned; NULL: none
    const char *bytes;
    size_t len;  // of the result
    char *owned; // NULL, or where these bytes are
    chdb_result *result;
    const struct chdb *chdb;
};

// Starts the engine on folder/engine, which is made; from then on the process is in a sandbox, where
// the kernel has one. The environment is forgotten. False, with a sentence in why, where it cannot.
bool events_engine_start(struct events_engine *engine, const char *folder, char *why,
                         size_t why_bytes);
// Every session is closed by now.
void events_engine_stop(struct events_engine *engine);
// Makes every statement that runs end with an error.
void events_engine_kill_queries(struct events_engine *engine);

bool events_session_open(struct events_session *session, struct events_engine *engine);
void events_session_close(struct events_session *session);

// Runs a statement whose text is all there is.
void events_session_query(struct events_session *session, struct events_text text,
                          struct events_text format, const struct events_pair *params,
                          size_t params_count, struct events_answer *ret);
// Runs "INSERT INTO …" without its FORMAT on data in that format, which may be any bytes.
void events_session_insert(struct events_session *session, struct events_text statement,
                           struct events_text format, const struct events_pair *params,
                           size_t params_count, struct events_text data, struct events_answer *ret);
// USE database, then SET of the settings; readonly comes before them, as for ClickHouse's GET. True,
// or false with the engine's error in *ret.
bool events_session_prepare(struct events_session *session, struct events_text database,
                            bool readonly, const struct events_pair *settings, size_t count,
                            struct events_answer *ret);
// Puts bytes of ours in the place of the result's; takes them.
void events_answer_replace(struct events_answer *answer, char *bytes, size_t len);

// An answer that is an error: text is "Code: N. DB::Exception: …".
void events_answer_error(struct events_answer *ret, const char *text);
void events_answer_done(struct events_answer *answer);

#endif
