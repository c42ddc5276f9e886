// Loaded before the C library (LD_PRELOAD) for the rows A3 and A9_least_room: counts the system
// calls that move bytes, wait for them, or ask about a descriptor, the same way for every library.

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace {

std::atomic<size_t> calls{0};
std::atomic<size_t> least_room{SIZE_MAX};

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

void count() { calls.fetch_add(1, std::memory_order_relaxed); }
void count_read(size_t room) {
  count();
  if (room < least_room.load(std::memory_order_relaxed)) {
    least_room.store(room, std::memory_order_relaxed);
  }
}
size_t sum(const iovec* entries, size_t n) {
  size_t total = 0;
  for (size_t i = 0; i < n; ++i) total += entries[i].iov_len;
  return total;
}

}  // namespace

struct Calls {
  size_t count;
  size_t least_room;
};

extern "C" {

void bight_counted_calls(Calls* to) {
  to->count = calls.load(std::memory_order_relaxed);
  to->least_room = least_room.exchange(SIZE_MAX, std::memory_order_relaxed);
}

ssize_t read(int fd, void* to, size_t n) {
  static const auto real = next<ssize_t(int, void*, size_t)>("read");
  count_read(n);
  return real(fd, to, n);
}
ssize_t readv(int fd, const iovec* entries, int n) {
  static const auto real = next<ssize_t(int, const iovec*, int)>("readv");
  count_read(sum(entries, static_cast<size_t>(n)));
  return real(fd, entries, n);
}
ssize_t recv(int fd, void* to, size_t n, int flags) {
  static const auto real = next<ssize_t(int, void*, size_t, int)>("recv");
  count_read(n);
  return real(fd, to, n, flags);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  static const auto real = next<ssize_t(int, msghdr*, int)>("recvmsg");
  count_read(sum(message->msg_iov, message->msg_iovlen));
  return real(fd, message, flags);
}
ssize_t write(int fd, const void* from, size_t n) {
  static const auto real = next<ssize_t(int, const void*, size_t)>("write");
  count();
  return real(fd, from, n);
}
ssize_t writev(int fd, const iovec* entries, int n) {
  static const auto real = next<ssize_t(int, const iovec*, int)>("writev");
  count();
  return real(fd, entries, n);
}
ssize_t send(int fd, const void* from, size_t n, int flags) {
  static const auto real = next<ssize_t(int, const void*, size_t, int)>("send");
  count();
  return real(fd, from, n, flags);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto real = next<ssize_t(int, const msghdr*, int)>("sendmsg");
  count();
  return real(fd, message, flags);
}
ssize_t sendfile(int to, int from, off_t* offset, size_t n) {
  static const auto real = next<ssize_t(int, int, off_t*, size_t)>("sendfile");
  count();
  return real(to, from, offset, n);
}
int poll(pollfd* fds, nfds_t n, int timeout) {
  static const auto real = next<int(pollfd*, nfds_t, int)>("poll");
  count();
  return real(fds, n, timeout);
}
int epoll_wait(int fd, epoll_event* events, int n, int timeout) {
  static const auto real = next<int(int, epoll_event*, int, int)>("epoll_wait");
  count();
  return real(fd, events, n, timeout);
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  static const auto real = next<int(int, int, int, void*, socklen_t*)>("getsockopt");
  count();
  return real(fd, level, name, value, size);
}

}  // extern "C"
