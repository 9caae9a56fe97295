#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *host;
    const char *path;
    int port;
    int connections;
    int in_flight;
    size_t size;  // bytes of payload
    bool text;
    bool raw;
    bool verify;
    double warmup;  // seconds
    double duration;
    int server_pid;  // 0: not given
} Options;

Options parse_options(int argc, char **argv);
