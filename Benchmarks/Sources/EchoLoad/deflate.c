#include "deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fail.h"

// What a compressed message ends with, and what is left out of it on the wire.
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

uint8_t *deflate_message(const uint8_t *payload, size_t length, size_t *compressed_length) {
    z_stream stream = {0};
    if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) fail("zlib: no stream");
    size_t room = deflateBound(&stream, length) + 16;
    uint8_t *compressed = malloc(room);
    if (compressed == NULL) fail("out of memory");
    stream.next_in = (uint8_t *)payload;
    stream.avail_in = (unsigned)length;
    stream.next_out = compressed;
    stream.avail_out = (unsigned)room;
    if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_in != 0 || stream.avail_out == 0) fail("zlib: deflate");
    *compressed_length = room - stream.avail_out - sizeof tail;
    deflateEnd(&stream);
    return compressed;
}

int inflates_to(uint8_t *compressed, size_t length, const uint8_t *payload, size_t payload_length) {
    // A byte more than is due, so that one too many is seen.
    uint8_t *inflated = malloc(payload_length + 1);
    if (inflated == NULL) fail("out of memory");
    memcpy(compressed + length, tail, sizeof tail);
    z_stream stream = {
        .next_in = compressed,
        .avail_in = (unsigned)(length + sizeof tail),
        .next_out = inflated,
        .avail_out = (unsigned)(payload_length + 1),
    };
    if (inflateInit2(&stream, -15) != Z_OK) fail("zlib: no stream");
    int result = inflate(&stream, Z_SYNC_FLUSH);
    int is_equal = result == Z_OK && stream.avail_in == 0 && stream.avail_out == 1 &&
                   memcmp(inflated, payload, payload_length) == 0;
    inflateEnd(&stream);
    free(inflated);
    return is_equal;
}
