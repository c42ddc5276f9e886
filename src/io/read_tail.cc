#include "bight/io/read_tail.h"

#include "bight/io/read.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN

ReadTail& ReadTail::of_this_thread() {
  thread_local ReadTail tail;
  return tail;
}

void ReadTail::trim() { room_ = ChainBuilder(internal::blocks_of(block_size_)); }

IoResult ReadTail::read_slow(internal::SourceRef source, ReadSize& size, Chain& received) {
  if (!received.empty()) received.clear();
  // No read leaves bytes here. Were there any, they would be another connection's.
  if (!room_.empty()) room_.clear();
  const IoResult result = internal::read_some(source, room_, size);
  if (result.bytes != 0) received = room_.take();
  return result;
}

IoResult ReadTail::read_on(IoResult first, internal::SourceRef source, iovec room, ReadSize& size,
                           Chain& received) {
  const IoResult result = internal::take_in(source, {&room, 1}, room.iov_len, &first);
  size.record(room.iov_len, result.bytes);
  if (result.bytes != 0) keep(result.bytes, received);
  return result;
}

BIGHT_NAMESPACE_END
