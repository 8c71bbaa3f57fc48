// See pipeline_fixture.h.

#include "pipeline_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int fixture_render_result;
unsigned fixture_renders;

int __wrap_render_meme(struct render_result *ret, const struct scenes *scenes,
                       const char *template_id, const char *const captions[], size_t caption_count);

int __wrap_render_meme(struct render_result *ret, const struct scenes *scenes,
                       const char *template_id, const char *const captions[], size_t caption_count)
{
    const struct scene_info *scene = scenes_find(scenes, template_id);
    __atomic_add_fetch(&fixture_renders, 1, __ATOMIC_RELAXED);
    assert_non_null(scene);
    assert_int_equal(caption_count, scene->caption_count);
    if (fixture_render_result < 0) {
        return fixture_render_result;
    }
    *ret = (struct render_result){ .png = (unsigned char *)strdup(captions[0]),
                                   .png_len = strlen(captions[0]) };
    assert_non_null(ret->png);
    return 0;
}

static void open_with(struct fixture *fixture, struct pipeline_options options)
{
    char error[512] = "";
    *fixture = (struct fixture){ 0 };
    if (scenes_load(&fixture->scenes, DATA_DIR "/templates", error, sizeof(error)) < 0) {
        fail_msg("%s", error);
    }
    assert_int_equal(cache_open(&fixture->cache, &(struct cache_options){ 0 }), 0);
    options.data_dir = DATA_DIR;
    options.scenes = fixture->scenes;
    options.cache = fixture->cache;
    if (pipeline_open(&fixture->pipeline, &options, error, sizeof(error)) < 0) {
        fail_msg("%s", error);
    }
    fixture_render_result = 0;
    fixture_renders = 0;
}

void fixture_open(struct fixture *fixture, struct llm *llm, size_t workers)
{
    open_with(fixture, (struct pipeline_options){ .llm = llm, .workers = workers });
}

void fixture_open_model(struct fixture *fixture, struct llm *llm, bool fallback)
{
    open_with(fixture,
              (struct pipeline_options){
                  .llm = llm, .workers = 1, .llm_verifies = true, .llm_fallback = fallback });
}

void fixture_close(struct fixture *fixture)
{
    pipeline_close(fixture->pipeline);
    cache_close(fixture->cache);
    scenes_free(fixture->scenes);
}

void fixture_run(struct fixture *fixture, struct meme *meme, const char *topic, uint64_t seed)
{
    *meme = (struct meme){ .request = { .seeded = true, .seed = seed } };
    snprintf(meme->request.topic, sizeof(meme->request.topic), "%s", topic);
    pipeline_run(fixture->pipeline, meme);
}

const struct meme_report *fixture_report(const struct meme *meme, const char *agent, int round)
{
    for (size_t i = 0; i < meme->report_count; i++) {
        if (strcmp(meme->reports[i].agent, agent) == 0 && meme->reports[i].round == round) {
            return &meme->reports[i];
        }
    }
    return NULL;
}
