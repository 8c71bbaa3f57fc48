// The exposition of memegen held against the contract, written out here once more: what dashboards
// and alerts rely on must not change by a slip in telemetry.c.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scrape.h"
#include "memegen/cache/cache.h"
#include "memegen/telemetry.h"
#include "metrics/resource.h"

#define VALUES_MAX 12

// A family, its labels and all values of each.
struct promise {
    const char *name, *type, *help;
    const char *bounds; // of a histogram: " 0.1 0.5"
    struct {
        const char *name;
        const char *values[VALUES_MAX];
    } labels[2];
};

#define STATUS                                                                                     \
    {                                                                                              \
        "status",                                                                                  \
        {                                                                                          \
            "success", "error", "rejected"                                                         \
        }                                                                                          \
    }
#define TEMPLATE                                                                                   \
    {                                                                                              \
        "template_type",                                                                           \
        {                                                                                          \
            "none", "top_bottom", "two_panel"                                                      \
        }                                                                                          \
    }
#define AGENT                                                                                      \
    {                                                                                              \
        "agent_name",                                                                              \
        {                                                                                          \
            "router", "trend_scanner", "format_selector", "prompt_generator", "factuality",        \
                "instruction_following", "appropriateness", "image_renderer", "scorer",            \
                "refinement"                                                                       \
        }                                                                                          \
    }
#define ERROR_TYPE                                                                                 \
    {                                                                                              \
        "error_type",                                                                              \
        {                                                                                          \
            "timeout", "refused", "status_429", "status_5xx", "bad_answer", "rejected", "internal" \
        }                                                                                          \
    }

static const struct promise contract[] = {
    { "meme_generation_seconds",
      "histogram",
      "Time spent generating memes",
      " 0.1 0.5 1 2 5 10",
      { STATUS, TEMPLATE } },
    { "meme_generation_total",
      "counter",
      "Total number of meme generation attempts",
      "",
      { STATUS } },
    {
        "meme_quality_score",
        "histogram",
        "Distribution of meme quality scores",
        " 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1",
    },
    { "agent_execution_seconds",
      "histogram",
      "Time spent in each agent",
      " 0.05 0.1 0.25 0.5 1 2.5 5",
      { AGENT } },
    { "agent_success_total", "counter", "Successful agent operations", "", { AGENT } },
    { "agent_failures_total", "counter", "Failed agent operations", "", { AGENT, ERROR_TYPE } },
    { "external_service_latency_seconds",
      "histogram",
      "External service request latency",
      " 0.1 0.25 0.5 1 2.5 5 10",
      { { "service_name", { "llm" } }, { "operation", { "chat_completion" } } } },
    { "external_service_errors_total",
      "counter",
      "External service errors",
      "",
      { { "service_name", { "llm" } }, ERROR_TYPE } },
    { "cache_operations_total",
      "counter",
      "Cache operations (hits/misses)",
      "",
      { { "operation", { "hit", "miss" } }, { "cache_type", { "template", "meme", "trend" } } } },
    { "cache_latency_seconds",
      "histogram",
      "Cache operation latency",
      " 0.001 0.005 0.01 0.025 0.05 0.1",
      { { "operation", { "get", "set", "delete" } } } },
    { "db_operation_latency_seconds",
      "histogram",
      "Database operation latency",
      " 0.01 0.05 0.1 0.25 0.5 1",
      { { "operation", { "select", "insert", "update", "delete" } },
        { "table", { "memes", "images", "interactions", "timelines" } } } },
    { "db_pool_size", "gauge", "Current database connection pool size", "" },
    { "db_pool_available_connections", "gauge", "Available connections in the pool", "" },
    { "http_request_duration_seconds",
      "histogram",
      "Time to answer an HTTP request",
      " 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10",
      { { "method", { "GET" } }, { "route", { "/healthz" } } } },
    { "http_requests_total",
      "counter",
      "HTTP requests answered",
      "",
      { { "method", { "GET" } }, { "route", { "/healthz" } } } },
    // Beside the contract.
    { "memegen_queue_depth", "gauge", "Requests waiting for a worker", "" },
    {
        "memegen_queue_capacity",
        "gauge",
        "Requests that may wait for a worker before more are refused",
        "",
    },
    { "meme_interactions_total", "counter", "Interactions with memes that were kept", "" },
    { "memegen_workers", "gauge", "Worker threads that generate memes", "" },
    { "memegen_workers_busy", "gauge", "Worker threads at work on a meme", "" },
};

// How often part stands in text.
static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void assert_line(const char *text, const char *line)
{
    char whole[600];
    (void)snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (count(text, whole) != 1) {
        fail_msg("the exposition must have just once: %s", line);
    }
}

// `labels` as they stand between braces, "" for none.
static void assert_histogram(const char *text, const struct promise *p, const char *labels)
{
    char line[500];
    const char *comma = labels[0] ? "," : "";
    const char *open = labels[0] ? "{" : "", *close = labels[0] ? "}" : "";
    size_t bounds = 0;
    for (const char *bound = p->bounds; *bound; bounds++) {
        int len = (int)strcspn(bound + 1, " ");
        (void)snprintf(line, sizeof(line), "%s_bucket{%s%sle=\"%.*s\"} 0", p->name, labels, comma,
                       len, bound + 1);
        assert_line(text, line);
        bound += 1 + len;
    }
    (void)snprintf(line, sizeof(line), "%s_bucket{%s%sle=\"+Inf\"} 0", p->name, labels, comma);
    assert_line(text, line);
    (void)snprintf(line, sizeof(line), "%s_sum%s%s%s 0", p->name, open, labels, close);
    assert_line(text, line);
    (void)snprintf(line, sizeof(line), "%s_count%s%s%s 0", p->name, open, labels, close);
    assert_line(text, line);
    (void)snprintf(line, sizeof(line), "\n%s_bucket{%s%sle=", p->name, labels, comma);
    assert_int_equal(count(text, line), bounds + 1); // and no bound more
}

static void assert_series(const char *text, const struct promise *p, const char *labels)
{
    char line[500];
    if (strcmp(p->type, "histogram") == 0) {
        assert_histogram(text, p, labels);
    } else {
        (void)snprintf(line, sizeof(line), "%s%s%s%s 0", p->name, labels[0] ? "{" : "", labels,
                       labels[0] ? "}" : "");
        assert_line(text, line);
    }
}

// Returns how many series the family was promised to have.
static size_t assert_every_series(const char *text, const struct promise *p)
{
    // The HTTP families have a third label, of one value here.
    const char *status = strncmp(p->name, "http_", 5) == 0 ? ",status=\"200\"" : "";
    char labels[256];
    size_t n = 0;
    if (!p->labels[0].name) {
        assert_series(text, p, "");
        return 1;
    }
    for (const char *const *a = p->labels[0].values; *a; a++) {
        if (!p->labels[1].name) {
            (void)snprintf(labels, sizeof(labels), "%s=\"%s\"", p->labels[0].name, *a);
            assert_series(text, p, labels);
            n++;
            continue;
        }
        for (const char *const *b = p->labels[1].values; *b; b++) {
            (void)snprintf(labels, sizeof(labels), "%s=\"%s\",%s=\"%s\"%s", p->labels[0].name, *a,
                           p->labels[1].name, *b, status);
            assert_series(text, p, labels);
            n++;
        }
    }
    return n;
}

static void test_contract(void **state)
{
    char *text = scrape();
    char line[300];
    (void)state;
    for (size_t i = 0; i < sizeof(contract) / sizeof(contract[0]); i++) {
        const struct promise *p = &contract[i];
        size_t n;
        (void)snprintf(line, sizeof(line), "# HELP %s %s", p->name, p->help);
        assert_line(text, line);
        (void)snprintf(line, sizeof(line), "# TYPE %s %s", p->name, p->type);
        assert_line(text, line);
        n = assert_every_series(text, p);
        (void)snprintf(line, sizeof(line), "\n%s%s", p->name,
                       strcmp(p->type, "histogram") == 0 ? "_count" : "");
        size_t series = 0;
        for (const char *at = strstr(text, line); at; at = strstr(at + 1, line)) {
            series += at[strlen(line)] == '{' || at[strlen(line)] == ' ';
        }
        assert_int_equal(series, n); // and no series more
    }
    free(text);
}

// The library's own, whose name and help are in the contract as well.
static void test_resource_usage(void **state)
{
    static const char *const types[] = { "memory", "disk" }; // "cpu" wants two samples
    struct spy__resource_sampler sampler;
    char *text;
    (void)state;
    assert_int_equal(spy__resource_sampler_init(&sampler, "/proc", "", "/"), 0);
    spy__resource_sample(&sampler);
    text = scrape();
    assert_line(text, "# HELP resource_usage System resource usage");
    assert_line(text, "# TYPE resource_usage gauge");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char series[64];
        (void)snprintf(series, sizeof(series), "resource_usage{resource_type=\"%s\"}", types[i]);
        double value = scrape_value(series);
        assert_true(value >= 0 && value <= 100);
    }
    free(text);
}

// Families without known values: they stand there with HELP and TYPE alone.
static void test_llm_families(void **state)
{
    char *text = scrape();
    (void)state;
    assert_line(text, "# TYPE llm_tokens_total counter");
    assert_line(text, "# TYPE llm_cost_dollars_total counter");
    assert_null(strstr(text, "\nllm_"));
    free(text);
}

static void test_generation(void **state)
{
    struct meme meme = { .status = MEME_SUCCESS,
                         .template_type = "two_panel",
                         .generation_seconds = 0.75,
                         .score.total = 0.85 };
    (void)state;
    telemetry_generation(&meme);
    assert_true(scrape_value("meme_generation_total{status=\"success\"}") == 1);
    assert_true(scrape_value("meme_generation_seconds_bucket{status=\"success\",template_type="
                             "\"two_panel\",le=\"0.5\"}") == 0);
    assert_true(scrape_value("meme_generation_seconds_bucket{status=\"success\",template_type="
                             "\"two_panel\",le=\"1\"}") == 1);
    assert_true(scrape_value("meme_quality_score_bucket{le=\"0.8\"}") == 0);
    assert_true(scrape_value("meme_quality_score_bucket{le=\"0.9\"}") == 1);
    meme = (struct meme){ .status = MEME_REJECTED };
    telemetry_generation(&meme);
    assert_true(
        scrape_value("meme_generation_seconds_count{status=\"rejected\",template_type=\"none\"}") ==
        1);
    meme.status = MEME_PENDING; // it should never be: counted as what it is, an error
    telemetry_generation(&meme);
    assert_true(scrape_value("meme_generation_total{status=\"error\"}") == 1);
    assert_true(scrape_value("meme_quality_score_count") == 1);
}

static void test_cache(void **state)
{
    struct cache *cache;
    void *value;
    size_t len;
    (void)state;
    assert_int_equal(cache_open(&cache, &(struct cache_options){ 0 }), 0);
    assert_true(cache_get(cache, CACHE_MEME, "k", &value, &len) < 0);
    cache_set(cache, CACHE_MEME, "k", "v", 1);
    assert_int_equal(cache_get(cache, CACHE_MEME, "k", &value, &len), 0);
    free(value);
    assert_true(cache_get(cache, CACHE_TREND, "k", &value, &len) < 0);
    assert_true(cache_get(cache, CACHE_TEMPLATE, "k", &value, &len) < 0);
    cache_delete(cache, CACHE_MEME, "k");
    cache_close(cache);
    cache_close(NULL);
    assert_true(scrape_value("cache_operations_total{operation=\"hit\",cache_type=\"meme\"}") == 1);
    assert_true(scrape_value("cache_operations_total{operation=\"miss\",cache_type=\"meme\"}") ==
                1);
    assert_true(scrape_value("cache_operations_total{operation=\"miss\",cache_type=\"trend\"}") ==
                1);
    assert_true(
        scrape_value("cache_operations_total{operation=\"miss\",cache_type=\"template\"}") == 1);
    assert_true(scrape_value("cache_latency_seconds_count{operation=\"get\"}") == 4);
    assert_true(scrape_value("cache_latency_seconds_count{operation=\"set\"}") == 1);
    assert_true(scrape_value("cache_latency_seconds_count{operation=\"delete\"}") == 1);
}

static void test_gauges(void **state)
{
    (void)state;
    telemetry_pool(8, 3);
    telemetry_queue(5, 256);
    telemetry_workers(4);
    telemetry_worker_busy(1);
    telemetry_worker_busy(1);
    telemetry_worker_busy(-1);
    assert_true(scrape_value("db_pool_size") == 8);
    assert_true(scrape_value("db_pool_available_connections") == 3);
    assert_true(scrape_value("memegen_queue_depth") == 5);
    assert_true(scrape_value("memegen_queue_capacity") == 256);
    assert_true(scrape_value("memegen_workers") == 4);
    assert_true(scrape_value("memegen_workers_busy") == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract), // first: it wants zeros
        cmocka_unit_test(test_resource_usage), cmocka_unit_test(test_llm_families),
        cmocka_unit_test(test_generation),     cmocka_unit_test(test_cache),
        cmocka_unit_test(test_gauges),
    };
    static const char *const types[] = { "top_bottom", "two_panel", NULL };
    struct meme meme = { .status = MEME_SUCCESS };
    telemetry_generation(&meme); // before the registration: nothing happens
    if (telemetry_register(types) != 0 ||
        spy_http_declare("GET", "/healthz", (const int[]){ 200, 0 }) != 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
