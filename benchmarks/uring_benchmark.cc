// io_uring: 4 KiB reads past the page cache at several depths, beside pread and liburing by hand;
// and an echo of many connections, beside epoll with the fd adapters.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/io/direct_io.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/read_tail.h"
#include "bight/io/uring.h"
#include "bight/io/write.h"

namespace {

using bight::Bytes;
using bight::Chain;
using bight::File;
using bight::IoKind;
using bight::IoResult;
using bight::Uring;
using bight::UringOptions;

// ---- Files -------------------------------------------------------------------------------------

constexpr size_t kPage = 4096;
constexpr size_t kPages = 16384;

// 64 MiB on the disk of the temporary folder, opened for direct input.
const File& direct_file() {
  static const File* const file = [] {
    const char* folder = std::getenv("TMPDIR");
    std::string name = std::string(folder != nullptr ? folder : "/tmp") + "/bight_uring_XXXXXX";
    {
      const File made(::mkstemp(name.data()));
      const Bytes megabyte = Bytes::from_owner(std::string(size_t{1} << 20, 'x'));
      for (size_t i = 0; i < kPages * kPage; i += megabyte.size()) {
        if (made.write_at(i, Chain(megabyte)).is_error()) std::abort();
      }
      static_cast<void>(made.sync());
    }
    auto* const opened = new File;
    bool direct = false;
    const IoResult result =
        bight::open_direct(name.c_str(), O_RDONLY, bight::DirectFallback::refuse, *opened, direct);
    ::unlink(name.c_str());
    return result.is_error() ? nullptr : opened;
  }();
  if (file == nullptr) std::abort();
  return *file;
}

// A page somewhere else each time.
uint64_t next_offset() {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return uint64_t{state >> 8} % kPages * kPage;
}

void BM_read_pread(benchmark::State& state) {
  const File& file = direct_file();
  void* const page = std::aligned_alloc(kPage, kPage);
  for (auto _ : state) {
    if (::pread(file.fd(), page, kPage, static_cast<off_t>(next_offset())) != kPage) std::abort();
  }
  std::free(page);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_read_pread)->UseRealTime();

void BM_read_liburing(benchmark::State& state) {
  const File& file = direct_file();
  const auto depth = static_cast<unsigned>(state.range(0));
  io_uring ring{};
  if (io_uring_queue_init(depth, &ring, 0) != 0) {
    state.SkipWithError("io_uring is refused here");
    return;
  }
  auto* const pages = static_cast<std::byte*>(std::aligned_alloc(kPage, depth * kPage));
  const auto start = [&](size_t i) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring);
    io_uring_prep_read(entry, file.fd(), pages + i * kPage, kPage, next_offset());
    io_uring_sqe_set_data64(entry, i);
  };
  for (unsigned i = 0; i < depth; ++i) start(i);
  unsigned ready = 0;
  for (auto _ : state) {
    if (ready == 0) {
      io_uring_submit_and_wait(&ring, 1);
      ready = io_uring_cq_ready(&ring);
    }
    io_uring_cqe* done = nullptr;
    io_uring_peek_cqe(&ring, &done);
    if (done->res != kPage) std::abort();
    const size_t i = io_uring_cqe_get_data64(done);
    io_uring_cqe_seen(&ring, done);
    start(i);
    --ready;
  }
  for (unsigned left = depth - ready; left != 0;) {
    io_uring_submit_and_wait(&ring, 1);
    const unsigned n = io_uring_cq_ready(&ring) - ready;
    left -= n;
    ready += n;
    io_uring_cq_advance(&ring, ready);
    ready = 0;
    if (left > depth) break;
  }
  io_uring_queue_exit(&ring);
  std::free(pages);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_read_liburing)->Arg(1)->Arg(32)->Arg(128)->UseRealTime();

void BM_read_bight(benchmark::State& state) {
  const File& file = direct_file();
  Uring uring;
  if (!uring.uses_ring()) {
    state.SkipWithError("io_uring is refused here");
    return;
  }
  size_t ended = 0;
  bool more = true;
  std::function<void()> start = [&] {
    uring.read_at(file.fd(), next_offset(), kPage, [&](const IoResult& result, Chain page) {
      if (result.bytes != kPage || page.size() != kPage) std::abort();
      ++ended;
      if (more) start();
    });
  };
  for (int64_t i = 0; i < state.range(0); ++i) start();
  size_t counted = 0;
  for (auto _ : state) {
    while (ended == counted) uring.run_once();
    ++counted;
  }
  more = false;
  while (uring.run_once().kind == IoKind::data) {
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_read_bight)->Arg(1)->Arg(32)->Arg(128)->UseRealTime();

// ---- Sockets -----------------------------------------------------------------------------------

struct Connection {
  File near;  // the client's end
  File far;   // the server's
  bight::ReadSize size;
  Chain out;
};

// Echoes until every connection has ended.
void serve_epoll(std::vector<Connection>& connections) {
  const File epoll(::epoll_create1(EPOLL_CLOEXEC));
  for (Connection& c : connections) {
    ::fcntl(c.far.fd(), F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &c;
    ::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, c.far.fd(), &event);
  }
  for (size_t open = connections.size(); open != 0;) {
    epoll_event events[64];
    const int n = ::epoll_wait(epoll.fd(), events, 64, -1);
    for (int i = 0; i < n; ++i) {
      Connection& c = *static_cast<Connection*>(events[i].data.ptr);
      if ((events[i].events & (EPOLLIN | EPOLLHUP)) != 0) {
        Chain received;
        const IoResult result = read_some(bight::FdSource(c.far.fd()),
                                          bight::ReadTail::of_this_thread(), c.size, received);
        c.out.push_back(std::move(received));
        if (result.kind == IoKind::eof || result.is_error()) {
          ::epoll_ctl(epoll.fd(), EPOLL_CTL_DEL, c.far.fd(), nullptr);
          --open;
          continue;
        }
      }
      const bool waited = (events[i].events & EPOLLOUT) != 0;
      const IoResult sent = write_all(bight::FdSink(c.far.fd(), bight::FdKind::socket), c.out);
      if (waited || sent.kind == IoKind::would_block) {
        epoll_event event{};
        event.events = EPOLLIN | (c.out.empty() ? 0u : static_cast<unsigned>(EPOLLOUT));
        event.data.ptr = &c;
        ::epoll_ctl(epoll.fd(), EPOLL_CTL_MOD, c.far.fd(), &event);
      }
    }
  }
}

void serve_uring(std::vector<Connection>& connections, bool use_ring) {
  UringOptions options;
  options.use_ring = use_ring;
  Uring uring(options);
  for (Connection& c : connections) {
    uring.receive(c.far.fd(), [&](const IoResult& result, Chain bytes) {
      if (result.kind != IoKind::data) return;
      uring.send(c.far.fd(), std::move(bytes), [](const IoResult&, Chain) {});
    });
  }
  while (uring.run_once().kind == IoKind::data) {
  }
}

enum Server { kEpoll, kRing, kPoll };

// One iteration: a message to each connection, and each one back.
void BM_echo(benchmark::State& state) {
  const auto server = static_cast<Server>(state.range(0));
  std::vector<Connection> connections(static_cast<size_t>(state.range(1)));
  const auto size = static_cast<size_t>(state.range(2));
  for (Connection& c : connections) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    c.near = File(ends[0]);
    c.far = File(ends[1]);
  }
  std::thread thread([&] {
    if (server == kEpoll) {
      serve_epoll(connections);
    } else {
      serve_uring(connections, server == kRing);
    }
  });
  const std::string message(size, 'x');
  std::string back(size, '\0');
  for (auto _ : state) {
    for (const Connection& c : connections) {
      if (::send(c.near.fd(), message.data(), size, 0) != static_cast<ssize_t>(size)) std::abort();
    }
    for (const Connection& c : connections) {
      if (::recv(c.near.fd(), back.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) {
        std::abort();
      }
    }
  }
  for (Connection& c : connections) c.near.close();
  thread.join();
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(BM_echo)
    ->ArgNames({"server", "connections", "bytes"})
    ->ArgsProduct({{kEpoll, kRing, kPoll}, {1, 32}, {64, 4096, 65536}})
    ->UseRealTime();

}  // namespace
