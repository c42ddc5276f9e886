// The other Asio in the same program: its functions must not be mixed up with the tests' own.
#include "asio_support.h"

namespace asio_test {

TEST(AsioBothTest, BoostAsioAndStandaloneAsioLiveInOneProgram) {
  boost::asio::io_context context;
  boost::asio::local::stream_protocol::socket a(context);
  boost::asio::local::stream_protocol::socket b(context);
  boost::asio::local::connect_pair(a, b);
  size_t sent = 0;
  bight::async_write(a, bight::Bytes::copy_of("hello"),
                     [&](boost::system::error_code, size_t n) { sent = n; });
  context.run_for(std::chrono::seconds(30));
  EXPECT_EQ(sent, 5u);
}

}  // namespace asio_test
