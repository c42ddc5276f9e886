#include "bight/interop/cord.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "bight/copy_audit.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using interop_test::counted;
using interop_test::pattern;
using interop_test::scattered;

std::vector<const void*> addresses(const absl::Cord& cord) {
  std::vector<const void*> result;
  for (const absl::string_view run : cord.Chunks()) result.push_back(run.data());
  return result;
}

std::vector<const void*> addresses(const Chain& chain) {
  std::vector<const void*> result;
  for (const auto segment : chain.segments()) result.push_back(segment.data());
  return result;
}

TEST(CordTest, EmptyBothWays) {
  EXPECT_TRUE(to_cord(Bytes()).empty());
  EXPECT_TRUE(to_cord(Chain()).empty());
  EXPECT_TRUE(to_chain(absl::Cord()).empty());
}

TEST(CordTest, BytesOfEverySizeAreSharedAndReleasedOnce) {
  for (const size_t size : std::vector<size_t>{1, 15, 16, 511, 512, 100000}) {
    int released = 0;
    CopyAudit audit;
    {
      Bytes bytes = counted(pattern(size), released);
      const void* const address = bytes.data();
      absl::Cord cord = to_cord(std::move(bytes));
      EXPECT_EQ(cord, absl::string_view(pattern(size)));
      EXPECT_EQ(addresses(cord), std::vector<const void*>{address});
      const absl::Cord copy = cord;
      cord.Clear();
      EXPECT_EQ(released, 0);
    }
    EXPECT_EQ(released, 1);
    EXPECT_EQ(audit.thread().copied, 0u);
  }
}

TEST(CordTest, LongSegmentsAreShared) {
  const Chain chain = scattered({512, 1000, 100000, 600});
  CopyAudit audit;
  const absl::Cord cord = to_cord(chain);
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(addresses(cord), addresses(chain));
  EXPECT_EQ(cord, absl::string_view(chain.to_string()));
}

TEST(CordTest, ShortSegmentsBehindTheFirstAreCopiedAndReleasedAtOnce) {
  int released = 0;
  Chain chain;
  chain.push_back(counted(pattern(10), released));   // the first: shared
  chain.push_back(counted(pattern(511), released));  // copied
  chain.push_back(counted(pattern(512), released));  // shared
  const std::string text = chain.to_string();
  CopyAudit audit;
  absl::Cord cord = to_cord(std::move(chain));
  EXPECT_EQ(audit.thread().copied, 511u);
  EXPECT_EQ(released, 1);
  EXPECT_EQ(cord, absl::string_view(text));
  cord.Clear();
  EXPECT_EQ(released, 3);
}

TEST(CordTest, ManySegmentsInOrder) {
  Chain chain;
  for (size_t i = 0; i < 2000; ++i) chain.push_back(Bytes::copy_of(pattern(i, i)));
  const absl::Cord cord = to_cord(chain);
  EXPECT_EQ(cord, absl::string_view(chain.to_string()));
  EXPECT_EQ(to_chain(cord), chain);
}

TEST(CordTest, RunsOfACordAreShared) {
  absl::Cord cord;  // flat runs in a tree
  for (int i = 0; i < 20; ++i) cord.Append(absl::string_view(pattern(3000)));
  cord.Append(absl::MakeCordFromExternal("a constant of more than fifteen bytes", [] {}));
  CopyAudit audit;
  const Chain chain = to_chain(cord);
  EXPECT_GT(chain.segment_count(), 2u);
  EXPECT_EQ(addresses(chain), addresses(cord));
  EXPECT_EQ(chain, std::string(cord));
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

TEST(CordTest, ACordOfUpToFifteenBytesIsCopiedOutOfTheObject) {
  for (size_t size = 1; size <= 20; ++size) {
    Chain chain;
    CopyAudit audit;
    {
      absl::Cord cord(pattern(size));
      chain = to_chain(cord);
      cord = absl::Cord("overwritten");
    }
    EXPECT_EQ(chain, pattern(size));
    EXPECT_EQ(audit.thread().copied, size <= 15 ? size : 0u);
  }
}

TEST(CordTest, ACordOfOneRunIsHeldWhereItsBytesStay) {
  // Also for the sizes that stand inside the Cord object: it moves into the block before its
  // address is taken.
  for (size_t size = 1; size <= 20; ++size) {
    Bytes bytes = Bytes::from_owner(internal::CordRun(absl::Cord(pattern(size))));
    const Bytes moved = std::move(bytes);
    EXPECT_EQ(moved, pattern(size));
  }
}

TEST(CordTest, ASegmentKeepsOnlyItsOwnRun) {
  int released_a = 0;
  int released_b = 0;
  absl::Cord cord = to_cord(counted(pattern(1000), released_a));
  cord.Append(to_cord(counted(pattern(1000), released_b)));
  Chain chain = to_chain(cord);
  cord.Clear();
  ASSERT_EQ(chain.segment_count(), 2u);
  EXPECT_EQ(released_a + released_b, 0);
  chain.consume(1000);
  EXPECT_EQ(released_a, 1);
  EXPECT_EQ(released_b, 0);
  chain.clear();
  EXPECT_EQ(released_b, 1);
}

TEST(CordTest, AChainThroughACordHasItsBytesAtTheirAddresses) {
  int released = 0;
  Chain chain;
  chain.push_back(counted(pattern(1000), released));
  chain.push_back(counted(pattern(700), released).slice(100, 550));
  const auto before = addresses(chain);
  const std::string text = chain.to_string();
  CopyAudit audit;
  Chain back = to_chain(to_cord(std::move(chain)));
  EXPECT_EQ(addresses(back), before);
  EXPECT_EQ(back, text);
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(released, 0);
  back.clear();
  EXPECT_EQ(released, 2);
}

TEST(CordTest, ACordThroughAnUnsharedChainComesOutAsItWas) {
  int released = 0;
  {
    absl::Cord cord = to_cord(counted(pattern(1000), released));
    cord.Append(to_cord(counted(pattern(2000), released)));
    const auto before = addresses(cord);
    Chain chain = to_chain(cord);
    cord.Clear();
    absl::Cord back = to_cord(std::move(chain));
    EXPECT_EQ(addresses(back), before);
    // No handle of ours around the run: nothing that a further trip would add to.
    EXPECT_EQ(back.EstimatedMemoryUsage(), to_cord(to_chain(back)).EstimatedMemoryUsage());
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 2);
}

TEST(CordTest, PartsOfARunGoBackAsParts) {
  const std::string text = pattern(2000);
  for (const size_t from : std::vector<size_t>{0, 1, 999}) {
    for (const size_t size : std::vector<size_t>{1, 15, 16, 600, 1001}) {
      Bytes run = to_chain(absl::Cord(text.substr(0, 2000))).pop();
      ASSERT_EQ(run.size(), 2000u);
      run.remove_prefix(from);
      run.truncate(size);
      const absl::Cord part = to_cord(std::move(run));
      EXPECT_EQ(part, absl::string_view(text).substr(from, size));
    }
  }
}

TEST(CordTest, SharedRunsGoBackShared) {
  const absl::Cord cord(pattern(1000));
  const Chain chain = to_chain(cord);
  const absl::Cord back = to_cord(chain);  // `chain` keeps its handles: the Cord holds ours
  EXPECT_EQ(addresses(back), addresses(cord));
}

TEST(CordTest, PartsOfCordsAreSharedToo) {
  absl::Cord cord(pattern(10000));
  cord.RemovePrefix(5);
  cord.RemoveSuffix(7);
  const Chain chain = to_chain(cord.Subcord(100, 9000));
  EXPECT_EQ(chain, pattern(10000).substr(105, 9000));
  EXPECT_EQ(chain.front().data(), static_cast<const void*>(cord.Chunks().begin()->data() + 100));
}

}  // namespace
}  // namespace bight
