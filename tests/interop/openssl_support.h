// What the tests of TLS share: a certificate made here, contexts, and two engines back to back.
#ifndef BIGHT_TESTS_INTEROP_OPENSSL_SUPPORT_H_
#define BIGHT_TESTS_INTEROP_OPENSSL_SUPPORT_H_

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/interop/openssl.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "bight/testing/scripted_io.h"

namespace bight::interop_test {

struct FreeSsl {
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;
using ContextPtr = std::unique_ptr<SSL_CTX, FreeSsl>;

// Signed by itself, for "localhost".
struct Certificate {
  Certificate() {
    std::unique_ptr<EVP_PKEY_CTX, FreeSsl> made_by(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr));
    EVP_PKEY* made = nullptr;
    if (EVP_PKEY_keygen_init(made_by.get()) != 1 ||
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(made_by.get(), NID_X9_62_prime256v1) != 1 ||
        EVP_PKEY_keygen(made_by.get(), &made) != 1) {
      std::abort();
    }
    key.reset(made);
    x509.reset(X509_new());
    X509_set_version(x509.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    X509_NAME* const name = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(x509.get(), name);
    if (X509_sign(x509.get(), key.get(), EVP_sha256()) == 0) std::abort();
  }
  std::string certificate_pem() const {
    return pem([this](BIO* bio) { return PEM_write_bio_X509(bio, x509.get()); });
  }
  std::string key_pem() const {
    return pem([this](BIO* bio) {
      return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  std::unique_ptr<EVP_PKEY, FreeSsl> key;
  std::unique_ptr<X509, FreeSsl> x509;

 private:
  // Through a sink of ours.
  template <class Write>
  static std::string pem(Write write) {
    ScriptedSink sink;
    const BioPtr bio = sink_bio(sink);
    if (write(bio.get()) != 1) std::abort();
    return sink.received();
  }
};

inline const Certificate& certificate() {
  static const Certificate made;
  return made;
}

inline ContextPtr server_context(int version) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_use_certificate(context.get(), certificate().x509.get());
  SSL_CTX_use_PrivateKey(context.get(), certificate().key.get());
  return context;
}

// Trusts the certificate above, or nobody.
inline ContextPtr client_context(int version, bool trusting = true) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (trusting) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), certificate().x509.get());
  }
  return context;
}

// Where an engine writes to: a builder, or a script from when there is one.
struct Outlet {
  IoResult write_some(std::span<const iovec> from) {
    if (scripted) return scripted->write_some(from);
    return BuilderSink(builder).write_some(from);
  }
  // What was written and not yet taken.
  Chain take() {
    Chain taken = builder.take();
    if (scripted) {
      taken.push_copy(std::string_view(scripted->received()).substr(taken_));
      taken_ = scripted->received().size();
    }
    return taken;
  }
  void run(std::vector<IoStep> script) {
    scripted.emplace(std::move(script));
    taken_ = 0;
  }

  ChainBuilder builder;
  std::optional<ScriptedSink> scripted;

 private:
  size_t taken_ = 0;
};

// TLS without a socket. Stays where it is.
struct Engine {
  Engine(SSL_CTX* context, bool server) : ssl(SSL_new(context)), tls(ssl.get()) {
    server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    SSL_set_bio(ssl.get(), source_bio(in).release(), sink_bio(out).release());
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  ChainSource in;
  Outlet out;
  SslPtr ssl;
  TlsStream tls;
};

// Gives each engine what the other has written. False when there was nothing.
inline bool exchange(Engine& a, Engine& b) {
  Chain from_a = a.out.take();
  Chain from_b = b.out.take();
  const bool moved = !from_a.empty() || !from_b.empty();
  b.in.chain().push_back(std::move(from_a));
  a.in.chain().push_back(std::move(from_b));
  return moved;
}

// Client and server after their handshake.
struct Pair {
  explicit Pair(int version)
      : contexts{client_context(version), server_context(version)},
        client(contexts[0].get(), false),
        server(contexts[1].get(), true) {
    do {
      client.tls.handshake();
      server.tls.handshake();
    } while (exchange(client, server));
    if (SSL_is_init_finished(client.ssl.get()) == 0) std::abort();
    if (SSL_is_init_finished(server.ssl.get()) == 0) std::abort();
    // The session tickets of TLS 1.3.
    ChainBuilder nothing;
    read_some(client.tls, nothing, 1);
  }

  ContextPtr contexts[2];
  Engine client;
  Engine server;
};

// All that `engine` can read now; `last` is what ended it.
inline std::string read_now(Engine& engine, IoResult* last = nullptr) {
  ChainBuilder builder;
  for (;;) {
    const IoResult result = read_some(engine.tls, builder, size_t{64} << 10);
    if (result.kind == IoKind::data) continue;
    if (last != nullptr) *last = result;
    return builder.take().to_string();
  }
}

// The sizes of the application data records in `wire`, headers left out.
inline std::vector<size_t> records_of(std::string_view wire) {
  std::vector<size_t> sizes;
  while (wire.size() >= 5) {
    const size_t size = static_cast<size_t>(static_cast<unsigned char>(wire[3])) << 8 |
                        static_cast<unsigned char>(wire[4]);
    if (wire.size() - 5 < size) break;
    if (wire[0] == 23) sizes.push_back(size);
    wire.remove_prefix(5 + size);
  }
  return sizes;
}

}  // namespace bight::interop_test

#endif  // BIGHT_TESTS_INTEROP_OPENSSL_SUPPORT_H_
