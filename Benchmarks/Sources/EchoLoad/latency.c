#include "latency.h"

#include <stdlib.h>

#include "fail.h"

static const size_t capacity = 1 << 20;

static size_t count(const Latencies *latencies) {
    return latencies->recorded < capacity ? latencies->recorded : capacity;
}

Latencies make_latencies(void) {
    Latencies latencies = {.samples = malloc(capacity * sizeof(uint32_t))};
    if (latencies.samples == NULL) fail("out of memory");
    return latencies;
}

void record_latency(Latencies *latencies, uint64_t nanoseconds) {
    uint32_t sample = nanoseconds < UINT32_MAX ? (uint32_t)nanoseconds : UINT32_MAX;
    latencies->samples[latencies->recorded++ % capacity] = sample;
}

static int compare(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

void sort_latencies(Latencies *latencies) {
    qsort(latencies->samples, count(latencies), sizeof(uint32_t), compare);
}

double latency_percentile(const Latencies *latencies, double percent) {
    return latencies->samples[(size_t)((double)(count(latencies) - 1) * percent / 100 + 0.5)] / 1e3;
}
