// spdlog (https://github.com/gabime/spdlog), its basic_logger_mt, at the work of bench_log.c: the
// same keys and values. It knows neither fields nor escapes: what is constant is escaped and masked
// by hand, which costs it nothing.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "log_line.h"
#include "peer_spdlog.h"

static std::shared_ptr<spdlog::logger> logger;

void peer_spdlog_open(const char *path)
{
    logger = std::make_shared<spdlog::logger>(
        "bench", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, true));
    logger->set_pattern("{\"timestamp\":\"%Y-%m-%dT%H:%M:%S.%fZ\",\"level\":\"%l\",%v}",
                        spdlog::pattern_time_type::utc);
}

void peer_spdlog_line(unsigned long i)
{
    logger->info("\"event\":\"request_served\",\"service\":\"" LOG_SERVICE
                 "\",\"correlation_id\":\"{}\",\"trace_id\":\"{}\",\"span_id\":\"{}\","
                 "\"status_code\":{},\"cached\":{},\"duration_ms\":{},"
                 "\"authorization\":\"[redacted]\",\"user_agent\":\"{}\"",
                 LOG_CORRELATION_ID, LOG_TRACE_ID, LOG_SPAN_ID, 200, false, log_duration(i),
                 LOG_AGENT_ESCAPED);
}

void peer_spdlog_close(void)
{
    logger.reset();
}
