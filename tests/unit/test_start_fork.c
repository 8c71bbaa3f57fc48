// fork() while another thread starts and stops the library: a child finds no lock taken for ever.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lines.h"
#include "spyglass/spyglass.h"

#define CHILDREN 30

static atomic_bool over;
static int fd;

static void *start_and_stop(void *arg)
{
    (void)arg;
    while (!over) {
        if (spy_start(&(struct spy_options){ .log_fd = fd, .log_format = SPY_LOG_JSON }) == 0) {
            spy_info("parent");
            (void)spy_stop(20000);
        }
    }
    return NULL;
}

static void children_are_not_stuck(void **state)
{
    (void)state;
    pthread_t thread;
    setenv("SPY_FULL_WAIT_MS", "20000", 1);
    fd = lines_open();
    assert_int_equal(pthread_create(&thread, NULL, start_and_stop, NULL), 0);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            spy_info("child"); // written at once, or dropped and counted: it was started or not
            spy_log_reopen();
            _exit(spy_stop(20000) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fail_msg("child %d: %s %d", i, WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
    over = true;
    pthread_join(thread, NULL);
    json_decref(lines_read(fd)); // all of them whole
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(children_are_not_stuck) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
