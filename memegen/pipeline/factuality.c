// factuality: what the topic and the captions say against the file of claims, and what the model
// says of them.
//
// A caption is mended where the claim knows how. What remains wrong lowers the score: 0.7 for one
// or two faults, 0.3 for more.

#include <stdio.h>
#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"

#define FEW_FAULTS 2
// Of one text; a caption of 400 bytes has no room for more.
#define FAULTS_MAX 16

// Mends what it can in a caption. Returns the faults that remain; *ret_fact is the last fact that
// was hurt, if any.
static unsigned mend(const struct claims *claims, char caption[MEME_CAPTION_BYTES],
                     bool *ret_mended, const char **ret_fact)
{
    struct claims_fault fault;
    size_t from = 0;
    unsigned left = 0;
    for (int i = 0; i < FAULTS_MAX && claims_find(claims, caption, from, &fault); i++) {
        char text[MEME_CAPTION_BYTES + sizeof(fault.right)];
        *ret_fact = fault.fact;
        int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)fault.at, caption, fault.right,
                         caption + fault.at + fault.len);
        if (!fault.mendable || n >= MEME_CAPTION_BYTES) {
            left++;
            from = fault.at + fault.len;
            continue;
        }
        words_copy(caption, MEME_CAPTION_BYTES, text);
        from = fault.at + strlen(fault.right);
        *ret_mended = true;
    }
    return left;
}

// What the model says of the facts; the claims' own verdict is the floor.
static void ask_model(const struct job *job, struct verdict *ret)
{
    json_t *outputs;
    if (!verifier_ask(job, &signature_factuality, ret, &outputs)) {
        return;
    }
    const char *verdict = json_string_value(json_object_get(outputs, "verdict"));
    const char *issue = json_string_value(json_object_get(outputs, "issue"));
    double factor = strcmp(verdict, "accurate") == 0     ? 1
                    : strcmp(verdict, "few_issues") == 0 ? 0.7
                                                         : 0.3;
    if (verifier_lower(ret, factor, verdict, issue)) {
        int n = snprintf(ret->wanting, sizeof(ret->wanting), "The facts are wrong: ");
        words_clean(ret->wanting + n, sizeof(ret->wanting) - (size_t)n, issue);
    }
    json_decref(outputs);
}

static void check_claims(const struct job *job, struct verdict *ret)
{
    const struct claims *claims = job->pipeline->claims;
    struct claims_fault fault;
    const char *fact = NULL;
    unsigned faults = 0, mended = 0;
    for (size_t from = 0;
         faults < FAULTS_MAX && claims_find(claims, job->route.topic, from, &fault);
         from = fault.at + fault.len) {
        fact = fault.fact;
        faults++;
    }
    for (size_t i = 0; i < job->draft.count; i++) {
        words_copy(ret->captions[i], MEME_CAPTION_BYTES, job->draft.captions[i]);
        faults += mend(claims, ret->captions[i], &ret->mended[i], &fact);
        mended += ret->mended[i];
    }
    ret->factor = faults == 0 ? 1 : faults <= FEW_FAULTS ? 0.7 : 0.3;
    if (!fact) {
        agent_note(&ret->result, "Nothing that the claims speak against.");
        return;
    }
    agent_note(&ret->result, "%u captions mended, %u faults remain: %.160s", mended, faults, fact);
    if (faults > 0) {
        snprintf(ret->wanting, sizeof(ret->wanting), "The facts are wrong: %.160s", fact);
    }
}

void agent_factuality(const struct job *job, struct verdict *ret)
{
    check_claims(job, ret);
    ask_model(job, ret);
}
