#include "examples/support/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "examples/support/process.h"

namespace example {

void set_tcp_options(int fd, uint32_t timeout_seconds) {
  const int on = 1;
  const timeval timeout{timeout_seconds, 0};
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

bight::File open_tcp(const std::string& address, bool listening, uint32_t timeout_seconds) {
  const size_t colon = address.rfind(':');
  if (colon == address.npos) die(address + ": not of the form HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int failed = ::getaddrinfo(host.c_str(), &address[colon + 1], &hints, &found);
  if (failed != 0) die(address + ": " + ::gai_strerror(failed));
  bight::File file;
  for (const addrinfo* a = found; a != nullptr && !file.is_open(); a = a->ai_next) {
    file = bight::File(::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (listening) ::setsockopt(file.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if ((listening ? ::bind : ::connect)(file.fd(), a->ai_addr, a->ai_addrlen) == 0) continue;
    if (a->ai_next == nullptr) die_of_errno(address);
    file = bight::File();
  }
  ::freeaddrinfo(found);
  if (listening && ::listen(file.fd(), SOMAXCONN) != 0) die_of_errno(address);
  set_tcp_options(file.fd(), timeout_seconds);
  return file;
}

}  // namespace example
