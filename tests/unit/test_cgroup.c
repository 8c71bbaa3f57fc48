// The control group: found in both versions, limits of groups above, what a container shows, and
// what a scrape makes of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "metrics/cgroup.h"
#include "metrics/procfs.h"
#include "metrics/resource.h"
#include "metrics/system.h"
#include "scrape.h"

#define V1 SOURCE_ROOT "/tests/unit/cgroup/v1"
#define V2 SOURCE_ROOT "/tests/unit/cgroup/v2"

static void recorded_v1(void **state)
{
    struct spy__cgroup g;
    struct spy__cgroup_throttling t;
    uint64_t limit = 0, used = 0, value = 0;
    double cpus = 0;
    (void)state;
    spy__cgroup_find(&g, V1 "/proc", V1);
    assert_string_equal(g.places[SPY__CGROUP_MEMORY].path,
                        V1 "/sys/fs/cgroup/memory/service/inner");
    assert_false(g.places[SPY__CGROUP_MEMORY].v2);
    // Both limits stand on the group above.
    assert_true(spy__cgroup_memory(&g, &limit, &used));
    assert_int_equal(limit, 67108864);
    assert_int_equal(used, 2330624 - 200704);
    assert_true(spy__cgroup_memory_usage(&g, &value));
    assert_int_equal(value, 2744320);
    assert_true(spy__cgroup_working_set(&g, &value));
    assert_int_equal(value, 2744320 - 204800);
    assert_true(spy__cgroup_oom_kills(&g, &value));
    assert_int_equal(value, 0);
    assert_true(spy__cgroup_cpus(&g, &cpus));
    assert_true(cpus == 0.5);
    assert_true(spy__cgroup_cpu_ns(&g, &value)); // of the limited group, in another hierarchy
    assert_int_equal(value, 2812698184);
    assert_true(spy__cgroup_throttling(&g, &t));
    assert_int_equal(t.periods, 56);
    assert_int_equal(t.throttled, 55);
    assert_int_equal(t.throttled_ns, 2529729285);
    // Version 1 has no pressure of a group: the machine's.
    assert_true(spy__cgroup_pressure(&g, V1 "/proc", "memory", false, &value));
    assert_int_equal(value, 0);
    assert_true(spy__cgroup_pressure(&g, V1 "/proc", "io", true, &value));
    assert_int_equal(value, 103172706);
}

static void version_2(void **state)
{
    struct spy__cgroup g;
    struct spy__cgroup_throttling t;
    uint64_t limit = 0, used = 0, value = 0;
    double cpus = 0;
    (void)state;
    spy__cgroup_find(&g, V2 "/proc", V2);
    assert_true(spy__cgroup_memory(&g, &limit, &used));
    assert_int_equal(limit, 536870912);
    assert_int_equal(used, 314572800 - 46137344);
    assert_true(spy__cgroup_oom_kills(&g, &value));
    assert_int_equal(value, 2);
    assert_true(spy__cgroup_cpus(&g, &cpus));
    assert_true(cpus == 1.5);
    assert_true(spy__cgroup_cpu_ns(&g, &value));
    assert_int_equal(value, 4500000000);
    assert_true(spy__cgroup_throttling(&g, &t));
    assert_int_equal(t.throttled, 37);
    assert_int_equal(t.throttled_ns, 2750000000);
    assert_true(spy__cgroup_pressure(&g, V2 "/proc", "memory", true, &value));
    assert_int_equal(value, 1750000); // the group's, not the machine's 98
    assert_false(spy__cgroup_pressure(&g, V2 "/proc", "irq", true, &value));
}

static void assert_place(const char *cgroup, const char *mountinfo, const char *path)
{
    struct spy__cgroup g;
    spy__cgroup_parse(&g, cgroup, mountinfo, "");
    assert_string_equal(g.places[SPY__CGROUP_MEMORY].path, path);
}

static void where_it_is(void **state)
{
    static const char v2[] = "35 25 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    (void)state;
    // A group namespace: the container's own group is what is mounted.
    assert_place("0::/\n", v2, "/sys/fs/cgroup");
    // None: the path from the machine's root, and what is mounted is the container's part.
    assert_place("4:memory:/docker/1f\n",
                 "36 30 0:26 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                 "/sys/fs/cgroup/memory");
    assert_place("4:memory:/docker/1f/a\n",
                 "36 30 0:26 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                 "/sys/fs/cgroup/memory/a");
    // A path that is not below what is mounted cannot be seen.
    assert_place("0::/../other\n", v2, "/sys/fs/cgroup");
    assert_place("4:memory:/docker/1f2\n",
                 "36 30 0:26 /docker/1f /m ro - cgroup cgroup rw,memory\n", "/m");
    // Controllers mounted together; others before them; a folder with a blank; tags.
    assert_place("3:cpu,cpuacct:/x\n2:blkio,memory:/y\n",
                 "36 30 0:26 / /c\\040g ro shared:1 master:2 - cgroup cgroup rw,blkio,memory\n",
                 "/c g/y");
    // A hybrid machine: what version 1 has not is version 2's.
    assert_place("1:name=systemd:/\n0::/a\n", v2, "/sys/fs/cgroup/a");
    static const char *const bad[] = { "",      "\n",         "0",  "0:",
                                       "0:/\n", "a:memory\n", "::", "7:memoryx:/a\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_place(bad[i], v2, strcmp(bad[i], "::") == 0 ? "/sys/fs/cgroup" : "");
    }
    assert_place("0::/a\n", "35 25 0:30 / /sys/fs/cgroup rw cgroup2 cgroup2 rw\n", "");
    assert_place("0::/a\n", "35 25 0:30 / /sys/fs/cgroup rw - cgroup2\n", "");
}

static void none(void **state)
{
    struct spy__cgroup g;
    struct spy__cgroup_throttling t;
    uint64_t limit, used;
    double cpus;
    (void)state;
    spy__cgroup_find(&g, "/nonexistent", "");
    assert_false(spy__cgroup_memory(&g, &limit, &used));
    assert_false(spy__cgroup_memory_usage(&g, &used));
    assert_false(spy__cgroup_working_set(&g, &used));
    assert_false(spy__cgroup_oom_kills(&g, &used));
    assert_false(spy__cgroup_cpus(&g, &cpus));
    assert_false(spy__cgroup_cpu_ns(&g, &used));
    assert_false(spy__cgroup_throttling(&g, &t));
    assert_false(spy__cgroup_pressure(&g, "/nonexistent", "cpu", false, &used));
}

static void files(void **state)
{
    uint64_t value = 7;
    static const char net[] = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InX InOctets OutOctets\n"
                              "IpExt: 3 40 500\n";
    (void)state;
    assert_true(spy__parse_netstat(net, "IpExt:", "InOctets", &value));
    assert_int_equal(value, 40);
    assert_true(spy__parse_netstat(net, "IpExt:", "OutOctets", &value));
    assert_int_equal(value, 500);
    assert_false(spy__parse_netstat(net, "IpExt:", "Octets", &value));
    assert_false(spy__parse_netstat(net, "UdpExt:", "InOctets", &value));
    assert_false(spy__parse_netstat("IpExt: A B\nIpExt: 1\n", "IpExt:", "B", &value));
    assert_false(spy__parse_netstat("IpExt: A B\n", "IpExt:", "B", &value));
    assert_false(spy__parse_pressure("", false, &value));
    assert_false(spy__parse_pressure("some avg10=0.00\nfull total=3\n", false, &value));
    assert_false(spy__parse_pressure("some total=x\n", false, &value));
    assert_int_equal(value, 500);
}

// A copy of version 2's files that may be changed.
static char folder[64];

static void write_file(const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define GROUP "sys/fs/cgroup/system.slice/meme gen.service/"

static double usage(const char *type)
{
    char series[64];
    snprintf(series, sizeof(series), "resource_usage{resource_type=\"%s\"}", type);
    return scrape_value(series);
}

static void usage_of_a_limited_group(void **state)
{
    struct spy__fake_clock clock = { .monotonic_ns = 5000000000, .realtime_ns = 1 };
    struct spy__resource_sampler s;
    char command[256], proc[128];
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/spyglass-cgroup-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), "cp -r '%s/'* %s", V2, folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): paths of our own
    write_file("proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 1000 kB\n");
    snprintf(proc, sizeof(proc), "%s/proc", folder);
    spy__clock_fake(&clock);
    assert_int_equal(spy__resource_sampler_init(&s, proc, folder, "/"), 0);
    spy__resource_sample(&s);
    assert_true(isnan(usage("cpu")));   // one reading is no rate
    assert_true(usage("memory") == 50); // 256 of 512 MiB, whatever the machine has
    clock.monotonic_ns += 2000000000;
    write_file(GROUP "cpu.stat", "usage_usec 5250000\n"); // 0.75 of the 3 s that it might have had
    spy__resource_sample(&s);
    assert_true(usage("cpu") == 25);
    clock.monotonic_ns += 1000000000;
    write_file(GROUP "cpu.stat", "usage_usec 9250000\n"); // a burst
    spy__resource_sample(&s);
    assert_true(usage("cpu") == 100);
    // A limit beyond the machine is none; an error is counted, and the value stays.
    write_file(GROUP "memory.max", "2147483648\n");
    write_file(GROUP "cpu.stat", "");
    double errors = scrape_value("spyglass_resource_errors_total{resource_type=\"cpu\"}");
    spy__resource_sample(&s);
    assert_true(usage("memory") > 99);
    assert_true(usage("cpu") == 100);
    assert_true(scrape_value("spyglass_resource_errors_total{resource_type=\"cpu\"}") ==
                errors + 1);
    spy__clock_fake(NULL);
    assert_true(scrape_value("filesystem_size_bytes{path=\"/\"}") >=
                scrape_value("filesystem_free_bytes{path=\"/\"}"));
    assert_true(scrape_value("filesystem_avail_bytes{path=\"/\"}") > 0);
    assert_true(scrape_value("filesystem_files{path=\"/\"}") >=
                scrape_value("filesystem_files_free{path=\"/\"}"));
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static void scraped(void **state)
{
    static const struct {
        const char *series;
        double value;
    } wanted[] = {
        { "cgroup_cpu_limit_cores", 1.5 },
        { "cgroup_cpu_usage_seconds_total", 4.5 },
        { "cgroup_cpu_periods_total", 1200 },
        { "cgroup_cpu_throttled_periods_total", 37 },
        { "cgroup_cpu_throttled_seconds_total", 2.75 },
        { "cgroup_memory_limit_bytes", 536870912 },
        { "cgroup_memory_usage_bytes", 314572800 },
        { "cgroup_memory_working_set_bytes", 314572800 - 46137344 },
        { "cgroup_oom_kills_total", 2 },
        { "pressure_cpu_waiting_seconds_total", 1.5 },
        { "pressure_io_waiting_seconds_total", 2.5 },
        { "pressure_io_stalled_seconds_total", 1.25 },
        { "pressure_memory_waiting_seconds_total", 3.5 },
        { "pressure_memory_stalled_seconds_total", 1.75 },
    };
    (void)state;
    assert_int_equal(spy__system_register(V2 "/proc", V2), 0);
    assert_int_equal(spy__system_register("/nonexistent", ""), 0); // the first call's count
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(scrape_value(wanted[i].series) == wanted[i].value);
    }
    // What is not there is left out.
    assert_true(isnan(scrape_value("process_network_receive_bytes_total")));
}

// In a child: the registration is the process's.
static void scraped_live(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        double received;
        if (spy__system_register("/proc", "") != 0) {
            _exit(2);
        }
        received = scrape_value("process_network_receive_bytes_total");
        _exit(!(received >= 0)); // every kernel has /proc/self/net/netstat
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_v1),  cmocka_unit_test(version_2),
        cmocka_unit_test(where_it_is),  cmocka_unit_test(none),
        cmocka_unit_test(files),        cmocka_unit_test(usage_of_a_limited_group),
        cmocka_unit_test(scraped_live), cmocka_unit_test(scraped),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
