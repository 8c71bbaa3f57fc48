// The metrics of this process that every client library has: process_cpu_seconds_total and its kin.
// https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
#ifndef METRICS_PROCESS_H
#define METRICS_PROCESS_H

// Registers them, but for those that the host has registered itself; again is a no-op. They are
// read at each scrape, once a second at most; what cannot be read is left out. Returns 0 or -ENOMEM.
int spy__process_register(void);

#endif
