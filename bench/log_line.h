// The line of bench_log: at least 300 bytes of JSON, correlation, trace and span ids, five typed
// fields of which one is masked and one needs escapes.
#ifndef BENCH_LOG_LINE_H
#define BENCH_LOG_LINE_H

#define LOG_SERVICE "memegen"
#define LOG_CORRELATION_ID "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
#define LOG_TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define LOG_SPAN_ID "b7ad6b7169203331"
#define LOG_AGENT "curl/7.88 \"quoted\"\n"
#define LOG_AGENT_ESCAPED "curl/7.88 \\\"quoted\\\"\\n"

// Differs from line to line, as in life.
static inline double log_duration(unsigned long i)
{
    return (double)(i % 1000 + 1) / 1024;
}

#endif
