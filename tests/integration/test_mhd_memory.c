// The adaptor when memory runs out: each allocation of a request fails in turn. The client may get
// its answer, a 500 or a closed connection; the service stays, counts what it lost, and answers the
// next request.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <spyglass/spyglass.h>
#include <spyglass_mhd.h>

#include "alloc_fail.h"

enum { ALLOCATIONS = 40 }; // more than any request makes

static struct spy_mhd *app;
static struct MHD_Daemon *server;

static int on_request(void *arg, struct spy_mhd_request *request)
{
    size_t len;
    const char *body = spy_mhd_body(request, &len);
    (void)arg;
    spy_mhd_route(request, "/");
    if (strcmp(spy_mhd_path(request), "/fails") == 0) {
        return -EIO;
    }
    char *copy = malloc(len + 1);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, body, len);
    spy_mhd_answer(request, &(struct spy_mhd_answer){ .status = 200,
                                                      .content_type = "text/plain",
                                                      .body = copy,
                                                      .body_len = len,
                                                      .release = free,
                                                      .release_arg = copy,
                                                      .headers = { { "X-Test", "yes" } } });
    return 0;
}

static int connect_to_server(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    address.sin_port = htons(MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

// Returns the status, or 0 where the connection closed without one.
static int ask(const char *path)
{
    static char out[8192], in[8192];
    int status = 0;
    size_t len = 0;
    int n = snprintf(out, sizeof(out),
                     "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
                     "4000\r\n\r\n%04000d",
                     path, 7);
    int fd = connect_to_server();
    assert_int_equal(send(fd, out, (size_t)n, MSG_NOSIGNAL), n);
    for (ssize_t got;
         len < sizeof(in) - 1 && (got = recv(fd, in + len, sizeof(in) - 1 - len, 0)) > 0;) {
        len += (size_t)got;
    }
    close(fd);
    in[len] = '\0';
    return sscanf(in, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

static void each_allocation_may_fail(void **state)
{
    static const char *const paths[] = { "/", "/fails" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int last = 0;
        for (long n = 0; n < ALLOCATIONS; n++) {
            alloc_fail_after(n);
            last = ask(paths[i]);
            alloc_fail_never();
            assert_true(last == 0 || last == 200 || last == 500);
            assert_int_equal(ask("/"), 200);
        }
        assert_int_equal(last, i == 0 ? 200 : 500); // by then, none was left to fail
    }
}

static void an_application_needs_memory_and_a_handler(void **state)
{
    struct spy_mhd *other = NULL;
    (void)state;
    alloc_fail_after(0);
    int rc = spy_mhd_new(&other, &(struct spy_mhd_options){ .on_request = on_request });
    alloc_fail_never();
    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(spy_mhd_new(&other, &(struct spy_mhd_options){ 0 }), -EINVAL);
    assert_null(other);
    spy_mhd_free(NULL);
}

static int start(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (spy_mhd_new(&app, &(struct spy_mhd_options){ .on_request = on_request }) != 0) {
        return -1;
    }
    server =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                         spy_mhd_access, app, MHD_OPTION_ARRAY, spy_mhd_daemon_options(app),
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
    return server ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    int rc = spy_mhd_drain(app, 5000);
    MHD_stop_daemon(server);
    spy_mhd_free(app);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(an_application_needs_memory_and_a_handler),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
