-- Product events, one row each. For servers before 25.3, down to 18.16: no JSON column, no DateTime64, no token. The
-- properties are JSON text, and what is asked for often is a column of its own, taken from it.
CREATE TABLE IF NOT EXISTS analytics_events
(
    event_id UUID,
    event_type String,
    timestamp DateTime('UTC'),
    microsecond UInt32,
    service String,
    environment String,
    correlation_id String,
    trace_id String,
    properties String,
    template_id String MATERIALIZED visitParamExtractString(properties, 'template_id'),
    user_id String MATERIALIZED visitParamExtractString(properties, 'user_id'),
    quality_score Float32 MATERIALIZED toFloat32(visitParamExtractFloat(properties, 'quality_score')),
    generation_time Float32 MATERIALIZED toFloat32(visitParamExtractFloat(properties, 'generation_time')),
    meme_id String MATERIALIZED visitParamExtractString(properties, 'meme_id'),
    interaction_type String MATERIALIZED visitParamExtractString(properties, 'interaction_type'),
    platform String MATERIALIZED visitParamExtractString(properties, 'platform'),
    inserted_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (event_type, toDate(timestamp), event_id)
