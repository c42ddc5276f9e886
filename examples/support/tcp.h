// TCP sockets by name, IPv4 and IPv6.
#ifndef EXAMPLES_SUPPORT_TCP_H_
#define EXAMPLES_SUPPORT_TCP_H_

#include <bight/io/file.h>

#include <cstdint>
#include <string>

namespace example {

// A socket connected to "HOST:PORT" or "[HOST]:PORT", or listening there, with the options below.
// Dies if that fails.
[[nodiscard]] bight::File open_tcp(const std::string& address, bool listening,
                                   uint32_t timeout_seconds);
// Sends small messages at once, and lets reads and writes fail with EAGAIN after waiting that long.
void set_tcp_options(int fd, uint32_t timeout_seconds);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_TCP_H_
