// TLS writes of many small segments (rows A7), by three libraries in one program: what one gathers
// by hand into the largest records ("floor"), bight's TlsStream, and asio::ssl. Each benchmark is
// called ROW@LIBRARY.
//
// All write TLS 1.3 to a non-blocking Unix socket with synchronous calls. Where the socket is full
// the clock stands while the other end is drained.

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <asio.hpp>
#include <asio/ssl.hpp>
#include <functional>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/interop/openssl.h"
#include "fixtures.h"

namespace {

using namespace adapters;
using bight::Bytes;
using bight::Chain;

struct Free {
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
using SslPtr = std::unique_ptr<SSL, Free>;

SSL_CTX* server_context() {
  static SSL_CTX* const context = [] {
    const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, Free> x509(X509_new());
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 24 * 3600);
    X509_set_pubkey(x509.get(), key.get());
    must(X509_sign(x509.get(), key.get(), EVP_sha256()) != 0, "X509_sign");
    SSL_CTX* const made = SSL_CTX_new(TLS_server_method());
    must(SSL_CTX_use_certificate(made, x509.get()) == 1, "certificate");
    must(SSL_CTX_use_PrivateKey(made, key.get()) == 1, "key");
    return made;
  }();
  return context;
}

SSL_CTX* client_context() {
  static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  return context;
}

// A connection with a server at its far end, which decrypts in the checking round and is then only
// drained.
class Server {
 public:
  explicit Server(const Connection& connection)
      : connection_(connection), ssl_(SSL_new(server_context())) {
    SSL_set_fd(ssl_.get(), connection.far());
    SSL_set_accept_state(ssl_.get());
  }
  void handshake() { SSL_do_handshake(ssl_.get()); }
  // Makes room. While it checks, what comes goes to `seen`.
  void make_room(std::string* seen) {
    static std::vector<char>& room = *new std::vector<char>(256 * kKiB);
    for (;;) {
      const ssize_t n = seen == nullptr
                            ? ::read(connection_.far(), room.data(), room.size())
                            : SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()));
      if (n <= 0) return;
      if (seen != nullptr) seen->append(room.data(), static_cast<size_t>(n));
    }
  }

 private:
  const Connection& connection_;
  SslPtr ssl_;
};

// The client's SSL over the near end, after the handshake.
SslPtr connect(BIO* bio, Server& server) {
  SslPtr ssl(SSL_new(client_context()));
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_connect_state(ssl.get());
  SSL_set_mode(ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  for (int i = 0; i < 10 && SSL_do_handshake(ssl.get()) != 1; ++i) server.handshake();
  server.handshake();
  must(SSL_is_init_finished(ssl.get()) == 1, "handshake");
  return ssl;
}

// `write(clock, stuck)` writes the whole message; where the socket is full it calls `stuck()`, with
// the clock standing.
template <class Write>
void run_tls(State& state, Server& server, const std::string& whole, const Write& write) {
  const auto round = [&](std::string* seen) {
    Clock clock;
    const auto stuck = [&] {
      clock.stop();
      server.make_room(seen);
      clock.start();
    };
    write(clock, stuck);
    server.make_room(seen);
    return clock.seconds();
  };
  std::string seen;
  round(&seen);
  must(seen == whole, "what was written");
  for (int i = 0; i < 3; ++i) round(nullptr);
  for (auto _ : state) state.SetIterationTime(round(nullptr));
}

void gather_by_hand(State& state, const Message& size) {
  const Connection connection(kUnix);
  Server server(connection);
  const SslPtr ssl = connect(BIO_new_socket(connection.near(), BIO_NOCLOSE), server);
  const Parts message(size);
  run_tls(state, server, message.whole, [&](Clock& clock, const auto& stuck) {
    static char record[16 * kKiB];
    size_t used = 0;
    const auto send = [&] {
      size_t taken = 0;
      while (SSL_write_ex(ssl.get(), record, used, &taken) != 1) {
        must(SSL_get_error(ssl.get(), 0) == SSL_ERROR_WANT_WRITE, "SSL_write");
        stuck();
      }
      must(taken == used, "SSL_write");
      used = 0;
    };
    clock.start();
    for (const std::string& part : message.parts) {
      for (size_t from = 0; from < part.size();) {
        const size_t n = std::min(part.size() - from, sizeof(record) - used);
        std::memcpy(record + used, part.data() + from, n);
        from += n;
        used += n;
        if (used == sizeof(record)) send();
      }
    }
    if (used != 0) send();
    clock.stop();
  });
}

void write_chain(State& state, const Message& size) {
  const Connection connection(kUnix);
  Server server(connection);
  const SslPtr ssl = connect(bight::socket_bio(connection.near()).release(), server);
  bight::TlsStream tls(ssl.get());
  const Parts message(size);
  Chain kept;
  for (const std::string& part : message.parts) kept.push_back(Bytes::copy_of(part));
  run_tls(state, server, message.whole, [&](Clock& clock, const auto& stuck) {
    Chain chain = kept;
    clock.start();
    for (;;) {
      const bight::IoResult result = write_all(tls, chain);
      must(!result.is_error(), "write_all");
      if (chain.empty()) break;
      stuck();
    }
    clock.stop();
  });
}

// The near end as a stream of Asio, without its reactor.
class StuckSocket {
 public:
  using executor_type = asio::io_context::executor_type;
  using lowest_layer_type = StuckSocket;

  StuckSocket(asio::io_context& context, int fd) : executor_(context.get_executor()), fd_(fd) {}
  executor_type get_executor() const { return executor_; }
  lowest_layer_type& lowest_layer() { return *this; }

  template <class Buffers>
  size_t write_some(const Buffers& buffers, asio::error_code& error) {
    const asio::const_buffer first = *asio::buffer_sequence_begin(buffers);
    for (;;) {
      const ssize_t n = ::send(fd_, first.data(), first.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        error = {};
        return static_cast<size_t>(n);
      }
      must(errno == EAGAIN, "send");
      stuck();
    }
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers, asio::error_code& error) {
    const asio::mutable_buffer first = *asio::buffer_sequence_begin(buffers);
    for (;;) {
      const ssize_t n = ::read(fd_, first.data(), first.size());
      if (n > 0) {
        error = {};
        return static_cast<size_t>(n);
      }
      must(n < 0 && errno == EAGAIN, "read");
      stuck();
    }
  }

  std::function<void()> stuck;

 private:
  executor_type executor_;
  int fd_;
};

void write_asio(State& state, const Message& size) {
  const Connection connection(kUnix);
  Server server(connection);
  asio::io_context context{1};
  asio::ssl::context tls(asio::ssl::context::tls_client);
  asio::ssl::stream<StuckSocket> stream(StuckSocket(context, connection.near()), tls);
  stream.next_layer().stuck = [&] { server.handshake(); };
  stream.handshake(asio::ssl::stream_base::client);
  server.handshake();
  const Parts message(size);
  std::vector<asio::const_buffer> all;
  for (const std::string& part : message.parts) all.push_back(asio::buffer(part));
  run_tls(state, server, message.whole, [&](Clock& clock, const auto& stuck) {
    stream.next_layer().stuck = stuck;
    asio::error_code error;
    clock.start();
    const size_t n = asio::write(stream, all, error);
    clock.stop();
    must(!error && n == message.whole.size(), "asio::write");
  });
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& [name, size] : {std::pair("64", kSmall), std::pair("1k", kMiddle)}) {
    const std::string row = std::string("A7_tls_write_") + name;
    add(row + "@floor", [size = size](State& state) { gather_by_hand(state, size); });
    add(row + "@bight", [size = size](State& state) { write_chain(state, size); });
    add(row + "@Asio", [size = size](State& state) { write_asio(state, size); });
  }
  return compare::run(argc, argv, "TLS", OpenSSL_version(OPENSSL_VERSION));
}
