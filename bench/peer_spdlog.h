// The same lines with spdlog, where its library is installed.
#ifndef BENCH_PEER_SPDLOG_H
#define BENCH_PEER_SPDLOG_H

#ifdef __cplusplus
extern "C" {
#endif

// A synchronous logger into a new file. `threads` may call peer_spdlog_line() at once.
void peer_spdlog_open(const char *path);
void peer_spdlog_line(unsigned long i);
void peer_spdlog_close(void);

#ifdef __cplusplus
}
#endif

#endif
