// The agents at work: a request becomes a meme.
//
// router → trend scanner (if wanted) → format selector → prompt generator → the three verification
// agents side by side → image renderer → scorer → refinement (at most 3 rounds, threshold 0.85,
// minimum gain 0.05). Each call of an agent is a telemetry_agent operation.
#ifndef MEMEGEN_PIPELINE_PIPELINE_H
#define MEMEGEN_PIPELINE_PIPELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "memegen/cache/cache.h"
#include "memegen/meme.h"
#include "memegen/render/render.h"

struct llm;
struct pipeline;

struct pipeline_options {
    const char *data_dir;        // phrases, trends, claims, block list
    const struct scenes *scenes; // borrowed for the pipeline's life
    struct cache *cache;         // borrowed; templates and trends are looked up in it
    struct llm *llm;             // borrowed; NULL: the offline writer, from data_dir
    bool llm_verifies;           // the verifiers ask llm too; their own checks hold all the same
    bool llm_fallback; // where llm fails, the offline writer and the verifiers' own checks make the
                       // meme; else the meme fails
    size_t workers;    // how many pipeline_run() may be under way; sizes the verifiers' threads
};

// Returns 0 or a negative errno; error then says which file and what.
int pipeline_open(struct pipeline **ret, const struct pipeline_options *options, char *error,
                  size_t error_size);
void pipeline_close(struct pipeline *pipeline);

// The end is near: from now on no run waits for a model. Threads: any.
void pipeline_hurry(struct pipeline *pipeline);

// Makes the meme that meme->request asks for and fills in everything but id, created_us,
// correlation and trace id. meme->status tells how it ended; it always ends. It does not store or
// publish. Threads: any, in the request's context.
void pipeline_run(struct pipeline *pipeline, struct meme *meme);

// The trends now, best first: [{"topic", "score", "popularity", "age_hours", "tags"}], a new
// reference, or NULL.
json_t *pipeline_trends(struct pipeline *pipeline);

#endif
