// A small epoll server. Its lines count with those of each example that stands on it.
#ifndef EXAMPLES_SUPPORT_EPOLL_SERVER_H_
#define EXAMPLES_SUPPORT_EPOLL_SERVER_H_

#include <bight/chain_builder.h>
#include <bight/io/file_slice.h>
#include <bight/io/read_size.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace example {

class Connection;

// A connection's protocol and state; used by one thread.
struct Handler {
  virtual ~Handler() = default;
  // Called when bytes have come into `c.in`, and again when there is room after it returned because
  // of `c.full()`. Consumes what it understands and writes the answer; never waits.
  // False: nothing more is read, and the connection ends when all that was written is sent.
  virtual bool on_bytes(Connection& c) = 0;
};
using HandlerFactory = std::function<std::unique_ptr<Handler>()>;  // called by all threads

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // ADDRESS:PORT (0: the kernel chooses) or unix:PATH
  unsigned threads = 1;
  size_t max_connections = 10000;           // more are told `refusal` and closed
  size_t max_unsent = size_t{4} << 20;      // of a connection; above it nothing is read
  size_t receive_block = size_t{64} << 10;  // requests are received in blocks of so many bytes
  unsigned idle_seconds = 300;  // a connection that neither consumes nor sends a byte is closed
  unsigned seconds = 0;         // the server ends after so long; 0: by SIGTERM or SIGINT
  std::string refusal;
};

// Prints "listening on ADDRESS", serves until a signal or the time ends it, returns the exit code.
// Says why and returns 1 if it cannot listen.
[[nodiscard]] int serve(const ServerOptions& options, const HandlerFactory& factory);

// A connection as its handler sees it. What is written and sent goes out in the order of the calls.
class Connection {
 public:
  bight::Chain in;           // received and not consumed
  bight::ChainBuilder& out;  // append copies, push_back shares; empty when on_bytes is called
  void send(bight::FileSlice file) { queue(std::move(file)); }
  // So much is unsent that the handler should return and leave the rest in `in`.
  bool full() const { return unsent_ + out.size() >= max_unsent_; }
  // What comes behind what this call consumes is another handler's.
  void upgrade(std::unique_ptr<Handler> next) { next_ = std::move(next); }

 private:
  friend class Worker;
  Connection(bight::ChainBuilder& builder, size_t max_unsent)
      : out(builder), max_unsent_(max_unsent) {}
  void queue(bight::FileSlice file);  // what is in `out`, and then the file
  bool flush();                       // sends what the socket takes; false: it failed

  bight::File socket_;
  std::unique_ptr<Handler> handler_, next_;
  bight::ReadSize size_;
  // To send: bytes and behind them a part of a file, which is empty in the last piece only.
  std::vector<std::pair<bight::Chain, bight::FileSlice>> pieces_;
  size_t max_unsent_, unsent_ = 0;
  bool due_ = false;      // `in` has bytes that the handler has not seen, or left when full()
  bool ended_ = false;    // the peer sends no more
  bool closing_ = false;  // the handler wants no more; ends when all is sent
  bool shut_ = false;     // all was sent and the peer told; what still comes is thrown away
  uint32_t watched_ = 0;  // epoll's events
  int64_t deadline_ = 0;  // closed then, unless there is progress
};

}  // namespace example

#endif  // EXAMPLES_SUPPORT_EPOLL_SERVER_H_
