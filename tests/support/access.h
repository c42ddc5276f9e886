// What tests may know of the inside of handles: reference counts and representations.
#ifndef BIGHT_TESTS_SUPPORT_ACCESS_H_
#define BIGHT_TESTS_SUPPORT_ACCESS_H_

#include <cstdint>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

struct Access {
  static Block* block(const Bytes& bytes) { return block_of(bytes.segment_.block); }
  static Block* block(const BytesBuilder& builder) { return builder.block(); }
  // References on the block; 0 without one.
  static uint32_t references(const Bytes& bytes) {
    return block(bytes) == nullptr ? 0 : block(bytes)->refs.get();
  }
  static uint32_t references(const BytesBuilder& builder) {
    return builder.block() == nullptr ? 0 : builder.block()->refs.get();
  }
  static bool is_inline(const Chain& chain) { return chain.is_inline(); }
  static const SegmentTable* table(const Chain& chain) {
    return chain.is_inline() ? nullptr : chain.table();
  }
  static uint32_t table_references(const Chain& chain) {
    return chain.is_inline() ? 0 : chain.table()->refs.get();
  }
  static uint32_t table_capacity(const Chain& chain) {
    return chain.is_inline() ? 0 : chain.table()->capacity;
  }
  static bool has_edge(const Chain& chain) {
    return !chain.is_inline() && chain.window_.edge.size != 0;
  }
  // References held in store for cuts from the front.
  static uint32_t credits(const Chain& chain) {
    return chain.is_inline() ? chain.inline_credits() : chain.window_.credits;
  }
  // Makes the stream positions of a chain with a table start just below 2^64, so that they wrap.
  static void move_positions(Chain& chain, size_t begin);
};

inline void Access::move_positions(Chain& chain, size_t begin) {
  if (chain.is_inline() || chain.table()->refs.get() != 1) return;
  SegmentTable* const t = chain.table();
  const size_t by = begin - chain.window_.begin;
  for (uint32_t i = t->head; i <= t->end(); ++i) t->starts()[i] += by;
  chain.window_.begin = begin;
}

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_TESTS_SUPPORT_ACCESS_H_
