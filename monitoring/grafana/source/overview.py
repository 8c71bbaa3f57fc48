"""DSPy Meme Generator Overview: is it up, what comes out, how fast, how good, within its objectives?"""

from panels import (BLUE, GREEN, HERE, ORANGE, PURPLE, RATE, RED, STATUS_COLORS, TEMPLATE, YELLOW, dashboard, gauge, heatmap, query,
                    stat, steps, timeseries)
from shared import (ERROR_RATIO, GENERATION_P95, LATENCY_STEPS, OVERVIEW, REJECTED_RATIO, SLOW_ALERT_S, SUCCESS_RATIO,
                    alerts_firing_stat, error_ratio_stat, instances_stat, links_from, mean, quality_stat, quantile, rate,
                    rate_per_minute_stat, ratio)

# The objectives: of all attempts 99 % end without an error, and 95 % within 5 s, which is a bucket's bound.
AVAILABILITY = 0.99
FAST_SHARE = 0.95
PERCENTILES = {"p50": GREEN, "p95": ORANGE, "p99": RED, "mean": BLUE}


def window_rate(metric, window, more):
    return f"sum(rate({metric}{{{HERE}{more}}}[{window}]))"


def burn(window):
    errors = window_rate("meme_generation_total", window, ', status="error"')
    return f"({errors} / {window_rate('meme_generation_total', window, '')}) / {1 - AVAILABILITY:.2f}"


def budget_left():
    errors = f'sum(increase(meme_generation_total{{{HERE}, status="error"}}[30d]))'
    return f"1 - ({errors} / sum(increase(meme_generation_total{{{HERE}}}[30d]))) / {1 - AVAILABILITY:.2f}"


def percentiles(family, match=HERE):
    return [query(quantile(q, family, match=match), name) for name, q in (("p99", 0.99), ("p95", 0.95), ("p50", 0.5))]


GLANCE = [
    instances_stat(),
    rate_per_minute_stat(),
    error_ratio_stat(),
    stat("p95 generation", f"One meme in twenty takes longer. SlowGeneration fires above {SLOW_ALERT_S} s.", GENERATION_P95, unit="s",
         thresholds=LATENCY_STEPS),
    quality_stat(),
    alerts_firing_stat(),
]

GENERATION = [
    [
        timeseries("Meme Generation Rate", "Attempts a second by outcome. An attempt is a request that entered the pipeline.",
                   query(rate("meme_generation_total", "status"), "{{status}}"), unit="ops", colors=STATUS_COLORS, fill=10),
        heatmap("Generation Latency", "How many memes took how long: one row a bucket of meme_generation_seconds. Slower than the last "
                "bound, 10 s, is the top row.",
                f"sum by (le) (increase(meme_generation_seconds_bucket{{{TEMPLATE}}}{RATE}))"),
    ],
    [
        timeseries("Generation time, percentiles and mean", f"SlowGeneration fires while p95 is above {SLOW_ALERT_S} s for 5 minutes. "
                   "The buckets end at 10 s: a percentile beyond reads 10. The first ends at 0.1 s: below, only the mean is exact.",
                   *percentiles("meme_generation_seconds", TEMPLATE), query(mean("meme_generation_seconds", match=TEMPLATE), "mean"),
                   unit="s", thresholds=steps(GREEN, (SLOW_ALERT_S, RED)), colors=PERCENTILES, dashed=("mean",)),
        timeseries("Generation time by template type, p95", "Which kinds of layout are slow.",
                   query(quantile(0.95, "meme_generation_seconds", "template_type", TEMPLATE), "{{template_type}}"), unit="s"),
    ],
    [
        timeseries("Outcome ratios", "The share of each outcome. Rejected is a refusal by a verification agent: an answer, no failure.",
                   query(SUCCESS_RATIO, "success"), query(REJECTED_RATIO, "rejected"), query(ERROR_RATIO, "error"),
                   unit="percentunit", maximum=1, stack=True, colors=STATUS_COLORS),
        timeseries("Attempts by template type", "What is asked for, and what the format selector chooses.",
                   query(rate("meme_generation_seconds_count", "template_type", TEMPLATE), "{{template_type}}"), unit="ops", stack=True),
    ],
]

QUALITY = [
    heatmap("Quality score", "How many memes scored how high: one row a bucket of meme_quality_score.",
            f"sum by (le) (increase(meme_quality_score_bucket{{{HERE}}}{RATE}))", unit="none"),
    timeseries("Quality score, percentiles and mean", "A drop of the median is a worse prompt, template or model, whatever the latency says.",
               query(quantile(0.9, "meme_quality_score"), "p90"), query(quantile(0.5, "meme_quality_score"), "p50"),
               query(quantile(0.1, "meme_quality_score"), "p10"), query(mean("meme_quality_score"), "mean"),
               unit="none", maximum=1, decimals=2, colors={"p90": GREEN, "p50": BLUE, "p10": ORANGE, "mean": PURPLE}, dashed=("mean",)),
]

OBJECTIVES = [
    timeseries("Error budget burn rate", f"How many times faster than allowed the {1 - AVAILABILITY:.0%} of errors is spent. 1 spends a "
               "month's budget in a month; 14.4 for an hour costs 2 % of it, 6 for six hours 5 % (the SRE workbook's paging levels).",
               query(burn("5m"), "5 minutes"), query(burn("1h"), "1 hour"), query(burn("6h"), "6 hours"),
               thresholds=steps(GREEN, (6, ORANGE), (14.4, RED)), w=10,
               colors={"5 minutes": YELLOW, "1 hour": ORANGE, "6 hours": RED}),
    gauge("Error budget left", f"Of the errors that {AVAILABILITY:.0%} over 30 days allow. Below nothing, the objective is missed.",
          budget_left(), "left", "percentunit", steps(RED, (0.0, ORANGE), (0.25, YELLOW), (0.5, GREEN)), 1, w=4),
    timeseries("Memes within 5 s", f"The objective is {FAST_SHARE:.0%}, the dashed line.",
               query(ratio(rate("meme_generation_seconds_bucket", match=TEMPLATE, more='le="5"'),
                           rate("meme_generation_seconds_count", match=TEMPLATE)), "within 5 s"),
               unit="percentunit", maximum=1, thresholds=steps(RED, (FAST_SHARE, GREEN)), w=10),
]

HTTP = [
    [
        timeseries("HTTP requests by status", "Requests a second by the status that answered them.",
                   query(rate("http_requests_total", "status"), "{{status}}"), unit="reqps", stack=True),
        timeseries("HTTP requests by route", "Requests a second by route and method.",
                   query(rate("http_requests_total", "method, route"), "{{method}} {{route}}"), unit="reqps"),
    ],
    [
        timeseries("HTTP latency, percentiles and mean", "The time to answer, over all routes.",
                   *percentiles("http_request_duration_seconds"), query(mean("http_request_duration_seconds"), "mean"),
                   unit="s", colors=PERCENTILES, dashed=("mean",)),
        timeseries("HTTP latency by route, p95", "One request in twenty takes longer.",
                   query(quantile(0.95, "http_request_duration_seconds", "route"), "{{route}}"), unit="s"),
    ],
]

DASHBOARD = dashboard(
    OVERVIEW, "DSPy Meme Generator Overview", "Is memegen up, what comes out of it, how fast, how good, and within its objectives?",
    links_from(OVERVIEW),
    [GLANCE, "Generation", *GENERATION, "Quality", QUALITY, "Objectives", OBJECTIVES, "HTTP", *HTTP])
