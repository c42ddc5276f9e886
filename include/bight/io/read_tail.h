// ReadTail: one block that the reads of many connections fill, one behind the other.
//
//   ReadTail& tail = ReadTail::of_this_thread();
//   Chain received;                                    // per connection: a ReadSize, no builder
//   IoResult r = read_some(socket, tail, connection.size, received);
//
// A builder a connection holds a block of its own, begun and not full: 2,000 idle connections with
// 64 KiB each. Here a message of 64 bytes that is kept costs its 64 bytes and a handle, however
// many connections there are, as its neighbours in the block are other kept messages. When most
// messages are dropped and a few are kept long, keep Chain::compact() of those: a slice pins its
// whole block.
//
// Thread safety: none; one object belongs to one thread. What it has given belongs to anybody.
#ifndef BIGHT_IO_READ_TAIL_H_
#define BIGHT_IO_READ_TAIL_H_

#include <cstddef>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"
#include "bight/io/read_size.h"

BIGHT_NAMESPACE_BEGIN

class ReadTail {
 public:
  static constexpr size_t kBlock = size_t{64} << 10;

  // Without a block; the first read makes one. A read of a connection that brings much may take
  // several, up to its ReadSize together; those that it leaves unused serve the next reads.
  explicit ReadTail(size_t block_size = kBlock);

  // The calling thread's own, made when it is first asked for and gone with the thread.
  BIGHT_IO_API static ReadTail& of_this_thread();

  // Room that the current block still has.
  size_t spare() const noexcept { return room_.spare(); }
  // Lets the blocks go that nothing was written to, such as those of a burst that is over.
  BIGHT_IO_API void trim();

  // See the function below.
  BIGHT_IO_API IoResult read_some(internal::SourceRef source, ReadSize& size, Chain& received);

 private:
  size_t block_size_;
  ChainBuilder room_;  // empty between reads
};

// One read into the tail, with as much room as `size` proposes or as the block still has; `size`
// learns from it. Makes `received` what came (nothing, if nothing did). No byte is copied.
// Fails with bad_alloc: before the read, with nothing lost; for reads across blocks, perhaps after
// it: then what came is lost, but never given to another connection.
template <ByteSource S>
IoResult read_some(S&& source, ReadTail& tail, ReadSize& size, Chain& received) {
  return tail.read_some(internal::SourceRef::to(source), size, received);
}

// Implementation details follow.

namespace internal {
inline ChainBuilderOptions blocks_of(size_t size) {
  ChainBuilderOptions options;
  options.min_block = options.max_block = size;
  return options;
}
}  // namespace internal

inline ReadTail::ReadTail(size_t block_size)
    : block_size_(block_size), room_(internal::blocks_of(block_size)) {}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_READ_TAIL_H_
