// A guard for chains that grow from what strangers send: single bytes of many blocks would keep all
// of these blocks alive.
#ifndef EXAMPLES_SUPPORT_LEAN_CHAIN_H_
#define EXAMPLES_SUPPORT_LEAN_CHAIN_H_

#include <bight/chain.h>

#include <cstddef>

namespace example {

// One a growing chain. Copies its bytes together when it holds on to more than eight times as much
// memory as it shows. Looks only once in 64 segments, so what it may overlook are 64 blocks.
class LeanChain {
 public:
  void look(bight::Chain& chain) {
    if (chain.segment_count() < next_) return;
    if (chain.retained_size() / 8 > chain.size()) chain = chain.compact();
    next_ = chain.segment_count() + 64;
  }

 private:
  size_t next_ = 64;  // segments at which it looks again
};

}  // namespace example

#endif  // EXAMPLES_SUPPORT_LEAN_CHAIN_H_
