// FdSink: a descriptor (socket, pipe, file, terminal) as a ByteSink. Borrows it.
//
// Sockets never raise SIGPIPE: they are written with sendmsg and MSG_NOSIGNAL, and a peer that is
// gone is the error EPIPE. For pipes there is no such flag: a write to one without a reader raises
// SIGPIPE, which ends the process unless it is ignored (signal(SIGPIPE, SIG_IGN), for the whole
// process) or held off by a SigpipeGuard (for one thread and scope).
#ifndef BIGHT_IO_FD_SINK_H_
#define BIGHT_IO_FD_SINK_H_

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

enum class FdKind {
  detect,  // found out by the first write: one call more unless it is a socket
  socket,
  other,  // pipe, file, terminal, device
};

class FdSink {
 public:
  // `fd` stays the caller's: it must be open while this is used, and is not closed by it. Whether
  // it blocks is as the caller set it.
  explicit FdSink(int fd, FdKind kind = FdKind::detect) noexcept : fd_(fd), kind_(kind) {}
  int fd() const noexcept { return fd_; }
  // What is known about the descriptor.
  FdKind kind() const noexcept { return kind_; }

  // One send, sendmsg, write or writev, made again while a signal interrupts it before any byte
  // went. Offers at most 1,024 entries and 0x7ffff000 bytes, what one call can. No system call
  // without bytes.
  BIGHT_IO_API IoResult write_some(std::span<const iovec> from) noexcept;

 private:
  friend struct FileSliceSender;

  // What sending files has found out about the descriptor.
  enum class Peer : uint8_t { unknown, network, local_socket, other };

  int fd_;
  FdKind kind_;
  Peer peer_ = Peer::unknown;
};

static_assert(ByteSink<FdSink>);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_FD_SINK_H_
