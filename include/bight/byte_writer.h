// The writing operations that every writer shares, the concept that names them, and a writer over
// memory that the caller has: SpanWriter.
//
//   void encode(bight::ByteWriter auto& out, const Record& r) {
//     out.template put_be<uint32_t>(r.id);
//     out.append(r.name);
//   }
//
// BytesBuilder, ChainBuilder, SpanWriter and WriteWindow (of either builder) are ByteWriters, so
// one encoder serves all four.
#ifndef BIGHT_BYTE_WRITER_H_
#define BIGHT_BYTE_WRITER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "bight/byte_view.h"
#include "bight/config.h"
#include "bight/endian.h"
#include "bight/internal/check.h"
#include "bight/varint.h"

BIGHT_NAMESPACE_BEGIN

// What an encoder may ask of a writer.
template <class W>
concept ByteWriter = requires(W& writer, size_t n, ByteView view, uint32_t value) {
  { writer.extend(n) } -> std::same_as<std::byte*>;
  { writer.try_extend(n) } -> std::same_as<std::byte*>;
  {writer.append(view)};
  {writer.template put_be<uint32_t>(value)};
};

// The put_ operations on top of two functions of `Writer`:
//   std::byte* extend(size_t n)      appends n uninitialised bytes in one piece; their address
//   std::byte* try_extend(size_t n)  the same, null when the writer is fixed and has no room
//
// Each put_x appends (and so copies) a few bytes and stops the program where extend() does; each
// try_put_x answers false there and changes nothing. Amortised O(bytes written).
template <class Writer>
class WriterOperations {
 public:
  void put_u8(uint8_t value) { *self().extend(1) = static_cast<std::byte>(value); }
  void put_byte(std::byte value) { *self().extend(1) = value; }
  // Integers, enums, float and double of 1, 2, 4 or 8 bytes, big- or little-endian, bit for bit.
  // The type is written at the call (put_be<uint16_t>(x + 1)): deduced, it would be the promoted
  // one, and the width on the wire with it.
  template <class T>
  void put_be(std::type_identity_t<T> value) {
    store_be<T>(self().extend(sizeof(T)), value);
  }
  template <class T>
  void put_le(std::type_identity_t<T> value) {
    store_le<T>(self().extend(sizeof(T)), value);
  }
  // The low `width` bytes of `value`. Precondition: `width <= 8` (checked in every build).
  // Negative numbers: cast to uint64_t; the low bytes are two's complement.
  void put_uint_be(uint64_t value, size_t width) {
    check_width("put_uint_be", width);
    store_uint_be(self().extend(width), value, width);
  }
  void put_uint_le(uint64_t value, size_t width) {
    check_width("put_uint_le", width);
    store_uint_le(self().extend(width), value, width);
  }
  // Unsigned LEB128, 1 to 10 bytes; zigzag for signed numbers.
  void put_varint(uint64_t value) { (void)encode_varint(value, self().extend(varint_size(value))); }
  void put_varint_signed(int64_t value) { put_varint(zigzag_encode(value)); }
  // `count` times `value`.
  void put_fill(std::byte value, size_t count) {
    if (count == 0) return;
    // Said here too, because a compiler that knows the count warns of the memset.
    if (count > internal::kMaxSize) internal::fail_too_large("put_fill", count, 0);
    std::memset(self().extend(count), static_cast<int>(value), count);
  }
  // Copies `bytes`.
  void append(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(self().extend(bytes.size()), bytes.data(), bytes.size());
  }

  [[nodiscard]] bool try_put_u8(uint8_t value) { return try_put_be<uint8_t>(value); }
  template <class T>
  [[nodiscard]] bool try_put_be(std::type_identity_t<T> value) {
    std::byte* const place = self().try_extend(sizeof(T));
    if (place == nullptr) return false;
    store_be<T>(place, value);
    return true;
  }
  template <class T>
  [[nodiscard]] bool try_put_le(std::type_identity_t<T> value) {
    std::byte* const place = self().try_extend(sizeof(T));
    if (place == nullptr) return false;
    store_le<T>(place, value);
    return true;
  }
  [[nodiscard]] bool try_put_uint_be(uint64_t value, size_t width) {
    check_width("try_put_uint_be", width);
    if (width == 0) return true;
    std::byte* const place = self().try_extend(width);
    if (place == nullptr) return false;
    store_uint_be(place, value, width);
    return true;
  }
  [[nodiscard]] bool try_put_uint_le(uint64_t value, size_t width) {
    check_width("try_put_uint_le", width);
    if (width == 0) return true;
    std::byte* const place = self().try_extend(width);
    if (place == nullptr) return false;
    store_uint_le(place, value, width);
    return true;
  }
  [[nodiscard]] bool try_put_varint(uint64_t value) {
    std::byte* const place = self().try_extend(varint_size(value));
    if (place == nullptr) return false;
    (void)encode_varint(value, place);
    return true;
  }
  [[nodiscard]] bool try_put_fill(std::byte value, size_t count) {
    if (count == 0) return true;
    std::byte* const place = self().try_extend(count);
    if (place == nullptr) return false;
    std::memset(place, static_cast<int>(value), count);
    return true;
  }
  [[nodiscard]] bool try_append(ByteView bytes) {
    if (bytes.empty()) return true;
    std::byte* const place = self().try_extend(bytes.size());
    if (place == nullptr) return false;
    std::memcpy(place, bytes.data(), bytes.size());
    return true;
  }

 protected:
  WriterOperations() = default;
  ~WriterOperations() = default;
  WriterOperations(const WriterOperations&) = default;
  WriterOperations& operator=(const WriterOperations&) = default;

 private:
  Writer& self() noexcept { return static_cast<Writer&>(*this); }
  static void check_width(const char* operation, size_t width) noexcept {
    if (width > 8) internal::fail_length(operation, width, 8);
  }
};

// Writes into memory of the caller, from its start on. Never grows: a write that does not fit
// stops the program (a put_fill above SIZE_MAX / 2 throws std::length_error), its try_ form answers
// false, and nothing is changed by any of them.
class SpanWriter : public WriterOperations<SpanWriter> {
 public:
  explicit SpanWriter(std::span<std::byte> memory) noexcept
      : begin_(memory.data()), end_(memory.data()), limit_(memory.data() + memory.size()) {}

  size_t size() const noexcept { return static_cast<size_t>(end_ - begin_); }
  size_t spare() const noexcept { return static_cast<size_t>(limit_ - end_); }
  std::span<std::byte> written() const noexcept { return {begin_, size()}; }

  std::byte* extend(size_t n) noexcept {
    std::byte* const place = try_extend(n);
    if (place == nullptr && n != 0) internal::fail_length("write", n, spare());
    return place;
  }
  std::byte* try_extend(size_t n) noexcept {
    if (spare() < n) return nullptr;
    std::byte* const place = end_;
    end_ += n;
    return place;
  }

 private:
  std::byte* begin_;
  std::byte* end_;    // next byte to write
  std::byte* limit_;  // never written at or behind it
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_BYTE_WRITER_H_
