#include "tools/events/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/events/native.h"
#include "tools/events/statement.h"
#include "tools/events/status.h"

// Inserts are one after the other: each is a part on disk, and more at once are no faster on a
// machine with few cores.
#define INSERTS_AT_ONCE 1
// How long one may wait for its turn.
#define WAIT_NS (UINT64_C(10) * 1000000000)

static const char no_session[] =
    "Code: 439. DB::Exception: The engine opens no session. (CANNOT_SCHEDULE_TASK)";

bool events_work_start(struct events_work *work, const char *folder, unsigned queries, char *why,
                       size_t why_bytes)
{
    struct events_session session;
    spy__slots_init(&work->inserts, INSERTS_AT_ONCE);
    spy__slots_init(&work->queries, queries);
    if (!events_engine_start(&work->engine, folder, why, why_bytes)) {
        return false;
    }
    bool right = events_session_open(&session, &work->engine) &&
                 events_formats_load(&work->formats, &session);
    events_session_close(&session);
    if (!right) {
        snprintf(why, why_bytes, "the engine does not tell its formats");
    }
    return right;
}

void events_work_close(struct events_work *work)
{
    spy__slots_close(&work->inserts);
    spy__slots_close(&work->queries);
}

void events_work_stop(struct events_work *work)
{
    events_engine_stop(&work->engine);
    events_formats_done(&work->formats);
    spy__slots_done(&work->inserts);
    spy__slots_done(&work->queries);
}

void events_outcome_error(struct events_outcome *ret, unsigned status, const char *text)
{
    events_answer_error(&ret->answer, text);
    ret->status = status != 0 ? status : events_status_of(ret->answer.code);
}

void events_outcome_done(struct events_outcome *outcome)
{
    events_answer_done(&outcome->answer);
}

// What libchdb tells of what ClickHouse does (https://clickhouse.com/docs/interfaces/http).
static void summarize(struct events_outcome *ret)
{
    const struct chdb *chdb = ret->answer.chdb;
    chdb_result *r = ret->answer.result;
    snprintf(ret->summary, sizeof(ret->summary),
             "{\"read_rows\":\"%" PRIu64 "\",\"read_bytes\":\"%" PRIu64
             "\",\"written_rows\":\"%" PRIu64 "\",\"written_bytes\":\"%" PRIu64
             "\",\"result_rows\":\"%" PRIu64 "\",\"result_bytes\":\"%" PRIu64
             "\",\"elapsed_ns\":\"%" PRIu64 "\"}",
             chdb->result_storage_rows_read(r), chdb->result_storage_bytes_read(r),
             chdb->result_rows_written(r), chdb->result_bytes_written(r), chdb->result_rows_read(r),
             chdb->result_bytes_read(r), (uint64_t)(chdb->result_elapsed(r) * 1e9));
}

// Names and types of the columns of a statement that only reads, in a session of its own: no row
// passes the filter, and the engine knows before it starts.
static bool ask_columns(const struct events_session *session, struct events_text text,
                        const struct events_request *request, bool readonly,
                        struct events_answer *ret)
{
    static const struct events_text with_types = { "RowBinaryWithNamesAndTypes", 26 };
    struct events_pair settings[EVENTS_SETTINGS_MAX + 1];
    struct events_session second;
    size_t count = request->settings_count;
    memcpy(settings, request->settings, count * sizeof(*settings));
    settings[count] = (struct events_pair){ { "additional_result_filter", 24 }, { "0", 1 } };
    *ret = (struct events_answer){ 0 };
    if (!events_session_open(&second, session->engine)) {
        events_answer_error(ret, no_session);
    } else if (events_session_prepare(&second, request->database, readonly, settings, count + 1,
                                      ret)) {
        events_session_query(&second, text, with_types, request->params, request->params_count,
                             ret);
    }
    events_session_close(&second);
    return ret->code == 0;
}

// Native for a client that names a version of the protocol (native.h says how it is made).
static void run_native(struct events_session *session, struct events_text text,
                       const struct events_request *request, bool readonly,
                       struct events_answer *ret)
{
    static const struct events_text buffers = { "Buffers", 7 };
    struct events_answer columns;
    struct spy__buf out;
    if (!ask_columns(session, text, request, readonly, &columns)) {
        *ret = columns;
        return;
    }
    events_session_query(session, text, buffers, request->params, request->params_count, ret);
    spy__buf_init(&out, SIZE_MAX / 2);
    if (ret->code == 0 && ret->len > 0) {
        if (events_native_put(&out, request->protocol_version,
                              (struct events_text){ columns.bytes, columns.len },
                              (struct events_text){ ret->bytes, ret->len })) {
            events_answer_replace(ret, out.bytes, out.len);
        } else {
            spy__buf_done(&out);
            events_answer_done(ret);
            events_answer_error(ret, "Code: 48. DB::Exception: This result is not offered in the "
                                     "format Native. (NOT_IMPLEMENTED)");
        }
    }
    events_answer_done(&columns);
}

// Whether the answer is to be in Native of a version. Its clause, if there is one, is left out of
// *text then.
static bool wants_native(const struct events_statement *statement,
                         const struct events_request *request, struct events_text *text)
{
    static const char clause[] = " FORMAT Native";
    if (request->protocol_version == 0 || !statement->reads) {
        return false;
    }
    if (events_text_is(statement->format, "Native")) {
        *text =
            (struct events_text){ statement->own.bytes, statement->own.len - (sizeof(clause) - 1) };
        return true;
    }
    return statement->format.len == 0 && events_text_is(request->format, "Native");
}

static void run_statement(struct events_session *session, const struct events_statement *statement,
                          const struct events_request *request, bool readonly,
                          struct events_text body, struct events_answer *ret)
{
    struct events_text native = { statement->text.bytes, statement->text.len };
    struct events_text text = { statement->text.bytes, statement->text.len };
    if (!events_session_prepare(session, request->database, readonly, request->settings,
                                request->settings_count, ret)) {
        return;
    }
    if (statement->shape == EVENTS_INSERT) {
        events_session_insert(session, text, statement->format, request->params,
                              request->params_count, body, ret);
    } else if (wants_native(statement, request, &native)) {
        run_native(session, native, request, readonly, ret);
    } else {
        events_session_query(session, text, request->format, request->params, request->params_count,
                             ret);
    }
}

static const struct events_format *format_of(const struct events_work *work,
                                             const struct events_statement *statement,
                                             const struct events_request *request)
{
    static const struct events_text standard = { "TabSeparated", sizeof("TabSeparated") - 1 };
    if (statement->shape == EVENTS_INSERT) {
        return NULL;
    }
    return events_formats_find(&work->formats, statement->format.len > 0 ? statement->format
                                               : request->format.len > 0 ? request->format
                                                                         : standard);
}

static void run_in_session(struct events_work *work, struct events_session *session,
                           const struct events_request *request, bool readonly,
                           struct events_text body, struct events_outcome *ret)
{
    struct events_statement statement;
    events_statement_read(&statement, session, request->query, body);
    struct spy__slots *slots = statement.shape == EVENTS_INSERT ? &work->inserts : &work->queries;
    if (statement.shape == EVENTS_REFUSED) {
        events_outcome_error(ret, (unsigned)statement.status, statement.why);
    } else if (!spy__slots_take(slots, WAIT_NS)) {
        events_outcome_error(ret, 503,
                             "Code: 202. DB::Exception: Too many simultaneous queries. "
                             "(TOO_MANY_SIMULTANEOUS_QUERIES)");
    } else {
        run_statement(session, &statement, request, readonly, body, &ret->answer);
        spy__slots_give(slots);
        ret->status = events_status_of(ret->answer.code);
        ret->format = format_of(work, &statement, request);
        if (ret->answer.code == 0) {
            summarize(ret);
        }
    }
    events_statement_done(&statement);
}

void events_work_run(struct events_work *work, const struct events_request *request, bool readonly,
                     struct events_text body, struct events_outcome *ret)
{
    struct events_session session;
    *ret = (struct events_outcome){ 0 };
    if (request->query.len == 0 && body.len == 0) {
        events_outcome_error(ret, 0,
                             "Code: 62. DB::Exception: Syntax error: Empty query. "
                             "(SYNTAX_ERROR)");
        return;
    }
    if (events_session_open(&session, &work->engine)) {
        run_in_session(work, &session, request, readonly, body, ret);
    } else {
        events_outcome_error(ret, 503, no_session);
    }
    events_session_close(&session);
}
