// What each thread keeps: its block cache and its copy counters. Private to the library.
#ifndef BIGHT_SRC_THREAD_STATE_H_
#define BIGHT_SRC_THREAD_STATE_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "bight/config.h"
#include "bight/copy_audit.h"
#include "bight/internal/block.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

// ---- Size classes: payloads of powers of two and 1.5 times them, plus the header
// ----------------- (A class that includes the header would double the block of a 1,024-byte
// payload.)

inline constexpr size_t kSizeClasses = 35;
inline constexpr size_t kSmallest = 16;
inline constexpr size_t kAlignedFrom = 4096;  // payloads aligned to kPayloadAlignment
inline constexpr size_t kLargeFrom = size_t{2} << 20;
inline constexpr size_t kPayloadAlignment = 64;
inline constexpr size_t kHeader = sizeof(Block);

constexpr size_t class_of(size_t payload) noexcept {
  if (payload <= kSmallest) return 0;
  const size_t top = payload - 1;
  const size_t exponent = static_cast<size_t>(std::bit_width(top)) - 1;  // at least 4
  return 2 * (exponent - 4) + ((top >> (exponent - 1)) & 1) + 1;
}
constexpr size_t class_payload(size_t c) noexcept {
  if (c == 0) return kSmallest;
  const size_t base = kSmallest << ((c - 1) / 2);
  return (c - 1) % 2 == 0 ? base + base / 2 : base * 2;
}
// Bytes asked of the allocator for class `c`: room to align the payload from kAlignedFrom on.
constexpr size_t class_total(size_t c) noexcept {
  const size_t payload = class_payload(c);
  return kHeader + payload + (payload >= kAlignedFrom ? kPayloadAlignment - 16 : 0);
}
static_assert(class_payload(class_of(17)) == 24 && class_payload(class_of(24)) == 24);
static_assert(class_payload(class_of(25)) == 32 && class_payload(class_of(1024)) == 1024);
static_assert(class_payload(class_of(1025)) == 1536 && class_payload(class_of(1537)) == 2048);
static_assert(class_of(kLargeFrom) == kSizeClasses - 1);

// ---- What a thread keeps ------------------------------------------------------------------------

// Free memory, linked. Lies where a Block or a node was.
struct FreeNode {
  FreeNode* next_batch;  // in the depot: the next batch; only set in a batch's first node
  FreeNode* next;
  size_t batch_count;  // in the depot: nodes in this batch; only set in the first
};

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

// The nodes of one size class that a thread keeps. The slow path grants places out of the thread's
// budget of bytes, so that the fast paths have one thing to look at each: the head, the room.
struct FreeList {
  FreeNode* head = nullptr;
  OwnedCounter<uint32_t> room;     // places granted and not in use
  OwnedCounter<uint32_t> granted;  // places granted: nodes in the list are granted - room
  uint32_t count() const noexcept { return granted.get() - room.get(); }
};

// Constant-initialised and trivially destructible, so that it can be used before any constructor
// and after every destructor of the thread: handles may die in other thread_locals' and in static
// destructors. `phase` says whether the cache may be used.
struct ThreadState {
  enum Phase : uint8_t {
    kFresh,  // not registered yet; nothing is granted, so every path is the slow one
    kLive,   // registered: the cache is flushed when the thread ends
    kDead,   // flushed, nothing granted: memory goes straight to the allocator
  };
  FreeList lists[kSizeClasses];
  size_t granted_bytes = 0;
  uint32_t trim_epoch = 0;  // the last trim_caches() that this thread has followed
  Phase phase = kFresh;
  OwnedCounter<uint64_t> copied;
  OwnedCounter<uint64_t> gathered;
  OwnedCounter<uint64_t> blocks;
  // The registry of live threads, under its lock.
  ThreadState* previous = nullptr;
  ThreadState* next = nullptr;
};

extern constinit thread_local ThreadState state;

void* take_memory_slow(size_t c) noexcept;
void give_memory_slow(size_t c, void* memory) noexcept;

// Memory of class `c`, class_total(c) bytes; null if there is none.
inline void* take_memory(size_t c) noexcept {
  FreeList& list = state.lists[c];
  FreeNode* const node = list.head;
  if (BIGHT_UNLIKELY(node == nullptr)) return take_memory_slow(c);
  list.head = node->next;
  list.room.add(1);
  return node;
}

inline void give_memory(size_t c, void* memory) noexcept {
  FreeList& list = state.lists[c];
  if (BIGHT_UNLIKELY(list.room.get() == 0)) {
    give_memory_slow(c, memory);
    return;
  }
  FreeNode* const node = static_cast<FreeNode*>(memory);
  node->next = list.head;
  list.head = node;
  list.room.add(static_cast<uint32_t>(-1));
}

void release_classed(Block* block) noexcept;

// A block whose payload is right behind its header, from memory of class `c` below kAlignedFrom.
inline Block* init_small_block(void* memory, size_t c) noexcept {
  std::byte* const payload = static_cast<std::byte*>(memory) + kHeader;
  return ::new (memory) Block{Count(1),         static_cast<uint8_t>(c), 0,       4,
                              Block::kWritable, {&release_classed},      payload, class_payload(c)};
}

// allocate_block(capacity) with a way that stays inline for what the thread's cache holds.
inline Block* allocate_block_fast(size_t capacity) {
  if (BIGHT_LIKELY(capacity <= kAlignedFrom / 2)) {
    const size_t c = class_of(capacity);
    FreeList& list = state.lists[c];
    FreeNode* const node = list.head;
    if (BIGHT_LIKELY(node != nullptr)) {
      // The list has something, so the thread is registered: count without asking.
      list.head = node->next;
      list.room.add(1);
      state.blocks.add(1);
      return init_small_block(node, c);
    }
  }
  return allocate_block(capacity);
}

// What the calling thread has counted.
CopyCounts thread_counts() noexcept;
// The sum over registered and ended threads.
CopyCounts all_threads_counts() noexcept;

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_SRC_THREAD_STATE_H_
