#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "fail.h"
#include "handshake.h"

enum {
    READ_SIZE = 64 << 10,
    // Payload is dropped unread if there is at least so much of it: for less, the copy is cheaper than another call.
    LEAST_SKIP = 32 << 10,
    SAMPLE_EVERY = 16,
    STALL_SECONDS = 10,
};

uint64_t nanoseconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// Sends what is owed until the socket is full, which the poller tells when it no longer is.
static void flush_owed(Load *load, Connection *connection) {
    const Message *message = &load->message;
    while (connection->owed > 0) {
        uint64_t frames = connection->owed < message->copies ? connection->owed : message->copies;
        size_t length = frames * message->frame_length - connection->sent_of_next;
        ssize_t sent = send(connection->fd, message->wire + connection->sent_of_next, length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return;
            fail("cannot send: %s", strerror(errno));
        }
        size_t reached = connection->sent_of_next + (size_t)sent;
        connection->owed -= reached / message->frame_length;
        connection->sent_of_next = reached % message->frame_length;
        // A partial send has found the socket full; the poller is armed as after EAGAIN.
        if ((size_t)sent < length) return;
    }
}

// One message in flight only: an echo is that of the message sent last.
static void take_sample(Load *load, Connection *connection) {
    if (connection->sent_at != 0) {
        record_latency(&load->latencies, nanoseconds_now() - connection->sent_at);
        connection->sent_at = 0;
    }
    if (--connection->until_sample == 0) {
        connection->until_sample = SAMPLE_EVERY;
        connection->sent_at = nanoseconds_now();
    }
}

// One call to recv. Returns whether there may be more to read; adds the messages it completed.
static bool read_some(Load *load, Connection *connection, size_t *messages) {
    static uint8_t buffer[READ_SIZE];
    const Message *message = &load->message;
    Reply *reply = &connection->reply;
    bool raw = load->options->raw;

    size_t skippable = raw ? raw_reply_skippable(reply, message) : reply_skippable(reply);
    bool skips = skippable >= LEAST_SKIP;
    size_t wanted = skips ? skippable : sizeof buffer;
    // MSG_TRUNC makes TCP discard the bytes instead of copying them.
    ssize_t count = recv(connection->fd, skips ? NULL : buffer, wanted, skips ? MSG_TRUNC : 0);
    if (count < 0) {
        if (errno == EAGAIN) return false;
        fail("cannot read: %s", strerror(errno));
    }
    if (count == 0) fail("the server closed a connection");

    size_t length = (size_t)count;
    if (raw) {
        *messages += skips ? raw_reply_skip(reply, message, length) : raw_reply_read(reply, message, buffer, length);
    } else {
        *messages += skips ? reply_skip(reply, message, length) : reply_read(reply, message, buffer, length);
    }
    return length == wanted;
}

// Has the first connection send the next message once everybody has those before, but for as many as may be in flight.
static void publish(Load *load) {
    uint64_t subscribers = (uint64_t)load->options->connections, in_flight = (uint64_t)load->options->in_flight;
    Connection *first = &load->connections[0];
    while (load->delivered + in_flight * subscribers >= (load->published + 1) * subscribers) {
        uint64_t now = nanoseconds_now();
        if (load->published > 0 && in_flight == 1) record_latency(&load->latencies, now - load->sent_at);
        load->sent_at = now;
        load->published++;
        first->owed++;
    }
    flush_owed(load, first);
}

static void receive_echoes(Load *load, Connection *connection) {
    size_t messages = 0;
    while (read_some(load, connection, &messages)) continue;
    if (messages == 0) return;

    load->completed += messages;
    load->delivered += messages;
    if (load->draining) return;
    if (load->options->mode == PUSH) {
        publish(load);
        return;
    }
    if (load->options->in_flight == 1) take_sample(load, connection);
    // All the answers to one read leave in one send.
    connection->owed += messages;
    flush_owed(load, connection);
}

Load open_load(const Options *options) {
    Load load = {
        .options = options,
        .message = make_message(options),
        .connections = calloc((size_t)options->connections, sizeof(Connection)),
        .poller = epoll_create1(EPOLL_CLOEXEC),
        .latencies = make_latencies(),
    };
    if (load.connections == NULL) fail("out of memory");
    if (load.poller < 0) fail("epoll_create1: %s", strerror(errno));

    for (int i = 0; i < options->connections; i++) {
        Connection *connection = &load.connections[i];
        *connection = (Connection){
            .fd = open_connection(options),
            .until_sample = 1 + (uint32_t)i % SAMPLE_EVERY,
            .owed = options->mode == PUSH ? 0 : (uint64_t)options->in_flight,
            .reply = {.to_verify = options->verify ? UINT64_MAX : 1},
        };
        // Edge-triggered, and for both directions once and for all: no epoll_ctl while the load runs.
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = connection}};
        if (epoll_ctl(load.poller, EPOLL_CTL_ADD, connection->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
    }
    if (options->mode == PUSH) {
        publish(&load);
    } else {
        for (int i = 0; i < options->connections; i++) flush_owed(&load, &load.connections[i]);
    }
    return load;
}

// Waits for events and handles them; returns the time afterwards.
static uint64_t handle_events(Load *load) {
    struct epoll_event events[256];
    int count = epoll_wait(load->poller, events, sizeof events / sizeof events[0], 50);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        Connection *connection = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_echoes(load, connection);
        if (connection->owed > 0 && events[i].events & EPOLLOUT) flush_owed(load, connection);
    }
    uint64_t now = nanoseconds_now();
    if (count > 0) load->last_event = now;
    if (now - load->last_event > (uint64_t)STALL_SECONDS * 1000000000) {
        fail("messages are in flight, but nothing came back for %d seconds", STALL_SECONDS);
    }
    return now;
}

double run_load(Load *load, double seconds) {
    uint64_t start = nanoseconds_now(), now = start;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    load->last_event = start;
    while (now < end) now = handle_events(load);
    return (double)(now - start) * 1e-9;
}

void drain_load(Load *load) {
    uint64_t connections = (uint64_t)load->options->connections;
    uint64_t in_flight = load->options->mode == PUSH ? load->published * connections - load->delivered
                                                     : connections * (uint64_t)load->options->in_flight;
    uint64_t all = load->completed + in_flight;
    load->draining = true;
    while (load->completed < all) handle_events(load);
}
