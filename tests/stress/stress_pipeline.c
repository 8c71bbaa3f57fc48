// The verifiers' threads under more callers than threads, and whole runs of the pipeline side by
// side.
//
// Says on stderr what was not as it should be; a hang is the test's time-out.
#include <pthread.h>
#include <spyglass/spyglass.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/cache/cache.h"
#include "memegen/pipeline/pipeline.h"
#include "memegen/pipeline/verifiers.h"
#include "memegen/render/render.h"

#define CALLERS 8
#define ROUNDS 3000
#define MEMES 12

static struct verifiers *verifiers;
static struct pipeline *pipeline;
static int failures; // atomic

int __wrap_render_meme(struct render_result *ret, const struct scenes *scenes,
                       const char *template_id, const char *const captions[], size_t caption_count);

// Cairo and Pango are not built for ThreadSanitizer, and are not what is tested here.
int __wrap_render_meme(struct render_result *ret, const struct scenes *scenes,
                       const char *template_id, const char *const captions[], size_t caption_count)
{
    (void)scenes, (void)template_id, (void)caption_count;
    *ret = (struct render_result){ .png = (unsigned char *)strdup(captions[0]),
                                   .png_len = strlen(captions[0]) };
    return 0;
}

// Loading the templates starts Fontconfig, in a thread of Pango's: neither is built for sanitizers,
// and Fontconfig keeps its caches for good.
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "race:libfontconfig.so\nrace:libglib-2.0.so\n";
}

const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\n";
}

static void add(void *arg)
{
    ++*(unsigned *)arg;
}

static void *call(void *arg)
{
    (void)arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        // Plain integers: that they are read here without a race is what is tested.
        unsigned done[3] = { 0 };
        struct verifiers_task tasks[3];
        for (size_t i = 0; i < 3; i++) {
            tasks[i] = (struct verifiers_task){ .run = add, .arg = &done[i] };
        }
        verifiers_run(verifiers, tasks, 1 + round % 3);
        for (size_t i = 0; i < 1 + round % 3; i++) {
            if (done[i] != 1) {
                __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
            }
        }
    }
    return NULL;
}

static void *make_memes(void *arg)
{
    for (unsigned i = 0; i < MEMES; i++) {
        struct meme meme = { .request = { .use_trends = i % 2, .seeded = true, .seed = i } };
        snprintf(meme.request.topic, sizeof(meme.request.topic), "%s",
                 i % 4 == 3 ? "kill yourself" : "rust vs c");
        char id[32];
        snprintf(id, sizeof(id), "caller-%zu-%u", (size_t)arg, i);
        struct spy_context_scope scope = spy_context_begin(id, NULL);
        pipeline_run(pipeline, &meme);
        if (meme.status != (i % 4 == 3 ? MEME_REJECTED : MEME_SUCCESS) ||
            strcmp(spy_correlation_id(), id) != 0) {
            __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
        }
        spy_context_detach(scope);
        meme_done(&meme);
    }
    return NULL;
}

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[CALLERS];
    for (size_t i = 0; i < CALLERS; i++) {
        if (pthread_create(&threads[i], NULL, run, (void *)i) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static int stress_memes(void)
{
    struct scenes *scenes = NULL;
    struct cache *cache = NULL;
    char error[256] = "out of memory";
    if (scenes_load(&scenes, DATA_DIR "/templates", error, sizeof(error)) < 0 ||
        cache_open(&cache, &(struct cache_options){ 0 }) < 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    struct pipeline_options options = {
        .data_dir = DATA_DIR, .scenes = scenes, .cache = cache, .workers = 2
    };
    int r = pipeline_open(&pipeline, &options, error, sizeof(error));
    if (r < 0) {
        fprintf(stderr, "%s\n", error);
    } else {
        run_threads(make_memes);
        pipeline_close(pipeline);
    }
    cache_close(cache);
    scenes_free(scenes);
    return r;
}

int main(void)
{
    // None, fewer than callers, more than tasks.
    static const size_t threads[] = { 0, 1, 4, 16 };
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        verifiers = verifiers_new(threads[i]);
        if (!verifiers) {
            return 1;
        }
        run_threads(call);
        verifiers_free(verifiers);
    }
    if (stress_memes() < 0) {
        return 1;
    }
    if (failures) {
        fprintf(stderr, "%d failures\n", failures);
    }
    return failures != 0;
}
