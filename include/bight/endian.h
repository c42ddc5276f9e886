// Numbers to and from bytes in a stated byte order.
//
// Use these where the bytes are at hand as a pointer and their number has been checked. To read
// numbers out of a chain use a cursor, which does the checking; to write into a growing message
// use a builder.
//
// The `_be` forms put the most significant byte first, the `_le` forms the least significant one,
// the `_native` forms do as this machine does. Pointers need no alignment. A load or store of 1, 2,
// 4 or 8 bytes is one instruction, two when the bytes have to be turned round.
//
// Every function comes for `std::byte*`, where it may be used in constant expressions, and for
// `void*`, which takes pointers to any other kind of byte.
//
// Thread safety: plain memory accesses, nothing shared.

#ifndef BIGHT_ENDIAN_H_
#define BIGHT_ENDIAN_H_

#include <bight/config.h>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

BIGHT_NAMESPACE_BEGIN

namespace internal {

// The unsigned integer of `kSize` bytes.
template <size_t kSize>
struct UnsignedOfSize;
template <>
struct UnsignedOfSize<1> {
  using Type = uint8_t;
};
template <>
struct UnsignedOfSize<2> {
  using Type = uint16_t;
};
template <>
struct UnsignedOfSize<4> {
  using Type = uint32_t;
};
template <>
struct UnsignedOfSize<8> {
  using Type = uint64_t;
};

// Not every byte is a bool, so a bool cannot be loaded from just any byte.
template <typename T>
constexpr bool is_loadable() {
  if constexpr (std::is_enum_v<T>) {
    return is_loadable<std::underlying_type_t<T>>();
  } else if constexpr (std::is_integral_v<T>) {
    return !std::is_same_v<T, bool> &&
           (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
  } else {
    return (std::is_same_v<T, float> && sizeof(T) == 4) ||
           (std::is_same_v<T, double> && sizeof(T) == 8);
  }
}

}  // namespace internal

// A type that the fixed-width functions take: an integer of 1, 2, 4 or 8 bytes other than bool, an
// enumeration over such an integer (std::byte among them), float, or double.
template <typename T>
concept FixedWidth = std::is_same_v<T, std::remove_cv_t<T>> && internal::is_loadable<T>();

// Loads a `T` from the `sizeof(T)` bytes at `from`. A floating-point number keeps every bit, also
// that of a signalling NaN.
//
// Precondition: `sizeof(T)` bytes can be read at `from` (not checked; there is nothing to check
// by).
template <FixedWidth T>
[[nodiscard]] constexpr T load_be(const std::byte* from);
template <FixedWidth T>
[[nodiscard]] T load_be(const void* from);
template <FixedWidth T>
[[nodiscard]] constexpr T load_le(const std::byte* from);
template <FixedWidth T>
[[nodiscard]] T load_le(const void* from);
template <FixedWidth T>
[[nodiscard]] constexpr T load_native(const std::byte* from);
template <FixedWidth T>
[[nodiscard]] T load_native(const void* from);

// Stores `value` in the `sizeof(T)` bytes at `to`. `T` has to be written at the call, so that the
// number of bytes stored never depends on the type an expression happens to have:
// `store_be<uint16_t>(p, length)`.
//
// Precondition: `sizeof(T)` bytes can be written at `to` (not checked).
template <FixedWidth T>
constexpr void store_be(std::byte* to, std::type_identity_t<T> value);
template <FixedWidth T>
void store_be(void* to, std::type_identity_t<T> value);
template <FixedWidth T>
constexpr void store_le(std::byte* to, std::type_identity_t<T> value);
template <FixedWidth T>
void store_le(void* to, std::type_identity_t<T> value);
template <FixedWidth T>
constexpr void store_native(std::byte* to, std::type_identity_t<T> value);
template <FixedWidth T>
void store_native(void* to, std::type_identity_t<T> value);

// Loads an unsigned integer of `width` bytes, 0 to 8. No bytes make 0, and `from` is not read then.
//
// Precondition: `width <= 8` (checked in every build); `width` bytes can be read at `from` (not
// checked).
[[nodiscard]] constexpr uint64_t load_uint_be(const std::byte* from, size_t width);
[[nodiscard]] inline uint64_t load_uint_be(const void* from, size_t width);
[[nodiscard]] constexpr uint64_t load_uint_le(const std::byte* from, size_t width);
[[nodiscard]] inline uint64_t load_uint_le(const void* from, size_t width);
[[nodiscard]] constexpr uint64_t load_uint_native(const std::byte* from, size_t width);
[[nodiscard]] inline uint64_t load_uint_native(const void* from, size_t width);

// Loads a two's complement integer of `width` bytes, 0 to 8, whose top bit is its sign. No bytes
// make 0.
//
// Precondition: as for `load_uint_be()`.
[[nodiscard]] constexpr int64_t load_int_be(const std::byte* from, size_t width);
[[nodiscard]] inline int64_t load_int_be(const void* from, size_t width);
[[nodiscard]] constexpr int64_t load_int_le(const std::byte* from, size_t width);
[[nodiscard]] inline int64_t load_int_le(const void* from, size_t width);
[[nodiscard]] constexpr int64_t load_int_native(const std::byte* from, size_t width);
[[nodiscard]] inline int64_t load_int_native(const void* from, size_t width);

// Stores the low `width` bytes of `value`, 0 to 8; the bytes above them are dropped without a word,
// so the same function serves signed numbers. A width of 0 writes nothing.
//
// Precondition: `width <= 8` (checked in every build); `width` bytes can be written at `to` (not
// checked).
constexpr void store_uint_be(std::byte* to, uint64_t value, size_t width);
inline void store_uint_be(void* to, uint64_t value, size_t width);
constexpr void store_uint_le(std::byte* to, uint64_t value, size_t width);
inline void store_uint_le(void* to, uint64_t value, size_t width);
constexpr void store_uint_native(std::byte* to, uint64_t value, size_t width);
inline void store_uint_native(void* to, uint64_t value, size_t width);

// Implementation details follow.

namespace internal {

// Stops the program with "`function`: width `width` of at most 8 bytes".
[[noreturn]] BIGHT_COLD BIGHT_API void width_breach(const char* function, size_t width);

template <typename U>
[[nodiscard]] constexpr U reverse_bytes(U value) {
  if constexpr (sizeof(U) == 1) {
    return value;
  } else {
#if defined(__GNUC__) || defined(__clang__)
    if constexpr (sizeof(U) == 2) {
      return __builtin_bswap16(value);
    } else if constexpr (sizeof(U) == 4) {
      return __builtin_bswap32(value);
    } else {
      return __builtin_bswap64(value);
    }
#else
    U result = 0;
    for (size_t i = 0; i < sizeof(U); ++i) {
      result = static_cast<U>((result << 8) | ((value >> (8 * i)) & 0xff));
    }
    return result;
#endif
  }
}

template <typename T, std::endian kOrder>
[[nodiscard]] BIGHT_ALWAYS_INLINE constexpr T load_number(const std::byte* from) {
  using U = typename UnsignedOfSize<sizeof(T)>::Type;
  U bits = 0;
  if (std::is_constant_evaluated()) {
    for (size_t i = 0; i < sizeof(U); ++i) {
      const size_t place = kOrder == std::endian::little ? i : sizeof(U) - 1 - i;
      bits = static_cast<U>(bits | static_cast<U>(std::to_integer<U>(from[i]) << (8 * place)));
    }
  } else {
    std::memcpy(&bits, from, sizeof(U));
    if constexpr (kOrder != std::endian::native) bits = reverse_bytes(bits);
  }
  return std::bit_cast<T>(bits);
}

template <typename T, std::endian kOrder>
BIGHT_ALWAYS_INLINE constexpr void store_number(std::byte* to, T value) {
  using U = typename UnsignedOfSize<sizeof(T)>::Type;
  U bits = std::bit_cast<U>(value);
  if (std::is_constant_evaluated()) {
    for (size_t i = 0; i < sizeof(U); ++i) {
      const size_t place = kOrder == std::endian::little ? i : sizeof(U) - 1 - i;
      to[i] = static_cast<std::byte>(bits >> (8 * place));
    }
  } else {
    if constexpr (kOrder != std::endian::native) bits = reverse_bytes(bits);
    std::memcpy(to, &bits, sizeof(U));
  }
}

// Two loads that overlap cover any width from 4 to 8, and three bytes that may coincide any width
// from 1 to 3: what they say twice, they say alike, so `|` puts them together.
template <std::endian kOrder>
[[nodiscard]] BIGHT_ALWAYS_INLINE constexpr uint64_t load_odd(const std::byte* from, size_t width,
                                                              const char* function) {
  if (width > 8) [[unlikely]] {
    width_breach(function, width);
  }
  if (width >= 4) {
    const uint64_t head = load_number<uint32_t, kOrder>(from);
    const uint64_t tail = load_number<uint32_t, kOrder>(from + (width - 4));
    const size_t shift = 8 * (width - 4);
    return kOrder == std::endian::big ? (head << shift) | tail : head | (tail << shift);
  }
  if (width == 0) return 0;
  const size_t last = width - 1;
  const size_t mid = width / 2;
  const uint64_t head = std::to_integer<uint64_t>(from[0]);
  const uint64_t middle = std::to_integer<uint64_t>(from[mid]);
  const uint64_t tail = std::to_integer<uint64_t>(from[last]);
  return kOrder == std::endian::big ? (head << (8 * last)) | (middle << (8 * (last - mid))) | tail
                                    : head | (middle << (8 * mid)) | (tail << (8 * last));
}

template <std::endian kOrder>
[[nodiscard]] BIGHT_ALWAYS_INLINE constexpr int64_t load_odd_signed(const std::byte* from,
                                                                    size_t width,
                                                                    const char* function) {
  const uint64_t value = load_odd<kOrder>(from, width, function);
  // A shift by 64 has no meaning.
  if (width == 0) return 0;
  const size_t spare = 64 - 8 * width;
  return static_cast<int64_t>(value << spare) >> spare;
}

template <std::endian kOrder>
BIGHT_ALWAYS_INLINE constexpr void store_odd(std::byte* to, uint64_t value, size_t width,
                                             const char* function) {
  if (width > 8) [[unlikely]] {
    width_breach(function, width);
  }
  constexpr bool kBig = kOrder == std::endian::big;
  if (width >= 4) {
    const uint64_t upper = value >> (8 * (width - 4));
    store_number<uint32_t, kOrder>(to, static_cast<uint32_t>(kBig ? upper : value));
    store_number<uint32_t, kOrder>(to + (width - 4), static_cast<uint32_t>(kBig ? value : upper));
    return;
  }
  for (size_t i = 0; i < width; ++i) {
    to[kBig ? width - 1 - i : i] = static_cast<std::byte>(value >> (8 * i));
  }
}

}  // namespace internal

template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr T load_be(const std::byte* from) {
  return internal::load_number<T, std::endian::big>(from);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE T load_be(const void* from) {
  return load_be<T>(static_cast<const std::byte*>(from));
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr T load_le(const std::byte* from) {
  return internal::load_number<T, std::endian::little>(from);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE T load_le(const void* from) {
  return load_le<T>(static_cast<const std::byte*>(from));
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr T load_native(const std::byte* from) {
  return internal::load_number<T, std::endian::native>(from);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE T load_native(const void* from) {
  return load_native<T>(static_cast<const std::byte*>(from));
}

template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr void store_be(std::byte* to, std::type_identity_t<T> value) {
  internal::store_number<T, std::endian::big>(to, value);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE void store_be(void* to, std::type_identity_t<T> value) {
  store_be<T>(static_cast<std::byte*>(to), value);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr void store_le(std::byte* to, std::type_identity_t<T> value) {
  internal::store_number<T, std::endian::little>(to, value);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE void store_le(void* to, std::type_identity_t<T> value) {
  store_le<T>(static_cast<std::byte*>(to), value);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE constexpr void store_native(std::byte* to, std::type_identity_t<T> value) {
  internal::store_number<T, std::endian::native>(to, value);
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE void store_native(void* to, std::type_identity_t<T> value) {
  store_native<T>(static_cast<std::byte*>(to), value);
}

constexpr uint64_t load_uint_be(const std::byte* from, size_t width) {
  return internal::load_odd<std::endian::big>(from, width, "load_uint_be");
}
inline uint64_t load_uint_be(const void* from, size_t width) {
  return load_uint_be(static_cast<const std::byte*>(from), width);
}
constexpr uint64_t load_uint_le(const std::byte* from, size_t width) {
  return internal::load_odd<std::endian::little>(from, width, "load_uint_le");
}
inline uint64_t load_uint_le(const void* from, size_t width) {
  return load_uint_le(static_cast<const std::byte*>(from), width);
}
constexpr uint64_t load_uint_native(const std::byte* from, size_t width) {
  return internal::load_odd<std::endian::native>(from, width, "load_uint_native");
}
inline uint64_t load_uint_native(const void* from, size_t width) {
  return load_uint_native(static_cast<const std::byte*>(from), width);
}

constexpr int64_t load_int_be(const std::byte* from, size_t width) {
  return internal::load_odd_signed<std::endian::big>(from, width, "load_int_be");
}
inline int64_t load_int_be(const void* from, size_t width) {
  return load_int_be(static_cast<const std::byte*>(from), width);
}
constexpr int64_t load_int_le(const std::byte* from, size_t width) {
  return internal::load_odd_signed<std::endian::little>(from, width, "load_int_le");
}
inline int64_t load_int_le(const void* from, size_t width) {
  return load_int_le(static_cast<const std::byte*>(from), width);
}
constexpr int64_t load_int_native(const std::byte* from, size_t width) {
  return internal::load_odd_signed<std::endian::native>(from, width, "load_int_native");
}
inline int64_t load_int_native(const void* from, size_t width) {
  return load_int_native(static_cast<const std::byte*>(from), width);
}

constexpr void store_uint_be(std::byte* to, uint64_t value, size_t width) {
  internal::store_odd<std::endian::big>(to, value, width, "store_uint_be");
}
inline void store_uint_be(void* to, uint64_t value, size_t width) {
  store_uint_be(static_cast<std::byte*>(to), value, width);
}
constexpr void store_uint_le(std::byte* to, uint64_t value, size_t width) {
  internal::store_odd<std::endian::little>(to, value, width, "store_uint_le");
}
inline void store_uint_le(void* to, uint64_t value, size_t width) {
  store_uint_le(static_cast<std::byte*>(to), value, width);
}
constexpr void store_uint_native(std::byte* to, uint64_t value, size_t width) {
  internal::store_odd<std::endian::native>(to, value, width, "store_uint_native");
}
inline void store_uint_native(void* to, uint64_t value, size_t width) {
  store_uint_native(static_cast<std::byte*>(to), value, width);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_ENDIAN_H_
