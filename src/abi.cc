// Defines the configuration symbol that every translation unit with a bight header refers to.
#include <bight/config.h>

extern "C" {
const char BIGHT_ABI_SYMBOL = BIGHT_PLAIN_COUNT;
}
