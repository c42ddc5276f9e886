// TLS by OpenSSL: chains to records and records into builders. Link bight::openssl.
//
//   bight::TlsStream tls(ssl);                    // an SSL with its transport and role set
//   IoResult r = write_all(tls, reply);           // full records; what went is gone from `reply`
//   IoResult s = read_some(tls, in, size);        // decrypted into the builder's blocks
//   if (s.kind == IoKind::would_block) wait_for(tls.read_need());
//
// TlsStream is a ByteSource and a ByteSink, so everything of bight::io works over it, copy()
// included. It is a state machine too: nothing here waits, unless the transport itself blocks, and
// nothing needs a socket: source_bio() and sink_bio() make OpenSSL's transport of any source and
// sink, of chains too.
//
// Works with OpenSSL 1.1.1 and 3. Its error queue is cleared before each call to OpenSSL and is
// empty again afterwards; what it said is in status().
#ifndef BIGHT_INTEROP_OPENSSL_H_
#define BIGHT_INTEROP_OPENSSL_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/copy_audit.h"
#include "bight/cursor.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"
#include "bight/io/byte_sink.h"
#include "bight/io/byte_source.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/io_result.h"
#include "bight/io/status.h"
#include "bight/io/write.h"

#if OPENSSL_VERSION_NUMBER < 0x10101000L
#error "bight/interop/openssl.h needs OpenSSL 1.1.1 or later"
#endif

BIGHT_NAMESPACE_BEGIN

namespace tls_internal {
class Transport;
bool was_left_unsent(SSL* ssl) noexcept;
struct FreeBio {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
}  // namespace tls_internal

// ---- Transports -----------------------------------------------------------------------------

// SSL_set_bio takes what release() gives. Null where memory, or one of OpenSSL's 127 types of BIO,
// could not be had.
using BioPtr = std::unique_ptr<BIO, tls_internal::FreeBio>;

// A connected socket, borrowed, to read and to write. Other than the BIO that SSL_set_fd makes it
// never raises SIGPIPE: a peer that is gone is the error EPIPE. Pass it for both directions:
//   BIO* const bio = bight::socket_bio(fd).release();
//   SSL_set_bio(ssl, bio, bio);
[[nodiscard]] BioPtr socket_bio(int fd) noexcept;

// One direction: what OpenSSL reads comes from `source`, or what it writes goes to `sink`.
// Borrowed: they must outlive the BIO. A bad_alloc out of them is the error ENOMEM; nothing else
// may be thrown, for there are OpenSSL's frames between.
template <ByteSource S>
[[nodiscard]] BioPtr source_bio(S& source) noexcept;
template <ByteSink S>
[[nodiscard]] BioPtr sink_bio(S& sink) noexcept;

// What a cursor has left, then the end: for parsers such as PEM_read_bio_X509 over a chain that
// is not joined for them. Lines (BIO_gets) work. The cursor moves, and is borrowed with its source.
[[nodiscard]] BioPtr source_bio(Cursor& cursor) noexcept;

// A chain as a ByteSource, which loses what was read. Without bytes: would_block, and eof once
// end() was called. For TLS without a socket: push what came from elsewhere.
class ChainSource {
 public:
  Chain& chain() noexcept { return chain_; }
  const Chain& chain() const noexcept { return chain_; }
  // Nothing comes behind what the chain has.
  void end() noexcept { ended_ = true; }
  // Copies, which CopyAudit counts.
  IoResult read_some(std::span<const iovec> into) noexcept;

 private:
  Chain chain_;
  bool ended_ = false;
};
static_assert(ByteSource<ChainSource>);

// A builder as a ByteSink; borrowed. One that is full (max_size) takes what it has room for, then
// would_block.
class BuilderSink {
 public:
  explicit BuilderSink(ChainBuilder& builder) noexcept : builder_(&builder) {}
  // Copies, which CopyAudit counts when it is taken. Fails with bad_alloc; what this call had
  // appended before it is then taken back.
  IoResult write_some(std::span<const iovec> from);

 private:
  ChainBuilder* builder_;
};
static_assert(ByteSink<BuilderSink>);

// ---- The stream -----------------------------------------------------------------------------

// What a call that would block is waiting for. Reading may need a writable transport and writing a
// readable one (handshake, key update), so an event loop asks and does not guess.
enum class TlsNeed : int {
  nothing,   // it did not block
  readable,  // the transport has to have bytes
  writable,  // the transport has to have room
  callback,  // one of the program's own callbacks in OpenSSL asked to be called again
};

// An SSL as a ByteSource and a ByteSink.
//
// Writing. A record holds up to 16 KiB. Where the chain's next 16 KiB lie in one segment OpenSSL
// encrypts them from there; otherwise they are gathered into one buffer, which CopyAudit counts as
// gathered. So records are full whatever the segments are, but for the last one of a call.
//
// Once OpenSSL has begun a record that its transport does not take, the record has to be offered
// again with the same arguments. That buffer, or a reference on that segment, is therefore kept
// until OpenSSL took it, and presented again at the same address, whatever the caller does with
// the chain meanwhile. Its bytes count as written, and leave the chain, only then. Entries
// (write_some of a span) are not kept: such a record moves to the buffer. For these
// SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER is set here. SSL_MODE_ENABLE_PARTIAL_WRITE is set too:
// without it OpenSSL, where its records are set smaller, would answer only when all of 16 KiB have
// gone. After would_block offer the same bytes first again, as ByteSink says; fewer may come than
// were offered before, and the others then follow.
//
// Reading. One call decrypts at most one record. OpenSSL may hold bytes that no poll() shows, so
// read until would_block before waiting.
//
// The end. A close_notify from the peer is eof, and this side can go on writing. An end of the
// transport without it is the error EIO, truncated() and a status DATA_LOSS: bytes may be missing.
// (With SSL_OP_IGNORE_UNEXPECTED_EOF OpenSSL 3 says the first for both; it is off unless you set
// it.)
//
// Errors of the transport keep their errno; what OpenSSL itself refuses is EPROTO, memory ENOMEM.
// OpenSSL allows no call after such an error: from then on all functions answer it again, those
// that were given no bytes or no room included. Chains keep what was not counted, though the peer
// may have got part of the last record. What OpenSSL has decrypted by then (SSL_pending) cannot be
// read any more, also where only writing failed: read until would_block first if it matters.
//
// Thread safety: as for an SSL, one thread at a time.
class TlsStream {
 public:
  // `ssl` stays the caller's: it has its transport and role (SSL_set_connect_state or
  // SSL_set_accept_state), outlives this and is not freed by it. Sets the two modes.
  //
  // One stream for a connection. OpenSSL keeps the record that a stream has begun, and would send
  // it in place of the first bytes of another stream. So where an earlier stream of this connection
  // was destroyed while has_unsent(), this one reads, but refuses to write and to close: EPROTO.
  // Move the stream instead. Not noticed: a record that SSL_write began without a stream, and one
  // that waits while a handshake runs again.
  explicit TlsStream(SSL* ssl) noexcept
      : ssl_(ssl), close_(tls_internal::was_left_unsent(ssl) ? Close::barred : Close::open) {
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  // Keeps a record that was begun at its address. The other one can only be assigned or destroyed.
  TlsStream(TlsStream&& other) noexcept = default;
  TlsStream& operator=(TlsStream&& other) noexcept = default;

  SSL* ssl() const noexcept { return ssl_; }
  // What the last call waits for: read_some for reading, write and write_some for writing, the
  // others for both.
  TlsNeed read_need() const noexcept { return read_need_; }
  TlsNeed write_need() const noexcept { return write_need_; }
  // Whether a record was offered to OpenSSL and is not taken yet. A stream that is destroyed then
  // leaves a connection that nothing can be written to; see the constructor.
  // With TLS 1.3 do not read then if the peer may ask for key updates: OpenSSL 3.0 answers those
  // while it reads, in the middle of the begun record, and the connection fails ("bad length" here,
  // or "bad record mac" at the peer). SSL_read and SSL_write without a stream do the same.
  bool has_unsent() const noexcept { return pending_size_ != 0; }
  // Whether the transport ended without a close_notify.
  bool truncated() const noexcept { return cause_ == Cause::truncation; }

  // data: done. Reading and writing do it by themselves; call this to have it done at a known time.
  IoResult handshake() noexcept;

  // One record at most, decrypted into the entries. eof: the peer's close_notify has come.
  IoResult read_some(std::span<const iovec> into) noexcept;

  // Records from the front of `chain`, at most `max_bytes`, until they have gone or the transport
  // is full. Consumes what OpenSSL took and counts it exactly. data: all that was asked for.
  // The buffer of 16 KiB comes from the block caches, and is held only from a call that would block
  // to the next: an idle stream has none. Without memory for it: error ENOMEM, nothing changed.
  // After close_write: error EPIPE, for a call without bytes once that has answered data. Release
  // hooks of what was written run every mebibyte and before it returns. Uses 20 KiB of stack.
  IoResult write(Chain& chain, size_t max_bytes = static_cast<size_t>(-1)) noexcept;
  IoResult write_some(std::span<const iovec> from) noexcept;

  // Sends what is left of a begun record and then close_notify, so that the peer reads a clean end;
  // does not wait for the peer, and reading goes on. data: they have gone, now or before. `bytes`
  // of the result went with that record and no write has counted them: the next ones of the chain
  // that was being written. A handshake that was begun is finished first; before one: error
  // ENOTCONN.
  IoResult close_write() noexcept;
  // close_write, then waits for the peer's close_notify. data: both ways are closed. Loses nothing
  // that the peer still sends: error EBUSY, read to the end and call it again. Many peers close the
  // socket instead of answering; that is a truncation here, after close_notify has gone.
  IoResult shutdown() noexcept;

  // `result`, which came from this stream by whatever function, with what OpenSSL had to say.
  // DATA_LOSS for a truncation, UNAUTHENTICATED for a certificate that was not accepted; otherwise
  // as status_of(result). Allocates, except for data.
  [[nodiscard]] absl::Status status(const IoResult& result) const;

 private:
  enum class Cause : int { none, transport, protocol, certificate, truncation };
  // barred: another stream's record is in the way.
  enum class Close : int { open, begun, sent, barred };

  static constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
  static_assert(kRecord == 16384);

  struct FreeBuffer {
    void operator()(std::byte* buffer) const noexcept { internal::free_node(buffer, kRecord); }
  };
  class ChainFeed;
  class EntriesFeed;

  template <class Call>
  int ask(Call&& call) noexcept;
  // Result of a call that OpenSSL answered by `error` (SSL_get_error).
  IoResult obstacle(int error, const char* call, TlsNeed& need, size_t bytes) noexcept;
  IoResult fail(int error, const char* call, size_t bytes) noexcept;
  IoResult again(size_t bytes) const noexcept {
    return IoResult::failed(failure_.error_number, failure_.call, bytes);
  }
  bool failed() const noexcept { return cause_ != Cause::none; }
  // Offers the pending record; as obstacle() when it was not taken, else data and how much.
  IoResult offer_pending() noexcept;
  template <class Feed>
  IoResult write_from(Feed& feed, size_t max_bytes) noexcept;
  template <class Feed>
  void compose(Feed& feed, size_t size) noexcept;
  void forget_pending() noexcept;
  // What a write answers that is not allowed after close_write, or never was.
  IoResult closed(const char* call, size_t bytes) const noexcept {
    return IoResult::failed(close_ == Close::barred ? EPROTO : EPIPE, call, bytes);
  }

  SSL* ssl_;
  // The record that OpenSSL has begun, if any: in buffer_ or kept by segment_. Within a write it
  // may also be the caller's memory.
  const std::byte* pending_ = nullptr;
  size_t pending_size_ = 0;
  std::unique_ptr<std::byte, FreeBuffer> buffer_;  // kRecord bytes
  Bytes segment_;
  // Bytes of what will be offered next that have gone already.
  size_t ahead_ = 0;
  TlsNeed read_need_ = TlsNeed::nothing;
  TlsNeed write_need_ = TlsNeed::nothing;
  Close close_ = Close::open;
  // Why no more calls are made; the errors that OpenSSL had queued, first ones first.
  Cause cause_ = Cause::none;
  IoResult failure_;
  std::array<unsigned long, 4> errors_{};
};
static_assert(ByteSource<TlsStream> && ByteSink<TlsStream>);
static_assert(std::is_nothrow_move_constructible_v<TlsStream>);

// As of io/write.h, and chosen instead of those: the segments are gathered into records, in one
// copy. Of `options` only max_bytes counts.
inline IoResult write_some(TlsStream& sink, Chain& chain,
                           const WriteOptions& options = {}) noexcept {
  return sink.write(chain, options.max_bytes);
}
inline IoResult write_all(TlsStream& sink, Chain& chain,
                          const WriteOptions& options = {}) noexcept {
  return sink.write(chain, options.max_bytes == 0 ? 0 : static_cast<size_t>(-1));
}

// Implementation details follow.

namespace tls_internal {

// What is behind a BIO. Each direction answers as a ByteSource or a ByteSink does.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  virtual IoResult read(iovec) { return IoResult::failed(EBADF, "BIO_read"); }
  virtual IoResult write(iovec) { return IoResult::failed(EBADF, "BIO_write"); }
  // A line with its end, of at most `n` bytes; how many there were. -2: no such function.
  virtual int line(char*, int) { return -2; }
  virtual size_t pending() const noexcept { return 0; }

  // What came together with bytes, for the next call.
  IoResult after_read;
  IoResult after_write;
  bool ended = false;
};

// `attempt()` again while it says EINTR, made uniform. A bad_alloc is ENOMEM. Nothing may fly
// through OpenSSL.
template <class Attempt>
IoResult settled(Attempt&& attempt) noexcept {
  for (;;) {
    IoResult result;
#if BIGHT_HAS_EXCEPTIONS
    try {
      result = attempt();
    } catch (const std::bad_alloc&) {
      return IoResult::failed(ENOMEM, "BIO");
    }
#else
    result = attempt();
#endif
    if (!result.is_error()) return result;
    if (result.error_number == EINTR) {
      if (result.bytes == 0) continue;
      return {result.bytes, IoKind::data, 0, result.call};
    }
    if (result.error_number == EAGAIN || result.error_number == EWOULDBLOCK) {
      return {result.bytes, IoKind::would_block, EAGAIN, result.call};
    }
    return result;
  }
}

// One call of a BIO: what was kept for it, or a new attempt.
template <class Attempt>
IoResult next_answer(IoResult& kept, size_t offered, Attempt&& attempt) noexcept {
  if (kept.kind != IoKind::data) return std::exchange(kept, IoResult());
  IoResult result = settled(attempt);
  if (BIGHT_UNLIKELY(result.bytes > offered)) {
    internal::fail_length("a transport of TLS", result.bytes, offered);
  }
  if (result.bytes != 0 && (result.kind == IoKind::eof || result.is_error())) {
    kept = {0, result.kind, result.error_number, result.call};
    result.kind = IoKind::data;
  }
  return result;
}

// A mark on an SSL while a record of a stream waits in it. It is made of the connection's random
// number, so that it means nothing once SSL_clear has given the SSL to another connection.
inline int unsent_index() noexcept {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
inline void* unsent_mark(const SSL* ssl) noexcept {
  unsigned char random[SSL3_RANDOM_SIZE] = {};
  SSL_get_client_random(ssl, random, sizeof(random));
  uintptr_t mark = 0;
  std::memcpy(&mark, random, sizeof(mark));
  return reinterpret_cast<void*>(mark | 1);
}
inline void mark_unsent(SSL* ssl, bool unsent) noexcept {
  // Without memory for it the mark is missing, which only loses the check.
  if (SSL_set_ex_data(ssl, unsent_index(), unsent ? unsent_mark(ssl) : nullptr) != 1) {
    ERR_clear_error();
  }
}
inline bool was_left_unsent(SSL* ssl) noexcept {
  if (SSL_is_init_finished(ssl) == 0) return false;
  const void* const mark = SSL_get_ex_data(ssl, unsent_index());
  return mark != nullptr && mark == unsent_mark(ssl);
}

inline Transport* transport_of(BIO* bio) noexcept {
  return static_cast<Transport*>(BIO_get_data(bio));
}

inline int bio_read(BIO* bio, char* to, int n) noexcept {
  BIO_clear_retry_flags(bio);
  Transport* const transport = transport_of(bio);
  if (transport == nullptr || to == nullptr || n <= 0) return 0;
  const auto room = static_cast<size_t>(n);
  const IoResult result = next_answer(transport->after_read, room, [&] {
    return transport->read({to, room});
  });
  errno = 0;
  if (result.bytes != 0) return static_cast<int>(result.bytes);
  switch (result.kind) {
    case IoKind::eof:
      // OpenSSL asks for BIO_eof() to tell this from an error.
      transport->ended = true;
      return 0;
    case IoKind::error:
      errno = result.error_number;
      return -1;
    case IoKind::data:
    case IoKind::would_block:
      break;
  }
  BIO_set_retry_read(bio);
  errno = EAGAIN;
  return -1;
}

inline int bio_write(BIO* bio, const char* from, int n) noexcept {
  BIO_clear_retry_flags(bio);
  Transport* const transport = transport_of(bio);
  if (transport == nullptr || from == nullptr || n <= 0) return 0;
  const auto size = static_cast<size_t>(n);
  const IoResult result = next_answer(transport->after_write, size, [&] {
    return transport->write({const_cast<char*>(from), size});
  });
  errno = 0;
  if (result.bytes != 0) return static_cast<int>(result.bytes);
  if (result.kind == IoKind::would_block) {
    BIO_set_retry_write(bio);
    errno = EAGAIN;
  } else {
    // Taking nothing without a reason is what a full disk does; trying again would spin.
    errno = result.is_error() ? result.error_number : ENOSPC;
  }
  return -1;
}

inline int bio_gets(BIO* bio, char* to, int n) noexcept {
  BIO_clear_retry_flags(bio);
  Transport* const transport = transport_of(bio);
  if (transport == nullptr || to == nullptr || n <= 0) return 0;
  const int length = transport->line(to, n - 1);
  if (length >= 0) to[length] = '\0';
  return length;
}

inline long bio_ctrl(BIO* bio, int command, long, void*) noexcept {
  const Transport* const transport = transport_of(bio);
  switch (command) {
    case BIO_CTRL_FLUSH:  // nothing is ever held back
      return 1;
    case BIO_CTRL_EOF:
      return transport != nullptr && transport->ended ? 1 : 0;
    case BIO_CTRL_PENDING:
      if (transport == nullptr) return 0;
      return static_cast<long>((std::min)(transport->pending(), static_cast<size_t>(LONG_MAX)));
    default:
      return 0;
  }
}

inline int bio_destroy(BIO* bio) noexcept {
  if (bio == nullptr) return 0;
  delete transport_of(bio);
  BIO_set_data(bio, nullptr);
  BIO_set_init(bio, 0);
  return 1;
}

// Made once, for the life of the process.
inline BIO_METHOD* bio_method() noexcept {
  static BIO_METHOD* const method = []() -> BIO_METHOD* {
    const int index = BIO_get_new_index();
    if (index == -1) return nullptr;
    BIO_METHOD* const made = BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "bight");
    if (made != nullptr) {
      BIO_meth_set_read(made, [](BIO* b, char* to, int n) { return bio_read(b, to, n); });
      BIO_meth_set_write(made,
                         [](BIO* b, const char* from, int n) { return bio_write(b, from, n); });
      BIO_meth_set_gets(made, [](BIO* b, char* to, int n) { return bio_gets(b, to, n); });
      BIO_meth_set_ctrl(made, [](BIO* b, int c, long n, void* p) { return bio_ctrl(b, c, n, p); });
      BIO_meth_set_destroy(made, [](BIO* b) { return bio_destroy(b); });
    }
    return made;
  }();
  return method;
}

// A BIO that owns `transport`, which may be null when memory was out.
inline BioPtr bio_over(Transport* transport) noexcept {
  std::unique_ptr<Transport> owned(transport);
  BIO_METHOD* const method = bio_method();
  if (owned == nullptr || method == nullptr) return nullptr;
  BioPtr bio(BIO_new(method));
  if (bio != nullptr) {
    BIO_set_data(bio.get(), owned.release());
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

class SocketTransport final : public Transport {
 public:
  explicit SocketTransport(int fd) noexcept : source_(fd), sink_(fd, FdKind::socket) {}
  IoResult read(iovec into) override { return source_.read_some({&into, 1}); }
  IoResult write(iovec from) override { return sink_.write_some({&from, 1}); }

 private:
  FdSource source_;
  FdSink sink_;
};

template <class S>
class SourceTransport final : public Transport {
 public:
  explicit SourceTransport(S& source) noexcept : source_(&source) {}
  IoResult read(iovec into) override { return source_->read_some({&into, 1}); }

 private:
  S* source_;
};

template <class S>
class SinkTransport final : public Transport {
 public:
  explicit SinkTransport(S& sink) noexcept : sink_(&sink) {}
  IoResult write(iovec from) override { return sink_->write_some({&from, 1}); }

 private:
  S* sink_;
};

class CursorTransport final : public Transport {
 public:
  explicit CursorTransport(Cursor& cursor) noexcept : cursor_(&cursor) {}

  IoResult read(iovec into) override {
    const size_t n = (std::min)(into.iov_len, cursor_->remaining());
    if (n == 0) return {0, IoKind::eof, 0, "BIO_read"};
    static_cast<void>(cursor_->try_copy_to(std::span(static_cast<std::byte*>(into.iov_base), n)));
    return {n, IoKind::data, 0, "BIO_read"};
  }
  int line(char* to, int n) override {
    size_t length = 0;
    const auto room = static_cast<size_t>(n);
    while (length < room && cursor_->remaining() != 0) {
      const std::span<const std::byte> window = cursor_->window();
      const size_t most = (std::min)(window.size(), room - length);
      const void* const end = std::memchr(window.data(), '\n', most);
      const size_t piece =
          end == nullptr
              ? most
              : static_cast<size_t>(static_cast<const std::byte*>(end) - window.data()) + 1;
      std::memcpy(to + length, window.data(), piece);
      internal::count_copied(piece);
      cursor_->skip(piece);
      length += piece;
      if (end != nullptr) break;
    }
    ended = length == 0;
    return static_cast<int>(length);
  }
  size_t pending() const noexcept override { return cursor_->remaining(); }

 private:
  Cursor* cursor_;
};

}  // namespace tls_internal

inline BioPtr socket_bio(int fd) noexcept {
  return tls_internal::bio_over(new (std::nothrow) tls_internal::SocketTransport(fd));
}

template <ByteSource S>
BioPtr source_bio(S& source) noexcept {
  return tls_internal::bio_over(new (std::nothrow) tls_internal::SourceTransport<S>(source));
}

template <ByteSink S>
BioPtr sink_bio(S& sink) noexcept {
  return tls_internal::bio_over(new (std::nothrow) tls_internal::SinkTransport<S>(sink));
}

inline BioPtr source_bio(Cursor& cursor) noexcept {
  return tls_internal::bio_over(new (std::nothrow) tls_internal::CursorTransport(cursor));
}

inline IoResult ChainSource::read_some(std::span<const iovec> into) noexcept {
  size_t copied = 0;
  bool room = false;
  for (const iovec& entry : into) {
    if (entry.iov_len == 0) continue;
    room = true;
    const size_t n = chain_.copy_to({static_cast<std::byte*>(entry.iov_base), entry.iov_len});
    chain_.consume(n);
    copied += n;
    if (n < entry.iov_len) break;
  }
  if (copied != 0 || !room) return {copied, IoKind::data, 0, "ChainSource"};
  if (ended_) return {0, IoKind::eof, 0, "ChainSource"};
  return {0, IoKind::would_block, EAGAIN, "ChainSource"};
}

inline IoResult BuilderSink::write_some(std::span<const iovec> from) {
  const size_t before = builder_->size();
  size_t taken = 0;
  const auto append = [&] {
    for (const iovec& entry : from) {
      ByteView left(static_cast<const std::byte*>(entry.iov_base), entry.iov_len);
      while (!left.empty()) {
        // Block by block: of what does not fit in whole, the front does.
        const std::optional<std::span<std::byte>> room = builder_->try_prepare(1);
        if (!room) return false;
        const size_t n = (std::min)(left.size(), room->size());
        builder_->append(ByteView(left.data(), n));
        taken += n;
        left = ByteView(left.data() + n, left.size() - n);
      }
    }
    return true;
  };
#if BIGHT_HAS_EXCEPTIONS
  try {
    if (append()) return {taken, IoKind::data, 0, "BuilderSink"};
  } catch (...) {
    builder_->truncate(before);
    throw;
  }
#else
  static_cast<void>(before);
  if (append()) return {taken, IoKind::data, 0, "BuilderSink"};
#endif
  return {taken, IoKind::would_block, EAGAIN, "BuilderSink"};
}

// ---- TlsStream

// The bytes that are offered, in their order; drop() passes those that have gone. `front` is the
// first contiguous run.
class TlsStream::ChainFeed {
 public:
  explicit ChainFeed(Chain& chain) noexcept : chain_(&chain) {}
  size_t size() const noexcept { return chain_->size() - passed_; }
  std::span<const std::byte> front() noexcept {
    if (here_.index == count_) fill(passed_);
    const iovec& entry = entries_[here_.index];
    return std::span(static_cast<const std::byte*>(entry.iov_base), entry.iov_len)
        .subspan(here_.offset);
  }
  // The first `n` bytes to `to`.
  void gather(std::byte* to, size_t n) noexcept {
    if (here_.index == count_) fill(passed_);
    Place place = here_;
    while (n != 0) {
      if (place.index == count_) {
        // What was copied need not be looked at again.
        fill(place.position);
        place = here_;
      }
      const iovec& entry = entries_[place.index];
      const size_t left = entry.iov_len - place.offset;
      const size_t piece = (std::min)(left, n);
      std::memcpy(to, static_cast<const std::byte*>(entry.iov_base) + place.offset, piece);
      to += piece;
      n -= piece;
      place.position += piece;
      if (piece == left) {
        ++place.index;
        place.offset = 0;
      } else {
        place.offset += piece;
      }
    }
    gathered_ = place;
  }
  // A reference on the first `n` bytes, which lie in one segment; false if there is none.
  bool keep(size_t n, Bytes& kept) const noexcept {
    const SegmentPosition place = chain_->locate(passed_);
    kept = chain_->segment_bytes(place.index).slice(place.offset, n);
    return true;
  }
  size_t drop(size_t n) noexcept {
    n = (std::min)(n, size());
    passed_ += n;
    if (passed_ >= kMostPassed) {
      finish();
    } else if (gathered_.position == passed_) {
      here_ = gathered_;
    } else if (here_.index != count_ && here_.position + n == passed_ && n <= left_here()) {
      here_ = n == left_here() ? Place{here_.index + 1, 0, passed_}
                               : Place{here_.index, here_.offset + n, passed_};
    } else {
      forget_entries();
    }
    return n;
  }
  // The chain loses what was passed.
  void finish() noexcept {
    forget_entries();
    chain_->consume(std::exchange(passed_, 0));
  }

 private:
  // Bytes that stay in the chain although they have gone. Consuming record by record would have a
  // chain that shares its table take references of its own, for its last few records.
  static constexpr size_t kMostPassed = size_t{1} << 20;

  struct Place {
    size_t index = 0;  // in entries_; count_ for the end
    size_t offset = 0;
    size_t position = 0;  // in the chain
  };
  size_t left_here() const noexcept { return entries_[here_.index].iov_len - here_.offset; }
  // All entries at once: that is faster for a whole chain than record by record.
  void fill(size_t position) noexcept {
    count_ = chain_->fill_iovec(entries_, position).count;
    here_ = {0, 0, position};
  }
  void forget_entries() noexcept {
    count_ = 0;
    here_ = gathered_ = {};
  }

  Chain* chain_;
  size_t passed_ = 0;
  size_t count_ = 0;
  Place here_;      // of the bytes to go next
  Place gathered_;  // behind the bytes that were gathered last
  iovec entries_[1024];
};

class TlsStream::EntriesFeed {
 public:
  explicit EntriesFeed(std::span<const iovec> entries) noexcept : entries_(entries) {
    for (const iovec& entry : entries) size_ += entry.iov_len;
    settle();
  }
  size_t size() const noexcept { return size_; }
  std::span<const std::byte> front() const noexcept {
    const iovec& entry = entries_.front();
    return std::span(static_cast<const std::byte*>(entry.iov_base), entry.iov_len).subspan(offset_);
  }
  void gather(std::byte* to, size_t n) const noexcept {
    size_t offset = offset_;
    for (const iovec& entry : entries_) {
      if (n == 0) break;
      const size_t piece = (std::min)(n, entry.iov_len - offset);
      if (piece != 0) {
        std::memcpy(to, static_cast<const std::byte*>(entry.iov_base) + offset, piece);
      }
      to += piece;
      n -= piece;
      offset = 0;
    }
  }
  bool keep(size_t, Bytes&) const noexcept { return false; }
  size_t drop(size_t n) noexcept {
    n = (std::min)(n, size_);
    size_ -= n;
    offset_ += n;
    settle();
    return n;
  }

 private:
  void settle() noexcept {
    while (!entries_.empty() && offset_ >= entries_.front().iov_len) {
      offset_ -= entries_.front().iov_len;
      entries_ = entries_.subspan(1);
    }
  }
  std::span<const iovec> entries_;
  size_t offset_ = 0;  // in the first entry
  size_t size_ = 0;
};

// Makes one call that answers 1 when it is done; returns SSL_get_error, with errno as it was then.
template <class Call>
int TlsStream::ask(Call&& call) noexcept {
  ERR_clear_error();
  errno = 0;
  const int answer = call();
  if (answer == 1) return SSL_ERROR_NONE;
  const int error_number = errno;
  const int error = SSL_get_error(ssl_, answer);
  errno = error_number;
  return error;
}

inline IoResult TlsStream::obstacle(int error, const char* call, TlsNeed& need,
                                    size_t bytes) noexcept {
  switch (error) {
    case SSL_ERROR_WANT_READ:
      need = TlsNeed::readable;
      break;
    case SSL_ERROR_WANT_WRITE:
      need = TlsNeed::writable;
      break;
    case SSL_ERROR_ZERO_RETURN:
      return {bytes, IoKind::eof, 0, call};
    case SSL_ERROR_SSL:
    case SSL_ERROR_SYSCALL:
      return fail(error, call, bytes);
    default:
      need = TlsNeed::callback;
      break;
  }
  return {bytes, IoKind::would_block, EAGAIN, call};
}

inline IoResult TlsStream::fail(int error, const char* call, size_t bytes) noexcept {
  int error_number = errno;
  // None of these asks for another attempt: OpenSSL has given up.
  if (error_number == EINTR || error_number == EAGAIN || error_number == EWOULDBLOCK) {
    error_number = EIO;
  }
  errors_ = {};
  size_t count = 0;
  while (const unsigned long code = ERR_get_error()) {
    if (count < errors_.size()) errors_[count++] = code;
  }
  cause_ = Cause::transport;
  if (error == SSL_ERROR_SSL) {
    cause_ = Cause::protocol;
    error_number = EPROTO;
    const int reason = ERR_GET_REASON(errors_[0]);
    if (reason == ERR_R_MALLOC_FAILURE) {
      error_number = ENOMEM;
    } else if (ERR_GET_LIB(errors_[0]) == ERR_LIB_SSL) {
      if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) cause_ = Cause::certificate;
#if defined(SSL_R_UNEXPECTED_EOF_WHILE_READING)
      if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) cause_ = Cause::truncation;
#endif
    }
  } else if (error_number == 0) {
    // OpenSSL 1.1.1: an end of the transport is a system error without a number.
    cause_ = Cause::truncation;
  }
  if (cause_ == Cause::truncation) error_number = EIO;
  failure_ = IoResult::failed(error_number, call);
  forget_pending();
  read_need_ = write_need_ = TlsNeed::nothing;
  return again(bytes);
}

inline void TlsStream::forget_pending() noexcept {
  pending_ = nullptr;
  pending_size_ = 0;
  segment_ = Bytes();
}

inline IoResult TlsStream::handshake() noexcept {
  if (failed()) return again(0);
  read_need_ = write_need_ = TlsNeed::nothing;
  const int error = ask([&] { return SSL_do_handshake(ssl_); });
  if (error == SSL_ERROR_NONE) return {0, IoKind::data, 0, "SSL_do_handshake"};
  const IoResult result = obstacle(error, "SSL_do_handshake", read_need_, 0);
  write_need_ = read_need_;
  return result;
}

inline IoResult TlsStream::read_some(std::span<const iovec> into) noexcept {
  if (failed()) return again(0);
  size_t bytes = 0;
  for (const iovec& entry : into) {
    auto* to = static_cast<std::byte*>(entry.iov_base);
    size_t room = entry.iov_len;
    while (room != 0) {
      // Only the first call may reach for the transport, which may be a blocking one.
      if (bytes != 0 && SSL_pending(ssl_) <= 0) return {bytes, IoKind::data, 0, "SSL_read"};
      read_need_ = TlsNeed::nothing;
      size_t n = 0;
      const int error = ask([&] { return SSL_read_ex(ssl_, to, room, &n); });
      if (error != SSL_ERROR_NONE) return obstacle(error, "SSL_read", read_need_, bytes);
      bytes += n;
      to += n;
      room -= n;
    }
  }
  return {bytes, IoKind::data, 0, bytes != 0 ? "SSL_read" : nullptr};
}

inline IoResult TlsStream::offer_pending() noexcept {
  write_need_ = TlsNeed::nothing;
  size_t taken = 0;
  const int error = ask([&] { return SSL_write_ex(ssl_, pending_, pending_size_, &taken); });
  if (error == SSL_ERROR_NONE) {
    forget_pending();
    return {taken, IoKind::data, 0, "SSL_write"};
  }
  const IoResult result = obstacle(error, "SSL_write", write_need_, 0);
  // The peer has closed before a handshake was done.
  if (result.kind == IoKind::eof) return IoResult::failed(EPIPE, "SSL_write");
  return result;
}

template <class Feed>
void TlsStream::compose(Feed& feed, size_t size) noexcept {
  const std::span<const std::byte> front = feed.front();
  pending_size_ = size;
  if (front.size() >= size) {
    pending_ = front.data();
    return;
  }
  feed.gather(buffer_.get(), size);
  internal::count_gathered(size);
  pending_ = buffer_.get();
}

template <class Feed>
IoResult TlsStream::write_from(Feed& feed, size_t max_bytes) noexcept {
  size_t bytes = feed.drop((std::min)(ahead_, max_bytes));
  ahead_ -= bytes;
  // Also without bytes to write; but an event loop that writes what there is and then closes may
  // come by with none until its close_write has gone.
  if (failed()) return again(bytes);
  if (close_ != Close::open &&
      (close_ != Close::begun || (bytes < max_bytes && feed.size() != 0))) {
    return closed("SSL_write", bytes);
  }
  IoResult result;
  while (bytes < max_bytes && feed.size() != 0) {
    if (buffer_ == nullptr) {
      buffer_.reset(static_cast<std::byte*>(internal::try_allocate_node(kRecord)));
      if (buffer_ == nullptr) return IoResult::failed(ENOMEM, "SSL_write", bytes);
    }
    const bool fresh = pending_size_ == 0;
    if (fresh) compose(feed, (std::min)({kRecord, max_bytes - bytes, feed.size()}));
    result = offer_pending();
    if (result.kind != IoKind::data) {
      // What is the caller's has to stay here until it is offered again.
      if (fresh && pending_size_ != 0) tls_internal::mark_unsent(ssl_, true);
      if (fresh && pending_size_ != 0 && pending_ != buffer_.get()) {
        if (feed.keep(pending_size_, segment_)) {
          pending_ = segment_.data();
        } else {
          std::memcpy(buffer_.get(), pending_, pending_size_);
          internal::count_gathered(pending_size_);
          pending_ = buffer_.get();
        }
      }
      break;
    }
    if (!fresh) tls_internal::mark_unsent(ssl_, false);
    const size_t taken = result.bytes;
    const size_t dropped = feed.drop((std::min)(taken, max_bytes - bytes));
    bytes += dropped;
    ahead_ = taken - dropped;
  }
  if (pending_size_ == 0 || pending_ != buffer_.get()) buffer_.reset();
  result.bytes = bytes;
  return result;
}

inline IoResult TlsStream::write(Chain& chain, size_t max_bytes) noexcept {
  ChainFeed feed(chain);
  const IoResult result = write_from(feed, max_bytes);
  feed.finish();
  return result;
}

inline IoResult TlsStream::write_some(std::span<const iovec> from) noexcept {
  EntriesFeed feed(from);
  return write_from(feed, static_cast<size_t>(-1));
}

inline IoResult TlsStream::close_write() noexcept {
  constexpr const char* kCall = "SSL_shutdown";
  if (failed()) return again(0);
  if (close_ == Close::sent) return {0, IoKind::data, 0, kCall};
  if (close_ == Close::barred) return closed(kCall, 0);
  if (close_ == Close::open && SSL_in_before(ssl_) != 0) return IoResult::failed(ENOTCONN, kCall);
  read_need_ = write_need_ = TlsNeed::nothing;
  size_t bytes = 0;
  if (pending_size_ != 0) {
    const IoResult result = offer_pending();
    read_need_ = write_need_;
    if (result.kind != IoKind::data) return result;
    bytes = result.bytes;
    buffer_.reset();
    tls_internal::mark_unsent(ssl_, false);
  }
  bytes += std::exchange(ahead_, 0);
  // 0: sent, and the peer's has not come.
  int error = SSL_in_init(ssl_) != 0 ? ask([&] { return SSL_do_handshake(ssl_); }) : 0;
  if (error == SSL_ERROR_NONE) {
    close_ = Close::begun;
    error = ask([&] { return SSL_shutdown(ssl_) >= 0 ? 1 : -1; });
  }
  if (error == SSL_ERROR_NONE) {
    close_ = Close::sent;
    return {bytes, IoKind::data, 0, kCall};
  }
  const IoResult result = obstacle(error, kCall, write_need_, bytes);
  read_need_ = write_need_;
  return result;
}

inline IoResult TlsStream::shutdown() noexcept {
  IoResult result = close_write();
  if (result.kind != IoKind::data) return result;
  if ((SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0) return result;
  read_need_ = write_need_ = TlsNeed::nothing;
  char byte = 0;
  size_t n = 0;
  const int error = ask([&] { return SSL_peek_ex(ssl_, &byte, 1, &n); });
  if (error == SSL_ERROR_NONE) return IoResult::failed(EBUSY, "SSL_shutdown", result.bytes);
  if (error == SSL_ERROR_ZERO_RETURN) return result;
  result = obstacle(error, "SSL_shutdown", read_need_, result.bytes);
  write_need_ = read_need_;
  return result;
}

inline absl::Status TlsStream::status(const IoResult& result) const {
  const absl::Status plain = status_of(result);
  if (!result.is_error()) return plain;
  std::string text = result.message();
  absl::StatusCode code = plain.code();
  if (failed() && result.error_number == failure_.error_number) {
    if (cause_ == Cause::truncation) {
      code = absl::StatusCode::kDataLoss;
      text += ": the peer's end came without close_notify";
    }
    if (cause_ == Cause::certificate) {
      code = absl::StatusCode::kUnauthenticated;
      text += ": ";
      text += X509_verify_cert_error_string(SSL_get_verify_result(ssl_));
    }
    for (const unsigned long error : errors_) {
      if (error == 0) break;
      char buffer[256];
      ERR_error_string_n(error, buffer, sizeof(buffer));
      text += ": ";
      text += buffer;
    }
  } else if (close_ == Close::barred && result.error_number == EPROTO) {
    code = absl::StatusCode::kFailedPrecondition;
    text += ": an earlier stream of this connection was destroyed with a record unsent";
  } else if (result.error_number == EBUSY) {
    text += ": the peer has sent bytes that are not read yet";
  }
  absl::Status status(code, absl::string_view(text.data(), text.size()));
  plain.ForEachPayload([&status](absl::string_view url, const absl::Cord& payload) {
    status.SetPayload(url, payload);
  });
  return status;
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_OPENSSL_H_
