// What memegen was told: defaults, then the config file, then the environment, then flags; the last
// one wins.
//
// The table of settings is in config_table.c: one row each, which its key, its variable, its flag,
// the checks, --help and --print-config all follow.
#ifndef MEMEGEN_CONFIG_H
#define MEMEGEN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_SETTINGS_MAX 96

struct config {
    char *listen;            // HOST:PORT of the service; "127.0.0.1:8080"
    char *admin;             // HOST:PORT of the admin server; "127.0.0.1:8000"
    char *admin_token;       // secret, "" where there is none: from SPY_ADMIN_TOKEN or
                             // SPY_ADMIN_TOKEN_FILE alone
    char *state_dir;         // "./memegen-state"; everything that memegen writes lies there
    char *database;          // "sqlite:<state_dir>/memegen.db"
    char *data_dir;          // templates, phrases, trends; found beside the program
    char *service;           // OTEL_SERVICE_NAME; "memegen"
    char *environment;       // SENTRY_ENVIRONMENT; "development"
    char *release;           // SENTRY_RELEASE; this version
    char *log_format;        // auto, json, console, logfmt
    char *log_levels;        // levels of modules, or ""
    char *redact;            // more words that name a secret, or ""
    char *log_repeats_max;   // a number, or "off"
    char *log_level;         // debug, info, warn, error
    char *log_output;        // auto, stdout, stderr, file, syslog, journald
    char *log_file;          // "": none
    long log_file_max_bytes; // 0: a new file is never begun
    long log_file_max_age_s; // 0: the same
    long log_files_max;      // 1 to 1000; 5
    char *crash_handler;     // on, off
    char *profiling;         // continuous, off
    char *profile;           // off, loopback, token
    char *resource_disk;     // "/"
    char *prometheus_url;    // SPY_PROMETHEUS_URL; "http://127.0.0.1:9090"
    long resource_period_s;  // 1 to 3600; 60
    long full_wait_ms;       // 1 to 60000; 100
    long workers;            // 1 to 64; default: cores, at least 2, with an LLM at least 16
    long queue;              // 1 to 65536; 256
    long db_pool;            // 1 to 64; 8
    long cache_bytes;        // 64 MiB
    long cache_ttl_s;        // 300
    char *openai_base_url;   // of the LLM; "": none, the offline writer
    char *openai_api_key;    // secret, "" where there is none: from OPENAI_API_KEY or
                             // OPENAI_API_KEY_FILE alone
    char *openai_model;      // "gpt-4o-mini"
    char *llm_fallback;      // offline, none
    char *llm_prices;        // "<data_dir>/prices.yaml"
    char *clickhouse_url;    // secret, for it may hold a password; "": no analytics. From
                             // CLICKHOUSE_URL or CLICKHOUSE_URL_FILE alone
    char *clickhouse_ca;     // PEM files for TLS to it; "": none, as the next two
    char *clickhouse_cert;
    char *clickhouse_key;
    char *traces_sample_rate;   // 0 to 1; "0.1"
    char *profiles_sample_rate; // 0 to 1, of those that are sent; "0.1"
    char *send_default_pii;     // off, on
    char *traces_sample_routes; // "GET /healthz=0"; "" for none
    long trace_slow_ms;         // 1 to 3600000; 5000
    char *sentry_dsn;           // secret; "": no Sentry. From SENTRY_DSN or SENTRY_DSN_FILE alone
    long llm_connect_ms;        // 3000
    long llm_attempt_ms;        // 15000
    long llm_timeout_ms;        // 30000
    long llm_retries;           // 0 to 10; 2
    long llm_concurrency;       // 1 to 256; 16
    bool print_config, check_config, help, version; // what the command line asked for
    char *config_file;                              // "" where there is none
    unsigned char origins[CONFIG_SETTINGS_MAX]; // private: enum config_origin by row of the table
};

// Fills *ret from file, environment and argv. 0, or -EINVAL with an English sentence in error; *ret
// is then untouched. With --help or --version among argv it stops there: the other fields are then
// zero. Free with config_done().
int config_load(struct config *ret, int argc, char **argv, char *error, size_t error_size);
void config_done(struct config *config);
// The effective values as YAML, each with where it came from; secrets masked. It can be read as a
// config file again.
void config_print(const struct config *config, FILE *out);
void config_help(FILE *out);

#endif
