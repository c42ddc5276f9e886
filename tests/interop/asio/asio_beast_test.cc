// HTTP with Beast, whose parsers read from our dynamic buffers.
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "asio_support.h"

namespace asio_test {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using bight::Bytes;
using bight::BytesBuilder;
using bight::Chain;
using bight::ReceiveBuffer;

template <class T>
class AsioBeastTest : public testing::Test {};
using Buffers = testing::Types<BytesBuilder, ReceiveBuffer>;
TYPED_TEST_SUITE(AsioBeastTest, Buffers);

TYPED_TEST(AsioBeastTest, ReadsAre16KiBAndMore) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + pattern(200000);
  TypeParam buffer;
  auto dynamic = bight::dynamic_buffer(buffer);
  http::response<http::string_body> response;
  beast::error_code error;
  http::read(stream, dynamic, response, error);
  EXPECT_FALSE(error) << error.message();
  EXPECT_TRUE(response.body() == pattern(200000));
  // The parser asks for no more than the rest of the body when that is less.
  for (size_t i = 0; i + 1 < stream.offered.size(); ++i) EXPECT_GE(stream.offered[i], 16384u);
}

TEST(AsioBeastPipelineTest, RequestsAreReadAheadAndKept) {
  net::io_context context;
  MemoryStream stream(context);
  for (int i = 0; i < 20; ++i) {
    stream.input += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  stream.read_at_most = 50;
  ReceiveBuffer buffer;
  auto dynamic = bight::dynamic_buffer(buffer);
  for (int i = 0; i < 20; ++i) {
    http::request<http::empty_body> request;
    beast::error_code error;
    http::read(stream, dynamic, request, error);
    ASSERT_FALSE(error) << error.message();
    EXPECT_EQ(request.target(), "/" + std::to_string(i));
  }
  EXPECT_TRUE(buffer.empty());
}

#if BIGHT_TEST_CO_AWAIT

using net::awaitable;
using net::use_awaitable;

constexpr auto kDetached = [](std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
};

// Answers each request with its target and body; the header by hand, the body as a chain.
template <class Buffer>
awaitable<void> serve(beast::tcp_stream stream, int requests) {
  Buffer buffer;
  auto dynamic = bight::dynamic_buffer(buffer);
  for (int i = 0; i < requests; ++i) {
    http::request<http::string_body> request;
    co_await http::async_read(stream, dynamic, request, use_awaitable);
    Chain body(Bytes::copy_of(std::string_view(request.target().data(), request.target().size())));
    body.push_back(Bytes::from_owner(std::move(request.body())));
    Chain response(Bytes::copy_of(
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
    response.push_back(std::move(body));
    co_await bight::async_write(stream, std::move(response), use_awaitable);
  }
}

TYPED_TEST(AsioBeastTest, RequestsAndResponsesGoThroughOurBuffers) {
  net::io_context context;
  TcpPair pair(context);
  const std::vector<size_t> sizes = {0, 1, 1000, 300000, 5};
  net::co_spawn(
      context,
      serve<TypeParam>(beast::tcp_stream(std::move(pair.b)), static_cast<int>(sizes.size())),
      kDetached);
  int right = 0;
  net::co_spawn(
      context,
      [&]() -> awaitable<void> {
        beast::tcp_stream stream(std::move(pair.a));
        TypeParam buffer;
        auto dynamic = bight::dynamic_buffer(buffer);
        for (const size_t size : sizes) {
          http::request<http::string_body> request(http::verb::post, "/echo", 11);
          request.set(http::field::host, "localhost");
          request.body() = pattern(size);
          request.prepare_payload();
          co_await http::async_write(stream, request, use_awaitable);
          http::response<http::string_body> response;
          co_await http::async_read(stream, dynamic, response, use_awaitable);
          if (response.body() == "/echo" + pattern(size)) ++right;
        }
        EXPECT_EQ(dynamic.size(), 0u);
      },
      kDetached);
  run(context);
  EXPECT_EQ(right, static_cast<int>(sizes.size()));
}

#endif  // BIGHT_TEST_CO_AWAIT

}  // namespace
}  // namespace asio_test
