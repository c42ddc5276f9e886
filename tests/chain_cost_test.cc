// What Chain's operations cost, counted in references, allocations and copied bytes; never in time.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/replace_new.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::Chain;
using bight::CopyAudit;
using bight::internal::Access;
using shapes::cut_up;
using shapes::expect_reads;
using shapes::letters;

// Segments of one block each, with handles to count their references by.
struct Watched {
  explicit Watched(size_t count, size_t size = 10) {
    for (size_t i = 0; i < count; ++i) {
      handles.push_back(Bytes::copy_of(letters(size, static_cast<uint32_t>(i))));
      chain.push_back(handles.back());
    }
  }
  // References on the segments beyond those of the handles.
  size_t references() const {
    size_t sum = 0;
    for (const Bytes& handle : handles) sum += Access::references(handle) - 1;
    return sum;
  }
  std::string text() const {
    std::string all;
    for (const Bytes& handle : handles) all += handle.view();
    return all;
  }
  std::vector<Bytes> handles;
  Chain chain;
};

class ChainCostTest : public ::testing::Test {
 protected:
  // Every allocation is to be seen.
  void SetUp() override { bight::set_cache_limits({0, 0, 0, false}); }
  static size_t allocations() { return replaced_new::calls; }
};

TEST_F(ChainCostTest, CopyTakesOneReferenceOnTheTableAndAllocatesNothing) {
  for (const size_t count : {3, 16, 1000}) {
    const Watched watched(count);
    const size_t before = allocations();
    const Chain copy = watched.chain;
    EXPECT_EQ(allocations(), before);
    EXPECT_EQ(Access::table_references(copy), 2u);
    EXPECT_EQ(Access::table(copy), Access::table(watched.chain));
    EXPECT_EQ(watched.references(), count);
  }
}

TEST_F(ChainCostTest, CopyOfInlineSegmentsTakesOneReferenceEach) {
  const Watched watched(2);
  const size_t before = allocations();
  const Chain copy = watched.chain;
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(watched.references(), 4u);
}

TEST_F(ChainCostTest, CopyTakesOneMoreReferenceOnTheEdge) {
  Watched watched(20);
  const Chain first = watched.chain;
  const Bytes header = Bytes::copy_of("header");
  watched.chain.push_front(header);
  EXPECT_EQ(Access::references(header), 2u);
  const Chain second = watched.chain;
  EXPECT_EQ(Access::references(header), 3u);
  EXPECT_EQ(Access::table_references(second), 3u);
  EXPECT_EQ(watched.references(), 20u);
}

TEST_F(ChainCostTest, MoveTakesNothing) {
  Watched watched(1000);
  const size_t before = allocations();
  const Chain moved = std::move(watched.chain);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(Access::table_references(moved), 1u);
  EXPECT_EQ(watched.references(), 1000u);
}

TEST_F(ChainCostTest, HeaderOnACopiedBodyTouchesNoSegment) {
  const Watched body(1000);
  const Bytes header = Bytes::copy_of("POST / HTTP/1.1");
  const size_t before = allocations();
  std::vector<Chain>::size_type clients = 0;
  for (; clients < 50; ++clients) {
    Chain reply = body.chain;
    reply.push_front(header);
    EXPECT_EQ(Access::references(header), 2u);
    EXPECT_EQ(Access::table_references(reply), 2u);
    EXPECT_EQ(reply.segment_count(), 1001u);
  }
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(body.references(), 1000u);
}

TEST_F(ChainCostTest, HeaderAndTrailerOnACopiedBodyClaimOneSlotAndTouchNoSegment) {
  const Watched body(1000);
  Chain reply = body.chain;
  const Bytes header = Bytes::copy_of("header");
  const Bytes trailer = Bytes::copy_of("trailer");
  const size_t before = allocations();
  reply.push_front(header);
  reply.push_back(trailer);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(body.references(), 1000u);
  EXPECT_EQ(Access::table_references(reply), 2u);
  expect_reads(reply, "header" + body.text() + "trailer");
  expect_reads(body.chain, body.text());
}

TEST_F(ChainCostTest, CutsFromTheFrontTakeReferencesInBatches) {
  for (const size_t segments : {1, 2, 5}) {
    Watched watched(segments, 10000);
    const Bytes& front = watched.handles[0];
    std::vector<Chain> cuts;
    const size_t before = allocations();
    // One or two segments may be passed on after one cut; in a longer chain the batch begins at
    // once.
    const uint32_t single = segments <= 2 ? 1 : 0;
    if (single != 0) {
      cuts.push_back(watched.chain.split_to(10));
      EXPECT_EQ(Access::references(front), 3u);  // one for the cut, none in store
      EXPECT_EQ(Access::credits(watched.chain), 0u);
    }
    cuts.push_back(watched.chain.split_to(10));
    // 64 at once: one for this cut, 63 in store.
    EXPECT_EQ(Access::references(front), 2u + single + 64u);
    EXPECT_EQ(Access::credits(watched.chain), 63u);
    cuts.reserve(200);
    const size_t after_reserve = allocations();
    for (uint32_t i = 1; i <= 63; ++i) {
      cuts.push_back(watched.chain.split_to(10));
      EXPECT_EQ(Access::references(front), 2u + single + 64u);
      EXPECT_EQ(Access::credits(watched.chain), 63u - i);
    }
    cuts.push_back(watched.chain.split_to(10));
    EXPECT_EQ(Access::references(front), 2u + single + 128u);
    EXPECT_EQ(allocations(), after_reserve);
    EXPECT_GE(after_reserve, before);
    // Dropping the segment returns what is left in store: the cuts' references remain.
    watched.chain.consume(watched.chain.front().size());
    EXPECT_EQ(Access::references(front), 1u + cuts.size());
    cuts.clear();
    EXPECT_EQ(Access::references(front), 1u);
  }
}

TEST_F(ChainCostTest, FewCutsToComeTakeFewReferences) {
  Watched watched(1, 100);
  std::vector<Chain> cuts;
  cuts.push_back(watched.chain.split_to(20));
  cuts.push_back(watched.chain.split_to(20));
  // 60 bytes are left: three more cuts of this size.
  EXPECT_EQ(Access::credits(watched.chain), 3u);
  EXPECT_EQ(Access::references(watched.handles[0]), 2u + 1u + 4u);
}

TEST_F(ChainCostTest, ReferencesInStoreMoveWithTheChainAndAreNotCopied) {
  for (const size_t segments : {1, 5}) {
    Watched watched(segments, 1000);
    if (segments <= 2) (void)watched.chain.split_to(10);  // takes its own reference only
    (void)watched.chain.split_to(10);
    ASSERT_EQ(Access::credits(watched.chain), 63u);
    const Chain copy = watched.chain;
    EXPECT_EQ(Access::credits(copy), 0u);
    EXPECT_EQ(Access::credits(copy.slice(5, 500)), 0u);
    Chain moved = std::move(watched.chain);
    EXPECT_EQ(Access::credits(moved), 63u);
    // Into a table, too.
    for (int i = 0; i < 4; ++i) moved.push_back(Bytes::copy_of("more"));
    EXPECT_EQ(Access::credits(moved), 63u);
    moved.check_invariants();
    // Not behind another segment.
    moved.push_front(Bytes::copy_of("front"));
    EXPECT_EQ(Access::credits(moved), 0u);
  }
}

TEST_F(ChainCostTest, CutInsideTheFirstSegmentAllocatesNothing) {
  Watched watched(1000, 100);
  const size_t before = allocations();
  const Chain cut = watched.chain.split_to(60);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(watched.references(), 1001u);
}

TEST_F(ChainCostTest, CutAtABoundaryMovesAndTakesNoReference) {
  for (const size_t segments : {1, 2, 3, 1000}) {
    Watched watched(segments, 100);
    const size_t before = allocations();
    const Chain cut = watched.chain.split_to(100);
    EXPECT_EQ(allocations(), before);
    EXPECT_EQ(watched.references(), segments);
  }
}

TEST_F(ChainCostTest, CutAcrossSegmentsTakesOneReferenceForTheOneThatIsDivided) {
  Watched watched(1000, 100);
  Chain cut = watched.chain.split_to(350);
  EXPECT_EQ(watched.references(), 1001u);
  Chain back = watched.chain.split_off(50);
  EXPECT_EQ(watched.references(), 1001u);  // at a boundary
  Chain last = back.split_off(back.size() - 130);
  EXPECT_EQ(watched.references(), 1002u);
}

TEST_F(ChainCostTest, PopTakesNoReference) {
  Watched watched(100);
  std::vector<Bytes> popped;
  popped.reserve(100);
  const size_t before = allocations();
  while (watched.chain.segment_count() > 20) popped.push_back(watched.chain.pop());
  EXPECT_LE(allocations() - before, 1u);  // the table may shrink
  EXPECT_EQ(watched.references(), 100u);
}

TEST_F(ChainCostTest, SecondPushAfterASnapshotClaimsASlotAboveSixteenSegments) {
  Watched watched(17);
  const Chain snapshot = watched.chain;
  const size_t before = allocations();
  const Bytes one = Bytes::from_static("1");
  for (int i = 0; i < 5; ++i) watched.chain.push_back(one);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(watched.references(), 17u);
  EXPECT_EQ(Access::table(watched.chain), Access::table(snapshot));
  expect_reads(watched.chain, watched.text() + "11111");
  expect_reads(snapshot, watched.text());
}

TEST_F(ChainCostTest, SecondPushAfterASnapshotTakesOwnReferencesUpToSixteenSegments) {
  Watched watched(16);
  const Chain snapshot = watched.chain;
  const Bytes one = Bytes::from_static("1");
  watched.chain.push_back(one);
  EXPECT_EQ(watched.references(), 16u);
  const size_t before = allocations();
  watched.chain.push_back(one);
  EXPECT_EQ(allocations(), before + 1);
  EXPECT_EQ(watched.references(), 32u);
  EXPECT_EQ(Access::table_references(watched.chain), 1u);
  EXPECT_EQ(Access::table_references(snapshot), 1u);
}

TEST_F(ChainCostTest, TheFirstOfTwoPushersClaimsAndTheOtherTakesItsOwn) {
  Watched watched(20);
  Chain other = watched.chain;
  for (const char c : {'a', 'b', 'c'}) {
    watched.chain.push_back(Bytes::copy_of(std::string(1, c)));
    other.push_back(Bytes::copy_of(std::string(1, static_cast<char>(c - 'a' + 'A'))));
  }
  EXPECT_NE(Access::table(other), Access::table(watched.chain));
  EXPECT_EQ(watched.references(), 40u);
  expect_reads(watched.chain, watched.text() + "abc");
  expect_reads(other, watched.text() + "ABC");
}

TEST_F(ChainCostTest, AChainTrimmedAtItsBackNeverClaims) {
  Watched watched(40);
  Chain trimmed = watched.chain;
  trimmed.remove_suffix(5);
  trimmed.push_back(Bytes::copy_of("a"));
  trimmed.push_back(Bytes::copy_of("b"));
  EXPECT_NE(Access::table(trimmed), Access::table(watched.chain));
  const std::string text = watched.text();
  expect_reads(trimmed, text.substr(0, text.size() - 5) + "ab");
  expect_reads(watched.chain, text);
}

TEST_F(ChainCostTest, OneSegmentInFrontOfALongChainAdoptsItsTable) {
  for (const bool shared : {true, false}) {
    Watched body(1000);
    Chain copy;
    if (shared) copy = body.chain;
    Chain head(Bytes::copy_of("head"));
    const size_t before = allocations();
    head.push_back(std::move(body.chain));
    EXPECT_EQ(allocations() - before, shared ? 0u : 1u);
    EXPECT_EQ(body.references(), 1000u);
    EXPECT_EQ(head.segment_count(), 1001u);
    if (shared) {
      EXPECT_EQ(Access::table(head), Access::table(copy));
    }
    expect_reads(head, "head" + body.text());
  }
}

TEST_F(ChainCostTest, OneSegmentBehindALongChainPushedInFrontAdoptsItsTable) {
  const Watched body(1000);
  Chain tail(Bytes::copy_of("tail"));
  const size_t before = allocations();
  tail.push_front(body.chain);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(Access::table(tail), Access::table(body.chain));
  EXPECT_EQ(body.references(), 1000u);
  expect_reads(tail, body.text() + "tail");
}

TEST_F(ChainCostTest, AnEmptyChainTakesOverWhatIsPushed) {
  const Watched body(1000);
  Chain chain;
  const size_t before = allocations();
  chain.push_back(body.chain);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(Access::table(chain), Access::table(body.chain));
}

TEST_F(ChainCostTest, ChainsOfTheirOwnArePushedByMovingReferences) {
  Watched a(500);
  Watched b(400);
  a.chain.push_back(std::move(b.chain));
  EXPECT_EQ(a.references(), 500u);
  EXPECT_EQ(b.references(), 400u);
  expect_reads(a.chain, a.text() + b.text());
}

TEST_F(ChainCostTest, SliceSharesTheTableFromAnEighthOnAndMoreThanTwoSegments) {
  const Watched watched(1000, 8);
  const size_t before = allocations();
  const Chain large = watched.chain.slice(3, 1000);  // an eighth of 8000
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(Access::table(large), Access::table(watched.chain));
  EXPECT_EQ(watched.references(), 1000u);
  const Chain small = watched.chain.slice(3, 999);
  EXPECT_NE(Access::table(small), Access::table(watched.chain));
  EXPECT_EQ(watched.references(), 1000u + small.segment_count());
  // Two segments never share, however much they are.
  const Watched few(4, 1000);
  const Chain two = few.chain.slice(500, 1500);
  EXPECT_TRUE(Access::is_inline(two));
  EXPECT_EQ(few.references(), 6u);
  const Chain three = few.chain.slice(500, 2000);
  EXPECT_EQ(Access::table(three), Access::table(few.chain));
}

TEST_F(ChainCostTest, SliceInsideOneSegmentTakesOneReferenceAndAllocatesNothing) {
  const Watched watched(1000, 100);
  const size_t before = allocations();
  const Chain slice = watched.chain.slice(12345, 20);
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(watched.references(), 1001u);
}

TEST_F(ChainCostTest, SpliceTakesOneAllocationAndOneReference) {
  Watched watched(100, 10);
  Chain inserted(Bytes::copy_of("inserted"));
  const size_t before = allocations();
  splice(watched.chain, 105, 0, std::move(inserted));
  EXPECT_EQ(allocations(), before + 1);
  EXPECT_EQ(watched.references(), 101u);  // the segment that was divided
}

TEST_F(ChainCostTest, UnshareTakesOneReferenceASegmentAndNothingWhenAlone) {
  Watched watched(100);
  size_t before = allocations();
  watched.chain.unshare();
  EXPECT_EQ(allocations(), before);
  const Chain copy = watched.chain;
  before = allocations();
  watched.chain.unshare();
  EXPECT_EQ(allocations(), before + 1);
  EXPECT_EQ(watched.references(), 200u);
}

TEST_F(ChainCostTest, TableTakesAtMostFortyEightBytesASegmentAnd64) {
  Chain chain;
  for (size_t count = 1; count <= 5000; ++count) {
    chain.push_back(Bytes::from_static("s"));
    ASSERT_EQ(chain.segment_count(), count);
    if (count < 8) continue;
    // Static segments retain nothing but the table.
    ASSERT_LE(chain.retained_size(), 48 * count + 64) << count;
    if (count == 1000) {
      EXPECT_LE(chain.retained_size(), 24700u);
    }
  }
}

TEST_F(ChainCostTest, ATableTakesWhatItSaysFromTheHeap) {
  for (const size_t count : {8, 100, 1000, 3000}) {
    const size_t before = bight::memory_totals().allocated;
    Chain chain;
    for (size_t i = 0; i < count; ++i) chain.push_back(Bytes::from_static("s"));
    const size_t taken = bight::memory_totals().allocated - before;
    EXPECT_LE(taken, 48 * count + 64) << count;
    if (count == 1000) {
      EXPECT_LE(taken, 24700u);
    }
  }
}

TEST_F(ChainCostTest, LargeTablesOfTheirOwnShrinkWhenLittleIsLeft) {
  for (int way = 0; way < 5; ++way) {
    Chain chain = cut_up(letters(10000), 2);
    ASSERT_EQ(chain.segment_count(), 5000u);
    switch (way) {
      case 0:
        for (int i = 0; i < 4900; ++i) chain.consume(2);
        break;
      case 1:
        chain.remove_suffix(9800);
        break;
      case 2:
        for (int i = 0; i < 4900; ++i) (void)chain.split_to(2);
        break;
      case 3:
        (void)chain.split_off(200);
        break;
      case 4:
        (void)chain.split_to(9799);
        break;
    }
    EXPECT_LE(chain.segment_count(), 101u);
    EXPECT_LE(Access::table_capacity(chain), 512u) << way;
    chain.check_invariants();
  }
}

TEST_F(ChainCostTest, AQueueInASteadyStateAllocatesNothing) {
  for (const size_t backlog : {1, 16, 256}) {
    const Bytes message = Bytes::copy_of(letters(1024));
    Chain queue;
    for (size_t i = 0; i < backlog; ++i) queue.push_back(message);
    const auto cycle = [&] {
      queue.push_back(message);
      for (int i = 0; i < 10; ++i) (void)queue.split_to(100);
      (void)queue.split_to(24);
    };
    for (size_t i = 0; i < 2 * backlog + 8; ++i) cycle();
    const size_t before = allocations();
    for (int i = 0; i < 5000; ++i) cycle();
    EXPECT_EQ(allocations(), before) << backlog;
    EXPECT_EQ(Access::references(message) - 1, queue.segment_count() + Access::credits(queue));
  }
}

TEST_F(ChainCostTest, CopiesAreEqualWithoutReadingAByte) {
  // Segments at addresses that nobody may read.
  Chain chain;
  for (uintptr_t i = 1; i <= 1000; ++i) {
    chain.push_back(
        Bytes::with_release({reinterpret_cast<const std::byte*>(i * 4096), 100}, [] {}));
  }
  const Chain copy = chain;
  EXPECT_TRUE(copy == chain);
  EXPECT_TRUE(chain.slice(10, 99000) == copy.slice(10, 99000));
}

TEST_F(ChainCostTest, NothingButTheVerbsThatSayItCopiesBytes) {
  const CopyAudit audit;
  Watched watched(30);  // 30 copies of 10 bytes
  ASSERT_EQ(audit.thread().copied, 300u);
  const CopyAudit after;
  Chain copy = watched.chain;
  Chain head = copy.split_to(123);
  Chain tail = copy.split_off(57);
  copy.push_back(tail.slice(3, 50));
  copy.push_front(head);
  splice(copy, 100, 20, tail);
  copy.consume(40);
  copy.remove_suffix(9);
  copy.unshare();
  (void)copy.pop();
  (void)copy.find("zzz");
  (void)(copy == head);
  (void)copy.hash();
  EXPECT_EQ(after.thread(), bight::CopyCounts{});
}

}  // namespace
