// What the bridges' tests share: patterns, scattered chains and owners that are counted.
#ifndef BIGHT_TESTS_INTEROP_SUPPORT_H_
#define BIGHT_TESTS_INTEROP_SUPPORT_H_

#include <cstddef>
#include <memory_resource>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"

namespace bight::interop_test {

// `n` bytes of which neighbours differ; all 256 values occur.
inline std::string pattern(size_t n, size_t seed = 0) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>((i + seed) * 151 + ((i + seed) >> 8));
  return text;
}

// Segments of the sizes given, each in a block of its own, that read as pattern(sum).
inline Chain scattered(std::vector<size_t> sizes) {
  Chain chain;
  for (const size_t size : sizes) {
    chain.push_back(Bytes::from_owner(pattern(size, chain.size())));
  }
  return chain;
}

// `text` with a cut before each of the positions.
inline Chain cut_at(std::string_view text, std::vector<size_t> positions) {
  Chain chain;
  size_t from = 0;
  positions.push_back(text.size());
  for (const size_t to : positions) {
    chain.push_copy(text.substr(from, to - from));
    from = to;
  }
  return chain;
}

// Bytes whose release is counted.
inline Bytes counted(std::string text, int& released) {
  auto owner = std::make_unique<std::string>(std::move(text));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
  return Bytes::with_release(bytes, [owner = std::move(owner), &released] { ++released; });
}

#if BIGHT_HAS_EXCEPTIONS
// Memory that runs out after `left` allocations.
class LimitedResource : public std::pmr::memory_resource {
 public:
  explicit LimitedResource(int left) : left_(left) {}

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    if (left_ == 0) throw std::bad_alloc();
    --left_;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, size_t bytes, size_t alignment) override {
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  int left_;
};
#endif

}  // namespace bight::interop_test

#endif  // BIGHT_TESTS_INTEROP_SUPPORT_H_
