#pragma once

#include <stddef.h>
#include <stdint.h>

// Round trips in nanoseconds. Once full, the newest samples replace the oldest.
typedef struct {
    uint32_t *samples;
    size_t recorded;
} Latencies;

Latencies make_latencies(void);
void record_latency(Latencies *latencies, uint64_t nanoseconds);
// Sorts the samples: to be called when there are all of them.
void sort_latencies(Latencies *latencies);
double latency_percentile(const Latencies *latencies, double percent);  // in microseconds
