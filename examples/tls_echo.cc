// An echo server over TLS and one client for it: `openssl s_client`, a process of its own, or a
// thread with a TlsStream where there is no such program. Ends by itself; exit code 0 when all
// bytes came back.
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/interop/openssl.h"
#include "bight/io/copy.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/write.h"

extern char** environ;

namespace {

struct Free {
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;

// What pipes and sockets hold while nobody reads: no step here waits for another for ever.
constexpr size_t kBytes = 60'000;

// A server's context with a certificate that it signs itself.
Ptr<SSL_CTX> make_server_context() {
  const Ptr<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* made = nullptr;
  EVP_PKEY_keygen_init(maker.get());
  EVP_PKEY_keygen(maker.get(), &made);
  const Ptr<EVP_PKEY> key(made);
  const Ptr<X509> certificate(X509_new());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), nullptr);
  Ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  return context;
}

// An SSL over the socket, which must outlive it.
Ptr<SSL> secure(SSL_CTX* context, const bight::File& socket, bool server) {
  Ptr<SSL> ssl(SSL_new(context));
  BIO* const bio = bight::socket_bio(socket.fd()).release();
  SSL_set_bio(ssl.get(), bio, bio);
  server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
  return ssl;
}

// The whole server: what comes goes back, from the blocks it was decrypted into.
bool serve(const bight::File& socket) {
  const Ptr<SSL_CTX> context = make_server_context();
  const Ptr<SSL> ssl = secure(context.get(), socket, true);
  bight::TlsStream tls(ssl.get());
  bight::Chain pending;
  bight::IoResult result = copy(tls, tls, pending, kBytes);
  if (result.kind == bight::IoKind::data) result = tls.shutdown();
  if (result.kind == bight::IoKind::data) return true;
  std::printf("%s\n", tls.status(result).ToString().c_str());
  return false;
}

std::string ask(const bight::File& socket, const std::string& text) {
  const Ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const Ptr<SSL> ssl = secure(context.get(), socket, false);
  bight::TlsStream tls(ssl.get());
  bight::Chain request;
  for (size_t i = 0; i < text.size(); i += 60) {
    request.push_back(bight::Bytes::copy_of(text.substr(i, 60)));  // small, yet full records
  }
  write_all(tls, request);
  bight::ChainBuilder answer;
  read_all(tls, answer, 2 * text.size());
  tls.close_write();
  return answer.take().to_string();
}

bight::File with_timeout(int fd) {
  const timeval timeout{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  return bight::File(fd);
}

// `openssl s_client` with a pipe at each end; pid 0 if there is no such program.
struct Client {
  explicit Client(const std::string& address) {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) return;
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclose(&actions, in[1]);
    const char* const arguments[] = {"openssl",  "s_client",      "-quiet", "-nocommands",
                                     "-connect", address.c_str(), nullptr};
    if (::posix_spawnp(&pid, "openssl", &actions, nullptr, const_cast<char**>(arguments),
                       environ) != 0) {
      pid = 0;
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input = bight::File(in[1]);
    output = bight::File(out[0]);
  }
  ~Client() {
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  pid_t pid = 0;
  bight::File input, output;
};

}  // namespace

int main() {
  ::signal(SIGPIPE, SIG_IGN);  // of the pipe to the client; the socket raises none
  std::string text;
  while (text.size() < kBytes) text += "line " + std::to_string(text.size() % 9973) + "\n";
  text.resize(kBytes, '.');

  const bight::File listener = with_timeout(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.fd(), generic, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
      ::getsockname(listener.fd(), generic, &size) != 0) {
    return 1;
  }

  std::string answer;
  bool served = false;
  Client client("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  const auto accept_and_serve = [&] {
    const bight::File socket =
        with_timeout(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    served = socket.is_open() && serve(socket);
  };
  if (client.pid != 0) {
    bight::Chain request(bight::Bytes::copy_of(text));
    write_all(client.input, request);
    client.input = bight::File();
    accept_and_serve();
    bight::ChainBuilder printed;
    read_all(client.output, printed, 2 * kBytes);
    answer = printed.take().to_string();
  } else {
    std::thread asking([&] {
      const bight::File socket = with_timeout(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(socket.fd(), generic, size) == 0) answer = ask(socket, text);
    });
    accept_and_serve();
    asking.join();
  }
  std::printf("%s: %zu bytes sent, %zu came back, %s\n",
              client.pid != 0 ? "openssl s_client" : "a client in this program", text.size(),
              answer.size(), served && answer == text ? "the same" : "NOT the same");
  return served && answer == text ? 0 : 1;
}
