// Where blocks come from: three shapes, and the caches in front of the system's allocator.
//
//   payload < 4 KiB            [header][payload]                       one allocation
//   4 KiB .. 2 MiB             [pad][header][payload, 64-aligned]      one allocation
//   from 2 MiB, or strict      [header]   [payload]                    two; from 2 MiB on by mmap
//
// thread cache -> depot (batches) -> operator new, in lists by size class, apart for blocks and for
// nodes (owners, segment tables).
#include "bight/internal/block.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>

#include "bight/copy_audit.h"
#include "bight/memory.h"
#include "thread_state.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define BIGHT_HAS_PTHREAD 1
#else
#define BIGHT_HAS_PTHREAD 0
#endif
#if defined(__linux__)
#include <sys/mman.h>
#define BIGHT_HAS_MMAP 1
#else
#define BIGHT_HAS_MMAP 0
#endif

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define BIGHT_HAS_MSAN 1
#endif
#endif
#if !defined(BIGHT_HAS_MSAN)
#define BIGHT_HAS_MSAN 0
#endif

BIGHT_NAMESPACE_BEGIN
namespace internal {

constinit thread_local ThreadState state;

namespace {

// Off under the sanitizers that find uses after free: memory that is kept would hide them.
constexpr bool kCaching = !BIGHT_HAS_ASAN && !BIGHT_HAS_MSAN;

struct ClassTable {
  uint32_t total[kLists];
  uint32_t most[kLists];   // nodes of the list that one thread keeps
  uint32_t batch[kLists];  // nodes moved to or from the depot at once
};
// A class may hold 1.25 MiB of a thread's cache: a megabyte of 64 KiB blocks under construction,
// with some to spare. At most 128 nodes: enough for batches of 64 to make the depot's lock cheap.
constexpr size_t kClassBytes = (size_t{5} << 20) / 4;
constexpr ClassTable make_class_table() {
  ClassTable table{};
  for (size_t c = 0; c < kLists; ++c) {
    const size_t total = class_total(c % kSizeClasses);
    size_t most = kClassBytes / total;
    if (most < 1) most = 1;
    if (most > 128) most = 128;
    table.total[c] = static_cast<uint32_t>(total);
    table.most[c] = static_cast<uint32_t>(most);
    table.batch[c] = static_cast<uint32_t>((most + 1) / 2);
  }
  return table;
}
constexpr ClassTable kClasses = make_class_table();

// ---- Process-wide state: constant-initialised, never destroyed ---------------------------------

struct Limits {
  std::atomic<size_t> thread_bytes{CacheLimits{}.thread_bytes};
  std::atomic<size_t> depot_bytes{CacheLimits{}.depot_bytes};
  std::atomic<size_t> large_bytes{CacheLimits{}.large_bytes};
  std::atomic<bool> wipe_large{false};
};
constinit Limits limits;
constinit std::atomic<uint32_t> trim_epoch{0};
constinit std::atomic<size_t> system_bytes{0};

// A lock that is only ever tried, a few times: who does not get it goes to the allocator instead.
// So a child of fork() cannot hang on a lock that another thread of its parent held.
class TryLock {
 public:
  bool acquire() noexcept {
    for (int i = 0; i < 64; ++i) {
      if (!held_.test_and_set(std::memory_order_acquire)) return true;
    }
    return false;
  }
  void release() noexcept { held_.clear(std::memory_order_release); }

 private:
  std::atomic_flag held_ = ATOMIC_FLAG_INIT;
};

struct Depot {
  TryLock lock;
  FreeNode* batches = nullptr;  // under the lock
};
constinit Depot depots[kLists];
constinit std::atomic<size_t> depot_bytes{0};

// The registry of threads, for totals. Its lock is taken when a thread first frees or counts, when
// it ends and when totals are asked for; its holders allocate nothing.
constinit std::mutex registry_mutex;
constinit ThreadState* registry = nullptr;
constinit std::atomic<uint64_t> ended_copied{0};
constinit std::atomic<uint64_t> ended_gathered{0};
constinit std::atomic<uint64_t> ended_blocks{0};

// ---- The system's allocator --------------------------------------------------------------------

void* system_allocate(size_t bytes) noexcept {
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory != nullptr) system_bytes.fetch_add(bytes, std::memory_order_relaxed);
  return memory;
}

void system_free(void* memory, size_t bytes) noexcept {
  system_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  ::operator delete(memory);
}

void free_list_to_system(FreeNode* node, size_t bytes) noexcept {
  while (node != nullptr) {
    FreeNode* const next = node->next;
    system_free(node, bytes);
    node = next;
  }
}

// ---- Depot -------------------------------------------------------------------------------------

// Gives `count` linked nodes of class `c` to the depot, or back to the system.
void give_batch(size_t c, FreeNode* first, size_t count) noexcept {
  const size_t bytes = count * kClasses.total[c];
  const size_t before = depot_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= limits.depot_bytes.load(std::memory_order_relaxed)) {
    Depot& depot = depots[c];
    if (depot.lock.acquire()) {
      first->batch_count = count;
      first->next_batch = depot.batches;
      depot.batches = first;
      depot.lock.release();
      return;
    }
  }
  depot_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  free_list_to_system(first, kClasses.total[c]);
}

// Takes one batch; null if there is none to be had now.
FreeNode* take_batch(size_t c) noexcept {
  Depot& depot = depots[c];
  if (!depot.lock.acquire()) return nullptr;
  FreeNode* const first = depot.batches;
  if (first != nullptr) depot.batches = first->next_batch;
  depot.lock.release();
  if (first != nullptr) {
    depot_bytes.fetch_sub(first->batch_count * kClasses.total[c], std::memory_order_relaxed);
  }
  return first;
}

void trim_depot() noexcept {
  for (size_t c = 0; c < kLists; ++c) {
    while (FreeNode* const batch = take_batch(c)) free_list_to_system(batch, kClasses.total[c]);
  }
}

// ---- Thread cache ------------------------------------------------------------------------------

// Gives `n` more (or, wrapped, fewer) places of class `c` to the thread.
void grant(ThreadState& t, size_t c, uint32_t n) noexcept {
  t.lists[c].granted.add(n);
  t.lists[c].room.add(n);
  t.granted_bytes += static_cast<size_t>(static_cast<int32_t>(n)) * kClasses.total[c];
}

// Empties the list down to `keep` nodes, in batches to the depot or one by one to the system.
void flush_class(ThreadState& t, size_t c, uint32_t keep, bool to_depot) noexcept {
  FreeList& list = t.lists[c];
  while (list.count() > keep) {
    const uint32_t count = std::min(list.count() - keep, kClasses.batch[c]);
    FreeNode* const first = list.head;
    FreeNode* last = first;
    for (uint32_t i = 1; i < count; ++i) last = last->next;
    list.head = last->next;
    last->next = nullptr;
    list.room.add(count);
    if (to_depot) {
      give_batch(c, first, count);
    } else {
      free_list_to_system(first, kClasses.total[c]);
    }
  }
}

// Takes back places that are not in use.
void revoke(ThreadState& t, size_t c) noexcept { grant(t, c, uint32_t{0} - t.lists[c].room.get()); }

void flush_thread(ThreadState& t, bool to_depot) noexcept {
  for (size_t c = 0; c < kLists; ++c) {
    flush_class(t, c, 0, to_depot);
    revoke(t, c);
  }
}

void end_thread(ThreadState& t) noexcept {
  flush_thread(t, true);
  t.phase = ThreadState::kDead;
  const std::lock_guard<std::mutex> guard(registry_mutex);
  ended_copied.fetch_add(t.copied.get(), std::memory_order_relaxed);
  ended_gathered.fetch_add(t.gathered.get(), std::memory_order_relaxed);
  ended_blocks.fetch_add(t.blocks.get(), std::memory_order_relaxed);
  (t.previous != nullptr ? t.previous->next : registry) = t.next;
  if (t.next != nullptr) t.next->previous = t.previous;
}

#if BIGHT_HAS_PTHREAD
// Thread ends are seen by a pthread key: its destructor runs after those of all thread_locals, so
// handles that die in them still find the cache alive. Fork: the registry's lock is held across
// it, and the child forgets the threads that did not come along (their memory is reused there).
pthread_key_t thread_end_key;

void make_thread_end_key() noexcept {
  (void)::pthread_key_create(&thread_end_key,
                             [](void* t) { end_thread(*static_cast<ThreadState*>(t)); });
  (void)::pthread_atfork([] { registry_mutex.lock(); }, [] { registry_mutex.unlock(); },
                         [] {
                           ThreadState& self = state;
                           self.previous = self.next = nullptr;
                           registry = self.phase == ThreadState::kLive ? &self : nullptr;
                           registry_mutex.unlock();
                         });
}

void watch_thread_end(ThreadState& t) noexcept {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)::pthread_once(&once, [] { make_thread_end_key(); });
  (void)::pthread_setspecific(thread_end_key, &t);
}
#else
void watch_thread_end(ThreadState& t) noexcept {
  struct ThreadEnd {
    ThreadState* state = nullptr;
    ~ThreadEnd() {
      if (state != nullptr) end_thread(*state);
    }
  };
  thread_local ThreadEnd thread_end;
  thread_end.state = &t;
}
#endif

void register_thread(ThreadState& t) noexcept {
  watch_thread_end(t);
  const std::lock_guard<std::mutex> guard(registry_mutex);
  t.phase = ThreadState::kLive;
  t.trim_epoch = trim_epoch.load(std::memory_order_relaxed);
  t.next = registry;
  if (registry != nullptr) registry->previous = &t;
  registry = &t;
}

}  // namespace

BIGHT_NOINLINE void* take_memory_slow(size_t c, bool& fresh) noexcept {
  ThreadState& t = state;
  if (kCaching && t.phase != ThreadState::kDead) {
    if (FreeNode* const batch = take_batch(c)) {
      if (t.phase == ThreadState::kFresh) register_thread(t);
      // Places for the rest of the batch, if need be over the budget: the next free sees to that.
      FreeList& list = t.lists[c];
      const uint32_t rest = static_cast<uint32_t>(batch->batch_count - 1);
      if (list.room.get() < rest) grant(t, c, rest - list.room.get());
      list.head = batch->next;
      list.room.add(uint32_t{0} - rest);
      fresh = false;
      return batch;
    }
  }
  fresh = true;
  return system_allocate(kClasses.total[c]);
}

BIGHT_NOINLINE void give_memory_slow(size_t c, void* memory) noexcept {
  ThreadState& t = state;
  const size_t bytes = kClasses.total[c];
  if (!kCaching || t.phase == ThreadState::kDead) {
    system_free(memory, bytes);
    return;
  }
  if (t.phase == ThreadState::kFresh) register_thread(t);
  const uint32_t epoch = trim_epoch.load(std::memory_order_relaxed);
  if (t.trim_epoch != epoch) {
    t.trim_epoch = epoch;
    flush_thread(t, false);
  }
  FreeList& list = t.lists[c];
  const size_t limit = limits.thread_bytes.load(std::memory_order_relaxed);
  if (list.room.get() == 0) {
    uint32_t wanted = std::min(kClasses.batch[c],
                               kClasses.most[c] - std::min(kClasses.most[c], list.granted.get()));
    if (wanted != 0) {
      // Unused places of other classes first; then the classes that hold most give up nodes.
      for (size_t k = 0; k < kLists && t.granted_bytes + wanted * bytes > limit; ++k) {
        if (k != c) revoke(t, k);
      }
      for (size_t k = kLists; k-- > 0 && t.granted_bytes + wanted * bytes > limit;) {
        if (k == c) continue;
        flush_class(t, k, t.lists[k].count() / 2, true);
        revoke(t, k);
      }
      while (wanted != 0 && t.granted_bytes + wanted * bytes > limit) wanted /= 2;
      grant(t, c, wanted);
    }
  }
  if (list.room.get() == 0 && list.count() != 0) {
    flush_class(t, c, list.count() - std::min(list.count(), kClasses.batch[c]), true);
  }
  if (list.room.get() == 0) {
    FreeNode* const node = static_cast<FreeNode*>(memory);
    node->next = nullptr;
    give_batch(c, node, 1);
    return;
  }
  give_memory(c, memory);
}

// ---- Blocks below 2 MiB ------------------------------------------------------------------------

void release_small(Block* block) noexcept { give_memory(block->size_class, block); }

namespace {

// From kAlignedFrom on the header is not where the memory begins, so what the lists link stands
// apart from it: at the start, and the header is written anew each time.
void release_aligned(Block* block) noexcept {
  give_memory(block->size_class, reinterpret_cast<std::byte*>(block) - block->lead);
}

Block* make_classed(size_t c) {
  bool fresh;
  void* const memory = take_memory(c, fresh);
  if (BIGHT_UNLIKELY(memory == nullptr)) fail_allocation(kClasses.total[c]);
  const size_t capacity = class_payload(c);
  std::byte* payload = static_cast<std::byte*>(memory) + kHeader;
  if (capacity < kAlignedFrom) {
    if (!fresh) {
      Block* const block = static_cast<Block*>(memory);
      block->refs.reset(1);
      block->release = &release_small;
      return block;
    }
    return ::new (memory) Block{Count(1),         static_cast<uint8_t>(c), 0,       4,
                                Block::kWritable, {&release_small},        payload, capacity};
  }
  const auto address = reinterpret_cast<uintptr_t>(payload);
  const size_t lead = (kPayloadAlignment - address % kPayloadAlignment) % kPayloadAlignment;
  payload += lead;
  return ::new (payload - kHeader) Block{Count(1),
                                         static_cast<uint8_t>(c),
                                         static_cast<uint8_t>(lead),
                                         6,
                                         Block::kWritable,
                                         {&release_aligned},
                                         payload,
                                         capacity};
}

// ---- Payload apart: large blocks and strict alignments --------------------------------------

struct ApartBlock : Block {
  size_t bytes;      // of the payload's allocation
  size_t alignment;  // for operator delete; 0: mapped
};

Block* make_aligned(size_t capacity, size_t alignment) {
  const size_t bytes = (capacity + alignment - 1) & ~(alignment - 1);
  void* const node = allocate_node(sizeof(ApartBlock));
  void* const payload = ::operator new(bytes, std::align_val_t(alignment), std::nothrow);
  if (payload == nullptr) {
    free_node(node, sizeof(ApartBlock));
    fail_allocation(bytes);
  }
  system_bytes.fetch_add(bytes, std::memory_order_relaxed);
  ApartBlock* const block = ::new (node)
      ApartBlock{{Count(1),
                  Block::kUncached,
                  0,
                  static_cast<uint8_t>(std::countr_zero(alignment)),
                  Block::kWritable,
                  {[](Block* dead) noexcept {
                    ApartBlock* const self = static_cast<ApartBlock*>(dead);
                    ::operator delete(self->storage, std::align_val_t(self->alignment));
                    system_bytes.fetch_sub(self->bytes, std::memory_order_relaxed);
                    free_node(self, sizeof(ApartBlock));
                  }},
                  static_cast<std::byte*>(payload),
                  bytes},
                 bytes,
                 alignment};
  return block;
}

// Mapped blocks are multiples of this; larger system pages round up in mmap.
constexpr size_t kPage = 4096;

#if BIGHT_HAS_MMAP
constexpr size_t kHugePage = size_t{2} << 20;

void unmap(ApartBlock* block) noexcept {
  ::munmap(block->storage, block->bytes);
  system_bytes.fetch_sub(block->bytes, std::memory_order_relaxed);
  free_node(block, sizeof(ApartBlock));
}

// Freed large blocks, oldest first.
struct LargeCache {
  TryLock lock;
  static constexpr size_t kMost = 128;
  ApartBlock* blocks[kMost] = {};
  size_t count = 0;
  std::atomic<size_t> bytes{0};
};
constinit LargeCache large_cache;

// What a kept block keeps from the system: the payload and its header's memory.
size_t cost_of(const ApartBlock* block) noexcept {
  return block->bytes + class_total(class_of(sizeof(ApartBlock) - kHeader));
}

// Takes blocks out, oldest first, until at most `limit` bytes are kept and one more fits; returns
// them linked. Under the lock.
Block* evict_large(size_t limit) noexcept {
  Block* evicted = nullptr;
  size_t gone = 0;
  while (gone < large_cache.count && (large_cache.bytes.load(std::memory_order_relaxed) > limit ||
                                      large_cache.count - gone >= LargeCache::kMost)) {
    ApartBlock* const block = large_cache.blocks[gone++];
    large_cache.bytes.fetch_sub(cost_of(block), std::memory_order_relaxed);
    block->next_free = evicted;
    evicted = block;
  }
  std::copy(large_cache.blocks + gone, large_cache.blocks + large_cache.count, large_cache.blocks);
  large_cache.count -= gone;
  return evicted;
}

void unmap_list(Block* block) noexcept {
  while (block != nullptr) {
    ApartBlock* const next = static_cast<ApartBlock*>(block->next_free);
    unmap(static_cast<ApartBlock*>(block));
    block = next;
  }
}

void trim_large(size_t limit) noexcept {
  if (!large_cache.lock.acquire()) return;
  Block* const evicted = evict_large(limit);
  large_cache.lock.release();
  unmap_list(evicted);
}

void release_mapped(Block* dead) noexcept {
  ApartBlock* const block = static_cast<ApartBlock*>(dead);
  const size_t limit = limits.large_bytes.load(std::memory_order_relaxed);
  if (!kCaching || cost_of(block) > limit) {
    unmap(block);
    return;
  }
  if (limits.wipe_large.load(std::memory_order_relaxed)) {
    std::memset(block->storage, 0, block->capacity);
  }
  if (!large_cache.lock.acquire()) {
    unmap(block);
    return;
  }
  Block* const evicted = evict_large(limit - cost_of(block));
  large_cache.blocks[large_cache.count++] = block;
  large_cache.bytes.fetch_add(cost_of(block), std::memory_order_relaxed);
  large_cache.lock.release();
  unmap_list(evicted);
}

// The smallest cached block that fits and wastes at most a quarter; null if there is none.
ApartBlock* take_large(size_t bytes) noexcept {
  if (large_cache.bytes.load(std::memory_order_relaxed) < bytes || !large_cache.lock.acquire()) {
    return nullptr;
  }
  size_t best = LargeCache::kMost;
  for (size_t i = 0; i < large_cache.count; ++i) {
    const size_t have = large_cache.blocks[i]->bytes;
    if (have >= bytes && have - bytes <= bytes / 4 &&
        (best == LargeCache::kMost || have < large_cache.blocks[best]->bytes)) {
      best = i;
    }
  }
  ApartBlock* found = nullptr;
  if (best != LargeCache::kMost) {
    found = large_cache.blocks[best];
    std::copy(large_cache.blocks + best + 1, large_cache.blocks + large_cache.count,
              large_cache.blocks + best);
    --large_cache.count;
    large_cache.bytes.fetch_sub(cost_of(found), std::memory_order_relaxed);
  }
  large_cache.lock.release();
  return found;
}

// Maps `bytes` (whole pages) at a multiple of 2 MiB; null if the system has none.
void* map_aligned(size_t bytes) noexcept {
  const size_t spare = kHugePage;
  void* const raw = ::mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(raw);
  const size_t front = (kHugePage - address % kHugePage) % kHugePage;
  std::byte* const start = static_cast<std::byte*>(raw) + front;
  if (front != 0) ::munmap(raw, front);
  if (spare != front) ::munmap(start + bytes, spare - front);
  return start;
}

Block* make_large(size_t capacity) {
  const size_t bytes = (capacity + kPage - 1) & ~(kPage - 1);
  if (kCaching) {
    if (ApartBlock* const kept = take_large(bytes)) {
      kept->refs.reset(1);
      kept->release = &release_mapped;
      return kept;
    }
  }
  void* const node = allocate_node(sizeof(ApartBlock));
  void* const payload = map_aligned(bytes);
  if (payload == nullptr) {
    free_node(node, sizeof(ApartBlock));
    fail_allocation(bytes);
  }
  system_bytes.fetch_add(bytes, std::memory_order_relaxed);
#if defined(MADV_HUGEPAGE)
  // Only on whole huge pages inside what was asked for: over the rounded capacity, a hundred blocks
  // of 2.56 MiB would hold 1.56 times their bytes. A refusal costs speed only.
  const size_t whole = capacity & ~(kHugePage - 1);
  if (whole != 0) (void)::madvise(payload, whole, MADV_HUGEPAGE);
#endif
  return ::new (node) ApartBlock{{Count(1),
                                  Block::kUncached,
                                  0,
                                  21,
                                  Block::kWritable,
                                  {&release_mapped},
                                  static_cast<std::byte*>(payload),
                                  bytes},
                                 bytes,
                                 0};
}
#else
void trim_large(size_t) noexcept {}
Block* make_large(size_t capacity) { return make_aligned(capacity, kPayloadAlignment); }
#endif

// ---- Blocks of a memory resource ---------------------------------------------------------------

struct PmrBlock : Block {
  std::pmr::memory_resource* resource;
  size_t bytes;
  size_t alignment;
  std::shared_ptr<std::pmr::memory_resource> keep;
};

void release_pmr(Block* dead) noexcept {
  PmrBlock* const block = static_cast<PmrBlock*>(dead);
  std::pmr::memory_resource* const resource = block->resource;
  const size_t bytes = block->bytes;
  const size_t alignment = block->alignment;
  // The resource may go with the block, but only after it has taken the block back.
  const std::shared_ptr<std::pmr::memory_resource> keep = std::move(block->keep);
  block->~PmrBlock();
  resource->deallocate(block, bytes, alignment);
}

Block* make_pmr(size_t capacity, size_t alignment, std::pmr::memory_resource* resource,
                std::shared_ptr<std::pmr::memory_resource> keep) {
  alignment = std::max(alignment, std::max(alignof(PmrBlock), size_t{16}));
  const size_t front = (sizeof(PmrBlock) + alignment - 1) & ~(alignment - 1);
  capacity = std::max(capacity, size_t{1});
  const size_t payload = checked_sum("alignment", capacity, alignment - 1) & ~(alignment - 1);
  const size_t bytes = checked_sum("block", front, payload);
  std::byte* const memory = static_cast<std::byte*>(resource->allocate(bytes, alignment));
  return ::new (memory) PmrBlock{{Count(1),
                                  Block::kUncached,
                                  0,
                                  static_cast<uint8_t>(std::countr_zero(alignment)),
                                  Block::kWritable | Block::kFromResource,
                                  {&release_pmr},
                                  memory + front,
                                  payload},
                                 resource,
                                 bytes,
                                 alignment,
                                 std::move(keep)};
}

}  // namespace

// ---- Interface ---------------------------------------------------------------------------------

Block* allocate_block(size_t capacity) {
  if (capacity > kMaxSize) fail_too_large("block", capacity, 0);
  Block* block;
  if (capacity <= kFastPayload) {
    block = take_cached_block(capacity);
    if (block != nullptr) return block;
  }
  if (capacity < kLargeFrom) {
    block = make_classed(class_of(capacity));
  } else if (kCaching) {
    block = make_large(capacity);
  } else {
    block = make_aligned(capacity, kPayloadAlignment);  // where the sanitizer watches it
  }
  count_block();
  return block;
}

Block* allocate_block(size_t capacity, const BlockSpec& spec) {
  if (spec.alignment != 0 && !std::has_single_bit(spec.alignment)) {
    fail_value("alignment", spec.alignment, "is not a power of two");
  }
  if (capacity > kMaxSize - spec.alignment) fail_too_large("block", capacity, spec.alignment);
  std::pmr::memory_resource* const resource =
      spec.keep != nullptr ? spec.keep.get() : spec.resource;
  Block* block;
  if (resource != nullptr) {
    block = make_pmr(capacity, spec.alignment, resource, spec.keep);
  } else if (spec.alignment <= 16) {
    return allocate_block(capacity);
  } else if (spec.alignment <= kPayloadAlignment) {
    return allocate_block(std::max(capacity, kAlignedFrom));
  } else {
    block = make_aligned(std::max(capacity, size_t{1}), spec.alignment);
  }
  count_block();
  return block;
}

Block* allocate_block_like(size_t capacity, const Block* like) {
  if (like == nullptr || (like->flags & Block::kForeign) != 0) return allocate_block(capacity);
  BlockSpec spec;
  if ((like->flags & Block::kFromResource) != 0) {
    const PmrBlock* const pmr = static_cast<const PmrBlock*>(like);
    spec.resource = pmr->resource;
    spec.keep = pmr->keep;
    spec.alignment = pmr->alignment;
  } else if (like->size_class == Block::kUncached) {
    // A mapped block has alignment 0: it is aligned by its nature, not because somebody asked.
    spec.alignment = static_cast<const ApartBlock*>(like)->alignment;
  }
  return allocate_block(capacity, spec);
}

size_t block_capacity_for(size_t capacity) noexcept {
  if (capacity < kLargeFrom) return class_payload(class_of(capacity));
  const size_t unit = kCaching && BIGHT_HAS_MMAP ? kPage : kPayloadAlignment;
  return (capacity + unit - 1) & ~(unit - 1);
}

size_t block_footprint(const Block* block) noexcept { return kHeader + block->capacity; }

void* try_allocate_node(size_t bytes) noexcept {
  if (bytes > kLargeFrom) return system_allocate(bytes);
  size_t c = class_of(bytes > kHeader ? bytes - kHeader : 0);
  // Above kAlignedFrom a class has a little more room than its payload and header.
  if (c > 0 && kClasses.total[c - 1] >= bytes) --c;
  bool fresh;
  return take_memory(kNodeLists + c, fresh);
}

void* allocate_node(size_t bytes) {
  void* const node = try_allocate_node(bytes);
  if (node == nullptr) fail_allocation(bytes);
  return node;
}

void free_node(void* node, size_t bytes) noexcept {
  if (bytes > kLargeFrom) {
    system_free(node, bytes);
    return;
  }
  size_t c = class_of(bytes > kHeader ? bytes - kHeader : 0);
  if (c > 0 && kClasses.total[c - 1] >= bytes) --c;
  give_memory(kNodeLists + c, node);
}

namespace {

void count(OwnedCounter<uint64_t> ThreadState::*counter, std::atomic<uint64_t>& ended,
           uint64_t n) noexcept {
  ThreadState& t = state;
  if (BIGHT_UNLIKELY(t.phase != ThreadState::kLive)) {
    if (t.phase == ThreadState::kDead) {
      ended.fetch_add(n, std::memory_order_relaxed);
    } else {
      register_thread(t);  // so that the process form sees this thread
    }
  }
  (t.*counter).add(n);
}

}  // namespace

void count_copied(size_t bytes) noexcept { count(&ThreadState::copied, ended_copied, bytes); }
void count_gathered(size_t bytes) noexcept { count(&ThreadState::gathered, ended_gathered, bytes); }
void count_block() noexcept { count(&ThreadState::blocks, ended_blocks, 1); }

CopyCounts thread_counts() noexcept {
  return {state.copied.get(), state.gathered.get(), state.blocks.get()};
}

CopyCounts all_threads_counts() noexcept {
  const std::lock_guard<std::mutex> guard(registry_mutex);
  CopyCounts sum{ended_copied.load(std::memory_order_relaxed),
                 ended_gathered.load(std::memory_order_relaxed),
                 ended_blocks.load(std::memory_order_relaxed)};
  for (const ThreadState* t = registry; t != nullptr; t = t->next) {
    sum.copied += t->copied.get();
    sum.gathered += t->gathered.get();
    sum.blocks += t->blocks.get();
  }
  return sum;
}

}  // namespace internal

void set_cache_limits(const CacheLimits& wanted) noexcept {
  using namespace internal;
  limits.thread_bytes.store(wanted.thread_bytes, std::memory_order_relaxed);
  limits.depot_bytes.store(wanted.depot_bytes, std::memory_order_relaxed);
  limits.large_bytes.store(wanted.large_bytes, std::memory_order_relaxed);
  limits.wipe_large.store(wanted.wipe_large, std::memory_order_relaxed);
  ThreadState& t = state;
  trim_large(wanted.large_bytes);  // first: the headers go to the thread's cache
  if (t.granted_bytes > wanted.thread_bytes) flush_thread(t, false);
  if (depot_bytes.load(std::memory_order_relaxed) > wanted.depot_bytes) trim_depot();
}

CacheLimits cache_limits() noexcept {
  using namespace internal;
  CacheLimits now;
  now.thread_bytes = limits.thread_bytes.load(std::memory_order_relaxed);
  now.depot_bytes = limits.depot_bytes.load(std::memory_order_relaxed);
  now.large_bytes = limits.large_bytes.load(std::memory_order_relaxed);
  now.wipe_large = limits.wipe_large.load(std::memory_order_relaxed);
  return now;
}

void trim_caches() noexcept {
  using namespace internal;
  ThreadState& t = state;
  trim_large(0);  // first: the headers go to the thread's cache
  t.trim_epoch = trim_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
  flush_thread(t, false);
  trim_depot();
}

MemoryTotals memory_totals() noexcept {
  using namespace internal;
  MemoryTotals totals;
  totals.allocated = system_bytes.load(std::memory_order_relaxed);
  totals.depot_cached = depot_bytes.load(std::memory_order_relaxed);
#if BIGHT_HAS_MMAP
  totals.large_cached = large_cache.bytes.load(std::memory_order_relaxed);
#endif
  const std::lock_guard<std::mutex> guard(registry_mutex);
  for (const ThreadState* t = registry; t != nullptr; t = t->next) {
    for (size_t c = 0; c < kLists; ++c) {
      totals.thread_cached += t->lists[c].count() * size_t{kClasses.total[c]};
    }
  }
  return totals;
}

BIGHT_NAMESPACE_END
