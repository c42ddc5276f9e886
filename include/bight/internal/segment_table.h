// The table behind a Chain of more than two segments: slots in a row, shared by reference count.
//
//   slot i covers the stream positions [starts[i], starts[i + 1]), modulo 2^64
//
//   starts:  s0    s1      s2   s3        capacity + 1 of them
//   slots:   | b0  |  b1   | b2 |         {where the bytes of position starts[i] are, block}
//            head              tail
//
// T1  Slots [head, tail) hold one reference on their block each and are not empty.
// T2  While refs > 1: head stays, filled slots never change, tail moves only by compare-exchange.
// T3  While refs == 1 (seen with acquire): the one chain that holds it may change anything.
// After its decrement of refs a thread never touches the table.
#ifndef BIGHT_INTERNAL_SEGMENT_TABLE_H_
#define BIGHT_INTERNAL_SEGMENT_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "bight/config.h"
#include "bight/internal/block.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

struct Slot {
  const std::byte* data;
  uintptr_t block;
};

struct SegmentTable {
  Count refs;
  uint32_t capacity;
  // First slot that no chain has claimed. Relaxed everywhere: a claimed slot is written by its
  // claimant alone and reaches other threads only with a chain that is handed over (which
  // synchronises by itself) or through the decrement of refs (acq_rel).
  std::atomic<uint32_t> tail;
  uint32_t head;

  size_t* starts() noexcept { return reinterpret_cast<size_t*>(this + 1); }
  const size_t* starts() const noexcept { return reinterpret_cast<const size_t*>(this + 1); }
  Slot* slots() noexcept { return reinterpret_cast<Slot*>(starts() + capacity + 1); }
  const Slot* slots() const noexcept {
    return reinterpret_cast<const Slot*>(starts() + capacity + 1);
  }
  uint32_t end() const noexcept { return tail.load(std::memory_order_relaxed); }
  void set_end(uint32_t value) noexcept { tail.store(value, std::memory_order_relaxed); }
};
static_assert(sizeof(size_t) != 8 || sizeof(SegmentTable) == 16);

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_INTERNAL_SEGMENT_TABLE_H_
