// ByteSource: where bytes come from, as the functions of read.h and copy.h use it.
//
//   IoResult read_some(std::span<const iovec> into);
//
// A model makes one attempt to fill the entries in their order and answers how many bytes it wrote
// there, and data, eof, would_block or error:
// - without room (no entry, or only empty ones) it does nothing and answers data;
// - bytes may come together with eof, would_block or error: callers keep them;
// - data without bytes, though there was room, counts as would_block;
// - an error EINTR is called again, an error EAGAIN counts as would_block;
// - it keeps no pointer into the entries when it has returned.
//
// Models here: FdSource, File, ScriptedSource (testing/scripted_io.h).
#ifndef BIGHT_IO_BYTE_SOURCE_H_
#define BIGHT_IO_BYTE_SOURCE_H_

#include <sys/uio.h>

#include <concepts>
#include <memory>
#include <span>
#include <type_traits>

#include "bight/config.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

template <class S>
concept ByteSource = requires(S& source, std::span<const iovec> into) {
  { source.read_some(into) } -> std::same_as<IoResult>;
};

// Implementation details follow.

namespace internal {

// Any source, borrowed for one call, so that the loops over it are compiled once.
struct SourceRef {
  template <class S>
  static SourceRef to(S& source) noexcept {
    return {const_cast<void*>(static_cast<const void*>(std::addressof(source))),
            [](void* self, std::span<const iovec> into) -> IoResult {
              return static_cast<S*>(self)->read_some(into);
            }};
  }
  IoResult read_some(std::span<const iovec> into) const { return read(object, into); }

  void* object;
  IoResult (*read)(void* self, std::span<const iovec> into);
};

}  // namespace internal

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_BYTE_SOURCE_H_
