#include <bight/endian.h>

#include <cstdio>
#include <cstdlib>

BIGHT_NAMESPACE_BEGIN

namespace internal {

void width_breach(const char* function, size_t width) {
  std::fprintf(stderr, "bight: %s: width %zu of at most 8 bytes\n", function, width);
  std::abort();
}

}  // namespace internal

BIGHT_NAMESPACE_END
