#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deflate.h"
#include "fail.h"

static void *allocate(size_t length) {
    void *memory = malloc(length > 0 ? length : 1);
    if (memory == NULL) fail("out of memory");
    return memory;
}

// Bytes without a pattern, or printable ASCII: never zeros only, which a server could treat better than real data.
static uint8_t *make_payload(size_t length, int text) {
    uint8_t *payload = allocate(length);
    uint32_t state = 2463534242;
    for (size_t i = 0; i < length; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        payload[i] = text ? (uint8_t)(' ' + state % 95) : (uint8_t)state;
    }
    return payload;
}

// Records as an interface may send them: the same names, values that differ.
static uint8_t *make_json(size_t length) {
    uint8_t *payload = allocate(length + 128);
    size_t filled = 0;
    uint32_t state = 2463534242;
    while (filled < length) {
        state = state * 1664525 + 1013904223;
        filled += (size_t)sprintf(
            (char *)payload + filled,
            "{\"id\":%u,\"symbol\":\"%c%c%c\",\"price\":%u.%02u,\"size\":%u,\"side\":\"%s\"},", state, 'A' + state % 26,
            'A' + state / 26 % 26, 'A' + state / 676 % 26, state % 9973, state % 100, state % 509,
            state % 2 ? "buy" : "sell");
    }
    return payload;
}

Message make_message(const Options *options) {
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

    Message message = {
        .payload = options->deflate ? make_json(options->size) : make_payload(options->size, options->text),
        .payload_length = options->size,
        .deflated = options->deflate,
        .opcode = options->text ? 1 : 2,
    };
    const uint8_t *sent = message.payload;
    size_t length = options->size;
    uint8_t *compressed = message.deflated ? deflate_message(message.payload, message.payload_length, &length) : NULL;
    if (compressed != NULL) sent = compressed;

    uint8_t head[14] = {(uint8_t)(0x80 | (message.deflated ? 0x40 : 0) | message.opcode)};
    int bytes_of_length = length < 126 ? 0 : length < 65536 ? 2 : 8;
    head[1] = (uint8_t)(0x80 | (bytes_of_length == 0 ? length : bytes_of_length == 2 ? 126 : 127));
    for (int i = 0; i < bytes_of_length; i++) head[2 + i] = (uint8_t)(length >> 8 * (bytes_of_length - 1 - i));
    size_t head_length = 2 + (size_t)bytes_of_length + sizeof key;
    memcpy(head + head_length - sizeof key, key, sizeof key);

    message.frame_length = head_length + length;
    // No more than are ever owed at once, and no more than a socket would take.
    message.copies = (256 << 10) / message.frame_length;
    if (message.copies > (size_t)options->in_flight) message.copies = (size_t)options->in_flight;
    if (message.copies == 0) message.copies = 1;

    message.wire = allocate(message.copies * message.frame_length);
    memcpy(message.wire, head, head_length);
    for (size_t i = 0; i < length; i++) message.wire[head_length + i] = sent[i] ^ key[i % 4];
    for (size_t i = 1; i < message.copies; i++) {
        memcpy(message.wire + i * message.frame_length, message.wire, message.frame_length);
    }
    free(compressed);
    return message;
}
