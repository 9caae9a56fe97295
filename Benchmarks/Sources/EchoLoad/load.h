#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latency.h"
#include "message.h"
#include "options.h"
#include "reply.h"

typedef struct {
    int fd;
    uint32_t until_sample;  // messages to go until one is timed
    uint64_t sent_at;       // of the message being timed; 0 if none is
    uint64_t owed;          // messages not completely sent
    size_t sent_of_next;    // bytes of the first of these that were
    Reply reply;
} Connection;

typedef struct {
    const Options *options;
    Message message;
    Connection *connections;
    int poller;
    uint64_t completed;
    uint64_t last_event;  // when anything was heard of any connection
    bool draining;        // answer echoes no more
    // With --mode push only:
    uint64_t delivered;   // in all, the warm-up's among them
    uint64_t published;   // messages the first connection sent
    uint64_t sent_at;     // when it sent the last
    Latencies latencies;
} Load;

Load open_load(const Options *options);
// Keeps the messages in flight for so many seconds; returns how many it really took.
double run_load(Load *load, double seconds);
// Waits for what is in flight: each message has to come back.
void drain_load(Load *load);
uint64_t nanoseconds_now(void);
