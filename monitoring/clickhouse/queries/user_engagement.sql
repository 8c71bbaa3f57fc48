-- User engagement
SELECT 
    DATE_TRUNC('day', timestamp) as date,
    COUNT(DISTINCT properties.user_id) as daily_active_users,
    COUNT(*) as total_generations
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY date
ORDER BY date;
