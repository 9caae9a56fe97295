// The entry that libFuzzer calls; its main is the program's.
#include <stddef.h>
#include <stdint.h>

int lifeline_fuzz_proxy(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    return lifeline_fuzz_proxy(bytes, count);
}
