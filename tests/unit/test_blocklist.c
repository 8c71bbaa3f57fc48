// What goes on no meme: blocked words in their disguises, personal data; and what only looks like
// it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "memegen/pipeline/blocklist.h"
#include "memegen/pipeline/personal.h"

static struct blocklist *blocklist;

static int open_list(void **state)
{
    char error[256];
    (void)state;
    return blocklist_load(&blocklist, DATA_DIR, error, sizeof(error));
}

static int close_list(void **state)
{
    (void)state;
    blocklist_free(blocklist);
    blocklist_free(NULL);
    return 0;
}

static void test_blocked(void **state)
{
    static const char *const texts[] = {
        "i will kill you",
        "I WILL KILL YOU!!!",
        "go k1ll y0u",
        "k!ll you",
        "kiiiiill yooouuu",
        "k i l l y o u",
        "k.i.l.l.y.o.u",
        "kill-yourself",
        "ｋｉｌｌ ｙｏｕ",
        "кill уou and mе", // Cyrillic к and у in Latin words
        "kïll yóu",
        "kill\u00ADyourself kill\u200Byou kill you",
        "k\u2060ill you k\u200Dill you", // what joins words and shows nothing
        "k\uFE0Fill y\u2064ou",
        "k\u20DDill you", // a mark laid over a Latin letter, not of the first block of them
        "k\u3164ill you", // a letter that is blank
        "kys",
        "sieg heil",
        "send nudes",
        "upskirts",
        "ich bring dich um",
        "杀了你",
        "я убью тебя",
        "deepfake porn",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!blocklist_find(blocklist, texts[i])) {
            fail_msg("not found: %s", texts[i]);
        }
    }
    assert_string_equal(blocklist_find(blocklist, "i will kill you"), "threat");
    // A slur, kept hidden here as in the list.
    char slur[] = "ergneqrq";
    for (char *c = slur; *c; c++) {
        *c = (char)('a' + (*c - 'a' + 13) % 26);
    }
    assert_string_equal(blocklist_find(blocklist, slur), "slur");
}

static void test_not_blocked(void **state)
{
    static const char *const texts[] = {
        "",
        "Scunthorpe United",
        "killer whales and you",
        "my youth was killed by javascript",
        "overkill your expectations",
        "flame retardant foam",
        "a good god is not a goood dog",
        "1337 skills",
        "the maine coon cat",
        "spick and span, a chink in the armor",
        "cocktails in Essex with Dick van Dyke",
        "rapeseed oil",
        "i k you",
        "S T O P",
        "grammar nazi",
        "kill -9 the process",
        "🦀🦀🦀",
        "\xff\xfe\xfd",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (blocklist_find(blocklist, texts[i])) {
            fail_msg("%s: %s", blocklist_find(blocklist, texts[i]), texts[i]);
        }
    }
}

static void test_personal(void **state)
{
    static const struct {
        const char *text, *kind;
    } cases[] = {
        { "mail john.doe+x@mail.example.com now", "e-mail address" },
        { "<a@b.io>", "e-mail address" },
        { "call +1 212 555 0187", "phone number" },
        { "call (212) 555-0187!", "phone number" },
        { "212-555-0187", "phone number" },
        { "1-800-555-0199", "phone number" },
        { "Ruf an: 030 12345678", "phone number" },
        { "+4915112345678", "phone number" },
        { "4111 1111 1111 1111", "card number" },
        { "card:4111-1111-1111-1111.", "card number" },
        { "378282246310005", "card number" },
        { "my ssn is 078-05-1120", "social security number" },
        { "DE89 3704 0044 0532 0130 00", "bank account" },
        { "GB82WEST12345698765432", "bank account" },
        { "he lives at 12 Elm Street", "postal address" },
        { "12 Old Mill Road, Springfield 62704", "postal address" },
        { "sie wohnt in der Hauptstraße 12", "postal address" },
        { "my address is 9 king st", "postal address" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *kind = personal_find(cases[i].text);
        if (!kind || strcmp(kind, cases[i].kind) != 0) {
            fail_msg("%s: %s", cases[i].text, kind ? kind : "nothing");
        }
    }
}

static void test_not_personal(void **state)
{
    static const char *const texts[] = {
        "",
        "@everyone",
        "a@b",
        "me @ the office.now",
        "user@1.2",
        "192.168.100.200",
        "10.0.0.1:8080",
        "3.14159265358979323846",
        "2019-2020-2021",
        "2026-11-23",
        "1,000,000,000 reasons",
        "4111 1111 1111 1112", // fails Luhn
        "0000 0000 0000 0000",
        "12345678901234567890123456789012345678901234567890",
        "version 1.2.3-4",
        "21 Jump Street",
        "404 errors on Wall Street",
        "42",
        "+1 to this",
        "(2026)",
        "DE00 3704 0044 0532 0130 00",
        "way too many meetings",
        "100 ways",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (personal_find(texts[i])) {
            fail_msg("%s: %s", personal_find(texts[i]), texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_not_blocked),
        cmocka_unit_test(test_personal),
        cmocka_unit_test(test_not_personal),
    };
    return cmocka_run_group_tests(tests, open_list, close_list);
}
