// An echo server by io_uring, and a client that talks to itself through it. Where the kernel has no
// io_uring, or with the argument `without`, the same program does the same by poll.
//
// What is received is sent back from the very blocks that the kernel put it into. One megabyte over
// each of eight connections, then it ends; exit code 0 when every byte came back.
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"
#include "bight/io/uring.h"

using bight::Chain;
using bight::IoKind;
using bight::IoResult;

namespace {

// The server: each piece goes back as it came, until the client has ended.
void serve(bight::Uring& uring, int socket) {
  uring.receive(socket, [&uring, socket](const IoResult& result, Chain bytes) {
    if (result.kind == IoKind::data) {
      uring.send(socket, std::move(bytes), [](const IoResult& sent, Chain) {
        if (sent.is_error()) std::fprintf(stderr, "%s\n", sent.message().c_str());
      });
    } else {
      ::shutdown(socket, SHUT_WR);
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  bight::UringOptions options;
  options.use_ring = argc < 2 || std::string_view(argv[1]) != "without";
  bight::Uring uring(options);

  std::string text(size_t{1} << 20, '.');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  const Chain sent(bight::Bytes::from_owner(std::move(text)));

  struct Connection {
    bight::File server;
    bight::File client;
    Chain returned;
  };
  std::vector<Connection> connections(8);
  for (Connection& c : connections) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 1;
    c.server = bight::File(ends[0]);
    c.client = bight::File(ends[1]);
    serve(uring, c.server.fd());
    uring.receive(c.client.fd(), [&](const IoResult& result, Chain bytes) {
      if (result.kind != IoKind::data) return;
      c.returned.push_back(std::move(bytes));
      if (c.returned.size() == sent.size()) ::shutdown(c.client.fd(), SHUT_WR);
    });
    uring.send(c.client.fd(), sent, [](const IoResult&, Chain) {});  // shared by all
  }
  // Until nothing is under way. Half a minute without anything would be a fault.
  while (uring.run_once(std::chrono::seconds(30)).kind == IoKind::data) {
  }

  size_t same = 0;
  for (const Connection& c : connections) same += c.returned == sent ? 1 : 0;
  const IoResult refusal = uring.refusal();
  std::printf("by %s: %zu of %zu connections got every byte back\n",
              uring.uses_ring()    ? "io_uring"
              : refusal.is_error() ? refusal.message().c_str()
                                   : "poll",
              same, connections.size());
  return same == connections.size() ? 0 : 1;
}
