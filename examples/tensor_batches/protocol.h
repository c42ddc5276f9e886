// What goes over the wire: for each batch a header of 128 bytes, then the images, then the labels.
// Numbers in the header are big-endian; elements are as the machine has them, little-endian.
#ifndef EXAMPLES_TENSOR_BATCHES_PROTOCOL_H_
#define EXAMPLES_TENSOR_BATCHES_PROTOCOL_H_

#include <bight/byte_writer.h>
#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/cursor.h>
#include <bight/interop/dlpack.h>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>

namespace example {

static_assert(std::endian::native == std::endian::little, "elements go as they are");

// The tensors of a batch.
inline constexpr size_t kImages = 0, kLabels = 1, kTensors = 2;
inline constexpr size_t kMostDimensions = 4;

struct TensorHeader {
  uint64_t size = 0;  // bytes
  DLDataType type{kDLUInt, 8, 1};
  uint32_t dimensions = 0;
  std::array<uint64_t, kMostDimensions> shape{};

  bight::TensorLayout layout() const {
    bight::TensorLayout layout;
    layout.type = type;
    // Sizes above 2^63 become negative, which is refused when the tensor is made.
    for (uint32_t i = 0; i < dimensions; ++i) {
      layout.shape.push_back(static_cast<int64_t>(shape[i]));
    }
    return layout;
  }
};

struct BatchHeader {
  uint64_t sequence = 0;
  uint64_t remaining = 0;  // batches that follow this one
  uint32_t crc = 0;        // CRC-32C of images and labels
  std::array<TensorHeader, kTensors> tensors;
};

inline constexpr uint64_t kMagic = 0x6269676874000010;
inline constexpr size_t kHeaderSize = 128;

inline bight::Bytes make_header(const BatchHeader& header) {
  bight::BytesBuilder out(kHeaderSize);
  out.put_be<uint64_t>(kMagic);
  out.put_be<uint64_t>(header.sequence);
  out.put_be<uint64_t>(header.remaining);
  out.put_be<uint32_t>(0);
  out.put_be<uint32_t>(header.crc);
  for (const TensorHeader& tensor : header.tensors) {
    out.put_be<uint64_t>(tensor.size);
    out.put_be<uint8_t>(tensor.type.code);
    out.put_be<uint8_t>(tensor.type.bits);
    out.put_be<uint16_t>(tensor.type.lanes);
    out.put_be<uint32_t>(tensor.dimensions);
    for (const uint64_t size : tensor.shape) out.put_be<uint64_t>(size);
  }
  return std::move(out).freeze();
}

// None unless `bytes` are a header of this protocol. Sizes and types are as they came.
inline std::optional<BatchHeader> try_parse_header(const bight::Bytes& bytes) {
  if (bytes.size() != kHeaderSize) return std::nullopt;
  bight::Cursor in(bytes);
  BatchHeader header;
  if (in.try_read_be<uint64_t>() != kMagic) return std::nullopt;
  header.sequence = *in.try_read_be<uint64_t>();
  header.remaining = *in.try_read_be<uint64_t>();
  if (in.try_read_be<uint32_t>() != 0u) return std::nullopt;
  header.crc = *in.try_read_be<uint32_t>();
  for (TensorHeader& tensor : header.tensors) {
    tensor.size = *in.try_read_be<uint64_t>();
    tensor.type.code = *in.try_read_be<uint8_t>();
    tensor.type.bits = *in.try_read_be<uint8_t>();
    tensor.type.lanes = *in.try_read_be<uint16_t>();
    tensor.dimensions = *in.try_read_be<uint32_t>();
    for (uint64_t& size : tensor.shape) size = *in.try_read_be<uint64_t>();
    if (tensor.dimensions > kMostDimensions) return std::nullopt;
  }
  return header;
}

}  // namespace example

#endif  // EXAMPLES_TENSOR_BATCHES_PROTOCOL_H_
