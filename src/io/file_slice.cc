#include "bight/io/file_slice.h"

#include <fcntl.h>
#if defined(__linux__)
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "bight/bytes_builder.h"
#include "bight/internal/check.h"
#include "bight/io/send_file.h"
#include "bight/io/sigpipe_guard.h"
#include "bight/io/write.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN

// ---- FileSlice ---------------------------------------------------------------------------------

FileSlice::FileSlice(std::shared_ptr<const File> file, uint64_t offset, uint64_t size)
    : file_(std::move(file)), offset_(offset), size_(size) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<off_t>::max());
  if (file_ == nullptr) internal::fail("FileSlice of no file");
  if (offset > kMost || size > kMost - offset) {
    internal::fail_range("FileSlice", offset, size, kMost);
  }
  if (size == 0) file_.reset();
}

IoResult FileSlice::open(const char* path, FileSlice& slice) {
  auto file = std::make_shared<File>();
  if (const IoResult opened = file->open(path, O_RDONLY); opened.is_error()) return opened;
  uint64_t size = 0;
  if (const IoResult sized = file->size(size); sized.is_error()) return sized;
  slice = FileSlice(std::move(file), 0, size);
  return {0, IoKind::data, 0, "open"};
}

FileSlice FileSlice::slice(uint64_t position, uint64_t count) const {
  if (position > size_ || count > size_ - position) {
    internal::fail_range("FileSlice::slice", position, count, size_);
  }
  FileSlice part;
  if (count == 0) return part;
  part = *this;
  part.offset_ += position;
  part.size_ = count;
  return part;
}

FileSlice FileSlice::split_to(uint64_t n) {
  FileSlice part = slice(0, n);
  consume(n);
  return part;
}

void FileSlice::consume(uint64_t n) {
  if (n > size_) internal::fail_length("FileSlice::consume", n, size_);
  offset_ += n;
  size_ -= n;
  if (size_ == 0) file_.reset();
}

IoResult FileSlice::read(ChainBuilder& into) const {
  if (empty()) return {};
  if (size_ > std::numeric_limits<size_t>::max()) return IoResult::failed(EOVERFLOW, "pread");
  return file_->read_at(offset_, static_cast<size_t>(size_), into);
}

IoResult FileSlice::map(Bytes& into) const {
  if (empty()) {
    into.clear();
    return {};
  }
  if (size_ > std::numeric_limits<size_t>::max()) return IoResult::failed(EOVERFLOW, "mmap");
  return file_->map(offset_, static_cast<size_t>(size_), into);
}

// ---- Sending -----------------------------------------------------------------------------------

struct FileSliceSender {
  // What one attempt by sendfile came to; none if the kernel refuses.
  static std::optional<IoResult> by_sendfile(FdSink& sink, bool hold_sigpipe, FileSlice& body);
  // Asks the system once what the sink writes to.
  static void ask_peer(FdSink& sink) noexcept;
  static bool is_socket(const FdSink& sink) noexcept { return sink.peer_ != FdSink::Peer::other; }
  static bool is_network(const FdSink& sink) noexcept {
    return sink.peer_ == FdSink::Peer::network;
  }
  static bool refused(const FileSlice& body) noexcept { return body.sendfile_refused_; }
  static IoResult by_reading(internal::SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                             size_t read_ahead);
};

namespace {

#if defined(__linux__)
// Whether SIGPIPE does anything: one call that most servers, which ignore it, save four by.
bool sigpipe_matters() noexcept {
  struct sigaction action;
  return ::sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_IGN;
}

// A socket that is told that more follows, so that the head does not leave in a packet of its own.
struct MoreFollows {
  int fd;
  IoResult write_some(std::span<const iovec> from) const noexcept {
    if (internal::is_one_piece(from)) {
      return internal::result_of_write(internal::again_if_interrupted([&] {
                                         return ::send(fd, from[0].iov_base, from[0].iov_len,
                                                       MSG_NOSIGNAL | MSG_MORE);
                                       }),
                                       "send");
    }
    const internal::CallEntries offer(from);
    if (offer.bytes() == 0) return {};
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(offer.data());
    message.msg_iovlen = static_cast<size_t>(offer.count());
    return internal::result_of_write(internal::again_if_interrupted([&] {
                                       return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_MORE);
                                     }),
                                     "sendmsg");
  }
};
#endif

}  // namespace

#if defined(__linux__)
void FileSliceSender::ask_peer(FdSink& sink) noexcept {
  if (sink.peer_ != FdSink::Peer::unknown) return;
  int domain = 0;
  socklen_t size = sizeof(domain);
  if (::getsockopt(sink.fd(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    sink.peer_ = FdSink::Peer::other;
  } else {
    sink.peer_ = domain == AF_UNIX ? FdSink::Peer::local_socket : FdSink::Peer::network;
  }
}

std::optional<IoResult> FileSliceSender::by_sendfile(FdSink& sink, bool hold_sigpipe,
                                                     FileSlice& body) {
  std::optional<SigpipeGuard> guard;
  if (hold_sigpipe) guard.emplace();
  const auto most = static_cast<size_t>(std::min<uint64_t>(body.size(), internal::kMaxTransfer));
  auto offset = static_cast<off_t>(body.offset());
  const ssize_t n = internal::again_if_interrupted(
      [&] { return ::sendfile(sink.fd(), body.file()->fd(), &offset, most); });
  if (n > 0) {
    body.consume(static_cast<uint64_t>(n));
    return IoResult{static_cast<size_t>(n), IoKind::data, 0, "sendfile"};
  }
  if (n < 0) {
    const IoResult result = internal::result_of_failure("sendfile");
    switch (result.error_number) {
      case EINVAL:
      case ENOSYS:
      case EOVERFLOW:
      case EPERM:  // a filter of system calls
        break;
      default:
        return result;
    }
  }
  // Refused, or the end, or a file that does not say its size: reading tells which.
  body.sendfile_refused_ = true;
  return std::nullopt;
}
#endif

IoResult FileSliceSender::by_reading(internal::SinkRef sink, [[maybe_unused]] FdSink* direct,
                                     Chain& head, FileSlice& body, size_t read_ahead) {
  read_ahead = std::clamp<size_t>(read_ahead, 1, internal::kMaxTransfer);
  if (head.size() < read_ahead) {
    // All of it beside a short head: a rest as long as the head would cost two calls and a packet.
    const size_t wanted = head.size() <= read_ahead / 8 ? read_ahead : read_ahead - head.size();
    const auto n = static_cast<size_t>(std::min<uint64_t>(body.size(), wanted));
    // One block: several take several calls, or 10 % more time in one.
    BytesBuilder room;
    const IoResult read = body.file()->read_at(body.offset(), room.prepare(n).first(n));
    room.commit(read.bytes);
    head.push_back(std::move(room).freeze());
    body.consume(read.bytes);
    // What came goes first; the next call meets the obstacle again.
    if (head.empty()) return read;
  }
#if defined(__linux__)
  if (direct != nullptr && direct->kind() == FdKind::socket && !body.empty()) {
    return bight::write_some(MoreFollows{direct->fd()}, head);
  }
#endif
  return internal::write_some(sink, head, WriteOptions{});
}

namespace internal {

namespace {

// How a slice goes; asked of the system once a call of send_some or send_all.
struct Way {
  bool by_sendfile = false;
  bool to_socket = false;
  bool hold_sigpipe = false;
};

Way choose_way([[maybe_unused]] FdSink* direct, [[maybe_unused]] const FileSlice& body,
               [[maybe_unused]] const SendFileOptions& options) noexcept {
  Way way;
#if defined(__linux__)
  const uint64_t local = options.sendfile_from;
  const uint64_t network = options.network_sendfile_from;
  if (direct == nullptr || body.size() < (std::min)(local, network)) return way;
  const bool either = body.size() >= (std::max)(local, network);
  if (either && direct->kind() == FdKind::socket) {
    way.by_sendfile = way.to_socket = true;
  } else {
    FileSliceSender::ask_peer(*direct);
    way.to_socket = FileSliceSender::is_socket(*direct);
    way.by_sendfile =
        either || body.size() >= (FileSliceSender::is_network(*direct) ? network : local);
  }
  way.hold_sigpipe = way.by_sendfile && way.to_socket && sigpipe_matters();
#endif
  return way;
}

IoResult send_once(SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                   [[maybe_unused]] const Way& way, size_t read_ahead) {
  if (body.empty()) return write_some(sink, head, WriteOptions{});
#if defined(__linux__)
  if (way.by_sendfile && !FileSliceSender::refused(body)) {
    size_t written = 0;
    if (!head.empty()) {
      IoResult result = way.to_socket ? bight::write_some(MoreFollows{direct->fd()}, head)
                                      : write_some(sink, head, WriteOptions{});
      if (result.kind != IoKind::data || !head.empty()) return result;
      written = result.bytes;
    }
    std::optional<IoResult> result = FileSliceSender::by_sendfile(*direct, way.hold_sigpipe, body);
    if (!result) result = FileSliceSender::by_reading(sink, direct, head, body, read_ahead);
    result->bytes += written;
    return *result;
  }
#endif
  return FileSliceSender::by_reading(sink, direct, head, body, read_ahead);
}

}  // namespace

IoResult send_some(SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                   const SendFileOptions& options) {
  const Way way = choose_way(direct, body, options);
  return send_once(sink, direct, head, body, way, options.read_ahead);
}

IoResult send_all(SinkRef sink, FdSink* direct, Chain& head, FileSlice& body,
                  const SendFileOptions& options) {
  // The rest of a slice goes as the whole began, so that its end needs no other path.
  const Way way = choose_way(direct, body, options);
  size_t written = 0;
  while (!head.empty() || !body.empty()) {
    IoResult result = send_once(sink, direct, head, body, way, options.read_ahead);
    written += result.bytes;
    const bool done = head.empty() && body.empty();
    if (result.kind != IoKind::data && !(done && result.kind == IoKind::would_block)) {
      result.bytes = written;
      return result;
    }
    if (result.bytes == 0) return IoResult::failed(ENOSPC, result.call, written);
  }
  return {written, IoKind::data, 0, nullptr};
}

}  // namespace internal
BIGHT_NAMESPACE_END
