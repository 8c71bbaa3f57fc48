// The same work with prometheus-cpp, where its library is installed; else nothing is printed.
#ifndef BENCH_PEER_PROMETHEUS_CPP_H
#define BENCH_PEER_PROMETHEUS_CPP_H

#ifdef HAVE_PROMETHEUS_CPP
#ifdef __cplusplus
extern "C"
#endif
    void
    peer_prometheus_cpp(const double *values, int n, int series);
#else
static inline void peer_prometheus_cpp(const double *values, int n, int series)
{
    (void)values, (void)n, (void)series;
}
#endif

#endif
