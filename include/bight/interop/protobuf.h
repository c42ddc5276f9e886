// Protocol Buffers from and to chains. Link bight::protobuf.
//
//   MyMessage request;
//   if (!bight::parse_from(request, chain)) return;      // read where the bytes are
//   bight::Chain reply = bight::serialize(response);     // written where they stay
//
// Protobuf copies a bytes field into a std::string. Large ones need not go there: take them out of
// the wire format before it parses, and put them behind what it wrote.
//
//   auto pixels = bight::take_bytes_field(chain, Picture::kPixelsFieldNumber);  // shared slices
//   if (!pixels || !bight::parse_from(picture, chain)) return;                  // all the rest
//
//   bight::Chain reply = bight::serialize(picture);                             // without pixels
//   bight::push_bytes_field(reply, Picture::kPixelsFieldNumber, their_pixels);  // with them
//
// The wire format is the same as ever: the peer may be any protobuf, with or without this.
//
// The streams underneath serve what else takes protobuf's zero-copy streams: delimited messages,
// the text format, its own compression streams.
//
// Thread safety: as for a standard container.
#ifndef BIGHT_INTEROP_PROTOBUF_H_
#define BIGHT_INTEROP_PROTOBUF_H_

#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bight/byte_writer.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/cursor.h"
#include "bight/internal/check.h"
#include "bight/read_result.h"

BIGHT_NAMESPACE_BEGIN

// Reads a chain: Next() hands out the segments where they are.
class ChainInputStream final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  // Shares the chain.
  explicit ChainInputStream(Chain chain) : chain_(std::move(chain)), cursor_(chain_) {}

  bool Next(const void** data, int* size) override;
  // May go back further than the last Next(), also across segments.
  // Precondition: `0 <= count <= ByteCount()` (checked in every build).
  void BackUp(int count) override;
  // False, and at the end, when fewer than `count` bytes were left.
  // Precondition: `count >= 0` (checked in every build).
  bool Skip(int count) override;
  int64_t ByteCount() const override { return static_cast<int64_t>(cursor_.position()); }

 private:
  Chain chain_;
  Cursor cursor_;  // over chain_
};

// Appends to a builder, which must outlive the stream: Next() hands out room of its blocks. The
// room counts as written until BackUp() gives the rest of it back, as protobuf's serializers do at
// their end; after that the builder may be used directly.
class BuilderOutputStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  explicit BuilderOutputStream(ChainBuilder& builder)
      : builder_(&builder), begin_(builder.size()) {}

  // False when the builder's max_size is reached. Fails with bad_alloc.
  bool Next(void** data, int* size) override;
  // May go back further than the last Next(), also across blocks; the room of the current block is
  // handed out again. Precondition: `0 <= count <= ByteCount()` (checked in every build).
  void BackUp(int count) override;
  // Needs that nothing was taken from the builder since the stream was made.
  int64_t ByteCount() const override { return static_cast<int64_t>(builder_->size() - begin_); }

 private:
  ChainBuilder* builder_;
  size_t begin_;  // the builder's size when the stream was made
};

// Replaces `message` by what `chain` holds. False when that is no valid message, or longer than
// protobuf's limit of INT_MAX bytes; `message` then holds some of it. Copies no bytes but those
// that the message keeps.
[[nodiscard]] bool parse_from(google::protobuf::MessageLite& message, const Chain& chain);

// Appends `message`. False when it is longer than INT_MAX bytes or than the builder takes.
// Fails with bad_alloc. In both cases the builder has what it had before.
[[nodiscard]] bool serialize_to(const google::protobuf::MessageLite& message,
                                ChainBuilder& builder);

// `message` as one segment. Precondition: at most INT_MAX bytes (checked in every build).
// Fails with bad_alloc.
[[nodiscard]] Chain serialize(const google::protobuf::MessageLite& message);

// Takes every field `number` with a length (bytes, or a nested message) out of the message that
// `message` holds in the wire format: returns their contents in order, shared, and leaves the
// message without them for parse_from. Fields of nested messages are not looked at: take the nested
// message, then from it. Strings are not checked to be UTF-8, and a proto2 field must not be
// required.
// A peer may send a field that is not repeated more than once. Of bytes and strings the last one
// counts. Nested messages are merged: push all contents into one chain, in order, and parse that.
// Not for members of a oneof of several: the last member in the message is the one that is set, and
// the order is gone once one of them is taken.
// None, and `message` unchanged, where its end cuts a field, a field has no known type, or its tag
// or length is above 32 bits (protobuf drops such bits of a tag); what else may be wrong parse_from
// finds. Copies no bytes. O(fields + segments). Fails with bad_alloc,
// unchanged. Precondition: `1 <= number <= 2^29 - 1` (checked in every build).
[[nodiscard]] std::optional<std::vector<Chain>> take_bytes_field(Chain& message, int number);

// Appends field `number` with `content`, shared, to a message in the wire format: what
// take_bytes_field takes out again, and what every protobuf reads as a bytes field.
// O(segments of `content`), one block of a few bytes. Fails with bad_alloc, unchanged.
// Preconditions: `1 <= number <= 2^29 - 1`, and `content` is at most INT_MAX bytes (checked in
// every build).
void push_bytes_field(Chain& message, int number, Chain content);

// Implementation details follow.

namespace internal {

// The tag of a field with a length.
inline uint32_t bytes_field_tag(const char* operation, int number) noexcept {
  constexpr int kMost = (1 << 29) - 1;
  if (number < 1 || number > kMost) {
    fail_length(operation, static_cast<size_t>(number), static_cast<size_t>(kMost));
  }
  return static_cast<uint32_t>(number) << 3 | 2;
}

inline size_t checked_count(const char* operation, int count, size_t most) noexcept {
  if (count < 0 || static_cast<size_t>(count) > most) {
    fail_length(operation, static_cast<size_t>(count), most);
  }
  return static_cast<size_t>(count);
}

// Passes a varint as protobuf reads it: at most 10 bytes, bits beyond 64 dropped.
inline bool skip_varint(Cursor& in) noexcept {
  for (int i = 0; i < 10; ++i) {
    const std::optional<uint8_t> byte = in.try_read_u8();
    if (!byte) return false;
    if (*byte < 0x80) return true;
  }
  return false;
}

}  // namespace internal

inline bool ChainInputStream::Next(const void** data, int* size) {
  const std::span<const std::byte> window = cursor_.window();
  const size_t n = (std::min)(window.size(), size_t{INT_MAX});
  cursor_.skip(n);
  *data = window.data();
  *size = static_cast<int>(n);
  return n != 0;
}

inline void ChainInputStream::BackUp(int count) {
  const size_t read = cursor_.position();
  cursor_.seek(read - internal::checked_count("BackUp", count, read));
}

inline bool ChainInputStream::Skip(int count) {
  const size_t n = internal::checked_count("Skip", count, size_t{INT_MAX});
  return cursor_.skip_up_to(n) == n;
}

inline bool BuilderOutputStream::Next(void** data, int* size) {
  const std::optional<std::span<std::byte>> room = builder_->try_prepare(1);
  if (!room) return false;
  const size_t n = (std::min)(room->size(), size_t{INT_MAX});
  builder_->commit(n);
  *data = room->data();
  *size = static_cast<int>(n);
  return true;
}

inline void BuilderOutputStream::BackUp(int count) {
  const size_t written = builder_->size() - begin_;
  builder_->truncate(begin_ + written - internal::checked_count("BackUp", count, written));
}

inline bool parse_from(google::protobuf::MessageLite& message, const Chain& chain) {
  if (chain.size() > size_t{INT_MAX}) return false;
  ChainInputStream in(chain);
  return message.ParseFromZeroCopyStream(&in);
}

inline bool serialize_to(const google::protobuf::MessageLite& message, ChainBuilder& builder) {
  // Also when an allocation throws.
  struct Restore {
    ChainBuilder* builder;
    size_t size;
    ~Restore() {
      if (builder != nullptr) builder->truncate(size);
    }
  } restore{&builder, builder.size()};
  BuilderOutputStream out(builder);
  if (!message.SerializeToZeroCopyStream(&out)) return false;
  restore.builder = nullptr;
  return true;
}

inline Chain serialize(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > size_t{INT_MAX}) internal::fail_length("serialize", size, size_t{INT_MAX});
  ChainBuilderOptions options;
  options.min_block = size;
  ChainBuilder builder(options);
  if (!serialize_to(message, builder)) internal::fail("serialize: protobuf refused the message");
  return std::move(builder).freeze();
}

inline std::optional<std::vector<Chain>> take_bytes_field(Chain& message, int number) {
  const uint32_t wanted = internal::bytes_field_tag("take_bytes_field", number);
  std::vector<Chain> taken;
  Chain rest;
  size_t kept = 0;   // the message up to here is in `rest` or in `taken`
  size_t depth = 0;  // groups begun and not ended
  Cursor in(message);
  while (!in.at_end()) {
    const size_t begin = in.position();
    const ReadResult<uint32_t> tag = in.try_read_varint32();
    if (!tag) return std::nullopt;
    switch (*tag & 7) {
      case 0:
        if (!internal::skip_varint(in)) return std::nullopt;
        break;
      case 1:
        if (!in.try_skip(8)) return std::nullopt;
        break;
      case 2: {
        const ReadResult<uint32_t> length = in.try_read_varint32();
        if (!length || *length > in.remaining()) return std::nullopt;
        if (*tag == wanted && depth == 0) {
          rest.push_back(message.slice(kept, begin - kept));
          taken.push_back(in.read_chain(*length));
          kept = in.position();
        } else {
          in.skip(*length);
        }
        break;
      }
      case 3:
        ++depth;
        break;
      case 4:
        if (depth-- == 0) return std::nullopt;
        break;
      case 5:
        if (!in.try_skip(4)) return std::nullopt;
        break;
      default:
        return std::nullopt;
    }
  }
  if (!taken.empty()) {
    rest.push_back(message.slice(kept, message.size() - kept));
    message = std::move(rest);
  }
  return taken;
}

inline void push_bytes_field(Chain& message, int number, Chain content) {
  const uint32_t tag = internal::bytes_field_tag("push_bytes_field", number);
  if (content.size() > size_t{INT_MAX}) {
    internal::fail_length("push_bytes_field", content.size(), size_t{INT_MAX});
  }
  BytesBuilder head(10);
  SpanWriter out(head.prepare(10));  // in place: not a copy of anybody's bytes
  out.put_varint(tag);
  out.put_varint(content.size());
  head.commit(out.size());
  content.push_front(std::move(head).freeze());
  message.push_back(std::move(content));
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_PROTOBUF_H_
