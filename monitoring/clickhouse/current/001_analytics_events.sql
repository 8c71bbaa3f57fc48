-- Product events, one row each. For servers from 25.3 on, whose JSON columns have typed paths.
--
-- The two Nullable paths keep an average honest where a value is missing. A batch sent twice is known by its token
-- (non_replicated_deduplication_window); an event that came by two ways collapses to one by its id when parts merge.
CREATE TABLE IF NOT EXISTS analytics_events
(
    event_id UUID,
    event_type LowCardinality(String),
    timestamp DateTime64(6, 'UTC'),
    service LowCardinality(String),
    environment LowCardinality(String),
    correlation_id String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    properties JSON(
        template_id String,
        user_id String,
        quality_score Nullable(Float32),
        generation_time Nullable(Float32),
        meme_id String,
        interaction_type String,
        platform String),
    template_id LowCardinality(String) MATERIALIZED properties.template_id,
    inserted_at DateTime('UTC') DEFAULT now('UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (event_type, toDate(timestamp), event_id)
TTL toDateTime(timestamp) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 1000
