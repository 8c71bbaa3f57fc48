-- User engagement
SELECT
    toStartOfDay(timestamp) AS date,
    COUNT(DISTINCT user_id) AS daily_active_users,
    COUNT(*) AS total_generations
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY date
ORDER BY date;
