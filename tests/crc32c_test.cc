#include "examples/support/crc32c.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace example {
namespace {

using Buffer = std::vector<std::byte>;

Buffer random_bytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Buffer bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Bit by bit, as the polynomial says.
uint32_t crc_of(std::span<const std::byte> data) {
  uint32_t state = 0xffffffff;
  for (const std::byte byte : data) {
    state ^= std::to_integer<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~state;
}

TEST(Crc32cTest, VectorsOfRfc3720) {
  Buffer up(32);
  Buffer down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<std::byte>(i);
    down[i] = static_cast<std::byte>(31 - i);
  }
  // An iSCSI SCSI read command.
  Buffer command(48);
  command[0] = std::byte{0x01};
  command[1] = std::byte{0xc0};
  command[16] = std::byte{0x14};
  command[22] = std::byte{0x04};
  command[27] = std::byte{0x14};
  command[31] = std::byte{0x18};
  command[32] = std::byte{0x28};
  command[40] = std::byte{0x02};
  for (const bool portably : {false, true}) {
    const auto extend = [&](uint32_t crc, std::span<const std::byte> data) {
      return crc32c_extend(crc, data, portably);
    };
    EXPECT_EQ(extend(0, Buffer(32)), 0x8a9136aau);
    EXPECT_EQ(extend(0, Buffer(32, std::byte{0xff})), 0x62a8ab43u);
    EXPECT_EQ(extend(0, up), 0x46dd794eu);
    EXPECT_EQ(extend(0, down), 0x113fdb5cu);
    EXPECT_EQ(extend(0, command), 0xd9963a56u);
    EXPECT_EQ(extend(0, {}), 0u);
    EXPECT_EQ(extend(0, std::as_bytes(std::span("123456789", 9))), 0xe3069283u);
  }
}

TEST(Crc32cTest, EverySizeAgreesWithABitLoop) {
  const Buffer bytes = random_bytes(7000, 1);
  for (size_t size = 0; size <= bytes.size(); size += size < 100 ? 1 : 61) {
    const auto part = std::span(bytes).last(size);
    const uint32_t expected = crc_of(part);
    ASSERT_EQ(crc32c(part), expected) << size;
    ASSERT_EQ(crc32c_extend(0, part, true), expected) << size;
  }
}

TEST(Crc32cTest, PartsInOrderAndPartsCombinedGiveTheWhole) {
  std::mt19937 random(2);
  const Buffer bytes = random_bytes(50000, 3);
  const uint32_t whole = crc32c(bytes);
  for (int round = 0; round < 300; ++round) {
    const size_t first = random() % (bytes.size() + 1);
    const size_t second = first + random() % (bytes.size() - first + 1);
    const auto a = std::span(bytes).first(first);
    const auto b = std::span(bytes).subspan(first, second - first);
    const auto c = std::span(bytes).subspan(second);
    ASSERT_EQ(crc32c_extend(crc32c_extend(crc32c(a), b), c), whole) << first << " " << second;
    ASSERT_EQ(crc32c_extend(crc32c_extend(crc32c(a), b, true), c, true), whole);
    for (const bool portably : {false, true}) {
      const uint32_t behind = crc32c_combine(crc32c(b), crc32c(c), c.size(), portably);
      ASSERT_EQ(crc32c_combine(crc32c(a), behind, b.size() + c.size(), portably), whole)
          << first << " " << second;
    }
  }
}

TEST(Crc32cTest, CombinesOverHugeLengths) {
  // Behind A stand 2^62 zero bytes and then as many again: in one step as in two.
  const uint32_t a = crc32c(random_bytes(100, 4));
  const uint64_t huge = uint64_t{1} << 62;
  const uint32_t twice = crc32c_combine(crc32c_combine(a, 0, huge), 0, huge);
  EXPECT_EQ(crc32c_combine(a, 0, 2 * huge), twice);
  EXPECT_EQ(crc32c_combine(a, 0, 2 * huge, true), twice);
  EXPECT_EQ(crc32c_combine(a, 0, ~uint64_t{0}), crc32c_combine(a, 0, ~uint64_t{0}, true));
  EXPECT_NE(twice, a);
  EXPECT_EQ(crc32c_combine(a, 0, 0), a);
}

}  // namespace
}  // namespace example
