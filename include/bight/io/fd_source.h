// FdSource: a descriptor (socket, pipe, file, terminal) as a ByteSource. Borrows it.
#ifndef BIGHT_IO_FD_SOURCE_H_
#define BIGHT_IO_FD_SOURCE_H_

#include <sys/uio.h>

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
  BIGHT_IO_API IoResult read_some(std::span<const iovec> into) noexcept;

 private:
  int fd_;
};

static_assert(ByteSource<FdSource>);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_FD_SOURCE_H_
