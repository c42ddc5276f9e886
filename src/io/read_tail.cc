#include "bight/io/read_tail.h"

#include "bight/io/read.h"

BIGHT_NAMESPACE_BEGIN

ReadTail& ReadTail::of_this_thread() {
  thread_local ReadTail tail;
  return tail;
}

void ReadTail::trim() { room_ = ChainBuilder(internal::blocks_of(block_size_)); }

IoResult ReadTail::read_some(internal::SourceRef source, ReadSize& size, Chain& received) {
  received.clear();
  // Left from a read that ran out of memory: it is another connection's.
  room_.clear();
  const IoResult result = internal::read_some(source, room_, size);
  received = room_.take();
  return result;
}

BIGHT_NAMESPACE_END
