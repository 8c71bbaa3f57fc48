#include "tools/events/statement.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

// The parser is shown so much of a text, four times what ClickHouse takes by default
// (max_query_size): what comes later is data of an insert, or too long a statement.
#define SHOWN_BYTES_MAX (1u << 20)
#define SHOWN_LIMIT "SETTINGS max_query_size = 2097152"
// The engine's spelling is somewhat longer.
#define SPELLING_BYTES_MAX (4 * SHOWN_BYTES_MAX)

static const struct events_text raw_text = { "TSVRaw", sizeof("TSVRaw") - 1 };

static const char no_memory[] = "Code: 241. DB::Exception: There is no memory for the statement. "
                                "(MEMORY_LIMIT_EXCEEDED)";

// The engine reads a parameter's value as a field of TabSeparated.
static void put_escaped(struct spy__buf *out, struct events_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.bytes[i];
        const char *escape = c == '\\'   ? "\\\\"
                             : c == '\t' ? "\\t"
                             : c == '\n' ? "\\n"
                             : c == '\0' ? "\\0"
                                         : NULL;
        if (escape) {
            spy__buf_puts(out, escape);
        } else {
            spy__buf_putc(out, c);
        }
    }
}

// Asks the parser something about the text, which is the parameter q of the question.
static void ask_parser(struct events_answer *ret, struct events_session *session,
                       const char *question, struct events_text text)
{
    struct spy__buf escaped;
    spy__buf_init(&escaped, 2 * SHOWN_BYTES_MAX);
    text.len = text.len < SHOWN_BYTES_MAX ? text.len : SHOWN_BYTES_MAX;
    put_escaped(&escaped, text);
    struct events_pair q = { { "q", 1 }, { escaped.bytes, escaped.len } };
    if (escaped.failed) {
        events_answer_error(ret, no_memory);
    } else {
        events_session_query(session, (struct events_text){ question, strlen(question) }, raw_text,
                             &q, 1, ret);
    }
    spy__buf_done(&escaped);
}

// The statement as the engine spells it, in one line, data left out; empty where it is none.
static void spell(struct spy__buf *ret, struct events_session *session, struct events_text text)
{
    struct events_answer answer;
    spy__buf_reset(ret);
    ask_parser(&answer, session,
               "SELECT ifNull(formatQuerySingleLineOrNull({q:String}), '') " SHOWN_LIMIT, text);
    if (answer.code == 0 && answer.len > 1) {
        spy__buf_put(ret, answer.bytes, answer.len - 1); // without the line's end
    }
    events_answer_done(&answer);
}

static bool starts_with(const struct spy__buf *text, const char *word)
{
    size_t n = strlen(word);
    return text->len >= n && memcmp(text->bytes, word, n) == 0;
}

static bool contains(const struct spy__buf *text, const char *words)
{
    return text->len > 0 && memmem(text->bytes, text->len, words, strlen(words)) != NULL;
}

// The last word, where it is a plain one and " FORMAT " stands before it: a format's name. Nothing
// else of the grammar ends so.
static struct events_text last_format(const struct spy__buf *own)
{
    static const char clause[] = " FORMAT ";
    size_t start = own->len, n = sizeof(clause) - 1;
    while (start > 0 &&
           (isalnum((unsigned char)own->bytes[start - 1]) || own->bytes[start - 1] == '_')) {
        start--;
    }
    if (start == own->len || start < n || memcmp(own->bytes + start - n, clause, n) != 0) {
        return (struct events_text){ NULL, 0 };
    }
    return (struct events_text){ own->bytes + start, own->len - start };
}

static struct events_text trimmed(struct events_text text)
{
    while (text.len > 0 && isspace((unsigned char)text.bytes[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool ends_with_word(struct events_text text, struct events_text word)
{
    return text.len > word.len &&
           strncasecmp(text.bytes + text.len - word.len, word.bytes, word.len) == 0 &&
           isspace((unsigned char)text.bytes[text.len - word.len - 1]);
}

// Whether an insert's text ends with the name of its format, or VALUES, and is no insert without it:
// then no data follows, which the engine's spelling would not show.
static bool has_no_data(struct events_session *session, struct events_text query,
                        struct events_text format)
{
    struct spy__buf own;
    struct events_text text = trimmed(query);
    if (!ends_with_word(text, format)) {
        return false;
    }
    text.len -= format.len;
    text = trimmed(text);
    const struct events_text clause = { "FORMAT", 6 };
    if (ends_with_word(text, clause)) {
        text.len -= clause.len;
    }
    spy__buf_init(&own, SPELLING_BYTES_MAX);
    spell(&own, session, text);
    bool whole = own.len == 0;
    spy__buf_done(&own);
    return whole;
}

static void refuse(struct events_statement *ret, int status, const char *why)
{
    ret->shape = EVENTS_REFUSED;
    ret->status = status;
    ret->why = why;
}

// In the words of the engine's parser, without where we asked it. An insert's data end for it where
// the text ends: then the words are ours.
static void refuse_as_engine(struct events_statement *ret, struct events_session *session)
{
    static const char scope[] = ": In scope SELECT formatQuery";
    static const char ours[] = "Code: 62. DB::Exception: Syntax error (Multi-statements are not "
                               "allowed). (SYNTAX_ERROR)";
    struct events_text whole = { ret->text.bytes, ret->text.len };
    struct events_answer answer;
    spy__buf_init(&ret->words, SPELLING_BYTES_MAX);
    ask_parser(&answer, session, "SELECT formatQuery({q:String}) " SHOWN_LIMIT, whole);
    const char *end = answer.error ? strstr(answer.error, scope) : NULL;
    if (end) { // "… (SYNTAX_ERROR) (version …)" goes on after it
        const char *name = NULL;
        for (const char *c = end; (c = strstr(c, ". (")) != NULL; c++) {
            name = c;
        }
        spy__buf_put(&ret->words, answer.error, (size_t)(end - answer.error));
        spy__buf_puts(&ret->words, name ? name : "");
        spy__buf_putc(&ret->words, '\0');
    } else if (answer.error) {
        spy__buf_put(&ret->words, answer.error, strlen(answer.error) + 1);
    }
    events_answer_done(&answer);
    refuse(ret, 0, ret->words.len > 0 && !ret->words.failed ? ret->words.bytes : ours);
}

// Whether it is an insert that has a FORMAT, and is one without it: then it has a SELECT, too.
static bool is_insert_of_select(const struct events_statement *statement,
                                struct events_session *session)
{
    struct spy__buf own;
    struct events_text text = { statement->own.bytes, statement->own.len };
    if (!starts_with(&statement->own, "INSERT INTO ") || statement->format.len == 0) {
        return false;
    }
    text.len -= statement->format.len + strlen(" FORMAT ");
    spy__buf_init(&own, SPELLING_BYTES_MAX);
    spell(&own, session, text);
    bool whole = own.len > 0;
    spy__buf_done(&own);
    return whole;
}

// The text that the engine will get, looked at as it would split and run it.
static void check_whole(struct events_statement *ret, struct events_session *session)
{
    static const char *const controls[] = { "USE ",    "SET ",    "SYSTEM ", "KILL ",
                                            "ATTACH ", "DETACH ", NULL };
    const struct chdb *chdb = &session->engine->chdb;
    struct chdb_analysis analysis = { .struct_size = sizeof(analysis) };
    if (chdb->classify_query_n(*session->connection, ret->text.bytes, ret->text.len, NULL, 0,
                               &analysis) != 0 ||
        analysis.query_class == CHDB_CLASS_UNKNOWN || analysis.statement_count > 1) {
        // Not to be run: of several, the library would run those before the one that is wrong.
        refuse_as_engine(ret, session);
        return;
    }
    ret->reads = analysis.query_class == CHDB_CLASS_READ_ONLY;
    if (ret->own.len == 0) {
        // Nothing below can be told of it, and its author has other ways to write it.
        refuse(ret, 501,
               "Code: 48. DB::Exception: The engine cannot spell this statement; one without "
               "';' may do. (NOT_IMPLEMENTED)");
        return;
    }
    bool is_control = analysis.query_class == CHDB_CLASS_CONTROL;
    bool to_file = contains(&ret->own, " INTO OUTFILE ");
    for (size_t i = 0; is_control && !to_file && controls[i]; i++) {
        is_control = !starts_with(&ret->own, controls[i]);
    }
    if (is_control) {
        refuse(ret, 501,
               "Code: 48. DB::Exception: INTO OUTFILE, INSERT INTO FUNCTION, BACKUP, "
               "RESTORE and transactions are not offered. (NOT_IMPLEMENTED)");
    } else if (is_insert_of_select(ret, session)) {
        // The library would read no data, and say that all went well.
        refuse(
            ret, 501,
            "Code: 48. DB::Exception: INSERT ... SELECT with a FORMAT, for the function input, is "
            "not offered. (NOT_IMPLEMENTED)");
    } else if (starts_with(&ret->own, "INSERT ") && contains(&ret->own, " FROM INFILE ")) {
        refuse(ret, 501,
               "Code: 48. DB::Exception: FROM INFILE is not offered: the request's body "
               "is the data. (NOT_IMPLEMENTED)");
    }
}

static void join(struct events_statement *ret, struct events_text query, struct events_text body)
{
    spy__buf_put(&ret->text, query.bytes, query.len);
    // As ClickHouse does, but that there is no blank line, at which the library would end the data.
    if (query.len > 0 && body.len > 0 && query.bytes[query.len - 1] != '\n') {
        spy__buf_putc(&ret->text, '\n');
    }
    spy__buf_put(&ret->text, body.bytes, body.len);
}

void events_statement_read(struct events_statement *ret, struct events_session *session,
                           struct events_text query, struct events_text body)
{
    *ret = (struct events_statement){ .shape = EVENTS_WHOLE };
    spy__buf_init(&ret->own, SPELLING_BYTES_MAX);
    spy__buf_init(&ret->text, query.len + body.len + 1);
    if (query.len > 0) {
        spell(&ret->own, session, query);
        ret->format = last_format(&ret->own);
        bool is_values = events_text_is(ret->format, "Values");
        struct events_text last = is_values ? (struct events_text){ "VALUES", 6 } : ret->format;
        if (starts_with(&ret->own, "INSERT INTO ") && ret->format.len > 0 &&
            !contains(&ret->own, " FROM INFILE ") && has_no_data(session, query, last)) {
            ret->shape = EVENTS_INSERT;
            spy__buf_put(&ret->text, ret->own.bytes,
                         (size_t)(ret->format.bytes - ret->own.bytes) - strlen(" FORMAT "));
            return;
        }
    }
    join(ret, query, body);
    if (ret->text.failed) {
        refuse(ret, 503, no_memory);
        return;
    }
    if (body.len > 0) {
        struct events_text whole = { ret->text.bytes, ret->text.len };
        spell(&ret->own, session, whole);
        ret->format = last_format(&ret->own);
    }
    check_whole(ret, session);
}

void events_statement_done(struct events_statement *statement)
{
    spy__buf_done(&statement->text);
    spy__buf_done(&statement->own);
    spy__buf_done(&statement->words);
}
