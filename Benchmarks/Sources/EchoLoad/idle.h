#pragma once

#include "options.h"

// Connections that are opened and left alone.
typedef struct {
    const Options *options;
    int *sockets;
    long long memory_before;  // the server's, with one connection open, in bytes
    long long memory_after;   // and with all of them
} Idle;

Idle open_idle(const Options *options);
// Lets time pass; fails where a connection has ended.
void wait_idle(Idle *idle, double seconds);
