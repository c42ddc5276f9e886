// ReadResult: what a reader made of bytes that may be too few, and may also be wrong.
//
//   ReadResult<Chain> frame = cursor.try_read_prefixed<uint32_t>(kMaxFrame);
//   if (frame) use(*frame);
//   else if (frame.status() == ReadStatus::need_more) receive(frame.needed());
//   else drop_connection();
//
// Where a shortage is the only thing that can go wrong, readers answer with std::optional.
#ifndef BIGHT_READ_RESULT_H_
#define BIGHT_READ_RESULT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "bight/config.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

enum class ReadStatus : uint8_t {
  ok,
  need_more,  // the bytes end too early; with more of them it may become ok
  malformed,  // no bytes to come can make this right
  too_long,   // longer than the caller allows
  straddles,  // not within one segment (only from Cursor::try_read_bytes)
};

// "ok", "need_more", ...
constexpr const char* to_string(ReadStatus status) noexcept {
  switch (status) {
    case ReadStatus::ok:
      return "ok";
    case ReadStatus::need_more:
      return "need_more";
    case ReadStatus::malformed:
      return "malformed";
    case ReadStatus::too_long:
      return "too_long";
    case ReadStatus::straddles:
      return "straddles";
  }
  return "unknown";
}

template <class T>
class [[nodiscard]] ReadResult {
 public:
  // Status ok.
  ReadResult(T value) noexcept : value_(std::move(value)) {}  // NOLINT: implicit by design
  // Status ok with a value made in place.
  template <class... Args>
  explicit ReadResult(std::in_place_t, Args&&... args)
      : value_(std::in_place, std::forward<Args>(args)...) {}
  // Any other status; with need_more, `needed` bytes are missing at least (0 counts as 1).
  // Precondition: `status` is not ok (checked in every build).
  ReadResult(ReadStatus status, size_t needed = 0) noexcept  // NOLINT: implicit by design
      : needed_(status != ReadStatus::need_more ? 0 : (needed == 0 ? 1 : needed)), status_(status) {
    if (status == ReadStatus::ok) internal::fail("ReadResult with status ok and no value");
  }

  ReadStatus status() const noexcept { return status_; }
  // How many bytes are missing at least: 1 or more when the status is need_more, else 0.
  size_t needed() const noexcept { return needed_; }

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  // The value. Precondition: the status is ok (checked in every build).
  const T& operator*() const& noexcept { return checked(), *value_; }
  T& operator*() & noexcept { return checked(), *value_; }
  // Of a temporary by value, so that `for (std::byte b : *cursor.try_read_bytes(4))` is sound.
  T operator*() && noexcept { return checked(), *std::move(value_); }
  // As for std::optional, what is reached through a temporary dies with the full expression (or, in
  // a range-for, before the loop).
  const T* operator->() const noexcept { return checked(), &*value_; }
  T* operator->() noexcept { return checked(), &*value_; }

 private:
  void checked() const noexcept {
    if (BIGHT_UNLIKELY(!value_.has_value())) fail_access();
  }
  [[noreturn]] BIGHT_COLD void fail_access() const noexcept {
    switch (status_) {
      case ReadStatus::need_more:
        internal::fail("value of a ReadResult with status need_more");
      case ReadStatus::malformed:
        internal::fail("value of a ReadResult with status malformed");
      case ReadStatus::too_long:
        internal::fail("value of a ReadResult with status too_long");
      default:
        internal::fail("value of a ReadResult with status straddles");
    }
  }

  std::optional<T> value_;  // set iff status_ is ok
  size_t needed_ = 0;       // more than 0 iff status_ is need_more
  ReadStatus status_ = ReadStatus::ok;
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_READ_RESULT_H_
