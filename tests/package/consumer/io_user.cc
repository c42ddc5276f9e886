// A user's program that needs bight::io.
#include <absl/status/status.h>
#include <bight/bytes.h>
#include <bight/config.h>

#include <cstdio>

int main() {
  const absl::Status status = absl::OkStatus();
  const bight::Bytes bytes = bight::Bytes::copy_of("a loop of rope");
  std::printf("bight %s: %s\n", BIGHT_VERSION_STRING, status.ok() ? "OK" : "error");
  return bytes.size() == 14 ? 0 : 1;
}
