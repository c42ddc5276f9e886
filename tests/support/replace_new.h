// Replaces the global operator new of a test program by one that counts and can be told to fail.
// To be included by exactly one file of the program.
#ifndef BIGHT_TESTS_SUPPORT_REPLACE_NEW_H_
#define BIGHT_TESTS_SUPPORT_REPLACE_NEW_H_

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "bight/config.h"

namespace replaced_new {

inline std::atomic<size_t> calls{0};  // so far, failed ones included
inline std::atomic<size_t> live{0};   // allocations not yet freed
// How many calls still succeed; negative: all.
inline std::atomic<long> succeed{-1};
// Whether one call fails or all from then on.
inline std::atomic<bool> fail_once{false};

inline void* allocate(size_t size, size_t alignment) noexcept {
  calls.fetch_add(1);
  if (const long left = succeed.load(); left >= 0) {
    if (left == 0) {
      if (fail_once) succeed = -1;
      return nullptr;
    }
    succeed = left - 1;
  }
  if (size == 0) size = 1;
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    memory = std::malloc(size);
  } else {
    memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  if (memory != nullptr) live.fetch_add(1);
  return memory;
}

inline void* allocate_or_throw(size_t size, size_t alignment) {
  void* const memory = allocate(size, alignment);
  if (memory != nullptr) return memory;
#if BIGHT_HAS_EXCEPTIONS
  throw std::bad_alloc();
#else
  std::abort();
#endif
}

inline void release(void* memory) noexcept {
  if (memory == nullptr) return;
  live.fetch_sub(1);
  std::free(memory);
}

}  // namespace replaced_new

void* operator new(size_t n) { return replaced_new::allocate_or_throw(n, 1); }
void* operator new[](size_t n) { return replaced_new::allocate_or_throw(n, 1); }
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  return replaced_new::allocate(n, 1);
}
void* operator new[](size_t n, const std::nothrow_t&) noexcept {
  return replaced_new::allocate(n, 1);
}
void* operator new(size_t n, std::align_val_t a) {
  return replaced_new::allocate_or_throw(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, std::align_val_t a) {
  return replaced_new::allocate_or_throw(n, static_cast<size_t>(a));
}
void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return replaced_new::allocate(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return replaced_new::allocate(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept { replaced_new::release(p); }
void operator delete[](void* p) noexcept { replaced_new::release(p); }
void operator delete(void* p, size_t) noexcept { replaced_new::release(p); }
void operator delete[](void* p, size_t) noexcept { replaced_new::release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { replaced_new::release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { replaced_new::release(p); }
void operator delete(void* p, std::align_val_t) noexcept { replaced_new::release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { replaced_new::release(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { replaced_new::release(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { replaced_new::release(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  replaced_new::release(p);
}
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  replaced_new::release(p);
}

#endif  // BIGHT_TESTS_SUPPORT_REPLACE_NEW_H_
