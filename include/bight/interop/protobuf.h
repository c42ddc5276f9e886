// Protocol Buffers from and to chains. Link bight::protobuf.
//
//   MyMessage request;
//   if (!bight::parse_from(request, chain)) return;      // read where the bytes are
//   bight::Chain reply = bight::serialize(response);     // written where they stay
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

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/cursor.h"
#include "bight/internal/check.h"

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

// Implementation details follow.

namespace internal {

inline size_t checked_count(const char* operation, int count, size_t most) noexcept {
  if (count < 0 || static_cast<size_t>(count) > most) {
    fail_length(operation, static_cast<size_t>(count), most);
  }
  return static_cast<size_t>(count);
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

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_PROTOBUF_H_
