#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include "deflate.h"
#include "fail.h"

static void check_head(const Reply *reply, const Message *message) {
    uint8_t opcode = reply->head[0] & 0x0f;
    bool may_be_compressed = message->deflated && opcode != 0 && opcode < 8;
    if (reply->head[0] & (may_be_compressed ? 0x30 : 0x70)) fail("the server sent a frame with a reserved bit set");
    if (reply->head[1] & 0x80) fail("the server sent a masked frame");
    if (opcode == 8) fail("the server closed the WebSocket connection with a close frame");
    if (reply->is_control) {
        if (opcode > 10 || !reply->is_final || reply->payload_left > 125) fail("the server sent a bad control frame");
        return;
    }
    if (opcode != (reply->in_message ? 0 : message->opcode)) {
        fail("the server sent a frame with opcode %d where an echo with %d was due", opcode, message->opcode);
    }
    // How long a compressed message is, is the server's to decide.
    if (reply->in_message ? reply->is_compressed : reply->head[0] & 0x40) return;
    uint64_t length = reply->message_offset + reply->payload_left;
    if (length > message->payload_length || (reply->is_final && length < message->payload_length)) {
        fail("an echo has %llu bytes, the message had %zu", (unsigned long long)length, message->payload_length);
    }
}

// Returns whether the byte completed the head.
static bool add_to_head(Reply *reply, const Message *message, uint8_t byte) {
    reply->head[reply->head_length++] = byte;
    if (reply->head_length < 2) return false;
    uint8_t short_length = reply->head[1] & 0x7f;
    int head_length = short_length < 126 ? 2 : short_length == 126 ? 4 : 10;
    if (reply->head_length < head_length) return false;

    uint64_t length = short_length;
    if (head_length > 2) {
        length = 0;
        for (int i = 2; i < head_length; i++) length = length << 8 | reply->head[i];
    }
    reply->payload_left = length;
    reply->is_final = reply->head[0] & 0x80;
    reply->is_control = reply->head[0] & 0x08;
    check_head(reply, message);
    if (!reply->is_control) {
        if (!reply->in_message) reply->is_compressed = reply->head[0] & 0x40;
        reply->in_message = true;
    }
    return true;
}

static size_t finish_message(Reply *reply, const Message *message) {
    if (reply->is_compressed && reply->to_verify > 0) {
        if (reply->compressed == NULL ||
            !inflates_to(reply->compressed, reply->message_offset, message->payload, message->payload_length)) {
            fail("an echo inflates to other bytes than the message");
        }
        free(reply->compressed);
        reply->compressed = NULL;
    }
    reply->message_offset = 0;
    reply->in_message = false;
    if (reply->to_verify > 0) reply->to_verify--;
    return 1;
}

// Returns 1 if a message is complete with the frame, else 0.
static size_t finish_frame(Reply *reply, const Message *message) {
    reply->head_length = 0;
    // Pings stay unanswered: no run is so long that a server would mind.
    return reply->is_control || !reply->is_final ? 0 : finish_message(reply, message);
}

// Keeps the bytes of a compressed message that is to be verified, with room for what ends it.
static void keep(Reply *reply, const uint8_t *bytes, size_t count) {
    if (reply->to_verify == 0) return;
    reply->compressed = realloc(reply->compressed, reply->message_offset + count + 4);
    if (reply->compressed == NULL) fail("out of memory");
    memcpy(reply->compressed + reply->message_offset, bytes, count);
}

static void verify(const Reply *reply, const uint8_t *expected, const uint8_t *bytes, size_t count) {
    if (reply->to_verify > 0 && memcmp(expected + reply->message_offset, bytes, count) != 0) {
        fail("an echo has other bytes than the message");
    }
}

size_t reply_read(Reply *reply, const Message *message, const uint8_t *bytes, size_t count) {
    size_t messages = 0;
    const uint8_t *end = bytes + count;
    while (bytes < end) {
        if (reply->payload_left == 0) {
            if (add_to_head(reply, message, *bytes++) && reply->payload_left == 0) messages += finish_frame(reply, message);
            continue;
        }
        size_t part = (size_t)(end - bytes);
        if (part > reply->payload_left) part = reply->payload_left;
        if (!reply->is_control) {
            if (reply->is_compressed) {
                keep(reply, bytes, part);
            } else {
                verify(reply, message->payload, bytes, part);
            }
        }
        messages += reply_skip(reply, message, part);
        bytes += part;
    }
    return messages;
}

size_t reply_skippable(const Reply *reply) {
    return reply->to_verify > 0 ? 0 : reply->payload_left;
}

size_t reply_skip(Reply *reply, const Message *message, size_t count) {
    if (!reply->is_control) reply->message_offset += count;
    reply->payload_left -= count;
    return reply->payload_left == 0 ? finish_frame(reply, message) : 0;
}

size_t raw_reply_read(Reply *reply, const Message *message, const uint8_t *bytes, size_t count) {
    size_t messages = 0;
    while (count > 0) {
        size_t part = message->frame_length - reply->message_offset;
        if (part > count) part = count;
        verify(reply, message->wire, bytes, part);
        messages += raw_reply_skip(reply, message, part);
        bytes += part;
        count -= part;
    }
    return messages;
}

size_t raw_reply_skippable(const Reply *reply, const Message *message) {
    return reply->to_verify > 0 ? 0 : message->frame_length - reply->message_offset;
}

size_t raw_reply_skip(Reply *reply, const Message *message, size_t count) {
    reply->message_offset += count;
    return reply->message_offset == message->frame_length ? finish_message(reply, message) : 0;
}
