-- Popular templates
SELECT 
    template_id,
    COUNT(*) as usage_count,
    AVG(properties.quality_score) as avg_quality
FROM analytics_events
WHERE event_type = 'meme_generated'
GROUP BY template_id
ORDER BY usage_count DESC;
