// What Chain does, over every shape that it can have inside.
#include "bight/chain.h"

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <compare>
#include <random>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "bight/bytes.h"
#include "bight/copy_audit.h"
#include "tests/support/access.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::ByteView;
using bight::Chain;
using bight::CopyAudit;
using bight::SegmentPosition;
using bight::internal::Access;
using shapes::chain_of;
using shapes::cut_up;
using shapes::expect_reads;
using shapes::letters;
using shapes::Shape;

// Positions worth a cut: the ends, and around every boundary between segments (of a long chain,
// some of them).
std::vector<size_t> places(const Chain& chain) {
  std::vector<size_t> result = {0, chain.size()};
  size_t at = 0;
  const size_t step = 1 + chain.segment_count() / 12;
  for (size_t i = 0; i < chain.segment_count(); ++i) {
    const size_t size = chain.segment(i).size();
    if (i % step == 0 || i + 2 >= chain.segment_count()) {
      for (const size_t place : {at + 1, at + size / 2, at + size - 1, at + size}) {
        if (place <= chain.size()) result.push_back(place);
      }
    }
    at += size;
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

class ChainShapeTest : public ::testing::TestWithParam<shapes::Kind> {
 protected:
  static Shape make() { return shapes::make(GetParam()); }
  // The chains that share with it must not notice anything.
  static void expect_others_unchanged(const Shape& shape) {
    for (size_t i = 0; i < shape.kept.size(); ++i) {
      shape.kept[i].check_invariants();
      EXPECT_EQ(shape.kept[i].to_string(), shape.kept_texts[i]);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, ChainShapeTest, ::testing::ValuesIn(shapes::all()),
                         [](const auto& shape) { return shapes::name(shape.param); });

TEST_P(ChainShapeTest, ReadsAsItsText) {
  const Shape shape = make();
  expect_reads(shape.chain, shape.text);
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, CopiesReadTheSameAndAreIndependent) {
  Shape shape = make();
  Chain copy = shape.chain;
  expect_reads(copy, shape.text);
  EXPECT_EQ(Access::credits(copy), 0u);
  copy.push_back(Bytes::copy_of("x"));
  copy.push_front(Bytes::copy_of("y"));
  expect_reads(copy, "y" + shape.text + "x");
  expect_reads(shape.chain, shape.text);
  copy = shape.chain;
  shape.chain.clear();
  expect_reads(shape.chain, "");
  expect_reads(copy, shape.text);
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, MovesTakeEverythingAndLeaveTheSourceEmpty) {
  Shape shape = make();
  const uint32_t credits = Access::credits(shape.chain);
  Chain moved = std::move(shape.chain);
  expect_reads(moved, shape.text);
  EXPECT_EQ(Access::credits(moved), credits);
  expect_reads(shape.chain, "");  // NOLINT: a moved-from chain is empty
  shape.chain = std::move(moved);
  expect_reads(shape.chain, shape.text);
  Chain& same = shape.chain;
  shape.chain = std::move(same);
  expect_reads(shape.chain, shape.text);
  shape.chain = same;
  expect_reads(shape.chain, shape.text);
  swap(shape.chain, same);
  expect_reads(shape.chain, shape.text);
}

TEST_P(ChainShapeTest, SwapsWithEveryOtherShape) {
  for (const shapes::Kind kind : shapes::all()) {
    Shape a = make();
    Shape b = shapes::make(kind);
    swap(a.chain, b.chain);
    expect_reads(a.chain, b.text);
    expect_reads(b.chain, a.text);
  }
}

TEST_P(ChainShapeTest, GrowsAtBothEnds) {
  Shape shape = make();
  std::string text = shape.text;
  for (int i = 0; i < 40; ++i) {
    const std::string piece = letters(1 + static_cast<size_t>(i) % 7, static_cast<uint32_t>(i));
    if (i % 3 == 0) {
      shape.chain.push_front(Bytes::copy_of(piece));
      text.insert(0, piece);
    } else {
      shape.chain.push_back(Bytes::copy_of(piece));
      text += piece;
    }
    expect_reads(shape.chain, text);
  }
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, PushingNothingChangesNothing) {
  Shape shape = make();
  const size_t segments = shape.chain.segment_count();
  shape.chain.push_back(Bytes());
  shape.chain.push_front(Bytes());
  shape.chain.push_back(Chain());
  shape.chain.push_front(Chain());
  shape.chain.push_copy("");
  EXPECT_EQ(shape.chain.segment_count(), segments);
  expect_reads(shape.chain, shape.text);
}

TEST_P(ChainShapeTest, TakesInAndIsTakenInByEveryOtherShape) {
  for (const shapes::Kind kind : shapes::all()) {
    SCOPED_TRACE(kind);
    for (int way = 0; way < 4; ++way) {
      Shape a = make();
      Shape b = shapes::make(kind);
      const CopyAudit audit;
      switch (way) {
        case 0:
          a.chain.push_back(b.chain);
          expect_reads(b.chain, b.text);
          break;
        case 1:
          a.chain.push_front(b.chain);
          expect_reads(b.chain, b.text);
          break;
        case 2:
          a.chain.push_back(std::move(b.chain));
          expect_reads(b.chain, "");  // NOLINT: a moved-from chain is empty
          break;
        case 3:
          a.chain.push_front(std::move(b.chain));
          expect_reads(b.chain, "");  // NOLINT
          break;
      }
      expect_reads(a.chain, way % 2 == 0 ? a.text + b.text : b.text + a.text);
      expect_others_unchanged(a);
      expect_others_unchanged(b);
      EXPECT_EQ(audit.thread().blocks, 0u);
    }
  }
}

TEST_P(ChainShapeTest, TakesInItself) {
  Shape shape = make();
  shape.chain.push_back(shape.chain);
  expect_reads(shape.chain, shape.text + shape.text);
  Shape other = make();
  other.chain.push_front(other.chain);
  expect_reads(other.chain, other.text + other.text);
  other.chain.push_back(std::move(other.chain));  // NOLINT: allowed and means the same
  expect_reads(other.chain, other.text + other.text + other.text + other.text);
  expect_others_unchanged(other);
}

TEST_P(ChainShapeTest, ConsumeDropsFromTheFrontAtEveryPlace) {
  const Shape shape = make();
  for (const size_t n : places(shape.chain)) {
    Shape one = make();
    one.chain.consume(n);
    expect_reads(one.chain, std::string_view(one.text).substr(n));
    expect_others_unchanged(one);
    Chain copy = shape.chain;
    copy.consume(n);
    expect_reads(copy, std::string_view(shape.text).substr(n));
  }
  expect_reads(shape.chain, shape.text);
}

TEST_P(ChainShapeTest, ConsumesByteAfterByte) {
  Shape shape = make();
  std::string_view left = shape.text;
  while (!left.empty()) {
    const size_t n = std::min<size_t>(left.size(), left.size() > 400 ? 97 : 1);
    shape.chain.consume(n);
    left.remove_prefix(n);
    shape.chain.check_invariants();
    ASSERT_TRUE(shape.chain == ByteView(left));
  }
  EXPECT_TRUE(Access::is_inline(shape.chain));
  shape.chain.push_back(Bytes::copy_of("again"));
  expect_reads(shape.chain, "again");
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, RemoveSuffixDropsFromTheBackAtEveryPlace) {
  const Shape shape = make();
  for (const size_t n : places(shape.chain)) {
    Shape one = make();
    one.chain.remove_suffix(n);
    expect_reads(one.chain, std::string_view(one.text).substr(0, one.text.size() - n));
    one.chain.push_back(Bytes::copy_of("behind"));
    expect_reads(one.chain, one.text.substr(0, one.text.size() - n) + "behind");
    expect_others_unchanged(one);
    Chain copy = shape.chain;
    copy.truncate(n);
    expect_reads(copy, std::string_view(shape.text).substr(0, n));
    copy.truncate(n + 1);
    EXPECT_EQ(copy.size(), n);
  }
}

TEST_P(ChainShapeTest, SplitToCutsTheFrontOffAtEveryPlace) {
  for (const size_t n : places(make().chain)) {
    Shape shape = make();
    const CopyAudit audit;
    Chain front = shape.chain.split_to(n);
    expect_reads(front, std::string_view(shape.text).substr(0, n));
    expect_reads(shape.chain, std::string_view(shape.text).substr(n));
    EXPECT_EQ(audit.thread().blocks, 0u);
    front.push_back(std::move(shape.chain));
    expect_reads(front, shape.text);
    expect_others_unchanged(shape);
  }
}

TEST_P(ChainShapeTest, SplitOffCutsTheBackOffAtEveryPlace) {
  for (const size_t n : places(make().chain)) {
    Shape shape = make();
    Chain back = shape.chain.split_off(n);
    expect_reads(shape.chain, std::string_view(shape.text).substr(0, n));
    expect_reads(back, std::string_view(shape.text).substr(n));
    back.push_front(std::move(shape.chain));
    expect_reads(back, shape.text);
    expect_others_unchanged(shape);
  }
}

TEST_P(ChainShapeTest, SlicesShowAnyRangeAndLeaveTheChain) {
  const Shape shape = make();
  const std::vector<size_t> all = places(shape.chain);
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t k = i; k < all.size(); k += 1 + all.size() / 15) {
      const Chain slice = shape.chain.slice(all[i], all[k] - all[i]);
      ASSERT_NO_FATAL_FAILURE(
          expect_reads(slice, std::string_view(shape.text).substr(all[i], all[k] - all[i])));
    }
  }
  expect_reads(shape.chain, shape.text);
}

TEST_P(ChainShapeTest, SpliceInsertsErasesAndReplacesAnywhere) {
  const std::vector<size_t> all = places(make().chain);
  for (size_t i = 0; i < all.size(); i += 1 + all.size() / 10) {
    for (size_t k = i; k < all.size(); k += 1 + all.size() / 6) {
      for (const size_t pieces : {0u, 1u, 4u}) {
        Shape shape = make();
        const std::string inserted = letters(pieces * 3, 77);
        const CopyAudit audit;
        splice(shape.chain, all[i], all[k] - all[i], cut_up(inserted, 3));
        EXPECT_EQ(audit.thread().blocks, pieces);
        shape.text.replace(all[i], all[k] - all[i], inserted);
        ASSERT_NO_FATAL_FAILURE(expect_reads(shape.chain, shape.text));
        expect_others_unchanged(shape);
      }
    }
  }
}

TEST_P(ChainShapeTest, SplicesItselfIntoItself) {
  Shape shape = make();
  const size_t middle = shape.text.size() / 2;
  splice(shape.chain, middle, shape.text.size() - middle, shape.chain);
  expect_reads(shape.chain, shape.text.substr(0, middle) + shape.text);
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, PopTakesSegmentAfterSegment) {
  Shape shape = make();
  std::string text;
  while (!shape.chain.empty()) {
    const std::span<const std::byte> front = shape.chain.front();
    const std::optional<Bytes> popped = shape.chain.try_pop();
    ASSERT_TRUE(popped);
    EXPECT_EQ(popped->data(), front.data());
    EXPECT_EQ(popped->size(), front.size());
    text += popped->view();
    shape.chain.check_invariants();
  }
  EXPECT_EQ(text, shape.text);
  EXPECT_FALSE(shape.chain.try_pop());
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, FifoQueueOfFrames) {
  Shape shape = make();
  std::string text = shape.text;
  for (int i = 0; i < 200; ++i) {
    const std::string piece = letters(50, static_cast<uint32_t>(i));
    shape.chain.push_back(Bytes::copy_of(piece));
    text += piece;
    for (int cut = 0; cut < 5; ++cut) {
      const Chain frame = shape.chain.split_to(10);
      ASSERT_TRUE(frame == ByteView(std::string_view(text).substr(0, 10)));
      text.erase(0, 10);
    }
    shape.chain.check_invariants();
  }
  expect_reads(shape.chain, text);
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, SegmentsAreARange) {
  Shape shape = make();
  const bight::SegmentRange range = shape.chain.segments();
  EXPECT_EQ(range.size(), shape.chain.segment_count());
  EXPECT_EQ(range.empty(), shape.text.empty());
  std::string text;
  for (const std::span<const std::byte> bytes : range) text += ByteView(bytes).view();
  EXPECT_EQ(text, shape.text);
  if (!range.empty()) {
    auto it = range.end();
    --it;
    EXPECT_EQ(it - range.begin(), static_cast<ptrdiff_t>(range.size()) - 1);
    EXPECT_EQ((*it).data(), range[range.size() - 1].data());
    EXPECT_EQ(range.begin()[it - range.begin()].data(), (*it).data());
    EXPECT_TRUE(range.begin() <= it && it < range.end());
    EXPECT_EQ(it - static_cast<ptrdiff_t>(range.size() - 1), range.begin());
    EXPECT_EQ(it++, range.end() - 1);
    EXPECT_EQ(it--, range.end());
    EXPECT_EQ(1 + it, range.end());
  }
  // Of an rvalue, the range owns the chain.
  text.clear();
  for (const std::span<const std::byte> bytes : std::move(shape.chain).segments()) {
    text += ByteView(bytes).view();
  }
  EXPECT_EQ(text, shape.text);
}

TEST_P(ChainShapeTest, SegmentBytesAreOwnedHandles) {
  Shape shape = make();
  std::vector<Bytes> pieces;
  for (size_t i = 0; i < shape.chain.segment_count(); ++i) {
    pieces.push_back(shape.chain.segment_bytes(i));
    EXPECT_EQ(pieces.back().data(), shape.chain.segment(i).data());
  }
  shape.chain.clear();
  std::string text;
  for (const Bytes& piece : pieces) text += piece.view();
  EXPECT_EQ(text, shape.text);
}

TEST_P(ChainShapeTest, GatherEntriesCoverAnyPartAndNoMore) {
  const Shape shape = make();
  std::vector<iovec> entries(shape.chain.segment_count() + 1);
  std::vector<std::span<const std::byte>> spans(entries.size());
  for (const size_t from : places(shape.chain)) {
    for (const size_t most : {size_t{0}, size_t{1}, size_t{60}, static_cast<size_t>(-1)}) {
      const std::string_view wanted = std::string_view(shape.text).substr(from, most);
      const bight::GatherFill fill = shape.chain.fill_iovec(entries, from, most);
      std::string text;
      for (size_t i = 0; i < fill.count; ++i) {
        text.append(static_cast<const char*>(entries[i].iov_base), entries[i].iov_len);
      }
      EXPECT_EQ(text, wanted);
      EXPECT_EQ(fill.bytes, wanted.size());
      EXPECT_EQ(shape.chain.fill_spans(spans, from, most), fill);
      text.clear();
      for (size_t i = 0; i < fill.count; ++i) text += ByteView(spans[i]).view();
      EXPECT_EQ(text, wanted);
    }
  }
}

TEST_P(ChainShapeTest, GatherStopsAtTheEntriesThereAre) {
  const Shape shape = make();
  for (size_t room = 0; room < std::min<size_t>(shape.chain.segment_count(), 5); ++room) {
    std::array<iovec, 6> entries;
    entries.fill({&entries, 12345});
    const bight::GatherFill fill = shape.chain.fill_iovec(std::span(entries).first(room));
    EXPECT_EQ(fill.count, room);
    size_t bytes = 0;
    for (size_t i = 0; i < room; ++i) bytes += shape.chain.segment(i).size();
    EXPECT_EQ(fill.bytes, bytes);
    for (size_t i = room; i < entries.size(); ++i) EXPECT_EQ(entries[i].iov_len, 12345u);
  }
}

TEST_P(ChainShapeTest, CopiesOutAnyPart) {
  const Shape shape = make();
  for (const size_t from : places(shape.chain)) {
    for (const size_t room : {size_t{0}, size_t{5}, shape.text.size() + 10}) {
      std::string to(room, '.');
      const size_t n = shape.chain.copy_to(std::as_writable_bytes(std::span(to)), from);
      ASSERT_EQ(n, std::min(room, shape.text.size() - from));
      EXPECT_EQ(to, shape.text.substr(from, n) + std::string(room - n, '.'));
    }
  }
  std::string text = "prefix ";
  text.reserve(shape.text.size() + 20);
  const char* const place = text.data();
  shape.chain.append_to(text);
  EXPECT_EQ(text, "prefix " + shape.text);
  EXPECT_EQ(text.data(), place);
}

TEST_P(ChainShapeTest, FlattensIntoOneHandleAndStaysAsItWas) {
  const Shape shape = make();
  const size_t segments = shape.chain.segment_count();
  const CopyAudit audit;
  const Bytes flat = shape.chain.flatten();
  EXPECT_EQ(audit.thread().copied, segments > 1 ? shape.text.size() : 0);
  EXPECT_EQ(flat, ByteView(shape.text));
  EXPECT_EQ(shape.chain.segment_count(), segments);
  if (segments == 1) {
    EXPECT_EQ(flat.data(), shape.chain.front().data());
  }
  const auto view = shape.chain.try_flat();
  EXPECT_EQ(view.has_value(), segments <= 1);
  if (view) {
    EXPECT_TRUE(ByteView(*view) == ByteView(shape.text));
  }
}

TEST_P(ChainShapeTest, PullsUpAnyPrefix) {
  for (const size_t n : places(make().chain)) {
    Shape shape = make();
    const size_t front = shape.chain.empty() ? 0 : shape.chain.front().size();
    const CopyAudit audit;
    const std::span<const std::byte> flat = shape.chain.pull_up(n);
    EXPECT_EQ(audit.thread().copied, n <= front ? 0 : n);
    EXPECT_TRUE(ByteView(flat) == ByteView(std::string_view(shape.text).substr(0, n)));
    if (n != 0) {
      EXPECT_EQ(flat.data(), shape.chain.front().data());
    }
    expect_reads(shape.chain, shape.text);
    expect_others_unchanged(shape);
  }
}

TEST_P(ChainShapeTest, CompactReadsTheSameAndPinsLittle) {
  const Shape shape = make();
  const Chain small = shape.chain.compact();
  expect_reads(small, shape.text);
  expect_reads(shape.chain, shape.text);
  EXPECT_LE(small.retained_size(), 2 * shape.text.size() + 100);
}

TEST_P(ChainShapeTest, UnshareMakesTheTableItsOwn) {
  Shape shape = make();
  const CopyAudit audit;
  shape.chain.unshare();
  EXPECT_LE(Access::table_references(shape.chain), 1u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  expect_reads(shape.chain, shape.text);
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, FindsBytesAndNeedlesWhereAStringFindsThem) {
  const Shape shape = make();
  const auto as_optional = [](size_t found) {
    return found == std::string::npos ? std::nullopt : std::optional<size_t>(found);
  };
  for (const size_t from : places(shape.chain)) {
    EXPECT_EQ(shape.chain.find('q', from), as_optional(shape.text.find('q', from)));
    EXPECT_EQ(shape.chain.find(std::byte{'7'}, from), std::nullopt);
    for (const size_t length : {1u, 2u, 5u, 40u}) {
      const std::string needle = shape.text.substr(from, length);
      for (const size_t start : {size_t{0}, from, from + 1}) {
        EXPECT_EQ(shape.chain.find(ByteView(needle), start),
                  as_optional(shape.text.find(needle, start)));
        EXPECT_EQ(shape.chain.find(cut_up(needle, 2), start),
                  as_optional(shape.text.find(needle, start)));
      }
    }
  }
  EXPECT_EQ(shape.chain.find("", shape.text.size()), shape.text.size());
  EXPECT_EQ(shape.chain.find("", shape.text.size() + 1), std::nullopt);
  EXPECT_EQ(shape.chain.find(ByteView(shape.text + "x")), std::nullopt);
}

TEST_P(ChainShapeTest, KnowsHowItStartsAndEnds) {
  const Shape shape = make();
  for (const size_t n : places(shape.chain)) {
    const std::string head = shape.text.substr(0, n);
    const std::string tail = shape.text.substr(n);
    EXPECT_TRUE(shape.chain.starts_with(head));
    EXPECT_TRUE(shape.chain.starts_with(cut_up(head, 4)));
    EXPECT_TRUE(shape.chain.ends_with(tail));
    EXPECT_TRUE(shape.chain.ends_with(cut_up(tail, 4)));
    EXPECT_FALSE(shape.chain.starts_with(head + "!"));
    EXPECT_FALSE(shape.chain.starts_with(cut_up(head + "!", 4)));
    EXPECT_FALSE(shape.chain.ends_with("!" + tail));
    EXPECT_FALSE(shape.chain.ends_with(cut_up("!" + tail, 4)));
  }
  EXPECT_FALSE(shape.chain.starts_with(shape.text + "x"));
  EXPECT_FALSE(shape.chain.ends_with(Bytes::copy_of("x" + shape.text)));
}

TEST_P(ChainShapeTest, ComparesAsItsBytesDoWithEveryKindOfText) {
  const Shape shape = make();
  const std::string same = shape.text;
  std::string more = same + "\xff";
  std::string less = same.substr(0, same.size() / 2);
  const auto check = [&](const auto& make_other) {
    EXPECT_TRUE(shape.chain == make_other(same));
    EXPECT_TRUE(make_other(same) == shape.chain);
    EXPECT_FALSE(shape.chain != make_other(same));
    EXPECT_TRUE(shape.chain < make_other(more));
    EXPECT_TRUE(make_other(more) > shape.chain);
    EXPECT_TRUE(shape.chain != make_other(more));
    EXPECT_TRUE(shape.chain <= make_other(same));
    EXPECT_TRUE(shape.chain >= make_other(less));
    EXPECT_TRUE((shape.chain <=> make_other(same)) == std::strong_ordering::equal);
    if (!same.empty()) {
      EXPECT_TRUE((make_other(less) <=> shape.chain) == std::strong_ordering::less);
    }
    for (const size_t at : places(shape.chain)) {
      if (at == same.size()) continue;
      std::string changed = same;
      changed[at] = '\x80';  // above every letter: bytes compare as unsigned
      EXPECT_TRUE(shape.chain < make_other(changed));
      EXPECT_FALSE(shape.chain == make_other(changed));
    }
  };
  check([](const std::string& text) { return text; });
  check([](const std::string& text) { return std::string_view(text); });
  check([](const std::string& text) { return ByteView(text); });
  check([](const std::string& text) { return std::vector<uint8_t>(text.begin(), text.end()); });
  check([](const std::string& text) { return Bytes::copy_of(text); });
  check([](const std::string& text) { return cut_up(text, 8); });
  check([](const std::string& text) { return Chain(Bytes::copy_of(text)); });
}

TEST_P(ChainShapeTest, HashesAsItsBytesDo) {
  const Shape shape = make();
  const uint64_t hash = shape.chain.hash();
  EXPECT_EQ(hash, Bytes::copy_of(shape.text).hash());
  EXPECT_EQ(hash, cut_up(shape.text, 3).hash());
  EXPECT_EQ(std::hash<Chain>()(shape.chain), static_cast<size_t>(hash));
  EXPECT_EQ(bight::ContentHash()(shape.text), bight::ContentHash()(shape.chain));
  EXPECT_NE(hash, Bytes::copy_of(shape.text + "x").hash());
  std::unordered_map<Chain, int, bight::ContentHash, bight::ContentEqual> map;
  map[shape.chain] = 1;
  EXPECT_EQ(map.count(Chain(Bytes::copy_of(shape.text))), 1u);
  EXPECT_NE(map.find(std::string_view(shape.text)), map.end());
  EXPECT_NE(map.find(Bytes::copy_of(shape.text)), map.end());
  EXPECT_EQ(map.find("no such key"), map.end());
}

TEST_P(ChainShapeTest, StreamsItsBytes) {
  const Shape shape = make();
  std::ostringstream out;
  out << "[" << shape.chain << "]";
  EXPECT_EQ(out.str(), "[" + shape.text + "]");
}

struct StringSink {
  void Append(std::string_view text) { all += text; }
  std::string all;
};

TEST_P(ChainShapeTest, StringifiesItsBytes) {
  const Shape shape = make();
  StringSink sink;
  AbslStringify(sink, shape.chain);
  EXPECT_EQ(sink.all, shape.text);
}

TEST_P(ChainShapeTest, TurnsViewsIntoItBackIntoOwnedSlices) {
  Shape shape = make();
  for (size_t i = 0; i < shape.chain.segment_count(); ++i) {
    const std::span<const std::byte> bytes = shape.chain.segment(i);
    const Bytes whole = shape.chain.slice_ref(bytes);
    EXPECT_EQ(whole.data(), bytes.data());
    EXPECT_EQ(whole.size(), bytes.size());
    const std::optional<Bytes> last = shape.chain.try_slice_ref(bytes.last(1));
    ASSERT_TRUE(last);
    EXPECT_EQ(last->data(), bytes.data() + bytes.size() - 1);
    EXPECT_FALSE(shape.chain.try_slice_ref(ByteView(bytes.data(), bytes.size() + 1)));
  }
  EXPECT_FALSE(shape.chain.try_slice_ref("elsewhere"));
  EXPECT_TRUE(shape.chain.slice_ref("").empty());
  EXPECT_TRUE(shape.chain.slice_ref(ByteView()).empty());
  // A view that ends where the address space does.
  EXPECT_FALSE(shape.chain.try_slice_ref(
      ByteView(reinterpret_cast<const void*>(static_cast<uintptr_t>(-1) - 4), 5)));
}

TEST_P(ChainShapeTest, TryFormsRefuseWhatIsPastTheEndAndChangeNothing) {
  Shape shape = make();
  const size_t size = shape.text.size();
  for (const size_t past : {size + 1, size + 100, static_cast<size_t>(-1)}) {
    EXPECT_FALSE(shape.chain.try_consume(past));
    EXPECT_FALSE(shape.chain.try_remove_suffix(past));
    EXPECT_FALSE(shape.chain.try_split_to(past));
    EXPECT_FALSE(shape.chain.try_split_off(past));
    EXPECT_FALSE(shape.chain.try_slice(0, past));
    EXPECT_FALSE(shape.chain.try_slice(past, 0));
    EXPECT_FALSE(shape.chain.try_slice(1, past));
    EXPECT_FALSE(shape.chain.try_pull_up(past));
    EXPECT_FALSE(shape.chain.try_at(past));
    expect_reads(shape.chain, shape.text);
  }
  EXPECT_FALSE(shape.chain.try_at(size));
  EXPECT_TRUE(shape.chain.try_slice(size, 0));
  EXPECT_TRUE(shape.chain.try_consume(0));
  EXPECT_TRUE(shape.chain.try_remove_suffix(0));
  EXPECT_TRUE(shape.chain.try_split_off(size)->empty());
  EXPECT_TRUE(shape.chain.try_split_to(0)->empty());
  EXPECT_EQ(shape.chain.try_pull_up(size)->size(), size);
  expect_reads(shape.chain, shape.text);
  if (size != 0) {
    EXPECT_EQ(static_cast<char>(*shape.chain.try_at(0)), shape.text[0]);
  }
  EXPECT_EQ(shape.chain.consume_up_to(static_cast<size_t>(-1)), size);
  expect_reads(shape.chain, "");
  expect_others_unchanged(shape);
}

TEST_P(ChainShapeTest, StopsTheProgramWhereTheContractEnds) {
  Shape shape = make();
  const size_t size = shape.text.size();
  const std::string of = " of " + std::to_string(size) + " bytes";
  const std::string past = std::to_string(size + 1);
  EXPECT_DEATH(shape.chain.consume(size + 1), "consume\\(" + past + "\\)" + of);
  EXPECT_DEATH(shape.chain.remove_suffix(size + 1), "remove_suffix\\(" + past + "\\)" + of);
  EXPECT_DEATH((void)shape.chain.split_to(size + 1), "split_to\\(" + past + "\\)" + of);
  EXPECT_DEATH((void)shape.chain.split_off(size + 1), "split_off\\(" + past + "\\)" + of);
  EXPECT_DEATH((void)shape.chain.slice(1, size), "slice\\(1, " + std::to_string(size) + "\\)" + of);
  EXPECT_DEATH((void)shape.chain.pull_up(size + 1), "pull_up\\(" + past + "\\)" + of);
  EXPECT_DEATH((void)shape.chain[size],
               "byte\\(" + std::to_string(size) + "\\) of " + std::to_string(size));
  EXPECT_DEATH((void)shape.chain.locate(size + 1), "locate\\(" + past + "\\)" + of);
}

// Sizes of `count` segments, of one kind or another.
std::vector<size_t> sizes_of_kind(int kind, size_t count, std::mt19937& random) {
  std::vector<size_t> sizes(count);
  for (size_t i = 0; i < count; ++i) {
    switch (kind) {
      case 0:
        sizes[i] = 7;
        break;  // all alike
      case 1:
        sizes[i] = i < count / 2 ? 1 : 40;
        break;  // small ones in front
      case 2:
        sizes[i] = i < count / 2 ? 40 : 1;
        break;  // large ones in front
      case 3:
        sizes[i] = random() % 2 == 0 ? 1 : 30;
        break;  // mixed by chance
      case 4:
        sizes[i] = i == 0 || i + 1 == count ? 90 : 3;
        break;  // long ends, the middle is right
      default:
        sizes[i] = 1 + i;
        break;  // growing
    }
  }
  return sizes;
}

TEST(ChainTest, FindsTheSegmentOfEveryByteWhateverTheSizesOfSegmentsAre) {
  std::mt19937 random(3);
  for (int kind = 0; kind < 6; ++kind) {
    for (size_t count = 1; count <= 70; count += count < 20 ? 1 : 7) {
      Chain chain;
      std::string text;
      for (const size_t size : sizes_of_kind(kind, count, random)) {
        const std::string piece = letters(size, static_cast<uint32_t>(text.size()) + 1);
        chain.push_back(Bytes::copy_of(piece));
        text += piece;
      }
      // Positions in the table that begin below zero.
      const std::string front = letters(5, 1000);
      chain.push_front(Bytes::copy_of(front));
      text.insert(0, front);
      // Whole, and as a window that begins and ends within segments.
      for (const size_t trim : {size_t{0}, std::min<size_t>(3, text.size() / 3)}) {
        chain.consume(trim);
        chain.remove_suffix(trim);
        text = text.substr(trim, text.size() - 2 * trim);
        size_t at = 0;
        for (size_t i = 0; i < chain.segment_count(); ++i) {
          for (size_t k = 0; k < chain.segment(i).size(); ++k, ++at) {
            ASSERT_EQ(static_cast<char>(chain[at]), text[at]) << kind << " " << count << " " << at;
            ASSERT_EQ(chain.locate(at), (SegmentPosition{i, k})) << kind << " " << count;
          }
        }
        ASSERT_EQ(at, text.size());
      }
    }
  }
}

TEST(ChainTest, EveryOtherBreachOfAContractNamesBothNumbers) {
  Chain chain = chain_of({"one", "two", "three"});
  std::array<iovec, 2> entries;
  std::array<std::span<const std::byte>, 2> spans;
  EXPECT_DEATH((void)chain.segment(3), "segment\\(3\\) of 3");
  EXPECT_DEATH((void)chain.segment_bytes(4), "segment\\(4\\) of 3");
  EXPECT_DEATH((void)chain.try_mutable(5), "segment\\(5\\) of 3");
  EXPECT_DEATH((void)chain.fill_iovec(entries, 12), "fill_iovec from\\(12\\) of 11 bytes");
  EXPECT_DEATH((void)chain.fill_spans(spans, 12), "fill_spans from\\(12\\) of 11 bytes");
  EXPECT_DEATH((void)chain.copy_to({}, 12), "copy_to from\\(12\\) of 11 bytes");
  EXPECT_DEATH(splice(chain, 10, 2, Chain()), "splice\\(10, 2\\) of 11 bytes");
  EXPECT_DEATH((void)chain.slice_ref("elsewhere"), "view\\(9\\) of 11 bytes");
  chain.clear();
  EXPECT_DEATH((void)chain.pop(), "pop of an empty chain");
  EXPECT_DEATH((void)chain.front(), "segment\\(0\\) of 0");
}

TEST(ChainTest, IsSmallAndMovesWithoutThrowing) {
  static_assert(sizeof(Chain) == 64);
  static_assert(std::is_nothrow_copy_constructible_v<Chain>);
  static_assert(std::is_nothrow_move_constructible_v<Chain>);
  static_assert(std::is_nothrow_swappable_v<Chain>);
  static_assert(std::ranges::random_access_range<bight::SegmentRange>);
  static_assert(std::ranges::sized_range<bight::SegmentRange>);
  static_assert(std::ranges::random_access_range<bight::OwningSegmentRange>);
  static_assert(std::ranges::sized_range<bight::OwningSegmentRange>);
  static_assert(!std::ranges::borrowed_range<bight::OwningSegmentRange>);
  EXPECT_EQ(Chain().segment_count(), 0u);
}

TEST(ChainTest, ComparesWithLiterals) {
  const Chain chain = chain_of({"lit", "er", "al"});
  EXPECT_TRUE(chain == "literal");
  EXPECT_TRUE("literal" == chain);
  EXPECT_TRUE(chain != "literals");
  EXPECT_TRUE("litera" < chain);
  EXPECT_TRUE(chain < "literals");
}

TEST(ChainTest, NeighboursOfOneBlockJoinOnPush) {
  const Bytes block = Bytes::copy_of("abcdefghij");
  Chain chain;
  chain.push_back(block.slice(4, 2));
  chain.push_back(block.slice(6, 2));
  chain.push_front(block.slice(2, 2));
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(Access::references(block), 2u);
  // In a table too, at both of its ends, and against the edge of a shared one.
  Chain table = chain_of({"x", "y"});
  table.push_back(block.slice(4, 2));
  table.push_back(block.slice(6, 2));
  EXPECT_EQ(table.segment_count(), 3u);
  table.push_front(block.slice(2, 2));
  table.push_front(block.slice(0, 2));
  EXPECT_EQ(table.segment_count(), 4u);
  expect_reads(table, "abcdxyefgh");
  const Chain copy = table;
  table.push_back(block.slice(8, 1));
  table.push_back(block.slice(9, 1));
  EXPECT_EQ(table.segment_count(), 5u);  // apart from the shared slot, but joined in the edge
  expect_reads(table, "abcdxyefghij");
  expect_reads(copy, "abcdxyefgh");
}

TEST(ChainTest, StaticNeighboursAreNotJoined) {
  const Bytes text = Bytes::from_static("static text");
  Chain chain;
  chain.push_back(text.slice(0, 6));
  chain.push_back(text.slice(6));
  EXPECT_EQ(chain.segment_count(), 2u);
  expect_reads(chain, "static text");
}

TEST(ChainTest, SplitHalvesThatMeetAgainAreOneSegment) {
  const Bytes block = Bytes::copy_of(letters(100));
  for (size_t n = 0; n <= 100; ++n) {
    Chain chain(block);
    Chain front = chain.split_to(n);
    front.push_back(std::move(chain));
    EXPECT_EQ(front.segment_count(), 1u);
    EXPECT_EQ(Access::references(block), 2u);
  }
}

TEST(ChainTest, OnlyASoleChainMayWriteItsSegments) {
  Chain chain = chain_of({"aa", "bb", "cc", "dd"});
  ASSERT_TRUE(chain.try_mutable(1));
  (*chain.try_mutable(1))[0] = std::byte{'B'};
  expect_reads(chain, "aaBbccdd");
  {
    const Chain copy = chain;
    for (size_t i = 0; i < 4; ++i) EXPECT_FALSE(chain.try_mutable(i));
    // The edge is the chain's own.
    chain.push_back(Bytes::copy_of("ee"));
    EXPECT_TRUE(chain.try_mutable(4));
  }
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(chain.try_mutable(i));
  const Bytes handle = chain.segment_bytes(2);
  EXPECT_FALSE(chain.try_mutable(2));
  EXPECT_TRUE(chain.try_mutable(3));
  Chain foreign(Bytes::from_owner(std::string(40, 'f')));
  EXPECT_FALSE(foreign.try_mutable(0));
  Chain constant(Bytes::from_static("constant"));
  EXPECT_FALSE(constant.try_mutable(0));
}

TEST(ChainTest, ReferencesInStoreDoNotHideThatAChainIsAlone) {
  Chain chain(Bytes::copy_of(letters(1000)));
  for (int i = 0; i < 3; ++i) chain.split_to(10).clear();
  ASSERT_NE(Access::credits(chain), 0u);
  EXPECT_TRUE(chain.try_mutable(0));
  const Chain cut = chain.split_to(10);
  EXPECT_FALSE(chain.try_mutable(0));
}

TEST(ChainTest, RetainedSizeCountsEveryBlockOnceAndTheTable) {
  const Bytes block = Bytes::copy_of(letters(3000));
  EXPECT_EQ(Chain().retained_size(), 0u);
  EXPECT_EQ(Chain(Bytes::from_static("static")).retained_size(), 0u);
  Chain chain(block.slice(0, 10));
  EXPECT_EQ(chain.retained_size(), block.retained_size());
  chain.push_back(block.slice(100, 10));
  EXPECT_EQ(chain.retained_size(), block.retained_size());
  chain.push_back(block.slice(200, 10));
  EXPECT_GT(chain.retained_size(), block.retained_size());
  EXPECT_LT(chain.retained_size(), block.retained_size() + 256);
  Chain foreign(Bytes::from_owner(std::string(500, 'f')).slice(0, 1));
  EXPECT_GE(foreign.retained_size(), 500u);
}

TEST(ChainTest, RetainedSizeOfASharingChainIsThatOfItsWindow) {
  Chain chain = cut_up(letters(20000), 1000);
  const size_t whole = chain.retained_size();
  Chain rest = chain;
  rest.consume(14000);
  EXPECT_LT(rest.retained_size(), whole / 2);
  EXPECT_EQ(chain.retained_size(), whole);
  // Alone, it pins what the other showed until it is next changed.
  chain.clear();
  EXPECT_EQ(rest.retained_size(), whole);
  rest.consume(1000);
  EXPECT_LT(rest.retained_size(), whole / 2);
}

#if BIGHT_HAS_EXCEPTIONS
// A handle that claims more bytes than there is memory, to reach the limits of sizes.
Bytes pretended(size_t size) {
  static const char byte = 'x';
  return Bytes::with_release({reinterpret_cast<const std::byte*>(&byte), size}, [] {});
}

TEST(ChainTest, GrowthPastHalfTheAddressSpaceIsRefusedAndChangesNothing) {
  const size_t most = static_cast<size_t>(-1) / 2;
  for (const size_t segments : {1u, 2u, 5u}) {
    for (const bool shared : {false, true}) {
      Chain chain = cut_up(letters(segments * 2), 2);
      const std::string text = chain.to_string();
      Chain copy;
      if (shared) copy = chain;
      Bytes large = pretended(most);
      EXPECT_THROW(chain.push_back(large), std::length_error);
      EXPECT_THROW(chain.push_front(large), std::length_error);
      EXPECT_THROW(chain.push_back(std::move(large)), std::length_error);
      EXPECT_EQ(large.size(), most);  // NOLINT: a refused argument stays whole
      EXPECT_THROW(chain.push_front(std::move(large)), std::length_error);
      EXPECT_EQ(large.size(), most);  // NOLINT
      Chain pretended_chain(large);
      EXPECT_THROW(chain.push_back(pretended_chain), std::length_error);
      EXPECT_THROW(chain.push_front(std::move(pretended_chain)), std::length_error);
      EXPECT_EQ(pretended_chain.size(), most);  // NOLINT
      EXPECT_THROW(splice(chain, 1, 0, pretended_chain), std::length_error);
      expect_reads(chain, text);
      // To the last byte it goes.
      chain.push_back(large.slice(0, most - chain.size()));
      EXPECT_EQ(chain.size(), most);
      EXPECT_EQ(chain.locate(most - 1).offset, chain.segment(chain.segment_count() - 1).size() - 1);
      EXPECT_THROW(chain.push_copy("x"), std::length_error);
      EXPECT_THROW(chain.push_back(chain), std::length_error);
      EXPECT_EQ(chain.size(), most);
    }
  }
}
#endif

TEST(ChainTest, AnEmptyChainKeepsNoTable) {
  for (int way = 0; way < 6; ++way) {
    Chain chain = cut_up(letters(3000), 3);
    switch (way) {
      case 0:
        chain.clear();
        break;
      case 1:
        chain.consume(3000);
        break;
      case 2:
        chain.remove_suffix(3000);
        break;
      case 3:
        chain.split_to(3000).clear();
        break;
      case 4:
        chain.split_off(0).clear();
        break;
      case 5:
        splice(chain, 0, 3000, Chain());
        break;
    }
    EXPECT_TRUE(Access::is_inline(chain)) << way;
    EXPECT_EQ(chain.retained_size(), 0u);
  }
}

TEST(ChainTest, RandomAccessFindsItsWayAmongSegmentsOfAllSizes) {
  // Sizes that defeat the guess: a few huge among many tiny ones, growing, falling.
  std::mt19937 random(5);
  for (int round = 0; round < 4; ++round) {
    Chain chain;
    std::string text;
    for (uint32_t i = 0; i < 400; ++i) {
      const size_t size = round == 0   ? 1 + i
                          : round == 1 ? 401 - i
                          : round == 2 ? (i % 100 == 50 ? 20000 : 1)
                                       : 1 + random() % 50;
      const std::string piece = letters(size, i);
      chain.push_back(Bytes::copy_of(piece));
      text += piece;
    }
    for (size_t at = 0; at < text.size(); at += 1 + at % 7) {
      ASSERT_EQ(static_cast<char>(chain[at]), text[at]);
      const SegmentPosition place = chain.locate(at);
      ASSERT_EQ(static_cast<char>(chain.segment(place.index)[place.offset]), text[at]);
    }
  }
}

}  // namespace
