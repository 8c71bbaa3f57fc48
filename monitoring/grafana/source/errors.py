"""Error Tracking: what fails, where, since when, and who was told."""

from panels import GREEN, HERE, ORANGE, RED, TEMPLATE, YELLOW, dashboard, query, stat, steps, table, timeseries
from shared import (ERROR_RATIO, ERROR_RATIO_ALERT, ERRORS, EXTERNAL_ERRORS_ALERT, JOURNAL_ALERT, REJECTED_RATIO, alerts_firing_stat,
                    alerts_table, error_ratio_stat, links_from, quantile, rate, ratio)

SERVER_ERRORS = rate("http_requests_total", more='status=~"5.."')
SERVER_ERROR_RATIO = f"({SERVER_ERRORS} or vector(0)) / {rate('http_requests_total')}"

GLANCE = [
    error_ratio_stat(),
    stat("Rejected ratio", "Attempts that a verification agent refused, of all.", REJECTED_RATIO, unit="percentunit",
         thresholds=steps(GREEN, (0.25, YELLOW), (0.5, ORANGE)), decimals=2),
    stat("Agent failures per minute", "Runs of agents that failed, refusals among them.", f"{rate('agent_failures_total')} * 60",
         thresholds=steps(GREEN, (1, YELLOW), (10, RED)), decimals=1),
    stat("External errors per second", f"Calls that failed. ExternalServiceErrors fires above {EXTERNAL_ERRORS_ALERT}.",
         rate("external_service_errors_total"), unit="ops", thresholds=steps(GREEN, (EXTERNAL_ERRORS_ALERT, RED)), decimals=3),
    stat("HTTP 5xx ratio", "Requests answered with 500 or above, of all.", SERVER_ERROR_RATIO, unit="percentunit",
         thresholds=steps(GREEN, (0.01, YELLOW), (0.05, RED)), decimals=2),
    alerts_firing_stat(),
]

FAILURES = [
    [
        timeseries("Error Rate by Type", "Failed runs of agents a second, by the type of the error.",
                   query(rate("agent_failures_total", "error_type"), "{{error_type}}"), unit="ops", stack=True),
        timeseries("External Service Errors", f"Failed calls a second. ExternalServiceErrors fires while a service has more than "
                   f"{EXTERNAL_ERRORS_ALERT} a second for 5 minutes.",
                   query(rate("external_service_errors_total", "service_name, error_type"), "{{service_name}} - {{error_type}}"),
                   unit="ops", thresholds=steps(GREEN, (EXTERNAL_ERRORS_ALERT, RED))),
    ],
    [
        timeseries("Failures by agent", "Failed runs a second.", query(rate("agent_failures_total", "agent_name"), "{{agent_name}}"),
                   unit="ops", stack=True),
        timeseries("Agent success ratio", "The share of an agent's runs that succeeded in 5 minutes: the recording rule "
                   "agent:success_ratio:rate5m. No line means that the agent did not run.",
                   query("agent:success_ratio:rate5m", "{{agent_name}}"), unit="percentunit", maximum=1),
    ],
    [
        table("Failures of the last hour", "By agent and type of error, most first.",
              f"topk(50, sum by (agent_name, error_type) (increase(agent_failures_total{{{HERE}}}[1h])) > 0)",
              {"agent_name": "Agent", "error_type": "Error"}, "Failures", thresholds=steps(GREEN, (0.5, ORANGE), (10, RED))),
        timeseries("External error ratio", "Failed calls, of all calls of the service.",
                   query(ratio(rate("external_service_errors_total", "service_name"),
                               rate("external_service_latency_seconds_count", "service_name")), "{{service_name}}"),
                   unit="percentunit"),
    ],
]

OUTCOMES = [
    [
        timeseries("Error and rejected ratio", f"Of all attempts. HighErrorRate fires while errors are above {ERROR_RATIO_ALERT:.0%} "
                   "for 5 minutes.",
                   query(ERROR_RATIO, "error"), query(REJECTED_RATIO, "rejected"), unit="percentunit",
                   thresholds=steps(GREEN, (ERROR_RATIO_ALERT, RED)), colors={"error": RED, "rejected": ORANGE}),
        timeseries("Failed attempts by template type", "Errors and rejections. none: before a template was chosen.",
                   query(rate("meme_generation_seconds_count", "template_type", TEMPLATE, 'status!="success"'),
                         "{{template_type}}"), unit="ops", stack=True),
    ],
]

HTTP = [
    timeseries("HTTP errors by status", "Answers of 400 and above, a second.",
               query(rate("http_requests_total", "status", more='status=~"[45].."'), "{{status}}"), unit="reqps", stack=True, w=8),
    timeseries("HTTP errors by route", "Answers of 400 and above, a second.",
               query(rate("http_requests_total", "route, status", more='status=~"[45].."'), "{{status}} {{route}}"), unit="reqps", w=8),
    timeseries("HTTP requests refused", "Connections a second that ended before there was a request: too slow, malformed, or left.",
               query(rate("http_requests_refused_total", "reason"), "{{reason}}"), unit="reqps", w=8),
]

SELF = [
    timeseries("Log lines by level", "Lines a second that memegen wrote.", query(rate("spyglass_log_lines_total", "level"), "{{level}}"),
               unit="ops", w=6, colors={"error": RED, "warn": ORANGE, "info": GREEN}),
    timeseries("Lost by instrumentation", "Signals a second that were dropped, by reason. Nothing is lost without a count here.",
               query(rate("spyglass_dropped_total", "signal, reason"), "{{signal}} {{reason}}"), unit="ops", w=6),
    timeseries("Failed resource samples", "Samples of cpu, memory and disk that could not be taken, a second.",
               query(rate("spyglass_resource_errors_total"), "failed"), unit="ops", w=6),
    timeseries("Scrapes", "How long Prometheus takes to read /metrics.",
               query(f'max by (instance) (scrape_duration_seconds{{job="dspy-meme-gen", {HERE}}})', "{{instance}}"), unit="s", w=6),
]

DELIVERY = [
    [
        timeseries("Delivery by backend", "Records a second that were bound for a backend, and that it took. Retried: of tries that failed, "
                   "once for each.",
                   query(rate("spyglass_delivery_queued_total", "backend"), "{{backend}} queued"),
                   query(rate("spyglass_delivery_sent_total", "backend"), "{{backend}} sent"),
                   query(rate("spyglass_delivery_retried_total", "backend"), "{{backend}} retried"), unit="ops", w=8),
        timeseries("Waiting for delivery", "Records in the journal that a backend has not taken: its lag. An outage is a line that rises; "
                   "DeliveryFailing fires after 5 minutes of it.",
                   query(f"sum by (backend) (spyglass_delivery_waiting_records{{{HERE}}})", "{{backend}}"), w=8),
        timeseries("Journal", f"Bytes that it keeps, and past what its oldest records are dropped. JournalFilling fires above "
                   f"{JOURNAL_ALERT:.0%} of it.",
                   query(f"max by (instance) (spyglass_journal_bytes{{{HERE}}})", "{{instance}}"),
                   query(f"min(spyglass_journal_max_bytes{{{HERE}}})", "most"), unit="bytes", colors={"most": RED}, dashed=("most",), w=8),
    ],
    [
        timeseries("Lost in delivery", "Records a second that were never delivered, by reason. bad_row: the backend refused them, and they "
                   "are dead letters; the others are gone.",
                   query(rate("spyglass_delivery_dropped_total", "backend, reason"), "{{backend}} {{reason}}"), unit="ops", w=8),
        timeseries("Time to deliver, p50 and p95", "From the first try of a batch until a backend took it.",
                   query(quantile(0.95, "spyglass_delivery_batch_seconds", "backend"), "{{backend}} p95"),
                   query(quantile(0.5, "spyglass_delivery_batch_seconds", "backend"), "{{backend}} p50"), unit="s", w=8),
        stat("Backends failing", "Backends whose last tries failed: what is bound for them waits in the journal.",
             f"sum(spyglass_delivery_failing{{{HERE}}})", thresholds=steps(GREEN, (1, RED)), decimals=0, w=4, h=8),
        stat("Dead letters", "Records of the last hour that a backend refused, kept in a file for people to look at.",
             f"sum(increase(spyglass_delivery_dead_letters_total{{{HERE}}}[1h]))", thresholds=steps(GREEN, (0.5, RED)), decimals=0, w=4, h=8),
    ],
]

DASHBOARD = dashboard(
    ERRORS, "Error Tracking", "What fails, where, since when, and who was told.", links_from(ERRORS),
    [GLANCE, "Failures", *FAILURES, "Attempts", *OUTCOMES, "HTTP", HTTP, "Alerting", [alerts_table()], "Instrumentation itself", SELF, "Delivery", *DELIVERY])
