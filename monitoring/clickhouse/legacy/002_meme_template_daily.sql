-- How often each template was used a day, and how well: countMerge(usage_count), avgMerge(avg_quality).
CREATE TABLE IF NOT EXISTS meme_template_daily
(
    date Date,
    template_id String,
    usage_count AggregateFunction(count),
    avg_quality AggregateFunction(avg, Float32)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(date)
ORDER BY (date, template_id)
