// Sending a file slice, with bytes in front of it, and going on exactly where the sink stopped.
//
//   Chain head = ...;                                // a header of 200 B
//   IoResult r = send_some(socket, head, body);      // again when the socket is writable,
//   if (head.empty() && body.empty()) ...            // until nothing is left
//
// From a size on the kernel moves the file itself (sendfile): no byte of it comes to user space.
// Below it, for sinks that are no descriptor, and where the kernel refuses (EINVAL, ENOSYS,
// EOVERFLOW: /proc, some file systems), it is read into blocks and written by gather calls. What
// was read and not written stays at the end of `head`, so nothing is read twice: what is left to
// send is always `head` and then `body`.
#ifndef BIGHT_IO_SEND_FILE_H_
#define BIGHT_IO_SEND_FILE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/fd_sink.h"
#include "bight/io/file_slice.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

struct SendFileOptions {
  // Slices of at least so many bytes go by sendfile: to Unix sockets, pipes and files, and to
  // sockets of the network. The largest value: never; 0: always. Measured, see docs/files.md:
  // over loopback TCP reading is faster at every size. Where a network card does the checksums and
  // the processor is the bottleneck, measure with 64 KiB.
  uint64_t sendfile_from = uint64_t{64} << 10;
  uint64_t network_sendfile_from = static_cast<uint64_t>(-1);
  // Where the file is read: bytes of it that wait in memory at most, but for an eighth more.
  size_t read_ahead = size_t{256} << 10;
};

namespace internal {
// `direct` is the sink again if it is a descriptor, else null.
BIGHT_IO_API IoResult send_some(SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                                const SendFileOptions& options);
BIGHT_IO_API IoResult send_all(SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                               const SendFileOptions& options);

template <class S>
FdSink* descriptor_of(S& sink) noexcept {
  if constexpr (std::same_as<std::remove_cv_t<S>, FdSink>) {
    return &sink;
  } else {
    return nullptr;
  }
}
}  // namespace internal

// Sends some of `head` and then of `body`, in one or two calls, and takes away what went; `bytes`
// of the result were written. data: some, perhaps not all. would_block and error: call again or
// give up; what is left is in `head` and `body`. eof: the file ends before the slice does, and
// everything before that was written.
// Sockets never raise SIGPIPE. Fails with bad_alloc; nothing is lost.
template <ByteSink S>
IoResult send_some(S&& sink, Chain& head, FileSlice& body, const SendFileOptions& options = {}) {
  return internal::send_some(internal::SinkRef::to(sink), internal::descriptor_of(sink), head, body,
                             options);
}

// The same until both are empty. data: all of it was written. A sink that takes nothing of a
// non-empty offer is the error ENOSPC.
template <ByteSink S>
IoResult send_all(S&& sink, Chain& head, FileSlice& body, const SendFileOptions& options = {}) {
  return internal::send_all(internal::SinkRef::to(sink), internal::descriptor_of(sink), head, body,
                            options);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_SEND_FILE_H_
