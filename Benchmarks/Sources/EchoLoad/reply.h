#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

// Where a connection is in the echoes it receives. Zeroed, it expects a frame to begin.
typedef struct {
    uint64_t payload_left;    // of the frame under way
    uint64_t message_offset;  // bytes of the message's echo seen; in raw mode, of the frame's
    uint64_t to_verify;       // messages still to be compared with what was sent
    uint8_t head[10];
    uint8_t head_length;
    bool is_final;
    bool is_control;
    bool in_message;
    bool is_compressed;       // the message under way
    uint8_t *compressed;      // what has come of it, where it is to be verified
} Reply;

// Takes bytes that were read and returns the number of messages they complete. Fails on anything but the echo.
size_t reply_read(Reply *reply, const Message *message, const uint8_t *bytes, size_t count);

// How many of the next bytes nobody needs to see: the caller may drop them and tell `reply_skip`.
size_t reply_skippable(const Reply *reply);
size_t reply_skip(Reply *reply, const Message *message, size_t count);

// The same for a server that sends back the client's own bytes.
size_t raw_reply_read(Reply *reply, const Message *message, const uint8_t *bytes, size_t count);
size_t raw_reply_skippable(const Reply *reply, const Message *message);
size_t raw_reply_skip(Reply *reply, const Message *message, size_t count);
