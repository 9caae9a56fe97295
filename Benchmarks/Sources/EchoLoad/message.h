#pragma once

#include <stddef.h>
#include <stdint.h>

// The one message that is sent over and over, masked once, and what its echo has to be.
typedef struct {
    uint8_t *wire;  // `copies` equal frames in a row, so that one send covers many messages
    size_t copies;
    size_t frame_length;
    uint8_t *payload;
    size_t payload_length;
    uint8_t opcode;
} Message;

Message make_message(size_t payload_length, int text, int in_flight);
