// What a stranger may say to a profile: the value of ?profile= with an Accept header, and the query of
// /debug/flamegraph and its kin, "name=value&…".

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/wish.h"
#include "serve/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_wish(const char *text, size_t n)
{
    struct spy__wish wish = { .rate_hz = 7 };
    char *exact = malloc(n ? n : 1); // its end is the sanitizer's to watch
    if (exact) {
        memcpy(exact, text, n);
        bool asked = spy__wish_read(&wish, exact, n, text);
        assert(asked == (n > 0 && n <= SPY__WISH_MAX));
        assert(wish.form <= SPY__WISH_FOLDED);
        assert(asked ? wish.rate_hz == 0 || (wish.rate_hz >= 2 && wish.rate_hz <= 1000)
                     : wish.rate_hz == 7);
    }
    free(exact);
}

static void read_query(char *text)
{
    struct spy__profile_ask_view ask;
    char *save = NULL;
    assert(spy__profile_view_has("/debug/flamegraph", &ask));
    for (char *part = strtok_r(text, "&", &save); part; part = strtok_r(NULL, "&", &save)) {
        const char *why = NULL;
        char *value = strchr(part, '=');
        if (value) {
            *value++ = '\0';
        }
        if (spy__profile_view_param(&ask, part, value, &why) != 0) {
            assert(why);
        }
        assert(ask.seconds >= 1 && ask.seconds <= SPY__PROFILE_VIEW_SECONDS_MAX);
        assert(spy__profile_view_agrees(&ask, &why) || why);
        assert(strlen(ask.id) <= SPY__PROFILE_VIEW_ID_MAX);
        assert(!ask.time.has_from || ask.time.from_s <= UINT64_C(9999999999));
        assert(!ask.against.has_to || ask.against.to_s <= UINT64_C(9999999999));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text) {
        memcpy(text, data, size);
        text[size] = '\0';
        read_wish(text, size);
        read_query(text);
    }
    free(text);
    return 0;
}
