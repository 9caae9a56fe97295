// The limit: zlib in a loop, and nothing else.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Messages one behind the other.
typedef struct {
    const uint8_t *bytes;
    const long *lengths;
    size_t count;
} plain_messages;

typedef struct {
    int window_bits;
    int memory_level;
    int level;
    // Whether the window is kept from one message to the next.
    int takeover;
} plain_settings;

// Compresses each message as RFC 7692 wants it. Writes them one behind the other to `output`, of which there must be
// enough, and their lengths to `lengths`. Adds the CPU time of the loop, without the making of the stream, to `seconds`.
// Returns the bytes written, or 0 where zlib failed.
size_t plain_deflate(plain_messages messages, plain_settings settings, uint8_t *output, size_t room, long *lengths,
                     double *seconds);

// Decompresses such messages, each into the same `room` bytes. Adds the CPU time of the loop to `seconds`.
// Returns the bytes they gave, or 0 where zlib failed.
size_t plain_inflate(plain_messages messages, plain_settings settings, uint8_t *output, size_t room, double *seconds);

// The process's CPU time, user and system together, in seconds.
double cpu_seconds(void);
