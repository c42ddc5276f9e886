#include "bight/byte_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "bight/bytes_builder.h"
#include "bight/chain_builder.h"

namespace {

using bight::ByteView;
using bight::SpanWriter;

std::string text_of(const bight::BytesBuilder& builder) { return std::string(builder.view()); }

// Memory of 8 X, as the cases have it.
struct Eight {
  std::array<char, 8> memory{'X', 'X', 'X', 'X', 'X', 'X', 'X', 'X'};
  SpanWriter writer{std::as_writable_bytes(std::span(memory))};
  std::string text() const { return std::string(memory.data(), memory.size()); }
};

TEST(SpanWriterTest, WritesTextAndNumbersInOrder) {  // slice-O01
  Eight a;
  a.writer.put_fill(std::byte{'A'}, 2);
  a.writer.put_u8('B');
  a.writer.append("BCC");
  EXPECT_EQ(a.writer.spare(), 2u);
  EXPECT_EQ(a.writer.size(), 6u);
  EXPECT_EQ(a.text(), "AABBCCXX");
  a.writer = SpanWriter(std::as_writable_bytes(std::span(a.memory)));
  a.writer.put_be<uint32_t>(0x61626364);
  EXPECT_EQ(a.text(), "abcdCCXX");
  a.writer = SpanWriter(std::as_writable_bytes(std::span(a.memory)));
  a.writer.put_le<uint32_t>(0x30313233);
  EXPECT_EQ(a.text(), "3210CCXX");
}

TEST(SpanWriterTest, RefusesWhatDoesNotFitAndChangesNothing) {  // slice-O03
  std::array<std::byte, 4> memory{};
  SpanWriter writer(memory);
  EXPECT_FALSE(writer.try_append("12345"));
  EXPECT_FALSE(writer.try_put_fill(std::byte{1}, 5));
  EXPECT_FALSE(writer.try_put_be<uint64_t>(1));
  EXPECT_FALSE(writer.try_put_le<uint64_t>(1));
  EXPECT_FALSE(writer.try_put_uint_be(1, 5));
  EXPECT_FALSE(writer.try_put_uint_le(1, 5));
  EXPECT_FALSE(writer.try_put_varint(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(writer.try_extend(std::numeric_limits<size_t>::max()), nullptr);
  EXPECT_EQ(writer.size(), 0u);
  EXPECT_EQ(memory, (std::array<std::byte, 4>{}));
  writer.append("12");
  EXPECT_FALSE(writer.try_put_be<uint32_t>(1));
  EXPECT_EQ(writer.spare(), 2u);
  EXPECT_EQ(memory[2], std::byte{0});
}

TEST(SpanWriterTest, TryFormsWriteWhatFits) {
  Eight a;
  EXPECT_TRUE(a.writer.try_append("ab"));
  EXPECT_TRUE(a.writer.try_put_u8('c'));
  EXPECT_TRUE(a.writer.try_put_be<uint16_t>(0x6465));
  EXPECT_TRUE(a.writer.try_put_le<uint16_t>(0x6766));
  EXPECT_TRUE(a.writer.try_put_varint('h'));
  EXPECT_EQ(a.text(), "abcdefgh");
  EXPECT_EQ(a.writer.spare(), 0u);
  EXPECT_FALSE(a.writer.try_put_u8('x'));
  // Nothing always fits.
  EXPECT_TRUE(a.writer.try_append(""));
  EXPECT_TRUE(a.writer.try_put_fill(std::byte{0}, 0));
  EXPECT_TRUE(a.writer.try_put_uint_be(0, 0));
  EXPECT_TRUE(a.writer.try_put_uint_le(0, 0));
}

TEST(SpanWriterTest, WrittenIsThePartInUse) {
  Eight a;
  a.writer.append("abc");
  EXPECT_EQ(a.writer.written().data(), reinterpret_cast<std::byte*>(a.memory.data()));
  EXPECT_EQ(ByteView(a.writer.written()), ByteView("abc"));
}

TEST(SpanWriterTest, NoMemoryTakesNothing) {
  SpanWriter writer(std::span<std::byte>{});
  EXPECT_EQ(writer.spare(), 0u);
  EXPECT_FALSE(writer.try_put_u8(1));
  writer.append("");
  EXPECT_TRUE(writer.written().empty());
}

TEST(ByteWriterTest, IntegersOfEveryWidthGoOutInBothOrders) {  // slice-L15
  bight::BytesBuilder out;
  out.put_be<uint16_t>(8532);
  EXPECT_EQ(text_of(out), "\x21\x54");
  out.clear();
  out.put_le<uint16_t>(8532);
  EXPECT_EQ(text_of(out), "\x54\x21");
  out.clear();
  out.put_u8(33);
  EXPECT_EQ(text_of(out), "\x21");
  out.clear();
  out.put_uint_be(0x1020304050607080, 3);
  EXPECT_EQ(text_of(out), "\x60\x70\x80");
  out.clear();
  out.put_uint_le(0x1020304050607080, 3);
  EXPECT_EQ(text_of(out), "\x80\x70\x60");
}

TEST(ByteWriterTest, NegativeNumbersAreTwosComplement) {
  bight::BytesBuilder out;
  out.put_be<int16_t>(-2);
  out.put_le<int32_t>(-3);
  out.put_uint_be(static_cast<uint64_t>(int64_t{-2}), 3);
  EXPECT_EQ(text_of(out), "\xff\xfe\xfd\xff\xff\xff\xff\xff\xfe");
}

TEST(ByteWriterTest, FloatsGoOutBitForBit) {
  bight::BytesBuilder out;
  out.put_be<float>(1.0F);
  out.put_le<double>(1.0);
  EXPECT_EQ(text_of(out), std::string("\x3f\x80\0\0\0\0\0\0\0\0\xf0\x3f", 12));
  // A signalling NaN is not quietened on the way.
  uint32_t bits = 0xff800001;
  float nan;
  std::memcpy(&nan, &bits, sizeof(nan));
  out.clear();
  out.put_be<float>(nan);
  EXPECT_EQ(text_of(out), std::string("\xff\x80\0\1", 4));
}

enum class Kind : uint16_t { small = 0x0102 };

TEST(ByteWriterTest, EnumsGoOutAsTheirNumbers) {
  bight::BytesBuilder out;
  out.put_be<Kind>(Kind::small);
  out.put_le<Kind>(Kind::small);
  EXPECT_EQ(text_of(out), "\x01\x02\x02\x01");
}

TEST(ByteWriterTest, VarintsTakeOneToTenBytes) {
  bight::BytesBuilder out;
  out.put_varint(0);
  out.put_varint(127);
  out.put_varint(300);
  EXPECT_EQ(text_of(out), std::string("\0\x7f\xac\x02", 4));
  out.clear();
  out.put_varint(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(text_of(out), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  out.clear();
  out.put_varint_signed(-1);
  out.put_varint_signed(1);
  EXPECT_EQ(text_of(out), "\x01\x02");
}

TEST(ByteWriterTest, WidthZeroWritesNothing) {
  bight::BytesBuilder out;
  out.put_uint_be(7, 0);
  out.put_uint_le(7, 0);
  out.put_fill(std::byte{1}, 0);
  out.append("");
  EXPECT_TRUE(out.empty());
}

// One encoder for all writers.
template <bight::ByteWriter W>
void encode(W& out) {
  out.template put_be<uint16_t>(0x0102);
  out.append("name");
  out.put_u8(3);
  out.put_varint(300);
  out.put_fill(std::byte{'.'}, 2);
  std::byte* const place = out.extend(1);
  *place = std::byte{'!'};
}
constexpr std::string_view kEncoded = "\x01\x02name\x03\xac\x02..!";

TEST(ByteWriterTest, OneEncoderServesEveryWriter) {
  bight::BytesBuilder contiguous;
  encode(contiguous);
  EXPECT_EQ(contiguous.view(), kEncoded);

  bight::ChainBuilder chained;
  encode(chained);
  EXPECT_EQ(chained.take(), kEncoded);

  std::array<std::byte, 12> memory;
  SpanWriter fixed(memory);
  encode(fixed);
  EXPECT_EQ(ByteView(fixed.written()), ByteView(kEncoded));
}

// A writer of the user's that counts single bytes; whoever writes through a reference to it must
// come by its own put_u8.
class CountingWriter : public bight::WriterOperations<CountingWriter> {
 public:
  std::byte* extend(size_t n) { return out.extend(n); }
  std::byte* try_extend(size_t n) { return out.try_extend(n); }
  void put_u8(uint8_t value) {
    ++singles;
    out.put_u8(value);
  }
  bight::BytesBuilder out;
  int singles = 0;
};
static_assert(bight::ByteWriter<CountingWriter>);

TEST(ByteWriterTest, EncodersCallTheUsersOwnOperations) {  // slice-A04
  CountingWriter writer;
  CountingWriter& reference = writer;
  encode(reference);
  EXPECT_EQ(writer.singles, 1);
  EXPECT_EQ(writer.out.view(), kEncoded);
}

}  // namespace
