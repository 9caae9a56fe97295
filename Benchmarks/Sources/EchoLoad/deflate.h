#pragma once

#include <stddef.h>
#include <stdint.h>

// permessage-deflate without context takeover: every message by itself, as RFC 7692, section 7.2 has it.

// Returns the compressed message, to be freed, without the four bytes that end it, and its length.
uint8_t *deflate_message(const uint8_t *payload, size_t length, size_t *compressed_length);
// Whether the compressed message is of these bytes. Writes into the four bytes behind it.
int inflates_to(uint8_t *compressed, size_t length, const uint8_t *payload, size_t payload_length);
