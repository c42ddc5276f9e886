// A user's program that needs the core only.
#include <bight/bytes.h>
#include <bight/config.h>

#include <cstdio>

int main() {
  const bight::Bytes bytes = bight::Bytes::copy_of("a loop of rope");
  const bight::Bytes loop = bytes.slice(2, 4);
  std::printf("bight %s: %zu of %zu bytes\n", BIGHT_VERSION_STRING, loop.size(), bytes.size());
  return loop.size() == 4 && loop.data() == bytes.data() + 2 ? 0 : 1;
}
