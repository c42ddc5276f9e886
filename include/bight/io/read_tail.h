// ReadTail: one block that the reads of many connections fill, one behind the other.
//
//   ReadTail& tail = ReadTail::of_this_thread();
//   Chain came;
//   IoResult r = read_some(socket, tail, connection.size, came);
//   connection.received.push_back(std::move(came));    // behind what is not answered yet
//
// A connection has a ReadSize and a chain, no builder. Each read replaces what `came` held, so half
// a message must not be left in it.
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

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>

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
  template <ByteSource S>
  IoResult read_some(S& source, ReadSize& size, Chain& received);

 private:
  BIGHT_IO_API IoResult read_slow(internal::SourceRef source, ReadSize& size, Chain& received);
  // Goes on where a first read into `room` has answered with anything but bytes alone.
  BIGHT_IO_API IoResult read_on(IoResult first, internal::SourceRef source, iovec room,
                                ReadSize& size, Chain& received);
  // Makes `received`, which is empty, the first `bytes` of the block's room. Cannot fail, as all of
  // them lie in one block: so the chain is made in its place.
  void keep(size_t bytes, Chain& received) noexcept {
    room_.commit(bytes);
    std::destroy_at(&received);
    ::new (static_cast<void*>(&received)) Chain(room_.take());
  }

  size_t block_size_;
  ChainBuilder room_;  // empty between reads
};

// One read into the tail, with as much room as `size` proposes or as the block still has; `size`
// learns from it. Replaces what `received` held by what came: by nothing, if nothing did.
// Copies no byte. Fails with bad_alloc: before the read, so nothing is lost.
template <ByteSource S>
IoResult read_some(S&& source, ReadTail& tail, ReadSize& size, Chain& received) {
  return tail.read_some(source, size, received);
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

// The read that fits into the block, in line for the reason given at FdSource::read_some.
template <ByteSource S>
IoResult ReadTail::read_some(S& source, ReadSize& size, Chain& received) {
  const size_t spare = room_.spare();
  if (BIGHT_LIKELY(size.next() <= spare && spare <= internal::kMostPerCall && room_.empty())) {
    if (!received.empty()) received.clear();
    const size_t most = spare < size.most() ? spare : size.most();
    const iovec room{room_.prepare(most).data(), most};
    const IoResult result = source.read_some(std::span<const iovec>(&room, 1));
    if (BIGHT_UNLIKELY(result.kind != IoKind::data || result.bytes - 1 >= most)) {
      return read_on(result, internal::SourceRef::to(source), room, size, received);
    }
    size.record(most, result.bytes);
    keep(result.bytes, received);
    return result;
  }
  return read_slow(internal::SourceRef::to(source), size, received);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_READ_TAIL_H_
