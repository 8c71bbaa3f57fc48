-- Popular templates
SELECT
    template_id,
    COUNT(*) AS usage_count,
    AVG(quality_score) AS avg_quality
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY template_id
ORDER BY usage_count DESC;
