// The settings of memegen, one row each.

#include "memegen/config_table.h"

#include <string.h>

#include <spyglass/options.h>

#define TEXT(field) .key = #field, .offset = offsetof(struct config, field)
#define NUMBER(field, least, most) TEXT(field), .min = (least), .max = (most)

const struct setting config_table[] = {
    { TEXT(listen), .variable = "MEMEGEN_LISTEN", .value = "127.0.0.1:8080",
      .check = config_check_address, .help = "HOST:PORT of the service; port 0 takes a free one" },
    { TEXT(admin), .variable = "SPY_ADMIN", .value = "127.0.0.1:8000",
      .check = config_check_address,
      .help = "HOST:PORT of /metrics; beyond loopback it needs SPY_ADMIN_TOKEN" },
    { TEXT(admin_token), .variable = "SPY_ADMIN_TOKEN", .value = "", .secret = true,
      .help = "bearer token of the admin server" },
    { TEXT(state_dir), .variable = "MEMEGEN_STATE_DIR", .value = "./memegen-state",
      .check = config_check_path, .help = "folder for everything that memegen writes" },
    { TEXT(database), .variable = "DATABASE_URL", .check = config_check_database,
      .help = "sqlite:PATH; default: memegen.db in the state folder" },
    { TEXT(data_dir), .variable = "MEMEGEN_DATA_DIR", .check = config_check_folder,
      .help = "folder of templates, phrases and trends; default: found beside the program" },
    { TEXT(service), .variable = "OTEL_SERVICE_NAME", .value = "memegen",
      .check = config_check_name, .help = "name of the service in logs and traces" },
    { TEXT(environment), .variable = "SENTRY_ENVIRONMENT", .value = "development",
      .check = config_check_name, .help = "production, staging, development, ..." },
    { TEXT(release), .variable = "SENTRY_RELEASE", .value = SPYGLASS_VERSION,
      .check = config_check_name, .help = "version of the service in logs and traces" },
    { TEXT(log_format), .variable = "SPY_LOG_FORMAT", .value = "auto",
      .check = config_check_log_format,
      .help = "auto, json, logfmt or console; auto: console on a terminal, else json" },
    { TEXT(log_level), .variable = "SPY_LOG_LEVEL", .value = "info",
      .check = config_check_log_level, .help = "debug, info, warn or error" },
    { TEXT(log_levels), .variable = "SPY_LOG_LEVELS", .value = "", .check = config_check_log_levels,
      .help = "levels of modules: http=debug,pipeline=warn; * is all others" },
    { TEXT(redact), .variable = "SPY_REDACT", .value = "", .check = config_check_redact,
      .help = "more words that name a secret in logs, with commas between them" },
    { TEXT(log_repeats_max), .variable = "SPY_LOG_REPEATS_MAX", .value = "100",
      .check = config_check_repeats,
      .help = "equal log lines a second, 1 to 1000000, or off; more are told with a count" },
    { TEXT(log_output), .variable = "SPY_LOG_OUTPUT", .value = "auto",
      .check = config_check_log_output,
      .help = "auto, stdout, stderr, file, syslog or journald; auto: log_file where there is one, "
              "else stdout" },
    { TEXT(log_file), .variable = "SPY_LOG_FILE", .value = "",
      .help = "path of the log file; SIGHUP opens it again" },
    { NUMBER(log_file_max_bytes, 0, 1L << 50), .variable = "SPY_LOG_FILE_MAX_BYTES", .value = "0",
      .help = "bytes after which a new log file is begun; 0: none" },
    { NUMBER(log_file_max_age_s, 0, 315360000), .variable = "SPY_LOG_FILE_MAX_AGE_S", .value = "0",
      .help = "seconds after which a new log file is begun; 0: none" },
    { NUMBER(log_files_max, 1, 1000), .variable = "SPY_LOG_FILES_MAX", .value = "5",
      .help = "earlier log files that are kept" },
    { NUMBER(full_wait_ms, 1, 60000), .variable = "SPY_FULL_WAIT_MS", .value = "100",
      .help = "milliseconds that a log line waits for room before it is dropped" },
    { TEXT(crash_handler), .variable = "MEMEGEN_CRASH_HANDLER", .value = "on",
      .check = config_check_on_off,
      .help = "on or off: what memegen crashed of is written down, and told by its next start" },
    { TEXT(profiling), .variable = "SPY_PROFILING", .value = "continuous",
      .check = config_check_profiling,
      .help = "continuous or off: sample all threads all the time, 101 times a second of their CPU "
              "time" },
    { TEXT(profile), .variable = "MEMEGEN_PROFILE", .value = "off", .check = config_check_profile,
      .help =
          "who gets the profile of a request, by ?profile=1: off (nobody), loopback, or token (the "
          "bearer of SPY_ADMIN_TOKEN)" },
    { TEXT(resource_disk), .variable = "SPY_RESOURCE_DISK", .value = "/",
      .check = config_check_folder, .help = "mount point that resource_usage looks at" },
    { NUMBER(resource_period_s, 1, 3600), .variable = "SPY_RESOURCE_PERIOD_S", .value = "60",
      .help = "seconds between two samples of resource_usage" },
    { TEXT(prometheus_url), .variable = "SPY_PROMETHEUS_URL", .value = "http://127.0.0.1:9090",
      .check = config_check_prometheus,
      .help = "the Prometheus that the page of the admin server draws" },
    { NUMBER(workers, 1, 64), .variable = "MEMEGEN_WORKERS",
      .help = "threads that make memes; default: one a core, at least 2, with an LLM at least 16" },
    { NUMBER(queue, 1, 65536), .variable = "MEMEGEN_QUEUE", .value = "256",
      .help = "requests that may wait; past it the answer is 503" },
    { NUMBER(db_pool, 1, 64), .variable = "MEMEGEN_DB_POOL", .value = "8",
      .help = "database connections" },
    { NUMBER(cache_bytes, 65536, 1L << 40), .variable = "MEMEGEN_CACHE_BYTES", .value = "67108864",
      .help = "memory of the cache" },
    { NUMBER(cache_ttl_s, 1, 86400), .variable = "MEMEGEN_CACHE_TTL_S", .value = "300",
      .help = "seconds that the cache keeps a value" },
    { TEXT(openai_base_url), .variable = "OPENAI_BASE_URL", .value = "", .check = config_check_url,
      .help = "OpenAI-compatible LLM that writes the memes; default: " CONFIG_OPENAI_URL
              " where there is a key, else the offline writer" },
    { TEXT(openai_api_key), .variable = "OPENAI_API_KEY", .value = "", .check = config_check_key,
      .secret = true, .help = "bearer token of the LLM" },
    { TEXT(openai_model), .variable = "OPENAI_MODEL", .value = "gpt-4o-mini",
      .check = config_check_name, .help = "model that the LLM is asked for" },
    { TEXT(llm_fallback), .variable = "MEMEGEN_LLM_FALLBACK", .value = "offline",
      .check = config_check_fallback,
      .help =
          "offline: the offline writer takes over where the LLM fails; none: the request fails" },
    { NUMBER(llm_connect_ms, 1, 600000), .variable = "MEMEGEN_LLM_CONNECT_MS", .value = "3000",
      .help = "milliseconds to reach the LLM" },
    { NUMBER(llm_attempt_ms, 1, 600000), .variable = "MEMEGEN_LLM_ATTEMPT_MS", .value = "15000",
      .help = "milliseconds of one HTTP call of the LLM" },
    { NUMBER(llm_timeout_ms, 1, 600000), .variable = "MEMEGEN_LLM_TIMEOUT_MS", .value = "30000",
      .help =
          "milliseconds of a question to the LLM, with all its HTTP calls and the waits between" },
    { NUMBER(llm_retries, 0, 10), .variable = "MEMEGEN_LLM_RETRIES", .value = "2",
      .help = "HTTP calls after one that failed in a way that may pass" },
    { NUMBER(llm_concurrency, 1, 256), .variable = "MEMEGEN_LLM_CONCURRENCY", .value = "16",
      .help = "HTTP calls of the LLM at once" },
    { TEXT(llm_prices), .variable = "MEMEGEN_LLM_PRICES", .check = config_check_path,
      .help = "file of what tokens cost; default: prices.yaml in the data folder" },
    { TEXT(clickhouse_url), .variable = "CLICKHOUSE_URL", .value = "",
      .check = config_check_clickhouse, .secret = true,
      .help = "http[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE] of the ClickHouse (or "
              "spyglass-events) that product events go to" },
    { TEXT(clickhouse_ca), .variable = "CLICKHOUSE_CA", .value = "", .check = config_check_file,
      .help = "PEM file of the authorities that ClickHouse's certificate may come from; default: "
              "the system's" },
    { TEXT(clickhouse_cert), .variable = "CLICKHOUSE_CERT", .value = "", .check = config_check_file,
      .help = "PEM file of memegen's certificate, for a ClickHouse that asks for one" },
    { TEXT(clickhouse_key), .variable = "CLICKHOUSE_KEY", .value = "", .check = config_check_file,
      .help = "PEM file of its key; default: in the same file" },

    { TEXT(sentry_dsn), .variable = "SENTRY_DSN", .value = "", .check = config_check_sentry,
      .secret = true,
      .help =
          "http[s]://KEY@HOST[:PORT][/PATH]/PROJECT of the Sentry that errors and traces go to" },
    { TEXT(send_default_pii), .variable = "SPY_SEND_DEFAULT_PII", .value = "off",
      .check = config_check_on_off,
      .help = "on or off: what says who a client is, its address and headers, goes to Sentry too" },
    { TEXT(traces_sample_rate), .variable = "SENTRY_TRACES_SAMPLE_RATE", .value = "0.1",
      .check = config_check_rate,
      .help = "part of the traces that are kept though they neither failed nor were slow, 0 to 1" },
    { TEXT(profiles_sample_rate), .variable = "SENTRY_PROFILES_SAMPLE_RATE", .value = "0.1",
      .check = config_check_rate,
      .help = "part of the transactions that go to Sentry with a profile, 0 to 1" },
    { TEXT(traces_sample_routes), .variable = "SPY_TRACES_SAMPLE_ROUTES",
      .value = "/healthz=0, /readyz=0",
      .help = "the same for routes of their own: \"GET /healthz=0, /api/v1/memes=0.5\"" },
    { NUMBER(trace_slow_ms, 1, 3600000), .variable = "MEMEGEN_TRACE_SLOW_MS", .value = "5000",
      .help = "a request that takes so many milliseconds is slow: its trace is kept" },

    // What later versions know: to ignore it would be worse than to refuse it.
    { .key = "redis_url", .variable = "REDIS_URL", .not_built = "Redis" },
    { .key = "otlp_endpoint", .variable = "OTEL_EXPORTER_OTLP_ENDPOINT", .not_built = "OTLP" },
    { .key = NULL },
};

_Static_assert(sizeof(config_table) / sizeof(config_table[0]) <= CONFIG_SETTINGS_MAX,
               "config.origins has room");

#define NAME_MAX_LEN 64 // longer than any key: what exceeds it is not looked at

// A flag's dash stands for the key's underscore, and an underscore in a flag for nothing.
static char key_char(char c, bool dashes)
{
    if (!dashes) {
        return c;
    }
    return c == '-' ? '_' : c == '_' ? '-' : c;
}

const struct setting *config_find(const char *name, size_t len, bool dashes)
{
    char key[NAME_MAX_LEN];
    if (len >= sizeof(key)) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        key[i] = key_char(name[i], dashes);
    }
    key[len] = '\0';
    for (const struct setting *s = config_table; s->key; s++) {
        if (!s->secret && strcmp(s->key, key) == 0) {
            return s;
        }
    }
    return NULL;
}

// Wagner and Fischer's edit distance, with one row. '-' and '_' are the same.
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = a[i - 1] == '-' ? '_' : a[i - 1];
            size_t best = diagonal + (x != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

const struct setting *config_nearest(const char *name, size_t len)
{
    const struct setting *nearest = NULL;
    size_t least = 3; // two slips are a typo, three another word
    if (len >= NAME_MAX_LEN) {
        return NULL;
    }
    for (const struct setting *s = config_table; s->key; s++) {
        size_t d = s->secret || s->not_built ? least : distance(name, len, s->key, strlen(s->key));
        if (d < least) {
            least = d;
            nearest = s;
        }
    }
    return nearest;
}
