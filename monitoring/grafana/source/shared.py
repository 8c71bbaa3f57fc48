"""Queries and panels that more than one dashboard shows, so that they say the same everywhere."""

from panels import BLUE, GREEN, HERE, ORANGE, RATE, RED, TEMPLATE, YELLOW, link, override, stat, steps, table

OVERVIEW, PERFORMANCE, ERRORS = "memegen-overview", "memegen-performance", "memegen-errors"

LINKS = {
    OVERVIEW: ("Overview", OVERVIEW, "Traffic, outcome, latency, quality"),
    PERFORMANCE: ("Performance", PERFORMANCE, "Agents, services, cache, database, resources"),
    ERRORS: ("Errors", ERRORS, "What fails, where and since when"),
}


def links_from(uid):
    """The two other dashboards."""
    return [link for other, link in LINKS.items() if other != uid]


def rate(metric, by="", match=HERE, more=""):
    """Events a second, summed over what is not named in by."""
    matchers = f"{match}, {more}" if more else match
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{{{matchers}}}{RATE}))"


def ratio(over, under):
    return f"{over} / {under}"


def mean(family, by="", match=HERE):
    return ratio(rate(f"{family}_sum", by, match), rate(f"{family}_count", by, match))


def quantile(q, family, by="", match=HERE):
    return f"histogram_quantile({q}, {rate(f'{family}_bucket', f'le, {by}' if by else 'le', match)})"


ATTEMPTS = rate("meme_generation_total")
ERROR_RATIO = ratio(rate("meme_generation_total", more='status="error"'), ATTEMPTS)
REJECTED_RATIO = ratio(rate("meme_generation_total", more='status="rejected"'), ATTEMPTS)
SUCCESS_RATIO = ratio(rate("meme_generation_total", more='status="success"'), ATTEMPTS)
GENERATION_P95 = quantile(0.95, "meme_generation_seconds", match=TEMPLATE)
CACHE_HIT_RATIO = ratio(rate("cache_operations_total", more='operation="hit"'), rate("cache_operations_total"))
POOL_IN_USE = (f"sum(db_pool_size{{{HERE}}} - db_pool_available_connections{{{HERE}}})"
               f" / sum(db_pool_size{{{HERE}}})")

# Where the alerts stand: HighErrorRate, SlowGeneration, ExternalServiceErrors, JournalFilling. tests/check holds the rules against them.
ERROR_RATIO_ALERT = 0.1
SLOW_ALERT_S = 5
EXTERNAL_ERRORS_ALERT = 0.05
JOURNAL_ALERT = 0.5

ERROR_STEPS = steps(GREEN, (ERROR_RATIO_ALERT / 2, YELLOW), (ERROR_RATIO_ALERT, RED))
LATENCY_STEPS = steps(GREEN, (SLOW_ALERT_S / 2, YELLOW), (SLOW_ALERT_S, RED))
HIT_STEPS = steps(RED, (0.3, YELLOW), (0.6, GREEN))
FULL_STEPS = steps(GREEN, (0.8, YELLOW), (0.95, RED))


def error_ratio_stat():
    return stat("Error ratio", f"Attempts that ended in an error, of all. HighErrorRate fires above {ERROR_RATIO_ALERT:.0%}.",
                ERROR_RATIO, unit="percentunit", thresholds=ERROR_STEPS, decimals=2)


def alerts_firing_stat():
    # A count of nothing is an empty answer, not a zero. Watchdog fires always: it proves that alerts arrive.
    return stat("Alerts firing", "Alerts that fire now, without Watchdog, which always does. Which: the table on Error Tracking.",
                'count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)',
                thresholds=steps(GREEN, (1, RED)), decimals=0, links=[link(*LINKS[ERRORS])])


def alerts_table(w=24, h=6):
    one = table("Alerts", "Every alert that is pending or fires, from Prometheus. Watchdog always fires: were it missing here, alerting "
                "itself would be broken.",
                "max by (alertname, severity, alertstate, service_name) (ALERTS)",
                {"alertname": "Alert", "severity": "Severity", "alertstate": "State", "service_name": "Service"}, "Active",
                w=w, h=h)
    one["fieldConfig"]["overrides"].append(override("State", {"id": "custom.cellOptions", "value": {"type": "color-text"}}, {
        "id": "mappings", "value": [{"type": "value", "options": {
            "firing": {"color": RED, "index": 0, "text": "firing"}, "pending": {"color": ORANGE, "index": 1, "text": "pending"}}}]}))
    return one


def instances_stat():
    return stat("Instances up", "Instances of memegen that answered the last scrape.", f'sum(up{{job="dspy-meme-gen", {HERE}}})',
                thresholds=steps(RED, (1, GREEN)), decimals=0)


def quality_stat():
    return stat("Median quality", "Half of the memes scored higher than this, on a scale from 0 to 1.",
                quantile(0.5, "meme_quality_score"), thresholds=steps(RED, (0.4, YELLOW), (0.6, GREEN)), decimals=2)


def rate_per_minute_stat():
    return stat("Memes per minute", "Attempts of any outcome.", f"{ATTEMPTS} * 60", thresholds=steps(BLUE), decimals=1)
