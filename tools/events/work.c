#include "tools/events/work.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/events/statement.h"
#include "tools/events/status.h"

// Inserts are one after the other: each is a part on disk, and more at once are no faster on a
// machine with few cores.
#define INSERTS_AT_ONCE 1
// How long one may wait for its turn.
#define WAIT_NS (UINT64_C(10) * 1000000000)

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

static void run_statement(struct events_session *session, const struct events_statement *statement,
                          const struct events_request *request, bool readonly,
                          struct events_text body, struct events_answer *ret)
{
    struct events_text text = { statement->text.bytes, statement->text.len };
    if (!events_session_prepare(session, request->database, readonly, request->settings,
                                request->settings_count, ret)) {
        return;
    }
    if (statement->shape == EVENTS_INSERT) {
        events_session_insert(session, text, statement->format, request->params,
                              request->params_count, body, ret);
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
        events_outcome_error(ret, 503,
                             "Code: 439. DB::Exception: The engine opens no session. "
                             "(CANNOT_SCHEDULE_TASK)");
    }
    events_session_close(&session);
}
