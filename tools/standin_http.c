// See the header.

#include "tools/standin_http.h"

#include <stdlib.h>
#include <string.h>

#include "serve/access.h"

void standin_body_take(struct standin_body *body, const char *data, size_t n, size_t max)
{
    char *grown = body->too_long || body->len > max || n > max - body->len
                      ? NULL
                      : realloc(body->bytes, body->len + n);
    if (!grown) {
        body->too_long = true;
        return;
    }
    memcpy(grown + body->len, data, n);
    body->bytes = grown;
    body->len += n;
}

void standin_body_done(struct standin_body *body)
{
    free(body->bytes);
    *body = (struct standin_body){ 0 };
}

bool standin_address(const char *text, struct sockaddr_storage *ret)
{
    socklen_t len;
    return spy__address_parse(text, ret, &len) == 0 &&
           spy__address_is_loopback((const struct sockaddr *)ret);
}
