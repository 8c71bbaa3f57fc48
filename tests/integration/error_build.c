// One program, built in several ways: it tells of the same errors, whatever its code became.
//
//     error_build    with SENTRY_DSN in the environment; prints what the stop returned

#include <spyglass/spyglass.h>
#include <stdio.h>
#include <stdlib.h>

static struct spy_operation cooking = { .name = "cooking", .labels = SPY_LABELS("dish") };

// What follows a call keeps it from becoming a jump, which leaves no frame behind.
static volatile int after;

static void burn(const char *dish)
{
    struct spy_span span = spy_begin(&cooking, dish);
    spy_end(&span, spy_failure("burnt", "it smells"));
    after++;
}

static void cook(const char *dish, int depth)
{
    if (depth > 0) {
        cook(dish, depth - 1);
    } else {
        burn(dish);
    }
    after++;
}

static void serve(void)
{
    spy_error("cold", "it waited");
    after++;
}

int main(void)
{
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    if (spy_start(&(struct spy_options){ .service = "kitchen", .log_level = SPY_LEVEL_OFF }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    cook("soup", 2);
    cook("rice", 2);
    cook("soup", 0);
    serve();
    printf("stopped %d\n", spy_stop(30000));
    return 0;
}
