// How a broken contract ends: one line on stderr with both numbers, then abort.
//
// These are the cold halves of inline checks. They are never used for bytes from outside: those
// get an answer (optional, ReadResult, IoResult), not an abort.
#ifndef BIGHT_INTERNAL_CHECK_H_
#define BIGHT_INTERNAL_CHECK_H_

#include <cstddef>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

// The largest size of any handle or chain, so that sums of two sizes cannot wrap.
inline constexpr size_t kMaxSize = static_cast<size_t>(-1) / 2;

// "bight: slice(5, 10) of 8 bytes"
[[noreturn]] BIGHT_API void fail_range(const char* operation, size_t position, size_t count,
                                       size_t size) noexcept;
// "bight: consume(20) of 10 bytes"
[[noreturn]] BIGHT_API void fail_length(const char* operation, size_t count, size_t size) noexcept;
// "bight: segment(7) of 3 segments"
[[noreturn]] BIGHT_API void fail_index(const char* operation, size_t index, size_t count) noexcept;
// "bight: alignment 4095 is not a power of two"
[[noreturn]] BIGHT_API void fail_value(const char* what, size_t value,
                                       const char* complaint) noexcept;
// "bight: <message>"
[[noreturn]] BIGHT_API void fail(const char* message) noexcept;
// Throws std::bad_alloc; without exceptions stops with "bight: out of memory (<size> bytes)".
[[noreturn]] BIGHT_API void fail_allocation(size_t size);
// Throws std::length_error; without exceptions stops. For sums above kMaxSize.
[[noreturn]] BIGHT_API void fail_too_large(const char* operation, size_t a, size_t b);

// a + b, refused above kMaxSize.
inline size_t checked_sum(const char* operation, size_t a, size_t b) {
  if (b > kMaxSize || a > kMaxSize - b) fail_too_large(operation, a, b);
  return a + b;
}

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_INTERNAL_CHECK_H_
