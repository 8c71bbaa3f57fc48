// What the tests of the pipeline share: a pipeline on the real templates and data files, with a
// drawer that draws nothing.
//
// render_meme() is wrapped (-Wl,--wrap=render_meme): it counts its calls and gives a few bytes, or
// an error.
#ifndef TESTS_UNIT_PIPELINE_FIXTURE_H
#define TESTS_UNIT_PIPELINE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memegen/cache/cache.h"
#include "memegen/llm/llm.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/render/render.h"

struct fixture {
    struct scenes *scenes;
    struct cache *cache;
    struct pipeline *pipeline;
};

extern int fixture_render_result; // what render_meme() returns; 0 by default
extern unsigned fixture_renders;  // atomic

// llm: NULL for the offline writer.
void fixture_open(struct fixture *fixture, struct llm *llm, size_t workers);
// With a model that verifies too, and may be stood in for.
void fixture_open_model(struct fixture *fixture, struct llm *llm, bool fallback);
void fixture_close(struct fixture *fixture);

// Runs a topic with a seed. Free with meme_done().
void fixture_run(struct fixture *fixture, struct meme *meme, const char *topic, uint64_t seed);

// The agent's report of a round, or NULL.
const struct meme_report *fixture_report(const struct meme *meme, const char *agent, int round);

#endif
