// memegen: a meme service that Spyglass watches end to end.
//
// Start: configuration → templates → metrics → Spyglass (logs, admin server, the state directory's
// lock) → cache, store, pipeline → workers and the HTTP server → ready. The end goes the other way
// round.
//
// Signals are taken by this thread alone, by sigwaitinfo(2); all others block them. SIGTERM and
// SIGINT finish what was accepted and end with status 0 within 10 s; a second one ends at once.
// SIGHUP opens the log file again by its name, for whoever renamed it; SIGPIPE is ignored.
//
// Exit status: 0; 1 what was asked for could not be done; 2 wrong usage or configuration.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

#include "memegen/analytics/command.h"
#include "memegen/api/api.h"
#include "memegen/cache/cache.h"
#include "memegen/config.h"
#include "memegen/events.h"
#include "memegen/llm/openai.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/render/render.h"
#include "memegen/store/store.h"
#include "memegen/telemetry.h"

#define EXIT_USAGE 2
#define STOP_MS                                                                                    \
    8000u // for what was accepted; the rest of the 10 s is for the clients, the store and the log
#define STOP_LOG_MS 1000u // for the last lines
#define ERROR_BYTES 512
#define DESCRIPTORS                                                                                \
    4096u // 1,024 clients and all that answers them: the LLM, the database, the admin server

struct service {
    struct scenes *scenes;
    struct cache *cache;
    struct store *store;
    struct events *events;
    struct llm *llm; // NULL: none, the pipeline brings the offline writer
    struct pipeline *pipeline;
    struct api *api;
};

static enum spy_log_format log_format(const char *name)
{
    if (strcmp(name, "json") == 0) {
        return SPY_LOG_JSON;
    }
    if (strcmp(name, "logfmt") == 0) {
        return SPY_LOG_LOGFMT;
    }
    return strcmp(name, "console") == 0 ? SPY_LOG_CONSOLE : SPY_LOG_AUTO;
}

static enum spy_level log_level(const char *name)
{
    static const struct {
        const char *name;
        enum spy_level level;
    } levels[] = {
        { "debug", SPY_LEVEL_DEBUG },
        { "info", SPY_LEVEL_INFO },
        { "warn", SPY_LEVEL_WARN },
        { "error", SPY_LEVEL_ERROR },
    };

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            return levels[i].level;
        }
    }
    return SPY_LEVEL_DEFAULT;
}

// Checked already; in the library zero is the default, and none a value of its own.
static double rate(const char *text)
{
    double value = strtod(text, NULL);
    return value > 0 ? value : SPY_SAMPLE_NONE;
}

static enum spy_log_output log_output(const char *name)
{
    static const char *const outputs[] = {
        [SPY_LOG_OUTPUT_AUTO] = "auto",     [SPY_LOG_OUTPUT_STDOUT] = "stdout",
        [SPY_LOG_OUTPUT_STDERR] = "stderr", [SPY_LOG_OUTPUT_FILE] = "file",
        [SPY_LOG_OUTPUT_SYSLOG] = "syslog", [SPY_LOG_OUTPUT_JOURNALD] = "journald",
    };

    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
        if (strcmp(outputs[i], name) == 0) {
            return (enum spy_log_output)i;
        }
    }
    return SPY_LOG_OUTPUT_AUTO;
}

static int load_scenes(struct service *service, const struct config *config, char *error)
{
    char dir[4096];

    if (snprintf(dir, sizeof(dir), "%s/templates", config->data_dir) >= (int)sizeof(dir)) {
        snprintf(error, ERROR_BYTES, "The path of the data directory is too long.");
        return -ENAMETOOLONG;
    }
    return scenes_load(&service->scenes, dir, error, ERROR_BYTES);
}

// A topic that is refused is no error of ours: it is counted, and stands in the log.
static int is_error(struct spy_error_report *report, void *arg)
{
    (void)arg;
    return strcmp(report->type, "rejected") != 0;
}

// Metrics first: every family and every known series stands in the first scrape.
static int start_spyglass(const struct service *service, const struct config *config, char *error)
{
    const struct spy_options options = {
        .service = config->service,
        .environment = config->environment,
        .release = config->release,
        .state_dir = config->state_dir,
        .admin = config->admin,
        .admin_token = config->admin_token[0] ? config->admin_token : NULL,
        .log_format = log_format(config->log_format),
        .log_level = log_level(config->log_level),
        .log_levels = config->log_levels,
        .redact = config->redact,
        .log_repeats_max = strcmp(config->log_repeats_max, "off") == 0
                               ? SPY_REPEATS_UNLIMITED
                               : (unsigned)strtoul(config->log_repeats_max, NULL, 10),
        .log_output = log_output(config->log_output),
        .log_file = config->log_file,
        .log_file_max_bytes = (uint64_t)config->log_file_max_bytes,
        .log_file_max_age_s = (unsigned)config->log_file_max_age_s,
        .log_files_max = (unsigned)config->log_files_max,
        .full_wait_ms = (unsigned)config->full_wait_ms,
        .crash_handler = strcmp(config->crash_handler, "on") == 0,
        .profiling =
            strcmp(config->profiling, "off") == 0 ? SPY_PROFILING_OFF : SPY_PROFILING_CONTINUOUS,
        .resource_period_s = (unsigned)config->resource_period_s,
        .resource_disk = config->resource_disk,
        .prometheus_url = config->prometheus_url,
        .clickhouse_url = config->clickhouse_url[0] ? config->clickhouse_url : NULL,
        .clickhouse_ca = config->clickhouse_ca,
        .clickhouse_cert = config->clickhouse_cert,
        .clickhouse_key = config->clickhouse_key,
        .sentry_dsn = config->sentry_dsn,
        .send_default_pii = strcmp(config->send_default_pii, "on") == 0 ? 1 : -1,
        .before_send = is_error,
        .traces_sample_rate = rate(config->traces_sample_rate),
        .profiles_sample_rate = rate(config->profiles_sample_rate),
        .traces_sample_routes = config->traces_sample_routes,
        .trace_slow_ms = (unsigned)config->trace_slow_ms,
    };
    int code = telemetry_register(scenes_types(service->scenes));

    if (code) {
        snprintf(error, ERROR_BYTES, "The metrics could not be registered: %s.", strerror(-code));
        return code;
    }
    code = spy_start(&options);
    if (code) {
        snprintf(error, ERROR_BYTES, "%s", spy_start_error());
    }
    return code;
}

static struct clickhouse_server clickhouse_of(const struct config *config)
{
    return (struct clickhouse_server){ config->clickhouse_url, config->clickhouse_ca,
                                       config->clickhouse_cert, config->clickhouse_key };
}

static enum spy_http_profiles profiles_of(const struct config *config)
{
    if (strcmp(config->profile, "loopback") == 0) {
        return SPY_HTTP_PROFILES_LOOPBACK;
    }
    return strcmp(config->profile, "token") == 0 ? SPY_HTTP_PROFILES_TOKEN : SPY_HTTP_PROFILES_OFF;
}

// The price of the model, or NULL where the file has none: its tokens count, its cost does not.
static int find_price(struct price *price, const struct config *config, const struct price **ret,
                      char *error)
{
    int code = price_load(price, config->llm_prices, config->openai_model, error, ERROR_BYTES);

    *ret = code == 0 ? price : NULL;
    return code == -ENOENT ? 0 : code;
}

static int start_llm(struct service *service, const struct config *config, char *error)
{
    struct price price;
    struct openai_options options = {
        .base_url = config->openai_base_url,
        .key = config->openai_api_key,
        .model = config->openai_model,
        .connect_ms = (unsigned)config->llm_connect_ms,
        .attempt_ms = (unsigned)config->llm_attempt_ms,
        .timeout_ms = (unsigned)config->llm_timeout_ms,
        .retries = (unsigned)config->llm_retries,
        .concurrency = (size_t)config->llm_concurrency,
    };
    int code;

    if (!config->openai_base_url[0]) {
        return 0;
    }
    code = find_price(&price, config, &options.price, error);
    if (code) {
        return code;
    }
    code = openai_open(&service->llm, &options);
    if (code) {
        snprintf(error, ERROR_BYTES, "The LLM's part could not be started: %s.", strerror(-code));
        return code;
    }
    telemetry_llm_declare(config->openai_model, options.price != NULL);
    spy_info("llm_configured", spy_str("base_url", config->openai_base_url),
             spy_str("model", config->openai_model), spy_str("fallback", config->llm_fallback),
             spy_bool("priced", options.price != NULL));
    if (!options.price) {
        spy_warn("llm_price_unknown", spy_str("model", config->openai_model),
                 spy_str("prices", config->llm_prices));
    }
    return 0;
}

// What a killed process left unpublished comes before anything new.
static int start_events(struct service *service, const struct config *config, char *error)
{
    int code = events_open(&service->events, config->state_dir);

    if (code) {
        snprintf(error, ERROR_BYTES, "The product events could not be set up: %s.",
                 strerror(-code));
        return code;
    }
    events_recover(service->events, service->store);
    return 0;
}

static int start_service(struct service *service, const struct config *config, char *error)
{
    int code = cache_open(&service->cache,
                          &(struct cache_options){ .bytes_max = (size_t)config->cache_bytes,
                                                   .ttl_s = (unsigned)config->cache_ttl_s });

    if (code) {
        snprintf(error, ERROR_BYTES, "The cache could not be made: %s.", strerror(-code));
        return code;
    }
    code = store_open(
        &service->store,
        &(struct store_options){ .url = config->database, .pool_size = (size_t)config->db_pool },
        error, ERROR_BYTES);
    if (code) {
        return code;
    }
    code = start_events(service, config, error);
    if (code) {
        return code;
    }
    code = start_llm(service, config, error);
    if (code) {
        return code;
    }
    code = pipeline_open(
        &service->pipeline,
        &(struct pipeline_options){ .data_dir = config->data_dir,
                                    .scenes = service->scenes,
                                    .cache = service->cache,
                                    .llm = service->llm,
                                    .llm_verifies = true,
                                    .llm_fallback = strcmp(config->llm_fallback, "offline") == 0,
                                    .workers = (size_t)config->workers },
        error, ERROR_BYTES);
    if (code) {
        return code;
    }
    return api_start(&service->api,
                     &(struct api_options){ .listen = config->listen,
                                            .data_dir = config->data_dir,
                                            .clickhouse = clickhouse_of(config),
                                            .queue = (size_t)config->queue,
                                            .workers = (size_t)config->workers,
                                            .profiles = profiles_of(config),
                                            .scenes = service->scenes,
                                            .pipeline = service->pipeline,
                                            .store = service->store,
                                            .events = service->events,
                                            .cache = service->cache },
                     error, ERROR_BYTES);
}

static void close_service(struct service *service)
{
    if (service->pipeline) {
        pipeline_close(service->pipeline);
    }
    llm_close(service->llm);
    events_close(service->events);
    if (service->store) {
        store_close(service->store);
    }
    if (service->cache) {
        cache_close(service->cache);
    }
    if (service->scenes) {
        scenes_free(service->scenes);
    }
}

// A session's usual 1,024 descriptors are fewer than the clients that may be connected: idle ones
// would leave none for a scrape. As far as the hard limit lets us; nothing here uses select(2).
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void block_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ret, NULL);
    signal(SIGPIPE, SIG_IGN);
}

// Waits for SIGTERM or SIGINT; from then on these have their default action in this thread.
static int wait_for_end(const sigset_t *set)
{
    sigset_t deadly;
    int number;

    do {
        number = sigwaitinfo(set, NULL);
        if (number == SIGHUP) {
            spy_log_reopen();
        }
    } while (number != SIGTERM && number != SIGINT);
    sigemptyset(&deadly);
    sigaddset(&deadly, SIGTERM);
    sigaddset(&deadly, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &deadly, NULL);
    return number;
}

static int run(struct service *service, const sigset_t *signals)
{
    int number;

    spy_ready(1);
    spy_info("memegen_ready", spy_str("address", api_address(service->api)),
             spy_int("admin_port", spy_admin_port()));
    number = wait_for_end(signals);
    spy_ready(0);
    spy_info("memegen_stopping", spy_str("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    if (api_stop(service->api, STOP_MS) != 0) {
        // A worker is stuck in its pipeline: its meme is pending in the store, and an error from
        // the next start on.
        spy_error("memegen_stuck", "requests did not end in time", spy_uint("timeout_ms", STOP_MS));
        spy_stop(STOP_LOG_MS);
        _exit(EXIT_FAILURE);
    }
    spy_info("memegen_stopped");
    return EXIT_SUCCESS;
}

static int serve(const struct config *config)
{
    struct service service = { 0 };
    char error[ERROR_BYTES] = "";
    sigset_t signals;
    int status = EXIT_FAILURE;

    block_signals(&signals);
    raise_descriptors();
    if (load_scenes(&service, config, error) == 0 && start_spyglass(&service, config, error) == 0) {
        if (start_service(&service, config, error) == 0) {
            status = run(&service, &signals);
        }
        spy_stop(STOP_LOG_MS);
    }
    close_service(&service);
    if (status != EXIT_SUCCESS && error[0]) {
        fprintf(stderr, "memegen: %s\n", error);
    }
    return status;
}

static int check(const struct config *config)
{
    struct service service = { 0 };
    char error[ERROR_BYTES] = "";
    struct price price;
    const struct price *found;

    if (load_scenes(&service, config, error) != 0 ||
        find_price(&price, config, &found, error) != 0) {
        fprintf(stderr, "memegen: %s\n", error);
        return EXIT_FAILURE;
    }
    close_service(&service);
    puts("The configuration is valid.");
    return EXIT_SUCCESS;
}

static int act(const struct command *command, const struct config *config)
{
    if (config->help) {
        config_help(stdout);
    } else if (config->version) {
        puts("memegen " SPYGLASS_VERSION);
    } else if (config->print_config) {
        config_print(config, stdout);
    } else if (config->check_config) {
        return check(config);
    } else if (command->what == COMMAND_ANALYTICS) {
        return command_analytics(command, clickhouse_of(config));
    } else if (command->what == COMMAND_MIGRATE) {
        return command_migrate(clickhouse_of(config));
    } else {
        return serve(config);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct command command;
    struct config config;
    char error[ERROR_BYTES];
    int status;

    if (command_take(&command, &argc, argv, error, sizeof(error)) != 0 ||
        config_load(&config, argc, argv, error, sizeof(error)) != 0) {
        fprintf(stderr, "memegen: %s\n", error);
        return EXIT_USAGE;
    }
    status = act(&command, &config);
    config_done(&config);
    return status;
}
