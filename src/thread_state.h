// What each thread keeps: its block cache and its copy counters. Private to the library.
#ifndef BIGHT_SRC_THREAD_STATE_H_
#define BIGHT_SRC_THREAD_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "bight/config.h"
#include "bight/copy_audit.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

// Free memory, linked. Lies where a Block or a node was.
struct FreeNode {
  FreeNode* next_batch;  // in the depot: the next batch; only set in a batch's first node
  FreeNode* next;
  size_t batch_count;  // in the depot: nodes in this batch; only set in the first
};

struct FreeList {
  FreeNode* head = nullptr;
  uint32_t count = 0;
};

inline constexpr size_t kSizeClasses = 35;

// A counter that one thread changes and any thread may read: no read-modify-write is needed, the
// atomic only makes the concurrent read defined.
template <class T>
class OwnedCounter {
 public:
  void add(T n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(T n) noexcept { value_.store(n, std::memory_order_relaxed); }
  T get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<T> value_{0};
};

// Constant-initialised and trivially destructible, so that it can be used before any constructor
// and after every destructor of the thread: handles may die in other thread_locals' and in static
// destructors. `phase` says whether the cache may be used.
struct ThreadState {
  enum Phase : uint8_t {
    kFresh,  // nothing was freed yet; the exit hook is not registered
    kLive,   // registered: the cache is flushed when the thread ends
    kDead,   // flushed: memory goes straight to the allocator
  };
  FreeList lists[kSizeClasses];
  OwnedCounter<size_t> cached_bytes;
  uint32_t trim_epoch = 0;  // the last trim_caches() that this thread has followed
  Phase phase = kFresh;
  OwnedCounter<uint64_t> copied;
  OwnedCounter<uint64_t> gathered;
  OwnedCounter<uint64_t> blocks;
  // The registry of live threads, under its lock.
  ThreadState* previous = nullptr;
  ThreadState* next = nullptr;
};

// What the calling thread has counted.
CopyCounts thread_counts() noexcept;
// The sum over registered and ended threads.
CopyCounts all_threads_counts() noexcept;

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_SRC_THREAD_STATE_H_
