// A counter, a log line and one scrape: all that a program needs to be seen.
#include <spyglass/spyglass.h>
#include <stdio.h>

static int to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, arg) == n ? 0 : -1;
}

int main(void)
{
    struct spy_counter hellos = { 0 };
    if (spy_start(&(struct spy_options){ .service = "hello" }) != 0) {
        fprintf(stderr, "hello: %s\n", spy_start_error()); // and go on: what follows is safe
    }
    int rc = spy_counter_register(
        &hellos, &(struct spy_metric){ .name = "hellos_total", .help = "Hellos said" });
    spy_counter_inc(hellos);
    spy_info("said_hello", spy_str("to", "world"), spy_bool("registered", rc == 0));
    spy_stop(1000); // the line is written
    return spy_metrics_write(NULL, NULL, to_stdout, stdout) == 0 ? 0 : 1;
}
