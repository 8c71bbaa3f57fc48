// ClickHouse's engine as a library: what spyglass-events calls of libchdb.so, which is loaded when
// the program starts and has no header in its package.
//
// Signatures: https://github.com/chdb-io/chdb-core/blob/main/programs/local/chdb.h (26.7).
// A connection is a session: what SET and USE change lasts until it is closed. It runs one
// statement at a time; statements of two connections run side by side.
#ifndef EVENTS_CHDB_H
#define EVENTS_CHDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct chdb_connection_ *chdb_connection;
typedef struct chdb_result_ chdb_result;
typedef struct chdb_insert_stream_ *chdb_insert_stream;

// What chdb_classify_query_n reports: how many statements a text holds, by the engine's own parser.
struct chdb_analysis {
    uint32_t struct_size; // set by the caller
    uint32_t statement_count;
    uint32_t flags;
    uint32_t query_class;
};
#define CHDB_CLASS_READ_ONLY 0
#define CHDB_CLASS_CONTROL 3 // USE, SET, SYSTEM, KILL, ATTACH, …, and SELECT … INTO OUTFILE
#define CHDB_CLASS_UNKNOWN 4 // what the parser refuses

// The functions, by the names that the library has them under, without "chdb_".
struct chdb {
    void *library;
    void (*set_signal_handlers_enabled)(int enabled);
    chdb_connection *(*connect)(int argc, char **argv);
    void (*close_conn)(chdb_connection *conn);
    int (*shutdown)(void); // 0 once no thread of the engine is left
    chdb_result *(*query_with_params_n)(chdb_connection conn, const char *query, size_t query_len,
                                        const char *format, size_t format_len,
                                        const char *const *names, const size_t *name_lens,
                                        const char *const *values, const size_t *value_lens,
                                        size_t count);
    chdb_insert_stream (*stream_insert_with_params_n)(chdb_connection conn, const char *query,
                                                      size_t query_len, const char *format,
                                                      size_t format_len, const char *const *names,
                                                      const size_t *name_lens,
                                                      const char *const *values,
                                                      const size_t *value_lens, size_t count);
    int (*stream_append)(chdb_insert_stream stream, const void *data, size_t len); // 0: taken
    chdb_result *(*stream_done)(chdb_insert_stream stream);
    const char *(*stream_insert_error)(chdb_insert_stream stream); // NULL: none
    void (*destroy_insert_stream)(chdb_insert_stream stream);
    char *(*result_buffer)(chdb_result *result);
    size_t (*result_length)(chdb_result *result);
    const char *(*result_error)(chdb_result *result);  // NULL: none
    double (*result_elapsed)(chdb_result *result);     // seconds
    uint64_t (*result_rows_read)(chdb_result *result); // of the result itself
    uint64_t (*result_bytes_read)(chdb_result *result);
    uint64_t (*result_storage_rows_read)(chdb_result *result);
    uint64_t (*result_storage_bytes_read)(chdb_result *result);
    uint64_t (*result_rows_written)(chdb_result *result);
    uint64_t (*result_bytes_written)(chdb_result *result);
    void (*destroy_query_result)(chdb_result *result);
    int (*classify_query_n)(chdb_connection conn, const char *sql, size_t sql_len,
                            const char *target_database, size_t target_database_len,
                            struct chdb_analysis *ret);
};

// Loads the library from SPY_LIBCHDB or, where that is not set, from where script/setup puts it.
// False, with a sentence in why, where it is not there or lacks a function. It is never unloaded:
// the engine's threads and its exit handlers live until the process ends.
bool chdb_load(struct chdb *ret, char *why, size_t why_bytes);

#endif
