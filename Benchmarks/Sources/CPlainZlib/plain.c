#include "CPlainZlib.h"

#include <time.h>
#include <zlib.h>

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

size_t plain_deflate(plain_messages messages, plain_settings settings, uint8_t *output, size_t room, long *lengths,
                     double *seconds) {
    z_stream stream = {0};
    if (deflateInit2(&stream, settings.level, Z_DEFLATED, -settings.window_bits, settings.memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    double start = cpu_seconds();
    const uint8_t *next = messages.bytes;
    size_t written = 0;
    for (size_t i = 0; i < messages.count; i++) {
        stream.next_in = (Bytef *)next;
        stream.avail_in = (uInt)messages.lengths[i];
        stream.next_out = output + written;
        stream.avail_out = (uInt)(room - written);
        deflate(&stream, Z_SYNC_FLUSH);
        if (stream.avail_in != 0 || stream.avail_out == 0) {
            written = 0;
            break;
        }
        lengths[i] = (long)(room - written - stream.avail_out - sizeof tail);
        written += (size_t)lengths[i];
        next += messages.lengths[i];
        if (!settings.takeover) deflateReset(&stream);
    }
    *seconds += cpu_seconds() - start;
    deflateEnd(&stream);
    return written;
}

size_t plain_inflate(plain_messages messages, plain_settings settings, uint8_t *output, size_t room, double *seconds) {
    z_stream stream = {0};
    if (inflateInit2(&stream, -settings.window_bits) != Z_OK) return 0;
    double start = cpu_seconds();
    const uint8_t *next = messages.bytes;
    size_t given = 0;
    for (size_t i = 0; i < messages.count; i++) {
        stream.next_in = (Bytef *)next;
        stream.avail_in = (uInt)messages.lengths[i];
        stream.next_out = output;
        stream.avail_out = (uInt)room;
        int first = inflate(&stream, Z_SYNC_FLUSH);
        stream.next_in = (Bytef *)tail;
        stream.avail_in = sizeof tail;
        int second = inflate(&stream, Z_SYNC_FLUSH);
        if ((first != Z_OK && first != Z_BUF_ERROR) || (second != Z_OK && second != Z_BUF_ERROR)) {
            given = 0;
            break;
        }
        given += room - stream.avail_out;
        next += messages.lengths[i];
        if (!settings.takeover) inflateReset(&stream);
    }
    *seconds += cpu_seconds() - start;
    inflateEnd(&stream);
    return given;
}

double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
