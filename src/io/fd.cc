// The system calls behind FdSource and FdSink, and SigpipeGuard.
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/sigpipe_guard.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

CallEntries::CallEntries(std::span<const iovec> entries) noexcept {
  while (!entries.empty() && entries.front().iov_len == 0) entries = entries.subspan(1);
  if (entries.size() > kMaxEntries) entries = entries.first(kMaxEntries);
  size_t count = 0;
  size_t bytes = 0;
  for (const iovec& entry : entries) {
    if (entry.iov_len > kMaxTransfer - bytes) break;
    bytes += entry.iov_len;
    ++count;
  }
  bytes_ = bytes;
  if (count == 0 && !entries.empty()) {
    cut_ = {entries.front().iov_base, kMaxTransfer};
    bytes_ = kMaxTransfer;
    entries_ = {&cut_, 1};
  } else {
    entries_ = entries.first(count);
  }
}

IoResult result_of_read(ssize_t n, const char* call) noexcept {
  if (n > 0) return {static_cast<size_t>(n), IoKind::data, 0, call};
  if (n == 0) return {0, IoKind::eof, 0, call};
  return result_of_failure(call);
}

IoResult result_of_write(ssize_t n, const char* call) noexcept {
  if (n >= 0) return {static_cast<size_t>(n), IoKind::data, 0, call};
  return result_of_failure(call);
}

IoResult result_of_failure(const char* call) noexcept {
  const int error_number = errno;
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) {
    return {0, IoKind::would_block, EAGAIN, call};
  }
  return IoResult::failed(error_number, call);
}

}  // namespace internal

IoResult FdSource::read_failed(ssize_t answer, std::span<const iovec> into) noexcept {
  return answer < 0 && errno == EINTR ? read_pieces(into)
                                      : internal::result_of_read(answer, "read");
}

IoResult FdSource::read_pieces(std::span<const iovec> into) noexcept {
  const internal::CallEntries room(into);
  if (room.bytes() == 0) return {};
  if (room.single()) {
    const iovec& only = room.front();
    return internal::result_of_read(
        internal::again_if_interrupted([&] { return ::read(fd_, only.iov_base, only.iov_len); }),
        "read");
  }
  return internal::result_of_read(
      internal::again_if_interrupted([&] { return ::readv(fd_, room.data(), room.count()); }),
      "readv");
}

namespace {

#if defined(MSG_NOSIGNAL)
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif

IoResult write_socket(int fd, const internal::CallEntries& offer) noexcept {
  if (offer.single()) {
    const iovec& only = offer.front();
    return internal::result_of_write(internal::again_if_interrupted([&] {
                                       return ::send(fd, only.iov_base, only.iov_len, kNoSignal);
                                     }),
                                     "send");
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(offer.data());
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(offer.count());
  return internal::result_of_write(
      internal::again_if_interrupted([&] { return ::sendmsg(fd, &message, kNoSignal); }),
      "sendmsg");
}

IoResult write_other(int fd, const internal::CallEntries& offer) noexcept {
  if (offer.single()) {
    const iovec& only = offer.front();
    return internal::result_of_write(
        internal::again_if_interrupted([&] { return ::write(fd, only.iov_base, only.iov_len); }),
        "write");
  }
  return internal::result_of_write(
      internal::again_if_interrupted([&] { return ::writev(fd, offer.data(), offer.count()); }),
      "writev");
}

}  // namespace

IoResult FdSink::write_some(std::span<const iovec> from) noexcept {
#if defined(MSG_NOSIGNAL)
  if (kind_ == FdKind::socket && internal::is_one_piece(from)) {
    const ssize_t n = ::send(fd_, from[0].iov_base, from[0].iov_len, kNoSignal);
    if (BIGHT_LIKELY(n >= 0 || errno != EINTR)) return internal::result_of_write(n, "send");
  }
#endif
  const internal::CallEntries offer(from);
  if (offer.bytes() == 0) return {};
#if !defined(MSG_NOSIGNAL) && defined(SO_NOSIGPIPE)
  if (kind_ == FdKind::detect) {
    const int on = 1;
    if (::setsockopt(fd_, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) != 0 && errno == ENOTSOCK) {
      kind_ = FdKind::other;
    }
  }
#endif
  if (kind_ == FdKind::other) return write_other(fd_, offer);
  const IoResult result = write_socket(fd_, offer);
  if (kind_ == FdKind::detect) {
    if (result.error_number == ENOTSOCK) {
      kind_ = FdKind::other;
      return write_other(fd_, offer);
    }
    if (!result.is_error()) kind_ = FdKind::socket;
  }
  return result;
}

// ---- SIGPIPE --------------------------------------------------------------------------------

namespace {

sigset_t only_sigpipe() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

bool sigpipe_is_pending() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigpending(&set);
  return sigismember(&set, SIGPIPE) == 1;
}

}  // namespace

SigpipeGuard::SigpipeGuard() noexcept : was_pending_(sigpipe_is_pending()), was_blocked_(true) {
  if (was_pending_) return;  // so it is blocked already
  const sigset_t set = only_sigpipe();
  sigset_t before;
  sigemptyset(&before);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  was_blocked_ = sigismember(&before, SIGPIPE) == 1;
}

SigpipeGuard::~SigpipeGuard() {
  if (was_pending_) return;
  const int error_number = errno;
  const sigset_t set = only_sigpipe();
  if (sigpipe_is_pending()) {
#if defined(__APPLE__)
    int taken = 0;
    sigwait(&set, &taken);
#else
    // Does not wait: another thread may have been faster if the signal was for the process.
    const timespec now{};
    while (sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
    }
#endif
  }
  if (!was_blocked_) pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  errno = error_number;
}

BIGHT_NAMESPACE_END
