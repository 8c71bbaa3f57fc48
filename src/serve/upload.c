#include "serve/upload.h"

#include <stdlib.h>
#include <string.h>

struct spy__upload *spy__upload_new(size_t max)
{
    struct spy__upload *upload = malloc(sizeof(*upload) + max);
    if (upload) {
        *upload = (struct spy__upload){ .max = max };
    }
    return upload;
}

void spy__upload_add(struct spy__upload *upload, const char *bytes, size_t n)
{
    if (n > upload->max - upload->len) {
        upload->too_long = true;
        return;
    }
    memcpy(upload->bytes + upload->len, bytes, n);
    upload->len += n;
}
