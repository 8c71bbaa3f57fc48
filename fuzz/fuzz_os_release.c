// An os-release file of any bytes: nothing is read past its end, and what is taken is UTF-8 without
// control characters that ends.
#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t max)
{
    size_t n = strnlen(text, max);
    if (n == max || !spy__utf8_valid(text, n)) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < ' ') {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__host host = { .cpus = 0 };
    char *text = malloc(size ? size : 1); // so that a sanitizer sees its end
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    spy__os_release_parse(&host, text, size);
    check(host.os_name, sizeof(host.os_name));
    check(host.os_version, sizeof(host.os_version));
    free(text);
    return 0;
}
