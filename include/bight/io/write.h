// Writing chains to a sink with gather calls, and going on exactly where the sink stopped.
//
//   FdSink socket(fd);
//   IoResult r = write_some(socket, reply);   // what the kernel took is gone from `reply`
//
// Large segments go to the kernel from where they are. A run of two or more segments that are
// smaller than `gather_below` is copied into one piece first, because below 1 KiB copying is
// cheaper than an entry of its own; CopyAudit counts these bytes as gathered, not as copied.
//
// None of these waits (unless the descriptor itself blocks), spins or sleeps. An interrupted
// write is made again. A sink is passed as an lvalue or an rvalue. Release hooks of segments that
// were written run before the call returns.
#ifndef BIGHT_IO_WRITE_H_
#define BIGHT_IO_WRITE_H_

#include <cstddef>
#include <span>

#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

struct WriteOptions {
  // Segments of fewer bytes are gathered; 0: none. Copying into the batch was measured to beat an
  // entry a segment below 1 KiB.
  size_t gather_below = 1024;
  // At most this many bytes are offered in one call. No system call moves more than 0x7ffff000.
  size_t max_bytes = 0x7ffff000;
};

namespace internal {
BIGHT_IO_API IoResult write_some(SinkRef sink, Chain& chain, const WriteOptions& options);
BIGHT_IO_API IoResult write_some(SinkRef sink, std::span<Chain* const> chains,
                                 const WriteOptions& options);
BIGHT_IO_API IoResult write_all(SinkRef sink, Chain& chain, const WriteOptions& options);
}  // namespace internal

// One gather call with up to 1,024 entries from the front of `chain`; consumes what was taken.
// data: some bytes, perhaps not all, perhaps none. An empty chain makes no call.
// Less than 64 KiB are gathered; after that the rest goes without copying if it then fits into the
// same call. Allocates nothing but that scratch, from the block caches, and goes without if it
// cannot. O(entries + segments consumed).
template <ByteSink S>
IoResult write_some(S&& sink, Chain& chain, const WriteOptions& options = {}) {
  return internal::write_some(internal::SinkRef::to(sink), chain, options);
}
// The same for several chains in their order, as one stream in one call. Each loses its share.
// Precondition: the pointers are distinct and not null; a release hook that runs meanwhile leaves
// these chains alone.
template <ByteSink S>
IoResult write_some(S&& sink, std::span<Chain* const> chains, const WriteOptions& options = {}) {
  return internal::write_some(internal::SinkRef::to(sink), chains, options);
}

// Writes until `chain` is empty, in as many calls as it takes. data: all of it; would_block
// or error: the unsent rest is in `chain`, after would_block call again.
// A sink that takes nothing of a non-empty offer is the error ENOSPC.
template <ByteSink S>
IoResult write_all(S&& sink, Chain& chain, const WriteOptions& options = {}) {
  return internal::write_all(internal::SinkRef::to(sink), chain, options);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_WRITE_H_
