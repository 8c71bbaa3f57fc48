/**
 * Starting and stopping Spyglass.
 *
 * Everything is off until it is asked for here: no port, no signal handler, no thread but the pump.
 * Metrics may be registered and updated before spy_start() and after spy_stop(); they need neither.
 */
#ifndef SPYGLASS_OPTIONS_H
#define SPYGLASS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"

SPY_BEGIN_DECLS

/** Changes whenever a public struct or inline function changes; spy_start() checks it against the
 * library's. */
#define SPY_ABI 5

enum spy_log_format {
    SPY_LOG_AUTO, /**< console form on a terminal, JSON elsewhere */
    SPY_LOG_JSON,
    SPY_LOG_CONSOLE,
    SPY_LOG_LOGFMT, /**< key=value pairs, https://brandur.org/logfmt */
};

/** Where log lines go. */
enum spy_log_output {
    SPY_LOG_OUTPUT_AUTO, /**< to log_file where there is one, else to log_fd */
    SPY_LOG_OUTPUT_STDOUT,
    SPY_LOG_OUTPUT_STDERR,
    SPY_LOG_OUTPUT_FILE,     /**< to log_file */
    SPY_LOG_OUTPUT_SYSLOG,   /**< one datagram a line to /dev/log, or to SPY_SYSLOG_SOCKET */
    SPY_LOG_OUTPUT_JOURNALD, /**< with its fields to journald's socket, or to SPY_JOURNALD_SOCKET */
};

/** Whether the process is profiled all the time. */
enum spy_profiling {
    SPY_PROFILING_DEFAULT,    /**< as an option: off */
    SPY_PROFILING_OFF,        /**< single requests can still be */
    SPY_PROFILING_CONTINUOUS, /**< the stacks of the last hours are kept, and those of slow requests;
                                 takes SIGPROF */
};

/** Log levels, in rising order of weight. */
enum spy_level {
    SPY_LEVEL_DEFAULT, /**< as an option: info */
    SPY_LEVEL_DEBUG,
    SPY_LEVEL_INFO,
    SPY_LEVEL_WARN,
    SPY_LEVEL_ERROR,
    SPY_LEVEL_OFF, /**< as an option: no lines at all */
};

/** As log_repeats_max: equal lines are written however often they come. */
#define SPY_REPEATS_UNLIMITED 0xffffffffu

/** As traces_sample_rate: no trace is kept but for its failure or slowness. As profiles_sample_rate:
 * no transaction has a profile. */
#define SPY_SAMPLE_NONE (-1.0)

struct spy_error_report; /* spyglass/errors.h */

/**
 * Zero means the default everywhere. Strings are copied by spy_start(); service, environment and
 * release hold at most 128 bytes of UTF-8.
 */
struct spy_options {
    const char *service;     /**< name of the service; default: the program's name */
    const char *environment; /**< "production", "staging", …; default: SENTRY_ENVIRONMENT, else left
                                out */
    const char *release;     /**< version of the service; default: SENTRY_RELEASE, else left out */
    const char *state_dir;   /**< directory for what must outlive the process: log lines that were
                              accepted and not yet written, which the next start writes, marked as
                              recovered. Made 0700 in a parent that exists; guarded by one lock, so
                              that a second process gets -EBUSY. One that is full or read-only is
                              done without, and said so in a line; default: none */
    const char *admin; /**< "HOST:PORT" of the admin server, port 0 for any; default: no server.
                            Beyond loopback it needs `admin_token` */
    const char *admin_token; /**< bearer token of the admin server; never printed */
    int log_fd;              /**< where log lines go, duplicated; 0 means 1, stdout */
    enum spy_log_format
        log_format; /**< default: SPY_LOG_FORMAT (auto, json, console, logfmt), else auto. The
                         console form has colours on a terminal, unless NO_COLOR is set */
    enum spy_level log_level; /**< lines below it are not made; default: SPY_LOG_LEVEL (debug, info,
                                 warn, error, off), else info */
    const char *log_levels; /**< levels of modules (SPY_MODULE), "http=debug,store=warn"; '*' is all
                                 others, and goes before log_level; default: SPY_LOG_LEVELS, else
                                 none */
    unsigned full_wait_ms;  /**< how long a caller waits for room before its line is dropped and
                                 counted, 1 to 60000; default: SPY_FULL_WAIT_MS, else 100 */
    unsigned ring_slots; /**< so many threads have a ring of their own for what they log at a time,
                            others share one; 1 to 512; default: 64 */
    unsigned ring_bytes; /**< of each ring, a power of two from 64 KiB to 64 MiB; a record must fit;
                            default: 256 KiB */
    unsigned resource_period_s; /**< period of the `resource_usage` sampler, 1 to 3600; default: no
                                   sampler */
    const char *resource_disk; /**< mount point that `resource_usage{disk}` looks at; default "/" */
    enum spy_log_output log_output; /**< default: log_fd or log_file where one is set here, else
                                       SPY_LOG_OUTPUT (auto, stdout, stderr, file, syslog,
                                       journald), else auto */
    const char *log_file; /**< path of the log file, made 0640, appended to; default: SPY_LOG_FILE,
                             else none */
    uint64_t log_file_max_bytes; /**< no log file grows longer (but for one line that is): it is
                                    renamed to log_file.1, that to log_file.2, …; default: no limit
                                  */
    unsigned
        log_file_max_age_s; /**< the same for a log file whose first line is so old; default: no
                                    limit */
    unsigned log_files_max; /**< renamed log files that are kept, 1 to 1000; default: 5 */
    const char
        *redact; /**< more words that name a secret, with commas between them, at most 32 of at
                           most 63 bytes: "iban, card_number" masks userIban and card-number too;
                           default: SPY_REDACT, else none */
    unsigned log_repeats_max;   /**< so many lines of one event, correlation id and equal fields are
                                 written in a second; what comes beyond is counted, and said in one
                                 line with `repeated`; default: SPY_LOG_REPEATS_MAX (a number, or
                                 off), else 100 */
    const char *prometheus_url; /**< "http://HOST:PORT" of the Prometheus that the admin server's
                                   page draws from; default: SPY_PROMETHEUS_URL, else none */
    unsigned trace_slow_ms; /**< a request that takes so long is slow: its trace is kept; default:
                                  5000 */
    const char *clickhouse_url; /**< "http[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]" of the
                                   ClickHouse (or spyglass-events) that events go to: the password
                                   is never printed; default: CLICKHOUSE_URL, else none */
    const char *clickhouse_ca;  /**< PEM file of the authorities that its certificate may come from;
                                    default: CLICKHOUSE_CA, else the system's */
    const char *clickhouse_cert; /**< PEM file of our certificate, for a server that asks for one;
                                    default: CLICKHOUSE_CERT, else none */
    const char *clickhouse_key;  /**< PEM file of its key; default: CLICKHOUSE_KEY, else in the same
                                    file */
    int clickhouse_no_migrate; /**< do not bring its schema up to date: spy_events_migrate() does */
    uint64_t
        journal_max_bytes; /**< of what waits for the network: past it the oldest goes, counted in
                                   spyglass_delivery_dropped_total; default: 256 MiB in state_dir,
                                   16 MiB in memory without it */
    double traces_sample_rate; /**< of the traces that are neither slow nor failed, the part that is
                                  kept, 0 to 1, or SPY_SAMPLE_NONE; default: SENTRY_TRACES_SAMPLE_RATE,
                                  else none. What
                                  the caller in another process has decided goes before */
    double profiles_sample_rate; /**< of the transactions that are sent to Sentry, the part that has
                                    a profile too, 0 to 1, or SPY_SAMPLE_NONE; needs `profiling`;
                                    default: SENTRY_PROFILES_SAMPLE_RATE, else none */
    const char
        *profiles_platform; /**< what these profiles say they are of, at most 31 bytes: Sentry
                                      names addresses by debug files for some platforms only;
                                      default: SPY_PROFILES_PLATFORM, else "rust" */
    const char *traces_sample_routes; /**< rates of their own for routes, "GET /healthz=0,
                                         /memes/{id}=0.5", at most 32; default:
                                         SPY_TRACES_SAMPLE_ROUTES, else none */
    const char *event_hash_fields; /**< fields of events to be told by their keyed hash alone, with
                                      commas between them ("user_id"): HMAC-SHA-256 under
                                      `event_hash_salt`, its first 32 hex digits; default:
                                      SPY_HASH_FIELDS, else none */
    const char *event_hash_salt;   /**< at least 16 bytes, never printed; default: SPY_HASH_SALT, or
                                    the first line of the file SPY_HASH_SALT_FILE */
    const char
        *sentry_dsn;      /**< "http[s]://KEY@HOST[:PORT][/PATH]/PROJECT" of the Sentry that errors
                               and traces go to; never printed; default: SENTRY_DSN, or the first
                               line of the file SENTRY_DSN_FILE, else none */
    int send_default_pii; /**< 1: say to Sentry who the client of a request is: its address, all of
                             its headers, and what its query says of people, secrets masked as ever;
                             -1: do not; default: SPY_SEND_DEFAULT_PII (off, on), else do not */
    int crash_handler; /**< catch SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: what the process died
                          of is written into state_dir, which must be set, and told by the next
                          start; then it goes on to the handler that was there before, or the
                          process dies of it (spyglass/crash.h) */
    int (*before_send)(struct spy_error_report *report, void *arg); /**< is asked for each error
                                    before it is grouped and sent: 0 drops it. Runs on a thread of
                                    the library with locks held: it must not call Spyglass, wait or
                                    take long; default: none */
    void *before_send_arg;
    enum spy_profiling profiling; /**< default: SPY_PROFILING (off, continuous), else off. Where the
                                     host handles SIGPROF itself there is none, said in a line */
    unsigned
        profiling_hz; /**< of continuous profiling: samples of each thread in a second of its CPU
                              time, 1 to 1000, and the kernel's tick at most; default: 101 */
};

/**
 * Starts the library: the pump, and whatever else `opts` asks for; NULL asks for nothing else. What
 * is in force then is logged once, as `spyglass_started`. Returns 0 or: -EALREADY (started before;
 * the first start goes on untouched), -EINVAL (an option or its environment variable is out of
 * range), -EBADF (log_fd is not open for writing), -EBUSY (state_dir belongs to a live process),
 * -EADDRINUSE (the admin port is taken), -EACCES (a port beyond loopback with no token), -ENOTSUP (a
 * part that this build left out), -ENOMEM, -EAGAIN (no thread to be had), or what else the system
 * said to state_dir, the log or the admin port. spy_start_error() says it in a sentence. On failure
 * nothing runs and the host goes on: instrumentation stays safe. Threads: any.
 */
#define spy_start(...) spy__start((__VA_ARGS__), SPY_ABI)
SPY_API SPY_CHECK int spy__start(const struct spy_options *opts, unsigned abi);

/**
 * What the last failed spy_start() of this thread had against its options, as one English sentence;
 * "" after a success. Returns a string that lives until the thread's next spy_start(). Threads:
 * any.
 */
SPY_API const char *spy_start_error(void);

/**
 * Publishes what was logged, closes the admin server, ends the pump and sends what waits for the
 * network, within timeout_ms; returns 0, or -ETIMEDOUT when lines were left unwritten, or events
 * unsent where there is no state_dir that keeps them for the next start (they are counted).
 * Instrumentation may go on in other threads; its log lines are then dropped and counted. A
 * spy_start() may follow. Without a start: a no-op. Threads: any.
 *
 * fork(): the child has no pump, admin server or sampler. It may go on to log: its lines are
 * written by its callers, at once. It does not hold state_dir. A spy_stop() in the child gives up
 * its copy alone; a spy_start() may follow, but where the fork came in the middle of another
 * thread's start or stop (-EAGAIN).
 */
SPY_API int spy_stop(unsigned timeout_ms);

/** The admin server's port in use (for `admin = "127.0.0.1:0"`), or 0 where there is none. Threads:
 * any. */
SPY_API uint16_t spy_admin_port(void);

/**
 * Opens log_file by its name again, soon: for whoever renamed it (logrotate). Where that fails,
 * lines go on to the old one, and one of them says so. Threads: any; signal handlers too.
 */
SPY_API void spy_log_reopen(void);

/** Tells the admin server's /readyz that the host is ready (or not, any more). Not ready at start.
 * Threads: any. */
SPY_API void spy_ready(int ready);

SPY_END_DECLS

#endif
