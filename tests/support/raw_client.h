// A client for tests of servers: a socket that says exactly what it is told, never waits for longer
// than a generous deadline, and reads until what it waits for has come or the server has closed.
#ifndef TESTS_SUPPORT_RAW_CLIENT_H_
#define TESTS_SUPPORT_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace bight_test {

class RawClient {
 public:
  // Connects to "127.0.0.1:PORT".
  explicit RawClient(const std::string& address) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    const size_t colon = address.rfind(':');
    to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval deadline{60, 0};
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() {
    if (fd_ >= 0) ::close(fd_);
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  // False if the server has closed, or takes nothing for too long.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  bool send_bytewise(std::string_view text) {
    for (const char c : text) {
      if (!send({&c, 1})) return false;
    }
    return true;
  }
  // No more will be said.
  void end() { ::shutdown(fd_, SHUT_WR); }

  // What came, at least until there are `n` bytes; less if the server closed. Keeps nothing back.
  std::string read(size_t n) {
    std::string text;
    while (text.size() < n && read_more(text, n - text.size())) {
    }
    return text;
  }
  // What came until `end` did; all if the server closed before.
  std::string read_until(std::string_view end) {
    std::string text;
    while (!text.ends_with(end) && read_more(text, 1)) {
    }
    return text;
  }
  // What came until the server closed. `timed_out()` if it did not.
  std::string read_all() {
    std::string text;
    while (read_more(text, 65536)) {
    }
    return text;
  }
  // The last read ended because nothing came for too long.
  bool timed_out() const { return timed_out_; }

 private:
  bool read_more(std::string& text, size_t most) {
    char bytes[65536];
    const ssize_t n = ::recv(fd_, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);
    timed_out_ = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (n > 0) text.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool timed_out_ = false;
};

}  // namespace bight_test

#endif  // TESTS_SUPPORT_RAW_CLIENT_H_
