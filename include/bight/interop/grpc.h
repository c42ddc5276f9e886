// gRPC's slices and byte buffers from and to chains, sharing the bytes. Link bight::grpc.
//
//   grpc::ByteBuffer reply = bight::to_byte_buffer(chain);
//   std::optional<bight::Chain> request = bight::try_to_chain(buffer);
//
// Each side keeps the other's memory alive. What came from gRPC and goes back alone, unshared,
// is the same slice again.
//
// Thread safety: gRPC drops slices on threads of its own, so blocks are released there.
#ifndef BIGHT_INTEROP_GRPC_H_
#define BIGHT_INTEROP_GRPC_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"

#if BIGHT_PLAIN_COUNT
#error "gRPC drops slices on its own threads: build bight without BIGHT_PLAIN_COUNT"
#endif

BIGHT_NAMESPACE_BEGIN

// The bytes as a slice that shares them, however few. Two allocations. Fails with bad_alloc.
::grpc::Slice to_grpc_slice(Bytes bytes);

// All segments, one shared slice each. O(segments). Fails with bad_alloc.
::grpc::ByteBuffer to_byte_buffer(Chain chain);

// The slice's bytes, shared. gRPC keeps up to 23 bytes inside the slice object: it moves into
// a block first, where it stays, so that the bytes have an address that holds. One allocation.
// Fails with bad_alloc.
[[nodiscard]] Bytes to_bytes(::grpc::Slice slice);

// The buffer's slices as segments, shared. None for a buffer that gRPC refuses to read, such as one
// that was never filled. O(slices), one allocation each. Fails with bad_alloc.
[[nodiscard]] std::optional<Chain> try_to_chain(const ::grpc::ByteBuffer& buffer);

// Implementation details follow.

inline ::grpc::Slice to_grpc_slice(Bytes bytes) {
  const std::byte* const data = bytes.data();
  const size_t size = bytes.size();
  if (size == 0) return ::grpc::Slice();
  // A slice that came in goes out again. Only where its bytes lie outside the object and so have
  // stayed where they were.
  if (size > sizeof(::grpc::Slice)) {
    if (const auto slice = std::move(bytes).try_take_owner<::grpc::Slice>()) {
      const size_t from =
          static_cast<size_t>(reinterpret_cast<const uint8_t*>(data) - slice->begin());
      return slice->sub(from, from + size);
    }
  }
  auto owner = std::make_unique<Bytes>(std::move(bytes));
  // gRPC reads only, though it asks for a pointer to what is not const.
  return ::grpc::Slice(
      const_cast<std::byte*>(data), size, [](void* kept) { delete static_cast<Bytes*>(kept); },
      owner.release());
}

inline ::grpc::ByteBuffer to_byte_buffer(Chain chain) {
  std::vector<::grpc::Slice> slices;
  slices.reserve(chain.segment_count());
  while (!chain.empty()) slices.push_back(to_grpc_slice(chain.pop()));
  return ::grpc::ByteBuffer(slices.data(), slices.size());
}

inline Bytes to_bytes(::grpc::Slice slice) { return Bytes::from_owner(std::move(slice)); }

inline std::optional<Chain> try_to_chain(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return std::nullopt;
  Chain chain;
  for (::grpc::Slice& slice : slices) chain.push_back(to_bytes(std::move(slice)));
  return chain;
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_GRPC_H_
