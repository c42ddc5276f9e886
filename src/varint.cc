#include <bight/varint.h>

BIGHT_NAMESPACE_BEGIN

namespace internal {
namespace {

// `kSize` bytes hold a number of `kBits` bits; the last of them has room for `kBits` less seven for
// each byte before it.
template <size_t kSize, size_t kBits>
VarintResult decode(const std::byte* from, const std::byte* end) {
  constexpr uint64_t kLastLimit = uint64_t{1} << (kBits - 7 * (kSize - 1));
  const auto available = static_cast<size_t>(end - from);
  const size_t scan = available < kSize ? available : kSize;
  uint64_t value = 0;
  for (size_t i = 0; i < scan; ++i) {
    const auto byte = std::to_integer<uint64_t>(from[i]);
    if (i == kSize - 1 && byte >= kLastLimit) return {0, 0, VarintStatus::malformed};
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return {value, static_cast<uint32_t>(i + 1), VarintStatus::ok};
  }
  return {0, 0, VarintStatus::need_more};
}

}  // namespace

VarintResult decode_varint_slow(const std::byte* from, const std::byte* end) {
  return decode<kMaxVarintSize, 64>(from, end);
}

VarintResult decode_varint32_slow(const std::byte* from, const std::byte* end) {
  return decode<kMaxVarint32Size, 32>(from, end);
}

}  // namespace internal

BIGHT_NAMESPACE_END
