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

// Free memory, linked. Lies where a block's header was, and leaves all of it but `release` as it
// was, so that a block that comes back needs only its count and that word anew.
// may_alias: the link is stored where the compiler has seen a Block's function pointer.
#if defined(__GNUC__) || defined(__clang__)
#define BIGHT_MAY_ALIAS __attribute__((may_alias))
#else
#define BIGHT_MAY_ALIAS
#endif
struct BIGHT_MAY_ALIAS FreeNode {
  uint64_t block_refs_and_kind;
  FreeNode* next;
  std::byte* block_storage;
  size_t block_capacity;
  FreeNode* next_batch;  // in the depot: the next batch; only set in a batch's first node
  size_t batch_count;    // in the depot: nodes in this batch; only set in the first
};
static_assert(offsetof(FreeNode, next) == offsetof(Block, next_free));
static_assert(sizeof(FreeNode) <= class_total(0));

// A list for each size class of blocks, and behind them one for each of nodes (owners, segment
// tables): memory stays what it was.
inline constexpr size_t kNodeLists = kSizeClasses;
inline constexpr size_t kLists = 2 * kSizeClasses;

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
  FreeList lists[kLists];
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

// In a shared library a thread_local is found by a call of the run-time linker, which a small block
// made and dropped pays twice. At a fixed distance from the thread's own register there is none;
// the price is that a library loaded later (dlopen) takes the state's 1.2 KB from what the C
// library keeps in reserve for that, 1.6 KB in all with glibc, and fails to load when they are
// gone. -DBIGHT_GENERAL_TLS builds without.
#if BIGHT_SHARED && defined(__ELF__) && !defined(BIGHT_GENERAL_TLS)
#define BIGHT_TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define BIGHT_TLS_MODEL
#endif
extern constinit thread_local ThreadState state BIGHT_TLS_MODEL;

// Memory of list `l`, class_total(l % kSizeClasses) bytes; null if there is none. `fresh` says
// whether it comes from the system, so that no header stands in it.
void* take_memory_slow(size_t l, bool& fresh) noexcept;
void give_memory_slow(size_t l, void* memory) noexcept;

inline void* take_memory(size_t l, bool& fresh) noexcept {
  FreeList& list = state.lists[l];
  FreeNode* const node = list.head;
  if (BIGHT_UNLIKELY(node == nullptr)) return take_memory_slow(l, fresh);
  fresh = false;
  list.head = node->next;
  list.room.add(1);
  return node;
}

inline void give_memory(size_t l, void* memory) noexcept {
  FreeList& list = state.lists[l];
  if (BIGHT_UNLIKELY(list.room.get() == 0)) {
    give_memory_slow(l, memory);
    return;
  }
  FreeNode* const node = static_cast<FreeNode*>(memory);
  node->next = list.head;
  list.head = node;
  list.room.add(static_cast<uint32_t>(-1));
}

// The release function of blocks from the lists.
void release_small(Block* block) noexcept;

// The class of payloads up to kFastPayload, by their size in 8 bytes.
inline constexpr size_t kFastPayload = 2048;
struct FastClasses {
  uint8_t of[kFastPayload / 8 + 1];
};
constexpr FastClasses make_fast_classes() {
  FastClasses table{};
  for (size_t i = 0; i <= kFastPayload / 8; ++i)
    table.of[i] = static_cast<uint8_t>(class_of(8 * i));
  return table;
}
inline constexpr FastClasses kFastClasses = make_fast_classes();

// A block for `payload` bytes (at most kFastPayload) if the thread's cache has one, else null.
inline Block* take_cached_block(size_t payload) noexcept {
  FreeList& list = state.lists[kFastClasses.of[(payload + 7) / 8]];
  FreeNode* const node = list.head;
  if (BIGHT_UNLIKELY(node == nullptr)) return nullptr;
  list.head = node->next;
  list.room.add(1);
  // The list had something, so the thread is registered: count without asking.
  state.blocks.add(1);
  Block* const block = reinterpret_cast<Block*>(node);
  block->refs.reset(1);
  block->release = &release_small;
  return block;
}

// What the calling thread has counted.
CopyCounts thread_counts() noexcept;
// The sum over registered and ended threads.
CopyCounts all_threads_counts() noexcept;

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_SRC_THREAD_STATE_H_
