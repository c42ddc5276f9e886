// What the tests of bight::io share.
#ifndef BIGHT_TESTS_IO_SUPPORT_H_
#define BIGHT_TESTS_IO_SUPPORT_H_

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

namespace bight {

// `n` bytes that do not repeat within any short distance.
inline std::string pattern(size_t n, uint32_t seed = 1) {
  std::string text(n, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// A chain with `text` in segments of the given sizes, each in a block of its own; the last size is
// repeated.
inline Chain chain_of(std::string_view text, const std::vector<size_t>& sizes) {
  Chain chain;
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t n = std::min(text.size(), sizes[std::min(i, sizes.size() - 1)]);
    chain.push_back(Bytes::copy_of(text.substr(0, n)));
    text.remove_prefix(n);
  }
  return chain;
}

inline size_t open_descriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  size_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

// Two connected ends, each owned.
struct Ends {
  File a;
  File b;
};

// What is written to `a` is read from `b`.
inline Ends make_pipe() {
  int fds[2] = {-1, -1};
  if (::pipe2(fds, O_CLOEXEC) != 0) std::abort();
  return {File(fds[1]), File(fds[0])};
}

inline Ends make_sockets(int type = SOCK_STREAM) {
  int fds[2] = {-1, -1};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  return {File(fds[0]), File(fds[1])};
}

inline void set_nonblocking(const File& file) {
  ASSERT_EQ(::fcntl(file.fd(), F_SETFL, ::fcntl(file.fd(), F_GETFL) | O_NONBLOCK), 0);
}

// An empty file that is gone with its descriptor.
inline File make_temporary_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string name = std::string(folder != nullptr ? folder : "/tmp") + "/bight_io_XXXXXX";
  File file(::mkstemp(name.data()));
  if (!file.is_open()) std::abort();
  ::unlink(name.c_str());
  return file;
}

// Fails the test that leaves a descriptor open.
class NoDescriptorLeaks : public ::testing::Test {
 protected:
  void SetUp() override { before_ = open_descriptors(); }
  void TearDown() override { EXPECT_EQ(open_descriptors(), before_); }

 private:
  size_t before_ = 0;
};

}  // namespace bight

#endif  // BIGHT_TESTS_IO_SUPPORT_H_
