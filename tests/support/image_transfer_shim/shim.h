// What the preloaded library writes down and image_transfer_copies_test reads.
#ifndef TESTS_SUPPORT_IMAGE_TRANSFER_SHIM_SHIM_H_
#define TESTS_SUPPORT_IMAGE_TRANSFER_SHIM_SHIM_H_

#include <cstdint>
#include <string_view>

namespace shim {

// Payload that is to be found again carries this every 128 bytes.
inline constexpr std::string_view kMarker = "<payload marker>";
// Shorter calls and entries are not written down.
inline constexpr uint64_t kLeast = 512;

struct Record {
  enum Kind : uint32_t { kCopy, kMarkedCopy, kReadFile, kReadSocket, kWriteFile, kWriteSocket };
  uint64_t kind;
  uint64_t address;  // of a copy: where it comes from
  uint64_t size;
};

}  // namespace shim

#endif  // TESTS_SUPPORT_IMAGE_TRANSFER_SHIM_SHIM_H_
