// Small programs as people write them: coroutines, several threads, a line protocol, echo.
#include <atomic>
#include <exception>
#include <memory>
#include <thread>

#include "asio_support.h"

namespace asio_test {
namespace {

using bight::Bytes;
using bight::Chain;
using bight::ReceiveBuffer;

// Echo with callbacks, until the other side closes.
class EchoSession : public std::enable_shared_from_this<EchoSession> {
 public:
  explicit EchoSession(tcp::socket socket) : socket_(std::move(socket)) {}
  void read() {
    bight::async_read_some(socket_, in_, [self = shared_from_this()](ErrorCode error, size_t) {
      if (!error) self->write();
    });
  }

 private:
  void write() {
    bight::async_write(socket_, in_.take(), [self = shared_from_this()](ErrorCode error, size_t) {
      if (!error) self->read();
    });
  }
  tcp::socket socket_;
  bight::ChainBuilder in_;
};

TEST(AsioProgramTest, EchoWithCallbacks) {
  net::io_context context;
  TcpPair pair(context);
  std::make_shared<EchoSession>(std::move(pair.b))->read();
  const std::string text = pattern(400000);
  ReceiveBuffer in;
  Outcome sent;
  Outcome received;
  bight::async_write(pair.a, chain_of(text, {1, 64, 1000, 30000}), record(sent));
  bight::async_read_exactly(pair.a, in, text.size(), [&](ErrorCode error, size_t n) {
    received = {true, error, n};
    pair.a.close();
  });
  run(context);
  EXPECT_EQ(sent.n, text.size());
  EXPECT_EQ(received.n, text.size());
  EXPECT_TRUE(in.chain() == std::string_view(text));
}

#if BIGHT_TEST_CO_AWAIT

using net::awaitable;
using net::use_awaitable;

constexpr auto kDetached = [](std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
};

awaitable<void> echo_session(tcp::socket socket) {
  bight::ChainBuilder in;
  try {
    for (;;) {
      co_await bight::async_read_some(socket, in, use_awaitable);
      co_await bight::async_write(socket, in.take(), use_awaitable);
    }
  } catch (const std::exception&) {
    // The other side has finished.
  }
}

awaitable<void> echo_client(tcp::endpoint server, std::string text, std::vector<size_t> sizes,
                            std::atomic<int>& right) {
  tcp::socket socket(co_await net::this_coro::executor);
  co_await socket.async_connect(server, use_awaitable);
  ReceiveBuffer in;
  Chain all = chain_of(text, sizes);
  while (!all.empty()) {
    Chain part = all.split_to(std::min<size_t>(all.size(), 50000));
    const size_t size = part.size();
    const size_t sent = co_await bight::async_write(socket, std::move(part), use_awaitable);
    EXPECT_EQ(sent, size);
    const size_t held = in.size();
    co_await bight::async_read_exactly(socket, in, held + size, use_awaitable);
  }
  if (in.chain() == std::string_view(text)) ++right;
}

TEST(AsioProgramTest, EchoOnTwoThreads) {
  net::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
  const tcp::endpoint server = acceptor.local_endpoint();
  constexpr int kClients = 6;
  std::atomic<int> right = 0;
  net::co_spawn(
      context,
      [&]() -> awaitable<void> {
        for (int i = 0; i < kClients; ++i) {
          // Each session on a strand of its own.
          tcp::socket socket(net::make_strand(context));
          co_await acceptor.async_accept(socket, use_awaitable);
          const auto executor = socket.get_executor();
          net::co_spawn(executor, echo_session(std::move(socket)), kDetached);
        }
      },
      kDetached);
  for (int i = 0; i < kClients; ++i) {
    net::co_spawn(net::make_strand(context),
                  echo_client(server, pattern(200000 + static_cast<size_t>(i)),
                              {1, 64, static_cast<size_t>(1000 * i + 1), 30000}, right),
                  kDetached);
  }
  std::thread second([&] { context.run_for(std::chrono::seconds(60)); });
  context.run_for(std::chrono::seconds(60));
  second.join();
  EXPECT_TRUE(context.stopped());
  EXPECT_EQ(right, kClients);
}

// Lines "put <n>\r\n" followed by n bytes, "get\r\n" answered by all that was put, "bye\r\n".
awaitable<void> line_server(tcp::socket socket) {
  ReceiveBuffer in;
  Chain kept;
  for (;;) {
    const size_t n = co_await bight::async_read_until(socket, in, "\r\n", use_awaitable);
    const std::string line = in.chain().split_to(n).to_string();
    if (line.starts_with("put ")) {
      const size_t size = std::stoul(line.substr(4));
      co_await bight::async_read_exactly(socket, in, size, use_awaitable);
      kept.push_back(in.chain().split_to(size));
      co_await bight::async_write(socket, Bytes::from_static("ok\r\n"), use_awaitable);
    } else if (line == "get\r\n") {
      Chain answer(Bytes::copy_of(std::to_string(kept.size()) + "\r\n"));
      answer.push_back(kept);
      co_await bight::async_write(socket, std::move(answer), use_awaitable);
    } else {
      co_await bight::async_write(socket, Bytes::from_static("bye\r\n"), use_awaitable);
      co_return;
    }
  }
}

TEST(AsioProgramTest, ALineProtocolWithBodies) {
  net::io_context context;
  TcpPair pair(context);
  net::co_spawn(context, line_server(std::move(pair.b)), kDetached);
  std::string got;
  const std::string body = pattern(300000);
  net::co_spawn(
      context,
      [&]() -> awaitable<void> {
        ReceiveBuffer in;
        for (const size_t size : {0u, 1u, 70000u, 299999u}) {
          // The command and its body in one write, sharing the body.
          Chain command(Bytes::copy_of("put " + std::to_string(size) + "\r\n"));
          command.push_back(Bytes::copy_of(body.substr(0, size)));
          co_await bight::async_write(pair.a, std::move(command), use_awaitable);
          const size_t n = co_await bight::async_read_until(pair.a, in, '\n', use_awaitable);
          EXPECT_TRUE(in.chain().split_to(n) == "ok\r\n");
        }
        co_await bight::async_write(pair.a, Bytes::from_static("get\r\nbye\r\n"), use_awaitable);
        const size_t n = co_await bight::async_read_until(pair.a, in, "\r\n", use_awaitable);
        const size_t size = std::stoul(in.chain().split_to(n).to_string());
        co_await bight::async_read_exactly(pair.a, in, size, use_awaitable);
        got = in.chain().split_to(size).to_string();
        const size_t last = co_await bight::async_read_until(pair.a, in, "\r\n", use_awaitable);
        EXPECT_TRUE(in.chain().split_to(last) == "bye\r\n");
        EXPECT_TRUE(in.empty());
      },
      kDetached);
  run(context);
  EXPECT_TRUE(got == body.substr(0, 1) + body.substr(0, 70000) + body.substr(0, 299999));
}

#if BIGHT_ASIO_HAS_SLOTS
// A token as a stream's default.
TEST(AsioProgramTest, AStreamsDefaultTokenIsTaken) {
  net::io_context context;
  TcpPair pair(context);
  using Socket = net::use_awaitable_t<>::as_default_on_t<tcp::socket>;
  Socket a(std::move(pair.a));
  Socket b(std::move(pair.b));
  std::string got;
  net::co_spawn(
      context,
      [&]() -> awaitable<void> {
        co_await bight::async_write(a, Bytes::copy_of("hello\n"));
        ReceiveBuffer in;
        co_await bight::async_read_until(b, in, '\n');
        got = in.chain().to_string();
      },
      kDetached);
  run(context);
  EXPECT_EQ(got, "hello\n");
}
#endif

#endif  // BIGHT_TEST_CO_AWAIT

}  // namespace
}  // namespace asio_test
