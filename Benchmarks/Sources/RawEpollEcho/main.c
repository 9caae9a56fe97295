// The floor that a server with one socket a connection cannot get below: epoll, recv and send, and no protocol.
//
//   --port PORT  0 lets the kernel pick one; it is printed as "listening PORT"
//   --fake       the only mode, and the default: after an answer to anything that ends in an empty line, the bytes that
//                come are sent straight back. The generator has to be told with --raw.
//
// A connection whose request was for /push is a subscriber: what arrives on one of these goes to each of them.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, REQUEST_SIZE = 1024 };

typedef struct {
    int fd;
    int subscriber;  // its place among the subscribers, or -1
    // What the socket did not take: nothing is read until it has.
    uint8_t *waiting;
    size_t waiting_length;
    size_t waiting_capacity;
    size_t request_length;
    char *request;  // NULL once it has been answered
} Connection;

typedef struct {
    int listener;
    int poller;
    Connection **subscribers;
    int subscriber_count;
    int subscriber_capacity;
    uint8_t buffer[READ_SIZE];
} Server;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "RawEpollEcho: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *resize(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (memory == NULL) fail("realloc");
    return memory;
}

static void subscribe(Server *server, Connection *connection) {
    if (server->subscriber_count == server->subscriber_capacity) {
        server->subscriber_capacity = server->subscriber_capacity > 0 ? 2 * server->subscriber_capacity : 1024;
        server->subscribers =
            resize(server->subscribers, (size_t)server->subscriber_capacity * sizeof *server->subscribers);
    }
    connection->subscriber = server->subscriber_count;
    server->subscribers[server->subscriber_count++] = connection;
}

static void end(Server *server, Connection *connection) {
    if (connection->subscriber >= 0) {
        Connection *last = server->subscribers[--server->subscriber_count];
        server->subscribers[connection->subscriber] = last;
        last->subscriber = connection->subscriber;
    }
    close(connection->fd);
    free(connection->waiting);
    free(connection->request);
    free(connection);
}

// Sends what the socket takes and keeps the rest. A connection that fails is ended when it is read from.
static void send_or_keep(Connection *connection, const uint8_t *bytes, size_t count) {
    if (connection->waiting_length == 0) {
        ssize_t sent = send(connection->fd, bytes, count, MSG_NOSIGNAL);
        if (sent == (ssize_t)count) return;
        if (sent < 0 && errno != EAGAIN) return;
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
    }
    if (connection->waiting_length + count > connection->waiting_capacity) {
        connection->waiting_capacity = connection->waiting_length + count;
        connection->waiting = resize(connection->waiting, connection->waiting_capacity);
    }
    memcpy(connection->waiting + connection->waiting_length, bytes, count);
    connection->waiting_length += count;
}

// Returns whether nothing is left.
static bool send_waiting(Connection *connection) {
    if (connection->waiting_length == 0) return true;
    ssize_t sent = send(connection->fd, connection->waiting, connection->waiting_length, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    connection->waiting_length -= (size_t)sent;
    memmove(connection->waiting, connection->waiting + sent, connection->waiting_length);
    return connection->waiting_length == 0;
}

// Returns false where the request is too long.
static bool add_to_request(Server *server, Connection *connection, size_t count) {
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    if (connection->request_length + count >= REQUEST_SIZE) return false;
    memcpy(connection->request + connection->request_length, server->buffer, count);
    connection->request_length += count;
    connection->request[connection->request_length] = '\0';
    if (strstr(connection->request, "\r\n\r\n") == NULL) return true;
    if (strncmp(connection->request, "GET /push", 9) == 0) subscribe(server, connection);
    free(connection->request);
    connection->request = NULL;
    send_or_keep(connection, (const uint8_t *)answer, sizeof answer - 1);
    return true;
}

static void handle(Server *server, Connection *connection) {
    for (;;) {
        if (!send_waiting(connection)) return;
        ssize_t count = recv(connection->fd, server->buffer, READ_SIZE, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            end(server, connection);
            return;
        }
        if (connection->request != NULL) {
            if (!add_to_request(server, connection, (size_t)count)) {
                end(server, connection);
                return;
            }
        } else if (connection->subscriber >= 0) {
            for (int i = 0; i < server->subscriber_count; i++) {
                send_or_keep(server->subscribers[i], server->buffer, (size_t)count);
            }
        } else {
            send_or_keep(connection, server->buffer, (size_t)count);
        }
        // A read that did not fill the buffer has emptied the socket; the edge tells when there is more.
        if (count < READ_SIZE) return;
    }
}

static void accept_all(Server *server) {
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL) fail("calloc");
        connection->fd = fd;
        connection->request = resize(NULL, REQUEST_SIZE);
        connection->subscriber = -1;
        // For both directions once and for all: no epoll_ctl while messages go to and fro.
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = connection}};
        if (epoll_ctl(server->poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    }
}

static void listen_on(Server *server, int port) {
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server->poller = epoll_create1(EPOLL_CLOEXEC);
    if (server->listener < 0 || server->poller < 0) fail("socket, epoll_create1");
    int on = 1;
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    if (bind(server->listener, (struct sockaddr *)&address, length) != 0) fail("bind");
    if (listen(server->listener, 4096) != 0) fail("listen");
    if (getsockname(server->listener, (struct sockaddr *)&address, &length) != 0) fail("getsockname");
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (epoll_ctl(server->poller, EPOLL_CTL_ADD, server->listener, &event) != 0) fail("epoll_ctl");
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv) {
    int port = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--fake") != 0) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 64;
        }
    }
    static Server server;
    listen_on(&server, port);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(server.poller, events, sizeof events / sizeof events[0], -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                accept_all(&server);
            } else {
                handle(&server, events[i].data.ptr);
            }
        }
    }
}
