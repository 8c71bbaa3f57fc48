// refinement: other captions, as long as they get better.
//
// Each round takes the latest captions with their score and what was found wanting, writes new ones
// through signature_refine, verifies and scores them. A round that gains too little is undone, and
// ends it.

#include <spyglass/spyglass.h>
#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"
#include "memegen/telemetry.h"

// The inputs of signature_refine. A new reference; NULL without memory.
static json_t *refine_inputs(const struct job *job)
{
    json_t *captions = json_array(), *inputs = brief_inputs(job);
    int failed = !captions || !inputs;
    for (size_t i = 0; i < job->draft.count && !failed; i++) {
        failed = json_array_append_new(captions, json_string(job->draft.captions[i]));
    }
    json_t *more =
        json_pack("{s:O, s:f, s:s, s:i}", "captions", captions, "score", job->draft.score.total,
                  "wanting", job->draft.wanting, "round", job->round);
    if (failed || !more || json_object_update(inputs, more)) {
        json_decref(inputs);
        inputs = NULL;
    }
    json_decref(captions);
    json_decref(more);
    return inputs;
}

// New captions into the draft, and their verdicts and score.
static bool write_again(struct job *job, struct agent_result *ret, char why[MEME_NOTE_BYTES])
{
    struct llm_failure failure;
    json_t *outputs, *inputs = refine_inputs(job);
    if (!inputs) {
        agent_fail(ret, "internal", "Out of memory.");
        return false;
    }
    int r = agent_ask(job, &signature_refine, inputs, "refinement",
                      job->seed + (uint64_t)job->round, &outputs, &failure);
    json_decref(inputs);
    if (r < 0) {
        agent_fail(ret, failure.error_type, "%s", failure.message);
        return false;
    }
    job->draft = (struct draft){ 0 };
    brief_captions(job, outputs);
    json_decref(outputs);
    struct agent_result end;
    if (agents_verify(job, &end)) {
        return agent_call(job, "scorer", agent_scorer);
    }
    if (strcmp(end.error_type, "rejected") == 0) {
        words_copy(why, MEME_NOTE_BYTES, end.note);
    } else {
        *ret = end;
    }
    return false;
}

// One round. Whether the new captions were kept.
static bool refine_round(struct job *job, struct agent_result *ret)
{
    const struct draft before = job->draft;
    char why[MEME_NOTE_BYTES] = "";
    bool scored = write_again(job, ret, why);
    double gain = scored ? job->draft.score.total - before.score.total : 0;
    bool kept = scored && gain >= REFINEMENT_GAIN_MIN &&
                agent_call(job, "image_renderer", agent_image_renderer);
    if (!ret->error_type && scored) {
        agent_note(ret, "Round %d: %.2f to %.2f, %s.", job->round, before.score.total,
                   job->draft.score.total, kept ? "kept" : "not enough, put back");
    } else if (!ret->error_type) {
        agent_note(ret, "Round %d: refused, put back: %.180s", job->round, why);
    }
    if (!kept) {
        job->draft = before;
    }
    return kept;
}

void refine(struct job *job)
{
    bool more = true;
    while (more && job->round < REFINEMENT_ROUNDS_MAX &&
           job->draft.score.total < REFINEMENT_THRESHOLD) {
        struct agent_result result = { 0 };
        job->round++;
        job->meme->rounds = job->round;
        struct spy_span span = spy_begin(&telemetry_agent, "refinement");
        more = refine_round(job, &result);
        agent_report(job, "refinement", spy_span_seconds(&span), &result);
        spy_end(&span,
                result.error_type ? spy_failure(result.error_type, result.note) : SPY_SUCCESS);
    }
}
