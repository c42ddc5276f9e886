// Copying from a source to a sink, through blocks: read into them, written from them, no copy
// between.
#ifndef BIGHT_IO_COPY_H_
#define BIGHT_IO_COPY_H_

#include <cstddef>

#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

namespace internal {
BIGHT_IO_API IoResult copy(SourceRef source, SinkRef sink, Chain& pending, size_t limit);
}  // namespace internal

// Moves bytes from `source` to `sink` until `limit` bytes are written or the source ends. Bytes
// that were read and could not be written stay in `pending`; those go first, and count within the
// limit. `bytes` of the result were written.
//
// data: `limit` bytes were written. eof: the source has ended and all it gave was written.
// would_block and error: wait or give up; `pending` is empty when the source stopped it, not empty
// when the sink did. Call again with the rest of the limit to go on; no byte is lost.
// A sink that takes nothing of a non-empty offer is the error ENOSPC.
//
// Reads at most 1 MiB ahead of the sink, and never more than the limit leaves.
// Fails with bad_alloc; what was read and not written is in `pending`.
template <ByteSource Source, ByteSink Sink>
IoResult copy(Source&& source, Sink&& sink, Chain& pending,
              size_t limit = static_cast<size_t>(-1)) {
  return internal::copy(internal::SourceRef::to(source), internal::SinkRef::to(sink), pending,
                        limit);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_COPY_H_
