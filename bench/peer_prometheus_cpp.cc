// prometheus-cpp (https://github.com/jupp0r/prometheus-cpp) at the work of bench_metrics.c.
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cstdio>
#include <functional>
#include <string>

#include "bench.h"
#include "peer_prometheus_cpp.h"

namespace
{

using Labels = std::map<std::string, std::string>;

const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
const char *const routes[] = { "/", "/api/v1/memes", "/api/v1/memes/{id}", "/healthz" };
const prometheus::Histogram::BucketBoundaries bounds{ .1, .2, .3, .4, .5, .6, .7, .8, .9, 1 };
constexpr unsigned long ops = 500000;
constexpr int rounds = 3; // a scrape takes most of a second

struct Values {
    prometheus::Histogram *histogram;
    const double *values;
    int n;
};

void count(void *arg, unsigned, unsigned long n)
{
    auto *counter = static_cast<prometheus::Counter *>(arg);
    for (unsigned long i = 0; i < n; i++) {
        counter->Increment();
    }
}

void look_up(void *arg, unsigned, unsigned long n)
{
    auto *family = static_cast<prometheus::Family<prometheus::Counter> *>(arg);
    for (unsigned long i = 0; i < n; i++) {
        family->Add(Labels{ { "method", methods[i % 4] }, { "route", routes[i / 4 % 4] } })
            .Increment();
    }
}

void observe(void *arg, unsigned, unsigned long n)
{
    auto *v = static_cast<Values *>(arg);
    for (unsigned long i = 0; i < n; i++) {
        v->histogram->Observe(v->values[i % static_cast<unsigned long>(v->n)]);
    }
}

void print_exposition(prometheus::Registry &registry, const char *kind)
{
    double ms[rounds], megabytes = 0;
    for (double &m : ms) {
        double start = bench_cpu_ns();
        std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
        m = (bench_cpu_ns() - start) / 1e6;
        megabytes = static_cast<double>(text.size()) / 1e6;
    }
    double median = bench_median(ms, rounds);
    std::string name = std::string("prometheus_cpp.exposition.") + kind;
    bench_print(name.c_str(), median, "ms", -1);
    bench_print((name + ".speed").c_str(), megabytes / median * 1e3, "MB/s", -1);
}

std::string label(int i)
{
    char text[32];
    std::snprintf(text, sizeof(text), "/api/v1/things/%06d", i);
    return text;
}

} // namespace

void peer_prometheus_cpp(const double *values, int n, int series)
{
    {
        prometheus::Registry registry;
        auto &family = prometheus::BuildCounter().Name("calls_total").Register(registry);
        auto &labelled = prometheus::BuildCounter().Name("labelled_total").Register(registry);
        auto &histograms = prometheus::BuildHistogram().Name("calls_seconds").Register(registry);
        auto &counter = family.Add({});
        Values v{ &histograms.Add({}, bounds), values, n };
        bench_print_ns("prometheus_cpp.counter.1_thread", count, &counter, 1, ops);
        bench_print_ns("prometheus_cpp.counter.2_threads", count, &counter, 2, ops);
        bench_print_ns("prometheus_cpp.counter_with_2_labels.1_thread", look_up, &labelled, 1, ops);
        bench_print_ns("prometheus_cpp.counter_with_2_labels.2_threads", look_up, &labelled, 2,
                       ops);
        bench_print_ns("prometheus_cpp.histogram_10_buckets.1_thread", observe, &v, 1, ops);
        bench_print_ns("prometheus_cpp.histogram_10_buckets.2_threads", observe, &v, 2, ops);
    }
    {
        prometheus::Registry registry;
        auto &family = prometheus::BuildCounter().Name("things_total").Register(registry);
        for (int i = 0; i < series; i++) {
            family.Add({ { "method", "GET" }, { "route", label(i) } }).Increment(i);
        }
        print_exposition(registry, "100k_counters");
    }
    prometheus::Registry registry;
    auto &family = prometheus::BuildHistogram().Name("things_seconds").Register(registry);
    for (int i = 0; i < series; i++) {
        family.Add({ { "method", "GET" }, { "route", label(i) } }, bounds).Observe(values[i % n]);
    }
    print_exposition(registry, "100k_histograms");
}
