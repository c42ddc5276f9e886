// WriteWindow writes what its builder would, and hands it over when it must.
#include "bight/write_window.h"

#include <gtest/gtest.h>

#include <array>
#include <memory_resource>
#include <string>

#include "bight/byte_writer.h"
#include "bight/bytes_builder.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight::ChainBuilderOptions;
using bight::CopyAudit;
using bight::WriteWindow;

static_assert(bight::ByteWriter<WriteWindow<ChainBuilder>>);
static_assert(bight::ByteWriter<WriteWindow<BytesBuilder>>);
static_assert(!std::is_copy_constructible_v<WriteWindow<ChainBuilder>> &&
              !std::is_move_constructible_v<WriteWindow<ChainBuilder>>);

std::string text(const Chain& chain) { return chain.to_string(); }
std::string text(const Bytes& bytes) { return std::string(bytes.view()); }

// Writes of all sizes, some larger than a block.
template <class Writer>
void write_record(Writer& out, uint32_t i) {
  out.put_u8(static_cast<uint8_t>(i));
  out.template put_be<uint32_t>(i);
  out.template put_le<uint16_t>(static_cast<uint16_t>(i));
  out.put_varint(uint64_t{i} * i * i);
  out.append(std::string(i % 97, 'x'));
  EXPECT_TRUE(out.try_append("try"));
  if (i % 50 == 0) out.put_fill(std::byte{'f'}, 300);
}

template <class Builder>
class WriteWindowTest : public ::testing::Test {};
using Builders = ::testing::Types<ChainBuilder, BytesBuilder>;
TYPED_TEST_SUITE(WriteWindowTest, Builders);

TYPED_TEST(WriteWindowTest, WritesWhatTheBuilderWouldAcrossAllItsBlocks) {
  TypeParam direct;
  TypeParam through;
  direct.append("before");
  through.append("before");
  for (uint32_t i = 0; i < 1000; ++i) write_record(direct, i);
  {
    WriteWindow window(through);
    for (uint32_t i = 0; i < 1000; ++i) write_record(window, i);
  }
  direct.append("behind");
  through.append("behind");
  EXPECT_EQ(through.size(), direct.size());
  EXPECT_EQ(text(std::move(through).freeze()), text(std::move(direct).freeze()));
}

TYPED_TEST(WriteWindowTest, OpenedAndNotUsedItChangesNothing) {
  TypeParam builder;
  { WriteWindow window(builder); }
  EXPECT_EQ(builder.size(), 0u);
  builder.append("some");
  { WriteWindow window(builder); }
  EXPECT_EQ(text(std::move(builder).freeze()), "some");
}

TYPED_TEST(WriteWindowTest, CommitShowsTheBuilderWhatIsWritten) {
  TypeParam builder;
  WriteWindow window(builder);
  window.append("one");
  window.commit();
  EXPECT_EQ(builder.size(), 3u);
  window.append("two");
  EXPECT_EQ(builder.size(), 3u);
  window.commit();
  window.commit();
  EXPECT_EQ(builder.size(), 6u);
  EXPECT_EQ(text(std::move(builder).freeze()), "onetwo");
}

TYPED_TEST(WriteWindowTest, CountsItsCopiesAsTheBuilderDoes) {
  const auto copied = [](bool window) {
    TypeParam builder;
    const CopyAudit audit;
    if (window) {
      WriteWindow through(builder);
      for (uint32_t i = 0; i < 100; ++i) write_record(through, i);
    } else {
      for (uint32_t i = 0; i < 100; ++i) write_record(builder, i);
    }
    (void)std::move(builder).freeze();
    return audit.thread().copied;
  };
  EXPECT_EQ(copied(true), copied(false));
}

TEST(WriteWindowOfChainBuilderTest, RefusesPastMaxSizeAndKeepsWhatIsWritten) {
  ChainBuilderOptions options;
  options.min_block = options.max_block = 64;
  options.max_size = 150;
  ChainBuilder builder(options);
  {
    WriteWindow window(builder);
    for (uint32_t i = 0; i < 37; ++i) ASSERT_TRUE(window.try_put_be<uint32_t>(i));
    EXPECT_FALSE(window.try_put_be<uint32_t>(37));
    EXPECT_FALSE(window.try_append(std::string(3, 'x')));
    EXPECT_TRUE(window.try_put_be<uint16_t>(0x4142));
    EXPECT_FALSE(window.try_put_u8(1));
    EXPECT_EQ(window.try_extend(static_cast<size_t>(-1)), nullptr);
    EXPECT_EQ(window.try_extend(static_cast<size_t>(1) << 63), nullptr);
  }
  EXPECT_EQ(builder.size(), 150u);
  const std::string written = builder.take().to_string();
  EXPECT_EQ(written.substr(148), "AB");
  for (uint32_t i = 0; i < 37; ++i) EXPECT_EQ(written[size_t{4} * i + 3], static_cast<char>(i));
}

#if BIGHT_HAS_EXCEPTIONS
TEST(WriteWindowOfChainBuilderTest, WithoutMemoryThrowsAndKeepsWhatIsWritten) {
  std::array<std::byte, 700> memory;
  std::pmr::monotonic_buffer_resource resource(memory.data(), memory.size(),
                                               std::pmr::null_memory_resource());
  ChainBuilderOptions options;
  options.min_block = options.max_block = 128;
  options.resource = &resource;
  ChainBuilder builder(options);
  uint32_t written = 0;
  const auto write_on = [&] {
    WriteWindow window(builder);
    for (; written < 1000; ++written) window.put_be<uint32_t>(written);
  };
  EXPECT_THROW(write_on(), std::bad_alloc);
  EXPECT_GE(written, 32u);
  EXPECT_LT(written, 700u / 4);
  EXPECT_EQ(builder.size(), size_t{4} * written);
  const std::string bytes = builder.take().to_string();
  for (uint32_t i = 0; i < written; ++i) EXPECT_EQ(bytes[size_t{4} * i + 3], static_cast<char>(i));
}
#endif

TEST(WriteWindowDeathTest, StopsWhereTheBuilderStops) {
  ChainBuilderOptions options;
  options.max_size = 10;
  ChainBuilder builder(options);
  WriteWindow window(builder);
  window.append("12345678");
  EXPECT_DEATH(window.append("901"), "write past max_size");
}

}  // namespace
