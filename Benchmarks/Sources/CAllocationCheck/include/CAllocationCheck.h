#pragma once

#include <stddef.h>
#include <stdint.h>

// How often memory was allocated since the process began, by whatever thread: calls to malloc and its kin, which are
// replaced by ones that count.
uint64_t allocation_count(void);

// A WebSocket client that allocates nothing, so that what is counted is the server's. All of it blocks; it ends the
// process with a reason where the server does not do as it should.

// Connects to 127.0.0.1 and shakes hands; returns the socket.
int echo_client_open(int port, const char *path);
// Sends so many binary messages of so many bytes one after the other, so many in flight, and reads their echoes.
void echo_client_exchange(int socket, size_t messages, size_t in_flight, size_t size);
void echo_client_close(int socket);
