// The conformance cases about chains, each under its id, in the four forms that they ask for where
// the form can make a difference: alone, with a live copy, as a slice of a larger chain, rebuilt
// from one flat buffer. docs/conformance.md restates each in one line.
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "tests/support/access.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight::CopyAudit;
using bight::SegmentPosition;
using bight::internal::Access;
using shapes::chain_of;
using shapes::Counted;
using shapes::cut_up;
using shapes::expect_reads;
using shapes::Form;
using shapes::letters;

// Runs f(chain) on `chain` in each form; what it was copied from must stay as it was.
template <class F>
void in_each_form(const Chain& chain, const F& f) {
  for (const Form form : shapes::kForms) {
    SCOPED_TRACE(form);
    shapes::Formed formed = shapes::in_form(form, chain);
    std::vector<std::string> before;
    for (const Chain& kept : formed.kept) before.push_back(kept.to_string());
    f(formed.chain);
    formed.chain.check_invariants();
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(formed.kept[i].to_string(), before[i]);
  }
}

// "(7)(7)(7..." cut to `size` bytes, with the number `size`.
std::string numbered(size_t size) {
  const std::string one = "(" + std::to_string(size) + ")";
  std::string text;
  while (text.size() < size) text += one;
  text.resize(size);
  return text;
}

Bytes fill(char c, size_t size) { return Bytes::copy_of(std::string(size, c)); }

// A chain of owned, foreign and sliced segments.
Chain mixed(const std::string& text, uint32_t seed, std::vector<size_t>* boundaries = nullptr) {
  std::mt19937 random(seed);
  Chain chain;
  for (size_t at = 0; at < text.size();) {
    const size_t n = std::min<size_t>(1 + random() % 60, text.size() - at);
    const std::string piece = text.substr(at, n);
    switch (random() % 3) {
      case 0:
        chain.push_back(Bytes::copy_of(piece));
        break;
      case 1:
        chain.push_back(Bytes::from_owner(std::string(piece)));
        break;
      case 2:
        chain.push_back(Bytes::copy_of("<" + piece + ">").slice(1, n));
        break;
    }
    at += n;
    if (boundaries != nullptr) boundaries->push_back(at);
  }
  return chain;
}

// ---- A. Making, copying, moving ----

TEST(ChainCases, C001NewChainIsEmpty) {  // chain-C001
  const Chain chain;
  expect_reads(chain, "");
  EXPECT_EQ(chain.segments().begin(), chain.segments().end());
  ASSERT_TRUE(chain.try_flat());
  EXPECT_TRUE(chain.try_flat()->empty());
}

TEST(ChainCases, C002ForeignPieceWithoutBytesIsReleasedAtOnce) {  // chain-C002
  int released = 0;
  Chain chain(Bytes::with_release({}, [&]() noexcept { ++released; }));
  EXPECT_EQ(released, 1);
  expect_reads(chain, "");
  chain.push_back(Bytes::with_release({}, [&]() noexcept { ++released; }));
  EXPECT_EQ(released, 2);
  EXPECT_EQ(chain.segment_count(), 0u);
}

TEST(ChainCases, C003EverySizeReadsBack) {  // chain-C003
  for (size_t size = 0; size <= 9000; ++size) {
    const std::string text = numbered(size);
    const Chain chain(Bytes::copy_of(text));
    ASSERT_EQ(chain.size(), size);
    ASSERT_TRUE(chain == ByteView(text)) << size;
    if (size % 512 < 3 || size % 512 > 509) {
      in_each_form(chain, [&](Chain& c) { expect_reads(c, text); });
    }
  }
}

TEST(ChainCases, C004ReleaseGetsTheVeryPointerAndSize) {  // chain-C004
  for (size_t size = 1; size <= 2048; size *= 2) {
    const std::string text = letters(size);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    std::span<const std::byte> got;
    {
      const Chain chain(
          Bytes::with_release(bytes, [&](std::span<const std::byte> b) noexcept { got = b; }));
      in_each_form(chain, [&](Chain& c) { expect_reads(c, text); });
      EXPECT_EQ(got.data(), nullptr);
    }
    EXPECT_EQ(got.data(), bytes.data());
    EXPECT_EQ(got.size(), size);
  }
}

TEST(ChainCases, C005AssigningOneCopyLeavesTheOther) {  // chain-C005
  in_each_form(chain_of({"hi ", "there"}), [](Chain& x) {
    const Chain y = x;
    x = Chain(Bytes::copy_of("foo"));
    EXPECT_EQ(x, "foo");
    EXPECT_EQ(y, "hi there");
    EXPECT_TRUE(x < y);
    EXPECT_TRUE(x != y);
  });
}

TEST(ChainCases, C006MovedFromChainIsEmptyAndUsable) {  // chain-C006
  in_each_form(chain_of({"a", "bc", "def"}), [](Chain& x) {
    Chain z = std::move(x);
    expect_reads(z, "abcdef");
    expect_reads(x, "");  // NOLINT
    x.push_back(Bytes::copy_of("again"));
    expect_reads(x, "again");
  });
}

TEST(ChainCases, C009AssignsBetweenShortAndLong) {  // chain-C009
  const Chain shorts[] = {Chain(), Chain(Bytes::copy_of("s")), chain_of({"s", "t"})};
  const Chain longs[] = {cut_up(letters(50), 5), cut_up(letters(5000, 2), 5)};
  std::vector<Chain> all(std::begin(shorts), std::end(shorts));
  all.insert(all.end(), std::begin(longs), std::end(longs));
  for (const Chain& from : all) {
    for (const Chain& to : all) {
      in_each_form(to, [&](Chain& target) {
        const std::string text = from.to_string();
        target = from;
        expect_reads(target, text);
        Chain taken = from;
        target = std::move(taken);
        expect_reads(target, text);
      });
    }
  }
}

// ---- B. Append, prepend ----

TEST(ChainCases, C011AppendingNothingLeavesTheSegments) {  // chain-C011
  for (const Chain& chain : {Chain(), chain_of({"flat"}), cut_up(letters(30), 3)}) {
    in_each_form(chain, [](Chain& c) {
      const size_t segments = c.segment_count();
      const std::string text = c.to_string();
      c.push_copy("");
      c.push_back(Chain());
      c.push_back(Bytes());
      c.push_back(BytesBuilder().take());
      c.push_front(Chain());
      EXPECT_EQ(c.segment_count(), segments);
      expect_reads(c, text);
    });
  }
}

TEST(ChainCases, C012AppendedToItselfDoubles) {  // chain-C012
  in_each_form(chain_of({"Abc"}), [](Chain& d) {
    std::string text = "Abc";
    while (d.size() < 16384) {
      d.push_back(d);
      text += text;
      ASSERT_EQ(d.size(), text.size());
      ASSERT_TRUE(d == ByteView(text));
      d.check_invariants();
    }
  });
}

TEST(ChainCases, C014AppendToACopyLeavesTheSource) {  // chain-C014
  in_each_form(cut_up(letters(40), 9), [](Chain& s1) {
    Chain s2 = s1;
    s2.push_copy("x");
    EXPECT_EQ(s1.size(), 40u);
    EXPECT_EQ(s2.size(), 41u);
  });
}

TEST(ChainCases, C016AppendingToAndOfAnEmptyChain) {  // chain-C016
  in_each_form(cut_up(letters(40), 9), [](Chain& c) {
    Chain empty;
    empty.push_back(c);
    expect_reads(empty, letters(40));
    c.push_back(Chain());
    expect_reads(c, letters(40));
  });
}

TEST(ChainCases, C018PrependsInOrder) {  // chain-C018
  Chain chain;
  chain.push_front(Bytes::copy_of("A"));
  chain.push_front(Bytes::copy_of("B"));
  chain.push_front(chain_of({"C", "D"}));
  expect_reads(chain, "CDBA");
}

TEST(ChainCases, C019AllPairsOfLengthsAppendAndPrepend) {  // chain-C019
  std::vector<size_t> lengths;
  for (size_t n = 0; n < 30; ++n) lengths.push_back(n);
  for (const size_t around : {2043, 4087}) {
    for (size_t n = around - 3; n <= around + 3; ++n) lengths.push_back(n);
  }
  const std::string all = letters(5000);
  for (const size_t a : lengths) {
    for (const size_t b : lengths) {
      const std::string_view x(all.data(), a);
      const std::string_view y(all.data() + 500, b);
      for (int way = 0; way < 4; ++way) {
        Chain chain(Bytes::copy_of(x));
        switch (way) {
          case 0:
            chain.push_back(Chain(Bytes::copy_of(y)));
            break;
          case 1:
            chain.push_copy(y);
            break;
          case 2:
            chain.push_front(Chain(Bytes::copy_of(y)));
            break;
          case 3:
            chain.push_front(Bytes::copy_of(y));
            break;
        }
        const std::string wanted =
            way < 2 ? std::string(x) + std::string(y) : std::string(y) + std::string(x);
        ASSERT_TRUE(chain == ByteView(wanted)) << a << " " << b;
        ASSERT_EQ(chain.size(), a + b);
      }
    }
  }
}

TEST(ChainCases, C020GrowsTo128GiBWithoutOverflowOrMemory) {  // chain-C020
  const Bytes block = fill('q', size_t{128} << 10);
  const Chain from(block);
  Chain chain = from;
  const size_t wanted = size_t{128} << 30;
  while (chain.size() < wanted) {
    chain.push_back(chain);
    for (int i = 0; i < 4; ++i) chain.push_back(from);
  }
  EXPECT_EQ(chain.size() % block.size(), 0u);
  EXPECT_EQ(static_cast<char>(chain[chain.size() - 1]), 'q');
  EXPECT_EQ(static_cast<char>(chain[chain.size() / 3]), 'q');
  EXPECT_EQ(chain.locate(chain.size() - 1),
            (SegmentPosition{chain.segment_count() - 1, block.size() - 1}));
  EXPECT_LE(chain.retained_size(), size_t{128} << 20);
  chain.check_invariants();
}

TEST(ChainCases, C021AppendingWhatWasEmptied) {  // chain-C021
  Counted counted;
  Chain original(counted.bytes("zzzzzzzzzz"));
  Chain s = original;
  s.consume(10);
  Chain r;
  r.push_back(s);
  expect_reads(s, "");
  expect_reads(r, "");
}

TEST(ChainCases, C022EmptiedFromBothSidesAndJoined) {  // chain-C022
  in_each_form(chain_of({"01234", "56789"}), [](Chain& c) {
    Chain p = c;
    p.remove_suffix(10);
    Chain s = c;
    s.consume(10);
    Chain q = p;
    q.push_back(s);
    expect_reads(q, "");
  });
}

TEST(ChainCases, C023ReplacingEverythingKeepsTheSize) {  // chain-C023
  const std::string block = letters(30, 9);
  in_each_form(cut_up(letters(30), 7), [&](Chain& blob) {
    Chain result = blob.slice(0, 0);
    result.push_back(Bytes::copy_of(block));
    result.push_back(blob.slice(30, 0));
    expect_reads(result, block);
    splice(blob, 0, 30, Chain(Bytes::copy_of(block)));
    expect_reads(blob, block);
  });
}

TEST(ChainCases, C024AMillionSegmentsSplitAndJoinedAThousandTimes) {  // chain-C024
  const Bytes kibibyte = fill('k', 1024);
  Chain chain;
  for (int i = 0; i < 1000000; ++i) chain.push_back(kibibyte);
  size_t size = chain.size();
  std::mt19937 random(24);
#if defined(__OPTIMIZE__)
  const int rounds = BIGHT_HAS_ASAN || BIGHT_HAS_TSAN ? 100 : 1000;
#else
  const int rounds = 100;  // a build that counts lines takes minutes for a thousand
#endif
  for (int i = 0; i < rounds; ++i) {
    const size_t length = 100 + random() % 924;
    const size_t at =
        ((static_cast<size_t>(random()) << 16) ^ static_cast<size_t>(random())) % (size - 1024);
    const Bytes piece = kibibyte.slice(0, length);
    if (i % 2 == 0) {
      Chain back = chain.split_off(at);
      back.consume(length);
      chain.push_back(piece);
      chain.push_back(std::move(back));
    } else {
      splice(chain, at, length, Chain(piece));
    }
    ASSERT_EQ(chain.size(), size);
    ASSERT_EQ(static_cast<char>(chain[at]), 'k');
  }
  EXPECT_LE(chain.segment_count(), 1000000u + 2u * 1000u);
  EXPECT_LE(Access::table_capacity(chain), uint32_t{1} << 21);
  chain.check_invariants();
}

TEST(ChainCases, C025FilledBuilderIsMovedInAndUsableAgain) {  // chain-C025
  Chain chain = chain_of({"head "});
  BytesBuilder builder;
  builder.append("built");
  chain.push_back(builder.take());
  EXPECT_EQ(builder.size(), 0u);
  builder.append(" again");
  chain.push_back(builder.take());
  expect_reads(chain, "head built again");
}

TEST(ChainCases, C027TwoBuffersAreTwoSegmentsInOrderAndNotCopied) {  // chain-C027
  const Bytes ones = fill('1', 700);
  const Bytes twos = fill('2', 1000);
  const CopyAudit audit;
  Chain chain;
  chain.push_back(ones);
  chain.push_back(twos);
  EXPECT_EQ(chain.segment_count(), 2u);
  EXPECT_EQ(chain.segment(0).data(), ones.data());
  EXPECT_EQ(chain.segment(1).data(), twos.data());
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(ChainCases, C029TailCapacityIsTakenBackOnlyFromASoleTail) {  // chain-C029
  // A sole tail with room: out of the chain, into a builder, on with its bytes in place.
  BytesBuilder builder(100);
  builder.append("tail");
  Chain chain = chain_of({"one", "two", "three"});
  chain.push_back(std::move(builder).freeze());
  const std::byte* const place = chain.segment(3).data();
  const auto take_tail = [](Chain& c) {
    const size_t last = c.segment(c.segment_count() - 1).size();
    Bytes tail = c.split_off(c.size() - last).pop();
    return tail;
  };
  Bytes tail = take_tail(chain);
  expect_reads(chain, "onetwothree");
  auto again = std::move(tail).try_into_builder();
  ASSERT_TRUE(again);
  EXPECT_GE(again->spare(), 96u);
  again->append(" goes on");
  chain.push_back(std::move(*again).freeze());
  EXPECT_EQ(chain.segment(3).data(), place);
  expect_reads(chain, "onetwothreetail goes on");
  // Shared: refused, and what was taken is whole.
  const Chain copy = chain;
  Bytes shared = take_tail(chain);
  EXPECT_FALSE(std::move(shared).try_into_builder());
  EXPECT_EQ(shared, "tail goes on");  // NOLINT
  expect_reads(copy, "onetwothreetail goes on");
}

// ---- C. Slice, drop ----

TEST(ChainCases, C031AllRangesOverABoundaryGrid) {  // chain-C031
  const std::string text = letters(1024);
  std::vector<size_t> grid;
  for (size_t i = 0; i <= 1024 / 32; ++i) {
    for (const size_t place : {32 * i - 1, 32 * i, 32 * i + 1}) {
      if (place <= 1024) grid.push_back(place);
    }
  }
  for (const size_t i : {0, 1, 2, 3, 7}) grid.insert(grid.end(), {i, 1024 - i});
  in_each_form(mixed(text, 31), [&](Chain& c) {
    for (const size_t from : grid) {
      for (const size_t to : grid) {
        if (to < from) continue;
        const Chain slice = c.slice(from, to - from);
        ASSERT_TRUE(slice == ByteView(std::string_view(text).substr(from, to - from)));
        slice.check_invariants();
      }
    }
  });
}

TEST(ChainCases, C032SlicesOfSlices) {  // chain-C032
  const std::string text = letters(600);
  in_each_form(mixed(text, 32), [&](Chain& c) {
    std::string_view left = text;
    while (c.size() > 1) {
      c = c.slice(1, c.size() - 2);
      left = left.substr(1, left.size() - 2);
      c.check_invariants();
      ASSERT_TRUE(c == ByteView(left));
    }
  });
}

TEST(ChainCases, C034SliceBehindTheEndIsRefused) {  // chain-C034: ours refuses, never clamps
  in_each_form(cut_up(letters(20), 6), [](Chain& c) {
    EXPECT_FALSE(c.try_slice(20, 1));
    EXPECT_FALSE(c.try_slice(21, 1));
    EXPECT_FALSE(c.try_slice(21, 0));
    EXPECT_TRUE(c.try_slice(20, 0)->empty());
    EXPECT_DEATH((void)c.slice(20, 1), "slice\\(20, 1\\) of 20 bytes");
  });
}

TEST(ChainCases, C035EverySliceOfAShortChain) {  // chain-C035
  const std::string text = "short";
  for (const Chain& chain : {chain_of({"short"}), chain_of({"sh", "ort"})}) {
    in_each_form(chain, [&](Chain& c) {
      for (size_t p = 0; p <= 5; ++p) {
        for (size_t n = 0; n <= 5 - p; ++n) expect_reads(c.slice(p, n), text.substr(p, n));
      }
    });
  }
}

TEST(ChainCases, C036DropsFromTheBackOfAForeignSegment) {  // chain-C036
  Counted counted;
  in_each_form(Chain(counted.bytes("foo bar baz")), [](Chain& c) {
    c.remove_suffix(4);
    expect_reads(c, "foo bar");
    c.remove_suffix(4);
    expect_reads(c, "foo");
  });
}

TEST(ChainCases, C037AppendedAndDroppedAgain) {  // chain-C037
  in_each_form(Chain(fill('x', 100)), [](Chain& c) {
    const Chain o = c;
    c.push_back(fill('y', 200));
    c.remove_suffix(200);
    expect_reads(c, std::string(100, 'x'));
    expect_reads(o, std::string(100, 'x'));
    EXPECT_EQ(c.segment_count(), o.segment_count());
  });
}

TEST(ChainCases, C038DroppingAllLeavesAUsableChain) {  // chain-C038
  for (const bool front : {true, false}) {
    in_each_form(cut_up(letters(50), 7), [&](Chain& c) {
      front ? c.consume(50) : c.remove_suffix(50);
      expect_reads(c, "");
      c.push_back(Bytes::copy_of("again"));
      expect_reads(c, "again");
    });
  }
}

TEST(ChainCases, C039DroppingMoreThanThereIsStopsTheProgram) {  // chain-C039
  in_each_form(cut_up(letters(50), 7), [](Chain& c) {
    EXPECT_DEATH(c.consume(51), "consume\\(51\\) of 50 bytes");
    EXPECT_DEATH(c.remove_suffix(51), "remove_suffix\\(51\\) of 50 bytes");
  });
}

TEST(ChainCases, C040DropsAtBothEndsOfMixedSegments) {  // chain-C040
  Counted counted;
  Chain chain;
  chain.push_back(Bytes::copy_of("a string of ours, "));
  chain.push_back(counted.bytes("a foreign one, "));
  chain.push_back(Bytes::copy_of("xx and a slicexx").slice(2, 12));
  const std::string text = chain.to_string();
  in_each_form(chain, [&](Chain& c) {
    for (size_t offset = 0; offset <= text.size(); ++offset) {
      for (size_t length = 0; length <= text.size() - offset; ++length) {
        Chain part = c;
        part.consume(offset);
        part.remove_suffix(text.size() - offset - length);
        ASSERT_TRUE(part == ByteView(std::string_view(text).substr(offset, length)));
      }
    }
  });
}

TEST(ChainCases, C041DroppingFromACopyLeavesTheChain) {  // chain-C041
  const std::string text = letters(100);
  in_each_form(cut_up(text, 9), [&](Chain& c) {
    for (size_t n = 0; n <= 100; ++n) {
      Chain d = c;
      d.consume(n);
      ASSERT_TRUE(d == ByteView(std::string_view(text).substr(n)));
      ASSERT_TRUE(c == ByteView(text));
    }
  });
}

TEST(ChainCases, C042bASmallSliceKeepsTheForeignBlock) {  // chain-C042b: nothing is copied
  Counted counted;
  Chain parent(counted.bytes(letters(1000)));
  Chain slice = parent.slice(3, 15);
  parent.clear();
  EXPECT_EQ(counted.released(), 0);
  expect_reads(slice, letters(1000).substr(3, 15));
  slice.clear();
  EXPECT_EQ(counted.released(), 1);
}

TEST(ChainCases, C043SegmentIsReleasedWithItsLastByte) {  // chain-C043
  for (const size_t first : {1000, 999}) {
    Counted counted;
    Chain chain(counted.bytes(std::string(1000, 'a')));
    chain.push_back(fill('b', 1000));
    chain.consume(first);
    EXPECT_EQ(counted.released(), first == 1000 ? 1 : 0);
    chain.consume(1);
    EXPECT_EQ(counted.released(), 1);
  }
}

// ---- D. Flat views ----

TEST(ChainCases, C045SliceOfExactlyOneSegmentIsThatSegment) {  // chain-C045
  in_each_form(cut_up(letters(50), 10), [](Chain& c) {
    size_t at = 0;
    for (size_t i = 0; i < c.segment_count(); ++i) {
      const std::span<const std::byte> bytes = c.segment(i);
      const Chain slice = c.slice(at, bytes.size());
      ASSERT_TRUE(slice.try_flat());
      EXPECT_EQ(slice.try_flat()->data(), bytes.data());
      EXPECT_EQ(slice.try_flat()->size(), bytes.size());
      at += bytes.size();
    }
    while (!c.empty()) {
      const std::byte* const data = c.front().data();
      const Chain cut = c.split_to(c.front().size());
      ASSERT_TRUE(cut.try_flat());
      EXPECT_EQ(cut.try_flat()->data(), data);
    }
  });
}

TEST(ChainCases, C048FlatteningACopyLeavesTheSegments) {  // chain-C048
  in_each_form(cut_up(letters(50), 10), [](Chain& c) {
    const size_t segments = c.segment_count();
    Chain d = c;
    d.pull_up(50);
    EXPECT_EQ(d.segment_count(), 1u);
    const Bytes flat = c.flatten();
    EXPECT_EQ(flat, ByteView(letters(50)));
    EXPECT_EQ(c.segment_count(), segments);
  });
}

// ---- E. Compare, hash ----

TEST(ChainCases, C052And053ComparesAsStringsDo) {  // chain-C052 chain-C053
  std::mt19937 random(53);
  const auto piece = [&] {
    return std::string(random() % 4 == 0 ? 0 : random() % 256, static_cast<char>(random() % 3));
  };
  for (int round = 0; round < 5000; ++round) {
    Chain a;
    Chain b;
    std::string x;
    std::string y;
    for (size_t i = random() % 5; i != 0; --i) {
      const std::string more = piece();
      a.push_copy(more);
      x += more;
      // Often the same bytes with other cuts.
      if (random() % 4 != 0) {
        const size_t cut = random() % (more.size() + 1);
        b.push_copy(more.substr(0, cut));
        b.push_copy(more.substr(cut));
        y += more;
      }
    }
    for (size_t i = random() % 2; i != 0; --i) {
      const std::string more = piece();
      b.push_copy(more);
      y += more;
    }
    const std::strong_ordering wanted = x.compare(y) <=> 0;
    ASSERT_EQ(a <=> b, wanted);
    ASSERT_EQ(b <=> a, 0 <=> wanted);
    ASSERT_EQ(a == b, x == y);
  }
}

TEST(ChainCases, C054NoStaleBytesTakePartInComparison) {  // chain-C054
  in_each_form(chain_of({"longer value"}), [](Chain& a) {
    Chain b = chain_of({"other", " value ", "before"});
    a = chain_of({"cccccc"});
    b = chain_of({"ccc", "ccc"});
    EXPECT_TRUE(a == b);
    EXPECT_EQ(a.hash(), b.hash());
    a.clear();
    b.consume(6);
    EXPECT_TRUE(a == b);
    EXPECT_EQ(a.hash(), b.hash());
  });
}

TEST(ChainCases, C055HashDoesNotDependOnTheCuts) {  // chain-C055
  const std::string text = letters(1200);
  const auto cut = [&](std::initializer_list<size_t> sizes) {
    Chain chain;
    size_t at = 0;
    for (const size_t size : sizes) {
      chain.push_copy(text.substr(at, size));
      at += size;
    }
    return chain.hash();
  };
  EXPECT_EQ(cut({600, 600}), cut({1200}));
  EXPECT_EQ(cut({1023, 1}), cut({1024}));
  EXPECT_EQ(cut({1023, 1, 1}), cut({1025}));
  EXPECT_NE(cut({1024}), cut({1025}));
}

TEST(ChainCases, C056ComparesWithEverythingOnEitherSide) {  // chain-C056
  in_each_form(chain_of({"m", "id", "dle"}), [](Chain& c) {
    const std::string equal = "middle";
    const std::string_view less = "mid";
    EXPECT_TRUE(c == equal && equal == c && !(c != equal) && !(equal != c));
    EXPECT_TRUE(c > less && less < c && c >= less && less <= c && c != less);
    EXPECT_TRUE(c < "muddle" && "muddle" > c && "middle" == c && c <= "middle");
    const Bytes bytes = Bytes::copy_of("middles");
    EXPECT_TRUE(c < bytes && bytes > c && c != bytes && bytes >= c);
    const Chain chain = chain_of({"middl", "d"});
    EXPECT_TRUE(c > chain && chain < c && (c <=> chain) > 0 && (chain <=> c) < 0);
    EXPECT_TRUE((c <=> equal) == 0 && (equal <=> c) == 0 && ("a" <=> c) < 0);
  });
}

TEST(ChainCases, C057ACopyOfAMillionSegmentsIsEqualWithoutReading) {  // chain-C057
  Chain chain;
  for (uintptr_t i = 1; i <= 1000000; ++i) {
    // At addresses that cannot be read.
    chain.push_back(
        Bytes::from_static_unchecked(ByteView(reinterpret_cast<const void*>(i * 16), 8)));
  }
  const Chain copy = chain;
  EXPECT_TRUE(copy == chain);
}

// ---- F. Search ----

Chain haystack() { return chain_of({"this", " ", "is", " ", "a", " ", "fragmented", " ", "cord"}); }

TEST(ChainCases, C060SearchInAnEmptyChain) {  // chain-C060
  EXPECT_EQ(Chain().find(""), 0u);
  EXPECT_EQ(Chain().find("x"), std::nullopt);
}

TEST(ChainCases, C061NeedleLongerThanTheChain) {  // chain-C061
  in_each_form(haystack(), [](Chain& c) {
    EXPECT_EQ(c.find(ByteView(c.to_string() + "s")), std::nullopt);
    EXPECT_EQ(c.find(ByteView(letters(5000))), std::nullopt);
  });
}

TEST(ChainCases, C062FragmentedNeedlesAndDelimiters) {  // chain-C062b chain-C062c
  in_each_form(haystack(), [](Chain& c) {
    EXPECT_EQ(c.find(chain_of({"is", " ", "a"})), 5u);
    EXPECT_EQ(c.find("is a"), 5u);
    EXPECT_EQ(c.find("cord"), 21u);
  });
  in_each_form(chain_of({"a", "\r", "\n"}), [](Chain& c) { EXPECT_EQ(c.find("\r\n"), 1u); });
}

TEST(ChainCases, C063FalseStartsAcrossSegments) {  // chain-C063
  in_each_form(chain_of({"aaa", "aa", "b"}), [](Chain& c) { EXPECT_EQ(c.find("aaab"), 2u); });
}

TEST(ChainCases, C064NeedleIsTheWholeChain) {  // chain-C064
  in_each_form(haystack(), [](Chain& c) {
    EXPECT_EQ(c.find(ByteView(c.to_string())), 0u);
    EXPECT_EQ(c.find(c), 0u);
  });
}

// ---- G. Iteration ----

TEST(ChainCases, C065SegmentsAreNeverEmpty) {  // chain-C065
  for (const shapes::Kind kind : shapes::all()) {
    const shapes::Shape shape = shapes::make(kind);
    std::string text;
    for (const std::span<const std::byte> bytes : shape.chain.segments()) {
      EXPECT_FALSE(bytes.empty());
      text += ByteView(bytes).view();
    }
    EXPECT_EQ(text, shape.text);
    EXPECT_EQ(shape.chain.segments().begin() == shape.chain.segments().end(), text.empty());
  }
}

TEST(ChainCases, C069AdvancingTheEndByNothingStaysThere) {  // chain-C069
  in_each_form(haystack(), [](Chain& c) {
    EXPECT_EQ(c.segments().end() + 0, c.segments().end());
    EXPECT_EQ(c.locate(c.size()), (SegmentPosition{c.segment_count(), 0}));
  });
}

TEST(ChainCases, C070RestOfTheSegmentAtEveryByte) {  // chain-C070
  in_each_form(haystack(), [](Chain& c) {
    size_t start = 0;
    for (size_t i = 0; i < c.segment_count(); ++i) {
      for (size_t k = 0; k < c.segment(i).size(); ++k) {
        ASSERT_EQ(c.locate(start + k), (SegmentPosition{i, k}));
        std::array<std::span<const std::byte>, 1> rest;
        ASSERT_EQ(c.fill_spans(rest, start + k).count, 1u);
        ASSERT_EQ(rest[0].data(), c.segment(i).data() + k);
        ASSERT_EQ(rest[0].size(), c.segment(i).size() - k);
      }
      start += c.segment(i).size();
    }
  });
}

TEST(ChainCases, C071And072CutsOfEverySizeUpToTheEnd) {  // chain-C071 chain-C072
  const std::string text = letters(6 * 2500);
  for (const size_t n : {150, 1500, 2500, 3000}) {
    in_each_form(cut_up(text, 2500), [&](Chain& c) {
      size_t done = 0;
      while (!c.empty()) {
        const Chain cut = c.split_to(std::min(n, c.size()));
        ASSERT_TRUE(cut == ByteView(std::string_view(text).substr(done, n)));
        done += cut.size();
        ASSERT_EQ(done + c.size(), text.size());
        cut.check_invariants();
      }
      EXPECT_EQ(done, text.size());
    });
  }
}

TEST(ChainCases, C073CutPastTheEndIsRefused) {  // chain-C073
  in_each_form(haystack(), [](Chain& c) {
    EXPECT_FALSE(c.try_split_to(26));
    EXPECT_EQ(c.size(), 25u);
    EXPECT_DEATH((void)c.split_to(26), "split_to\\(26\\) of 25 bytes");
  });
}

TEST(ChainCases, C074AdvancingACopyOfAnIteratorLeavesTheOriginal) {  // chain-C074
  const Chain chain = haystack();
  const bight::SegmentIterator original = chain.segments().begin();
  bight::SegmentIterator copy = original;
  ++copy;
  copy += 3;
  EXPECT_EQ(original, chain.segments().begin());
  EXPECT_EQ(copy - original, 4);
  EXPECT_TRUE(ByteView(*original) == "this");
  EXPECT_TRUE(ByteView(*copy) == "a");
}

// ---- H. Copying out ----

TEST(ChainCases, C077AppendsToAReservedString) {  // chain-C077
  in_each_form(haystack(), [](Chain& c) {
    std::string text = "prefix: ";
    text.reserve(100);
    const char* const place = text.data();
    c.append_to(text);
    EXPECT_EQ(text, "prefix: this is a fragmented cord");
    EXPECT_EQ(text.data(), place);
  });
}

TEST(ChainCases, C078CopiesToSpansOfAnySize) {  // chain-C078
  in_each_form(haystack(), [](Chain& c) {
    const std::string text = c.to_string();
    for (const size_t room : {size_t{25}, size_t{35}, size_t{12}, size_t{0}}) {
      std::string to(room, '.');
      const size_t n = c.copy_to(std::as_writable_bytes(std::span(to)));
      EXPECT_EQ(n, std::min<size_t>(room, 25));
      EXPECT_EQ(to, text.substr(0, n) + std::string(room - n, '.'));
    }
  });
}

struct Sink {
  void Append(std::string_view text) { all += text; }
  std::string all;
};

TEST(ChainCases, C079StreamsAndStringifiesWithoutSeparators) {  // chain-C079
  in_each_form(haystack(), [](Chain& c) {
    std::ostringstream out;
    out << c;
    EXPECT_EQ(out.str(), "this is a fragmented cord");
    Sink sink;
    AbslStringify(sink, c);
    EXPECT_EQ(sink.all, "this is a fragmented cord");
  });
}

// ---- I. External owners ----

TEST(ChainCases, C080ReleasedWithTheLastCopy) {  // chain-C080
  Counted counted;
  Chain a(counted.bytes("foreign"));
  Chain b = a;
  a.clear();
  EXPECT_EQ(counted.released(), 0);
  b.clear();
  EXPECT_EQ(counted.released(), 1);
}

TEST(ChainCases, C081ReleaseGetsTheWholeEvenIfASliceWasLast) {  // chain-C081
  const std::string text = letters(100);
  std::span<const std::byte> got;
  Chain last;
  {
    Chain chain(Bytes::with_release(std::as_bytes(std::span(text)),
                                    [&](std::span<const std::byte> b) noexcept { got = b; }));
    last = chain.slice(40, 3);
  }
  EXPECT_EQ(got.data(), nullptr);
  last.clear();
  EXPECT_EQ(static_cast<const void*>(got.data()), text.data());
  EXPECT_EQ(got.size(), 100u);
}

int function_calls = 0;
void release_function(std::span<const std::byte>) noexcept { ++function_calls; }

TEST(ChainCases, C082EveryKindOfReleaseFunction) {  // chain-C082
  static const std::string text = "text";
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  int calls = 0;
  function_calls = 0;
  {
    Chain chain;
    chain.push_back(Bytes::with_release(bytes, &release_function));
    chain.push_back(Bytes::with_release(bytes, release_function));
    auto lambda = [&calls]() noexcept { ++calls; };
    chain.push_back(Bytes::with_release(bytes, lambda));
    const auto& reference = lambda;
    chain.push_back(Bytes::with_release(bytes, reference));
    chain.push_back(Bytes::with_release(
        bytes, [&calls, only = std::make_unique<int>(1)]() noexcept { calls += *only; }));
    chain.push_back(Bytes::with_release(
        bytes, [&calls](std::span<const std::byte>) mutable noexcept { ++calls; }));
    std::array<char, 256> state{};
    state[255] = 1;
    chain.push_back(
        Bytes::with_release(bytes, [&calls, state]() noexcept { calls += state[255]; }));
    EXPECT_EQ(calls, 0);
  }
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(function_calls, 2);
}

TEST(ChainCases, C083ReleaseFunctionIsMovedCalledAsRvalueAndDestroyed) {  // chain-C083
  struct Hook {
    int* copies;
    int* rvalue_calls;
    std::shared_ptr<int> alive;
    Hook(int* c, int* r, std::shared_ptr<int> a) : copies(c), rvalue_calls(r), alive(a) {}
    Hook(const Hook& other)
        : copies(other.copies), rvalue_calls(other.rvalue_calls), alive(other.alive) {
      ++*copies;
    }
    Hook(Hook&&) noexcept = default;
    void operator()() && noexcept { ++*rvalue_calls; }
  };
  static const std::string text = "text";
  int copies = 0;
  int calls = 0;
  auto alive = std::make_shared<int>(0);
  {
    const Chain chain(
        Bytes::with_release(std::as_bytes(std::span(text)), Hook(&copies, &calls, alive)));
    EXPECT_EQ(alive.use_count(), 2);
    const Chain copy = chain;
  }
  EXPECT_EQ(copies, 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(alive.use_count(), 1);
}

// ---- J. Checksums (ours: the hash, computed and never kept), memory ----

TEST(ChainCases, C087To089HashFollowsTheBytes) {  // chain-C087 chain-C088 chain-C089
  in_each_form(cut_up(letters(60), 7), [](Chain& c) {
    const Chain copy = c;
    const uint64_t hash = c.hash();
    c.push_copy("x");
    EXPECT_NE(c.hash(), hash);
    EXPECT_EQ(copy.hash(), hash);
    c.remove_suffix(1);
    EXPECT_EQ(c.hash(), hash);
    EXPECT_NE(c.slice(1, 59).hash(), hash);
    EXPECT_EQ(c.slice(0, 60).hash(), hash);
  });
  Chain empty;
  EXPECT_EQ(empty.hash(), Bytes().hash());
  empty.push_back(Bytes::from_owner(std::string(600, 'r')));
  EXPECT_EQ(empty.hash(), fill('r', 600).hash());
}

TEST(ChainCases, C090EmptyAndInlineChainsTakeNoMemoryOfTheirOwn) {  // chain-C090
  EXPECT_EQ(Chain().retained_size(), 0u);
  const Bytes a = fill('a', 10);
  const Bytes b = fill('b', 10);
  Chain chain(a);
  chain.push_back(b);
  EXPECT_EQ(chain.retained_size(), a.retained_size() + b.retained_size());
}

TEST(ChainCases, C091ABufferThatIsThereTwiceCountsOnce) {  // chain-C091
  const Bytes a = fill('a', 5000);
  Chain chain(a);
  chain.push_back(a);
  EXPECT_EQ(chain.retained_size(), a.retained_size());
}

// ---- R. Those reader and writer cases that are about chains ----

TEST(ChainCases, R15PushFrontWritesBackwards) {  // chain-R15
  Chain chain;
  for (const std::string_view piece : {"c", "b", "a"}) chain.push_front(Bytes::copy_of(piece));
  expect_reads(chain, "abc");
}

TEST(ChainCases, R16TruncateLeavesTheGivenSize) {  // chain-R16
  in_each_form(cut_up(letters(2000), 300), [](Chain& c) {
    c.truncate(1000);
    expect_reads(c, letters(2000).substr(0, 1000));
  });
}

TEST(ChainCases,
     R20NothingIsMergedByCopying) {  // chain-R20: ours copies no neighbour, however tiny
  const CopyAudit audit;
  for (const auto& [a, b] : {std::pair<size_t, size_t>{300, 300}, {511, 511}, {512, 100}}) {
    Chain chain(Bytes::from_owner(std::string(a, 'a')));
    chain.push_back(Bytes::from_owner(std::string(b, 'b')));
    EXPECT_EQ(chain.segment_count(), 2u);
    EXPECT_EQ(chain.size(), a + b);
  }
  EXPECT_EQ(audit.thread().copied, 0u);
  // Builders do it: adjacent tails of one block are one segment.
  ChainBuilder builder;
  builder.append(letters(300));
  Chain chain = builder.take();
  builder.append(letters(300));
  chain.push_back(builder.take());
  EXPECT_EQ(chain.segment_count(), 1u);
}

TEST(ChainCases, R21SixteenBytesAreOneInlineSegment) {  // chain-R21
  in_each_form(chain_of({"0123456789abcdef"}), [](Chain& c) {
    EXPECT_EQ(c.segment_count(), 1u);
    EXPECT_TRUE(c.try_flat());
    c.consume(3);
    expect_reads(c, "3456789abcdef");
  });
  EXPECT_TRUE(Access::is_inline(chain_of({"0123456789abcdef"})));
}

TEST(ChainCases, R23AppendedTwiceThenItself) {  // chain-R23
  Chain chain;
  for (const char c : {'a', 'b', 'd'}) chain.push_back(fill(c, 600));
  const std::string text = chain.to_string();
  Chain all;
  all.push_back(chain);
  all.push_back(chain);
  EXPECT_EQ(all.segment_count(), 6u);
  all.push_back(all);
  EXPECT_EQ(all.size(), 7200u);
  expect_reads(all, text + text + text + text);
}

TEST(ChainCases, R24Locates) {  // chain-R24
  Chain chain;
  for (const char c : {'a', 'b', 'd'}) chain.push_back(fill(c, 600));
  EXPECT_EQ(chain.locate(601), (SegmentPosition{1, 1}));
  EXPECT_EQ(chain.locate(1800), (SegmentPosition{3, 0}));
}

TEST(ChainCases, R25ComparesByBytesOnly) {  // chain-R25
  const std::string text = letters(700);
  in_each_form(cut_up(text, 13), [&](Chain& c) {
    for (const size_t each : {1, 7, 350, 700}) {
      EXPECT_TRUE(c == cut_up(text, each));
      EXPECT_TRUE((c <=> cut_up(text, each)) == 0);
      EXPECT_TRUE(c < cut_up(text + "a", each));
    }
  });
}

// ---- X ----

TEST(ChainCases, X01SplitAnywhereAndJoinedAgain) {  // chain-X01
  const std::string text = letters(60);
  const Bytes block = Bytes::copy_of(text);
  Chain sliced;
  for (size_t i = 0; i < 60; i += 10) sliced.push_back(block.slice(i, 10));
  EXPECT_EQ(sliced.segment_count(), 1u);
  for (const Chain& chain : {sliced, cut_up(text, 7)}) {
    for (size_t i = 0; i <= 60; ++i) {
      in_each_form(chain, [&](Chain& c) {
        const CopyAudit audit;
        const size_t segments = c.segment_count();
        Chain front = c.split_to(i);
        front.push_back(std::move(c));
        EXPECT_EQ(audit.thread().copied, 0u);
        expect_reads(front, text);
        if (segments == 1) {
          EXPECT_EQ(front.segment_count(), 1u);
        }
      });
    }
  }
}

TEST(ChainCases, X02GathersIntoAnyNumberOfEntries) {  // chain-X02
  const std::string text = letters(5000);
  const Chain chain = cut_up(text, 2);
  for (const size_t k : {1, 2, 3, 1024}) {
    std::vector<iovec> entries(k);
    const CopyAudit audit;
    const bight::GatherFill fill = chain.fill_iovec(entries);
    EXPECT_EQ(audit.thread(), bight::CopyCounts{});
    EXPECT_EQ(fill.count, k);
    EXPECT_EQ(fill.bytes, 2 * k);
    std::string got;
    for (const iovec& entry : entries) {
      got.append(static_cast<const char*>(entry.iov_base), entry.iov_len);
    }
    EXPECT_EQ(got, text.substr(0, 2 * k));
  }
}

TEST(ChainCases, X05WritableOnlyWhenAlone) {  // chain-X05
  Chain chain = chain_of({"one", "two", "three", "four"});
  ASSERT_TRUE(chain.try_mutable(2));
  EXPECT_EQ(chain.try_mutable(2)->size(), 5u);
  Chain copy = chain;
  EXPECT_FALSE(chain.try_mutable(2));
  copy.clear();
  Chain slice = chain.slice(4, 5);  // "wo" and "thr"
  EXPECT_FALSE(slice.try_mutable(0));
  chain.clear();
  ASSERT_TRUE(slice.try_mutable(1));
  EXPECT_TRUE(ByteView(*slice.try_mutable(1)) == "thr");
}

TEST(ChainCases, X08NothingIsCopied) {  // chain-X08
  const std::string text = letters(3000);
  Chain c = cut_up(text, 50);
  const CopyAudit audit;
  Chain copy = c;
  Chain front = copy.split_to(777);
  front.push_back(copy.slice(10, 500));
  splice(copy, 100, 333, front);
  std::array<iovec, 100> entries;
  (void)copy.fill_iovec(entries);
  (void)copy.try_mutable(0);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
  (void)copy.flatten();
  EXPECT_EQ(audit.thread().copied, copy.size());  // it says so
}

// ---- Cases of other files that run over chains ----

TEST(BufferCases, B01To03ConsumesWhatThereIs) {  // buf-B01 buf-B02 buf-B03
  Chain chain;
  EXPECT_EQ(chain.consume_up_to(1), 0u);
  EXPECT_FALSE(chain.try_remove_suffix(1));
  EXPECT_FALSE(chain.try_split_to(5));
  chain.push_copy("hello");
  EXPECT_EQ(chain.consume_up_to(0), 0u);
  EXPECT_EQ(chain.consume_up_to(1), 1u);
  expect_reads(chain, "ello");
  EXPECT_EQ(chain.consume_up_to(static_cast<size_t>(-1)), 4u);
  expect_reads(chain, "");
  ChainBuilder builder;
  const std::string text = letters(98304);
  builder.append(text);
  chain = builder.take();
  chain.consume(1);
  chain.remove_suffix(1);
  expect_reads(chain, std::string_view(text).substr(1, text.size() - 2));
  EXPECT_EQ(chain.consume_up_to(static_cast<size_t>(-1)), text.size() - 2);
}

TEST(BufferCases, B04NothingAddsNoSegment) {  // buf-B04
  int released = 0;
  Chain chain;
  chain.push_copy("");
  chain.push_copy(ByteView(static_cast<const void*>(nullptr), 0));
  chain.push_back(Bytes::with_release({}, [&]() noexcept { ++released; }));
  chain.push_back(Chain());
  const Chain empty;
  chain.push_back(empty);
  expect_reads(chain, "");
  EXPECT_EQ(released, 1);
}

TEST(BufferCases, B05SeveralAppendsAreAsOne) {  // buf-B05
  const std::string text = letters(6 + 7 + 3 * 4096);
  ChainBuilder parts;
  parts.append(text.substr(0, 6));
  parts.append(text.substr(6, 7));
  parts.append(text.substr(13));
  ChainBuilder whole;
  whole.append(text);
  const Chain a = parts.take();
  const Chain b = whole.take();
  expect_reads(a, text);
  EXPECT_LE(a.segment_count(), b.segment_count() + 1);
}

TEST(BufferCases, B09SwapsAlsoWithItself) {  // buf-B09
  in_each_form(cut_up(letters(40), 7), [](Chain& a) {
    Chain b = chain_of({"other"});
    swap(a, b);
    expect_reads(a, "other");
    expect_reads(b, letters(40));
    Chain& same = b;
    b.swap(same);
    expect_reads(b, letters(40));
  });
}

TEST(BufferCases, B10ChangingACopyLeavesTheOriginal) {  // buf-B10
  in_each_form(cut_up(letters(40), 7), [](Chain& c) {
    Chain copy = c;
    copy.push_copy("x");
    copy.consume(9);
    copy.push_front(Bytes::copy_of("y"));
    expect_reads(c, letters(40));
    Chain& same = c;
    c = same;
    expect_reads(c, letters(40));
  });
}

TEST(BufferCases, V05EmptyShareInFrontIsNotThere) {  // buf-V05 buf-E05
  int released = 0;
  Chain chain(Bytes::with_release({}, [&]() noexcept { ++released; }));
  chain.push_copy("data");
  EXPECT_EQ(chain.split_to(1), "d");
  EXPECT_EQ(released, 1);
  EXPECT_EQ(chain.pop(), "ata");
}

TEST(BufferCases, B11CutsOfAShareKeepItUntilTheLast) {  // buf-B11
  const std::string text = letters(4096);
  std::span<const std::byte> got;
  int released = 0;
  Chain chain(Bytes::with_release(std::as_bytes(std::span(text)),
                                  [&](std::span<const std::byte> b) noexcept {
                                    ++released;
                                    got = b;
                                  }));
  std::vector<Chain> cuts;
  for (int i = 0; i < 256; ++i) cuts.push_back(chain.split_to(16));
  EXPECT_TRUE(chain.empty());
  while (cuts.size() > 1) cuts.erase(cuts.begin() + static_cast<ptrdiff_t>(cuts.size() / 2));
  EXPECT_EQ(released, 0);
  cuts.clear();
  EXPECT_EQ(released, 1);
  EXPECT_EQ(static_cast<const void*>(got.data()), text.data());
}

TEST(BufferCases, B12MoveOnlyReleaseIsCalledOnceAfterManyCuts) {  // buf-B12
  static const std::string text = letters(100);
  int calls = 0;
  {
    Chain chain(Bytes::with_release(
        std::as_bytes(std::span(text)),
        [&calls, only = std::make_unique<int>(1)]() noexcept { calls += *only; }));
    std::vector<Chain> cuts;
    while (!chain.empty()) cuts.push_back(chain.split_to(std::min<size_t>(7, chain.size())));
  }
  EXPECT_EQ(calls, 1);
}

TEST(BufferCases, B14AdjacentSlicesRejoin) {  // buf-B14
  const Bytes owner = Bytes::copy_of(letters(20));
  Chain chain;
  chain.push_back(owner.slice(0, 10));
  chain.push_back(owner.slice(10, 10));
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(chain.size(), 20u);
  EXPECT_EQ(Access::references(owner), 2u);
}

TEST(BufferCases, V09NestedReferencesAreAllowed) {  // buf-V09
  in_each_form(chain_of({"x", "yz"}), [](Chain& a) {
    Chain b;
    b.push_back(a);
    Chain c;
    c.push_back(b);
    b.push_back(b);
    a.push_back(b);
    expect_reads(b, "xyzxyz");
    expect_reads(a, "xyzxyzxyz");
    expect_reads(c, "xyz");
  });
}

TEST(BufferCases, V10To12SharedMemoryIsNeverWritten) {  // buf-V10 buf-V11 buf-V12
  std::string memory = "0123456789012345678901234567890";
  const std::string before = memory;
  {
    Chain chain(Bytes::with_release(std::as_bytes(std::span(memory)), [] {}));
    chain.push_front(Bytes::copy_of("aaaaa"));
    chain.consume(5);
    expect_reads(chain, before);
    chain.consume(11);
    Chain other = chain;
    chain.push_front(Bytes::copy_of("prepend"));
    other.push_front(Bytes::copy_of("other"));
    expect_reads(chain, "prepend" + before.substr(11));
    expect_reads(other, "other" + before.substr(11));
  }
  EXPECT_EQ(memory, before);
}

TEST(BufferCases, E01AShareIsReleasedByTheDropOfItsLastByte) {  // buf-E01
  Counted counted;
  Chain chain(counted.bytes(letters(2048)));
  chain.consume(2000);
  EXPECT_EQ(counted.released(), 0);
  chain.consume(48);
  EXPECT_EQ(counted.released(), 1);
}

TEST(BufferCases, E02CopiesOutAcrossAnEmptyShare) {  // buf-E02
  int released = 0;
  Chain chain(Bytes::from_static("hello world"));
  chain.push_back(Bytes::with_release({}, [&]() noexcept { ++released; }));
  chain.push_back(Bytes::from_static("HELLO WORLD"));
  EXPECT_EQ(chain.to_string(), "hello worldHELLO WORLD");
  chain.consume(22);
  EXPECT_EQ(released, 1);
}

TEST(BufferCases, E03And04FirstSegmentAsMutable) {  // buf-E03 buf-E04
  Chain chain = chain_of({"abcde", "123"});
  const std::byte* const place = chain.front().data();
  Bytes first = chain.pop();
  auto writable = first.try_mutable();
  ASSERT_TRUE(writable);
  EXPECT_EQ(writable->data(), place);
  expect_reads(chain, "123");
  (*writable)[0] = std::byte{'A'};
  chain.push_back(std::move(first));
  expect_reads(chain, "123Abcde");
  // Shared or foreign: a private copy, and the last user's release has run.
  Counted counted;
  Chain foreign(counted.bytes("abcde"));
  BytesBuilder copy = foreign.pop().into_builder();
  EXPECT_EQ(counted.released(), 1);
  copy[0] = std::byte{'A'};
  foreign.push_back(std::move(copy).freeze());
  expect_reads(foreign, "Abcde");
}

TEST(BufferCases, R01EverySliceOfFiveSegmentsOneOfThemEmpty) {  // buf-R01
  const std::string text = "onetwofourfive";
  in_each_form(chain_of({"one", "two", "", "four", "five"}), [&](Chain& c) {
    for (size_t p = 0; p <= text.size(); ++p) {
      for (size_t n = 0; n <= text.size() - p; ++n) expect_reads(c.slice(p, n), text.substr(p, n));
    }
  });
}

TEST(BufferCases, R02ComparesAsUnsignedBytes) {  // buf-R02
  EXPECT_TRUE(chain_of({"a", "b", ""}) == "ab");
  EXPECT_TRUE(chain_of({"ab"}) < chain_of({"a", "bc"}));
  EXPECT_TRUE(chain_of({"ab", "c"}) < "abd");
  EXPECT_TRUE(chain_of({"\x80"}) > chain_of({"\x7f"}));
}

TEST(BufferCases, E09And10PullUpOfNothingTooMuchAndOneSegment) {  // buf-E09 buf-E10
  Chain chain;
  const CopyAudit audit;
  EXPECT_TRUE(chain.pull_up(0).empty());
  EXPECT_FALSE(chain.try_pull_up(1));
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
  chain.push_copy("one segment");
  const std::byte* const place = chain.front().data();
  const CopyAudit after;
  EXPECT_EQ(chain.pull_up(11).data(), place);
  EXPECT_EQ(after.thread(), bight::CopyCounts{});
}

TEST(BufferCases, V15To17PeeksFillTheRoomThereIs) {  // buf-V15 buf-V16 buf-V17
  Chain chain;
  for (uint32_t i = 0; i < 16; ++i) chain.push_back(Bytes::copy_of(letters(22, i)));
  in_each_form(chain, [&](Chain& c) {
    if (c.segment_count() != 16) return;  // the flat form
    std::array<std::span<const std::byte>, 20> views;
    EXPECT_EQ(c.fill_spans(std::span(views).first(1)), (bight::GatherFill{1, 22}));
    EXPECT_EQ(views[1].data(), nullptr);
    EXPECT_EQ(c.segment_count(), 16u);  // what it needs is known beforehand
    EXPECT_EQ(c.fill_spans(views, 0, 40), (bight::GatherFill{2, 40}));
    EXPECT_EQ(c.fill_spans(views, 0, 100), (bight::GatherFill{5, 100}));
    EXPECT_EQ(c.fill_spans(views, 0, 10000), (bight::GatherFill{16, 352}));
    EXPECT_EQ(c.fill_spans(views, 352), (bight::GatherFill{0, 0}));
    EXPECT_EQ(Chain().fill_spans(views), (bight::GatherFill{0, 0}));
    // From inside a segment, the last one trimmed to what was asked for.
    EXPECT_EQ(c.fill_spans(views, 30, 50), (bight::GatherFill{3, 50}));
    EXPECT_EQ(views[0].data(), c.segment(1).data() + 8);
    EXPECT_EQ(views[2].size(), 14u);
  });
}

Chain nananabanana() { return chain_of({"na", "n", "", "an", "a", "ban", "ana"}); }

TEST(BufferCases, E16To19SearchesInWindows) {  // buf-E16 buf-E17 buf-E18 buf-E19
  in_each_form(nananabanana(), [](Chain& c) {
    EXPECT_EQ(c.find(""), 0u);
    EXPECT_EQ(c.find("", 12), 12u);
    EXPECT_EQ(c.find("", 13), std::nullopt);
    EXPECT_EQ(c.find("na", 10), 10u);
    EXPECT_EQ(c.find("na", 11), std::nullopt);
    EXPECT_EQ(c.find("ban", 0, 8), std::nullopt);
    EXPECT_EQ(c.find("ban", 0, 9), 6u);
    EXPECT_EQ(c.find("b", 6, 1), 6u);
    EXPECT_EQ(c.find("ana", 9, 2), std::nullopt);
    EXPECT_EQ(c.find("ana", 9, 3), 9u);
    EXPECT_EQ(c.find("ana", 9, 10000000), 9u);
    for (const std::string_view prefix : {"", "n", "nan", "nananabanana"}) {
      EXPECT_TRUE(c.starts_with(prefix));
    }
    EXPECT_FALSE(c.starts_with("nananabananax"));
    EXPECT_FALSE(c.starts_with("an"));
  });
}

TEST(BufferCases, V23SearchGoesOnWhereItStopped) {  // buf-V23
  Chain chain;
  size_t searched = 0;
  const auto find = [&]() -> std::optional<size_t> {
    const auto found = chain.find("\r\n", searched);
    // The last byte may be the first half of a delimiter.
    if (!found && !chain.empty()) searched = chain.size() - 1;
    return found;
  };
  for (const std::string_view more : {"line", " one", "\r"}) {
    chain.push_copy(more);
    EXPECT_EQ(find(), std::nullopt);
  }
  EXPECT_EQ(searched, 8u);
  chain.push_copy("\n");
  EXPECT_EQ(find(), 8u);
}

TEST(BufferCases, D01DelimitersWithHighBytesAreFound) {  // buf-D01
  in_each_form(chain_of({"abc", "\xff\x80", "\x81 end"}), [](Chain& c) {
    EXPECT_EQ(c.find("\x80"), 4u);
    EXPECT_EQ(c.find('\x80'), 4u);
    EXPECT_EQ(c.find("\xff\x80\x81"), 3u);
    EXPECT_EQ(c.find("\x80\x81 end"), 4u);
  });
}

TEST(SliceCases, M02CutsInsideAPartShareAndNothingIsCopied) {  // slice-M02
  const Bytes ab = Bytes::copy_of("ab");
  const Bytes cd = Bytes::copy_of("cd");
  Chain chain(ab);
  chain.push_back(cd);
  const CopyAudit audit;
  const Chain a = chain.split_to(1);
  const Chain bc = chain.split_to(2);
  const Chain d = chain.split_to(1);
  EXPECT_EQ(a, "a");
  EXPECT_EQ(bc, "bc");
  EXPECT_EQ(d, "d");
  EXPECT_EQ(a.front().data(), ab.data());
  EXPECT_EQ(d.front().data(), cd.data() + 1);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(SliceCases, M03To06PartsReadAsOneStream) {  // slice-M03 slice-M04 slice-M05 slice-M06
  Chain chain = chain_of({"hello", "world"});
  std::string text;
  for (const std::span<const std::byte> bytes : chain.segments()) text += ByteView(bytes).view();
  EXPECT_EQ(text, "helloworld");
  std::array<std::span<const std::byte>, 4> views;
  const auto peek = [&] {
    views = {};
    std::string joined;
    const size_t count = chain.fill_spans(views).count;
    for (size_t i = 0; i < count; ++i)
      joined += (i == 0 ? "" : "|") + std::string(ByteView(views[i]).view());
    return joined;
  };
  EXPECT_EQ(peek(), "hello|world");
  chain.consume(2);
  EXPECT_EQ(peek(), "llo|world");
  chain.consume(3);
  EXPECT_EQ(peek(), "world");
  chain.consume(3);
  EXPECT_EQ(peek(), "ld");
  EXPECT_TRUE(views[1].empty());
  // An empty part is invisible.
  chain = chain_of({"", "cd"});
  EXPECT_EQ(peek(), "cd");
}

TEST(SliceCases, M12GatheringSomePartsNeverReordersThem) {  // slice-M12
  Chain inner = chain_of({"h", "e", "l", "l", "o", " "});
  inner.push_back(chain_of({"w", "orld"}));
  for (size_t room = 1; room <= 8; ++room) {
    std::vector<std::span<const std::byte>> views(room);
    const bight::GatherFill fill = inner.fill_spans(views);
    std::string text;
    for (const std::span<const std::byte> bytes : views) text += ByteView(bytes).view();
    EXPECT_EQ(text, std::string("hello world").substr(0, fill.bytes));
  }
}

// ---- Defects of others that concern a chain ----

TEST(ChainLessons, SplittingMoreThanThereIsDestroysNothing) {
  Chain chain = chain_of({"01234", "56789"});
  EXPECT_FALSE(chain.try_split_to(20));
  EXPECT_FALSE(chain.try_consume(20));
  expect_reads(chain, "0123456789");
}

TEST(ChainLessons, TwoCopiesNeverWriteIntoEachOthersTail) {
  const Chain body = cut_up(letters(100), 5);
  Chain a = body;
  Chain b = body;
  for (int i = 0; i < 20; ++i) {
    a.push_copy("a");
    b.push_copy("b");
  }
  expect_reads(a, letters(100) + std::string(20, 'a'));
  expect_reads(b, letters(100) + std::string(20, 'b'));
}

TEST(ChainLessons, UnsharingCopiesNoByte) {
  Chain chain = cut_up(letters(1000), 100);
  const Chain copy = chain;
  const CopyAudit audit;
  chain.unshare();
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(ChainLessons, AThousandSharedBuffersAreAllShared) {
  for (const size_t size : {1, 100, 511, 512, 4096}) {
    const Bytes buffer = fill('s', size);
    Chain chain;
    const CopyAudit audit;
    for (int i = 0; i < 1000; ++i) chain.push_back(buffer);
    EXPECT_EQ(audit.thread(), bight::CopyCounts{});
    EXPECT_EQ(Access::references(buffer), 1001u);
  }
}

TEST(ChainLessons, ANeedleAtTheVeryEndIsFound) {
  for (const shapes::Kind kind : shapes::all()) {
    const shapes::Shape shape = shapes::make(kind);
    Chain chain = shape.chain;
    chain.push_copy("!?");
    EXPECT_EQ(chain.find("!?"), shape.text.size());
    EXPECT_EQ(chain.find('?'), shape.text.size() + 1);
  }
}

TEST(ChainLessons, LengthsPastTheEndOfTheAddressSpaceAreRefused) {
  Chain chain = cut_up(letters(100), 9);
  const size_t huge = static_cast<size_t>(-1);
  EXPECT_FALSE(chain.try_slice(50, huge));
  EXPECT_FALSE(chain.try_slice(50, huge - 49));
  EXPECT_FALSE(chain.try_slice(huge, 2));
  EXPECT_EQ(chain.find("x!", 50, huge), std::nullopt);
  std::array<std::span<const std::byte>, 20> views;
  EXPECT_EQ(chain.fill_spans(views, 50, huge).bytes, 50u);
  EXPECT_EQ(chain.consume_up_to(huge), 100u);
}

}  // namespace
