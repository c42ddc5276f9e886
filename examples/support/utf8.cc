#include "examples/support/utf8.h"

#include <cstdint>

#include "bight/endian.h"

namespace example {

bool Utf8::add(std::span<const std::byte> bytes) noexcept {
  for (size_t i = 0; i < bytes.size(); ++i) {
    // Most text is ASCII: eight bytes at once.
    while (missing_ == 0 && bytes.size() - i > 8 &&
           (bight::load_be<uint64_t>(&bytes[i]) & 0x8080808080808080) == 0) {
      i += 8;
    }
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    if (missing_ != 0) {
      if (byte < low_ || byte > high_) return false;
      --missing_;
      low_ = 0x80;
      high_ = 0xbf;
    } else if (byte >= 0x80) {
      if (byte < 0xc2 || byte > 0xf4) return false;
      missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      // No longer form than needed, no surrogates, nothing above U+10FFFF.
      low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
      high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    }
  }
  return true;
}

}  // namespace example
