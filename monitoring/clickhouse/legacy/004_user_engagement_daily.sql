-- Who made memes each day, and how many: uniqExactMerge(daily_active_users), countMerge(total_generations).
CREATE TABLE IF NOT EXISTS user_engagement_daily
(
    date Date,
    daily_active_users AggregateFunction(uniqExact, String),
    total_generations AggregateFunction(count)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(date)
ORDER BY date
