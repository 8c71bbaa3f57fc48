// Each option in turn: what the host said, else its variable, else the default; see the header.

#include "settings_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "encode/log_style.h"
#include "profile/sampler.h"
#include "record/mask/mask_words.h"
#include "record/rings.h"

#define FULL_WAIT_MS_DEFAULT 100u
#define TRACE_SLOW_MS_DEFAULT 5000u
#define FULL_WAIT_MS_MAX 60000u
#define RESOURCE_PERIOD_S_MAX 3600u
#define LOG_FILES_DEFAULT 5u
#define LOG_REPEATS_DEFAULT 100u
#define LOG_REPEATS_MAX 1000000u
#define SALT_BYTES_MAX 1024u

static __thread char start_error[512];

const char *spy_start_error(void)
{
    return start_error;
}

int spy__settings_refuse(int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(start_error, sizeof(start_error), format, args);
    va_end(args);
    return err;
}

const char *spy__or_null(const char *s)
{
    return s && s[0] ? s : NULL;
}

const char *spy__or_variable(const char *option, const char *variable)
{
    return spy__or_null(option) ? option : spy__or_null(getenv(variable));
}

static int check_name(const char *option, const char *value)
{
    size_t n = value ? strlen(value) : 0;
    if (n > SPY__LOG_NAME_MAX) {
        return spy__settings_refuse(-EINVAL, "%s is longer than %d bytes", option,
                                    SPY__LOG_NAME_MAX);
    }
    return !value || spy__utf8_valid(value, n)
               ? 0
               : spy__settings_refuse(-EINVAL, "%s is not UTF-8", option);
}

int spy__settings_choose(int *ret, const char *variable, const char *const names[],
                         const char *said)
{
    const char *value = getenv(variable);
    *ret = 0;
    if (!value || !value[0]) {
        return 0;
    }
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *ret = i;
            return 0;
        }
    }
    return spy__settings_refuse(-EINVAL, "%s is \"%.100s\": it must be one of %s", variable, value,
                                said);
}

static int find_log_level(struct spy__settings *s, enum spy_level option)
{
    static const char *const names[] = { "", "debug", "info", "warn", "error", "off", NULL };
    int level = (int)option, err = 0;
    if (option < SPY_LEVEL_DEFAULT || option > SPY_LEVEL_OFF) {
        return spy__settings_refuse(-EINVAL, "log_level is %d: it is no level", level);
    }
    if (option == SPY_LEVEL_DEFAULT) {
        err = spy__settings_choose(&level, "SPY_LOG_LEVEL", names, "debug, info, warn, error, off");
    }
    s->log_level = level == SPY_LEVEL_DEFAULT ? SPY_LEVEL_INFO : (enum spy_level)level;
    return err;
}

static int find_log_levels(struct spy__settings *s, const char *option)
{
    s->log_levels = spy__or_variable(option, "SPY_LOG_LEVELS");
    return spy__log_levels_parse(&s->modules, &s->log_level, s->log_levels) == 0
               ? 0
               : spy__settings_refuse(-EINVAL,
                                      "%s is \"%.100s\": it must be MODULE=LEVEL, with commas "
                                      "between them; a level is "
                                      "debug, info, warn, error or off",
                                      spy__or_null(option) ? "log_levels" : "SPY_LOG_LEVELS",
                                      s->log_levels);
}

static const char *const format_names[] = { "auto", "json", "console", "logfmt", NULL };

static int find_log_format(struct spy__settings *s, enum spy_log_format option)
{
    int format = (int)option, err = 0;
    if (option < SPY_LOG_AUTO || option > SPY_LOG_LOGFMT) {
        return spy__settings_refuse(-EINVAL, "log_format is %d: it is no format", format);
    }
    if (option == SPY_LOG_AUTO) {
        err = spy__settings_choose(&format, "SPY_LOG_FORMAT", format_names,
                                   "auto, json, console, logfmt");
    }
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = s->sink.kind == SPY__SINK_FD && isatty(s->sink.fd) == 1;
    s->log_format = format != SPY_LOG_AUTO ? (enum spy_log_format)format
                    : terminal             ? SPY_LOG_CONSOLE
                                           : SPY_LOG_JSON;
    // https://no-color.org: when present and not empty.
    s->colour = terminal && !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
    return err;
}

// Reads a whole number of 1 to most; false where the text is anything else.
static bool read_number(unsigned *ret, const char *text, unsigned long most)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || text[0] < '0' || text[0] > '9' || v == 0 || v > most) {
        return false;
    }
    *ret = (unsigned)v;
    return true;
}

static int find_redact(struct spy__settings *s, const char *option)
{
    struct spy__mask_words words;
    s->redact = spy__or_variable(option, "SPY_REDACT");
    return spy__mask_words_parse(&words, s->redact) == 0
               ? 0
               : spy__settings_refuse(
                     -EINVAL,
                     "%s is \"%.100s\": it must be at most %d words of 1 to %d letters and digits, "
                     "with commas between them",
                     spy__or_null(option) ? "redact" : "SPY_REDACT", s->redact, SPY__MASK_WORDS_MAX,
                     SPY__MASK_WORD_BYTES_MAX);
}

static int find_log_repeats(struct spy__settings *s, unsigned option)
{
    const char *value = option ? NULL : spy__or_null(getenv("SPY_LOG_REPEATS_MAX"));
    s->log_repeats_max = option ? option : LOG_REPEATS_DEFAULT;
    if (value && strcmp(value, "off") == 0) {
        s->log_repeats_max = SPY_REPEATS_UNLIMITED;
    } else if (value && !read_number(&s->log_repeats_max, value, LOG_REPEATS_MAX)) {
        return spy__settings_refuse(-EINVAL,
                                    "SPY_LOG_REPEATS_MAX is \"%.100s\": it must be 1 to %u, or off",
                                    value, LOG_REPEATS_MAX);
    }
    return 0;
}

static int find_full_wait(struct spy__settings *s, unsigned option)
{
    const char *value = getenv("SPY_FULL_WAIT_MS");
    s->full_wait_ms = option ? option : FULL_WAIT_MS_DEFAULT;
    if (option == 0 && value && value[0] &&
        !read_number(&s->full_wait_ms, value, FULL_WAIT_MS_MAX)) {
        return spy__settings_refuse(-EINVAL, "SPY_FULL_WAIT_MS is \"%.100s\": it must be 1 to %u",
                                    value, FULL_WAIT_MS_MAX);
    }
    return option <= FULL_WAIT_MS_MAX
               ? 0
               : spy__settings_refuse(-EINVAL, "full_wait_ms is %u: it must be 1 to %u", option,
                                      FULL_WAIT_MS_MAX);
}

static int find_rings(struct spy__settings *s, const struct spy_options *o)
{
    s->ring_slots = o->ring_slots ? o->ring_slots : SPY__RING_SLOTS_DEFAULT;
    s->ring_bytes = o->ring_bytes ? o->ring_bytes : SPY__RING_BYTES_DEFAULT;
    if (s->ring_slots > SPY__RING_SLOTS_MAX) {
        return spy__settings_refuse(-EINVAL, "ring_slots is %u: it must be 1 to %u", s->ring_slots,
                                    SPY__RING_SLOTS_MAX);
    }
    bool power_of_two = (s->ring_bytes & (s->ring_bytes - 1)) == 0;
    return power_of_two && s->ring_bytes >= SPY__RING_BYTES_MIN &&
                   s->ring_bytes <= SPY__RING_BYTES_MAX
               ? 0
               : spy__settings_refuse(-EINVAL,
                                      "ring_bytes is %u: it must be a power of two, %u to %u",
                                      s->ring_bytes, SPY__RING_BYTES_MIN, SPY__RING_BYTES_MAX);
}

static int find_profiling(struct spy__settings *s, const struct spy_options *o)
{
    static const char *const names[] = { "", "off", "continuous", NULL };
    int mode = (int)o->profiling, err = 0;
    if (o->profiling < SPY_PROFILING_DEFAULT || o->profiling > SPY_PROFILING_CONTINUOUS) {
        return spy__settings_refuse(-EINVAL, "profiling is %d: it is no mode", mode);
    }
    if (o->profiling_hz > SPY__SAMPLER_HZ_MAX) {
        return spy__settings_refuse(-EINVAL, "profiling_hz is %u: it must be 1 to %u",
                                    o->profiling_hz, SPY__SAMPLER_HZ_MAX);
    }
    if (o->profiling == SPY_PROFILING_DEFAULT) {
        err = spy__settings_choose(&mode, "SPY_PROFILING", names, "off, continuous");
    }
    if (mode == SPY_PROFILING_CONTINUOUS) {
        s->continuous_hz = o->profiling_hz ? o->profiling_hz : SPY__SAMPLER_HZ;
    }
    return err;
}

// ---- where lines go

static const char *const output_names[] = { "auto",   "stdout",   "stderr", "file",
                                            "syslog", "journald", NULL };

static int check_log_fd(int fd)
{
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags < 0) {
        return spy__settings_refuse(-EBADF, "log_fd %d is not open", fd);
    }
    return (flags & O_ACCMODE) != O_RDONLY
               ? 0
               : spy__settings_refuse(-EBADF, "log_fd %d is not open for writing", fd);
}

static int use_fd(struct spy__settings *s, int fd)
{
    s->sink.kind = SPY__SINK_FD;
    s->sink.fd = fd;
    return check_log_fd(fd);
}

static int use_file(struct spy__settings *s, const struct spy_options *o)
{
    const char *path = spy__or_variable(o->log_file, "SPY_LOG_FILE");
    if (!path) {
        return spy__settings_refuse(-EINVAL, "log_output is file, and log_file names none");
    }
    if (o->log_files_max > SPY__LOG_FILES_MAX) {
        return spy__settings_refuse(-EINVAL, "log_files_max is %u: it must be 1 to %u",
                                    o->log_files_max, SPY__LOG_FILES_MAX);
    }
    s->sink.kind = SPY__SINK_FILE;
    s->sink.file = (struct spy__log_file_options){
        .path = path,
        .max_bytes = o->log_file_max_bytes,
        .max_age_s = o->log_file_max_age_s,
        .files_max = o->log_files_max ? o->log_files_max : LOG_FILES_DEFAULT,
    };
    return 0;
}

static int use_logger(struct spy__settings *s, enum spy__sink_kind kind, const char *variable,
                      const char *socket)
{
    const char *other = spy__or_null(getenv(variable));
    s->sink.kind = kind;
    s->sink.socket = other ? other : socket;
    s->sink.name = s->service;
    return 0;
}

// What the host asks for by an option goes before what its environment says.
static int choose_output(int *ret, const struct spy_options *o)
{
    *ret = (int)o->log_output;
    if (o->log_output < SPY_LOG_OUTPUT_AUTO || o->log_output > SPY_LOG_OUTPUT_JOURNALD) {
        return spy__settings_refuse(-EINVAL, "log_output is %d: it is no output", *ret);
    }
    if (o->log_output != SPY_LOG_OUTPUT_AUTO || o->log_fd != 0) {
        return 0;
    }
    if (spy__or_null(o->log_file)) {
        *ret = SPY_LOG_OUTPUT_FILE;
        return 0;
    }
    int err = spy__settings_choose(ret, "SPY_LOG_OUTPUT", output_names,
                                   "auto, stdout, stderr, file, syslog, journald");
    if (err == 0 && *ret == SPY_LOG_OUTPUT_AUTO && spy__or_null(getenv("SPY_LOG_FILE"))) {
        *ret = SPY_LOG_OUTPUT_FILE;
    }
    return err;
}

static int find_output(struct spy__settings *s, const struct spy_options *o)
{
    int output, err = choose_output(&output, o);
    if (err != 0) {
        return err;
    }
    switch (output) {
    case SPY_LOG_OUTPUT_FILE:
        return use_file(s, o);
    case SPY_LOG_OUTPUT_SYSLOG:
        return use_logger(s, SPY__SINK_SYSLOG, "SPY_SYSLOG_SOCKET", SPY__SYSLOG_SOCKET);
    case SPY_LOG_OUTPUT_JOURNALD:
        return use_logger(s, SPY__SINK_JOURNALD, "SPY_JOURNALD_SOCKET", SPY__JOURNALD_SOCKET);
    case SPY_LOG_OUTPUT_STDOUT:
        return use_fd(s, STDOUT_FILENO);
    case SPY_LOG_OUTPUT_STDERR:
        return use_fd(s, STDERR_FILENO);
    default:
        return use_fd(s, o->log_fd ? o->log_fd : STDOUT_FILENO);
    }
}

const char *spy__settings_output(const struct spy__settings *settings)
{
    static const char *const names[] = {
        [SPY__SINK_FD] = "fd",
        [SPY__SINK_FILE] = "file",
        [SPY__SINK_SYSLOG] = "syslog",
        [SPY__SINK_JOURNALD] = "journald",
    };
    return names[settings->sink.kind];
}

const char *spy__settings_format(const struct spy__settings *settings)
{
    return format_names[settings->log_format];
}

// ---- fields of events that are told by their hash

ssize_t spy__settings_secret(char *ret, size_t cap, const char *variable, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(ret, 1, cap, file) : 0;
    bool failed = !file || ferror(file);
    int err = errno;
    if (file) {
        (void)fclose(file);
    }
    if (failed) {
        errno = err; // for %m
        return spy__settings_refuse(-EINVAL, "%s %.200s cannot be read: %m", variable, path);
    }
    const char *end = memchr(ret, '\n', n);
    n = end ? (size_t)(end - ret) : n;
    return n < cap ? (ssize_t)n
                   : spy__settings_refuse(-EINVAL, "%s %.200s has too long a first line", variable,
                                          path);
}

static int make_pseudonyms(struct spy__settings *s, const char *fields, const char *salt, size_t n)
{
    if (n < SPY__SALT_BYTES_MIN) {
        return spy__settings_refuse(-EINVAL,
                                    "the salt of hashed event fields is shorter than %d bytes",
                                    SPY__SALT_BYTES_MIN);
    }
    int err = spy__pseudonyms_new(&s->pseudonyms, fields, salt, n);
    if (err == -EINVAL) {
        return spy__settings_refuse(err,
                                    "event_hash_fields is \"%.100s\": it must be 1 to %d names",
                                    fields, SPY_FIELDS_MAX);
    }
    return err ? spy__settings_refuse(err, "there is no memory for hashed event fields") : 0;
}

static int find_pseudonyms(struct spy__settings *s, const struct spy_options *o)
{
    const char *fields = spy__or_variable(o->event_hash_fields, "SPY_HASH_FIELDS");
    const char *salt = spy__or_variable(o->event_hash_salt, "SPY_HASH_SALT");
    const char *path = spy__or_null(getenv("SPY_HASH_SALT_FILE"));
    char secret[SALT_BYTES_MAX + 1];
    if (!fields) {
        return 0;
    }
    if (salt) {
        return make_pseudonyms(s, fields, salt, strlen(salt));
    }
    if (!path) {
        return spy__settings_refuse(-EINVAL, "event fields are to be hashed, and there is no salt: "
                                             "set SPY_HASH_SALT or SPY_HASH_SALT_FILE");
    }
    ssize_t n = spy__settings_secret(secret, sizeof(secret), "SPY_HASH_SALT_FILE", path);
    int err = n > 0   ? make_pseudonyms(s, fields, secret, (size_t)n)
              : n < 0 ? (int)n
                      : spy__settings_refuse(-EINVAL, "SPY_HASH_SALT_FILE %.200s is empty", path);
    explicit_bzero(secret, sizeof(secret));
    return err;
}

// ---- all of them

int spy__settings_find(struct spy__settings *s, const struct spy_options *o)
{
    *s = (struct spy__settings){
        .service = spy__or_null(o->service) ? o->service : program_invocation_short_name,
        .environment = spy__or_variable(o->environment, "SENTRY_ENVIRONMENT"),
        .release = spy__or_variable(o->release, "SENTRY_RELEASE"),
        .state_dir = spy__or_null(o->state_dir),
        .admin = spy__or_null(o->admin),
        .admin_token = spy__or_null(o->admin_token),
        .resource_disk = spy__or_null(o->resource_disk) ? o->resource_disk : "/",
        .resource_period_s = o->resource_period_s,
        .trace_slow_ms = o->trace_slow_ms ? o->trace_slow_ms : TRACE_SLOW_MS_DEFAULT,
        .prometheus_url = spy__or_variable(o->prometheus_url, "SPY_PROMETHEUS_URL"),
        .clickhouse_url = spy__or_variable(o->clickhouse_url, "CLICKHOUSE_URL"),
        .clickhouse_ca = spy__or_variable(o->clickhouse_ca, "CLICKHOUSE_CA"),
        .clickhouse_cert = spy__or_variable(o->clickhouse_cert, "CLICKHOUSE_CERT"),
        .clickhouse_key = spy__or_variable(o->clickhouse_key, "CLICKHOUSE_KEY"),
        .clickhouse_no_migrate = o->clickhouse_no_migrate != 0,
        .crash_handler = o->crash_handler != 0,
        .journal_max_bytes = o->journal_max_bytes,
    };
    int err = check_name("service", o->service);
    err = err ? err : check_name("environment", s->environment);
    err = err ? err : check_name("release", s->release);
    err = err ? err : find_output(s, o);
    err = err ? err : find_log_format(s, o->log_format);
    err = err ? err : find_log_level(s, o->log_level);
    err = err ? err : find_log_levels(s, o->log_levels);
    err = err ? err : find_full_wait(s, o->full_wait_ms);
    err = err ? err : find_rings(s, o);
    err = err ? err : find_profiling(s, o);
    err = err ? err : find_redact(s, o->redact);
    err = err ? err : find_log_repeats(s, o->log_repeats_max);
    err = err ? err : spy__settings_find_sentry(s, o);
    if (err == 0 && o->resource_period_s > RESOURCE_PERIOD_S_MAX) {
        err = spy__settings_refuse(-EINVAL, "resource_period_s is %u: it must be 1 to %u",
                                   o->resource_period_s, RESOURCE_PERIOD_S_MAX);
    }
    return err ? err : find_pseudonyms(s, o); // last: what it makes is owned
}
