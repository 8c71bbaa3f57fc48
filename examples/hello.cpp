// The same in C++17: the public headers are both languages at once.

#include <spyglass/spyglass.h>

#include <cstdio>
#include <string>

static int append(void *arg, const char *bytes, size_t n)
{
    static_cast<std::string *>(arg)->append(bytes, n);
    return 0;
}

int main()
{
    spy_options options{};
    options.service = "hello";
    if (spy_start(&options) != 0) {
        std::fprintf(stderr, "hello: %s\n", spy_start_error());
        return 1;
    }

    spy_metric metric{};
    metric.name = "hellos_total";
    metric.help = "Hellos said";
    metric.labels[0] = "language";
    spy_counter hellos{};
    if (spy_counter_register(&hellos, &metric) != 0) {
        return 1;
    }
    spy_counter_inc(spy_counter_with(hellos, "C++"));
    spy_info("said_hello", spy_str("to", "world"), spy_int("times", 1));

    std::string scrape;
    if (spy_metrics_write(nullptr, nullptr, append, &scrape) != 0) {
        return 1;
    }
    std::fputs(scrape.c_str(), stdout);
    return spy_stop(1000) == 0 ? 0 : 1;
}
