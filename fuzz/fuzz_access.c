// The admin server's parsers of what a stranger sends (the Host and Authorization headers, a
// scraper's timeout), and of the address that its host configures. The input is five lines: host,
// authorization, header name, address, timeout.

#include "serve/access.h"
#include "serve/scrape.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text;
    const char *lines[5] = { "", "", "", "", "" };
    for (size_t i = 0; i < 5 && rest; i++) {
        lines[i] = strsep(&rest, "\n");
    }

    struct sockaddr_in away = { .sin_family = AF_INET, .sin_addr = { htonl(0xC0000201) } };
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct spy__access_request request = { .peer = (struct sockaddr *)&away,
                                           .host = lines[0],
                                           .authorization = lines[1],
                                           .forwarded = spy__header_is_forwarding(lines[2]) };
    // From afar nothing but the token opens the door.
    assert(spy__access_check(&request, NULL) == SPY__ACCESS_FORBIDDEN);
    if (spy__access_check(&request, "a token") == SPY__ACCESS_GRANTED) {
        assert(strlen(lines[1]) >= strlen("Bearer a token"));
        assert(strcmp(lines[1] + strlen(lines[1]) - strlen("a token"), "a token") == 0);
    }
    // From here, a proxy's header always closes it.
    request.peer = (struct sockaddr *)&here;
    if (request.forwarded) {
        assert(spy__access_check(&request, NULL) == SPY__ACCESS_FORBIDDEN);
    }

    struct sockaddr_storage address;
    socklen_t len = 0;
    if (spy__address_parse(lines[3], &address, &len) == 0) {
        assert(len == sizeof(struct sockaddr_in) || len == sizeof(struct sockaddr_in6));
        assert(strchr(lines[3], ':'));
        (void)spy__address_is_loopback((struct sockaddr *)&address);
    }
    assert(spy__scrape_timeout_ns(lines[4]) <= UINT64_C(10000000000));
    free(text);
    return 0;
}
