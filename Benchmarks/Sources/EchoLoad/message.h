#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

// The one message that is sent over and over, masked once, and what its echo has to be.
typedef struct {
    uint8_t *wire;  // `copies` equal frames in a row, so that one send covers many messages
    size_t copies;
    size_t frame_length;
    uint8_t *payload;
    size_t payload_length;
    bool deflated;
    uint8_t opcode;
} Message;

Message make_message(const Options *options);
