"""Performance Metrics: where the time goes, from the agents down to the machine."""

from panels import BLUE, GREEN, GREY, HERE, ORANGE, PURPLE, RATE, RED, YELLOW, dashboard, heatmap, query, stat, steps, timeseries
from shared import (ATTEMPTS, CACHE_HIT_RATIO, FULL_STEPS, GENERATION_P95, HIT_STEPS, LATENCY_STEPS, PERFORMANCE, POOL_IN_USE,
                    SLOW_ALERT_S, links_from, mean, quantile, rate, ratio)

GLANCE = [
    stat("p95 generation", f"One meme in twenty takes longer. SlowGeneration fires above {SLOW_ALERT_S} s.", GENERATION_P95, unit="s",
         thresholds=LATENCY_STEPS),
    stat("Agent runs", "Runs of all agents a second, of any outcome.", rate("agent_execution_seconds_count"), unit="ops"),
    stat("Cache hit ratio", "Look-ups of all caches that found what they looked for.", CACHE_HIT_RATIO, unit="percentunit",
         thresholds=HIT_STEPS, decimals=1),
    stat("Database pool in use", "Connections lent, of all. At 100 % requests wait for one.", POOL_IN_USE, unit="percentunit",
         thresholds=FULL_STEPS, decimals=0),
    stat("Queue in use", "Requests that wait for a worker, of those that may. At 100 % the answer is 503.",
         ratio(f"sum(memegen_queue_depth{{{HERE}}})", f"sum(memegen_queue_capacity{{{HERE}}})"), unit="percentunit",
         thresholds=steps(GREEN, (0.5, YELLOW), (0.8, RED)), decimals=0),
    stat("Workers busy", "Worker threads that make a meme, of all.",
         ratio(f"sum(memegen_workers_busy{{{HERE}}})", f"sum(memegen_workers{{{HERE}}})"), unit="percentunit",
         thresholds=FULL_STEPS, decimals=0),
]

AGENTS = [
    [
        timeseries("Agent Performance", "Mean time of a run, by agent. Percentiles are beside it: a mean hides its tail.",
                   query(mean("agent_execution_seconds", "agent_name"), "{{agent_name}}"), unit="s", h=9),
        timeseries("Agent time, p95", "One run in twenty takes longer.",
                   query(quantile(0.95, "agent_execution_seconds", "agent_name"), "{{agent_name}}"), unit="s", h=9),
    ],
    [
        timeseries("Where a meme's time goes", "Seconds of agents' work a second, by agent. The verification agents work side by side, so "
                   "the sum is more than the time that passes.",
                   query(rate("agent_execution_seconds_sum", "agent_name"), "{{agent_name}}"), unit="s", stack=True),
        timeseries("Agent runs a second", "By agent. Refinement and the trend scanner do not run for every meme.",
                   query(rate("agent_execution_seconds_count", "agent_name"), "{{agent_name}}"), unit="ops"),
    ],
    [heatmap("Agent time, all agents", "How many runs took how long: one row a bucket of agent_execution_seconds.",
             f"sum by (le) (increase(agent_execution_seconds_bucket{{{HERE}}}{RATE}))"),
     timeseries("Refinement rounds a meme", "Runs of the refinement agent for each attempt.",
                query(ratio(rate("agent_execution_seconds_count", more='agent_name="refinement"'), ATTEMPTS), "rounds"), decimals=2)],
]

EXTERNAL = [
    [
        timeseries("External Service Latency", "Mean time of a call, by service. No line means no call.",
                   query(mean("external_service_latency_seconds", "service_name"), "{{service_name}}"), unit="s"),
        timeseries("External service latency, percentiles", "By service and operation.",
                   query(quantile(0.5, "external_service_latency_seconds", "service_name, operation"), "{{service_name}} {{operation}} p50"),
                   query(quantile(0.95, "external_service_latency_seconds", "service_name, operation"), "{{service_name}} {{operation}} p95"),
                   query(quantile(0.99, "external_service_latency_seconds", "service_name, operation"), "{{service_name}} {{operation}} p99"),
                   unit="s"),
    ],
    [
        timeseries("External calls", "Calls a second, of any outcome.",
                   query(rate("external_service_latency_seconds_count", "service_name, operation"), "{{service_name}} {{operation}}"),
                   unit="ops", w=8),
        timeseries("LLM tokens", "Tokens a second, as the answers state them.",
                   query(rate("llm_tokens_total", "model, direction"), "{{model}} {{direction}}"), w=8, stack=True),
        timeseries("LLM cost per hour", "US dollars by agent, by the price file; at the present rate.",
                   query(f"{rate('llm_cost_dollars_total', 'agent_name')} * 3600", "{{agent_name}}"), unit="currencyUSD", w=8, stack=True),
    ],
    [
        timeseries("Tokens a meme", "What one attempt uses on average, by direction.",
                   query(f"{rate('llm_tokens_total', 'direction')} / scalar({ATTEMPTS})", "{{direction}}")),
        timeseries("Cost a meme", "What one attempt costs on average, by model.",
                   query(f"{rate('llm_cost_dollars_total', 'model')} / scalar({ATTEMPTS})", "{{model}}"), unit="currencyUSD"),
    ],
]

CACHE = [
    timeseries("Cache hit ratio by type", "Of the look-ups of templates, memes and trends.",
               query(ratio(rate("cache_operations_total", "cache_type", more='operation="hit"'),
                           rate("cache_operations_total", "cache_type")), "{{cache_type}}"), unit="percentunit", maximum=1, w=8),
    timeseries("Cache look-ups", "Hits and misses a second.",
               query(rate("cache_operations_total", "cache_type, operation"), "{{cache_type}} {{operation}}"), unit="ops", w=8),
    timeseries("Cache latency", "p95 and mean by operation.",
               query(quantile(0.95, "cache_latency_seconds", "operation"), "{{operation}} p95"),
               query(mean("cache_latency_seconds", "operation"), "{{operation}} mean"), unit="s", w=8),
]

DATABASE = [
    timeseries("Database latency", "p95 by operation and table.",
               query(quantile(0.95, "db_operation_latency_seconds", "operation, table"), "{{operation}} {{table}}"), unit="s", w=8),
    timeseries("Database operations", "A second, by operation and table.",
               query(rate("db_operation_latency_seconds_count", "operation, table"), "{{operation}} {{table}}"), unit="ops", w=8),
    timeseries("Database connections", "While none is available, requests wait for one.",
               query(f"sum(db_pool_size{{{HERE}}})", "pool size"),
               query(f"sum(db_pool_available_connections{{{HERE}}})", "available"), w=8, decimals=0,
               colors={"pool size": GREY, "available": GREEN}, dashed=("pool size",)),
]

WORKERS = [
    timeseries("Queue", "Requests that wait for a worker, and how many may.",
               query(f"sum(memegen_queue_depth{{{HERE}}})", "waiting"), query(f"sum(memegen_queue_capacity{{{HERE}}})", "capacity"),
               w=8, decimals=0, colors={"waiting": ORANGE, "capacity": GREY}, dashed=("capacity",)),
    timeseries("Workers", "Worker threads that make a meme, and how many there are.",
               query(f"sum(memegen_workers_busy{{{HERE}}})", "busy"), query(f"sum(memegen_workers{{{HERE}}})", "all"),
               w=8, decimals=0, colors={"busy": BLUE, "all": GREY}, dashed=("all",)),
    timeseries("HTTP requests in flight", "Requests that are being answered.",
               query(f"sum(http_requests_in_flight{{{HERE}}})", "in flight"), w=8, decimals=0),
]

SIZES = [
    timeseries("HTTP request size", "p50 and p95 of the bodies that came, by route.",
               query(quantile(0.5, "http_request_size_bytes"), "p50"), query(quantile(0.95, "http_request_size_bytes"), "p95"),
               unit="bytes"),
    timeseries("HTTP response size", "p50 and p95 of the bodies that went.",
               query(quantile(0.5, "http_response_size_bytes"), "p50"), query(quantile(0.95, "http_response_size_bytes"), "p95"),
               unit="bytes"),
]

RESOURCES = [
    [
        timeseries("Resource usage", "Of the machine, or of the container's limit: percent of cpu, memory and disk.",
                   query(f"max by (resource_type) (resource_usage{{{HERE}}})", "{{resource_type}}"), unit="percent", maximum=100, w=8,
                   thresholds=steps(GREEN, (80, YELLOW), (95, RED)), colors={"cpu": BLUE, "memory": PURPLE, "disk": ORANGE}),
        timeseries("Process CPU", "Seconds of processor time a second: 1 is a core at work.",
                   query(f"sum by (instance) (rate(process_cpu_seconds_total{{{HERE}}}{RATE}))", "{{instance}}"), unit="short", w=8,
                   decimals=2),
        timeseries("Process memory", "What lies in memory, and what is mapped.",
                   query(f"sum(process_resident_memory_bytes{{{HERE}}})", "resident"),
                   query(f"sum(process_virtual_memory_bytes{{{HERE}}})", "virtual"), unit="bytes", w=8),
    ],
    [
        timeseries("File descriptors", "Open ones, and how many there may be.",
                   query(f"sum(process_open_fds{{{HERE}}})", "open"), query(f"sum(process_max_fds{{{HERE}}})", "limit"), w=8,
                   colors={"open": BLUE, "limit": GREY}, dashed=("limit",)),
        timeseries("Threads", "Of the process, the library's own among them.",
                   query(f"sum by (instance) (process_threads{{{HERE}}})", "{{instance}}"), w=8, decimals=0),
        timeseries("Uptime", "Seconds since the process began; a fall is a restart.",
                   query(f"time() - max by (instance) (process_start_time_seconds{{{HERE}}})", "{{instance}}"), unit="s", w=8),
    ],
]

DASHBOARD = dashboard(
    PERFORMANCE, "Performance Metrics", "Where the time goes: agents, external services, cache, database, queue, machine.",
    links_from(PERFORMANCE),
    [GLANCE, "Agents", *AGENTS, "External services and the LLM", *EXTERNAL, "Cache", CACHE, "Database", DATABASE,
     "Queue, workers and HTTP", WORKERS, SIZES, "Process and machine", *RESOURCES])
