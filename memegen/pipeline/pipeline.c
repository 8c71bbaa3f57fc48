// The pipeline: opening it, and one run of its agents. See pipeline.h.

#define SPY_MODULE "pipeline"

#include "memegen/pipeline/pipeline.h"

#include <errno.h>
#include <spyglass/spyglass.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "memegen/pipeline/agents.h"
#include "memegen/telemetry.h"

// Two of a run's three verifiers may wait for a thread; more threads than this only wait for cores,
// unless they wait for a model.
#define VERIFIER_THREADS_MAX 32
#define VERIFIER_THREADS_MAX_LLM 128

__attribute__((format(printf, 2, 0))) static void set_note(struct agent_result *result,
                                                           const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof(text), format, args);
    // "%.100s" may cut a character: what is left of it goes.
    words_clean(result->note, sizeof(result->note), text);
}

void agent_note(struct agent_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_note(result, format, args);
    va_end(args);
}

void agent_fail(struct agent_result *result, const char *error_type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_note(result, format, args);
    va_end(args);
    result->error_type = error_type;
}

void agent_report(struct job *job, const char *name, double seconds,
                  const struct agent_result *result)
{
    struct meme *meme = job->meme;
    if (meme->report_count == MEME_REPORTS_MAX) {
        return;
    }
    struct meme_report *report = &meme->reports[meme->report_count++];
    *report = (struct meme_report){
        .agent = name, .round = job->round, .seconds = seconds, .ok = !result->error_type
    };
    words_copy(report->note, sizeof(report->note), result->note);
}

// How the run ends where an agent failed.
static void end_badly(struct job *job, const char *error_type, const char *message)
{
    job->meme->status = strcmp(error_type, "rejected") == 0 ? MEME_REJECTED : MEME_ERROR;
    job->meme->error_type = error_type;
    words_copy(job->meme->error_message, sizeof(job->meme->error_message), message);
}

bool agent_call(struct job *job, const char *name,
                void (*agent)(struct job *job, struct agent_result *ret))
{
    struct agent_result result = { 0 };
    struct spy_span span = spy_begin(&telemetry_agent, name);
    agent(job, &result);
    agent_report(job, name, spy_span_seconds(&span), &result);
    spy_end(&span, result.error_type ? spy_failure(result.error_type, result.note) : SPY_SUCCESS);
    // What fails in a refinement is put back, and fails nothing.
    if (result.error_type && job->round == 0) {
        end_badly(job, result.error_type, result.note);
    }
    return !result.error_type;
}

static bool verify(struct job *job)
{
    struct agent_result result;
    if (agents_verify(job, &result)) {
        return true;
    }
    end_badly(job, result.error_type, result.note);
    return false;
}

// The first pass. Whether there is a meme.
static bool first_pass(struct job *job)
{
    return agent_call(job, "router", agent_router) &&
           (!job->meme->request.use_trends ||
            agent_call(job, "trend_scanner", agent_trend_scanner)) &&
           agent_call(job, "format_selector", agent_format_selector) &&
           agent_call(job, "prompt_generator", agent_prompt_generator) && verify(job) &&
           agent_call(job, "image_renderer", agent_image_renderer) &&
           agent_call(job, "scorer", agent_scorer);
}

static uint64_t seed_of(const struct meme_request *request)
{
    uint64_t seed;
    if (request->seeded) {
        return request->seed;
    }
    return getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed) ? seed
                                                                         : (uint64_t)time(NULL);
}

static void finish(struct job *job)
{
    struct meme *meme = job->meme;
    meme->caption_count = job->draft.count;
    meme->score = job->draft.score;
    for (size_t i = 0; i < job->draft.count; i++) {
        words_copy(meme->captions[i], sizeof(meme->captions[i]), job->draft.captions[i]);
    }
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// A meme as it was accepted, so that a second run leaves nothing of the first.
static void clear(struct meme *meme)
{
    free(meme->png);
    meme->png = NULL;
    meme->png_len = meme->report_count = meme->caption_count = 0;
    meme->status = MEME_PENDING;
    meme->error_type = NULL;
    meme->error_message[0] = meme->template_id[0] = '\0';
    meme->rounds = 0;
    meme->score = (struct meme_score){ 0 };
    words_copy(meme->template_type, sizeof(meme->template_type), "none");
}

void pipeline_run(struct pipeline *pipeline, struct meme *meme)
{
    struct job job = {
        .pipeline = pipeline, .meme = meme, .seed = seed_of(&meme->request), .now = time(NULL)
    };
    double begin = now_seconds();
    clear(meme);
    if (first_pass(&job)) {
        refine(&job);
        meme->status = MEME_SUCCESS;
    }
    finish(&job);
    meme->generation_seconds = now_seconds() - begin;
    spy_info("meme_made", spy_str("status", meme_status_name(meme->status)),
             spy_str("template_id", meme->template_id), spy_str("intent", job.route.intent),
             spy_str("language", job.route.language),
             spy_double("quality_score", meme->score.total), spy_int("rounds", meme->rounds),
             spy_double("generation_seconds", meme->generation_seconds));
}

int pipeline_open(struct pipeline **ret, const struct pipeline_options *options, char *error,
                  size_t error_size)
{
    const char *dir = options->data_dir;
    struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
    int r = -ENOMEM;
    snprintf(error, error_size, "out of memory");
    if (!pipeline) {
        return r;
    }
    pipeline->scenes = options->scenes;
    pipeline->cache = options->cache;
    pipeline->llm = options->llm;
    pipeline->llm_verifies = options->llm && options->llm_verifies;
    size_t threads = options->workers * 2;
    size_t most = pipeline->llm_verifies ? VERIFIER_THREADS_MAX_LLM : VERIFIER_THREADS_MAX;
    pipeline->verifiers = verifiers_new(threads < most ? threads : most);
    r = pipeline->verifiers ? 0 : -ENOMEM;
    r = r < 0 ? r : lexicon_load(&pipeline->lexicon, dir, error, error_size);
    r = r < 0 ? r : trends_load(&pipeline->trends, dir, error, error_size);
    r = r < 0 ? r : claims_load(&pipeline->claims, dir, error, error_size);
    r = r < 0 ? r : blocklist_load(&pipeline->blocklist, dir, error, error_size);
    if (r == 0 && (!options->llm || options->llm_fallback)) {
        r = offline_open(&pipeline->offline, dir, error, error_size);
    }
    if (r == 0 && !options->llm) {
        pipeline->llm = pipeline->offline;
    }
    if (r == 0 && scenes_count(pipeline->scenes) == 0) {
        snprintf(error, error_size, "there are no templates");
        r = -EINVAL;
    }
    if (r < 0) {
        pipeline_close(pipeline);
        return r;
    }
    *ret = pipeline;
    return 0;
}

void pipeline_hurry(struct pipeline *pipeline)
{
    llm_stop(pipeline->llm);
}

void pipeline_close(struct pipeline *pipeline)
{
    if (!pipeline) {
        return;
    }
    verifiers_free(pipeline->verifiers);
    llm_close(pipeline->offline);
    blocklist_free(pipeline->blocklist);
    claims_free(pipeline->claims);
    trends_free(pipeline->trends);
    lexicon_free(pipeline->lexicon);
    free(pipeline);
}
