// The loop behind epoll_server.h: one epoll a thread, all of them watch the listening socket.
#include "examples/support/epoll_server.h"

#include <arpa/inet.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/read_tail.h>
#include <bight/io/send_file.h>
#include <bight/io/write.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace example {
namespace {

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

int64_t seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

}  // namespace

void Connection::send(bight::FileSlice file) { queue(std::move(file)); }

void Connection::queue(bight::FileSlice file) {
  const size_t fresh = out.size() + file.size();
  if (fresh == 0) return;
  unsent_ += fresh;
  if (pieces_.empty() || !pieces_.back().file.empty()) pieces_.emplace_back();
  pieces_.back().bytes.push_back(out.take());
  pieces_.back().file = std::move(file);
}

bool Connection::flush() {
  bight::FdSink sink(socket_.fd(), bight::FdKind::socket);
  while (!pieces_.empty()) {
    Piece& piece = pieces_.front();
    const bight::IoResult sent = piece.file.empty() ? write_some(sink, piece.bytes)
                                                    : send_some(sink, piece.bytes, piece.file);
    unsent_ -= sent.bytes;
    // A file that became shorter cannot be sent as promised: that is an error too.
    if (sent.is_error() || sent.kind == bight::IoKind::eof) return false;
    if (piece.bytes.empty() && piece.file.empty()) pieces_.erase(pieces_.begin());
    if (sent.kind == bight::IoKind::would_block) break;
  }
  return true;
}

// One thread's connections.
class Worker {
 public:
  explicit Worker(EpollServer& server) : server_(server), tail_(server.options_.receive_block) {}

  void run() {
    epoll_event events[128];
    if (!epoll_.is_open() || !server_.stop_.is_open()) die("epoll");
    watch(EPOLL_CTL_ADD, server_.stop_.fd(), EPOLLIN, &server_.stop_);
    watch(EPOLL_CTL_ADD, server_.listener_.fd(), kAccept, &server_.listener_);
    for (bool stopped = false; !stopped;) {
      const int n = ::epoll_wait(epoll_.fd(), events, 128, 1000);
      const int64_t last = std::exchange(now_, seconds());
      for (int i = 0; i < n; ++i) {
        void* const what = events[i].data.ptr;
        stopped = stopped || what == &server_.stop_;
        if (what == &server_.listener_) {
          accept_one();
        } else if (what != &server_.stop_) {
          serve(*static_cast<Connection*>(what), events[i].events);
        }
      }
      if (now_ != last) each_second();
    }
    server_.connections_ -= connections_.size();
  }

 private:
  static constexpr int64_t kLingerSeconds = 2;  // how long the rest of what comes is thrown away
  static constexpr uint32_t kAccept = EPOLLIN | EPOLLEXCLUSIVE;

  void watch(int operation, int fd, uint32_t events, void* data) {
    epoll_event event{events, {data}};
    ::epoll_ctl(epoll_.fd(), operation, fd, &event);
  }

  // One a wake-up, so that a burst of connections spreads over the threads.
  void accept_one() {
    const int listener = server_.listener_.fd();
    bight::File socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const bool fatal = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
    if (!socket.is_open()) {
      // For want of descriptors: no use to try again before the next second.
      if (fatal) watch(EPOLL_CTL_DEL, listener, 0, nullptr);
      return;
    }
    const ServerOptions& options = server_.options_;
    if (server_.connections_.fetch_add(1) >= options.max_connections) {
      --server_.connections_;
      ::send(socket.fd(), options.refusal.data(), options.refusal.size(), MSG_NOSIGNAL);
      return;
    }
    const int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // no matter if Unix
    connections_.push_front(Connection(out_, options.max_unsent));
    Connection& c = connections_.front();
    c.self_ = connections_.begin();
    c.socket_ = std::move(socket);
    c.handler_ = server_.factory_();
    c.deadline_ = now_ + options.idle_seconds;
    watch(EPOLL_CTL_ADD, c.socket_.fd(), c.watched_ = EPOLLIN, &c);
  }

  void serve(Connection& c, uint32_t events) {
    const bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    const size_t unsent = c.unsent_;
    if ((readable && !receive(c)) || !answer(c)) return close(c);
    if (c.unsent_ < unsent) c.deadline_ = now_ + server_.options_.idle_seconds;
    if (c.unsent_ == 0 && !c.due_) {
      if (c.ended_ || (c.closing_ && !c.shut_ && ::shutdown(c.socket_.fd(), SHUT_WR) != 0)) {
        return close(c);
      }
      if (c.closing_ && !c.shut_) c.deadline_ = now_ + kLingerSeconds;
      c.shut_ = c.closing_;
    }
    const bool read = !c.ended_ && (c.shut_ || (!c.closing_ && !c.due_ && !c.full()));
    const uint32_t wanted =
        (read ? uint32_t{EPOLLIN} : 0) | (c.unsent_ != 0 || c.due_ ? uint32_t{EPOLLOUT} : 0);
    if (wanted != c.watched_) watch(EPOLL_CTL_MOD, c.socket_.fd(), c.watched_ = wanted, &c);
  }

  // One read. False: the connection is gone.
  bool receive(Connection& c) {
    bight::Chain received;
    const bight::IoResult got =
        read_some(bight::FdSource(c.socket_.fd()), tail_, c.size_, received);
    c.ended_ = c.ended_ || got.kind == bight::IoKind::eof;
    // A closed connection's rest is read and thrown away: a close with bytes unread would take
    // the answer, which says why, back from the peer.
    if (!c.closing_ && !received.empty()) {
      c.in.push_back(std::move(received));
      c.due_ = true;
    }
    return !got.is_error();
  }

  // The handler, and one attempt to send. False: the connection is gone.
  bool answer(Connection& c) {
    while (c.due_ && !c.closing_ && !c.full()) {
      const size_t before = c.in.size();
      c.closing_ = !c.handler_->on_bytes(c);
      c.due_ = c.full() || c.next_ != nullptr;
      c.queue({});
      if (c.in.size() < before) c.deadline_ = now_ + server_.options_.idle_seconds;
      if (c.next_ != nullptr) c.handler_ = std::move(c.next_);
      if (c.closing_) c.in.clear();
      c.due_ = c.due_ && !c.in.empty();
    }
    return c.flush();
  }

  void close(Connection& c) {
    --server_.connections_;
    connections_.erase(c.self_);  // which closes the socket, and so ends watching it
  }

  void each_second() {
    // Fails with EEXIST, if it is watched.
    watch(EPOLL_CTL_ADD, server_.listener_.fd(), kAccept, &server_.listener_);
    for (auto next = connections_.begin(); next != connections_.end();) {
      Connection& c = *next++;
      if (c.deadline_ <= now_) close(c);
    }
  }

  EpollServer& server_;
  bight::File epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  bight::ReadTail tail_;     // all connections' reads share its blocks
  bight::ChainBuilder out_;  // lent to the handler that runs; empty between calls
  std::list<Connection> connections_;
  int64_t now_ = seconds();
};

namespace {

// Binds to `address`, listens, and makes `address` the one it got.
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
    std::memcpy(where.un.sun_path, address.data() + 5, address.size() - 5);
  } else if (std::sscanf(address.c_str(), "%15[0-9.]:%5u%c", host, &port, &rest) == 2 &&
             port <= 65535 && ::inet_pton(AF_INET, host, &where.in.sin_addr) == 1) {
    where.in.sin_family = AF_INET;
    where.in.sin_port = htons(static_cast<uint16_t>(port));
  } else {
    errno = EINVAL;
    die("neither ADDRESS:PORT nor unix:PATH: " + address);
  }
  bight::File socket(::socket(where.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.fd(), &where.any, size) != 0 || ::listen(socket.fd(), SOMAXCONN) != 0 ||
      ::getsockname(socket.fd(), &where.any, &size) != 0) {
    die(address);
  }
  if (!is_unix) address = host + (":" + std::to_string(ntohs(where.in.sin_port)));
  return socket;
}

}  // namespace

EpollServer::EpollServer(const ServerOptions& options, Factory factory)
    : options_(options),
      factory_(std::move(factory)),
      listener_(listen_at(options_.listen)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (unsigned i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { Worker(*this).run(); });
  }
}

EpollServer::~EpollServer() {
  ::eventfd_write(stop_.fd(), 1);  // nobody reads it: all threads see it
  for (std::thread& thread : threads_) thread.join();
  if (options_.listen.starts_with("unix:")) ::unlink(options_.listen.c_str() + 5);
}

int serve(const ServerOptions& options, EpollServer::Factory factory) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // in the server's threads too
  const bight::File signal(::signalfd(-1, &signals, SFD_CLOEXEC));
  const EpollServer server(options, std::move(factory));
  std::printf("listening on %s\n", server.address().c_str());
  std::fflush(stdout);
  const int64_t end = options.seconds == 0 ? INT64_MAX : seconds() + options.seconds;
  pollfd wait[2] = {{signal.fd(), POLLIN, 0}, {options.until_stdin_ends ? 0 : -1, POLLIN, 0}};
  for (char bytes[256]; seconds() < end && wait[0].revents == 0;) {
    ::poll(wait, 2, 1000);
    if (wait[1].revents != 0 && ::read(0, bytes, sizeof(bytes)) <= 0) break;
  }
  return 0;
}

}  // namespace example
