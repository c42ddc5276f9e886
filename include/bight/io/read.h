// Reading from a source straight into the blocks of a builder. No payload byte is copied.
//
//   FdSource socket(fd);
//   ChainBuilder in;
//   ReadSize size;
//   Chain received;
//   IoResult r = read_some(socket, in, size);
//   received.push_back(in.take());
//
// All of these count and keep what came: `bytes` of the result are in the builder also when it
// says eof, would_block or error, so a call that would block is simply gone on with later. None of
// them waits (unless the descriptor itself blocks), spins or sleeps. An interrupted read is
// made again. A source is passed as an lvalue or an rvalue.
//
// All memory is had before a byte is read, that for the segments of a read across blocks included,
// and what came before is in the builder: bad_alloc loses nothing.
#ifndef BIGHT_IO_READ_H_
#define BIGHT_IO_READ_H_

#include <cstddef>

#include "bight/byte_view.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"
#include "bight/io/read_size.h"

BIGHT_NAMESPACE_BEGIN

// How read_until ended.
struct ReadUntilResult {
  // Bytes read by this call, and what ended it.
  IoResult io;
  // Bytes at the front of `pending` up to and with the delimiter; 0 when it has not come yet.
  size_t frame = 0;
  // Bytes at the front of `pending` that need no second look: pass it to the next call.
  size_t searched = 0;
};

namespace internal {
BIGHT_IO_API IoResult read_some(SourceRef source, ChainBuilder& into, size_t max);
BIGHT_IO_API IoResult read_some(SourceRef source, ChainBuilder& into, ReadSize& size);
BIGHT_IO_API IoResult read_some(SourceRef source, BytesBuilder& into, size_t max);
BIGHT_IO_API IoResult read_exactly(SourceRef source, ChainBuilder& into, size_t n);
BIGHT_IO_API IoResult read_exactly(SourceRef source, BytesBuilder& into, size_t n);
BIGHT_IO_API IoResult read_all(SourceRef source, ChainBuilder& into, size_t limit);
BIGHT_IO_API ReadUntilResult read_until(SourceRef source, ChainBuilder& room, Chain& pending,
                                        ByteView delimiter, size_t max, size_t searched);
}  // namespace internal

// One read of at most `max` bytes, into as many of the builder's blocks as that takes (up to 64 at
// once). `max` 0 makes no call. A builder whose max_size leaves no room: error ENOBUFS, no call.
template <ByteSource S>
IoResult read_some(S&& source, ChainBuilder& into, size_t max) {
  return internal::read_some(internal::SourceRef::to(source), into, max);
}
// The same with as much room as `size` proposes, or as the builder's block still has, and records
// in it what came. A warm one reads 1 MiB in one call.
template <ByteSource S>
IoResult read_some(S&& source, ChainBuilder& into, ReadSize& size) {
  return internal::read_some(internal::SourceRef::to(source), into, size);
}
// One read of at most `max` bytes into the builder's spare room, which is never grown: for carved
// builders and for room that was reserved. Without spare room: error ENOBUFS, no call.
template <ByteSource S>
IoResult read_some(S&& source, BytesBuilder& into, size_t max = static_cast<size_t>(-1)) {
  return internal::read_some(internal::SourceRef::to(source), into, max);
}

// Reads until `n` bytes have come. data: all of them; eof or would_block: fewer (after would_block
// go on with what is missing); error: what came before it. Never reads more than `n`. Makes room as
// the bytes come, 64 KiB to 1 MiB ahead, so an `n` from the wire costs no more memory than what was
// sent. A full builder: error ENOBUFS.
template <ByteSource S>
IoResult read_exactly(S&& source, ChainBuilder& into, size_t n) {
  return internal::read_exactly(internal::SourceRef::to(source), into, n);
}
// The same into contiguous room, which is reserved first, all of it: bound an `n` from the wire.
// A builder that is fixed or limited and has no room for all of `n`: error ENOBUFS, nothing read.
template <ByteSource S>
IoResult read_exactly(S&& source, BytesBuilder& into, size_t n) {
  return internal::read_exactly(internal::SourceRef::to(source), into, n);
}

// Reads until the source ends. eof: everything has come; data: `limit` bytes have come and the end
// was not seen (also when the stream has exactly `limit` bytes: pass one more to tell).
template <ByteSource S>
IoResult read_all(S&& source, ChainBuilder& into, size_t limit) {
  return internal::read_all(internal::SourceRef::to(source), into, limit);
}

// Reads until `pending` holds `delimiter`, and answers in `frame` where it ends; then
// `pending.split_to(frame)` is the frame. What `pending` holds already is searched first, so that
// several frames that came at once need no further read; what is read beyond stays in `pending`.
// `room` lends its blocks; bytes in it that were not taken go to `pending` first.
//
// `frame` 0: not there yet, `io` says why. After would_block call again, with `searched` handed
// on, so that no byte is searched twice. A delimiter that does not end within the first `max`
// bytes: error EMSGSIZE; `pending` is never made longer than `max`.
//
// Precondition: `delimiter` is not empty (checked), and `searched` comes from the last call with
// the same `pending`. O(bytes read and searched).
template <ByteSource S>
ReadUntilResult read_until(S&& source, ChainBuilder& room, Chain& pending, ByteView delimiter,
                           size_t max, size_t searched = 0) {
  return internal::read_until(internal::SourceRef::to(source), room, pending, delimiter, max,
                              searched);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_READ_H_
