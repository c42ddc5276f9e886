// Varints: unsigned integers in seven-bit groups, least significant group first, the top bit of a
// byte telling that another follows. This is the encoding of protobuf and of many wire formats.
//
// These functions work on memory that is at hand. A cursor reads varints that straddle segments, a
// builder writes them with its checks.
//
// A reader takes at most ten bytes (five for the 32-bit form) and refuses a number that does not
// fit; it accepts groups of zeros at the end (`80 00` is 0), as protobuf does.
//
// Thread safety: plain memory accesses, nothing shared.

#ifndef BIGHT_VARINT_H_
#define BIGHT_VARINT_H_

#include <bight/config.h>

#include <bit>
#include <cstddef>
#include <cstdint>

BIGHT_NAMESPACE_BEGIN

// The most bytes that a varint of 64 and of 32 bits takes.
inline constexpr size_t kMaxVarintSize = 10;
inline constexpr size_t kMaxVarint32Size = 5;

// What a decoder made of the bytes.
enum class VarintStatus : uint8_t {
  ok,         // A whole number was there.
  need_more,  // The bytes end within a number; more of them may make it whole.
  malformed,  // No bytes to come can make this a number that fits.
};

// The number, how many bytes it took, and whether there is one. `value` and `length` are 0 unless
// `status` is `ok`.
struct VarintResult {
  uint64_t value = 0;
  uint32_t length = 0;
  VarintStatus status = VarintStatus::need_more;

  friend constexpr bool operator==(const VarintResult&, const VarintResult&) = default;
};

// Returns how many bytes `encode_varint()` writes for `value`: 1 to 10.
[[nodiscard]] constexpr size_t varint_size(uint64_t value);

// Writes `value` at `out` and returns the end of what it wrote.
//
// Precondition: `varint_size(value)` bytes, or simply `kMaxVarintSize`, can be written at `out`
// (not checked).
[[nodiscard]] constexpr std::byte* encode_varint(uint64_t value, std::byte* out);

// Reads the varint at the front of `[from, end)`. Never reads at or past `end`.
//
// Returns
//   ok         the number was whole;
//   need_more  fewer than ten bytes were there and every one announced another;
//   malformed  the tenth byte announced another or carried more than the 64th bit.
// One comparison and one load when the number is below 128.
[[nodiscard]] inline VarintResult decode_varint(const std::byte* from, const std::byte* end);

// The same for a number that has to fit 32 bits: malformed if the fifth byte announced another or
// carried more than the 32nd bit. (A negative int32 that protobuf wrote takes ten bytes; read those
// with `decode_varint()`.)
[[nodiscard]] inline VarintResult decode_varint32(const std::byte* from, const std::byte* end);

// Maps signed numbers to unsigned ones so that those near zero stay small: 0, -1, 1, -2, 2 become
// 0, 1, 2, 3, 4.
[[nodiscard]] constexpr uint64_t zigzag_encode(int64_t value);
[[nodiscard]] constexpr uint32_t zigzag_encode32(int32_t value);

// The way back.
[[nodiscard]] constexpr int64_t zigzag_decode(uint64_t value);
[[nodiscard]] constexpr int32_t zigzag_decode32(uint32_t value);

// Implementation details follow.

namespace internal {

[[nodiscard]] BIGHT_API VarintResult decode_varint_slow(const std::byte* from,
                                                        const std::byte* end);
[[nodiscard]] BIGHT_API VarintResult decode_varint32_slow(const std::byte* from,
                                                          const std::byte* end);

}  // namespace internal

constexpr size_t varint_size(uint64_t value) {
  // A byte for every seven bits begun: 9/64 is just above 1/7 and exact enough up to 64 bits.
  const auto bits = static_cast<size_t>(std::bit_width(value | 1));
  return (bits * 9 + 64) / 64;
}

constexpr std::byte* encode_varint(uint64_t value, std::byte* out) {
  while (value >= 0x80) {
    *out++ = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<std::byte>(value);
  return out;
}

BIGHT_ALWAYS_INLINE VarintResult decode_varint(const std::byte* from, const std::byte* end) {
  if (from != end) [[likely]] {
    const auto first = std::to_integer<uint64_t>(*from);
    if (first < 0x80) [[likely]] {
      return {first, 1, VarintStatus::ok};
    }
  }
  return internal::decode_varint_slow(from, end);
}

BIGHT_ALWAYS_INLINE VarintResult decode_varint32(const std::byte* from, const std::byte* end) {
  if (from != end) [[likely]] {
    const auto first = std::to_integer<uint64_t>(*from);
    if (first < 0x80) [[likely]] {
      return {first, 1, VarintStatus::ok};
    }
  }
  return internal::decode_varint32_slow(from, end);
}

constexpr uint64_t zigzag_encode(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
constexpr uint32_t zigzag_encode32(int32_t value) {
  return (static_cast<uint32_t>(value) << 1) ^ static_cast<uint32_t>(value >> 31);
}
constexpr int64_t zigzag_decode(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (0 - (value & 1)));
}
constexpr int32_t zigzag_decode32(uint32_t value) {
  return static_cast<int32_t>((value >> 1) ^ (0 - (value & 1)));
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_VARINT_H_
