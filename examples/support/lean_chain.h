// A guard for chains that grow from what strangers send: single bytes of many blocks would keep all
// of these blocks alive.
#ifndef EXAMPLES_SUPPORT_LEAN_CHAIN_H_
#define EXAMPLES_SUPPORT_LEAN_CHAIN_H_

#include <bight/chain.h>

#include <cstddef>
#include <utility>

namespace example {

// One a growing chain. Looks at each 64 segments once, when the next has come, and copies their
// bytes together when they hold on to more than eight times as much memory as they show. So what it
// may overlook are 64 blocks, and looking costs the same for every segment.
class LeanChain {
 public:
  void look(bight::Chain& chain) {
    if (chain.segment_count() < next_) return;
    bight::Chain fresh = chain.split_off(seen_);
    if (fresh.retained_size() / 8 > fresh.size()) fresh = fresh.compact();
    chain.push_back(std::move(fresh));
    seen_ = chain.size();
    next_ = chain.segment_count() + 64;
  }
  // Drops the first `n` bytes of a chain that may have grown.
  void consume(bight::Chain& chain, size_t n) {
    chain.consume(n);
    if (n != 0) *this = {};
    look(chain);
  }

 private:
  size_t seen_ = 0;   // bytes looked at
  size_t next_ = 64;  // segments at which it looks again
};

}  // namespace example

#endif  // EXAMPLES_SUPPORT_LEAN_CHAIN_H_
