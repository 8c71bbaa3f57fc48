// Loaded before a program's libraries (LD_PRELOAD), this writes down which of its threads makes
// connections and drives exchanges: a line "TID connect PORT" or "TID exchange 0" each time, to the
// file that CALLERS names.

#define _GNU_SOURCE // RTLD_NEXT

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int file = -1; // const once the libraries are loaded

__attribute__((constructor)) static void open_file(void)
{
    const char *path = getenv("CALLERS");
    file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

static void note(const char *what, unsigned port)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%ld %s %u\n", syscall(SYS_gettid), what, port);
    if (write(file, line, (size_t)n) != n) {
        abort(); // the test would take what is not there for what was not done
    }
}

// dlsym gives an object's address; POSIX has it read as a function's.
static void find(const char *name, void *ret_function)
{
    void *address = dlsym(RTLD_NEXT, name);
    memcpy(ret_function, &address, sizeof(address));
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    int (*next)(int, const struct sockaddr *, socklen_t);
    find("connect", &next);
    if (address->sa_family == AF_INET) {
        struct sockaddr_in to;
        memcpy(&to, address, sizeof(to));
        note("connect", ntohs(to.sin_port));
    }
    return next(fd, address, n);
}

// As libcurl has it; its handle and its codes are passed on as they are.
int curl_multi_perform(void *multi, int *running);

int curl_multi_perform(void *multi, int *running)
{
    int (*next)(void *, int *);
    find("curl_multi_perform", &next);
    note("exchange", 0);
    return next(multi, running);
}
