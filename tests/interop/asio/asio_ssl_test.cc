// Chains over TLS, with a certificate made here.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <thread>

#include "asio_support.h"
#if BIGHT_ASIO_BOOST
#include <boost/asio/ssl.hpp>
#else
#include <asio/ssl.hpp>
#endif
#include "bight/copy_audit.h"

namespace asio_test {
namespace {

using bight::Bytes;
using bight::Chain;
using bight::ReceiveBuffer;

namespace ssl = net::ssl;

struct Certificate {
  Certificate() {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), &X509_free);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    X509_NAME* const name = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(x509.get(), name);
    X509_sign(x509.get(), key.get(), EVP_sha256());
    certificate = pem([&](BIO* bio) { PEM_write_bio_X509(bio, x509.get()); });
    private_key = pem([&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  std::string certificate;
  std::string private_key;

 private:
  template <class Write>
  static std::string pem(Write write) {
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    write(bio.get());
    char* data = nullptr;
    const long n = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(n));
  }
};

// A socket that counts the bytes written through it.
class CountingSocket {
 public:
  using executor_type = tcp::socket::executor_type;
  using lowest_layer_type = tcp::socket::lowest_layer_type;

  explicit CountingSocket(tcp::socket socket) : socket_(std::move(socket)) {}
  executor_type get_executor() { return socket_.get_executor(); }
  lowest_layer_type& lowest_layer() { return socket_.lowest_layer(); }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    written += net::buffer_size(buffers);
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers, ErrorCode& error) {
    return socket_.read_some(buffers, error);
  }
  template <class Buffers>
  size_t write_some(const Buffers& buffers, ErrorCode& error) {
    written += net::buffer_size(buffers);
    return socket_.write_some(buffers, error);
  }

  size_t written = 0;  // more than what went when a call took only part, which loopback does not do

 private:
  tcp::socket socket_;
};

struct TlsPair {
  explicit TlsPair(net::io_context& context) {
    static const Certificate made;
    server_context.use_certificate(net::buffer(made.certificate), ssl::context::pem);
    server_context.use_private_key(net::buffer(made.private_key), ssl::context::pem);
    client_context.add_certificate_authority(net::buffer(made.certificate));
    client_context.set_verify_mode(ssl::verify_peer);
    TcpPair pair(context);
    client = std::make_unique<ssl::stream<CountingSocket>>(CountingSocket(std::move(pair.a)),
                                                           client_context);
    server = std::make_unique<ssl::stream<tcp::socket>>(std::move(pair.b), server_context);
    int ready = 0;
    const auto count = [&](ErrorCode error) {
      EXPECT_FALSE(error) << error.message();
      ++ready;
    };
    server->async_handshake(ssl::stream_base::server, count);
    client->async_handshake(ssl::stream_base::client, count);
    run(context);
    EXPECT_EQ(ready, 2);
    client->next_layer().written = 0;
  }
  ssl::context server_context{ssl::context::tls_server};
  ssl::context client_context{ssl::context::tls_client};
  std::unique_ptr<ssl::stream<CountingSocket>> client;
  std::unique_ptr<ssl::stream<tcp::socket>> server;
};

TEST(AsioSslTest, SmallSegmentsFillRecords) {
  net::io_context context;
  TlsPair pair(context);
  const std::string text = pattern(1 << 20);
  Outcome sent;
  Outcome received;
  ReceiveBuffer in;
  bight::async_write(*pair.client, chain_of(text, {64}), record(sent));
  bight::async_read_exactly(*pair.server, in, text.size(), record(received));
  run(context);
  EXPECT_FALSE(sent.error) << sent.error.message();
  EXPECT_EQ(sent.n, text.size());
  EXPECT_EQ(received.n, text.size());
  EXPECT_TRUE(in.chain() == std::string_view(text));
  // A record costs 22 bytes and more: 64 full ones some 1.5 KiB, one for each segment 360 KiB.
  EXPECT_LT(pair.client->next_layer().written, text.size() + 4096);
}

TEST(AsioSslTest, EveryKindOfSegmentArrivesAndLargeOnesAreNotGathered) {
  net::io_context context;
  TlsPair pair(context);
  const std::string text = pattern(2 << 20);
  for (const std::vector<size_t>& sizes :
       {std::vector<size_t>{200000}, {16384}, {1, 16383, 16384, 16385, 3, 100000}, {8192}}) {
    Outcome sent;
    Outcome received;
    ReceiveBuffer in;
    const bight::CopyAudit audit;
    Chain chain = chain_of(text, sizes);
    bight::async_write(*pair.client, &chain, record(sent));
    bight::async_read_exactly(*pair.server, in, text.size(), record(received));
    run(context);
    EXPECT_EQ(sent.n, text.size());
    EXPECT_TRUE(chain.empty());
    EXPECT_TRUE(in.chain() == std::string_view(text));
    if (sizes[0] >= 16384) {
      EXPECT_EQ(audit.thread().gathered, 0u);
    }
  }
}

TEST(AsioSslTest, LinesBothWays) {
  net::io_context context;
  TlsPair pair(context);
  ReceiveBuffer at_server;
  bight::BytesBuilder at_client;
  Outcome done;
  bight::async_write(*pair.client, Bytes::copy_of("hello\r\nworld\r\n"), record(done));
  Outcome first;
  bight::async_read_until(*pair.server, at_server, "\r\n", record(first));
  run(context);
  EXPECT_EQ(first.n, 7u);
  Chain answer = at_server.chain().split_to(first.n);
  bight::async_write(*pair.server, std::move(answer), record(done));
  bight::async_read_until(*pair.client, at_client, '\n', record(first));
  run(context);
  EXPECT_EQ(std::string(at_client.view()), "hello\r\n");
  EXPECT_TRUE(at_server.chain() == "world\r\n");
}

TEST(AsioSslTest, WaitingTwins) {
  net::io_context context;
  TlsPair pair(context);
  const std::string text = pattern(300000);
  std::string got;
  std::thread reader([&] {
    bight::ChainBuilder in;
    ErrorCode error;
    bight::read_exactly(*pair.server, in, text.size(), error);
    got = in.take().to_string();
  });
  Chain chain = chain_of(text, {64, 30000});
  ErrorCode error;
  EXPECT_EQ(bight::write(*pair.client, chain, error), text.size());
  reader.join();
  EXPECT_TRUE(got == text);
}

TEST(AsioSslTest, ATruncatedStreamIsAnErrorAndKeepsWhatCame) {
  net::io_context context;
  TlsPair pair(context);
  ReceiveBuffer in;
  Outcome sent;
  Outcome received;
  bight::async_write(*pair.client, Bytes::copy_of("half"), record(sent));
  bight::async_read_exactly(*pair.server, in, 100, record(received));
  context.restart();
  while (!sent.done) ASSERT_EQ(context.run_one_for(std::chrono::seconds(30)), 1u);
  pair.client->lowest_layer().shutdown(tcp::socket::shutdown_send);
  run(context);
  EXPECT_EQ(received.error, ErrorCode(ssl::error::stream_truncated));
  EXPECT_EQ(received.n, 4u);
  EXPECT_TRUE(in.chain() == "half");
}

}  // namespace
}  // namespace asio_test
