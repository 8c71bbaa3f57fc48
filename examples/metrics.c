// The kinds of metrics: a counter with labels, a gauge, one that is asked for, a histogram.

#include <spyglass/spyglass.h>
#include <stdio.h>
#include <time.h>

static struct spy_counter orders;
static struct spy_gauge open_tills;
static struct spy_histogram baskets;

static const struct spy_metric orders_metric = {
    .name = "orders_total",
    .help = "Orders taken",
    .labels = SPY_LABELS("country", "paid_by"),
};
static const struct spy_metric tills_metric = {
    .name = "tills_open",
    .help = "Tills open now",
};
static const struct spy_metric baskets_metric = {
    .name = "basket_euros",
    .help = "What a basket is worth",
    .buckets = SPY_BUCKETS(5, 10, 50, 100),
};
static const struct spy_metric uptime_metric = {
    .name = "shop_uptime_seconds",
    .help = "Time since the shop opened",
};

static double uptime(void *arg)
{
    const time_t *opened = arg;
    return difftime(time(NULL), *opened);
}

static void sell(const char *country, const char *paid_by, double euros)
{
    spy_counter_inc(spy_counter_with(orders, country, paid_by));
    spy_histogram_observe(baskets, euros);
}

static int to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, arg) == n ? 0 : -1;
}

int main(void)
{
    static time_t opened;
    opened = time(NULL);
    if (spy_counter_register(&orders, &orders_metric) != 0 ||
        spy_gauge_register(&open_tills, &tills_metric) != 0 ||
        spy_histogram_register(&baskets, &baskets_metric) != 0 ||
        spy_gauge_callback(&uptime_metric, uptime, &opened) != 0) {
        return 1;
    }
    spy_gauge_set(open_tills, 3);
    sell("fr", "card", 12.5);
    sell("fr", "card", 7);
    sell("nl", "cash", 80);

    struct spy_counter french = spy_counter_with(orders, "fr", "card"); // looked up once
    for (int i = 0; i < 1000; i++) {
        spy_counter_inc(french);
    }
    return spy_metrics_write(NULL, NULL, to_stdout, stdout) == 0 ? 0 : 1;
}
