// Standard streams over chains, for parsers and printers that know only std::istream and
// std::ostream.
//
//   ChainIstream in(message);            // shares the chain, reads its segments where they are
//   ParseLegacyConfig(in);
//   Chain body = in.rest();              // what was not read, shared too
//
//   ChainBuilder builder;
//   BuilderOstream out(builder);         // writes into the builder's blocks
//   out << "id=" << 7 << '\n' << std::flush;
//   Chain text = builder.take();
//
// Where speed matters use Cursor and ChainBuilder themselves: a stream costs a virtual call for
// each segment, a locale and a sentry for each operation.
//
// Thread safety: as for the standard streams.
#ifndef BIGHT_INTEROP_IOSTREAM_H_
#define BIGHT_INTEROP_IOSTREAM_H_

#include <cstddef>
#include <cstring>
#include <ios>
#include <istream>
#include <optional>
#include <ostream>
#include <span>
#include <streambuf>
#include <utility>

#include "bight/byte_view.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/copy_audit.h"

BIGHT_NAMESPACE_BEGIN

// Reads a chain. The get area is the current segment itself, so nothing is copied before the caller
// asks for it; read(), which fills the caller's memory, is counted by CopyAudit.
// Seeks in O(log segments); unget() and putback() of the byte that is there go back to the start.
class ChainIstreambuf : public std::streambuf {
 public:
  // Shares the chain. For the rest of a cursor pass `cursor.read_chain(cursor.remaining())`.
  explicit ChainIstreambuf(Chain chain) : chain_(std::move(chain)) {}

  // Bytes read so far, and those that are left, as a chain that shares them.
  size_t position() const noexcept { return start_ + static_cast<size_t>(gptr() - eback()); }
  [[nodiscard]] Chain rest() const { return chain_.slice(position(), chain_.size() - position()); }

 protected:
  int_type underflow() override;
  int_type pbackfail(int_type c) override;
  std::streamsize showmanyc() override;
  std::streamsize xsgetn(char* to, std::streamsize n) override;
  pos_type seekoff(off_type offset, std::ios_base::seekdir from,
                   std::ios_base::openmode which) override;
  pos_type seekpos(pos_type position, std::ios_base::openmode which) override {
    return seekoff(off_type(position), std::ios_base::beg, which);
  }

 private:
  // Makes segment `i`, which starts at position `start`, the get area, `offset` bytes of it read.
  void show(size_t i, size_t start, size_t offset) noexcept;
  void go_to(size_t position) noexcept;

  Chain chain_;
  size_t start_ = 0;  // position of eback() in the chain
  size_t next_ = 0;   // index of the segment behind the one in the get area
};

// Appends to a ChainBuilder. Single characters go straight into the builder's room; whole runs are
// appended. The builder must outlive the buffer, and sync() (flush the stream) before it is used
// directly: only then has it all bytes, and the buffer has given its room back.
// A builder that is full (max_size) takes what it has room for; the stream is then bad.
class BuilderOstreambuf : public std::streambuf {
 public:
  explicit BuilderOstreambuf(ChainBuilder& builder) : builder_(&builder) {}
  ~BuilderOstreambuf() override { give_back(); }

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* from, std::streamsize n) override;
  int sync() override {
    give_back();
    return 0;
  }
  // tellp() only: bytes written through this buffer.
  pos_type seekoff(off_type offset, std::ios_base::seekdir from,
                   std::ios_base::openmode which) override;

 private:
  // Commits what stands in the put area and leaves none.
  void give_back() noexcept;
  void use(std::span<std::byte> room) noexcept;

  ChainBuilder* builder_;
  size_t committed_ = 0;  // bytes written through this buffer, without those in the put area
};

class ChainIstream : public std::istream {
 public:
  explicit ChainIstream(Chain chain) : std::istream(nullptr), buffer_(std::move(chain)) {
    rdbuf(&buffer_);  // clears the error that the null buffer set
  }
  // As in ChainIstreambuf; they do not look at the stream's state.
  size_t position() const noexcept { return buffer_.position(); }
  [[nodiscard]] Chain rest() const { return buffer_.rest(); }

 private:
  ChainIstreambuf buffer_;
};

class BuilderOstream : public std::ostream {
 public:
  explicit BuilderOstream(ChainBuilder& builder) : std::ostream(nullptr), buffer_(builder) {
    rdbuf(&buffer_);
  }

 private:
  BuilderOstreambuf buffer_;
};

// Implementation details follow.

inline void ChainIstreambuf::show(size_t i, size_t start, size_t offset) noexcept {
  const std::span<const std::byte> segment = chain_.segment(i);
  // Never written through: a streambuf writes to its get area only in a pbackfail that does.
  char* const data = const_cast<char*>(reinterpret_cast<const char*>(segment.data()));
  setg(data, data + offset, data + segment.size());
  start_ = start;
  next_ = i + 1;
}

inline void ChainIstreambuf::go_to(size_t position) noexcept {
  if (chain_.empty()) return;
  if (position == chain_.size()) {
    // At the end of the last segment, so that one can go back from there.
    const size_t last = chain_.segment_count() - 1;
    const size_t size = chain_.segment(last).size();
    show(last, position - size, size);
  } else {
    const SegmentPosition place = chain_.locate(position);
    show(place.index, position - place.offset, place.offset);
  }
}

inline ChainIstreambuf::int_type ChainIstreambuf::underflow() {
  if (gptr() == egptr()) {
    if (next_ == chain_.segment_count()) return traits_type::eof();
    show(next_, start_ + static_cast<size_t>(egptr() - eback()), 0);
  }
  return traits_type::to_int_type(*gptr());
}

inline ChainIstreambuf::int_type ChainIstreambuf::pbackfail(int_type c) {
  const size_t here = position();
  if (here == 0) return traits_type::eof();
  go_to(here - 1);
  const int_type there = traits_type::to_int_type(*gptr());
  if (traits_type::eq_int_type(c, traits_type::eof()) || traits_type::eq_int_type(c, there)) {
    return there;
  }
  go_to(here);  // another byte would have to be written, and the chain's are shared
  return traits_type::eof();
}

inline std::streamsize ChainIstreambuf::showmanyc() {
  const size_t left = chain_.size() - position();
  return left != 0 ? static_cast<std::streamsize>(left) : -1;
}

inline std::streamsize ChainIstreambuf::xsgetn(char* to, std::streamsize n) {
  if (n <= 0) return 0;
  if (n <= egptr() - gptr()) {
    std::memcpy(to, gptr(), static_cast<size_t>(n));
    internal::count_copied(static_cast<size_t>(n));
    setg(eback(), gptr() + n, egptr());
    return n;
  }
  const size_t here = position();
  const size_t copied =
      chain_.copy_to(std::as_writable_bytes(std::span(to, static_cast<size_t>(n))), here);
  go_to(here + copied);
  return static_cast<std::streamsize>(copied);
}

inline ChainIstreambuf::pos_type ChainIstreambuf::seekoff(off_type offset,
                                                          std::ios_base::seekdir from,
                                                          std::ios_base::openmode which) {
  const off_type size = static_cast<off_type>(chain_.size());
  const off_type base = from == std::ios_base::beg   ? 0
                        : from == std::ios_base::end ? size
                                                     : static_cast<off_type>(position());
  if ((which & std::ios_base::in) == 0 || offset < -base || offset > size - base) {
    return pos_type(off_type(-1));
  }
  go_to(static_cast<size_t>(base + offset));
  return pos_type(base + offset);
}

inline void BuilderOstreambuf::give_back() noexcept {
  const size_t written = static_cast<size_t>(pptr() - pbase());
  builder_->commit(written);  // within the current block: cannot fail
  committed_ += written;
  setp(nullptr, nullptr);
}

inline void BuilderOstreambuf::use(std::span<std::byte> room) noexcept {
  char* const data = reinterpret_cast<char*>(room.data());
  setp(data, data + room.size());
}

inline BuilderOstreambuf::int_type BuilderOstreambuf::overflow(int_type c) {
  give_back();
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const std::optional<std::span<std::byte>> room = builder_->try_prepare(1);
  if (!room) return traits_type::eof();
  use(*room);
  return sputc(traits_type::to_char_type(c));
}

inline std::streamsize BuilderOstreambuf::xsputn(const char* from, std::streamsize n) {
  if (n <= 0) return 0;
  give_back();
  ByteView left(from, static_cast<size_t>(n));
  if (builder_->try_append(left)) {
    committed_ += left.size();
    use(builder_->prepare(0));
    return n;
  }
  // It does not all fit: what does, block by block.
  while (!left.empty()) {
    const std::optional<std::span<std::byte>> room = builder_->try_prepare(1);
    if (!room) break;
    const size_t piece = left.size() < room->size() ? left.size() : room->size();
    builder_->append(ByteView(left.data(), piece));
    committed_ += piece;
    left = ByteView(left.data() + piece, left.size() - piece);
  }
  return n - static_cast<std::streamsize>(left.size());
}

inline BuilderOstreambuf::pos_type BuilderOstreambuf::seekoff(off_type offset,
                                                              std::ios_base::seekdir from,
                                                              std::ios_base::openmode which) {
  if (offset != 0 || from != std::ios_base::cur || (which & std::ios_base::out) == 0) {
    return pos_type(off_type(-1));
  }
  return pos_type(static_cast<off_type>(committed_) + (pptr() - pbase()));
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_IOSTREAM_H_
