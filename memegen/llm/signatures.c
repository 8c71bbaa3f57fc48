// The tables: see signatures.h. What a description says is what a model is told.

#include "memegen/llm/signatures.h"

#include "memegen/meme.h"

// As many bytes as a caption may have, in the characters of the widest script.
#define CAPTION_CHARS_MAX 400

#define BRIEF_FIELDS                                                                               \
    { "topic", SIG_STRING, "what the meme is about, in the words of the person who asked",         \
      .chars_max = MEME_TOPIC_CHARS_MAX },                                                         \
        { "language", SIG_STRING, "the language to write in, as an ISO 639-1 code",                \
          .chars_max = 8 },                                                                        \
        { "intent", SIG_STRING, "what kind of joke the topic calls for", .chars_max = 32 },        \
        { "subject", SIG_STRING, "the field of life that the topic belongs to", .chars_max = 32 }, \
        { "mood", SIG_STRING, "the mood to write in", .chars_max = 32 },                           \
        { "style", SIG_STRING, "a style that was asked for", .optional = true,                     \
          .chars_max = MEME_NAME_BYTES },                                                          \
        { "trend", SIG_STRING, "something that people talk about now, to allude to where it fits", \
          .optional = true, .chars_max = MEME_TOPIC_CHARS_MAX },                                   \
        { "template", SIG_STRING, "the picture, and the joke it tells", .chars_max = 600 },        \
        { "slots",                                                                                 \
          SIG_STRINGS,                                                                             \
          "what each caption in the picture is for",                                               \
          .items_min = 1,                                                                          \
          .items_max = MEME_CAPTIONS_MAX,                                                          \
          .chars_max = 200 },                                                                      \
    {                                                                                              \
        "slot_chars", SIG_INTS, "the most characters of each caption",                             \
            .min = 1, .max = CAPTION_CHARS_MAX, .items_min = 1, .items_max = MEME_CAPTIONS_MAX     \
    }

static const struct sig_field captions_inputs[] = { BRIEF_FIELDS, { NULL } };

static const struct sig_field refine_inputs[] = {
    BRIEF_FIELDS,
    { "captions", SIG_STRINGS, "the captions so far", .may_be_empty = true, .items_min = 1,
      .items_max = MEME_CAPTIONS_MAX, .chars_max = CAPTION_CHARS_MAX },
    { "score", SIG_NUMBER, "how good they are", .min = 0, .max = 1 },
    { "wanting", SIG_STRING, "what was found wanting", .chars_max = 400 },
    { "round", SIG_INT, "the round of refinement", .min = 1, .max = 3 },
    { NULL },
};

static const struct sig_field captions_outputs[] = {
    { "captions", SIG_STRINGS, "one caption for each slot, in the order of the slots",
      .items_as = "slots", .chars_as = "slot_chars", .chars_max = CAPTION_CHARS_MAX },
    { "idea", SIG_STRING, "why it is funny, in one short sentence", .chars_max = 200 },
    { NULL },
};

const struct signature signature_captions = {
    .name = "captions",
    .task = "Write the captions of a meme: short, specific and surprising; the last slot carries "
            "the punch line. Use "
            "the topic's own key words. Joke about situations, never about a person's origin, "
            "body, faith or love; "
            "no insults, no threats, no personal data.",
    .inputs = captions_inputs,
    .outputs = captions_outputs,
};

const struct signature signature_refine = {
    .name = "refine",
    .task = "Improve the captions of a meme. Keep what works, mend what was found wanting, and "
            "make the punch line "
            "land: short, specific and surprising. Use the topic's own key words. No insults, no "
            "threats, no "
            "personal data.",
    .inputs = refine_inputs,
    .outputs = captions_outputs,
};

#define MEME_FIELDS                                                                                \
    { "topic", SIG_STRING, "what the meme is about, in the words of the person who asked",         \
      .chars_max = MEME_TOPIC_CHARS_MAX },                                                         \
        { "language", SIG_STRING, "the language of both, as an ISO 639-1 code", .chars_max = 8 },  \
    {                                                                                              \
        "captions", SIG_STRINGS, "the captions", .may_be_empty = true, .items_min = 1,             \
                                                 .items_max = MEME_CAPTIONS_MAX,                   \
                                                 .chars_max = CAPTION_CHARS_MAX                    \
    }

#define ISSUE_FIELD                                                                                \
    {                                                                                              \
        "issue", SIG_STRING, "what is wrong, in one short sentence; empty where nothing is",       \
            .may_be_empty = true, .chars_max = 200                                                 \
    }

static const struct sig_field meme_inputs[] = { MEME_FIELDS, { NULL } };

static const struct sig_field instructions_inputs[] = {
    MEME_FIELDS,
    { "style", SIG_STRING, "a style that was asked for", .optional = true,
      .chars_max = MEME_NAME_BYTES },
    { "template", SIG_STRING, "the picture, and the joke it tells", .chars_max = 600 },
    { "slots", SIG_STRINGS, "what each caption in the picture is for", .items_min = 1,
      .items_max = MEME_CAPTIONS_MAX, .chars_max = 200 },
    { NULL },
};

// Each list of verdicts begins with the best.
static const char *const facts_verdicts[] = { "accurate", "few_issues", "wrong", NULL };
static const char *const instructions_verdicts[] = { "followed", "mostly", "ignored", NULL };
static const char *const kinds[] = { "none",   "hate",          "insult", "threat",
                                     "sexual", "personal_data", "other",  NULL };

static const struct sig_field facts_outputs[] = {
    { "verdict", SIG_ENUM, "how true what is said or implied is", .values = facts_verdicts },
    ISSUE_FIELD,
    { NULL },
};

static const struct sig_field instructions_outputs[] = {
    { "verdict", SIG_ENUM, "whether the captions do what was asked for",
      .values = instructions_verdicts },
    ISSUE_FIELD,
    { NULL },
};

static const struct sig_field appropriateness_outputs[] = {
    { "kind", SIG_ENUM, "what makes it unfit for a public place; none where nothing does",
      .values = kinds },
    { NULL },
};

const struct signature signature_factuality = {
    .name = "factuality",
    .task = "Judge the facts in a meme. A joke, an exaggeration and an opinion are no false facts; "
            "a wrong date, number, name or cause is one.",
    .inputs = meme_inputs,
    .outputs = facts_outputs,
};

const struct signature signature_instruction_following = {
    .name = "instruction_following",
    .task = "Judge whether the captions of a meme are about the topic, in its language and in the "
            "style that was asked for, and whether each suits its slot in the picture.",
    .inputs = instructions_inputs,
    .outputs = instructions_outputs,
};

const struct signature signature_appropriateness = {
    .name = "appropriateness",
    .task = "Judge whether a meme may be shown to everyone: no hate, no insult of a person or a "
            "group, no threat, nothing sexual, no personal data. Harmless mockery of situations, "
            "tools and habits is fine.",
    .inputs = meme_inputs,
    .outputs = appropriateness_outputs,
};
