// A small epoll server for the examples: threads, connections, order of replies, back-pressure,
// limits. What the bytes mean is the handler's. Lines counted with each example that uses it.
//
//   struct Echo : example::Handler {
//     bool on_bytes(example::Connection& c) override {
//       c.out.push_back(std::move(c.in));  // shared, not copied
//       return true;
//     }
//   };
//   return example::serve(options, [] { return std::make_unique<Echo>(); });
#ifndef EXAMPLES_SUPPORT_EPOLL_SERVER_H_
#define EXAMPLES_SUPPORT_EPOLL_SERVER_H_

#include <bight/chain.h>
#include <bight/chain_builder.h>
#include <bight/io/file.h>
#include <bight/io/file_slice.h>
#include <bight/io/read_size.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace example {

class Connection;

// What a connection does with what comes, with its state; one a connection, on one thread.
class Handler {
 public:
  virtual ~Handler() = default;
  // Called when bytes have come into `c.in`, and again when there is room to go on after it
  // returned because of `c.full()`. Consumes from `c.in` what it has understood and writes the
  // answer. False: nothing more is read, and the connection ends when all that was written is sent.
  virtual bool on_bytes(Connection& c) = 0;
};

// A connection as its handler sees it. The order of what is sent is the order of the calls.
class Connection {
 public:
  // Received and not consumed.
  bight::Chain in;
  // Takes bytes to send: append copies, push_back shares. Empty when on_bytes is called.
  bight::ChainBuilder& out;

  // Sends a part of a file behind all that was written so far.
  void send(bight::FileSlice file);
  // More than the limit is unsent: the handler should return and leave the rest in `in`.
  bool full() const { return unsent_ + out.size() >= max_unsent_; }
  // Has another handler from the next call on (which follows at once if `in` is not empty).
  void upgrade(std::unique_ptr<Handler> next) { next_ = std::move(next); }

 private:
  friend class Worker;
  struct Piece {  // bytes, and then a part of a file
    bight::Chain bytes;
    bight::FileSlice file;
  };
  Connection(bight::ChainBuilder& shared_out, size_t max_unsent)
      : out(shared_out), max_unsent_(max_unsent) {}
  void queue(bight::FileSlice file);  // what is in `out`, and then the file
  bool flush();                       // sends what the socket takes; false: it failed

  bight::File socket_;
  std::unique_ptr<Handler> handler_, next_;
  bight::ReadSize size_;
  std::vector<Piece> pieces_;  // to send, in order; no file before the last piece is empty
  size_t max_unsent_, unsent_ = 0;
  bool due_ = false;      // `in` has bytes that the handler has not seen, or left when full()
  bool ended_ = false;    // the peer sends no more
  bool closing_ = false;  // nothing is read any more; ends when all is sent
  bool shut_ = false;     // all was sent and the peer told; what still comes is thrown away
  uint32_t watched_ = 0;  // epoll's events
  int64_t deadline_ = 0;  // closed then, unless there is progress
  std::list<Connection>::iterator self_;
};

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // ADDRESS:PORT (0: the kernel chooses) or unix:PATH
  unsigned threads = 1;
  size_t max_connections = 10000;           // more are told `refusal` and closed
  size_t max_unsent = size_t{4} << 20;      // of a connection; above it nothing is read
  size_t receive_block = size_t{64} << 10;  // what is received lies in blocks of so many bytes
  unsigned idle_seconds = 300;              // without a byte sent or a consumed one: closed
  unsigned seconds = 0;  // the server ends after so long; 0: at SIGTERM or SIGINT
  bool until_stdin_ends = false;
  std::string refusal;
};

// Listens from construction on, serves on threads of its own, ends in the destructor.
// Says why and ends the program with 1 if it cannot listen.
class EpollServer {
 public:
  using Factory = std::function<std::unique_ptr<Handler>()>;  // called by all threads
  EpollServer(const ServerOptions& options, Factory factory);
  ~EpollServer();
  // As in ServerOptions::listen, with the port that it got.
  const std::string& address() const { return options_.listen; }

 private:
  friend class Worker;
  ServerOptions options_;
  const Factory factory_;
  bight::File listener_, stop_;
  std::atomic<size_t> connections_ = 0;
  std::vector<std::thread> threads_;
};

// Serves until a signal or the options end it; prints "listening on ADDRESS". The exit code.
[[nodiscard]] int serve(const ServerOptions& options, EpollServer::Factory factory);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_EPOLL_SERVER_H_
