-- Fills user_engagement_daily as events come in.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_engagement_daily_view TO user_engagement_daily AS
SELECT
    toDate(timestamp) AS date,
    uniqExactState(user_id) AS daily_active_users,
    countState() AS total_generations
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY date
