#include "handshake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fail.h"

// The key of RFC 6455's example, whose answer is known without computing SHA-1.
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

int begin_connecting(const Options *options, int blocking) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) fail("%s is not an IPv4 address", options->host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) fail("socket: %s", strerror(errno));
    if (blocking) {
        // A server that hangs must not hang the script that runs us; only the handshake blocks.
        struct timeval limit = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // The cheapest congestion control: the system's own may pace what we send with timers. The server keeps its.
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        fail("cannot connect to %s:%d: %s", options->host, options->port, strerror(errno));
    }
    return fd;
}

// Reads up to the empty line and not a byte of what follows it.
static void read_head(int fd, char *head, size_t capacity) {
    size_t length = 0;
    for (;;) {
        ssize_t peeked = recv(fd, head + length, capacity - 1 - length, MSG_PEEK);
        if (peeked < 0) fail("no answer to the handshake: %s", strerror(errno));
        if (peeked == 0) fail("the answer to the handshake ended early or is too long");
        head[length + (size_t)peeked] = '\0';
        char *end = strstr(head, "\r\n\r\n");
        size_t take = end != NULL ? (size_t)(end + 4 - head) - length : (size_t)peeked;
        if (recv(fd, head + length, take, 0) != (ssize_t)take) fail("cannot read the answer to the handshake");
        length += take;
        head[length] = '\0';
        if (end != NULL) return;
    }
}

// Whether a line "name: value" is in the head.
static int has_field(const char *head, const char *name, const char *value) {
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;
        if (strncasecmp(field, name, strlen(name)) != 0 || field[strlen(name)] != ':') continue;
        field += strlen(name) + 1;
        field += strspn(field, " \t");
        if (strncmp(field, value, strlen(value)) == 0) return 1;
    }
    return 0;
}

size_t write_request(const Options *options, char *head, size_t capacity) {
    int length = snprintf(
        head, capacity,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        options->path, options->host, options->port,
        options->deflate ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                           "client_no_context_takeover\r\n"
                         : "");
    if (length < 0 || (size_t)length >= capacity) fail("the path is too long");
    return (size_t)length;
}

void check_answer(const Options *options, const char *head) {
    if (options->raw) return;
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0) {
        fail("the server answered the handshake with: %.*s", (int)strcspn(head, "\r\n"), head);
    }
    if (!has_field(head, "Sec-WebSocket-Accept", ACCEPT)) fail("the server sent a wrong Sec-WebSocket-Accept");
    if (has_field(head, "Sec-WebSocket-Extensions", "permessage-deflate") != options->deflate) {
        fail("the server %s", options->deflate ? "did not agree to permessage-deflate" : "agreed to what was not offered");
    }
}

int open_connection(const Options *options) {
    int fd = begin_connecting(options, 1);

    char head[8192];
    size_t length = write_request(options, head, sizeof head);
    if (send(fd, head, length, MSG_NOSIGNAL) != (ssize_t)length) {
        fail("cannot send the handshake: %s", strerror(errno));
    }
    read_head(fd, head, sizeof head);
    check_answer(options, head);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl: %s", strerror(errno));
    return fd;
}
