#pragma once

// Ends the process with status 1 after saying why, in the manner of printf.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
