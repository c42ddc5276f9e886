// Preloaded in front of libc: writes down in the file $SHIM_LOG which memory is copied in user
// space and which is handed to the kernel, by calls and entries of 512 bytes and more.
#include "tests/support/image_transfer_shim/shim.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>

namespace {

using shim::Record;

int log_fd() {
  static const int fd = [] {
    const char* const path = std::getenv("SHIM_LOG");
    return path == nullptr
               ? -1
               : static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path,
                                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }();
  return fd;
}

void record(uint64_t kind, const void* address, size_t size) {
  if (size < shim::kLeast) return;
  const Record entry{kind, reinterpret_cast<uintptr_t>(address), size};
  ::syscall(SYS_write, log_fd(), &entry, sizeof(entry));
}

bool is_socket(int fd) {
  struct stat about {};
  return ::syscall(SYS_fstat, fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

void record_entries(bool reading, int fd, const iovec* entries, size_t count, ssize_t moved) {
  const bool socket = is_socket(fd);
  const uint64_t kind = reading ? (socket ? Record::kReadSocket : Record::kReadFile)
                                : (socket ? Record::kWriteSocket : Record::kWriteFile);
  for (size_t i = 0; i < count && moved > 0; ++i) {
    const auto left = static_cast<size_t>(moved);
    const size_t size = entries[i].iov_len < left ? entries[i].iov_len : left;
    record(kind, entries[i].iov_base, size);
    moved -= static_cast<ssize_t>(size);
  }
}

bool is_marked(const char* bytes, size_t size) {
  for (size_t i = 0; i + shim::kMarker.size() <= size; ++i) {
    size_t k = 0;
    while (k < shim::kMarker.size() && bytes[i + k] == shim::kMarker[k]) ++k;
    if (k == shim::kMarker.size()) return true;
  }
  return false;
}

// Volatile, so that no compiler makes a call of memcpy out of the loops.
void* copy(void* to, const void* from, size_t size) {
  if (size >= shim::kLeast) {
    const bool marked = is_marked(static_cast<const char*>(from), size);
    record(marked ? Record::kMarkedCopy : Record::kCopy, from, size);
  }
  auto* const out = static_cast<volatile char*>(to);
  const auto* const in = static_cast<const volatile char*>(from);
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= size) {
    for (size_t i = 0; i < size; ++i) out[i] = in[i];
  } else {
    for (size_t i = size; i-- > 0;) out[i] = in[i];
  }
  return to;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* memcpy(void* to, const void* from, size_t n) {
  return copy(to, from, n);
}
__attribute__((visibility("default"))) void* memmove(void* to, const void* from, size_t n) {
  return copy(to, from, n);
}
__attribute__((visibility("default"))) void* mempcpy(void* to, const void* from, size_t n) {
  return static_cast<char*>(copy(to, from, n)) + n;
}
__attribute__((visibility("default"))) void* __memcpy_chk(void* to, const void* from, size_t n,
                                                          size_t) {
  return copy(to, from, n);
}
__attribute__((visibility("default"))) void* __memmove_chk(void* to, const void* from, size_t n,
                                                           size_t) {
  return copy(to, from, n);
}

__attribute__((visibility("default"))) ssize_t read(int fd, void* into, size_t n) {
  const ssize_t moved = ::syscall(SYS_read, fd, into, n);
  const iovec entry{into, n};
  record_entries(true, fd, &entry, 1, moved);
  return moved;
}
__attribute__((visibility("default"))) ssize_t readv(int fd, const iovec* entries, int count) {
  const ssize_t moved = ::syscall(SYS_readv, fd, entries, count);
  record_entries(true, fd, entries, static_cast<size_t>(count), moved);
  return moved;
}
__attribute__((visibility("default"))) ssize_t write(int fd, const void* from, size_t n) {
  const ssize_t moved = ::syscall(SYS_write, fd, from, n);
  const iovec entry{const_cast<void*>(from), n};
  record_entries(false, fd, &entry, 1, moved);
  return moved;
}
__attribute__((visibility("default"))) ssize_t writev(int fd, const iovec* entries, int count) {
  const ssize_t moved = ::syscall(SYS_writev, fd, entries, count);
  record_entries(false, fd, entries, static_cast<size_t>(count), moved);
  return moved;
}
__attribute__((visibility("default"))) ssize_t send(int fd, const void* from, size_t n, int flags) {
  const ssize_t moved = ::syscall(SYS_sendto, fd, from, n, flags, nullptr, 0);
  const iovec entry{const_cast<void*>(from), n};
  record_entries(false, fd, &entry, 1, moved);
  return moved;
}
__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const ssize_t moved = ::syscall(SYS_sendmsg, fd, message, flags);
  record_entries(false, fd, message->msg_iov, message->msg_iovlen, moved);
  return moved;
}

}  // extern "C"
