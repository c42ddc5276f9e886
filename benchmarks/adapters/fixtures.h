// What all programs of the adapter rows (A1 to A9) share: the connections, the messages and the
// clock. docs/benchmarks.md says what each row is; compare/fixtures.h has the frame.
//
// One thread does all the work of a row, so that nothing depends on who gets a processor when. It
// writes to a non-blocking socket while the clock runs, and drains the other end while it stands;
// or the other way round for reads. Sockets get buffers of 4 MiB if the system allows them (A8: as
// it makes them); where a message does not fit, it goes in several rounds, for all alike.
#ifndef BIGHT_BENCHMARKS_ADAPTERS_FIXTURES_H_
#define BIGHT_BENCHMARKS_ADAPTERS_FIXTURES_H_

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../compare/fixtures.h"

namespace adapters {

using benchmark::State;
using compare::kKiB;
using compare::kMiB;
using compare::must;

enum Transport { kUnix, kTcp };
constexpr Transport kTransports[] = {kUnix, kTcp};
inline std::string name_of(Transport transport) { return transport == kUnix ? "unix" : "tcp"; }

// ---- Connections -------------------------------------------------------------------------------

inline void set_non_blocking(int fd) {
  must(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "O_NONBLOCK");
}

// Two ends of one connection, both non-blocking, small packets sent at once.
class Connection {
 public:
  // `buffer` 0: as large as the system makes them.
  explicit Connection(Transport transport, int buffer = 4 << 20) {
    ::signal(SIGPIPE, SIG_IGN);
    int fds[2] = {-1, -1};
    if (transport == kUnix) {
      must(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
    } else {
      const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(address);
      auto* const name = reinterpret_cast<sockaddr*>(&address);
      must(::bind(listener, name, size) == 0 && ::listen(listener, 1) == 0 &&
               ::getsockname(listener, name, &size) == 0,
           "listen");
      fds[0] = ::socket(AF_INET, SOCK_STREAM, 0);
      must(::connect(fds[0], name, size) == 0, "connect");
      fds[1] = ::accept(listener, nullptr, nullptr);
      must(fds[1] >= 0, "accept");
      ::close(listener);
      const int on = 1;
      for (const int fd : fds) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    for (const int fd : fds) {
      if (buffer != 0) {  // the system may grant less
        ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
      }
      set_non_blocking(fd);
    }
    near_ = fds[0];
    far_ = fds[1];
  }
  ~Connection() {
    ::close(near_);
    ::close(far_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int near() const { return near_; }  // the end that is measured
  int far() const { return far_; }

 private:
  int near_;
  int far_;
};

inline void wait_for(int fd, short events) {
  pollfd one{fd, events, 0};
  must(::poll(&one, 1, 10000) == 1, "a connection stands still");
}

// Reads what has come to `fd`, at least a byte, up to `most`; `seen` gets it if it is not null.
inline size_t drain(int fd, size_t most, std::string* seen = nullptr) {
  static std::vector<char>& room = *new std::vector<char>(256 * kKiB);
  size_t total = 0;
  while (total < most) {
    const ssize_t n = ::read(fd, room.data(), std::min(room.size(), most - total));
    if (n < 0) {
      must(errno == EAGAIN, "read of the other end");
      if (total != 0) break;
      wait_for(fd, POLLIN);
      continue;
    }
    must(n > 0, "the other end is closed");
    if (seen != nullptr) seen->append(room.data(), static_cast<size_t>(n));
    total += static_cast<size_t>(n);
  }
  return total;
}

// Writes as much of `text` as fits; how much.
inline size_t feed(int fd, std::string_view text) {
  size_t total = 0;
  while (total < text.size()) {
    const ssize_t n = ::write(fd, text.data() + total, text.size() - total);
    if (n < 0) {
      must(errno == EAGAIN, "write to the other end");
      break;
    }
    total += static_cast<size_t>(n);
  }
  return total;
}

// ---- Messages ----------------------------------------------------------------------------------

struct Message {
  size_t count;
  size_t size;
};
constexpr Message kSmall = {1000, 64};
constexpr Message kMiddle = {1000, kKiB};
constexpr Message kLarge = {50, 16 * kKiB};

// The parts of a message, each in memory of its own, and all of it.
struct Parts {
  explicit Parts(const Message& message) {
    whole = compare::letters(message.count * message.size, 2024);
    for (const std::string_view piece : compare::pieces(whole, message.size)) {
      parts.emplace_back(piece);
    }
  }
  std::string whole;
  std::vector<std::string> parts;
};

constexpr size_t kStream = 960 * kKiB;
constexpr size_t kRequest = 200;
constexpr size_t kFileSlice = 512 * kKiB;
constexpr size_t kFileHeader = 200;

// The file of A8, without a name.
inline int make_file(const std::string& content) {
  char name[] = "/tmp/bight_adapters_XXXXXX";
  const int fd = ::mkstemp(name);
  must(fd >= 0, "mkstemp");
  ::unlink(name);
  must(::pwrite(fd, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()),
       "the file of A8");
  return fd;
}

// ---- The clock ---------------------------------------------------------------------------------

// CPU time of the thread, summed up over the parts that count.
class Clock {
 public:
  void start() { began_ = compare::thread_seconds(); }
  void stop() { total_ += compare::thread_seconds() - began_; }
  double seconds() const { return total_; }

 private:
  double began_ = 0;
  double total_ = 0;
};

// Writes messages: `prepare()` makes ready what is sent, before the clock starts; `send(prepared)`
// writes as much of it as goes without waiting and says whether all of it has gone. What it sends
// must be `whole`.
template <class Prepare, class Send>
void run_writes(State& state, const Connection& connection, std::string_view whole,
                const Prepare& prepare, const Send& send) {
  const auto round = [&](std::string* seen) {
    Clock clock;
    auto prepared = prepare();
    size_t drained = 0;
    for (bool done = false; !done;) {
      clock.start();
      done = send(prepared);
      clock.stop();
      if (!done) drained += drain(connection.far(), whole.size() - drained, seen);
    }
    while (drained < whole.size()) {
      drained += drain(connection.far(), whole.size() - drained, seen);
    }
    return clock.seconds();
  };
  std::string seen;
  round(&seen);
  must(seen == whole, "what was written");
  for (int i = 0; i < 3; ++i) round(nullptr);
  for (auto _ : state) state.SetIterationTime(round(nullptr));
}

// Waits until `n` bytes have arrived at `fd`, so that no part of their way there is in the time of
// the reads; but not long, as a window may be too small for them.
inline void wait_for_arrival(int fd, size_t n) {
  for (int tries = 0; tries < 100; ++tries) {
    int arrived = 0;
    must(::ioctl(fd, FIONREAD, &arrived) == 0, "FIONREAD");
    if (static_cast<size_t>(arrived) >= n) return;
    ::usleep(100);
  }
}

// Reads a stream: `read(seen)` makes one read, keeps what came as its own until `drop()`, and
// returns how many bytes came, 0 if there were none; it adds them to `seen` if that is not null.
template <class Read, class Drop>
void run_reads(State& state, const Connection& connection, const Read& read, const Drop& drop) {
  static const std::string& whole = *new std::string(compare::letters(kStream, 2025));
  const auto round = [&](std::string* seen) {
    Clock clock;
    size_t fed = 0;
    size_t got = 0;
    while (got < whole.size()) {
      fed += feed(connection.far(), std::string_view(whole).substr(fed));
      wait_for_arrival(connection.near(), fed - got);
      wait_for(connection.near(), POLLIN);
      clock.start();
      while (got < whole.size()) {
        const size_t n = read(seen);
        if (n == 0) break;
        got += n;
      }
      clock.stop();
    }
    clock.start();
    drop();
    clock.stop();
    return clock.seconds();
  };
  std::string seen;
  round(&seen);
  must(seen == whole, "what was read");
  for (int i = 0; i < 10; ++i) round(nullptr);  // read sizes grow, socket buffers too
  for (auto _ : state) state.SetIterationTime(round(nullptr));
}

// Reads a request of 200 bytes from each of many connections: `read(fd, i, seen)` makes one call
// for connection `i`, drops what came, and returns how many bytes it was.
template <class Read>
void run_requests(State& state, const Read& read) {
  constexpr size_t kConnections = 64;
  const std::string request = compare::letters(kRequest, 2026);
  std::vector<std::unique_ptr<Connection>> connections;
  for (size_t i = 0; i < kConnections; ++i) {
    connections.push_back(std::make_unique<Connection>(kUnix, 64 << 10));
  }
  const auto round = [&](std::string* seen) {
    for (const auto& connection : connections) {
      must(feed(connection->far(), request) == kRequest, "a request");
    }
    Clock clock;
    size_t total = 0;
    clock.start();
    for (size_t i = 0; i < kConnections; ++i) total += read(connections[i]->near(), i, seen);
    clock.stop();
    must(total == kConnections * kRequest, "requests read");
    return clock.seconds();
  };
  std::string seen;
  round(&seen);
  for (size_t i = 0; i < kConnections; ++i) {
    must(seen.substr(i * kRequest, kRequest) == request, "request");
  }
  for (int i = 0; i < 3; ++i) round(nullptr);
  for (auto _ : state) state.SetIterationTime(round(nullptr));
  compare::operations(state, kConnections);
}

// ---- Counts (count_calls.cc) -------------------------------------------------------------------

struct Calls {
  size_t count;       // of system calls that move bytes, wait, or ask about a descriptor
  size_t least_room;  // the least bytes that a read was offered since the last reset
};
// What has been counted, or nothing when the library that counts is not loaded. Resets least_room.
inline std::optional<Calls> counted_calls() {
  using Get = void(Calls*);
  static const auto get = reinterpret_cast<Get*>(dlsym(RTLD_DEFAULT, "bight_counted_calls"));
  if (get == nullptr) return std::nullopt;
  Calls calls{};
  get(&calls);
  return calls;
}

// A row whose value is a number that was counted or computed once, and not a time.
inline void report(State& state, double value) {
  for (auto _ : state) state.SetIterationTime(1e-3);
  state.counters["value"] = value;
}

// ---- Registration ------------------------------------------------------------------------------

// `row` is its name in the table, with ":variant" behind it if a library has several ways; `note`
// is shown in brackets.
template <class Body>
void add(const std::string& row, const Body& body, const std::string& note = "") {
  benchmark::RegisterBenchmark(row.c_str(), [body, note](State& state) {
    body(state);
    if (!note.empty()) state.SetLabel(note);
  })->UseManualTime();
}

}  // namespace adapters

#endif  // BIGHT_BENCHMARKS_ADAPTERS_FIXTURES_H_
