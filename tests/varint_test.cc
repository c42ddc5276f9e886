#include <bight/varint.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace bight {
namespace {

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();
constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr VarintResult kNeedMore{0, 0, VarintStatus::need_more};
constexpr VarintResult kMalformed{0, 0, VarintStatus::malformed};

constexpr VarintResult found(uint64_t value, uint32_t length) {
  return {value, length, VarintStatus::ok};
}

// Decodes from an allocation of exactly the bytes given, so that a sanitizer sees any byte read
// past them.
template <typename Decode>
VarintResult decode_exact(const std::vector<int>& values, Decode decode) {
  const auto bytes = std::make_unique<std::byte[]>(values.size());
  for (size_t i = 0; i < values.size(); ++i) bytes[i] = static_cast<std::byte>(values[i]);
  return decode(bytes.get(), bytes.get() + values.size());
}
VarintResult decode64(const std::vector<int>& values) {
  return decode_exact(values, [](auto* p, auto* end) { return decode_varint(p, end); });
}
VarintResult decode32(const std::vector<int>& values) {
  return decode_exact(values, [](auto* p, auto* end) { return decode_varint32(p, end); });
}

std::vector<int> encoded(uint64_t value) {
  std::array<std::byte, kMaxVarintSize> out{};
  const std::byte* end = encode_varint(value, out.data());
  std::vector<int> values;
  for (const std::byte* p = out.data(); p != end; ++p) values.push_back(std::to_integer<int>(*p));
  return values;
}

// Each power of two and its neighbours, where lengths change.
std::vector<uint64_t> edge_values() {
  std::vector<uint64_t> values = {0};
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  values.push_back(kMax64);
  return values;
}

TEST(VarintTest, KnownEncodings) {
  EXPECT_EQ(encoded(0), (std::vector<int>{0}));
  EXPECT_EQ(encoded(1), (std::vector<int>{1}));
  EXPECT_EQ(encoded(127), (std::vector<int>{0x7f}));
  EXPECT_EQ(encoded(128), (std::vector<int>{0x80, 0x01}));
  EXPECT_EQ(encoded(300), (std::vector<int>{0xac, 0x02}));
  EXPECT_EQ(encoded(kMax64),
            (std::vector<int>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
}

TEST(VarintTest, EdgesRoundTripAndTakeTheStatedSize) {
  for (const uint64_t value : edge_values()) {
    const std::vector<int> bytes = encoded(value);
    ASSERT_EQ(bytes.size(), varint_size(value)) << value;
    ASSERT_EQ(decode64(bytes), found(value, static_cast<uint32_t>(bytes.size()))) << value;
    if (value <= kMax32) {
      ASSERT_EQ(decode32(bytes), found(value, static_cast<uint32_t>(bytes.size()))) << value;
    } else {
      ASSERT_EQ(decode32(bytes), kMalformed) << value;
    }
  }
}

TEST(VarintTest, EveryProperPrefixNeedsMore) {
  for (const uint64_t value : edge_values()) {
    std::vector<int> bytes = encoded(value);
    while (!bytes.empty()) {
      bytes.pop_back();
      ASSERT_EQ(decode64(bytes), kNeedMore) << value;
    }
  }
  EXPECT_EQ(decode32({}), kNeedMore);
  EXPECT_EQ(decode32({0xff, 0xff, 0xff, 0xff}), kNeedMore);
}

TEST(VarintTest, NothingAtNullNeedsMore) {
  EXPECT_EQ(decode_varint(nullptr, nullptr), kNeedMore);
  EXPECT_EQ(decode_varint32(nullptr, nullptr), kNeedMore);
}

TEST(VarintTest, BytesBehindTheNumberAreLeftAlone) {
  EXPECT_EQ(decode64({0x05, 0xff}), found(5, 1));
  EXPECT_EQ(decode64({0xac, 0x02, 0xff, 0xff}), found(300, 2));
  EXPECT_EQ(decode32({0xac, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff}), found(300, 2));
}

TEST(VarintTest, TheTenthByteMayCarryOneBitOnly) {
  std::vector<int> bytes(9, 0xff);
  for (int last = 0; last < 256; ++last) {
    bytes.push_back(last);
    const VarintResult expected =
        last == 0 ? found(kMax64 >> 1, 10) : (last == 1 ? found(kMax64, 10) : kMalformed);
    EXPECT_EQ(decode64(bytes), expected) << last;
    bytes.pop_back();
  }
}

TEST(VarintTest, TheFifthByteOfTheShortFormMayCarryFourBits) {
  std::vector<int> bytes(4, 0xff);
  for (int last = 0; last < 256; ++last) {
    bytes.push_back(last);
    const auto top = static_cast<uint64_t>(last) << 28;
    const VarintResult expected = last < 16 ? found(0x0fffffffu | top, 5) : kMalformed;
    EXPECT_EQ(decode32(bytes), expected) << last;
    bytes.pop_back();
  }
}

TEST(VarintTest, ElevenBytesAreMalformedAsSoonAsTheTenthIsThere) {
  EXPECT_EQ(decode64(std::vector<int>(9, 0x80)), kNeedMore);
  EXPECT_EQ(decode64(std::vector<int>(10, 0x80)), kMalformed);
  EXPECT_EQ(decode64(std::vector<int>(11, 0x80)), kMalformed);
  EXPECT_EQ(decode32(std::vector<int>(5, 0x80)), kMalformed);
}

TEST(VarintTest, ZerosAtTheEndAreAccepted) {
  EXPECT_EQ(decode64({0x80, 0x00}), found(0, 2));
  EXPECT_EQ(decode64({0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}), found(1, 10));
  EXPECT_EQ(decode32({0x81, 0x80, 0x80, 0x80, 0x00}), found(1, 5));
}

TEST(VarintTest, ZigzagKeepsSmallNumbersSmall) {
  EXPECT_EQ(zigzag_encode(0), 0u);
  EXPECT_EQ(zigzag_encode(-1), 1u);
  EXPECT_EQ(zigzag_encode(1), 2u);
  EXPECT_EQ(zigzag_encode(-2), 3u);
  EXPECT_EQ(zigzag_encode(std::numeric_limits<int64_t>::max()), kMax64 - 1);
  EXPECT_EQ(zigzag_encode(std::numeric_limits<int64_t>::min()), kMax64);
  EXPECT_EQ(zigzag_encode32(-1), 1u);
  EXPECT_EQ(zigzag_encode32(std::numeric_limits<int32_t>::min()), kMax32);
}

TEST(VarintTest, ZigzagRoundTrips) {
  for (const uint64_t value : edge_values()) {
    EXPECT_EQ(zigzag_encode(zigzag_decode(value)), value);
    const auto narrow = static_cast<uint32_t>(value);
    EXPECT_EQ(zigzag_encode32(zigzag_decode32(narrow)), narrow);
  }
}

static_assert(varint_size(0) == 1 && varint_size(127) == 1 && varint_size(128) == 2);
static_assert(varint_size(kMax32) == 5 && varint_size(kMax64) == 10);
static_assert(zigzag_decode(3) == -2 && zigzag_decode32(4) == 2);
static_assert(sizeof(VarintResult) == 16, "travels in two registers");

}  // namespace
}  // namespace bight
