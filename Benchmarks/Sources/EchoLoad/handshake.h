#pragma once

#include <stddef.h>

#include "options.h"

// Connects, upgrades and returns a non-blocking socket on which the server's first frame is next.
int open_connection(const Options *options);

// The parts of it, for connections that are opened many at a time.

// Returns a socket that is connected or, without blocking, about to be.
int begin_connecting(const Options *options, int blocking);
// Writes the request's head and returns its length.
size_t write_request(const Options *options, char *head, size_t capacity);
// Fails where the answer's head does not agree to the upgrade.
void check_answer(const Options *options, const char *head);
