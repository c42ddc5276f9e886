// The loop behind epoll_server.h: a thread has an epoll, and all of them watch the listening
// socket.
#include "examples/support/epoll_server.h"

#include <arpa/inet.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/read_tail.h>
#include <bight/io/send_file.h>
#include <bight/io/write.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <map>
#include <thread>

namespace example {

void Connection::queue(bight::FileSlice file) {
  unsent_ += out.size() + file.size();
  if (pieces_.empty() || !pieces_.back().second.empty()) pieces_.emplace_back();
  pieces_.back().first.push_back(out.take());
  pieces_.back().second = std::move(file);
}

bool Connection::flush() {
  bight::FdSink sink(socket_.fd(), bight::FdKind::socket);
  while (unsent_ != 0) {
    auto& [bytes, file] = pieces_.front();
    const auto sent = file.empty() ? write_some(sink, bytes) : send_some(sink, bytes, file);
    unsent_ -= sent.bytes;
    // A file that became shorter cannot be sent as promised: that is an error too.
    if (sent.is_error() || sent.kind == bight::IoKind::eof) return false;
    if (bytes.empty() && file.empty()) pieces_.erase(pieces_.begin());
    if (sent.kind == bight::IoKind::would_block) break;
  }
  return true;
}

namespace {

int64_t seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

// Makes `address` the one it got. A closed file, and errno, if it cannot listen.
bight::File listen_at(std::string& address) {
  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_un un;
  } where{};
  const bool is_unix = address.starts_with("unix:");
  socklen_t size = is_unix ? sizeof(where.un) : sizeof(where.in);
  char host[16] = "", rest = 0;
  unsigned port = 0;
  if (is_unix && address.size() - 5 < sizeof(where.un.sun_path)) {
    where.un.sun_family = AF_UNIX;
    address.copy(where.un.sun_path, address.npos, 5);
  } else if (std::sscanf(address.c_str(), "%15[0-9.]:%5u%c", host, &port, &rest) == 2) {
    where.in.sin_family = port <= 65535 && ::inet_aton(host, &where.in.sin_addr) ? AF_INET : 0;
    where.in.sin_port = htons(static_cast<uint16_t>(port));
  }
  bight::File socket(::socket(where.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.fd(), &where.any, size) != 0 || ::listen(socket.fd(), SOMAXCONN) != 0 ||
      ::getsockname(socket.fd(), &where.any, &size) != 0) {
    return bight::File();
  }
  if (!is_unix) address = host + (":" + std::to_string(ntohs(where.in.sin_port)));
  return socket;
}

struct Server {  // what the threads share
  const ServerOptions& options;
  const HandlerFactory& factory;
  bight::File listener, signals;  // nobody reads the signal: all threads see it
  int64_t end;
  std::atomic<size_t> connections = 0;
};

}  // namespace

// One thread's connections.
class Worker {
 public:
  explicit Worker(Server& server) : server_(server), tail_(server.options.receive_block) {}

  void run() {
    watch(EPOLL_CTL_ADD, server_.signals.fd(), EPOLLIN, &server_.signals);
    watch(EPOLL_CTL_ADD, server_.listener.fd(), kAccept, &server_.listener);
    epoll_event events[128];
    for (bool stopped = false; !stopped && now_ < server_.end;) {
      const int n = ::epoll_wait(epoll_.fd(), events, 128, 1000);
      const int64_t last = std::exchange(now_, seconds());
      for (int i = 0; i < n; ++i) {
        void* const what = events[i].data.ptr;
        if (what == &server_.signals) {
          stopped = true;
        } else if (what == &server_.listener) {
          accept_one();
        } else if (!serve(*static_cast<Connection*>(what), events[i].events)) {
          // Closes the socket, and so ends watching it.
          server_.connections -= connections_.erase(static_cast<Connection*>(what));
        }
      }
      if (now_ == last) continue;
      watch(EPOLL_CTL_ADD, server_.listener.fd(), kAccept, &server_.listener);  // if it is not
      const auto idle = [this](const auto& c) { return c.second->deadline_ <= now_; };
      server_.connections -= std::erase_if(connections_, idle);
    }
  }

 private:
  static constexpr uint32_t kAccept = EPOLLIN | EPOLLEXCLUSIVE;

  void watch(int operation, int fd, uint32_t events, void* data) {
    epoll_event event{events, {data}};
    ::epoll_ctl(epoll_.fd(), operation, fd, &event);
  }

  // One a wake-up, so that a burst of connections spreads over the threads.
  void accept_one() {
    const int listener = server_.listener.fd(), on = 1;
    const ServerOptions& options = server_.options;
    bight::File socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) {
      // For want of descriptors: no use to try again before the next second.
      if (errno == EMFILE || errno == ENFILE) watch(EPOLL_CTL_DEL, listener, 0, nullptr);
    } else if (server_.connections.fetch_add(1) >= options.max_connections) {
      --server_.connections;
      ::send(socket.fd(), options.refusal.data(), options.refusal.size(), MSG_NOSIGNAL);
    } else {
      ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // no matter if Unix
      std::unique_ptr<Connection> c(new Connection(out_, options.max_unsent));
      c->socket_ = std::move(socket);
      c->handler_ = server_.factory();
      c->deadline_ = now_ + options.idle_seconds;
      watch(EPOLL_CTL_ADD, c->socket_.fd(), c->watched_ = EPOLLIN, c.get());
      connections_.emplace(c.get(), std::move(c));
    }
  }

  // Reads once, lets the handler answer, sends what goes. False: the connection is to be closed.
  bool serve(Connection& c, uint32_t events) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      bight::Chain bytes;
      const auto got = read_some(bight::FdSource(c.socket_.fd()), tail_, c.size_, bytes);
      if (got.is_error()) return false;
      c.ended_ = c.ended_ || got.kind == bight::IoKind::eof;
      // What comes after the handler's end is read and thrown away: a close with bytes unread would
      // take the answer, which says why, back from the peer.
      if (!c.closing_) c.in.push_back(std::move(bytes));
      c.due_ = c.due_ || !c.in.empty();
    }
    const size_t received = c.in.size();
    while (c.due_ && !c.closing_ && !c.full()) {
      c.closing_ = !c.handler_->on_bytes(c);
      c.due_ = c.full() || c.next_ != nullptr;
      c.queue({});
      if (c.next_ != nullptr) c.handler_ = std::move(c.next_);
      if (c.closing_) c.in.clear();
      c.due_ = c.due_ && !c.in.empty();
    }
    const size_t unsent = c.unsent_;
    if (!c.flush()) return false;
    if (c.in.size() < received || c.unsent_ < unsent)
      c.deadline_ = now_ + server_.options.idle_seconds;
    const bool done = c.unsent_ == 0 && !c.due_;
    if (done && c.ended_) return false;
    if (done && c.closing_ && !c.shut_) {
      c.shut_ = ::shutdown(c.socket_.fd(), SHUT_WR) == 0;
      c.deadline_ = now_ + 2;
    }
    const bool read = !c.ended_ && (c.shut_ || (!c.closing_ && !c.due_ && !c.full()));
    const uint32_t wanted = (read ? EPOLLIN : 0u) | (done ? 0u : EPOLLOUT);
    if (wanted != c.watched_) watch(EPOLL_CTL_MOD, c.socket_.fd(), c.watched_ = wanted, &c);
    return true;
  }

  Server& server_;
  bight::File epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  bight::ReadTail tail_;     // all connections' reads share its blocks
  bight::ChainBuilder out_;  // lent to the handler that runs; empty between calls
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  int64_t now_ = seconds();
};

int serve(const ServerOptions& options, const HandlerFactory& factory) {
  sigset_t set{};
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::string address = options.listen;
  Server server{options, factory, listen_at(address),
                bight::File(::signalfd(-1, &set, SFD_CLOEXEC)),
                options.seconds != 0 ? seconds() + options.seconds : INT64_MAX};
  if (!server.listener.is_open()) return std::perror(address.c_str()), 1;
  std::printf("listening on %s\n", address.c_str());
  std::fflush(stdout);
  std::vector<std::thread> threads(options.threads);
  for (std::thread& thread : threads) thread = std::thread([&] { Worker(server).run(); });
  for (std::thread& thread : threads) thread.join();
  if (address.starts_with("unix:")) ::unlink(address.c_str() + 5);
  return 0;
}

}  // namespace example
