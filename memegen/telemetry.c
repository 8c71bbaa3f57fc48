// The metrics of memegen. Names, labels, buckets and help texts are promised to dashboards and
// alerts: tests/unit/ test_telemetry.c holds the exposition against the contract, written out once
// more.
//
// A zero handle is a no-op: whatever runs before telemetry_register(), or after it failed, counts
// nothing and hurts nothing. `resource_usage` is the library's own (spy_options.resource_period_s).

#include "memegen/telemetry.h"

struct spy_operation telemetry_agent = {
    .name = "agent",
    .op = "gen_ai.invoke_agent",
    .labels = SPY_LABELS("agent_name"),
    .seconds = { "agent_execution_seconds", "Time spent in each agent",
                 .buckets = SPY_BUCKETS(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5) },
    .success = { "agent_success_total", "Successful agent operations" },
    .failures = { "agent_failures_total", "Failed agent operations" },
};

struct spy_operation telemetry_external = {
    .name = "external_service",
    .op = "http.client",
    .labels = SPY_LABELS("service_name", "operation"),
    .seconds = { "external_service_latency_seconds", "External service request latency",
                 .buckets = SPY_BUCKETS(0.1, 0.25, 0.5, 1, 2.5, 5, 10) },
    .failures = { "external_service_errors_total", "External service errors",
                  .labels = SPY_LABELS("service_name") },
};

struct spy_operation telemetry_db = {
    .name = "db",
    .op = "db",
    .labels = SPY_LABELS("operation", "table"),
    .seconds = { "db_operation_latency_seconds", "Database operation latency",
                 .buckets = SPY_BUCKETS(0.01, 0.05, 0.1, 0.25, 0.5, 1) },
};

// Its metrics are meme_generation_*, which telemetry_generation() feeds; its agents have failure
// lines of their own.
struct spy_operation telemetry_meme = {
    .name = "meme_generation",
    .labels = SPY_LABELS("status", "template_type"),
    .no_failure_line = 1,
};

struct spy_operation telemetry_job = {
    .name = "meme_job",
    .op = "queue.process",
    .no_failure_line = 1,
};

struct spy_operation telemetry_cache = {
    .name = "cache",
    .labels = SPY_LABELS("operation"),
    .seconds = { "cache_latency_seconds", "Cache operation latency",
                 .buckets = SPY_BUCKETS(0.001, 0.005, 0.01, 0.025, 0.05, 0.1) },
};

struct spy_operation telemetry_http = {
    .name = "http",
    .op = "http.server",
    .labels = SPY_LABELS("method", "route", "status"),
    .seconds = { "http_request_duration_seconds", "Time to answer an HTTP request" },
    .total = { "http_requests_total", "HTTP requests answered" },
};

static struct spy_histogram generation_seconds, quality_score;
static struct spy_counter generation_total, interactions, cache_operations, llm_tokens, llm_cost;
static struct spy_gauge pool_size, pool_available;
static struct spy_gauge queue_depth, queue_capacity, workers, workers_busy;

// One row a family that is no operation's: just one of the three handles is set.
static const struct family {
    struct spy_histogram *histogram;
    struct spy_counter *counter;
    struct spy_gauge *gauge;
    struct spy_metric metric;
} families[] = {
    { .histogram = &generation_seconds,
      .metric = { "meme_generation_seconds", "Time spent generating memes",
                  .labels = SPY_LABELS("status", "template_type"),
                  .buckets = SPY_BUCKETS(0.1, 0.5, 1, 2, 5, 10) } },
    { .counter = &generation_total,
      .metric = { "meme_generation_total", "Total number of meme generation attempts",
                  .labels = SPY_LABELS("status") } },
    { .histogram = &quality_score,
      .metric = { "meme_quality_score", "Distribution of meme quality scores",
                  .buckets = SPY_BUCKETS(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1) } },
    { .counter = &interactions,
      .metric = { "meme_interactions_total", "Interactions with memes that were kept" } },
    { .counter = &cache_operations,
      .metric = { "cache_operations_total", "Cache operations (hits/misses)",
                  .labels = SPY_LABELS("operation", "cache_type") } },
    { .gauge = &pool_size, .metric = { "db_pool_size", "Current database connection pool size" } },
    { .gauge = &pool_available,
      .metric = { "db_pool_available_connections", "Available connections in the pool" } },
    { .gauge = &queue_depth, .metric = { "memegen_queue_depth", "Requests waiting for a worker" } },
    { .gauge = &queue_capacity,
      .metric = { "memegen_queue_capacity",
                  "Requests that may wait for a worker before more are refused" } },
    { .gauge = &workers, .metric = { "memegen_workers", "Worker threads that generate memes" } },
    { .gauge = &workers_busy,
      .metric = { "memegen_workers_busy", "Worker threads at work on a meme" } },
    { .counter = &llm_tokens,
      .metric = { "llm_tokens_total",
                  "Tokens of LLM calls as their answers state them, by direction",
                  .labels = SPY_LABELS("agent_name", "model", "direction") } },
    { .counter = &llm_cost,
      .metric = { "llm_cost_dollars_total", "Cost of LLM calls in US dollars by the price file",
                  .labels = SPY_LABELS("agent_name", "model") } },
};

const char *const telemetry_agent_names[] = {
    "router",
    "trend_scanner",
    "format_selector",
    "prompt_generator",
    "factuality",
    "instruction_following",
    "appropriateness",
    "image_renderer",
    "scorer",
    "refinement",
    NULL,
};

const char *const telemetry_error_types[] = { "timeout",    "refused",  "status_429", "status_5xx",
                                              "bad_answer", "rejected", "internal",   NULL };

// Those that ask the model.
static const char *const llm_agents[] = { "prompt_generator", "factuality", "instruction_following",
                                          "appropriateness",  "refinement", NULL };
static const char *const statuses[] = { "success", "error", "rejected", NULL };
static const char *const cache_types[] = { "template", "meme", "trend", NULL };
static const char *const cache_results[] = { "hit", "miss", NULL };
static const char *const cache_calls[] = { "get", "set", "delete", NULL };
static const char *const db_calls[] = { "select", "insert", "update", "delete", NULL };
static const char *const db_tables[] = { "memes", "images", "interactions", "timelines", NULL };

static int register_families(void)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *f = &families[i];
        int rc;
        if (f->histogram) {
            rc = spy_histogram_register(f->histogram, &f->metric);
        } else if (f->counter) {
            rc = spy_counter_register(f->counter, &f->metric);
        } else {
            rc = spy_gauge_register(f->gauge, &f->metric);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int register_operations(void)
{
    struct spy_operation *const operations[] = { &telemetry_agent, &telemetry_external,
                                                 &telemetry_db,    &telemetry_cache,
                                                 &telemetry_meme,  &telemetry_job };
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        int rc = spy_operation_register(operations[i]);
        if (rc != 0) {
            return rc;
        }
    }
    return spy_http_register(&telemetry_http);
}

// Looking a child up makes it.
static void declare_generation(const char *const template_types[])
{
    for (const char *const *status = statuses; *status; status++) {
        (void)spy_counter_with(generation_total, *status);
        (void)spy_histogram_with(generation_seconds, *status, "none");
        for (const char *const *type = template_types; type && *type; type++) {
            (void)spy_histogram_with(generation_seconds, *status, *type);
        }
    }
}

static void declare_cache_lookups(void)
{
    for (const char *const *result = cache_results; *result; result++) {
        for (const char *const *type = cache_types; *type; type++) {
            (void)spy_counter_with(cache_operations, *result, *type);
        }
    }
}

static int declare_each(struct spy_operation *operation, const char *const values[],
                        const char *const error_types[])
{
    for (; *values; values++) {
        int rc = spy_operation_declare(operation, values, 1, error_types);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int declare_db(void)
{
    for (const char *const *call = db_calls; *call; call++) {
        for (const char *const *table = db_tables; *table; table++) {
            int rc = spy_operation_declare(&telemetry_db, (const char *const[]){ *call, *table }, 2,
                                           NULL);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

int telemetry_register(const char *const template_types[])
{
    int rc = register_families();
    if (rc == 0) {
        rc = register_operations();
    }
    if (rc == 0) {
        declare_generation(template_types);
        declare_cache_lookups();
        rc = declare_each(&telemetry_agent, telemetry_agent_names, telemetry_error_types);
    }
    if (rc == 0) {
        rc = declare_each(&telemetry_cache, cache_calls, NULL);
    }
    if (rc == 0) {
        rc = declare_db();
    }
    if (rc == 0) {
        const char *const llm[] = { "llm", "chat_completion" };
        rc = spy_operation_declare(&telemetry_external, llm, 2, telemetry_error_types);
    }
    return rc;
}

void telemetry_generation(const struct meme *meme)
{
    // Past the pipeline a meme is no longer pending; one that still is has gone wrong.
    const char *status = meme_status_name(meme->status == MEME_PENDING ? MEME_ERROR : meme->status);
    const char *type = meme->template_type[0] ? meme->template_type : "none";
    spy_histogram_observe(spy_histogram_with(generation_seconds, status, type),
                          meme->generation_seconds);
    spy_counter_inc(spy_counter_with(generation_total, status));
    if (meme->status == MEME_SUCCESS) {
        spy_histogram_observe(quality_score, meme->score.total);
    }
}

void telemetry_interaction(void)
{
    spy_counter_inc(interactions);
}

void telemetry_cache_lookup(const char *cache_type, bool hit)
{
    spy_counter_inc(spy_counter_with(cache_operations, hit ? "hit" : "miss", cache_type));
}

void telemetry_llm_declare(const char *model, bool priced)
{
    for (const char *const *agent = llm_agents; *agent; agent++) {
        (void)spy_counter_with(llm_tokens, *agent, model, "input");
        (void)spy_counter_with(llm_tokens, *agent, model, "output");
        if (priced) {
            (void)spy_counter_with(llm_cost, *agent, model);
        }
    }
}

void telemetry_llm_usage(const char *agent, const char *model, long input_tokens,
                         long output_tokens, double dollars)
{
    spy_counter_add(spy_counter_with(llm_tokens, agent, model, "input"), (uint64_t)input_tokens);
    spy_counter_add(spy_counter_with(llm_tokens, agent, model, "output"), (uint64_t)output_tokens);
    if (dollars >= 0) {
        spy_counter_add_double(spy_counter_with(llm_cost, agent, model), dollars);
    }
}

void telemetry_pool(size_t size, size_t available)
{
    spy_gauge_set(pool_size, (double)size);
    spy_gauge_set(pool_available, (double)available);
}

void telemetry_queue(size_t depth, size_t capacity)
{
    spy_gauge_set(queue_depth, (double)depth);
    spy_gauge_set(queue_capacity, (double)capacity);
}

void telemetry_workers(size_t count)
{
    spy_gauge_set(workers, (double)count);
}

void telemetry_worker_busy(int delta)
{
    spy_gauge_add(workers_busy, delta);
}
