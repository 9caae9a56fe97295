#pragma once

#include "options.h"

// Connects, upgrades and returns a non-blocking socket on which the server's first frame is next.
int open_connection(const Options *options);
