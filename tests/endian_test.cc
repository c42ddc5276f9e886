#include <bight/endian.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace bight {
namespace {

constexpr bool kLittleHost = std::endian::native == std::endian::little;

// FF 01 82 03 84 05 86 07 88 09 8A 0B 8C 0D 8E 0F 10 11 ... 3F, the fixture of the slice cases.
constexpr std::array<std::byte, 64> make_fix64() {
  std::array<std::byte, 64> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t value = i == 0 ? 0xff : (i < 16 && i % 2 == 0 ? 0x80 + i : i);
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}
constexpr std::array<std::byte, 64> kFix64 = make_fix64();

template <typename... Values>
std::array<std::byte, sizeof...(Values)> bytes_of(Values... values) {
  return {static_cast<std::byte>(values)...};
}

enum class Kind : uint16_t { kHello = 0x0102 };
enum class Flag : bool {};

static_assert(FixedWidth<char> && FixedWidth<std::byte> && FixedWidth<char8_t>);
static_assert(FixedWidth<int16_t> && FixedWidth<long long> && FixedWidth<Kind>);
static_assert(FixedWidth<float> && FixedWidth<double>);
static_assert(!FixedWidth<bool> && !FixedWidth<Flag> && !FixedWidth<long double>);
static_assert(!FixedWidth<void*> && !FixedWidth<const int>);

// The byte pointer forms work in constant expressions.
static_assert(load_be<uint32_t>(kFix64.data()) == 0xFF018203u);
static_assert(load_le<uint16_t>(kFix64.data() + 2) == 0x0382);
static_assert(load_uint_be(kFix64.data(), 3) == 0xFF0182u);
static_assert(load_int_le(kFix64.data(), 3) == -8257025);
static_assert([] {
  std::array<std::byte, 8> out{};
  store_le<uint64_t>(out.data(), 0x0102030405060708u);
  store_uint_be(out.data(), 0xAABBCC, 3);
  return load_uint_be(out.data(), 5) == 0xAABBCC0504u;
}());

// slice-L04
TEST(EndianTest, LoadsEightBytesInBothOrders) {
  EXPECT_EQ(load_be<uint64_t>(kFix64.data()), 0xFF01820384058607u);
  EXPECT_EQ(load_le<uint64_t>(kFix64.data()), 0x07860584038201FFu);
  EXPECT_EQ(load_be<int64_t>(kFix64.data()), -71633167449750009);
  EXPECT_EQ(load_le<int64_t>(kFix64.data()), 542126869697397247);
}

// slice-L05: a 128-bit number is two u64, the first of them the upper half in big-endian order.
TEST(EndianTest, SixteenBytesAreTwoLoads) {
  const std::byte* p = kFix64.data();
  EXPECT_EQ(load_be<uint64_t>(p), 0xFF01820384058607u);
  EXPECT_EQ(load_be<uint64_t>(p + 8), 0x88098A0B8C0D8E0Fu);
  EXPECT_EQ(load_le<uint64_t>(p + 8), 0x0F8E0D8C0B8A0988u);
  EXPECT_EQ(load_le<uint64_t>(p), 0x07860584038201FFu);
  EXPECT_LT(load_be<int64_t>(p), 0) << "the sign is the upper half's";
}

// slice-L06
TEST(EndianTest, LoadsFloatingPointBitForBit) {
  const std::byte* p = kFix64.data();
  EXPECT_EQ(std::bit_cast<uint32_t>(load_be<float>(p)), 0xFF018203u);
  EXPECT_EQ(std::bit_cast<uint32_t>(load_le<float>(p)), 0x038201FFu);
  EXPECT_EQ(std::bit_cast<uint64_t>(load_be<double>(p)), 0xFF01820384058607u);
  EXPECT_FLOAT_EQ(load_be<float>(p), -1.7214547e38f);
}

// slice-L06
TEST(EndianTest, SignallingNansSurviveTheRoundTrip) {
  const auto quiet_bit_clear = bytes_of(0x7f, 0x80, 0x00, 0x01);
  const auto wide = bytes_of(0xff, 0xf0, 0, 0, 0, 0, 0, 0x01);
  std::array<std::byte, 4> out4{};
  std::array<std::byte, 8> out8{};
  store_be<float>(out4.data(), load_be<float>(quiet_bit_clear.data()));
  store_be<double>(out8.data(), load_be<double>(wide.data()));
  EXPECT_EQ(out4, quiet_bit_clear);
  EXPECT_EQ(out8, wide);
  store_le<float>(out4.data(), load_be<float>(quiet_bit_clear.data()));
  EXPECT_EQ(out4, bytes_of(0x01, 0x00, 0x80, 0x7f));
}

// slice-L07
TEST(EndianTest, NativeIsTheOrderOfTheHost) {
  const std::byte* p = kFix64.data();
  EXPECT_EQ(load_native<uint32_t>(p), kLittleHost ? load_le<uint32_t>(p) : load_be<uint32_t>(p));
  EXPECT_EQ(load_uint_native(p, 5), kLittleHost ? load_uint_le(p, 5) : load_uint_be(p, 5));
  EXPECT_EQ(load_int_native(p, 3), kLittleHost ? load_int_le(p, 3) : load_int_be(p, 3));
  std::array<std::byte, 3> native{};
  std::array<std::byte, 3> named{};
  store_uint_native(native.data(), 0x010203, 3);
  kLittleHost ? store_uint_le(named.data(), 0x010203, 3) : store_uint_be(named.data(), 0x010203, 3);
  EXPECT_EQ(native, named);
  uint32_t plain = 0x01020304;
  std::array<std::byte, 4> out{};
  store_native<uint32_t>(out.data(), plain);
  EXPECT_EQ(std::memcmp(out.data(), &plain, sizeof plain), 0);
}

// slice-L08
TEST(EndianTest, LoadsThreeBytesUnsigned) {
  EXPECT_EQ(load_uint_be(kFix64.data(), 3), 0xFF0182u);
  EXPECT_EQ(load_uint_le(kFix64.data(), 3), 0x8201FFu);
}

// slice-L09, slice-L10, slice-L13
TEST(EndianTest, OddWidthsSignExtend) {
  EXPECT_EQ(load_int_be(kFix64.data(), 3), -65150);
  EXPECT_EQ(load_int_le(kFix64.data(), 3), -8257025);
  EXPECT_EQ(load_int_le(kFix64.data(), 1), -1);
  EXPECT_EQ(load_int_be(kFix64.data(), 1), -1);
  EXPECT_EQ(load_int_be(kFix64.data() + 1, 3), 0x018203);
}

// buf-E13
TEST(EndianTest, ThreeByteNumbersOfTheBufferCases) {
  EXPECT_EQ(load_uint_be(bytes_of(0, 0, 2).data(), 3), 2u);
  EXPECT_EQ(load_int_be(bytes_of(0xff, 0xff, 0xfe).data(), 3), -2);
}

// slice-L11: no shift by 64, and nothing is read.
TEST(EndianTest, WidthZeroIsZeroAndReadsNothing) {
  const std::byte* nowhere = nullptr;
  EXPECT_EQ(load_uint_be(nowhere, 0), 0u);
  EXPECT_EQ(load_uint_le(nowhere, 0), 0u);
  EXPECT_EQ(load_int_be(nowhere, 0), 0);
  EXPECT_EQ(load_int_le(nowhere, 0), 0);
  std::byte* nowhere_out = nullptr;
  store_uint_be(nowhere_out, 7, 0);
  store_uint_le(nowhere_out, 7, 0);
}

// slice-L12
TEST(EndianTest, WidthEightIsTheWholeNumber) {
  EXPECT_EQ(load_uint_be(kFix64.data(), 8), load_be<uint64_t>(kFix64.data()));
  EXPECT_EQ(load_uint_le(kFix64.data(), 8), load_le<uint64_t>(kFix64.data()));
  EXPECT_EQ(load_int_be(kFix64.data(), 8), load_be<int64_t>(kFix64.data()));
}

// slice-L12, slice-L15
TEST(EndianDeathTest, WidthNineStopsTheProgramWithBothNumbers) {
  std::array<std::byte, 16> out{};
  const std::byte* from = kFix64.data();
  EXPECT_DEATH((void)load_uint_be(from, 9), "load_uint_be: width 9 of at most 8");
  EXPECT_DEATH((void)load_uint_le(from, 9), "load_uint_le: width 9 of at most 8");
  EXPECT_DEATH((void)load_int_be(from, 9), "load_int_be: width 9 of at most 8");
  EXPECT_DEATH((void)load_int_le(from, SIZE_MAX), "load_int_le: width [0-9]+ of at most 8");
  EXPECT_DEATH(store_uint_be(out.data(), 1, 9), "store_uint_be: width 9 of at most 8");
  EXPECT_DEATH(store_uint_le(out.data(), 1, 9), "store_uint_le: width 9 of at most 8");
}

// slice-L15
TEST(EndianTest, StoresTheLowBytes) {
  std::array<std::byte, 3> three{};
  store_uint_be(three.data(), 0x1020304050607080, 3);
  EXPECT_EQ(three, bytes_of(0x60, 0x70, 0x80));
  store_uint_le(three.data(), 0x1020304050607080, 3);
  EXPECT_EQ(three, bytes_of(0x80, 0x70, 0x60));
  std::array<std::byte, 2> two{};
  store_be<uint16_t>(two.data(), 8532);
  EXPECT_EQ(two, bytes_of(0x21, 0x54));
  store_le<uint16_t>(two.data(), 8532);
  EXPECT_EQ(two, bytes_of(0x54, 0x21));
  std::array<std::byte, 1> one{};
  store_be<uint8_t>(one.data(), 33);
  EXPECT_EQ(one, bytes_of(0x21));
}

TEST(EndianTest, EnumerationsAndForeignBytesAreTaken) {
  const unsigned char raw[2] = {1, 2};
  EXPECT_EQ(load_be<Kind>(raw), Kind::kHello);
  EXPECT_EQ(load_be<std::byte>(raw), std::byte{1});
  char out[2] = {};
  store_le<Kind>(out, Kind::kHello);
  EXPECT_EQ(out[0], 2);
  EXPECT_EQ(out[1], 1);
  store_uint_be(out, 0x0304, 2);
  EXPECT_EQ(load_uint_be(out, 2), 0x0304u);
  EXPECT_EQ(load_uint_le(out, 2), 0x0403u);
}

// Every width against a byte loop, and no byte outside the width is written.
TEST(EndianTest, EveryWidthAgreesWithAByteLoop) {
  const uint64_t value = 0x8192A3B4C5D6E7F8u;
  for (size_t width = 0; width <= 8; ++width) {
    for (const bool big : {false, true}) {
      std::array<std::byte, 10> out{};
      out.fill(std::byte{0x55});
      big ? store_uint_be(out.data() + 1, value, width)
          : store_uint_le(out.data() + 1, value, width);
      uint64_t expected = 0;
      for (size_t i = 0; i < width; ++i) {
        const auto byte = static_cast<std::byte>(value >> (8 * i));
        ASSERT_EQ(out[1 + (big ? width - 1 - i : i)], byte) << width << big;
        expected |= std::to_integer<uint64_t>(byte) << (8 * i);
      }
      ASSERT_EQ(out[0], std::byte{0x55});
      ASSERT_EQ(out[1 + width], std::byte{0x55});
      const uint64_t got =
          big ? load_uint_be(out.data() + 1, width) : load_uint_le(out.data() + 1, width);
      ASSERT_EQ(got, expected) << width << big;
      const int64_t got_signed =
          big ? load_int_be(out.data() + 1, width) : load_int_le(out.data() + 1, width);
      const bool negative = width > 0 && ((expected >> (8 * width - 1)) & 1) != 0;
      const uint64_t above = width == 8 || !negative ? 0 : ~uint64_t{0} << (8 * width);
      ASSERT_EQ(static_cast<uint64_t>(got_signed), expected | above) << width << big;
    }
  }
}

template <typename T>
class EndianTypedTest : public testing::Test {};
using LoadableTypes = testing::Types<char, signed char, uint8_t, int16_t, uint16_t, int32_t,
                                     uint32_t, int64_t, uint64_t, float, double, Kind>;
TYPED_TEST_SUITE(EndianTypedTest, LoadableTypes);

TYPED_TEST(EndianTypedTest, RoundTripsAtOddAddressesAndReversesBetweenOrders) {
  for (size_t offset = 0; offset < 32; ++offset) {
    const std::byte* from = kFix64.data() + offset;
    std::array<std::byte, sizeof(TypeParam) + 1> out{};
    store_be<TypeParam>(out.data() + 1, load_be<TypeParam>(from));
    EXPECT_TRUE(std::equal(out.begin() + 1, out.end(), from));
    store_le<TypeParam>(out.data() + 1, load_be<TypeParam>(from));
    EXPECT_TRUE(std::equal(out.rbegin(), out.rend() - 1, from));
  }
}

}  // namespace
}  // namespace bight
