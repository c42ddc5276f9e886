// IoResult: what one attempt to read or write came to.
//
// Plain data, made without an allocation. Running into the end, or into a descriptor that would
// block, is an answer here and not an error. status.h turns a result into an absl::Status.
#ifndef BIGHT_IO_IO_RESULT_H_
#define BIGHT_IO_IO_RESULT_H_

#include <cstddef>
#include <string>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

namespace internal {
// What one system call can move: MAX_RW_COUNT on Linux.
inline constexpr size_t kMostPerCall = 0x7ffff000;
}  // namespace internal

enum class IoKind : int {
  data,         // went on as far as was asked or possible in one attempt
  eof,          // the source has ended
  would_block,  // nothing (more) can be moved now without waiting
  error,        // failed, as error_number says
};

struct IoResult {
  // Bytes moved, whatever the kind: bytes and an obstacle can come together.
  size_t bytes = 0;
  IoKind kind = IoKind::data;
  // The errno; EAGAIN for would_block; else 0.
  int error_number = 0;
  // The call that answered ("readv"), a string with static storage; null when none was made.
  const char* call = nullptr;

  [[nodiscard]] bool is_error() const noexcept { return kind == IoKind::error; }

  static IoResult failed(int error_number, const char* call, size_t bytes = 0) noexcept {
    return {bytes, IoKind::error, error_number, call};
  }

  // For people: "writev: Broken pipe (errno 32) after 12 bytes". Allocates.
  BIGHT_IO_API std::string message() const;

  friend bool operator==(const IoResult& a, const IoResult& b) noexcept {
    return a.bytes == b.bytes && a.kind == b.kind && a.error_number == b.error_number;
  }
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_IO_RESULT_H_
