#include "examples/support/sha1.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "bight/endian.h"

namespace example {

std::string sha1(std::string_view text) {
  // A one bit, zeros, and the length in bits fill the last block of 64 bytes.
  std::string padded(text);
  padded.push_back('\x80');
  padded.resize((padded.size() + 8 + 63) / 64 * 64);
  auto* const bytes = reinterpret_cast<std::byte*>(padded.data());
  bight::store_be<uint64_t>(bytes + padded.size() - 8, uint64_t{text.size()} * 8);

  std::array<uint32_t, 5> h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t block = 0; block < padded.size(); block += 64) {
    std::array<uint32_t, 80> w;
    for (size_t t = 0; t < 16; ++t) w[t] = bight::load_be<uint32_t>(bytes + block + t * 4);
    for (size_t t = 16; t < 80; ++t) {
      w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    auto [a, b, c, d, e] = h;
    for (size_t t = 0; t < 80; ++t) {
      uint32_t mixed = 0;
      if (t < 20) {
        mixed = ((b & c) | (~b & d)) + 0x5a827999;
      } else if (t < 40) {
        mixed = (b ^ c ^ d) + 0x6ed9eba1;
      } else if (t < 60) {
        mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
      } else {
        mixed = (b ^ c ^ d) + 0xca62c1d6;
      }
      const uint32_t next = std::rotl(a, 5) + mixed + e + w[t];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  std::string digest(20, '\0');
  for (size_t i = 0; i < 5; ++i) {
    bight::store_be<uint32_t>(reinterpret_cast<std::byte*>(digest.data()) + i * 4, h[i]);
  }
  return digest;
}

}  // namespace example
