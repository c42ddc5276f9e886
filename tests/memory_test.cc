#include "bight/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/config.h"
#include "tests/support/access.h"
#include "tests/support/counted_owner.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::cache_limits;
using bight::CacheLimits;
using bight::memory_totals;
using bight::MemoryTotals;
using bight::set_cache_limits;
using bight::trim_caches;
using bight::internal::Access;

constexpr size_t kMiB = size_t{1} << 20;

// Every test begins with empty caches and leaves the bounds as they were.
class MemoryTest : public testing::Test {
 protected:
  MemoryTest() { trim_caches(); }
  ~MemoryTest() override {
    set_cache_limits(CacheLimits{});
    trim_caches();
  }
};

size_t cached() {
  const MemoryTotals totals = memory_totals();
  return totals.thread_cached + totals.depot_cached + totals.large_cached;
}

Bytes block_of(size_t size) {
  BytesBuilder builder(size);
  builder.commit(size);
  return builder.take();
}

TEST_F(MemoryTest, TotalsAreBytes) {  // buf-D05
  const MemoryTotals before = memory_totals();
  const Bytes bytes = Bytes::copy_of(std::string(100000, 'x'));
  const MemoryTotals with = memory_totals();
  EXPECT_GE(with.allocated - before.allocated, 100000u);
  EXPECT_LE(with.allocated - before.allocated, 140000u);
  EXPECT_GE(with.live() - before.live(), 100000u);
}

TEST_F(MemoryTest, TotalsReturnToWhatTheyWere) {
  const MemoryTotals before = memory_totals();
  {
    std::vector<Bytes> many;
    for (size_t size = 1; size < 5 * kMiB; size = size * 2 + 1) many.push_back(block_of(size));
    many.push_back(Bytes::from_owner(std::string(1000, 'x')));
    EXPECT_GT(memory_totals().live(), before.live() + 5 * kMiB);
  }
  EXPECT_EQ(memory_totals().live(), before.live());
  trim_caches();
  EXPECT_EQ(memory_totals().allocated, before.allocated);
  EXPECT_EQ(cached(), 0u);
}

TEST_F(MemoryTest, LimitsReadBack) {
  CacheLimits limits;
  limits.thread_bytes = 1;
  limits.depot_bytes = 2;
  limits.large_bytes = 3;
  limits.wipe_large = true;
  set_cache_limits(limits);
  const CacheLimits now = cache_limits();
  EXPECT_EQ(now.thread_bytes, 1u);
  EXPECT_EQ(now.depot_bytes, 2u);
  EXPECT_EQ(now.large_bytes, 3u);
  EXPECT_TRUE(now.wipe_large);
}

TEST_F(MemoryTest, ZeroLimitsTurnTheCachesOff) {
  set_cache_limits({0, 0, 0});
  const size_t before = memory_totals().allocated;
  for (size_t size = 1; size < 5 * kMiB; size = size * 2 + 1) {
    (void)block_of(size);
    ASSERT_EQ(memory_totals().allocated, before) << size;
  }
  EXPECT_EQ(cached(), 0u);
}

TEST_F(MemoryTest, CachesStayWithinTheirBounds) {
  CacheLimits limits;
  limits.thread_bytes = 100000;
  limits.depot_bytes = 200000;
  limits.large_bytes = 7 * kMiB;
  set_cache_limits(limits);
  for (int round = 0; round < 3; ++round) {
    std::vector<Bytes> many;
    for (int i = 0; i < 2000; ++i) many.push_back(block_of(static_cast<size_t>(i % 50) * 97 + 1));
    for (int i = 0; i < 10; ++i) many.push_back(block_of(2 * kMiB + 4096));
    many.clear();
    const MemoryTotals totals = memory_totals();
    EXPECT_LE(totals.thread_cached, limits.thread_bytes);
    EXPECT_LE(totals.depot_cached, limits.depot_bytes);
    EXPECT_LE(totals.large_cached, limits.large_bytes);
  }
}

TEST_F(MemoryTest, LoweringALimitFreesWhatIsAboveIt) {
  {
    std::vector<Bytes> many;
    for (int i = 0; i < 1000; ++i) many.push_back(block_of(1000));
    for (int i = 0; i < 4; ++i) many.push_back(block_of(3 * kMiB));
  }
  CacheLimits limits;
  limits.thread_bytes = 5000;
  limits.depot_bytes = 0;
  limits.large_bytes = 4 * kMiB;
  set_cache_limits(limits);
  const MemoryTotals totals = memory_totals();
  EXPECT_LE(totals.thread_cached, 5000u);
  EXPECT_EQ(totals.depot_cached, 0u);
  EXPECT_LE(totals.large_cached, 4 * kMiB);
}

#if !BIGHT_HAS_ASAN
TEST_F(MemoryTest, FreedBlocksAreUsedAgain) {
  for (const size_t size : {size_t{10}, size_t{1000}, size_t{10000}, 1 * kMiB, 3 * kMiB}) {
    Bytes bytes = block_of(size);
    const std::byte* const place = bytes.data();
    bytes.clear();
    EXPECT_GT(cached(), size) << size;
    const size_t allocated = memory_totals().allocated;
    const Bytes again = block_of(size);
    EXPECT_EQ(again.data(), place) << size;
    EXPECT_EQ(memory_totals().allocated, allocated) << size;
  }
}

TEST_F(MemoryTest, LargeBlocksAreReusedForSizesJustBelow) {
  Bytes bytes = block_of(5 * kMiB);
  const std::byte* const place = bytes.data();
  bytes.clear();
  EXPECT_NE(block_of(3 * kMiB).data(), place);  // would waste more than a quarter
  EXPECT_EQ(block_of(5 * kMiB - 100000).data(), place);
}

TEST_F(MemoryTest, LargeBlocksAreWipedWhenAskedFor) {
  CacheLimits limits;
  limits.wipe_large = true;
  set_cache_limits(limits);
  BytesBuilder secret(3 * kMiB);
  secret.resize(3 * kMiB, std::byte{'s'});
  const std::byte* const place = secret.data();
  secret = BytesBuilder();
  BytesBuilder next(3 * kMiB);
  ASSERT_EQ(next.prepare(1).data(), place);
  next.commit(3 * kMiB);
  EXPECT_EQ(std::count(next.begin(), next.end(), std::byte{0}), static_cast<ptrdiff_t>(3 * kMiB));
}

TEST_F(MemoryTest, DepotTakesWhatOneThreadHasTooMuchOf) {
  std::vector<Bytes> many;
  for (int i = 0; i < 3000; ++i) many.push_back(block_of(1000));
  many.clear();
  const MemoryTotals totals = memory_totals();
  EXPECT_GT(totals.depot_cached, 0u);
  EXPECT_LE(totals.thread_cached, cache_limits().thread_bytes);
  // And gives it back.
  const size_t allocated = totals.allocated;
  for (int i = 0; i < 3000; ++i) many.push_back(block_of(1000));
  EXPECT_EQ(memory_totals().allocated, allocated);
}
#endif

TEST_F(MemoryTest, EveryShapeIsAlignedAndHasTheCapacityAskedFor) {
  for (size_t size = 1; size <= 4 * kMiB; size = size + size / 3 + 1) {
    const BytesBuilder builder(size);
    EXPECT_GE(builder.capacity(), size);
    // A class wastes at most a third of itself, large ones less than a page.
    EXPECT_LE(builder.capacity(), std::max(size_t{16}, size + size / 2 + 4096)) << size;
    const uintptr_t alignment = size > 3072 ? 64 : 16;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(builder.begin()) % alignment, 0u) << size;
  }
}

TEST_F(MemoryTest, PayloadsOfPowersOfTwoGetBlocksOfTheirSize) {
  for (size_t size = 16; size <= 4 * kMiB; size *= 2) {
    EXPECT_EQ(BytesBuilder(size).capacity(), size);
    const size_t half_more = size < 2 * kMiB ? size + size / 2 : size;
    EXPECT_EQ(BytesBuilder(half_more).capacity(), half_more);
  }
}

TEST_F(MemoryTest, HundredBlocksOfAnImageCostLittleMoreThanTheImage) {
  // 2.56 MiB each: with huge pages over the rounded capacity they would hold 1.56 times that.
  const size_t size = 2 * kMiB + 587203;
  const size_t before = memory_totals().allocated;
  std::vector<Bytes> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(block_of(size));
  EXPECT_LE(memory_totals().allocated - before, 100 * size + 100 * 4300);
}

TEST_F(MemoryTest, BlocksOfAResourceAreNotCached) {
  bight_test::CountingResource resource;
  const size_t before = memory_totals().allocated;
  { const Bytes bytes = Bytes::copy_of("text", &resource); }
  EXPECT_EQ(resource.live, 0u);
  EXPECT_EQ(memory_totals().allocated, before);
  EXPECT_EQ(cached(), 0u);
}

#if BIGHT_HAS_ASAN
// A cache that kept this memory would hide the mistake.
TEST(MemoryDeathTest, UseAfterFreeIsReported) {
  for (const size_t size : {size_t{10}, size_t{1000}, size_t{100000}, 3 * kMiB}) {
    EXPECT_DEATH(
        {
          Bytes bytes = Bytes::copy_of(std::string(size, 'x'));
          const volatile std::byte* const place = bytes.data();
          bytes.clear();
          std::byte read = *place;
          std::_Exit(read == std::byte{'x'} ? 0 : 1);
        },
        "AddressSanitizer: heap-use-after-free");
  }
}
#else
TEST_F(MemoryTest, TrimmingGivesTheMemoryBack) {
  { const Bytes bytes = block_of(1000); }
  EXPECT_GT(memory_totals().thread_cached, 0u);
  trim_caches();
  EXPECT_EQ(cached(), 0u);
}
#endif

}  // namespace
