// ByteSink: where bytes go, as the functions of write.h and copy.h use it.
//
//   IoResult write_some(std::span<const iovec> from);
//
// A model makes one attempt to take the entries' bytes in their order and answers how many it took
// from the front, and data, would_block or error:
// - without bytes (no entry, or only empty ones) it does nothing and answers data (or
//   that it is closed or has failed for good);
// - taking fewer than offered, even none, is data;
// - bytes may come together with would_block or error: they are gone from the caller;
// - an error EINTR is called again with the same entries, an error EAGAIN counts as would_block;
// - it keeps no pointer into the entries when it has returned. After would_block the
//   same bytes come again, though perhaps with more behind them and at another address.
//
// Models here: FdSink, File, ScriptedSink (testing/scripted_io.h).
#ifndef BIGHT_IO_BYTE_SINK_H_
#define BIGHT_IO_BYTE_SINK_H_

#include <sys/uio.h>

#include <concepts>
#include <memory>
#include <span>
#include <type_traits>

#include "bight/config.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

template <class S>
concept ByteSink = requires(S& sink, std::span<const iovec> from) {
  { sink.write_some(from) } -> std::same_as<IoResult>;
};

// Implementation details follow.

namespace internal {

// Any sink, borrowed for one call, so that the loops over it are compiled once.
struct SinkRef {
  template <class S>
  static SinkRef to(S& sink) noexcept {
    return {const_cast<void*>(static_cast<const void*>(std::addressof(sink))),
            [](void* self, std::span<const iovec> from) -> IoResult {
              return static_cast<S*>(self)->write_some(from);
            }};
  }
  IoResult write_some(std::span<const iovec> from) const { return write(object, from); }

  void* object;
  IoResult (*write)(void* self, std::span<const iovec> from);
};

}  // namespace internal

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_BYTE_SINK_H_
