// Is the pipeline worth watching? A thousand topics with fixed seeds: how many captions differ, how
// the scores spread, whether every verifier has something to do, and whether refinement gains.
// Prints the figures.
//
// With arguments, each is a topic whose memes are printed, for people.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memegen/llm/words.h"
#include "pipeline_fixture.h"

#define TOPICS 1000
#define BUCKETS 10

// Words and the forms that they stand in, in several languages; all pairs of a row make its topics.
static const struct {
    const char *forms[12];
    const char *words[28];
} rows[] = {
    { { "%s", "%s at 3 a.m.", "my first %s", "why is %s so hard?", "%s vs sleep",
        "the history of %s", "how to survive %s", "new %s update", "I hate %s",
        "%s on a Monday with my boss", "%s and %s" },
      { "rust",
        "kubernetes",
        "meetings",
        "my cat",
        "pineapple pizza",
        "the gym",
        "taxes",
        "javascript",
        "coffee",
        "the printer",
        "exams",
        "dating",
        "chess",
        "the neighbor's dog",
        "airport security",
        "sourdough",
        "tabs",
        "regex",
        "vim",
        "laundry",
        "house plants",
        "group projects",
        "the dentist",
        "rain",
        "cryptocurrency",
        "cold showers",
        "IKEA furniture" } },
    { { "%s", "%s am Montag", "warum ist %s so schwer?", "mein Chef und %s" },
      { "die Bahn", "das Finanzamt", "der Kaffee", "die Katze", "das Wetter", "die Steuererklärung",
        "der Nachbar" } },
    { { "%s", "por qué no funciona %s", "%s en lunes con mi jefe" },
      { "el café", "la reunión", "mi gato", "el examen", "la siesta", "el despertador" } },
    { { "%s", "%s dans le métro", "pourquoi %s est si cher ?" },
      { "le fromage", "la grève", "le lundi", "mon chat", "la réunion" } },
    { { "%s", "%s в понедельник", "почему %s не работает?" },
      { "кофе", "мой кот", "дедлайн", "начальник", "дача", "экзамен" } },
    { { "%s", "周一的%s", "为什么%s这么难" },
      { "咖啡", "加班", "我的猫", "考试", "代码", "房价" } },
    { { "%s", "月曜日の%s", "なぜ%sは難しいのか?" },
      { "残業", "ラーメン", "猫", "試験", "会議", "プログラミング" } },
    { { "%s", "월요일 %s", "왜 %s 어려워?" }, { "커피", "야근", "고양이", "시험", "코딩" } },
    { { "%s", "لماذا %s صعب؟" }, { "العمل", "القهوة", "الامتحان", "القطة" } },
    { { "%s", "सोमवार को %s" }, { "चाय", "परीक्षा", "नौकरी", "बारिश" } },
    { { "%s" },
      { "🦀", "😭😭😭", "...", "42", "a", "ไปทำงาน", "η καφετιέρα", "בוקר יום ראשון", "আমার বিড়াল",
        "c++ or c#?" } },
    // What the verifiers are there for.
    { { "%s", "did you know that %s?", "my uncle says %s" },
      { "the earth is flat", "linux was created in 2003", "spiders have 6 legs", "5g causes covid",
        "html is a programming language", "the moon landing was faked", "vaccines cause autism",
        "python came out in 2010" } },
    { { "%s", "lol %s" },
      { "call me at +1 212 555 0187", "mail john.doe@example.com now",
        "my card is 4111 1111 1111 1111", "i will k1ll you", "go kiiiill yourself",
        "DE89 3704 0044 0532 0130 00", "k.i.l.l y.o.u", "he lives at 12 Elm Street" } },
    { { "%s", "%s, or so I was told by somebody who read half of an article about it on the train "
              "this morning" },
      { "how I learned to stop worrying and love the quarterly planning meeting",
        "the five stages of grief when a build fails",
        "a very long story about a very small problem with a very expensive dishwasher",
        "spiders have 6 legs and birds are not real",
        "the earth is flat and 5g causes covid and homeopathy works" } },
};

struct figures {
    size_t topics, distinct, buckets[BUCKETS], scored, rejected, failed;
    size_t facts_faulty, facts_mended, instructions_faulty, instructions_mended;
    size_t refined, gained;
    double first_sum, last_sum, sum;
    uint64_t hashes[TOPICS];
};

static double first_score(const struct meme *meme)
{
    const struct meme_report *report = fixture_report(meme, "scorer", 0);
    return report ? strtod(report->note, NULL) : 0;
}

static bool mended(const struct meme *meme, const char *agent, const char *none)
{
    for (size_t i = 0; i < meme->report_count; i++) {
        const struct meme_report *report = &meme->reports[i];
        if (strcmp(report->agent, agent) == 0 && report->round == 0 &&
            !strstr(report->note, none)) {
            return true;
        }
    }
    return false;
}

static void count(struct figures *figures, const struct meme *meme)
{
    char all[MEME_CAPTIONS_MAX * MEME_CAPTION_BYTES] = "";
    size_t len = 0;
    figures->rejected += meme->status == MEME_REJECTED;
    figures->failed += meme->status == MEME_ERROR;
    if (meme->status != MEME_SUCCESS) {
        return;
    }
    for (size_t i = 0; i < meme->caption_count; i++) {
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s\n", meme->captions[i]);
    }
    uint64_t hash = words_hash(all);
    bool seen = false;
    for (size_t i = 0; i < figures->scored; i++) {
        seen |= figures->hashes[i] == hash;
    }
    figures->distinct += !seen;
    figures->hashes[figures->scored++] = hash;
    size_t bucket = (size_t)(meme->score.total * BUCKETS);
    figures->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    figures->sum += meme->score.total;
    figures->facts_faulty += meme->score.factuality < 1;
    figures->facts_mended +=
        mended(meme, "factuality", "Nothing") && mended(meme, "factuality", "0 captions mended");
    figures->instructions_faulty += meme->score.instruction_following < 1;
    figures->instructions_mended += mended(meme, "instruction_following", "0 captions cut");
    if (meme->rounds > 0) {
        figures->refined++;
        figures->gained += meme->score.total > first_score(meme) + 0.04;
        figures->first_sum += first_score(meme);
        figures->last_sum += meme->score.total;
    }
}

static void run_row(struct fixture *fixture, struct figures *figures, size_t row, uint64_t seed)
{
    for (size_t w = 0; rows[row].words[w]; w++) {
        for (size_t f = 0; rows[row].forms[f] && figures->topics < TOPICS; f++) {
            char topic[MEME_TOPIC_BYTES];
            struct meme meme;
            const char *word = rows[row].words[w],
                       *other = rows[row].words[w + 1] ? rows[row].words[w + 1] : "tea";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
            snprintf(topic, sizeof(topic), rows[row].forms[f], word, other);
#pragma GCC diagnostic pop
            fixture_run(fixture, &meme, topic, seed + figures->topics++);
            count(figures, &meme);
            meme_done(&meme);
        }
    }
}

static void print(const struct figures *figures)
{
    size_t filled = 0;
    printf("# %zu topics: %zu memes, %zu rejected, %zu errors; %zu distinct captions\n# scores:",
           figures->topics, figures->scored, figures->rejected, figures->failed, figures->distinct);
    for (size_t i = 0; i < BUCKETS; i++) {
        printf(" %zu", figures->buckets[i]);
        filled += figures->buckets[i] > 0;
    }
    printf(" (%zu buckets), mean %.3f\n", filled, figures->sum / (double)figures->scored);
    printf("# factuality: %zu lowered, %zu mended; instructions: %zu lowered, %zu mended; "
           "appropriateness: %zu refused\n",
           figures->facts_faulty, figures->facts_mended, figures->instructions_faulty,
           figures->instructions_mended, figures->rejected);
    printf("# refinement: %zu ran, %zu gained, mean %.3f to %.3f\n", figures->refined,
           figures->gained, figures->first_sum / (double)figures->refined,
           figures->last_sum / (double)figures->refined);
}

static void test_a_thousand_topics(void **state)
{
    static struct figures figures;
    struct fixture fixture;
    (void)state;
    fixture_open(&fixture, NULL, 1);
    // The rows once for each seed, until there are enough.
    for (uint64_t seed = 1; figures.topics < TOPICS; seed += 100000) {
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
            run_row(&fixture, &figures, row, seed);
        }
    }
    fixture_close(&fixture);
    print(&figures);
    size_t filled = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        filled += figures.buckets[i] > 0;
    }
    assert_int_equal(figures.topics, TOPICS);
    assert_int_equal(figures.failed, 0);
    assert_true(figures.distinct >= 500);
    assert_true(filled >= 6);
    assert_true(figures.rejected > 0);
    assert_true(figures.facts_faulty > 0);
    assert_true(figures.facts_mended > 0);
    assert_true(figures.instructions_faulty > 0);
    assert_true(figures.instructions_mended > 0);
    assert_true(figures.refined >= figures.scored / 10);
    assert_true(figures.last_sum > figures.first_sum);
}

static void show(struct fixture *fixture, const char *topic, uint64_t seed)
{
    struct meme meme;
    fixture_run(fixture, &meme, topic, seed);
    printf("\n%s: %s, %s, %.2f, %d rounds\n", topic, meme_status_name(meme.status),
           meme.template_id, meme.score.total, meme.rounds);
    for (size_t i = 0; i < meme.caption_count; i++) {
        printf("    %s\n", meme.captions[i]);
    }
    for (size_t i = 0; i < meme.report_count && getenv("NOTES"); i++) {
        printf("  %d %s: %s\n", meme.reports[i].round, meme.reports[i].agent, meme.reports[i].note);
    }
    meme_done(&meme);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_thousand_topics) };
    if (argc > 1) {
        struct fixture fixture;
        fixture_open(&fixture, NULL, 1);
        for (int i = 1; i < argc; i++) {
            for (uint64_t seed = 1; seed <= 4; seed++) {
                show(&fixture, argv[i], seed);
            }
        }
        fixture_close(&fixture);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
