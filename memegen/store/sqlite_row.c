#include "memegen/store/sqlite_row.h"

#include <errno.h>
#include <string.h>

#include "memegen/store/columns.h"

int sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    return sqlite3_bind_text64(statement, at, text, column_utf8_len(text), SQLITE_STATIC,
                               SQLITE_UTF8);
}

int sqlite_bind_meme(sqlite3_stmt *s, const struct meme *m, const char *captions, const char *score,
                     const char *agents)
{
    const struct meme_request *r = &m->request;
    const char *const texts[] = {
        meme_status_name(m->status),
        m->error_type ? m->error_type : "",
        m->error_message,
        m->correlation_id,
        m->trace_id,
        r->topic,
        r->user_id,
        r->template_id,
        r->style,
    };
    int rc = sqlite_bind_text(s, 1, m->id) | sqlite3_bind_int64(s, 2, m->created_us);
    for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++) {
        rc |= sqlite_bind_text(s, 3 + i, texts[i]);
    }
    rc |= sqlite3_bind_int(s, 12, r->use_trends);
    rc |= r->seeded ? sqlite3_bind_int64(s, 13, (sqlite3_int64)r->seed) : sqlite3_bind_null(s, 13);
    rc |= sqlite_bind_text(s, 14, m->template_id) | sqlite_bind_text(s, 15, m->template_type) |
          sqlite_bind_text(s, 16, captions);
    rc |= sqlite_bind_text(s, 17, score) | sqlite3_bind_int(s, 18, m->rounds);
    rc |= sqlite3_bind_double(s, 19, m->generation_seconds) | sqlite_bind_text(s, 20, agents);
    return rc == SQLITE_OK ? 0 : -ENOMEM;
}

static const char *text_at(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text ? (const char *)text : "";
}

static enum meme_status status_from(const char *name)
{
    for (enum meme_status status = MEME_PENDING; status < MEME_ERROR; status++) {
        if (strcmp(name, meme_status_name(status)) == 0) {
            return status;
        }
    }
    return MEME_ERROR;
}

// understood.
void sqlite_read_meme(sqlite3_stmt *s, struct meme *ret)
{
    struct meme_request *r = &ret->request;
    memset(ret, 0, sizeof(*ret));
    column_copy(ret->id, sizeof(ret->id), text_at(s, 0));
    ret->created_us = sqlite3_column_int64(s, 1);
    ret->status = status_from(text_at(s, 2));
    ret->error_type = column_error_type(text_at(s, 3));
    column_copy(ret->error_message, sizeof(ret->error_message), text_at(s, 4));
    column_copy(ret->correlation_id, sizeof(ret->correlation_id), text_at(s, 5));
    column_copy(ret->trace_id, sizeof(ret->trace_id), text_at(s, 6));
    column_copy(r->topic, sizeof(r->topic), text_at(s, 7));
    column_copy(r->user_id, sizeof(r->user_id), text_at(s, 8));
    column_copy(r->template_id, sizeof(r->template_id), text_at(s, 9));
    column_copy(r->style, sizeof(r->style), text_at(s, 10));
    r->use_trends = sqlite3_column_int(s, 11) != 0;
    r->seeded = sqlite3_column_type(s, 12) != SQLITE_NULL;
    r->seed = (uint64_t)sqlite3_column_int64(s, 12);
    column_copy(ret->template_id, sizeof(ret->template_id), text_at(s, 13));
    column_copy(ret->template_type, sizeof(ret->template_type), text_at(s, 14));
    column_to_captions(ret, text_at(s, 15));
    column_to_score(&ret->score, text_at(s, 16));
    ret->rounds = sqlite3_column_int(s, 17);
    ret->generation_seconds = sqlite3_column_double(s, 18);
    column_to_reports(ret, text_at(s, 19));
}
