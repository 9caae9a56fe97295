#pragma once

#include <stdbool.h>
#include <stddef.h>

// What is measured; see options.c.
typedef enum { ECHO, PUSH, CONNECT, IDLE } Mode;

typedef struct {
    Mode mode;
    const char *host;
    const char *path;
    int port;
    int connections;
    int in_flight;
    size_t size;  // bytes of payload
    bool text;
    bool deflate;
    bool raw;
    bool verify;
    double warmup;  // seconds
    double duration;
    int server_pid;  // 0: not given
} Options;

Options parse_options(int argc, char **argv);
