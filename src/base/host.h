// The machine and the system that the process runs on.
#ifndef BASE_HOST_H
#define BASE_HOST_H

#include <stddef.h>
#include <stdint.h>

// "" and 0 for what is not known.
struct spy__host {
    char name[256];
    char os_name[64], os_version[64]; // the distribution's: "Debian GNU/Linux", "12"
    char kernel[128];                 // its release
    char arch[64];                    // "x86_64", "aarch64"
    char libc[64];                    // version of glibc
    unsigned cpus;
    uint64_t memory_bytes;
};

// Reads files and asks the system: at a start. Never fails.
void spy__host_read(struct spy__host *ret);

// Finds the distribution's name and version in n bytes of an os-release file
// (https://www.freedesktop.org/software/systemd/man/latest/os-release.html). Of a value in quotes
// that spans lines, or has what a shell would expand, nothing is taken.
void spy__os_release_parse(struct spy__host *ret, const char *text, size_t n);

#endif
