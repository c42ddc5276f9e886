#include <bight/io/uring.h>
#include <fcntl.h>
#include <unistd.h>

int main() {
  const int fd = ::open("/dev/zero", O_RDONLY);
  bight::Uring uring;
  size_t got = 0;
  uring.read_at(fd, 0, 1000,
                [&](const bight::IoResult&, bight::Chain bytes) { got = bytes.size(); });
  while (uring.run_once().kind == bight::IoKind::data) {
  }
  ::close(fd);
  return got == 1000 ? 0 : 1;
}
