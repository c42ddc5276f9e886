#include "examples/support/open_beneath.h"

#include <bight/io/file.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace example {

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

int open_beneath(int root, const std::string& path) {
  open_how how{};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 8; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == ENOSYS) return open_by_component(root, path);
    if (errno != EAGAIN) return -errno;  // something was renamed meanwhile: once more
  }
  return -EAGAIN;
}

int open_by_component(int root, std::string_view path) {
  bight::File folder;
  for (;;) {
    const size_t slash = path.find('/');
    const bool last = slash == std::string_view::npos;
    const int flags = last ? kOpenFlags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    const int fd = ::openat(folder.is_open() ? folder.fd() : root,
                            std::string(path.substr(0, slash)).c_str(), flags | O_NOFOLLOW);
    if (fd < 0) return -errno;
    if (last) return fd;
    folder = bight::File(fd);
    path.remove_prefix(slash + 1);
  }
}

}  // namespace example
