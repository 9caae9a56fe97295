#include "idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cputime.h"
#include "fail.h"
#include "handshake.h"

static void pass(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) continue;
}

Idle open_idle(const Options *options) {
    Idle idle = {.options = options, .sockets = calloc((size_t)options->connections + 1, sizeof(int))};
    if (idle.sockets == NULL) fail("out of memory");
    // What a server sets up with its first connection is not what a connection costs.
    idle.sockets[0] = open_connection(options);
    pass(0.2);
    idle.memory_before = anonymous_memory_of(options->server_pid);
    for (int i = 1; i <= options->connections; i++) idle.sockets[i] = open_connection(options);
    pass(options->warmup);
    idle.memory_after = anonymous_memory_of(options->server_pid);
    return idle;
}

void wait_idle(Idle *idle, double seconds) {
    pass(seconds);
    for (int i = 0; i <= idle->options->connections; i++) {
        char byte;
        // There may be a Ping to read, which is not of interest.
        if (recv(idle->sockets[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) fail("the server closed a connection");
    }
}
