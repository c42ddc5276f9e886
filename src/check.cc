#include "bight/internal/check.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

BIGHT_NAMESPACE_BEGIN
namespace internal {
namespace {

[[noreturn]] void stop() noexcept {
  std::fflush(stderr);
  std::abort();
}

}  // namespace

void fail_range(const char* operation, size_t position, size_t count, size_t size) noexcept {
  std::fprintf(stderr, "bight: %s(%zu, %zu) of %zu bytes\n", operation, position, count, size);
  stop();
}

void fail_length(const char* operation, size_t count, size_t size) noexcept {
  std::fprintf(stderr, "bight: %s(%zu) of %zu bytes\n", operation, count, size);
  stop();
}

void fail_index(const char* operation, size_t index, size_t count) noexcept {
  std::fprintf(stderr, "bight: %s(%zu) of %zu\n", operation, index, count);
  stop();
}

void fail_value(const char* what, size_t value, const char* complaint) noexcept {
  std::fprintf(stderr, "bight: %s %zu %s\n", what, value, complaint);
  stop();
}

void fail(const char* message) noexcept {
  std::fprintf(stderr, "bight: %s\n", message);
  stop();
}

void fail_allocation(size_t size) {
#if BIGHT_HAS_EXCEPTIONS
  (void)size;
  throw std::bad_alloc();
#else
  std::fprintf(stderr, "bight: out of memory (%zu bytes)\n", size);
  stop();
#endif
}

void fail_too_large(const char* operation, size_t a, size_t b) {
#if BIGHT_HAS_EXCEPTIONS
  throw std::length_error("bight: " + std::string(operation) + ": " + std::to_string(a) + " + " +
                          std::to_string(b) + " bytes are more than " + std::to_string(kMaxSize));
#else
  std::fprintf(stderr, "bight: %s: %zu + %zu bytes are more than %zu\n", operation, a, b, kMaxSize);
  stop();
#endif
}

}  // namespace internal
BIGHT_NAMESPACE_END
