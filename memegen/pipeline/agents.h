// What the agents share: the job they work on, and what each of them does to it. Inside of the
// pipeline alone.
//
// A job belongs to the thread that runs pipeline_run(). The three verifiers run side by side: they
// read the job and write to a verdict of their own; what they propose is put into the draft when
// all are done.
#ifndef MEMEGEN_PIPELINE_AGENTS_H
#define MEMEGEN_PIPELINE_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "memegen/llm/llm.h"
#include "memegen/llm/words.h"
#include "memegen/pipeline/blocklist.h"
#include "memegen/pipeline/claims.h"
#include "memegen/pipeline/lexicon.h"
#include "memegen/pipeline/personal.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/pipeline/trends.h"
#include "memegen/pipeline/verifiers.h"

#define REFINEMENT_ROUNDS_MAX 3
#define REFINEMENT_THRESHOLD 0.85
#define REFINEMENT_GAIN_MIN 0.05

// Key words of a topic that a caption is held against.
#define KEYWORDS_MAX 8

struct pipeline {
    const struct scenes *scenes;
    struct cache *cache;
    struct llm *llm;     // borrowed, or offline
    struct llm *offline; // owned; NULL: nothing stands in for llm
    bool llm_verifies;
    struct lexicon *lexicon;
    struct trends *trends;
    struct claims *claims;
    struct blocklist *blocklist;
    struct verifiers *verifiers;
};

// What the router made of the topic.
struct route {
    char topic[MEME_TOPIC_BYTES]; // as a person would see it: cleaned
    const char
        *intent; // "versus", "question", "instructions", "announcement", "complaint", "statement"
    const char *subject;                           // of the lexicon; "general"
    const char *mood;                              // of the lexicon; "ironic"
    char language[8];                              // ISO 639-1, by script and by common words
    const char *script;                            // ISO 15924, "" where there are no letters
    char keywords[KEYWORDS_MAX][WORDS_WORD_BYTES]; // folded
    size_t keyword_count;
    bool wants_template; // the request names none
};

// Captions with what was judged of them.
struct draft {
    char captions[MEME_CAPTIONS_MAX][MEME_CAPTION_BYTES];
    size_t count;
    struct meme_score score;
    char wanting[MEME_NOTE_BYTES]; // what a next round should mend
};

// How one call of an agent ended.
struct agent_result {
    const char *error_type; // NULL: well
    char note[MEME_NOTE_BYTES];
};

// What one verifier says of a draft.
struct verdict {
    double factor;
    bool mended[MEME_CAPTIONS_MAX];
    char captions[MEME_CAPTIONS_MAX][MEME_CAPTION_BYTES]; // where mended
    char wanting[MEME_NOTE_BYTES];
    struct agent_result result;
    double seconds;
    const char *llm_failed; // as in the job
};

struct job {
    struct pipeline *pipeline;
    struct meme *meme;
    uint64_t seed;
    time_t now;
    int round; // 0: first pass
    // error_type of a question that the model failed: this run does not ask it again, so that a
    // model that hangs costs a run its time once. NULL: none yet.
    const char *llm_failed;
    struct route route;
    const struct scene_info *scene;
    struct trend trend; // trend.topic is "" where there is none
    struct draft draft; // what is judged now
};

// Writes a result's note, cut at a character.
void agent_note(struct agent_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// A result that failed.
void agent_fail(struct agent_result *result, const char *error_type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The agents, in the order of their work. Each leaves the job as it was where it fails.
void agent_router(struct job *job, struct agent_result *ret);
void agent_trend_scanner(struct job *job, struct agent_result *ret);
void agent_format_selector(struct job *job, struct agent_result *ret);
void agent_prompt_generator(struct job *job, struct agent_result *ret);
void agent_factuality(const struct job *job, struct verdict *ret);
void agent_instruction_following(const struct job *job, struct verdict *ret);
void agent_appropriateness(const struct job *job, struct verdict *ret);
void agent_image_renderer(struct job *job, struct agent_result *ret);
void agent_scorer(struct job *job, struct agent_result *ret);

// refinement: rounds of new captions, each verified and scored again; what does not gain enough is
// put back. Leaves its own reports.
void refine(struct job *job);

// Leaves an agent's report in the meme; past the last place for one, nothing.
void agent_report(struct job *job, const char *name, double seconds,
                  const struct agent_result *result);
// Calls an agent as an operation and leaves its report in the meme. Whether it ended well.
bool agent_call(struct job *job, const char *name,
                void (*agent)(struct job *job, struct agent_result *ret));
// The three verifiers side by side; puts their factors and what they mended into the draft. False
// where the draft is refused, or could not be judged; *ret then says why.
bool agents_verify(struct job *job, struct agent_result *ret);

// Asks for captions: the model, or where that failed in this run and may be stood in for, the
// offline writer. 0 and *ret, or a negative errno with *failure.
int agent_ask(struct job *job, const struct signature *signature, const json_t *inputs,
              const char *agent, uint64_t seed, json_t **ret, struct llm_failure *failure);
// Asks the model for its verdict on the draft, by the verifier's signature. Whether there is one,
// in *ret (a new reference). Where the model failed and nothing stands in for it, the verifier has
// failed too.
bool verifier_ask(const struct job *job, const struct signature *signature, struct verdict *verdict,
                  json_t **ret);
// Adds the model's verdict, in its own word and with what it found wrong, to the verifier's note; whether it is below the
// verifier's own, and so the one that counts.
bool verifier_lower(struct verdict *verdict, double factor, const char *word, const char *issue);

// The captions' inputs for the model, for signature_captions. A new reference; NULL without memory.
json_t *brief_inputs(const struct job *job);
// The captions of an answer into the draft.
void brief_captions(struct job *job, const json_t *outputs);

// A slot's own figure is what fits well. `told` is the most that the writer is told, and an answer
// with more is refused; what has more than `max` gets cut by instruction_following.
size_t slot_chars_told(const struct scene_info *scene, size_t slot);
size_t slot_chars_max(const struct scene_info *scene, size_t slot);

#endif
