#include "connect.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "handshake.h"
#include "load.h"

enum { HEAD_SIZE = 2048, STALL_SECONDS = 10 };

struct Attempt {
    int fd;
    enum { CONNECTING, OPENING, CLOSING } step;
    size_t length;  // of the answer so far
    uint64_t began;
    char answer[HEAD_SIZE];
};

// A Close frame with 1000, masked.
static const uint8_t close_frame[] = {0x88, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x37 ^ 0x03, 0xfa ^ 0xe8};

static void begin(Connecting *connecting, Attempt *attempt) {
    attempt->began = nanoseconds_now();
    attempt->fd = begin_connecting(connecting->options, 0);
    attempt->step = CONNECTING;
    attempt->length = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = attempt}};
    if (epoll_ctl(connecting->poller, EPOLL_CTL_ADD, attempt->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

static void send_all(Attempt *attempt, const void *bytes, size_t count) {
    // A fresh socket takes so few bytes at once.
    if (send(attempt->fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) fail("cannot send: %s", strerror(errno));
}

static void finish(Connecting *connecting, Attempt *attempt) {
    close(attempt->fd);
    connecting->completed++;
    begin(connecting, attempt);
}

// What has been received, as far as it goes: the answer to the opening handshake, then the Close frame.
static void proceed(Connecting *connecting, Attempt *attempt) {
    if (attempt->step == OPENING) {
        attempt->answer[attempt->length] = '\0';
        char *end = strstr(attempt->answer, "\r\n\r\n");
        if (end == NULL) return;
        check_answer(connecting->options, attempt->answer);
        record_latency(&connecting->latencies, nanoseconds_now() - attempt->began);
        // A server of raw bytes knows no Close frame.
        if (connecting->options->raw) {
            finish(connecting, attempt);
            return;
        }
        send_all(attempt, close_frame, sizeof close_frame);
        attempt->step = CLOSING;
        attempt->length = 0;
        return;
    }
    if (attempt->length < 2) return;
    if ((uint8_t)attempt->answer[0] != 0x88) fail("the server sent another frame than the Close frame that is due");
    finish(connecting, attempt);
}

static void receive(Connecting *connecting, Attempt *attempt) {
    size_t room = HEAD_SIZE - 1 - attempt->length;
    if (room == 0) fail("the server's answer is too long");
    ssize_t count = recv(attempt->fd, attempt->answer + attempt->length, room, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) fail("cannot read: %s", strerror(errno));
    if (count == 0) {
        fail("the server closed a connection %s",
             attempt->step == OPENING ? "in the opening handshake" : "without a Close frame");
    }
    attempt->length += (size_t)count;
    proceed(connecting, attempt);
}

Connecting open_connecting(const Options *options) {
    Connecting connecting = {
        .options = options,
        .attempts = calloc((size_t)options->connections, sizeof(Attempt)),
        .poller = epoll_create1(EPOLL_CLOEXEC),
        .latencies = make_latencies(),
    };
    if (connecting.attempts == NULL) fail("out of memory");
    if (connecting.poller < 0) fail("epoll_create1: %s", strerror(errno));
    connecting.request_length = write_request(options, connecting.request, sizeof connecting.request);
    for (int i = 0; i < options->connections; i++) begin(&connecting, &connecting.attempts[i]);
    return connecting;
}

double run_connecting(Connecting *connecting, double seconds) {
    uint64_t start = nanoseconds_now(), now = start;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    connecting->last_event = start;
    while (now < end) {
        struct epoll_event events[256];
        int count = epoll_wait(connecting->poller, events, sizeof events / sizeof events[0], 50);
        if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; i++) {
            Attempt *attempt = events[i].data.ptr;
            if (attempt->step != CONNECTING) {
                receive(connecting, attempt);
            } else if (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
                send_all(attempt, connecting->request, connecting->request_length);
                attempt->step = OPENING;
            }
        }
        now = nanoseconds_now();
        if (count > 0) connecting->last_event = now;
        if (now - connecting->last_event > (uint64_t)STALL_SECONDS * 1000000000) {
            fail("connections are under way, but nothing came back for %d seconds", STALL_SECONDS);
        }
    }
    return (double)(now - start) * 1e-9;
}
