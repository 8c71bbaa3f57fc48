// Everything that a client of memegen sends and that memegen reads itself: the first byte chooses
// the reader.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/api/accept.h"
#include "memegen/api/ids.h"
#include "memegen/api/request.h"
#include "memegen/api/route.h"
#include "memegen/api/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size, size_t chars_max)
{
    size_t len = strnlen(text, size);
    size_t control;

    assert(len < size);
    assert(text_measure(text, len, &control) <= chars_max);
    assert(control == 0);
}

static void check_meme(const char *body, size_t len)
{
    struct meme_request request;
    struct problem problem = { 0 };

    if (!request_meme(&request, body, len, &problem)) {
        assert(problem.status == 400 || problem.status == 422);
        assert(problem.code && problem.message[0]);
        return;
    }
    assert(request.topic[0]);
    check_text(request.topic, sizeof(request.topic), MEME_TOPIC_CHARS_MAX);
    check_text(request.user_id, sizeof(request.user_id), REQUEST_NAME_CHARS_MAX);
    check_text(request.template_id, sizeof(request.template_id), REQUEST_NAME_CHARS_MAX);
    check_text(request.style, sizeof(request.style), REQUEST_NAME_CHARS_MAX);
}

static void check_interaction(const char *body, size_t len)
{
    struct store_interaction interaction;
    struct problem problem = { 0 };

    if (!request_interaction(&interaction, body, len, &problem)) {
        assert(problem.status == 400 || problem.status == 422);
        return;
    }
    check_text(interaction.type, sizeof(interaction.type), REQUEST_NAME_CHARS_MAX);
    check_text(interaction.platform, sizeof(interaction.platform), REQUEST_NAME_CHARS_MAX);
    check_text(interaction.user_id, sizeof(interaction.user_id), REQUEST_NAME_CHARS_MAX);
}

static void check_strings(const char *text)
{
    struct problem problem;
    char param[ROUTE_PARAM_BYTES];
    size_t limit;
    int64_t before;
    bool async;
    const struct route *route = route_find(text, param);

    assert(!route || strlen(text) >= strlen(param));
    assert(!ids_valid(text) || strlen(text) == MEME_ID_LEN);
    route_method(text);
    request_is_json(text);
    if (request_limit(&limit, text, &problem)) {
        assert(limit >= 1 && limit <= REQUEST_LIST_MAX);
    }
    if (request_before(&before, text, &problem)) {
        assert(before >= 1);
    }
    request_async(&async, text, &problem);
    int quality = accept_quality(text, "text/html");
    assert(quality >= 0 && quality <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0) {
        return 0;
    }
    text = malloc(size); // of the exact size, so that the sanitizer sees a read past it
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0]) {
    case 'm':
        check_meme(text, size - 1);
        break;
    case 'i':
        check_interaction(text, size - 1);
        break;
    default:
        check_strings(text);
    }
    free(text);
    return 0;
}
