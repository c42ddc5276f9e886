// An echo server on epoll, and a client that talks to itself through it: how bight's buffers are
// used as plain state machines, by a program that makes all system calls itself.
//
//   reading:  prepare_iovec -> readv  -> commit        (a ChainBuilder, and a Chain of what came)
//   writing:  fill_iovec    -> writev -> consume       (a Chain)
//
// One thread, one megabyte, then it ends; exit code 0 when every byte came back.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/read_size.h"
#include "bight/io/write.h"

namespace {

// A connection: what is to go out, and where what comes in is put.
struct Connection {
  bight::File socket;
  bight::ChainBuilder in;
  bight::Chain out;
};

// The twenty lines. Reads what is there; false at the end of the stream.
bool read_ready(Connection& c, bight::Chain& received) {
  iovec entries[16];
  const size_t count = c.in.prepare_iovec(size_t{64} << 10, entries);
  const ssize_t n = ::readv(c.socket.fd(), entries, static_cast<int>(count));
  if (n > 0) c.in.commit(static_cast<size_t>(n));
  received.push_back(c.in.take());  // shares the builder's block: nothing is copied
  return n != 0;
}

// Writes what the socket takes; the rest waits in `out`.
void write_ready(Connection& c) {
  iovec entries[64];
  const bight::GatherFill fill = c.out.fill_iovec(entries);
  const ssize_t n = ::writev(c.socket.fd(), entries, static_cast<int>(fill.count));
  if (n > 0) c.out.consume(static_cast<size_t>(n));
}

void watch(const bight::File& epoll, Connection& c, int operation) {
  epoll_event event{};
  event.events = EPOLLIN | (c.out.empty() ? 0u : static_cast<unsigned>(EPOLLOUT));
  event.data.ptr = &c;
  ::epoll_ctl(epoll.fd(), operation, c.socket.fd(), &event);
}

}  // namespace

int main() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return 1;
  Connection server;
  Connection client;
  server.socket = bight::File(ends[0]);
  client.socket = bight::File(ends[1]);
  std::string text(size_t{1} << 20, '.');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  const bight::Chain sent(bight::Bytes::from_owner(std::move(text)));
  client.out = sent;  // shared
  bight::Chain returned;

  const bight::File epoll(::epoll_create1(EPOLL_CLOEXEC));
  watch(epoll, server, EPOLL_CTL_ADD);
  watch(epoll, client, EPOLL_CTL_ADD);
  // Bounded: each round moves bytes or times out.
  for (int round = 0; round < 100000 && returned.size() < sent.size(); ++round) {
    epoll_event events[8];
    const int n = ::epoll_wait(epoll.fd(), events, 8, 5000);
    if (n <= 0) break;
    for (int i = 0; i < n; ++i) {
      Connection& c = *static_cast<Connection*>(events[i].data.ptr);
      if ((events[i].events & EPOLLIN) != 0) read_ready(c, &c == &server ? c.out : returned);
      if ((events[i].events & EPOLLOUT) != 0) write_ready(c);
      watch(epoll, c, EPOLL_CTL_MOD);
    }
  }

  // The same steps as functions of bight::io, which also make interrupted calls again and choose
  // the size of the reads.
  bight::Chain once_more = bight::Chain(bight::Bytes::copy_of("once more"));
  bight::ReadSize size;
  const bight::IoResult wrote = write_some(client.socket, once_more);
  const bight::IoResult read = read_some(server.socket, server.in, size);
  const bool same = returned == sent && wrote.bytes == 9 && read.bytes == 9;
  std::printf("%zu bytes sent, %zu came back: %s\n", sent.size(), returned.size(),
              same ? "the same" : "NOT the same");
  return same ? 0 : 1;
}
