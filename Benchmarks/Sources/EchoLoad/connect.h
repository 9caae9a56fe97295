#pragma once

#include <stdint.h>

#include "latency.h"
#include "options.h"

typedef struct Attempt Attempt;

// Connections that are opened and closed, so many at a time, over and over.
typedef struct {
    const Options *options;
    Attempt *attempts;
    int poller;
    char request[8192];
    size_t request_length;
    uint64_t completed;   // connections that were opened and closed
    uint64_t last_event;
    Latencies latencies;
} Connecting;

Connecting open_connecting(const Options *options);
// Goes on for so many seconds; returns how many it really took.
double run_connecting(Connecting *connecting, double seconds);
