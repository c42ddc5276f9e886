// ByteView: the one input type for bytes that a call only looks at.
//
// Made implicitly from what people hold: std::string_view and its like, string literals (without
// their NUL), every contiguous range of char, unsigned char, std::byte or char8_t (Bytes too), or
// a pointer and a size. Pass it by value. It owns nothing: it must not outlive what it views.
#ifndef BIGHT_BYTE_VIEW_H_
#define BIGHT_BYTE_VIEW_H_

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

class ByteView;

namespace internal {

template <class T>
inline constexpr bool kIsByte =
    std::is_same_v<std::remove_cv_t<T>, char> ||
    std::is_same_v<std::remove_cv_t<T>, unsigned char> ||
    std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v<std::remove_cv_t<T>, char8_t>;

template <class R>
concept ByteRange =
    std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    kIsByte<std::ranges::range_value_t<R>> && !std::is_array_v<std::remove_cvref_t<R>> &&
    !std::is_same_v<std::remove_cvref_t<R>, ByteView>;

}  // namespace internal

class ByteView {
 public:
  constexpr ByteView() noexcept = default;
  ByteView(const void* data, size_t size) noexcept
      : data_(static_cast<const std::byte*>(data)), size_(size) {}
  constexpr ByteView(const std::byte* data, size_t size) noexcept : data_(data), size_(size) {}

  // A literal without its NUL. Beware of a const array of char that is no literal: a last NUL is
  // left out of it too (pass ByteView(array, sizeof(array)) or a span for a field of fixed size);
  // one that does not end in NUL is taken whole.
  template <size_t N>
  ByteView(const char (&text)[N]) noexcept
      : data_(reinterpret_cast<const std::byte*>(text)), size_(text[N - 1] == '\0' ? N - 1 : N) {}
  template <size_t N>
  ByteView(const char8_t (&text)[N]) noexcept
      : data_(reinterpret_cast<const std::byte*>(text)), size_(text[N - 1] == u8'\0' ? N - 1 : N) {}
  // Any other array of bytes is taken whole.
  template <class T, size_t N>
  requires(internal::kIsByte<T>) ByteView(T (&array)[N])
  noexcept : data_(reinterpret_cast<const std::byte*>(array)), size_(N) {}

  template <internal::ByteRange R>
  constexpr ByteView(const R& range) noexcept  // NOLINT: implicit by design
      : size_(std::ranges::size(range)) {
    if constexpr (std::is_same_v<std::ranges::range_value_t<R>, std::byte>) {
      data_ = std::ranges::data(range);
    } else {
      data_ = reinterpret_cast<const std::byte*>(std::ranges::data(range));
    }
  }

  ByteView(std::nullptr_t) = delete;
  ByteView(std::nullptr_t, size_t) = delete;
  template <std::integral T>
  ByteView(T) = delete;

  constexpr const std::byte* data() const noexcept { return data_; }
  const char* chars() const noexcept { return reinterpret_cast<const char*>(data_); }
  const uint8_t* u8() const noexcept { return reinterpret_cast<const uint8_t*>(data_); }
  std::string_view view() const noexcept { return {chars(), size_}; }
  constexpr std::span<const std::byte> span() const noexcept { return {data_, size_}; }
  constexpr size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const std::byte* begin() const noexcept { return data_; }
  constexpr const std::byte* end() const noexcept { return data_ + size_; }
  // Precondition: `i < size()` (not checked).
  constexpr std::byte operator[](size_t i) const noexcept { return data_[i]; }

  // As the bytes compare: unsigned, the shorter first when one is a prefix of the other.
  friend bool operator==(ByteView a, ByteView b) noexcept {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
  }
  friend std::strong_ordering operator<=>(ByteView a, ByteView b) noexcept {
    const size_t n = a.size_ < b.size_ ? a.size_ : b.size_;
    if (n != 0) {
      const int order = std::memcmp(a.data_, b.data_, n);
      if (order != 0) return order <=> 0;
    }
    return a.size_ <=> b.size_;
  }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

BIGHT_NAMESPACE_END

template <>
inline constexpr bool std::ranges::enable_borrowed_range<bight::ByteView> = true;
template <>
inline constexpr bool std::ranges::enable_view<bight::ByteView> = true;

#endif  // BIGHT_BYTE_VIEW_H_
