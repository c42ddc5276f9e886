// FdSource: a descriptor (socket, pipe, file, terminal) as a ByteSource. Borrows it.
#ifndef BIGHT_IO_FD_SOURCE_H_
#define BIGHT_IO_FD_SOURCE_H_

#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <span>

#include "bight/config.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

class FdSource {
 public:
  // `fd` stays the caller's: it must be open while this is used, and is not closed by it. Whether
  // it blocks is as the caller set it.
  explicit FdSource(int fd) noexcept : fd_(fd) {}
  int fd() const noexcept { return fd_; }

  // One read or readv, made again while a signal interrupts it before any byte came. Uses at most
  // 1,024 entries and 0x7ffff000 bytes of room, what one call can. No system call without room.
  IoResult read_some(std::span<const iovec> into) noexcept;

 private:
  BIGHT_IO_API IoResult read_pieces(std::span<const iovec> into) noexcept;
  // What read() for the one piece has answered with, not a number of bytes.
  BIGHT_IO_API IoResult read_failed(ssize_t answer, std::span<const iovec> into) noexcept;

  int fd_;
};

static_assert(ByteSource<FdSource>);

// Implementation details follow.

// In line, because a return to a function that was called before the system call costs more than
// it does elsewhere: kernels that guard against speculation leave nothing to predict it from.
inline IoResult FdSource::read_some(std::span<const iovec> into) noexcept {
  if (BIGHT_LIKELY(into.size() == 1 && into[0].iov_len - 1 < internal::kMostPerCall)) {
    const ssize_t n = ::read(fd_, into[0].iov_base, into[0].iov_len);
    if (BIGHT_LIKELY(n > 0)) return {static_cast<size_t>(n), IoKind::data, 0, "read"};
    return read_failed(n, into);
  }
  return read_pieces(into);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_FD_SOURCE_H_
