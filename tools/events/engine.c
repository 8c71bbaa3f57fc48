#include "tools/events/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "tools/events/engine_config.h"
#include "tools/events/sandbox.h"

// A statement that we make ourselves: settings and a database's name.
#define STATEMENT_BYTES_MAX (1u << 20)

static const struct events_text tab_separated = { "TabSeparated", sizeof("TabSeparated") - 1 };
static const struct events_text raw_text = { "TSVRaw", sizeof("TSVRaw") - 1 };

static struct events_text literal(const char *text)
{
    return (struct events_text){ text, strlen(text) };
}

// ClickHouse's message over HTTP ends in the server's version, the library's often does not.
static char *error_text(const struct events_session *session, const char *text)
{
    struct spy__buf out;
    spy__buf_init(&out, STATEMENT_BYTES_MAX);
    spy__buf_puts(&out, text);
    while (out.len > 0 && out.bytes[out.len - 1] == '\n') {
        out.len--;
    }
    if (session && !strstr(text, " (version ")) {
        spy__buf_puts(&out, " (version ");
        spy__buf_puts(&out, session->engine->version);
        spy__buf_puts(&out, ")");
    }
    spy__buf_put(&out, "\n", 2); // with its NUL
    if (out.failed) {
        spy__buf_done(&out);
    }
    return out.bytes; // NULL where there is no memory: the code is enough
}

// "Code: 60. DB::Exception: …"; 1002 is UNKNOWN_EXCEPTION.
static int error_code(const char *text)
{
    static const char start[] = "Code: ";
    const char *found = strncmp(text, start, sizeof(start) - 1) == 0 ? text : strstr(text, start);
    long code = found ? strtol(found + sizeof(start) - 1, NULL, 10) : 0;
    return code > 0 && code < 100000 ? (int)code : 1002;
}

static void set_error(struct events_answer *ret, const struct events_session *session,
                      const char *text)
{
    ret->code = error_code(text);
    ret->error = error_text(session, text);
}

void events_answer_error(struct events_answer *ret, const char *text)
{
    *ret = (struct events_answer){ 0 };
    set_error(ret, NULL, text);
}

// Takes the result.
static void take_result(struct events_answer *ret, const struct events_session *session,
                        chdb_result *result)
{
    const struct chdb *chdb = &session->engine->chdb;
    const char *error = result ? chdb->result_error(result)
                               : "Code: 241. DB::Exception: There is no memory for an answer.";
    *ret = (struct events_answer){ .chdb = chdb, .result = result };
    if (error) {
        set_error(ret, session, error);
    } else {
        ret->bytes = chdb->result_buffer(result);
        ret->len = ret->bytes ? chdb->result_length(result) : 0;
    }
}

void events_answer_replace(struct events_answer *answer, char *bytes, size_t len)
{
    free(answer->owned);
    answer->owned = bytes;
    answer->bytes = bytes;
    answer->len = len;
}

void events_answer_done(struct events_answer *answer)
{
    free(answer->owned);
    if (answer->result) {
        answer->chdb->destroy_query_result(answer->result);
    }
    free(answer->error);
    *answer = (struct events_answer){ 0 };
}

// Query parameters as the library wants them.
struct columns {
    const char *names[EVENTS_PARAMS_MAX], *values[EVENTS_PARAMS_MAX];
    size_t name_lens[EVENTS_PARAMS_MAX], value_lens[EVENTS_PARAMS_MAX];
};

static void fill(struct columns *to, const struct events_pair *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to->names[i] = params[i].name.bytes;
        to->name_lens[i] = params[i].name.len;
        to->values[i] = params[i].value.bytes;
        to->value_lens[i] = params[i].value.len;
    }
}

void events_session_query(struct events_session *session, struct events_text text,
                          struct events_text format, const struct events_pair *params,
                          size_t params_count, struct events_answer *ret)
{
    struct columns c = { 0 };
    fill(&c, params, params_count);
    format = format.len > 0 ? format : tab_separated;
    take_result(ret, session,
                session->engine->chdb.query_with_params_n(
                    *session->connection, text.bytes, text.len, format.bytes, format.len, c.names,
                    c.name_lens, c.values, c.value_lens, params_count));
}

void events_session_insert(struct events_session *session, struct events_text statement,
                           struct events_text format, const struct events_pair *params,
                           size_t params_count, struct events_text data, struct events_answer *ret)
{
    const struct chdb *chdb = &session->engine->chdb;
    struct columns c = { 0 };
    fill(&c, params, params_count);
    chdb_insert_stream stream = chdb->stream_insert_with_params_n(
        *session->connection, statement.bytes, statement.len, format.bytes, format.len, c.names,
        c.name_lens, c.values, c.value_lens, params_count);
    const char *error = stream ? chdb->stream_insert_error(stream)
                               : "Code: 241. DB::Exception: There is no memory for an insert.";
    if (error) {
        *ret = (struct events_answer){ .chdb = chdb };
        set_error(ret, session, error);
    } else {
        // Where the engine refuses a row, the rest is not taken; done tells the error.
        if (data.len > 0) {
            (void)chdb->stream_append(stream, data.bytes, data.len);
        }
        take_result(ret, session, chdb->stream_done(stream));
    }
    if (stream) {
        chdb->destroy_insert_stream(stream);
    }
}

// A name in back quotes, a text in single ones (https://clickhouse.com/docs/sql-reference/syntax).
static void put_quoted(struct spy__buf *out, char quote, struct events_text text)
{
    spy__buf_putc(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] == quote || text.bytes[i] == '\\') {
            spy__buf_putc(out, '\\');
        }
        spy__buf_putc(out, text.bytes[i]);
    }
    spy__buf_putc(out, quote);
}

static void put_settings(struct spy__buf *out, const struct events_pair *settings, size_t count)
{
    spy__buf_puts(out, "SET ");
    for (size_t i = 0; i < count; i++) {
        spy__buf_puts(out, i == 0 ? "" : ", ");
        put_quoted(out, '`', settings[i].name);
        spy__buf_puts(out, " = ");
        put_quoted(out, '\'', settings[i].value);
    }
}

// Runs what is in the buffer, and empties it.
static bool run(struct events_session *session, struct spy__buf *statement,
                struct events_answer *ret)
{
    if (statement->failed) {
        events_answer_error(ret, "Code: 241. DB::Exception: The settings take too much memory.");
        return false;
    }
    events_session_query(session, (struct events_text){ statement->bytes, statement->len },
                         tab_separated, NULL, 0, ret);
    spy__buf_reset(statement);
    if (ret->code != 0) {
        return false;
    }
    events_answer_done(ret);
    return true;
}

bool events_session_prepare(struct events_session *session, struct events_text database,
                            bool readonly, const struct events_pair *settings, size_t count,
                            struct events_answer *ret)
{
    struct spy__buf statement;
    bool right = true;
    spy__buf_init(&statement, STATEMENT_BYTES_MAX);
    if (database.len > 0) {
        spy__buf_puts(&statement, "USE ");
        put_quoted(&statement, '`', database);
        right = run(session, &statement, ret);
    }
    if (right && readonly) {
        // 2: settings may change, but for this one.
        spy__buf_puts(&statement, "SET readonly = 2");
        right = run(session, &statement, ret);
    }
    if (right && count > 0) {
        put_settings(&statement, settings, count);
        right = run(session, &statement, ret);
    }
    spy__buf_done(&statement);
    return right;
}

bool events_session_open(struct events_session *session, struct events_engine *engine)
{
    char name[] = "spyglass-events";
    // What the library sets for a shell of its own, and a server does not.
    char select[] = "--implicit_select=0", introspection[] = "--allow_introspection_functions=0";
    char *argv[] = { name,   engine->path_arg, engine->config_arg, engine->users_arg,
                     select, introspection };
    session->engine = engine;
    session->connection = engine->chdb.connect(sizeof(argv) / sizeof(argv[0]), argv);
    return session->connection && *session->connection;
}

void events_session_close(struct events_session *session)
{
    if (session->connection) {
        session->engine->chdb.close_conn(session->connection);
        session->connection = NULL;
    }
}

// One value of the engine's own; false where it is none, or too long.
static bool ask(struct events_session *session, const char *question, char *ret, size_t bytes,
                char *why, size_t why_bytes)
{
    struct events_answer answer;
    events_session_query(session, literal(question), raw_text, NULL, 0, &answer);
    bool right = answer.code == 0 && answer.len > 1 && answer.len <= bytes;
    if (right) {
        memcpy(ret, answer.bytes, answer.len - 1); // without the line's end
        ret[answer.len - 1] = '\0';
    } else {
        snprintf(why, why_bytes, "the engine does not answer: %s",
                 answer.error ? answer.error : "");
    }
    events_answer_done(&answer);
    return right;
}

bool events_engine_start(struct events_engine *engine, const char *folder, char *why,
                         size_t why_bytes)
{
    struct events_session session;
    memset(engine, 0, sizeof(*engine));
    if (!chdb_load(&engine->chdb, why, why_bytes) || !events_config_write(folder, why, why_bytes)) {
        return false;
    }
    snprintf(engine->path_arg, sizeof(engine->path_arg), "--path=%s/engine", folder);
    snprintf(engine->config_arg, sizeof(engine->config_arg), "--config-file=%s/" EVENTS_CONFIG_FILE,
             folder);
    snprintf(engine->users_arg, sizeof(engine->users_arg), "--users_config=%s/" EVENTS_USERS_FILE,
             folder);
    events_sandbox_forget_environment();
    engine->sandbox = events_sandbox_enter(folder); // before the engine starts its threads
    engine->chdb.set_signal_handlers_enabled(0);
    if (!events_session_open(&session, engine)) {
        snprintf(why, why_bytes, "the engine does not start in %s; what it said is above", folder);
        return false;
    }
    engine->anchor = session.connection;
    return ask(&session, "SELECT version()", engine->version, sizeof(engine->version), why,
               why_bytes) &&
           ask(&session, "SELECT timezone()", engine->timezone, sizeof(engine->timezone), why,
               why_bytes) &&
           ask(&session, "SELECT displayName()", engine->display_name, sizeof(engine->display_name),
               why, why_bytes);
}

void events_engine_kill_queries(struct events_engine *engine)
{
    struct events_session session;
    struct events_answer answer;
    if (events_session_open(&session, engine)) {
        events_session_query(&session, literal("KILL QUERY WHERE 1 ASYNC"), tab_separated, NULL, 0,
                             &answer);
        events_answer_done(&answer);
    }
    events_session_close(&session);
}

void events_engine_stop(struct events_engine *engine)
{
    if (engine->anchor) {
        engine->chdb.close_conn(engine->anchor);
        engine->anchor = NULL;
        (void)engine->chdb.shutdown();
    }
}
