// Broken contracts stop the program in every build, with both numbers in the message.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "bight/byte_writer.h"
#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "tests/support/access.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::ChainBuilder;
using bight::internal::Access;

BytesBuilder limited(size_t max_size) {
  bight::BuilderOptions options;
  options.max_size = max_size;
  options.capacity = 64;
  return BytesBuilder(options);
}

BytesBuilder fixed(size_t n) {
  BytesBuilder whole(n);
  return whole.carve(n);
}

TEST(ContractDeathTest, BytesRangesAndLengths) {
  Bytes bytes = Bytes::copy_of("8 bytes!");
  EXPECT_DEATH((void)bytes.slice(5, 10), R"(bight: slice\(5, 10\) of 8 bytes)");
  EXPECT_DEATH((void)bytes.slice(9, 0), R"(bight: slice\(9, 0\) of 8 bytes)");
  EXPECT_DEATH((void)bytes.slice(1, std::numeric_limits<size_t>::max()),
               R"(bight: slice\(1, 18446744073709551615\) of 8 bytes)");
  EXPECT_DEATH((void)bytes.slice(9), R"(bight: slice from\(9\) of 8 bytes)");
  EXPECT_DEATH((void)bytes.split_to(9), R"(bight: split_to\(9\) of 8 bytes)");
  EXPECT_DEATH((void)bytes.split_off(10), R"(bight: split_off\(10\) of 8 bytes)");
  EXPECT_DEATH(bytes.remove_prefix(11), R"(bight: remove_prefix\(11\) of 8 bytes)");
  EXPECT_DEATH(bytes.remove_suffix(12), R"(bight: remove_suffix\(12\) of 8 bytes)");
  EXPECT_DEATH((void)bytes[8], R"(bight: Bytes\[\] byte\(8\) of 8)");
  EXPECT_DEATH((void)bytes.slice_ref("elsewhere"), R"(slice_ref of a view outside.*9.*of 8 bytes)");
  EXPECT_DEATH((void)Bytes().split_to(1), R"(bight: split_to\(1\) of 0 bytes)");
}

TEST(ContractDeathTest, BuilderLengths) {
  BytesBuilder builder = fixed(16);
  builder.append("8 bytes!");
  EXPECT_DEATH(builder.commit(9), R"(bight: commit\(9\) of 8 bytes)");
  EXPECT_DEATH(builder.remove_prefix(9), R"(bight: remove_prefix\(9\) of 8 bytes)");
  EXPECT_DEATH((void)builder.split_to(9), R"(bight: BytesBuilder::split_to\(9\) of 8 bytes)");
  EXPECT_DEATH((void)builder.split_off(17), R"(bight: BytesBuilder::split_off\(17\) of 16 bytes)");
  EXPECT_DEATH((void)builder[8], R"(bight: BytesBuilder\[\] byte\(8\) of 8)");
  const BytesBuilder& constant = builder;
  EXPECT_DEATH((void)constant[9], R"(bight: BytesBuilder\[\] byte\(9\) of 8)");
}

TEST(ContractDeathTest, CarveWithUnfrozenBytesOrTooLittleRoom) {
  BytesBuilder builder(16);
  EXPECT_DEATH((void)builder.carve(17), R"(bight: carve\(17\) of 16 bytes)");
  builder.append("abc");
  EXPECT_DEATH((void)builder.carve(1), R"(bight: carve with unfrozen bytes.*\(3\))");
}

TEST(ContractDeathTest, FixedBuilderNeverGrows) {
  BytesBuilder builder = fixed(4);
  builder.append("abc");
  EXPECT_DEATH(builder.append("de"), R"(bight: write to a fixed builder\(2\) of 1 bytes)");
  EXPECT_DEATH(builder.put_be<uint32_t>(1), R"(bight: write to a fixed builder\(4\) of 1 bytes)");
  EXPECT_DEATH(builder.resize(6), R"(bight: write to a fixed builder\(3\) of 1 bytes)");
  EXPECT_DEATH(builder.append_format("%d", 12), R"(write to a fixed builder\(2\) of 1 bytes)");
  EXPECT_DEATH(builder.prepend("xy"), R"(bight: prepend to a fixed builder\(2\) of 0 bytes)");
  EXPECT_DEATH((void)builder.take(2), R"(take with headroom from a fixed builder\(2\) of 1 bytes)");
}

TEST(ContractDeathTest, MaxSizeStopsEveryWrite) {
  BytesBuilder builder = limited(5);
  builder.append("123");
  EXPECT_DEATH(builder.append("456"), R"(bight: write past max_size\(6\) of 5 bytes)");
  EXPECT_DEATH(builder.put_be<uint64_t>(1), R"(bight: write past max_size\(11\) of 5 bytes)");
  EXPECT_DEATH(builder.reserve(3), R"(bight: write past max_size\(6\) of 5 bytes)");
  EXPECT_DEATH(builder.prepend("456"), R"(bight: write past max_size\(6\) of 5 bytes)");
  EXPECT_DEATH(builder.resize(7), R"(bight: write past max_size\(7\) of 5 bytes)");
  EXPECT_DEATH(builder.commit(3), R"(bight: commit\(3\) of 2 bytes)");
}

TEST(ContractDeathTest, SpanWriterNeverGrows) {
  std::array<std::byte, 4> memory{};
  bight::SpanWriter writer(memory);
  EXPECT_DEATH(writer.append("12345"), R"(bight: write\(5\) of 4 bytes)");
  writer.append("12");
  EXPECT_DEATH(writer.put_be<uint32_t>(1), R"(bight: write\(4\) of 2 bytes)");
}

TEST(ContractDeathTest, IntegersHaveAtMostEightBytes) {  // slice-L15
  BytesBuilder builder;
  EXPECT_DEATH(builder.put_uint_be(1, 9), R"(bight: put_uint_be\(9\) of 8 bytes)");
  EXPECT_DEATH(builder.put_uint_le(1, 10), R"(bight: put_uint_le\(10\) of 8 bytes)");
  EXPECT_DEATH((void)builder.try_put_uint_be(1, 9), R"(bight: try_put_uint_be\(9\) of 8 bytes)");
  EXPECT_DEATH((void)builder.try_put_uint_le(1, 9), R"(bight: try_put_uint_le\(9\) of 8 bytes)");
}

TEST(ContractDeathTest, ChainBuilderLimits) {
  bight::ChainBuilderOptions options;
  options.max_size = 10;
  ChainBuilder builder(options);
  builder.append("12345678");
  EXPECT_DEATH(builder.append("abc"), R"(bight: append past max_size\(11\) of 10 bytes)");
  EXPECT_DEATH(builder.put_be<uint32_t>(1), R"(bight: write past max_size\(12\) of 10 bytes)");
  EXPECT_DEATH(builder.push_back(Bytes::from_static("abc")),
               R"(bight: push_back past max_size\(11\) of 10 bytes)");
  EXPECT_DEATH(builder.push_back(bight::Chain(Bytes::from_static("abcd"))),
               R"(bight: push_back past max_size\(12\) of 10 bytes)");
  EXPECT_DEATH(builder.commit(3), R"(bight: commit\(3\) of 2 bytes)");
}

TEST(ContractDeathTest, HolesAreFilledWithTheirSizeBeforeFreezing) {
  ChainBuilder builder;
  const ChainBuilder::Hole hole = builder.reserve_hole(4);
  EXPECT_DEATH(builder.fill(hole, "abc"), R"(bight: fill\(3\) of 4 bytes)");
  EXPECT_DEATH((void)std::move(builder).freeze(), R"(bight: freeze with 1 open holes)");
  builder.fill(hole, "abcd");
  (void)builder.take();
  EXPECT_DEATH(builder.fill(hole, "abcd"), R"(fill of a hole that is taken.*\(4\) of 4 bytes)");
}

TEST(ContractDeathTest, AlignmentIsAPowerOfTwo) {  // buf-B19
  bight::BuilderOptions options;
  options.alignment = 4095;
  EXPECT_DEATH(BytesBuilder{options}, R"(bight: alignment 4095 is not a power of two)");
  bight::ChainBuilderOptions chain_options;
  chain_options.alignment = 48;
  ChainBuilder builder(chain_options);
  EXPECT_DEATH(builder.append("x"), R"(bight: alignment 48 is not a power of two)");
}

TEST(ContractDeathTest, ReferenceCountStopsBeforeItWraps) {  // slice-F07
  const Bytes bytes = Bytes::copy_of("counted");
  Access::block(bytes)->refs.reset(uint32_t{1} << 31);
  {
    const Bytes last = bytes;  // 2^31 holders are allowed
    EXPECT_EQ(Access::references(bytes), (uint32_t{1} << 31) + 1);
    EXPECT_DEATH((void)Bytes(bytes), "bight: reference count passes 2147483648");
    EXPECT_DEATH((void)bytes.slice(0, 1), "bight: reference count passes 2147483648");
  }
  Access::block(bytes)->refs.reset(1);
}

TEST(ContractDeathTest, ReleaseThatThrowsEndsTheProgram) {
#if BIGHT_HAS_EXCEPTIONS
  const std::string text = "text";
  EXPECT_DEATH((void)Bytes::with_release(ByteView(text).span(), [] { throw 1; }), "");
#else
  EXPECT_DEATH((void)Bytes::copy_of("x")[1], "");
#endif
}

}  // namespace
