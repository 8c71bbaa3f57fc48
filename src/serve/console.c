#include "serve/console.h"

#include <string.h>

// Trusted Types (https://www.w3.org/TR/trusted-types/) make the browser refuse text as HTML: what a
// label says stays text.
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'; "
    "require-trusted-types-for 'script'";

const struct spy__console_file *spy__console_find(const char *path)
{
    for (size_t i = 0; i < spy__console_files_count; i++) {
        if (strcmp(spy__console_files[i].path, path) == 0) {
            return &spy__console_files[i];
        }
    }
    return NULL;
}

struct MHD_Response *spy__console_response(const struct spy__console_file *file)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        file->len, (void *)(uintptr_t)file->bytes, MHD_RESPMEM_PERSISTENT);
    if (response) {
        (void)MHD_add_response_header(response, "Content-Security-Policy", policy);
        (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
        (void)MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
        (void)MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    }
    return response;
}
