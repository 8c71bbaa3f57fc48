// Any bytes as a model's answer: an object that fulfils the signature, or a sentence that says what
// is wrong.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/llm/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const json_t *answer)
{
    const json_t *captions = json_object_get(answer, "captions");
    if (json_object_size(answer) != 2 || json_array_size(captions) != 2 ||
        !json_is_string(json_object_get(answer, "idea"))) {
        abort();
    }
    for (size_t i = 0; i < 2; i++) {
        const char *caption = json_string_value(json_array_get(captions, i));
        if (!caption || words_chars(caption) == 0 || words_chars(caption) > (i == 0 ? 20 : 10)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *inputs;
    char problem[SIGNATURE_PROBLEM_BYTES] = "";
    json_t *answer = NULL;
    if (!inputs) {
        inputs = json_pack("{s:[s,s], s:[i,i]}", "slots", "a", "b", "slot_chars", 20, 10);
    }
    // A copy without a NUL behind it, so that a read past the end is seen.
    char *text = malloc(size ? size : 1);
    if (!inputs || !text) {
        abort();
    }
    memcpy(text, data, size);
    if (signature_read_answer(&signature_captions, inputs, text, size, &answer, problem,
                              sizeof(problem)) == 0) {
        check(answer);
        json_decref(answer);
    } else if (answer || !problem[0] || !memchr(problem, '\0', sizeof(problem))) {
        abort();
    }
    free(text);
    return 0;
}
