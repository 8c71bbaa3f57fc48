// Any bytes as the body of a chat completion, and as the value of Retry-After.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/chat.h"
#include "memegen/llm/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error_code(const char *body, size_t size)
{
    char code[32];
    chat_error_code(code, sizeof(code), body, size);
    if (code[strspn(code, "abcdefghijklmnopqrstuvwxyz_")]) {
        abort();
    }
}

static void check_retry_after(const char *body, size_t size)
{
    char value[HTTP_RETRY_AFTER_BYTES] = "";
    memcpy(value, body, size < sizeof(value) ? size : sizeof(value) - 1);
    int64_t ms = retry_after_ms(value, 1000000000);
    if (ms < -1 || ms > 86400000) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chat_answer answer;
    char *body = malloc(size ? size : 1); // without a NUL behind it
    if (!body) {
        abort();
    }
    memcpy(body, data, size);
    int r = chat_read(&answer, body, size);
    if ((r == 0 && !answer.text) || (r < 0 && !answer.problem[0] && r != -ENOMEM) ||
        answer.usage.input_tokens < 0 || answer.usage.output_tokens < 0) {
        abort();
    }
    free(answer.text);
    check_error_code(body, size);
    check_retry_after(body, size);
    free(body);
    return 0;
}
