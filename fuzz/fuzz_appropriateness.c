// Any bytes as a topic: the matchers of blocked words, personal data and claims, and what cleans,
// folds and cuts it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "memegen/llm/words.h"
#include "memegen/pipeline/blocklist.h"
#include "memegen/pipeline/claims.h"
#include "memegen/pipeline/personal.h"

#define TEXT_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct blocklist *blocklist;
static struct claims *claims;

static void load(void)
{
    char error[256];
    if (blocklist_load(&blocklist, DATA_DIR, error, sizeof(error)) < 0 ||
        claims_load(&claims, DATA_DIR, error, sizeof(error)) < 0) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
}

static void check_claims(const char *text)
{
    struct claims_fault fault;
    size_t from = 0;
    while (claims_find(claims, text, from, &fault)) {
        if (fault.at < from || fault.len == 0 || fault.at + fault.len > strlen(text)) {
            abort();
        }
        from = fault.at + fault.len;
    }
}

static void check_words(const char *text)
{
    static char clean[TEXT_MAX * 3 + 1], again[TEXT_MAX * 3 + 1], folded[TEXT_MAX * 8];
    words_clean(clean, sizeof(clean), text);
    words_clean(again, sizeof(again), clean);
    if (!g_utf8_validate(clean, -1, NULL) || strcmp(clean, again) != 0) {
        abort();
    }
    words_fold(folded, sizeof(folded), text, strlen(text));
    words_script(text);
    words_count(text);
    for (size_t chars = 1; chars < 40; chars += 7) {
        words_copy(again, sizeof(again), clean);
        words_shorten(again, sizeof(again), chars);
        if (!g_utf8_validate(again, -1, NULL) || words_chars(again) > chars) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    if (!blocklist) {
        load();
    }
    size = size < TEXT_MAX ? size : TEXT_MAX;
    memcpy(text, data, size);
    text[size] = '\0';
    check_words(text);
    check_claims(text);
    blocklist_find(blocklist, text);
    personal_find(text);
    return 0;
}
