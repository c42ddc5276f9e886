// Asio: chains to streams and streams into builders, without copying and without losing a byte.
//
//   bight::ReceiveBuffer in;
//   size_t n = co_await bight::async_read_until(socket, in, "\r\n", use_awaitable);
//   bight::Chain line = in.chain().split_to(n);                      // shared, not copied
//   co_await bight::async_write(socket, std::move(reply), use_awaitable);   // keeps the chain
//
// Works with standalone Asio (1.22 or later) and with Boost.Asio (1.74 or later): define
// BIGHT_ASIO_BOOST as 0 or 1 before including this to choose. Otherwise it is the one that was
// included before, else standalone Asio if it is there. A program may use both in different
// translation units: everything here lives in an inline namespace named after the library.
//
// Streams, completion tokens (callbacks, futures, co_await), associated executors and allocators
// are Asio's, and so are the rules: the stream and a buffer passed by reference must outlive the
// operation, a stream has at most one reader and one writer at a time, a handler never runs inside
// the initiating call. socket.cancel() ends every operation here with operation_aborted. Where the
// library has cancellation slots (Asio 1.20 on), one operation can be cancelled through its own:
// async_read_some with any type, the others with `terminal` and `partial`. What was transferred
// until then is counted, and is in the builder or gone from the chain, exactly.
//
// Errors are Asio's error_code. Memory that cannot be had throws bad_alloc, from the initiating
// call or from the executor's run().
#ifndef BIGHT_INTEROP_ASIO_H_
#define BIGHT_INTEROP_ASIO_H_

// First of all: <boost/asio/awaitable.hpp> of Boost 1.74 uses std::exchange without it.
#include <utility>

#if !defined(BIGHT_ASIO_BOOST)
#if defined(ASIO_VERSION) || !defined(__has_include)
#define BIGHT_ASIO_BOOST 0
#elif defined(BOOST_ASIO_VERSION)
#define BIGHT_ASIO_BOOST 1
#elif __has_include(<asio/version.hpp>)
#define BIGHT_ASIO_BOOST 0
#elif __has_include(<boost/asio/version.hpp>)
#define BIGHT_ASIO_BOOST 1
#else
#error "bight/interop/asio.h needs Asio (Debian: libasio-dev) or Boost.Asio (libboost-dev)"
#endif
#endif

#if BIGHT_ASIO_BOOST
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 102000
#include <boost/asio/cancellation_state.hpp>
#define BIGHT_ASIO_HAS_SLOTS 1
#endif
#if defined(BOOST_ASIO_HAS_POSIX_STREAM_DESCRIPTOR)
#define BIGHT_ASIO_NATIVE 1
#endif
#else
#include <asio/async_result.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/version.hpp>
#if ASIO_VERSION >= 102000
#include <asio/cancellation_state.hpp>
#define BIGHT_ASIO_HAS_SLOTS 1
#endif
#if defined(ASIO_HAS_POSIX_STREAM_DESCRIPTOR)
#define BIGHT_ASIO_NATIVE 1
#endif
#endif
#if !defined(BIGHT_ASIO_HAS_SLOTS)
#define BIGHT_ASIO_HAS_SLOTS 0
#endif
// 1 if sockets and descriptors are written with sendmsg and writev.
#if !defined(BIGHT_ASIO_NATIVE)
#define BIGHT_ASIO_NATIVE 0
#endif

#if BIGHT_ASIO_NATIVE
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <compare>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/copy_audit.h"
#include "bight/internal/check.h"
#include "bight/internal/search.h"

BIGHT_NAMESPACE_BEGIN
#if BIGHT_ASIO_BOOST
inline namespace with_boost_asio {
#else
inline namespace with_standalone_asio {
#endif

namespace asio_internal {
#if BIGHT_ASIO_BOOST
namespace net = ::boost::asio;
using ErrorCode = ::boost::system::error_code;
#else
namespace net = ::asio;
using ErrorCode = ::asio::error_code;
#endif

// What a read offers at least where the caller's target allows it.
inline constexpr size_t kLeastRead = size_t{16} << 10;
// What it offers at most; in blocks of 64 KiB these are kMaxPieces.
inline constexpr size_t kMostRead = size_t{1} << 20;
// Pieces that one operation hands to Asio, which copies them several times; it passes on up to 64.
inline constexpr size_t kMaxPieces = 16;

// Up to kMaxPieces buffers, as trivially copyable as Asio wants its buffer sequences.
template <class Buffer>
class Pieces {
 public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;

  const Buffer* begin() const noexcept { return pieces_.data() + first_; }
  const Buffer* end() const noexcept { return pieces_.data() + last_; }
  bool empty() const noexcept { return first_ == last_; }
  bool full() const noexcept { return last_ == kMaxPieces; }
  size_t bytes() const noexcept {
    size_t sum = 0;
    for (const Buffer& piece : *this) sum += piece.size();
    return sum;
  }
  void clear() noexcept { first_ = last_ = 0; }
  void push_back(Buffer piece) noexcept { pieces_[last_++] = piece; }
  void truncate(size_t n) noexcept {
    for (size_t i = first_; i < last_; ++i) {
      if (pieces_[i].size() >= n) {
        pieces_[i] = Buffer(pieces_[i].data(), n);
        last_ = n == 0 ? i : i + 1;
        return;
      }
      n -= pieces_[i].size();
    }
  }
  void consume(size_t n) noexcept {
    while (first_ < last_ && n >= pieces_[first_].size()) n -= pieces_[first_++].size();
    if (first_ < last_) pieces_[first_] += n;
  }

 private:
  std::array<Buffer, kMaxPieces> pieces_;
  size_t first_ = 0;
  size_t last_ = 0;
};

using Room = Pieces<net::mutable_buffer>;

template <class T>
struct Target;

}  // namespace asio_internal

// ---- Buffer sequences -----------------------------------------------------------------------

// A chain, or `n` bytes of it from `from` on, as a ConstBufferSequence with random-access
// iterators: for asio::write, Beast and everything else that takes buffers. Trivially copyable,
// owns nothing: it and its iterators are valid until the chain changes, moves or dies. To send
// several chains push them into one, which shares them.
class ChainBuffers {
 public:
  using value_type = asio_internal::net::const_buffer;

  class const_iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = asio_internal::net::const_buffer;
    using difference_type = ptrdiff_t;
    using reference = value_type;
    class pointer {
     public:
      explicit pointer(value_type buffer) noexcept : buffer_(buffer) {}
      const value_type* operator->() const noexcept { return &buffer_; }

     private:
      value_type buffer_;
    };

    const_iterator() = default;
    reference operator*() const noexcept {
      std::span<const std::byte> bytes = chain_->segment(index_);
      if (index_ == last_) bytes = bytes.first(last_size_);
      if (index_ == first_) bytes = bytes.subspan(first_offset_);
      return value_type(bytes.data(), bytes.size());
    }
    pointer operator->() const noexcept { return pointer(**this); }
    reference operator[](difference_type n) const noexcept { return *(*this + n); }
    const_iterator& operator++() noexcept { return *this += 1; }
    const_iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
    const_iterator& operator--() noexcept { return *this -= 1; }
    const_iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
    const_iterator& operator+=(difference_type n) noexcept {
      index_ += static_cast<size_t>(n);
      return *this;
    }
    const_iterator& operator-=(difference_type n) noexcept {
      index_ -= static_cast<size_t>(n);
      return *this;
    }
    friend const_iterator operator+(const_iterator it, difference_type n) noexcept {
      return it += n;
    }
    friend const_iterator operator+(difference_type n, const_iterator it) noexcept {
      return it += n;
    }
    friend const_iterator operator-(const_iterator it, difference_type n) noexcept {
      return it -= n;
    }
    friend difference_type operator-(const const_iterator& a, const const_iterator& b) noexcept {
      return static_cast<difference_type>(a.index_ - b.index_);
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept {
      return a.index_ == b.index_;
    }
    friend auto operator<=>(const const_iterator& a, const const_iterator& b) noexcept {
      return a.index_ <=> b.index_;
    }

   private:
    friend class ChainBuffers;

    const Chain* chain_ = nullptr;
    size_t index_ = 0;
    size_t first_ = 0;         // the segment that begins first_offset_ bytes late
    size_t first_offset_ = 0;  //
    size_t last_ = 0;          // the segment that ends after last_size_ bytes of it
    size_t last_size_ = 0;
  };

  ChainBuffers() = default;
  // Precondition: `from <= chain.size()` (checked in every build); `n` may be more than there is.
  explicit ChainBuffers(const Chain& chain, size_t from = 0, size_t n = static_cast<size_t>(-1))
      : ChainBuffers(&chain, from, n) {}

  const_iterator begin() const noexcept { return begin_; }
  const_iterator end() const noexcept { return begin_ + static_cast<ptrdiff_t>(count_); }
  size_t size() const noexcept { return count_; }

 private:
  ChainBuffers(const Chain* chain, size_t from, size_t n);

  const_iterator begin_;
  size_t count_ = 0;
};

// One buffer over `bytes` (Bytes, strings, builders ...); valid as long as these.
inline asio_internal::net::const_buffer as_buffer(ByteView bytes) noexcept {
  return asio_internal::net::const_buffer(bytes.data(), bytes.size());
}

// ---- What is read into ----------------------------------------------------------------------

// Received bytes as a chain, and the blocks that the next ones go to. Reads learn how much to
// offer: from 16 KiB up to 1 MiB at once, growing when reads fill what they were offered and
// shrinking when they do not (the memory goes back too). Messages that follow each other share
// blocks. Not to be moved while an operation or a dynamic buffer uses it.
class ReceiveBuffer {
 public:
  // Blocks as `options` says, which by default start with 16 KiB; it never holds more
  // than options.max_size bytes.
  explicit ReceiveBuffer(const ChainBuilderOptions& options = default_options())
      : options_(without_limit(options)),
        builder_(options_),
        max_size_((std::min)(options.max_size, kNoLimit)) {}

  // The bytes received and not yet taken: cut, search, consume and swap as you like while no read
  // is in progress.
  Chain& chain() noexcept { return chain_; }
  const Chain& chain() const noexcept { return chain_; }
  size_t size() const noexcept { return chain_.size() + grown_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  size_t max_size() const noexcept { return max_size_; }

  static ChainBuilderOptions default_options() {
    ChainBuilderOptions options;
    options.min_block = asio_internal::kLeastRead;
    return options;
  }

 private:
  friend class ReceiveDynamicBuffer;
  friend struct asio_internal::Target<ReceiveBuffer>;

  static constexpr size_t kNoLimit = internal::kMaxSize;
  static ChainBuilderOptions without_limit(ChainBuilderOptions options) {
    options.max_size = kNoLimit;  // this class counts itself: the builder is always taken at once
    return options;
  }
  size_t allowed() const noexcept { return max_size_ - (std::min)(max_size_, size()); }
  // What the next read should offer.
  size_t estimate() const noexcept { return next_; }
  void offered(size_t n) noexcept { offered_ = n; }
  // Takes `n` bytes that were read into the builder's room.
  void commit(size_t n);
  // Takes what grow() added, as far as it stands.
  void settle();

  Chain chain_;
  ChainBuilderOptions options_;
  ChainBuilder builder_;  // nothing in it between calls, but its room
  size_t max_size_;
  size_t next_ = asio_internal::kLeastRead;
  size_t offered_ = 0;  // bytes of room that the read in progress was given
  unsigned small_ = 0;  // reads in a row that filled less than a quarter of next_
  size_t grown_ = 0;    // bytes of room that count as content until settle(): DynamicBuffer_v2
  asio_internal::Room grown_room_;  // where they are
};

// A BytesBuilder as Asio's DynamicBuffer, version 1 and 2 alike: for asio::async_read, read_until
// and Beast. Points to the builder, which must outlive it and stay alone meanwhile. capacity() is
// size() and at least 16 KiB more, so that Asio reads that much at once (it looks at nothing else).
class BytesDynamicBuffer {
 public:
  using const_buffers_type = asio_internal::net::const_buffer;
  using mutable_buffers_type = asio_internal::net::mutable_buffer;

  explicit BytesDynamicBuffer(BytesBuilder& builder, size_t max_size = internal::kMaxSize) noexcept
      : builder_(&builder), max_size_((std::min)(max_size, builder.max_size())) {}

  size_t size() const noexcept { return builder_->size(); }
  size_t max_size() const noexcept { return max_size_; }
  size_t capacity() const noexcept;
  const_buffers_type data() const noexcept { return {builder_->data(), builder_->size()}; }
  // Fails with length_error past max_size().
  mutable_buffers_type prepare(size_t n);
  void commit(size_t n) { builder_->commit((std::min)(n, builder_->spare())); }
  void consume(size_t n) { builder_->remove_prefix((std::min)(n, builder_->size())); }
  // Version 2. Fails with length_error past max_size().
  void grow(size_t n) {
    prepare(n);
    builder_->commit(n);
  }
  void shrink(size_t n) { builder_->truncate(size() - (std::min)(n, size())); }
  mutable_buffers_type data(size_t pos, size_t n) noexcept {
    return asio_internal::net::buffer(mutable_buffers_type(builder_->data(), size()) + pos, n);
  }
  const_buffers_type data(size_t pos, size_t n) const noexcept {
    return asio_internal::net::buffer(data() + pos, n);
  }

 private:
  BytesBuilder* builder_;
  size_t max_size_;
};

// A ReceiveBuffer as Asio's DynamicBuffer, version 1 and 2 alike; the same rules. Its content is
// several buffers. Version 2's data() gives bytes to write only of what grow() has just added.
class ReceiveDynamicBuffer {
 public:
  using const_buffers_type = ChainBuffers;
  using mutable_buffers_type = asio_internal::Room;

  explicit ReceiveDynamicBuffer(ReceiveBuffer& buffer) noexcept : buffer_(&buffer) {}

  size_t size() const noexcept { return buffer_->size(); }
  size_t max_size() const noexcept { return buffer_->max_size(); }
  size_t capacity() const noexcept {
    return size() + (std::min)(buffer_->estimate(), buffer_->allowed());
  }
  const_buffers_type data() const {
    buffer_->settle();
    return ChainBuffers(buffer_->chain_);
  }
  // Fails with length_error past max_size().
  mutable_buffers_type prepare(size_t n);
  void commit(size_t n) { buffer_->commit((std::min)(n, buffer_->offered_)); }
  void consume(size_t n) {
    buffer_->settle();
    buffer_->chain_.consume_up_to(n);
  }
  // Version 2. Fails with length_error past max_size().
  void grow(size_t n);
  void shrink(size_t n);
  // Precondition: what lies in [pos, pos + n) of the content came by the last grow() (checked).
  mutable_buffers_type data(size_t pos, size_t n);
  const_buffers_type data(size_t pos, size_t n) const {
    buffer_->settle();
    return ChainBuffers(buffer_->chain_, pos, n);
  }

 private:
  ReceiveBuffer* buffer_;
};

inline BytesDynamicBuffer dynamic_buffer(BytesBuilder& builder,
                                         size_t max_size = internal::kMaxSize) noexcept {
  return BytesDynamicBuffer(builder, max_size);
}
inline ReceiveDynamicBuffer dynamic_buffer(ReceiveBuffer& buffer) noexcept {
  return ReceiveDynamicBuffer(buffer);
}

// What the reading operations fill.
template <class T>
concept ReadTarget = std::is_same_v<T, ChainBuilder> || std::is_same_v<T, BytesBuilder> ||
    std::is_same_v<T, ReceiveBuffer>;

// ---- The operations' steps
// ----------------------------------------------------------------------- Implementation details;
// the operations are at the end.

namespace asio_internal {

// Whether a stream is a socket or a descriptor of Asio's own, that can be written by system calls.
// A type derived from them is not: it may do more than they do.
enum class Native { none, socket, descriptor };
template <class Stream>
inline constexpr Native kNative = Native::none;
#if BIGHT_ASIO_NATIVE
template <class Protocol, class Executor>
inline constexpr Native kNative<net::basic_stream_socket<Protocol, Executor>> = Native::socket;
template <class Executor>
inline constexpr Native kNative<net::posix::basic_stream_descriptor<Executor>> = Native::descriptor;
#endif

inline ErrorCode system_error(int number) noexcept {
  return ErrorCode(number, net::error::get_system_category());
}

[[noreturn]] inline void fail_full(const char* message) {
#if BIGHT_HAS_EXCEPTIONS
  throw std::length_error(message);
#else
  internal::fail(message);
#endif
}

// Exactly `n` bytes of room in `builder`, or none if its max_size or kMaxPieces do not allow it.
// With `first_counts` the stream may look at the first piece only, so that is not a tiny one.
inline Room room_in(ChainBuilder& builder, size_t n, bool first_counts) {
  Room room;
  if (n == 0) return room;
  if (first_counts && builder.spare() < (std::min)(n, size_t{4096})) {
    if (const auto one = builder.try_prepare(n)) {
      room.push_back(net::mutable_buffer(one->data(), n));
      return room;
    }
  }
  std::array<std::span<std::byte>, kMaxPieces> spans;
  const size_t count = builder.prepare_spans(n, spans);
  for (size_t i = 0; i < count; ++i) {
    room.push_back(net::mutable_buffer(spans[i].data(), spans[i].size()));
  }
  room.truncate(n);
  return room;
}

// How the operations see what they fill: `held` bytes, `room` for the next read (of `most` bytes at
// most, as many as seems good if that is kNoMost; none when it is full), `commit`, `find`.
inline constexpr size_t kNoMost = static_cast<size_t>(-1);

template <>
struct Target<ChainBuilder> {
  static constexpr bool kCountsHeld = false;
  static Room room(ChainBuilder& builder, size_t most, bool first_counts) {
    const size_t n =
        most == kNoMost ? (std::max)(kLeastRead, builder.spare()) : (std::min)(most, kMostRead);
    return room_in(builder, n, first_counts);
  }
  static void commit(ChainBuilder& builder, size_t n) { builder.commit(n); }
};

template <>
struct Target<BytesBuilder> {
  static constexpr bool kCountsHeld = false;
  static size_t held(const BytesBuilder& builder) noexcept { return builder.size(); }
  static Room room(BytesBuilder& builder, size_t most, bool) {
    const size_t allowed = builder.max_size() - builder.size();
    size_t n = (std::max)(kLeastRead, builder.spare());
    // Contiguous room for bytes that may never come grows as they come.
    if (most != kNoMost) n = (std::min)(most, (std::max)({n, kMostRead, builder.size()}));
    n = (std::min)(n, allowed);
    Room room;
    if (n != 0) room.push_back(net::mutable_buffer(builder.prepare(n).data(), n));
    return room;
  }
  static void commit(BytesBuilder& builder, size_t n) { builder.commit(n); }
  static std::optional<size_t> find(const BytesBuilder& builder, std::string_view needle,
                                    size_t from) {
    const size_t at =
        internal::find_in(builder.data(), builder.size(), ByteView(needle).span(), from);
    return at == internal::kNotFound ? std::nullopt : std::optional<size_t>(at);
  }
};

template <>
struct Target<ReceiveBuffer> {
  static constexpr bool kCountsHeld = true;
  static size_t held(const ReceiveBuffer& buffer) noexcept { return buffer.size(); }
  static Room room(ReceiveBuffer& buffer, size_t most, bool first_counts) {
    buffer.settle();
    const size_t n = (std::min)(most == kNoMost ? buffer.estimate() : (std::min)(most, kMostRead),
                                buffer.allowed());
    Room room = room_in(buffer.builder_, n, first_counts);
    buffer.offered(room.bytes());
    return room;
  }
  static void commit(ReceiveBuffer& buffer, size_t n) { buffer.commit(n); }
  static std::optional<size_t> find(const ReceiveBuffer& buffer, std::string_view needle,
                                    size_t from) {
    return buffer.chain().find(ByteView(needle), from);
  }
};

// When a reading operation is done. `take` hears of the bytes that came, `reached` looks, `most` is
// what the next read may bring, `full` what it means that there is no room for it.

class AnyBytes {
 public:
  template <class T>
  void start(const T&) noexcept {}
  template <class T>
  bool reached(const T&) const noexcept {
    return result_ != 0;
  }
  void take(size_t n) noexcept { result_ = n; }
  size_t most() const noexcept { return kNoMost; }
  ErrorCode full() const { return net::error::no_buffer_space; }
  size_t result() const noexcept { return result_; }
  size_t result_of_failure() const noexcept { return result_; }
  static constexpr bool kAllOrNothing = true;

 private:
  size_t result_ = 0;
};

class UpToDelimiter {
 public:
  explicit UpToDelimiter(std::string delimiter) noexcept : delimiter_(std::move(delimiter)) {}
  template <class T>
  void start(const T&) noexcept {}
  template <class T>
  bool reached(const T& target) {
    if (const auto at = Target<T>::find(target, delimiter_, from_)) {
      result_ = *at + delimiter_.size();
      return true;
    }
    // A delimiter that has begun may go on in what comes next.
    const size_t held = Target<T>::held(target);
    from_ = held - (std::min)(held, delimiter_.size() - 1);
    return false;
  }
  void take(size_t) noexcept {}
  size_t most() const noexcept { return kNoMost; }
  ErrorCode full() const { return net::error::not_found; }
  size_t result() const noexcept { return result_; }
  size_t result_of_failure() const noexcept { return 0; }
  static constexpr bool kAllOrNothing = false;

 private:
  std::string delimiter_;
  size_t from_ = 0;  // no delimiter begins before it
  size_t result_ = 0;
};

class ExactBytes {
 public:
  explicit ExactBytes(size_t n) noexcept : wanted_(n) {}
  template <class T>
  void start(const T& target) noexcept {
    if constexpr (Target<T>::kCountsHeld) have_ = (std::min)(Target<T>::held(target), wanted_);
  }
  template <class T>
  bool reached(const T&) const noexcept {
    return have_ == wanted_;
  }
  void take(size_t n) noexcept { have_ += n; }
  size_t most() const noexcept { return wanted_ - have_; }
  ErrorCode full() const { return net::error::no_buffer_space; }
  size_t result() const noexcept { return have_; }
  size_t result_of_failure() const noexcept { return have_; }
  static constexpr bool kAllOrNothing = false;

 private:
  size_t wanted_;
  size_t have_ = 0;
};

template <bool kAllOrNothing, class Self>
void accept_cancellation([[maybe_unused]] Self& self) {
#if BIGHT_ASIO_HAS_SLOTS
  if constexpr (kAllOrNothing) {
    self.reset_cancellation_state(net::enable_total_cancellation());
  } else {
    self.reset_cancellation_state(net::enable_partial_cancellation());
  }
#endif
}

#if BIGHT_ASIO_HAS_SLOTS
// Up to Asio 1.22 at least, async_compose hands its operation a `self` whose cancelled() is
// protected.
template <class Impl, class Work, class Handler, class Signature>
bool is_cancelled_inside(
    const net::detail::composed_op<Impl, Work, Handler, Signature>& self) noexcept {
  struct Peek : net::detail::base_from_cancellation_state<Handler> {
    static auto member() noexcept { return &Peek::cancelled; }
  };
  return (self.*Peek::member())() != net::cancellation_type::none;
}
#endif

// Whether this operation was cancelled through its slot, also when the step that was pending had
// succeeded by then.
template <class Self>
bool is_cancelled([[maybe_unused]] Self& self) {
#if BIGHT_ASIO_HAS_SLOTS
  if constexpr (requires { self.cancelled(); }) {
    return self.cancelled() != net::cancellation_type::none;
  } else {
    return is_cancelled_inside(self);
  }
#else
  return false;
#endif
}

// Calls `self` again later, through the stream's executor.
template <class Self, class Stream>
void call_later(Self& self, Stream& stream) {
  const auto executor = stream.get_executor();
  net::post(executor, std::move(self));
}

template <class Stream, class Into, class Goal>
class ReadOperation {
 public:
  ReadOperation(Stream& stream, Into& into, Goal goal)
      : stream_(&stream), into_(&into), goal_(std::move(goal)) {}

  template <class Self>
  void operator()(Self& self, ErrorCode error = {}, size_t n = 0) {
    if (state_ == State::done) return complete(self);
    if (state_ == State::fresh) {
      accept_cancellation<Goal::kAllOrNothing>(self);
      goal_.start(*into_);
    } else {
      Target<Into>::commit(*into_, n);
      goal_.take(n);
    }
    Room room;
    if (goal_.reached(*into_)) {
      error_ = {};
      succeeded_ = true;
    } else if (error) {
      error_ = error;
    } else if (state_ == State::reading && n == 0) {
      error_ = net::error::eof;  // neither a byte nor an error: there will never be one
    } else if (state_ == State::reading && is_cancelled(self)) {
      error_ = net::error::operation_aborted;
    } else {
      room = Target<Into>::room(*into_, goal_.most(), kNative<Stream> == Native::none);
      if (!room.empty()) {
        state_ = State::reading;
        stream_->async_read_some(room, std::move(self));
        return;
      }
      error_ = goal_.full();
    }
    if (state_ == State::reading) return complete(self);
    state_ = State::done;
    call_later(self, *stream_);
  }

 private:
  enum class State { fresh, reading, done };

  template <class Self>
  void complete(Self& self) {
    const ErrorCode error = error_;
    const size_t result = succeeded_ ? goal_.result() : goal_.result_of_failure();
    self.complete(error, result);
  }

  Stream* stream_;
  Into* into_;
  Goal goal_;
  State state_ = State::fresh;
  bool succeeded_ = false;
  ErrorCode error_;
};

template <class Stream, class Into, class Goal>
size_t read_now(Stream& stream, Into& into, Goal goal, ErrorCode& error) {
  error = {};
  goal.start(into);
  while (!goal.reached(into)) {
    const Room room = Target<Into>::room(into, goal.most(), kNative<Stream> == Native::none);
    if (room.empty()) {
      error = goal.full();
      return goal.result_of_failure();
    }
    const size_t n = stream.read_some(room, error);
    Target<Into>::commit(into, n);
    goal.take(n);
    if (!error && n == 0) error = net::error::eof;
    if (error) {
      if (!goal.reached(into)) return goal.result_of_failure();
      error = {};
    }
  }
  return goal.result();
}

// Segments of fewer bytes are gathered, runs of them: below 1 KiB copying into the batch was
// measured to beat an entry of its own in the system call.
inline constexpr size_t kGatherBelow = 1024;
// The same for streams that take one buffer a call, of which 16 KiB fill a TLS record.
inline constexpr size_t kGatherBelowRecord = size_t{16} << 10;
// What one gather holds: 1000 segments of 64 B fit.
inline constexpr size_t kScratchSize = size_t{64} << 10;

// Where small segments are copied together, at most `limit` bytes of them. Goes without if there is
// no memory.
class Scratch {
 public:
  explicit Scratch(size_t limit) noexcept : limit_((std::min)(limit, kScratchSize)) {}
  Scratch(Scratch&& other) = default;
  Scratch& operator=(Scratch&& other) = default;

  size_t room() const noexcept { return limit_ - used_; }
  const std::byte* end() const noexcept { return memory_.data() + used_; }
  // Makes the memory when first called; false if it cannot be had, and room() is 0 then.
  // `bytes` is a bound of all that will be added.
  bool open(size_t bytes) noexcept {
    if (is_open_) return true;
#if BIGHT_HAS_EXCEPTIONS
    try {
      memory_.reserve((std::min)(limit_, bytes));
    } catch (const std::bad_alloc&) {
      limit_ = 0;
      return false;
    }
#else
    memory_.reserve((std::min)(limit_, bytes));
#endif
    is_open_ = true;
    return true;
  }
  void add(const void* data, size_t n) noexcept {
    std::memcpy(memory_.prepare(0).data() + used_, data, n);
    used_ += n;
  }
  // Forgets what was added and keeps the memory.
  void clear() noexcept { used_ = 0; }
  size_t used() const noexcept { return used_; }

 private:
  BytesBuilder memory_;  // nothing is ever committed in it: used as plain memory
  size_t limit_;
  size_t used_ = 0;
  bool is_open_ = false;
};

#if BIGHT_ASIO_NATIVE

// IOV_MAX on Linux, and the most bytes that one call moves there.
inline constexpr size_t kMaxEntries = 1024;
inline constexpr size_t kMaxTransfer = 0x7ffff000;

// How many bytes the next call offers. What does not fit the socket's buffer is offered, and small
// segments copied, in vain: after a short write it is twice what went.
class Offer {
 public:
  size_t bytes() const noexcept { return bytes_; }
  void record(size_t offered, size_t taken) noexcept {
    if (taken < offered) {
      bytes_ = (std::max)(size_t{16} << 10, (std::min)(kMaxTransfer / 2, taken) * 2);
    } else if (offered == bytes_) {
      bytes_ = bytes_ > kMaxTransfer / 4 ? kMaxTransfer : bytes_ * 4;
    }
  }

 private:
  size_t bytes_ = size_t{1} << 20;
};

// The entries of one gather call from the front of a chain.
class GatherCall {
 public:
  GatherCall(const Chain& chain, size_t offer) noexcept : scratch_(offer) {
    while (count_ < kMaxEntries && bytes_ < offer && bytes_ < chain.size() && !scratch_full_) {
      const GatherFill got =
          chain.fill_iovec(std::span(entries_).subspan(count_), bytes_, offer - bytes_);
      fold(count_, count_ + got.count, (std::min)(offer, chain.size()));
    }
    if (scratch_.used() != 0) internal::count_gathered(scratch_.used());
  }
  GatherCall(const GatherCall&) = delete;
  GatherCall& operator=(const GatherCall&) = delete;

  iovec* entries() noexcept { return entries_; }
  size_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  // Replaces runs of two and more small entries among [from, to) by one copy of them. Stops
  // when the scratch is full.
  void fold(size_t from, size_t to, size_t most) noexcept {
    count_ = from;
    for (size_t i = from; i < to;) {
      size_t run = 0;
      size_t end = i;
      while (end < to && entries_[end].iov_len < kGatherBelow &&
             entries_[end].iov_len <= scratch_.room() - run) {
        run += entries_[end++].iov_len;
      }
      if (end - i >= 2 && scratch_.open(most)) {
        const std::byte* const place = scratch_.end();
        for (; i < end; ++i) scratch_.add(entries_[i].iov_base, entries_[i].iov_len);
        entries_[count_++] = {const_cast<std::byte*>(place), run};
        bytes_ += run;
        if (i < to && entries_[i].iov_len < kGatherBelow) {
          scratch_full_ = true;
          return;
        }
      } else {
        bytes_ += entries_[i].iov_len;
        entries_[count_++] = entries_[i++];
      }
    }
  }

  Scratch scratch_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  bool scratch_full_ = false;
  iovec entries_[kMaxEntries];
};

inline ssize_t write_entries(int descriptor, Native kind, iovec* entries, size_t count,
                             bool wait) noexcept {
  for (;;) {
    ssize_t n;
    if (kind == Native::socket) {
      int flags = 0;
#if defined(MSG_NOSIGNAL)
      flags |= MSG_NOSIGNAL;
#endif
#if defined(MSG_DONTWAIT)
      if (!wait) flags |= MSG_DONTWAIT;
#endif
      msghdr message{};
      message.msg_iov = entries;
      message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
      n = ::sendmsg(descriptor, &message, flags);
    } else {
      n = ::writev(descriptor, entries, static_cast<int>(count));
    }
    if (n >= 0 || errno != EINTR) return n;
  }
}

// How a turn of writing ended.
enum class Turn { done, would_block, more, failed };

// Writes `chain` to the descriptor until it is empty, the kernel takes no more, or `calls` calls
// were made. What went is gone from `chain` and added to `sent`.
inline Turn write_turn(int descriptor, Native kind, bool wait, int calls, Chain& chain,
                       Offer& offer, size_t& sent, ErrorCode& error) {
  while (!chain.empty()) {
    if (calls-- == 0) return Turn::more;
    size_t offered;
    ssize_t n;
    {
      GatherCall call(chain, offer.bytes());
      offered = call.bytes();
      n = write_entries(descriptor, kind, call.entries(), call.count(), wait);
    }
    if (n < 0) {
      const int number = errno;
      if (number == EAGAIN || number == EWOULDBLOCK) return Turn::would_block;
      error = system_error(number);
      return Turn::failed;
    }
    if (n == 0) {  // of an offer that is not empty
      error = system_error(ENOSPC);
      return Turn::failed;
    }
    const size_t taken = static_cast<size_t>(n);
    sent += taken;
    offer.record(offered, taken);
    chain.consume(taken);
    if (taken < offered && !wait) return Turn::would_block;
  }
  return Turn::done;
}

// Calls a turn of an asynchronous write may make before others get theirs.
inline constexpr int kCallsPerTurn = 8;

#endif  // BIGHT_ASIO_NATIVE

// Streams that are written through their own write_some: what it is given, and the copies of small
// segments behind that. Filled again only when everything was taken, so nothing is copied
// twice.
class Gathered {
 public:
  const Pieces<net::const_buffer>& pieces() const noexcept { return pieces_; }
  void fill(const Chain& chain) {
    if (!pieces_.empty()) return;
    pieces_.clear();
    scratch_.clear();
    const size_t segments = chain.segment_count();
    for (size_t i = 0; i < segments && !pieces_.full();) {
      size_t run = 0;
      size_t end = i;
      while (end < segments) {
        const size_t size = chain.segment(end).size();
        if (size >= kGatherBelowRecord || size > scratch_.room() - run) break;
        run += size;
        ++end;
      }
      if (end - i >= 2 && scratch_.open(chain.size())) {
        const std::byte* const place = scratch_.end();
        for (; i < end; ++i) scratch_.add(chain.segment(i).data(), chain.segment(i).size());
        pieces_.push_back(net::const_buffer(place, run));
        // Full: what follows is better gathered into the next fill than sent in small pieces.
        if (i < segments && chain.segment(i).size() < kGatherBelowRecord) break;
      } else {
        const std::span<const std::byte> segment = chain.segment(i++);
        pieces_.push_back(net::const_buffer(segment.data(), segment.size()));
      }
    }
    if (scratch_.used() != 0) internal::count_gathered(scratch_.used());
  }
  void consume(size_t n) noexcept { pieces_.consume(n); }

 private:
  Pieces<net::const_buffer> pieces_;  // the front of the chain, never more
  Scratch scratch_{kScratchSize};
};

// The chain that an operation writes: its own, or the caller's.
class Owned {
 public:
  explicit Owned(Chain chain) noexcept : chain_(std::move(chain)) {}
  Chain& get() noexcept { return chain_; }

 private:
  Chain chain_;
};
class Lent {
 public:
  explicit Lent(Chain* chain) noexcept : chain_(chain) {}
  Chain& get() noexcept { return *chain_; }

 private:
  Chain* chain_;
};

template <class Stream, class Source, bool kIsNative = kNative<Stream> != Native::none>
class WriteOperation;

template <class Stream, class Source>
class WriteOperation<Stream, Source, false> {
 public:
  WriteOperation(Stream& stream, Source source) : stream_(&stream), source_(std::move(source)) {}

  template <class Self>
  void operator()(Self& self, ErrorCode error = {}, size_t n = 0) {
    if (state_ == State::done) return self.complete(ErrorCode(), 0);
    Chain& chain = source_.get();
    if (state_ == State::fresh) {
      accept_cancellation<false>(self);
      if (chain.empty()) {
        state_ = State::done;
        call_later(self, *stream_);
        return;
      }
      state_ = State::writing;
    } else {
      sent_ += n;
      gathered_.consume(n);
      chain.consume(n);
      if (chain.empty()) return self.complete(ErrorCode(), size_t{sent_});
      if (!error && n == 0) error = system_error(ENOSPC);
      if (!error && is_cancelled(self)) error = net::error::operation_aborted;
      if (error) return self.complete(error, size_t{sent_});
    }
    gathered_.fill(chain);
    const auto pieces = gathered_.pieces();
    stream_->async_write_some(pieces, std::move(self));
  }

 private:
  enum class State { fresh, writing, done };

  Stream* stream_;
  Source source_;
  Gathered gathered_;
  size_t sent_ = 0;
  State state_ = State::fresh;
};

#if BIGHT_ASIO_NATIVE
template <class Stream, class Source>
class WriteOperation<Stream, Source, true> {
 public:
  WriteOperation(Stream& stream, Source source) : stream_(&stream), source_(std::move(source)) {}

  template <class Self>
  void operator()(Self& self, ErrorCode error = {}) {
    const bool fresh = state_ == State::fresh;
    if (state_ == State::done) return self.complete(ErrorCode(error_), size_t{sent_});
    if (fresh) {
      accept_cancellation<false>(self);
      state_ = State::writing;
#if !defined(MSG_DONTWAIT)
      constexpr bool kSetMode = true;
#else
      constexpr bool kSetMode = kNative<Stream> == Native::descriptor;
#endif
      if (kSetMode) stream_->native_non_blocking(true, error);
    } else if (!error && is_cancelled(self)) {
      error = net::error::operation_aborted;
    }
    Turn turn = Turn::failed;
    if (!error) {
      turn = write_turn(stream_->native_handle(), kNative<Stream>, false, kCallsPerTurn,
                        source_.get(), offer_, sent_, error);
    }
    if (turn == Turn::would_block || (turn == Turn::more && kNative<Stream> == Native::socket)) {
      stream_->async_wait(Stream::wait_write, std::move(self));
    } else if (turn == Turn::more) {
      // Not by async_wait: a file has no events.
      call_later(self, *stream_);
    } else if (fresh) {
      error_ = error;
      state_ = State::done;
      call_later(self, *stream_);
    } else {
      self.complete(error, size_t{sent_});
    }
  }

 private:
  enum class State { fresh, writing, done };

  Stream* stream_;
  Source source_;
  Offer offer_;
  size_t sent_ = 0;
  ErrorCode error_;
  State state_ = State::fresh;
};
#endif

template <class Stream>
using DefaultToken = typename net::default_completion_token<typename Stream::executor_type>::type;

using TransferSignature = void(ErrorCode, size_t);

template <class Stream, class Into, class Goal, class Token>
auto start_read(Stream& stream, Into& into, Goal goal, Token&& token) {
  return net::async_compose<Token, TransferSignature>(
      ReadOperation<Stream, Into, Goal>(stream, into, std::move(goal)), token, stream);
}

template <class Stream, class Source, class Token>
auto start_write(Stream& stream, Source source, Token&& token) {
  return net::async_compose<Token, TransferSignature>(
      WriteOperation<Stream, Source>(stream, std::move(source)), token, stream);
}

}  // namespace asio_internal

// ---- Write
// --------------------------------------------------------------------------------------- Writes
// all of a chain and completes with how many bytes went, all of them or those before the error.
// Large segments go to the kernel from where they are. Asio's own sockets and stream descriptors
// take up to 1,024 segments a call; runs of segments below 1 KiB are copied into one piece first,
// which CopyAudit counts as gathered. Other streams (TLS, Beast's) are given up to 16 buffers a
// call through their async_write_some, with runs of segments below 16 KiB gathered, so that TLS
// records are full. Segments are released as they go.

// Holds `chain` until it is done. An error drops the rest.
template <class Stream, class Token = asio_internal::DefaultToken<Stream>>
auto async_write(Stream& stream, Chain chain, Token&& token = Token()) {
  return asio_internal::start_write(stream, asio_internal::Owned(std::move(chain)),
                                    std::forward<Token>(token));
}
template <class Stream, class Token = asio_internal::DefaultToken<Stream>>
auto async_write(Stream& stream, Bytes bytes, Token&& token = Token()) {
  return asio_internal::start_write(stream, asio_internal::Owned(Chain(std::move(bytes))),
                                    std::forward<Token>(token));
}
// Writes from the front of `*chain`, which must outlive the operation and be left alone meanwhile.
// After an error or a cancellation it is exactly the unsent rest (a TLS stream that failed or was
// cancelled may have part of it in a record, and is of no more use).
template <class Stream, class Token = asio_internal::DefaultToken<Stream>>
auto async_write(Stream& stream, Chain* chain, Token&& token = Token()) {
  return asio_internal::start_write(stream, asio_internal::Lent(chain), std::forward<Token>(token));
}

// The same, waiting. What went is gone from `chain`, the rest is in it; returns how many bytes
// went. A stream that its owner made non-blocking answers would_block when it takes no more.
template <class Stream>
size_t write(Stream& stream, Chain& chain, asio_internal::ErrorCode& error) {
  error = {};
  size_t sent = 0;
#if BIGHT_ASIO_NATIVE
  constexpr asio_internal::Native kKind = asio_internal::kNative<Stream>;
  if constexpr (kKind != asio_internal::Native::none) {
    asio_internal::Offer offer;
    while (!chain.empty()) {
      const asio_internal::Turn turn = asio_internal::write_turn(
          stream.native_handle(), kKind, !stream.non_blocking(), -1, chain, offer, sent, error);
      if (turn != asio_internal::Turn::would_block) break;
      if (stream.non_blocking()) {
        error = asio_internal::net::error::would_block;
        break;
      }
      // Asynchronous operations leave the descriptor itself non-blocking.
      stream.wait(Stream::wait_write, error);
      if (error) break;
    }
    return sent;
  }
#endif
  asio_internal::Gathered gathered;
  while (!chain.empty() && !error) {
    gathered.fill(chain);
    const size_t n = stream.write_some(gathered.pieces(), error);
    sent += n;
    gathered.consume(n);
    chain.consume(n);
    if (n == 0 && !error) error = asio_internal::system_error(ENOSPC);
  }
  return sent;
}

// ---- Read
// ---------------------------------------------------------------------------------------- Straight
// into the blocks of `into` (a ChainBuilder, a BytesBuilder or a ReceiveBuffer), which must outlive
// the operation and be left alone meanwhile. Whatever came is in it also when the result is an
// error. A read offers at least 16 KiB, unless less is asked for or there is room for less. A
// builder that is full (max_size, or a carved one) gives no_buffer_space.

// One read; completes with how many bytes it brought, at least one unless there is an error.
template <class Stream, ReadTarget Into, class Token = asio_internal::DefaultToken<Stream>>
auto async_read_some(Stream& stream, Into& into, Token&& token = Token()) {
  return asio_internal::start_read(stream, into, asio_internal::AnyBytes(),
                                   std::forward<Token>(token));
}

// Reads until `into`, which already may, holds `delimiter`; completes with the number of bytes up
// to and with it. More may have been read. A full `into` without one gives not_found; any error
// gives 0. Each byte is searched once. The delimiter is copied. Not for a ChainBuilder, whose
// content cannot be looked at.
template <class Stream, ReadTarget Into, class Token = asio_internal::DefaultToken<Stream>>
requires(!std::is_same_v<Into, ChainBuilder>) auto async_read_until(Stream& stream, Into& into,
                                                                    ByteView delimiter,
                                                                    Token&& token = Token()) {
  return asio_internal::start_read(stream, into,
                                   asio_internal::UpToDelimiter(std::string(delimiter.view())),
                                   std::forward<Token>(token));
}
template <class Stream, ReadTarget Into, class Token = asio_internal::DefaultToken<Stream>>
requires(!std::is_same_v<Into, ChainBuilder>) auto async_read_until(Stream& stream, Into& into,
                                                                    char delimiter,
                                                                    Token&& token = Token()) {
  return async_read_until(stream, into, ByteView(&delimiter, 1), std::forward<Token>(token));
}

// Reads exactly `n` bytes and none beyond; completes with how many came, fewer only with an error.
// In a ReceiveBuffer the bytes that it holds already count: it reads until there are `n`. Room is
// made as the bytes come, so an `n` from the wire costs no more memory than what was sent.
template <class Stream, ReadTarget Into, class Token = asio_internal::DefaultToken<Stream>>
auto async_read_exactly(Stream& stream, Into& into, size_t n, Token&& token = Token()) {
  return asio_internal::start_read(stream, into, asio_internal::ExactBytes(n),
                                   std::forward<Token>(token));
}

// The same, waiting (unless the stream's owner made it non-blocking).
template <class Stream, ReadTarget Into>
size_t read_some(Stream& stream, Into& into, asio_internal::ErrorCode& error) {
  return asio_internal::read_now(stream, into, asio_internal::AnyBytes(), error);
}
template <class Stream, ReadTarget Into>
requires(!std::is_same_v<Into, ChainBuilder>) size_t
    read_until(Stream& stream, Into& into, ByteView delimiter, asio_internal::ErrorCode& error) {
  return asio_internal::read_now(
      stream, into, asio_internal::UpToDelimiter(std::string(delimiter.view())), error);
}
template <class Stream, ReadTarget Into>
size_t read_exactly(Stream& stream, Into& into, size_t n, asio_internal::ErrorCode& error) {
  return asio_internal::read_now(stream, into, asio_internal::ExactBytes(n), error);
}

// Implementation details follow.

inline ChainBuffers::ChainBuffers(const Chain* chain, size_t from, size_t n) {
  if (from > chain->size()) internal::fail_length("ChainBuffers from", from, chain->size());
  n = (std::min)(n, chain->size() - from);
  if (n == 0) return;
  const SegmentPosition first = chain->locate(from);
  // The last byte, not the one behind: its segment is there.
  const SegmentPosition last = chain->locate(from + n - 1);
  begin_.chain_ = chain;
  begin_.index_ = begin_.first_ = first.index;
  begin_.first_offset_ = first.offset;
  begin_.last_ = last.index;
  begin_.last_size_ = last.offset + 1;
  count_ = last.index - first.index + 1;
}

inline void ReceiveBuffer::commit(size_t n) {
  builder_.commit(n);
  chain_.push_back(builder_.take());
  if (n >= offered_) {
    if (n >= next_) next_ = (std::min)(n * 2, asio_internal::kMostRead);
    small_ = 0;
  } else if (n >= next_ / 4) {
    small_ = 0;
  } else if (++small_ == 2) {
    small_ = 0;
    if (next_ > asio_internal::kLeastRead) {
      next_ = (std::max)(next_ / 2, asio_internal::kLeastRead);
      // Gives back the blocks that were made ready for larger reads.
      builder_ = ChainBuilder(options_);
    }
  }
  offered_ = 0;
}

inline void ReceiveBuffer::settle() {
  if (grown_ != 0) commit(std::exchange(grown_, 0));
}

inline size_t BytesDynamicBuffer::capacity() const noexcept {
  const size_t estimate = (std::max)(asio_internal::kLeastRead, builder_->spare());
  return size() + (std::min)(estimate, max_size_ - (std::min)(max_size_, size()));
}

inline BytesDynamicBuffer::mutable_buffers_type BytesDynamicBuffer::prepare(size_t n) {
  if (size() > max_size_ || n > max_size_ - size()) {
    asio_internal::fail_full("bight: dynamic buffer past its max_size");
  }
  return mutable_buffers_type(builder_->prepare(n).data(), n);
}

inline ReceiveDynamicBuffer::mutable_buffers_type ReceiveDynamicBuffer::prepare(size_t n) {
  buffer_->settle();
  if (n > buffer_->allowed()) {
    asio_internal::fail_full("bight: dynamic buffer past its max_size");
  }
  asio_internal::Room room = asio_internal::room_in(buffer_->builder_, n, true);
  if (room.bytes() < n) {  // in more pieces than there may be
    room.clear();
    room.push_back({buffer_->builder_.prepare(n).data(), n});
  }
  buffer_->offered(n);
  return room;
}

inline void ReceiveDynamicBuffer::grow(size_t n) {
  buffer_->grown_room_ = prepare(n);
  buffer_->grown_ = n;
}

inline void ReceiveDynamicBuffer::shrink(size_t n) {
  n = (std::min)(n, size());
  const size_t unread = (std::min)(n, buffer_->grown_);
  buffer_->grown_ -= unread;
  buffer_->settle();
  buffer_->chain_.remove_suffix(n - unread);
}

inline ReceiveDynamicBuffer::mutable_buffers_type ReceiveDynamicBuffer::data(size_t pos, size_t n) {
  const size_t kept = buffer_->chain_.size();
  if (pos < kept && n != 0) internal::fail_length("data() to write at", pos, kept);
  asio_internal::Room room;
  if (pos < kept || pos - kept >= buffer_->grown_) return room;
  room = buffer_->grown_room_;
  room.truncate(buffer_->grown_);
  room.consume(pos - kept);
  if (n < room.bytes()) room.truncate(n);
  return room;
}

}  // inline namespace with_*_asio
BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_ASIO_H_
