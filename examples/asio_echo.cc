// An echo server and its client in one program, over loopback: what comes in is sent back as the
// chain it was received in, without a copy.
#include <bight/bight.h>
#include <bight/interop/asio.h>

#if BIGHT_ASIO_BOOST
#include <boost/asio.hpp>
namespace net = boost::asio;
#else
#include <asio.hpp>
namespace net = asio;
#endif

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

using net::use_awaitable;
using net::ip::tcp;

net::awaitable<void> serve(tcp::acceptor& acceptor) {
  tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
  bight::ChainBuilder in;
  try {
    for (;;) {
      co_await bight::async_read_some(socket, in, use_awaitable);
      co_await bight::async_write(socket, in.take(), use_awaitable);
    }
  } catch (const std::exception&) {
    // The client has closed.
  }
}

net::awaitable<void> ask(tcp::endpoint server, int& echoed) {
  tcp::socket socket(co_await net::this_coro::executor);
  co_await socket.async_connect(server, use_awaitable);
  bight::ReceiveBuffer in;
  const bight::Bytes body = bight::Bytes::copy_of("shared by every line, copied by none\n");
  for (int i = 0; i < 100; ++i) {
    bight::Chain line(bight::Bytes::copy_of(std::to_string(i) + ": "));
    line.push_back(body);
    co_await bight::async_write(socket, line, use_awaitable);
    const size_t n = co_await bight::async_read_until(socket, in, '\n', use_awaitable);
    if (in.chain().split_to(n) == line) ++echoed;
  }
}

int main() {
  net::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
  int echoed = 0;
  net::co_spawn(context, serve(acceptor), net::detached);
  net::co_spawn(context, ask(acceptor.local_endpoint(), echoed), net::detached);
  context.run_for(std::chrono::seconds(20));
  std::printf("%d of 100 lines came back\n", echoed);
  return echoed == 100 ? 0 : 1;
}
