// A host whose every spy_start() but the first and the last is refused, and which goes on counting
// all the same. Prints one line a case: its name, the error's name, the sentence. Argument: a state
// directory to fight for.

#define _GNU_SOURCE // strerrorname_np()

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

static struct spy_counter attempts;

static void attempt(const char *what, const struct spy_options *options)
{
    int rc = spy_start(options);
    spy_counter_inc(attempts);
    spy_info("attempted", spy_str("what", what));
    if (rc != 0) {
        printf("%s: %s %s\n", what, strerrorname_np(-rc), spy_start_error());
    }
}

// Another process holds the directory for as long as the pipe to it is open.
static pid_t hold(const char *state_dir, int *ret_ready, int *ret_end)
{
    int ready[2], end[2];
    char byte = 0;
    if (pipe(ready) != 0 || pipe(end) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        close(end[1]);
        int rc =
            spy_start(&(struct spy_options){ .state_dir = state_dir, .log_level = SPY_LEVEL_OFF });
        _exit(rc != 0 || write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) < 0);
    }
    close(ready[1]);
    close(end[0]);
    *ret_ready = ready[0];
    *ret_end = end[1];
    return child;
}

// A port that this process itself listens on.
static void take_port(char *out, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        abort();
    }
    snprintf(out, size, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
}

int main(int argc, char **argv)
{
    const struct spy_options first = { .admin = "127.0.0.1:0", .log_fd = STDERR_FILENO };
    char taken[32], byte;
    int ready, end, status;
    if (argc != 2 ||
        spy_counter_register(&attempts, &(struct spy_metric){ .name = "attempts_total",
                                                              .help = "Starts tried" }) != 0) {
        return 2;
    }
    pid_t holder = hold(argv[1], &ready, &end); // forks before any thread starts
    if (holder < 0 || read(ready, &byte, 1) != 1 || spy_start(&first) != 0) {
        return 2;
    }
    attempt("second_start", &first);
    if (spy_admin_port() == 0 || spy_stop(1000) != 0) {
        return 2;
    }
    take_port(taken, sizeof(taken));
    attempt("port_taken", &(struct spy_options){ .admin = taken, .log_fd = STDERR_FILENO });
    attempt("beyond_loopback",
            &(struct spy_options){ .admin = "0.0.0.0:0", .log_fd = STDERR_FILENO });
    attempt("no_address",
            &(struct spy_options){ .admin = "example.org:80", .log_fd = STDERR_FILENO });
    attempt("state_in_use", &(struct spy_options){ .state_dir = argv[1], .log_fd = STDERR_FILENO });
    printf("counted: %.0f\n", spy_counter_value(attempts));
    close(end);
    waitpid(holder, &status, 0);
    printf("started_again: %d\n",
           spy_start(&(struct spy_options){
               .admin = "127.0.0.1:0", .state_dir = argv[1], .log_fd = STDERR_FILENO }));
    return spy_stop(1000) == 0 && status == 0 ? 0 : 1;
}
