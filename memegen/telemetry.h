// Every metric of memegen, declared in one place: names, labels, buckets and help texts are the
// contract with dashboards and alerts (monitoring/), which the tests hold against this file.
#ifndef MEMEGEN_TELEMETRY_H
#define MEMEGEN_TELEMETRY_H

#include <spyglass/spyglass.h>

#include "memegen/meme.h"

// Operations: begin and end these around the work (spyglass/span.h).
extern struct spy_operation telemetry_agent;    // agent_name
extern struct spy_operation telemetry_external; // service_name, operation
extern struct spy_operation telemetry_db;       // operation, table
extern struct spy_operation telemetry_meme;     // a span alone: status, template_type
extern struct spy_operation telemetry_job;      // a span alone: a meme after its request's 202
extern struct spy_operation telemetry_cache;    // operation: get, set, delete
extern struct spy_operation telemetry_http;     // method, route, status

// Values of the contract's labels, each ended by NULL.
extern const char *const telemetry_agent_names[];
extern const char *const telemetry_error_types[];

// One attempt of the pipeline ended: meme_generation_seconds, meme_generation_total, and
// meme_quality_score where it has a score.
void telemetry_generation(const struct meme *meme);
// Somebody liked, shared, … a meme, and it is kept: meme_interactions_total.
void telemetry_interaction(void);
// One look-up of a cache: type is "template", "meme" or "trend".
void telemetry_cache_lookup(const char *cache_type, bool hit);
// The model that agents ask: llm_tokens_total and llm_cost_dollars_total stand in the exposition
// from the start, the cost where its price is known.
void telemetry_llm_declare(const char *model, bool priced);
// What one answer of the model used, as it states it. Below 0 dollars: its price is not known.
void telemetry_llm_usage(const char *agent, const char *model, long input_tokens,
                         long output_tokens, double dollars);
// The database pool.
void telemetry_pool(size_t size, size_t available);
// The job queue and the workers: memegen_queue_depth, memegen_queue_capacity, memegen_workers,
// memegen_workers_busy.
void telemetry_queue(size_t depth, size_t capacity);
void telemetry_workers(size_t count);
void telemetry_worker_busy(int delta);

// Registers everything and makes the series of every known value exist, at zero. template_types:
// the kinds of the templates that are loaded, NULL-ended. Returns 0 or a negative errno.
int telemetry_register(const char *const template_types[]);

#endif
