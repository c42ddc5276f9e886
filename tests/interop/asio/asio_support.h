// What the Asio tests share: the library under test, chains with a given segmentation, connected
// sockets, and a stream in memory that follows a script.
#ifndef BIGHT_TESTS_INTEROP_ASIO_ASIO_SUPPORT_H_
#define BIGHT_TESTS_INTEROP_ASIO_ASIO_SUPPORT_H_

#include <bight/interop/asio.h>

#if BIGHT_ASIO_BOOST
#include <boost/asio.hpp>
#else
#include <asio.hpp>
#endif

// Asio of this age has co_await with g++ only.
#if defined(ASIO_HAS_CO_AWAIT) || defined(BOOST_ASIO_HAS_CO_AWAIT)
#define BIGHT_TEST_CO_AWAIT 1
#else
#define BIGHT_TEST_CO_AWAIT 0
#endif

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio_test {
#if BIGHT_ASIO_BOOST
inline namespace with_boost_asio {
#else
inline namespace with_standalone_asio {
#endif

#if BIGHT_ASIO_BOOST
namespace net = boost::asio;
using ErrorCode = boost::system::error_code;
#else
namespace net = asio;
using ErrorCode = asio::error_code;
#endif
using net::ip::tcp;
using net::local::stream_protocol;

inline std::string pattern(size_t n) {
  std::string text(n, '\0');
  unsigned state = 12345;
  for (char& c : text) {
    state = state * 1103515245 + 12345;
    c = static_cast<char>(state >> 16);
  }
  return text;
}

// `text` in blocks of their own of the sizes given, which are gone through again and again.
inline bight::Chain chain_of(std::string_view text, const std::vector<size_t>& sizes) {
  bight::Chain chain;
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t n = std::min(sizes[i % sizes.size()], text.size());
    chain.push_back(bight::Bytes::copy_of(text.substr(0, n)));
    text.remove_prefix(n);
  }
  return chain;
}

// Runs what is ready and what becomes ready, at most for a while: a test that hangs fails.
inline void run(net::io_context& context) {
  context.restart();
  context.run_for(std::chrono::seconds(30));
  ASSERT_TRUE(context.stopped()) << "still waiting after 30 s";
}

struct TcpPair {
  explicit TcpPair(net::io_context& context) : a(context), b(context) {
    tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    a.connect(acceptor.local_endpoint());
    acceptor.accept(b);
  }
  tcp::socket a;
  tcp::socket b;
};

// Unix sockets; `small`: the kernel holds only a few KiB.
struct UnixPair {
  explicit UnixPair(net::io_context& context, bool small = false) : a(context), b(context) {
    net::local::connect_pair(a, b);
    if (small) {
      a.set_option(net::socket_base::send_buffer_size(1));
      b.set_option(net::socket_base::receive_buffer_size(1));
    }
  }
  stream_protocol::socket a;
  stream_protocol::socket b;
};

// How an operation ended.
struct Outcome {
  bool done = false;
  ErrorCode error;
  size_t n = 0;
};
inline auto record(Outcome& outcome) {
  return [&outcome](ErrorCode error, size_t n) { outcome = {true, error, n}; };
}

// Reads from memory and writes to it, as much a call as the script says.
class MemoryStream {
 public:
  using executor_type = net::io_context::executor_type;

  explicit MemoryStream(net::io_context& context) : executor_(context.get_executor()) {}

  executor_type get_executor() const noexcept { return executor_; }

  // Reading: the content, and how much of it a call brings at most.
  std::string input;
  size_t read_at_most = static_cast<size_t>(-1);
  // Writing: what came, how much a call takes, and after how much it fails.
  std::string output;
  size_t write_at_most = static_cast<size_t>(-1);
  size_t fails_after = static_cast<size_t>(-1);
  // Bytes of room, or to write, and buffers of each call.
  std::vector<size_t> offered;
  std::vector<size_t> buffers;

  template <class Buffers>
  size_t read_some(const Buffers& room, ErrorCode& error) {
    note(room);
    error = {};
    const size_t n = net::buffer_copy(room, net::buffer(input), read_at_most);
    input.erase(0, n);
    if (n == 0 && net::buffer_size(room) != 0) error = net::error::eof;
    return n;
  }
  template <class Buffers>
  size_t write_some(const Buffers& from, ErrorCode& error) {
    note(from);
    error = {};
    size_t n = std::min({net::buffer_size(from), write_at_most, fails_after - output.size()});
    std::string taken(n, '\0');
    net::buffer_copy(net::buffer(taken), from);
    output += taken;
    if (n == 0) error = net::error::connection_reset;
    return n;
  }
  // Beast asks for these too.
  template <class Buffers>
  size_t read_some(const Buffers& room) {
    ErrorCode error;
    const size_t n = read_some(room, error);
    EXPECT_FALSE(error);
    return n;
  }
  template <class Buffers>
  size_t write_some(const Buffers& from) {
    ErrorCode error;
    const size_t n = write_some(from, error);
    EXPECT_FALSE(error);
    return n;
  }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& room, Token&& token) {
    return net::async_initiate<Token, void(ErrorCode, size_t)>(
        [this](auto handler, auto buffers_to_fill) {
          ErrorCode error;
          const size_t n = this->read_some(buffers_to_fill, error);
          this->finish(std::move(handler), error, n);
        },
        token, room);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& from, Token&& token) {
    return net::async_initiate<Token, void(ErrorCode, size_t)>(
        [this](auto handler, auto buffers_to_take) {
          ErrorCode error;
          const size_t n = this->write_some(buffers_to_take, error);
          this->finish(std::move(handler), error, n);
        },
        token, from);
  }

 private:
  template <class Buffers>
  void note(const Buffers& sequence) {
    offered.push_back(net::buffer_size(sequence));
    buffers.push_back(static_cast<size_t>(
        std::distance(net::buffer_sequence_begin(sequence), net::buffer_sequence_end(sequence))));
  }
  template <class Handler>
  void finish(Handler handler, ErrorCode error, size_t n) {
    const auto executor = net::get_associated_executor(handler, executor_);
    net::post(executor, [handler = std::move(handler), error, n]() mutable { handler(error, n); });
  }

  executor_type executor_;
};

}  // inline namespace with_*_asio
}  // namespace asio_test

#endif  // BIGHT_TESTS_INTEROP_ASIO_ASIO_SUPPORT_H_
