-- Fills meme_template_daily as events come in.
CREATE MATERIALIZED VIEW IF NOT EXISTS meme_template_daily_view TO meme_template_daily AS
SELECT
    toDate(timestamp) AS date,
    template_id,
    countState() AS usage_count,
    avgState(properties.quality_score) AS avg_quality
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY date, template_id
