// Storage and its reference count: what Bytes, builders and Chain share.
//
// A Block is a 32-byte header. Its payload stands right behind it, or elsewhere (large or strictly
// aligned payloads, foreign memory). Not for users: include bight/bytes.h.
#ifndef BIGHT_INTERNAL_BLOCK_H_
#define BIGHT_INTERNAL_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>

#if !BIGHT_PLAIN_COUNT
#include <atomic>
#endif

#include "bight/config.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

// A 32-bit reference count. Refuses to pass 2^31: the rest up to 2^32 is room for increments that
// are under way in other threads while one of them notices.
//
// Memory order. Taking a reference is relaxed: who takes one already holds one, so the block cannot
// die meanwhile and nothing is published by it. Dropping is acq_rel: the release half makes this
// thread's reads and writes of the payload happen before the last drop, the acquire half lets
// the last dropper see those of all others. is_one() is acquire for the same reason: seeing 1 means
// every other holder has dropped, and what they did must be visible before we write or free.
class Count {
 public:
  explicit Count(uint32_t value) noexcept : value_(value) {}

#if BIGHT_PLAIN_COUNT
  void take(uint32_t n = 1) noexcept {
    if (value_ > kLimit) fail("reference count passes 2147483648");
    value_ += n;
  }
  bool drop(uint32_t n = 1) noexcept { return (value_ -= n) == 0; }
  bool is(uint32_t n) const noexcept { return value_ == n; }
  uint32_t get() const noexcept { return value_; }
  void reset(uint32_t n) noexcept { value_ = n; }
#else
  void take(uint32_t n = 1) noexcept {
    if (value_.fetch_add(n, std::memory_order_relaxed) > kLimit) {
      fail("reference count passes 2147483648");
    }
  }
  // Whether this was the last reference.
  bool drop(uint32_t n = 1) noexcept { return value_.fetch_sub(n, std::memory_order_acq_rel) == n; }
  bool is(uint32_t n) const noexcept { return value_.load(std::memory_order_acquire) == n; }
  uint32_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
  // Only while nobody else can see it.
  void reset(uint32_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
#endif
  bool is_one() const noexcept { return is(1); }

 private:
  static constexpr uint32_t kLimit = uint32_t{1} << 31;
#if BIGHT_PLAIN_COUNT
  uint32_t value_;
#else
  std::atomic<uint32_t> value_;
#endif
};

struct Block {
  Count refs;
  // Which free list the memory belongs to; kUncached if none.
  uint8_t size_class;
  // Bytes between the start of the allocation and this header (payloads aligned up to 64).
  uint8_t lead;
  // log2 of the payload's alignment.
  uint8_t alignment_log2;
  uint8_t flags;
  // Frees the block; called once, by whichever thread dropped the last reference. While the block
  // lies in a free list this word holds the link instead.
  union {
    void (*release)(Block*) noexcept;
    Block* next_free;
  };
  std::byte* storage;  // payload
  size_t capacity;     // payload bytes

  // The payload is the library's own memory, so a sole holder may write it.
  static constexpr uint8_t kWritable = 1;
  // A PmrBlock.
  static constexpr uint8_t kFromResource = 2;
  // Foreign bytes: a TaggedBlock with an owner or a release function.
  static constexpr uint8_t kForeign = 4;
  static constexpr uint8_t kUncached = 0xff;

  bool writable() const noexcept { return (flags & kWritable) != 0; }
};
static_assert(sizeof(void*) != 8 || sizeof(Block) == 32);

// What a new block needs beyond its size.
struct BlockSpec {
  size_t alignment = 0;  // 0: whatever the shape gives (at least 16)
  std::pmr::memory_resource* resource = nullptr;
  std::shared_ptr<std::pmr::memory_resource> keep;
};

// A writable block of at least `capacity` uninitialised bytes, with one reference.
// Fails with bad_alloc; `capacity` above kMaxSize is too large.
BIGHT_API Block* allocate_block(size_t capacity);
BIGHT_API Block* allocate_block(size_t capacity, const BlockSpec& spec);
// A block from the same resource and with the same alignment as `like` (null: plain).
BIGHT_API Block* allocate_block_like(size_t capacity, const Block* like);
// The capacity that a fresh block of allocate_block(capacity) has (one from the cache may be
// larger).
BIGHT_API size_t block_capacity_for(size_t capacity) noexcept;
// What a block costs in memory: header and payload (foreign payloads included).
BIGHT_API size_t block_footprint(const Block* block) noexcept;

// Raw memory from the same caches, for owners and segment tables: `bytes` at most 1 MiB are cached.
// 16-byte aligned. The try_ form returns null instead of throwing.
BIGHT_API void* allocate_node(size_t bytes);
BIGHT_API void* try_allocate_node(size_t bytes) noexcept;
BIGHT_API void free_node(void* node, size_t bytes) noexcept;

// Calls the block's release function.
inline void release_block(Block* block) noexcept { block->release(block); }

// A handle's block word: the block's address, and in bit 0 the hint that the handle was born by
// copying, so that it is probably not the last one and its drop goes straight to the decrement
// (two threads on one handle: 27.7 ns against 41-43 with the test first). Without the hint the
// drop looks first and spares the read-modify-write when it is the sole one.
inline constexpr uintptr_t kSharedHint = 1;

inline Block* block_of(uintptr_t word) noexcept {
  return reinterpret_cast<Block*>(word & ~kSharedHint);
}
inline uintptr_t word_of(Block* block) noexcept { return reinterpret_cast<uintptr_t>(block); }

// Takes a reference and returns the new handle's word.
inline uintptr_t share_word(uintptr_t word) noexcept {
  if (word == 0) return 0;
  block_of(word)->refs.take();
  return word | kSharedHint;
}
// Drops `n` references held through `word`.
inline void drop_word(uintptr_t word, uint32_t n = 1) noexcept {
  if (word == 0) return;
  Block* const block = block_of(word);
  if ((word & kSharedHint) == 0 && block->refs.is(n)) {
    release_block(block);
  } else if (block->refs.drop(n)) {
    release_block(block);
  }
}

// A segment as Chain and Bytes store it. Plain data: who holds one holds a reference on its block
// and says where it goes.
struct Segment {
  const std::byte* data = nullptr;
  size_t size = 0;
  uintptr_t block = 0;
};

// A copy, word by word. Where a segment has just been written, as two parts of other sizes, a
// compiler's load of two words at once finds neither of them in the store buffer and waits until
// both have left it: four nanoseconds, as much as a reference.
inline Segment by_words(const Segment& from) noexcept {
  Segment copy = from;
#if defined(__GNUC__) || defined(__clang__)
  asm("" : "+r"(copy.data), "+r"(copy.size), "+r"(copy.block));
#endif
  return copy;
}

// For tests and for the layers above: the parts of handles that are nobody else's business.
struct Access;

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_INTERNAL_BLOCK_H_
