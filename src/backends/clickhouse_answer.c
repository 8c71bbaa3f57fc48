#include "backends/clickhouse_answer.h"

#include <string.h>
#include <strings.h>

#define STATUS_OK 200
#define STATUS_TOO_LARGE 413
#define CODE_MAX 1000000u

// Waits where the server does not say how long. Parts are merged within seconds; what somebody must
// mend is tried again often enough to be seen to be mended.
#define TOO_MANY_PARTS_MS 5000u
#define REFUSAL_MS 10000u
#define RETRY_AFTER_S_MAX 3600u

// ---- codes

// A row cannot be read, or does not fit its column.
static const unsigned short data_codes[] = {
    6,   // CANNOT_PARSE_TEXT
    25,  // CANNOT_PARSE_ESCAPE_SEQUENCE
    26,  // CANNOT_PARSE_QUOTED_STRING
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    32,  // ATTEMPT_TO_READ_AFTER_EOF
    33,  // CANNOT_READ_ALL_DATA
    38,  // CANNOT_PARSE_DATE
    41,  // CANNOT_PARSE_DATETIME
    53,  // TYPE_MISMATCH
    69,  // ARGUMENT_OUT_OF_BOUND
    70,  // CANNOT_CONVERT_TYPE
    72,  // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    128, // TOO_LARGE_ARRAY_SIZE
    130, // CANNOT_READ_ARRAY_FROM_TEXT
    131, // TOO_LARGE_STRING_SIZE
    306, // TOO_DEEP_RECURSION
    321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    376, // CANNOT_PARSE_UUID
    467, // CANNOT_PARSE_BOOL
    469, // VIOLATED_CONSTRAINT
};

// The schema, the settings or the rights are not what the batch needs: no row is to blame.
static const unsigned short refusal_codes[] = {
    8,  // THERE_IS_NO_COLUMN
    10, // NOT_FOUND_COLUMN_IN_BLOCK
    16, // NO_SUCH_COLUMN_IN_TABLE
    20, // NUMBER_OF_COLUMNS_DOESNT_MATCH
    36, // BAD_ARGUMENTS
    44, // ILLEGAL_COLUMN
    46, // UNKNOWN_FUNCTION
    47, // UNKNOWN_IDENTIFIER
    48, // NOT_IMPLEMENTED
    50, // UNKNOWN_TYPE
    56, // UNKNOWN_STORAGE
    SPY__CLICKHOUSE_UNKNOWN_TABLE,
    62, // SYNTAX_ERROR
    73, // UNKNOWN_FORMAT
    80, // INCORRECT_QUERY
    SPY__CLICKHOUSE_UNKNOWN_DATABASE,
    89, // UNKNOWN_COMPRESSION_METHOD
    SPY__CLICKHOUSE_UNKNOWN_SETTING,
    SPY__CLICKHOUSE_READONLY,
    180, // THERE_IS_NO_PROFILE
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    194, // REQUIRED_PASSWORD
    195, // IP_ADDRESS_NOT_ALLOWED
    218, // TABLE_IS_DROPPED
    291, // DATABASE_ACCESS_DENIED
    344, // SUPPORT_IS_DISABLED
    370, // DATA_TYPE_CANNOT_BE_USED_IN_TABLES
    392, // QUERY_IS_PROHIBITED
    408, // BAD_REQUEST_PARAMETER
    446, // FUNCTION_NOT_ALLOWED
    452, // SETTING_CONSTRAINT_VIOLATION
    SPY__CLICKHOUSE_ACCESS_DENIED,
    516, // AUTHENTICATION_FAILED
};

// The server, its disks or its neighbours: it passes.
static const unsigned short trouble_codes[] = {
    3,   // UNEXPECTED_END_OF_FILE: the request was cut
    95,  // CANNOT_READ_FROM_SOCKET
    96,  // CANNOT_WRITE_TO_SOCKET
    159, // TIMEOUT_EXCEEDED
    160, // TOO_SLOW
    173, // CANNOT_ALLOCATE_MEMORY
    198, // DNS_ERROR
    201, // QUOTA_EXPIRED
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    203, // NO_FREE_CONNECTION
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    225, // NO_ZOOKEEPER
    236, // ABORTED
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY
    243, // NOT_ENOUGH_SPACE
    244, // UNEXPECTED_ZOOKEEPER_ERROR
    252, // TOO_MANY_PARTS
    254, // NO_ACTIVE_REPLICAS
    265, // NO_AVAILABLE_REPLICA
    279, // ALL_CONNECTION_TRIES_FAILED
    285, // TOO_FEW_LIVE_REPLICAS
    286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    297, // SHARD_HAS_NO_CONNECTIONS
    319, // UNKNOWN_STATUS_OF_INSERT: under the same token
    335, // BARRIER_TIMEOUT
    354, // ZLIB_INFLATE_FAILED: the body was damaged on its way
    364, // RECEIVED_ERROR_TOO_MANY_REQUESTS
    394, // QUERY_WAS_CANCELLED
    415, // ALL_REPLICAS_LOST
    425, // SYSTEM_ERROR
    439, // CANNOT_SCHEDULE_TASK
    473, // DEADLOCK_AVOIDED
    499, // S3_ERROR
    561, // ZSTD_DECODER_FAILED
    735, // QUERY_WAS_CANCELLED_BY_CLIENT
    999, // KEEPER_EXCEPTION
};

#define HAS(codes, code) has_code(codes, sizeof(codes) / sizeof((codes)[0]), code)

static bool has_code(const unsigned short *codes, size_t n, unsigned code)
{
    for (size_t i = 0; i < n; i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

bool spy__clickhouse_passes(unsigned code)
{
    return HAS(trouble_codes, code);
}

// A code that the lists do not have is judged by its status, which ClickHouse chooses by the kind of
// error: 400 is the request's fault, and so perhaps a row's.
static enum spy__clickhouse_class class_of(unsigned code, long status)
{
    if (HAS(data_codes, code) || status == STATUS_TOO_LARGE) {
        return SPY__CLICKHOUSE_DATA;
    }
    if (HAS(trouble_codes, code)) {
        return SPY__CLICKHOUSE_TROUBLE;
    }
    if (HAS(refusal_codes, code) || status == 401 || status == 403 || status == 404) {
        return SPY__CLICKHOUSE_REFUSAL;
    }
    return status == 400 && code != 0 ? SPY__CLICKHOUSE_DATA : SPY__CLICKHOUSE_TROUBLE;
}

// ---- reading an answer

bool spy__clickhouse_said(const struct spy__answer *answer)
{
    static const char prefix[] = "X-ClickHouse-";
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strncasecmp(answer->headers[i], prefix, sizeof(prefix) - 1) == 0) {
            return true;
        }
    }
    return false;
}

// Reads digits from s up to end; 0 where there are none, or too many.
static unsigned number_at(const char *s, const char *end)
{
    unsigned v = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (unsigned)(*s - '0');
        if (v >= CODE_MAX) {
            return 0;
        }
    }
    return v;
}

// The last "Code: N" that a "DB::Exception" follows on its line, with what stands from there on.
static unsigned code_in(const char *body, size_t n, const char **ret_at)
{
    static const char code[] = "Code: ", exception[] = "DB::Exception";
    const char *end = body + n, *at = body;
    unsigned found = 0;
    while (at < end && (at = memmem(at, (size_t)(end - at), code, sizeof(code) - 1))) {
        const char *digits = at + sizeof(code) - 1;
        const char *newline = memchr(digits, '\n', (size_t)(end - digits));
        size_t line = (size_t)((newline ? newline : end) - digits);
        unsigned v = number_at(digits, end);
        if (v != 0 && memmem(digits, line, exception, sizeof(exception) - 1)) {
            found = v;
            *ret_at = at;
        }
        at = digits;
    }
    return found;
}

static const char *skip_line_ends(const char *at, const char *end)
{
    while (at < end && (*at == '\r' || *at == '\n')) {
        at++;
    }
    return at;
}

// Where the text of an error begins that came behind the marker, or NULL. Seen: the marker, the
// text (25.3); the marker, the tag, the text (26.9), the tag on the marker's line or on the next.
static const char *marked(const struct spy__answer *answer)
{
    static const char marker[] = "__exception__";
    const char *tag = spy__answer_header(answer, "X-ClickHouse-Exception-Tag");
    size_t tag_len = tag ? strcspn(tag, " \t\r\n") : 0;
    const char *at = answer->body_bytes > 0
                         ? memmem(answer->body, answer->body_bytes, marker, sizeof(marker) - 1)
                         : NULL;
    if (!at) {
        return NULL;
    }
    const char *end = answer->body + answer->body_bytes;
    at = skip_line_ends(at + sizeof(marker) - 1, end);
    if ((size_t)(end - at) >= tag_len && tag_len > 0 && memcmp(at, tag, tag_len) == 0) {
        at = skip_line_ends(at + tag_len, end);
    }
    return at;
}

static struct spy__clickhouse_outcome outcome_at(enum spy__clickhouse_class class, unsigned code,
                                                 const char *text, const char *end)
{
    return (struct spy__clickhouse_outcome){ class, code, text, (size_t)(end - text) };
}

// A sentence of ours.
static struct spy__clickhouse_outcome trouble(const char *text)
{
    return outcome_at(SPY__CLICKHOUSE_TROUBLE, 0, text, text + strlen(text));
}

struct spy__clickhouse_outcome spy__clickhouse_outcome(const struct spy__answer *answer, bool reads)
{
    if (answer->status == 0) {
        return trouble(answer->error ? answer->error : "no answer");
    }
    const char *body = answer->body_bytes > 0 ? answer->body : "";
    const char *end = body + answer->body_bytes, *tail = marked(answer), *text = tail ? tail : body;
    const char *header = spy__answer_header(answer, "X-ClickHouse-Exception-Code");
    unsigned in_header = header ? number_at(header, header + strlen(header)) : 0;
    unsigned in_body = code_in(text, (size_t)(end - text), &text);
    unsigned code = in_header ? in_header : in_body;
    if (answer->status != STATUS_OK || code != 0 || tail) {
        // A 200 that went out before the error says nothing about it.
        long status = answer->status == STATUS_OK ? 0 : answer->status;
        return outcome_at(class_of(code, status), code, text, end);
    }
    if (!spy__clickhouse_said(answer)) {
        return trouble("the answer does not come from ClickHouse");
    }
    if (!reads && answer->body_bytes > 0) {
        return trouble("the answer to an insert has a body");
    }
    return (struct spy__clickhouse_outcome){ .class = SPY__CLICKHOUSE_FINE, .text = "" };
}

// ---- verdicts

// Seconds, as servers and proxies say them; the date form says nothing to a machine whose clock may
// be wrong.
static unsigned retry_after_ms(const struct spy__answer *answer)
{
    const char *value = spy__answer_header(answer, "Retry-After");
    unsigned s = value ? number_at(value, value + strlen(value)) : 0;
    return (s < RETRY_AFTER_S_MAX ? s : RETRY_AFTER_S_MAX) * 1000;
}

struct spy__verdict spy__clickhouse_verdict(const struct spy__clickhouse_outcome *outcome,
                                            const struct spy__answer *answer)
{
    struct spy__verdict verdict = { .kind = SPY__SENT, .reason = "" };
    switch (outcome->class) {
    case SPY__CLICKHOUSE_FINE:
        return verdict;
    case SPY__CLICKHOUSE_DATA:
        verdict.kind = SPY__SPLIT;
        verdict.reason = "bad_row";
        break;
    case SPY__CLICKHOUSE_REFUSAL:
        verdict.kind = SPY__RETRY;
        verdict.reason = "refused";
        verdict.after_ms = REFUSAL_MS;
        break;
    case SPY__CLICKHOUSE_TROUBLE:
        verdict.kind = SPY__RETRY;
        verdict.reason = answer->status == 0 ? "no_answer" : "trouble";
        verdict.after_ms = outcome->code == 252 ? TOO_MANY_PARTS_MS : 0;
        break;
    }
    unsigned asked_ms = retry_after_ms(answer);
    if (verdict.kind == SPY__RETRY && asked_ms > 0) {
        verdict.after_ms = asked_ms;
    }
    spy__verdict_put_text(&verdict, outcome->text, outcome->text_len);
    return verdict;
}
