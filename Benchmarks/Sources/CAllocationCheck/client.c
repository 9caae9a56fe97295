#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CAllocationCheck.h"

#ifdef __GLIBC__

enum { LARGEST = 1 << 20 };

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(2);
}

// What the handshake's answer may be at most; nothing follows it before the first message.
int echo_client_open(int port, const char *path) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    char head[1024];
    int length = snprintf(
        head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        path, port);
    if (send(fd, head, (size_t)length, MSG_NOSIGNAL) != length) fail("send");
    size_t received = 0;
    do {
        ssize_t count = recv(fd, head + received, sizeof head - 1 - received, 0);
        if (count <= 0) fail("the answer to the handshake");
        received += (size_t)count;
        head[received] = '\0';
    } while (strstr(head, "\r\n\r\n") == NULL);
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0) fail("the handshake was refused");
    return fd;
}

// A frame with a key of zeros, which leaves the payload as it is.
static size_t write_frame(uint8_t *frame, size_t size) {
    int bytes_of_length = size < 126 ? 0 : size < 65536 ? 2 : 8;
    frame[0] = 0x82;
    frame[1] = (uint8_t)(0x80 | (bytes_of_length == 0 ? size : bytes_of_length == 2 ? 126 : 127));
    for (int i = 0; i < bytes_of_length; i++) frame[2 + i] = (uint8_t)(size >> 8 * (bytes_of_length - 1 - i));
    size_t head = 2 + (size_t)bytes_of_length + 4;
    memset(frame + head - 4, 0, 4);
    memset(frame + head, 0x5a, size);
    return head + size;
}

void echo_client_exchange(int fd, size_t messages, size_t in_flight, size_t size) {
    static uint8_t sent[LARGEST + 14], received[256 << 10];
    if (size > LARGEST) fail("the message is too large");
    size_t frame = write_frame(sent, size);
    // The echo's head is without the key.
    size_t echo = frame - 4;
    size_t to_send = messages * frame, to_receive = messages * echo, bytes_sent = 0, bytes_received = 0;
    while (bytes_received < to_receive) {
        size_t allowed = (bytes_received / echo + in_flight) * frame;
        if (allowed > to_send) allowed = to_send;
        struct pollfd wait = {.fd = fd, .events = (short)(POLLIN | (bytes_sent < allowed ? POLLOUT : 0))};
        if (poll(&wait, 1, 10000) != 1) fail("nothing came back for 10 seconds");
        if (wait.revents & POLLOUT) {
            // Never more than what is left of a message.
            size_t offset = bytes_sent % frame, length = frame - offset;
            ssize_t count = send(fd, sent + offset, length, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0) fail("send");
            bytes_sent += (size_t)count;
        } else {
            ssize_t count = recv(fd, received, sizeof received, MSG_DONTWAIT);
            if (count <= 0) fail("recv");
            bytes_received += (size_t)count;
        }
    }
    if (bytes_received > to_receive) fail("more came back than was sent");
}

void echo_client_close(int fd) {
    close(fd);
}

#endif
