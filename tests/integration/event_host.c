// A host that publishes events as it is told: event_host STATE_DIR|- LOG STOP_MS
//
// A line "N" on its standard input publishes N events, numbered on from FIRST in the environment,
// and is answered by "published LAST" once they are accepted. Its end is a spy_stop(STOP_MS),
// answered by "stopped RESULT MS". The first line that it prints is the admin server's port.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void publish(uint64_t *next, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++, (*next)++) {
        spy_event("numbered", spy_uint("number", *next), spy_str("template_id", "drake"));
    }
}

static int fork_and_stop(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);                                    // where it hangs, it ends
        spy_event("numbered", spy_uint("number", 1)); // nobody publishes it
        _exit(spy_stop(20000) == 0 ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: event_host STATE_DIR|- LOG STOP_MS\n");
        return 2;
    }
    int log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char state_dir[256], service[] = "event_host";
    (void)snprintf(state_dir, sizeof(state_dir), "%s", argv[1]);
    int err =
        spy_start(&(struct spy_options){ .service = service,
                                         .state_dir = strcmp(state_dir, "-") ? state_dir : NULL,
                                         .admin = "127.0.0.1:0",
                                         .full_wait_ms = 5000,
                                         .log_fd = log_fd });
    memset(state_dir, 'x', sizeof(state_dir) - 1); // it was copied
    memset(service, 'x', sizeof(service) - 1);
    if (err != 0) {
        fprintf(stderr, "event_host: %s\n", spy_start_error());
        return 1;
    }
    printf("%u\n", spy_admin_port());
    fflush(stdout);
    char line[32];
    const char *first = getenv("FIRST");
    uint64_t next = first ? strtoull(first, NULL, 10) : 0;
    while (fgets(line, sizeof(line), stdin)) {
        if (strcmp(line, "fork\n") == 0) {
            printf("forked %d\n", fork_and_stop());
            fflush(stdout);
            continue;
        }
        publish(&next, strtoul(line, NULL, 10));
        printf("published %llu\n", (unsigned long long)next);
        fflush(stdout);
    }
    double begun = now_ms();
    err = spy_stop((unsigned)strtoul(argv[3], NULL, 10));
    printf("stopped %d %.0f\n", err, now_ms() - begun);
    return 0;
}
