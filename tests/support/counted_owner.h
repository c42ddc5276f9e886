// Owners, release functions and memory resources that count what happens to them.
#ifndef BIGHT_TESTS_SUPPORT_COUNTED_OWNER_H_
#define BIGHT_TESTS_SUPPORT_COUNTED_OWNER_H_

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "bight/byte_view.h"
#include "bight/bytes.h"

namespace bight_test {

// The bytes of `text` as a span.
inline std::span<const std::byte> span_of(bight::ByteView text) { return text.span(); }

// Bytes 0, 1, 2 ... of a pattern without short periods.
inline std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 131 + i / 251) & 0xff);
  return text;
}

// What a release function has seen. Outlives it.
struct Released {
  std::atomic<int> calls{0};
  const std::byte* data = nullptr;  // of the last call
  size_t size = 0;
  std::thread::id thread;
};

// A release function: move-only, counts its calls, and the ones that still could call.
class CountedRelease {
 public:
  explicit CountedRelease(Released& released) noexcept : released_(&released) {}
  CountedRelease(CountedRelease&& other) noexcept
      : released_(std::exchange(other.released_, nullptr)) {}
  CountedRelease& operator=(CountedRelease&&) = delete;

  bool whole() const noexcept { return released_ != nullptr; }
  void operator()(std::span<const std::byte> bytes) && noexcept {
    released_->data = bytes.data();
    released_->size = bytes.size();
    released_->thread = std::this_thread::get_id();
    released_->calls.fetch_add(1);
  }

 private:
  Released* released_;
};

// Shares `text`, which must outlive all handles, and counts the release.
inline bight::Bytes shared_text(bight::ByteView text, Released& released) {
  return bight::Bytes::with_release(text.span(), CountedRelease(released));
}

// A contiguous owner that counts how many of it live.
class CountedOwner {
 public:
  CountedOwner(std::string text, int& alive) : text_(std::move(text)), alive_(&alive) { ++*alive_; }
  CountedOwner(CountedOwner&& other) noexcept
      : text_(std::move(other.text_)), alive_(other.alive_) {
    ++*alive_;
  }
  CountedOwner& operator=(CountedOwner&&) = delete;
  ~CountedOwner() { --*alive_; }

  const char* begin() const { return text_.data(); }
  const char* end() const { return text_.data() + text_.size(); }

 private:
  std::string text_;
  int* alive_;
};

// A memory resource that counts, and fails when told to.
class CountingResource : public std::pmr::memory_resource {
 public:
  std::atomic<size_t> allocations{0};
  std::atomic<size_t> live{0};  // allocations not yet given back
  std::atomic<size_t> live_bytes{0};
  size_t largest_alignment = 0;
  bool fails = false;

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
#if BIGHT_HAS_EXCEPTIONS
    if (fails) throw std::bad_alloc();
#endif
    void* const memory = std::pmr::new_delete_resource()->allocate(bytes, alignment);
    ++allocations;
    ++live;
    live_bytes += bytes;
    if (alignment > largest_alignment) largest_alignment = alignment;
    return memory;
  }
  void do_deallocate(void* memory, size_t bytes, size_t alignment) override {
    --live;
    live_bytes -= bytes;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

}  // namespace bight_test

#endif  // BIGHT_TESTS_SUPPORT_COUNTED_OWNER_H_
