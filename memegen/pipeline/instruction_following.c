// instruction_following: do the captions fit their slots, speak the topic's language, and name what
// they are about?
//
// A caption that is too long is cut. What remains wrong lowers the score: 0.8 for one fault, 0.5
// for more.

#include <stdio.h>
#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"

struct faults {
    unsigned count;
    char text[MEME_NOTE_BYTES];
};

static void add_fault(struct faults *faults, const char *what)
{
    size_t len = strlen(faults->text);
    faults->count++;
    snprintf(faults->text + len, sizeof(faults->text) - len, "%s%s", len ? " " : "", what);
}

// Everything that the captions say, in one line.
static void join(const struct draft *draft, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < draft->count; i++) {
        len += words_copy(ret + len, size - len, draft->captions[i]);
        len += words_copy(ret + len, size - len, " ");
    }
}

static bool script_matches(const char *wanted, const char *is)
{
    // Japanese may do without Kana in a short caption.
    return !*wanted || strcmp(wanted, is) == 0 ||
           (strcmp(wanted, "Jpan") == 0 && strcmp(is, "Hani") == 0);
}

static void check_language(const struct job *job, const char *all, struct faults *faults)
{
    char folded[MEME_CAPTIONS_MAX * MEME_CAPTION_BYTES];
    const char *script = words_script(all);
    words_fold(folded, sizeof(folded), all, strlen(all));
    if (!script_matches(job->route.script, script)) {
        add_fault(faults, "Written in another script than the topic.");
    } else if (strcmp(lexicon_language(job->pipeline->lexicon, folded, script),
                      job->route.language) != 0) {
        add_fault(faults, "Written in another language than the topic.");
    }
}

// At least one key word, and half of them where there are few.
static void check_keywords(const struct job *job, const char *all, struct faults *faults)
{
    char folded[MEME_CAPTIONS_MAX * MEME_CAPTION_BYTES];
    size_t found = 0, count = job->route.keyword_count;
    words_fold(folded, sizeof(folded), all, strlen(all));
    for (size_t i = 0; i < count; i++) {
        found += words_find(folded, job->route.keywords[i]) != NULL;
    }
    if (count > 0 && (found == 0 || (count <= 4 && found * 2 < count))) {
        add_fault(faults, "The topic's key words are missing.");
    }
}

// Cuts what is too long. Losing a third of its words is a fault that cutting does not mend.
static void check_lengths(const struct job *job, struct verdict *ret, struct faults *faults)
{
    bool lost = false, empty = false;
    for (size_t i = 0; i < job->draft.count; i++) {
        size_t chars = words_chars(job->draft.captions[i]), max = slot_chars_max(job->scene, i);
        words_copy(ret->captions[i], MEME_CAPTION_BYTES, job->draft.captions[i]);
        ret->mended[i] = words_shorten(ret->captions[i], MEME_CAPTION_BYTES, max);
        lost |= chars * 2 > max * 3;
        empty |= chars == 0;
    }
    if (lost) {
        add_fault(faults, "A caption is far too long for its slot.");
    }
    if (empty) {
        add_fault(faults, "A slot has no caption.");
    }
}

// What the model says; what was counted here is the floor.
static void ask_model(const struct job *job, struct verdict *ret)
{
    json_t *outputs;
    if (!verifier_ask(job, &signature_instruction_following, ret, &outputs)) {
        return;
    }
    const char *verdict = json_string_value(json_object_get(outputs, "verdict"));
    const char *issue = json_string_value(json_object_get(outputs, "issue"));
    double factor = strcmp(verdict, "followed") == 0 ? 1
                    : strcmp(verdict, "mostly") == 0 ? 0.8
                                                     : 0.5;
    if (verifier_lower(ret, factor, verdict, issue)) {
        words_clean(ret->wanting, sizeof(ret->wanting), issue);
    }
    json_decref(outputs);
}

void agent_instruction_following(const struct job *job, struct verdict *ret)
{
    char all[MEME_CAPTIONS_MAX * MEME_CAPTION_BYTES];
    struct faults faults = { 0 };
    unsigned cut = 0;
    check_lengths(job, ret, &faults);
    join(&job->draft, all, sizeof(all));
    check_language(job, all, &faults);
    check_keywords(job, all, &faults);
    for (size_t i = 0; i < job->draft.count; i++) {
        cut += ret->mended[i];
    }
    ret->factor = faults.count == 0 ? 1 : faults.count == 1 ? 0.8 : 0.5;
    snprintf(ret->wanting, sizeof(ret->wanting), "%s", faults.text);
    agent_note(&ret->result, "%s%u captions cut to their slots.",
               faults.count ? faults.text : "As told; ", cut);
    ask_model(job, ret);
}
