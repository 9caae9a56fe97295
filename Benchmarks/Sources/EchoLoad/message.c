#include "message.h"

#include <stdlib.h>
#include <string.h>

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

Message make_message(size_t payload_length, int text, int in_flight) {
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

    uint8_t head[14] = {(uint8_t)(0x80 | (text ? 1 : 2))};
    int bytes_of_length = payload_length < 126 ? 0 : payload_length < 65536 ? 2 : 8;
    head[1] = (uint8_t)(0x80 | (bytes_of_length == 0 ? payload_length : bytes_of_length == 2 ? 126 : 127));
    for (int i = 0; i < bytes_of_length; i++) head[2 + i] = (uint8_t)(payload_length >> 8 * (bytes_of_length - 1 - i));
    size_t head_length = 2 + (size_t)bytes_of_length + sizeof key;
    memcpy(head + head_length - sizeof key, key, sizeof key);

    Message message = {
        .frame_length = head_length + payload_length,
        .payload = make_payload(payload_length, text),
        .payload_length = payload_length,
        .opcode = text ? 1 : 2,
    };
    // No more than are ever owed at once, and no more than a socket would take.
    message.copies = (256 << 10) / message.frame_length;
    if (message.copies > (size_t)in_flight) message.copies = (size_t)in_flight;
    if (message.copies == 0) message.copies = 1;

    message.wire = allocate(message.copies * message.frame_length);
    memcpy(message.wire, head, head_length);
    for (size_t i = 0; i < payload_length; i++) message.wire[head_length + i] = message.payload[i] ^ key[i % 4];
    for (size_t i = 1; i < message.copies; i++) {
        memcpy(message.wire + i * message.frame_length, message.wire, message.frame_length);
    }
    return message;
}
