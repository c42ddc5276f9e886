#include "bight/cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"

namespace bight {
namespace {

constexpr size_t kHuge = std::numeric_limits<size_t>::max();

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string fix64() {
  std::string bytes = "\xFF\x01\x82\x03\x84\x05\x86\x07\x88\x09\x8A\x0B\x8C\x0D\x8E\x0F";
  for (int i = 0x10; i < 0x40; ++i) bytes += static_cast<char>(i);
  return bytes;
}

// A chain of pieces that stay apart: each has a block of its own.
Chain chain_of(const std::vector<std::string>& pieces) {
  Chain chain;
  for (const std::string& piece : pieces) chain.push_copy(piece);
  return chain;
}

Chain chain_of(std::string_view bytes, size_t segment) {
  Chain chain;
  for (size_t at = 0; at < bytes.size(); at += segment) chain.push_copy(bytes.substr(at, segment));
  return chain;
}

// What a cursor reads from, kept alive, and where in it the content stands.
struct Source {
  Chain chain;
  Chain sharer;  // keeps a table shared, or nothing
  Bytes bytes;
  bool is_bytes = false;
  size_t before = 0;  // bytes of the source before the content
  size_t behind = 0;  // and behind it, cut off by a limit

  Cursor cursor() const {
    Cursor in = is_bytes ? Cursor(bytes) : Cursor(chain);
    in.skip(before);
    return in.limit(in.remaining() - behind);
  }
};

enum class Shape {
  bytes_static,
  bytes_heap,
  bytes_slice,
  one_segment,
  halves,
  first_byte_alone,
  one_byte_segments,
  seven_byte_segments,
  shared_table,
  slice_of_shared_table,
  slice_of_its_own,
  front_edge,
  back_edge,
  trimmed_at_both_ends,
  after_many_turns,
  limited_bytes,
  limited_chain,
};

constexpr Shape kShapes[] = {
    Shape::bytes_static,
    Shape::bytes_heap,
    Shape::bytes_slice,
    Shape::one_segment,
    Shape::halves,
    Shape::first_byte_alone,
    Shape::one_byte_segments,
    Shape::seven_byte_segments,
    Shape::shared_table,
    Shape::slice_of_shared_table,
    Shape::slice_of_its_own,
    Shape::front_edge,
    Shape::back_edge,
    Shape::trimmed_at_both_ends,
    Shape::after_many_turns,
    Shape::limited_bytes,
    Shape::limited_chain,
};

const char* name_of(Shape shape) {
  switch (shape) {
    case Shape::bytes_static:
      return "BytesStatic";
    case Shape::bytes_heap:
      return "BytesHeap";
    case Shape::bytes_slice:
      return "BytesSlice";
    case Shape::one_segment:
      return "OneSegment";
    case Shape::halves:
      return "Halves";
    case Shape::first_byte_alone:
      return "FirstByteAlone";
    case Shape::one_byte_segments:
      return "OneByteSegments";
    case Shape::seven_byte_segments:
      return "SevenByteSegments";
    case Shape::shared_table:
      return "SharedTable";
    case Shape::slice_of_shared_table:
      return "SliceOfSharedTable";
    case Shape::slice_of_its_own:
      return "SliceOfItsOwn";
    case Shape::front_edge:
      return "FrontEdge";
    case Shape::back_edge:
      return "BackEdge";
    case Shape::trimmed_at_both_ends:
      return "TrimmedAtBothEnds";
    case Shape::after_many_turns:
      return "AfterManyTurns";
    case Shape::limited_bytes:
      return "LimitedBytes";
    case Shape::limited_chain:
      return "LimitedChain";
  }
  return "Unknown";
}

// `content` must outlive the source (the static shape refers to it).
Source make_source(Shape shape, std::string_view content) {
  Source source;
  const std::string all(content);
  const size_t half = all.size() / 2;
  switch (shape) {
    case Shape::bytes_static:
      source.is_bytes = true;
      source.bytes = Bytes::from_static_unchecked(content);
      break;
    case Shape::bytes_heap:
      source.is_bytes = true;
      source.bytes = Bytes::copy_of(content);
      break;
    case Shape::bytes_slice:
      source.is_bytes = true;
      source.bytes = Bytes::copy_of("before" + all + "behind").slice(6, all.size());
      break;
    case Shape::one_segment:
      source.chain = chain_of({all});
      break;
    case Shape::halves:
      source.chain = chain_of({all.substr(0, half), all.substr(half)});
      break;
    case Shape::first_byte_alone:
      source.chain = chain_of({all.substr(0, 1), all.substr(std::min<size_t>(1, all.size()))});
      break;
    case Shape::one_byte_segments:
      source.chain = chain_of(all, 1);
      break;
    case Shape::seven_byte_segments:
      source.chain = chain_of(all, 7);
      break;
    case Shape::shared_table:
      source.chain = chain_of(all, 5);
      source.sharer = source.chain;
      break;
    case Shape::slice_of_shared_table:
      source.sharer = chain_of("before" + all + "behind", 4);
      source.chain = source.sharer.slice(6, all.size());
      break;
    case Shape::slice_of_its_own:
      source.sharer = chain_of(std::string(2000, 'x') + all + std::string(2000, 'x'), 9);
      source.chain = source.sharer.slice(2000, all.size());
      break;
    case Shape::front_edge:
      source.sharer = chain_of(all.substr(half), 3);
      source.chain = source.sharer;
      source.chain.push_front(Bytes::copy_of(all.substr(0, half)));
      break;
    case Shape::back_edge:
      source.sharer = chain_of(all.substr(0, half), 3);
      source.chain = source.sharer;
      source.chain.push_back(Bytes::copy_of(all.substr(half)));
      break;
    case Shape::trimmed_at_both_ends:
      source.chain = chain_of("12345" + all + "1234567", 4);
      source.chain.consume(5);
      source.chain.remove_suffix(7);
      break;
    case Shape::after_many_turns:
      source.chain = chain_of({"a", "b", "c", "d"});
      for (size_t at = 0; at < 100; ++at) {
        source.chain.push_copy("x");
        source.chain.consume(1);
      }
      for (size_t at = 0; at < all.size(); at += 6) source.chain.push_copy(all.substr(at, 6));
      source.chain.consume(4);
      break;
    case Shape::limited_bytes:
      source.is_bytes = true;
      source.bytes = Bytes::copy_of("before" + all + "behind it");
      source.before = 6;
      source.behind = 9;
      break;
    case Shape::limited_chain:
      source.chain = chain_of("be" + all + "behind it", 5);
      source.before = 2;
      source.behind = 9;
      break;
  }
  return source;
}

std::string content_of(Cursor in) {
  std::string bytes;
  while (!in.at_end()) {
    const std::span<const std::byte> window = in.window();
    EXPECT_FALSE(window.empty());
    bytes += text(window);
    in.skip(window.size());
  }
  return bytes;
}

class CursorShapeTest : public testing::TestWithParam<Shape> {
 protected:
  // Calls `test` with a cursor over FIX64 at every place where `n` bytes remain behind, and with
  // the place.
  Source make(std::string_view content) const { return make_source(GetParam(), content); }
  const std::string fix_ = fix64();
};

INSTANTIATE_TEST_SUITE_P(Shapes, CursorShapeTest, testing::ValuesIn(kShapes),
                         [](const testing::TestParamInfo<Shape>& shape) {
                           return std::string(name_of(shape.param));
                         });

// slice-K01, slice-K12, slice-K15, chain-R19
TEST_P(CursorShapeTest, OverNothingThereIsNothingToRead) {
  const Source source = make("");
  Cursor in = source.cursor();
  EXPECT_EQ(in.remaining(), 0u);
  EXPECT_TRUE(in.at_end());
  EXPECT_TRUE(in.window().empty());
  const size_t before = in.position();

  std::array<std::span<const std::byte>, 2> spans;
  EXPECT_EQ(in.fill_spans(spans), GatherFill{});
  EXPECT_EQ(spans[0].data(), nullptr);
  EXPECT_FALSE(in.try_read_u8());
  EXPECT_FALSE(in.try_peek_u8());
  EXPECT_FALSE(in.try_read_be<uint16_t>());
  EXPECT_FALSE(in.try_read_le<int32_t>());
  EXPECT_FALSE(in.try_read_native<uint64_t>());
  EXPECT_FALSE(in.try_read_be<float>());
  EXPECT_FALSE(in.try_read_le<double>());
  EXPECT_FALSE(in.try_peek_be<uint32_t>());
  EXPECT_FALSE(in.try_peek_le<uint32_t>());
  EXPECT_FALSE(in.try_read_uint_be(3));
  EXPECT_FALSE(in.try_read_uint_le(1));
  EXPECT_FALSE(in.try_read_int_be(8));
  EXPECT_FALSE(in.try_read_int_le(5));
  EXPECT_EQ(in.try_read_varint().status(), ReadStatus::need_more);
  EXPECT_EQ(in.try_read_varint32().status(), ReadStatus::need_more);
  EXPECT_EQ(in.try_read_varint_signed().status(), ReadStatus::need_more);
  EXPECT_EQ(in.try_read_line(10).status(), ReadStatus::need_more);
  EXPECT_EQ(in.try_read_until("ab", 10).needed(), 1u);
  EXPECT_EQ(in.try_read_bytes(1).status(), ReadStatus::need_more);
  EXPECT_EQ(in.try_read_bytes(3).needed(), 3u);
  EXPECT_EQ(in.try_read_prefixed<uint32_t>(10).needed(), 4u);
  EXPECT_EQ(in.try_read_prefixed_varint(10).needed(), 1u);
  EXPECT_FALSE(in.try_read_chain(1));
  EXPECT_FALSE(in.try_read_flat(1));
  EXPECT_FALSE(in.try_skip(1));
  EXPECT_FALSE(in.try_limit(1));
  EXPECT_FALSE(in.find('x'));
  EXPECT_FALSE(in.find("x"));
  EXPECT_EQ(in.find(""), 0u);
  EXPECT_TRUE(in.starts_with(""));
  EXPECT_FALSE(in.starts_with("x"));

  EXPECT_TRUE(in.try_skip(0));
  EXPECT_TRUE(in.try_read_chain(0)->empty());
  EXPECT_TRUE(in.try_read_bytes(0)->empty());
  EXPECT_TRUE(in.try_read_flat(0)->empty());
  EXPECT_TRUE(in.try_copy_to({}));
  EXPECT_EQ(in.copy_up_to({}), 0u);
  EXPECT_EQ(in.skip_up_to(5), 0u);
  EXPECT_TRUE(in.try_seek(before));
  EXPECT_EQ(in.position(), before);
}

// chain-C065, slice-P01
TEST_P(CursorShapeTest, WindowsAreNeverEmptyAndTogetherAreTheContent) {
  const Source source = make(fix_);
  EXPECT_EQ(content_of(source.cursor()), fix_);
}

// chain-C070
TEST_P(CursorShapeTest, EveryBytesWindowBeginsWithThatByte) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  for (size_t i = 0; i < fix_.size(); ++i) {
    EXPECT_EQ(text(in.window())[0], fix_[i]);
    EXPECT_EQ(in.try_peek_u8(), static_cast<uint8_t>(fix_[i]));
    EXPECT_EQ(in.try_read_u8(), static_cast<uint8_t>(fix_[i]));
    EXPECT_EQ(in.remaining(), fix_.size() - i - 1);
    EXPECT_EQ(in.position(), source.before + i + 1);
  }
  EXPECT_TRUE(in.at_end());
  EXPECT_FALSE(in.try_read_u8());
}

// slice-K05, slice-N03, and folly's skip(SIZE_MAX) that went backwards
TEST_P(CursorShapeTest, SkippingTooFarChangesNothing) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (const size_t extra : {size_t{1}, size_t{2}, size_t{100}}) {
      Cursor in = source.cursor();
      in.skip(start);
      EXPECT_FALSE(in.try_skip(fix_.size() - start + extra));
      EXPECT_FALSE(in.try_skip(kHuge));
      EXPECT_FALSE(in.try_skip(kHuge - start));
      EXPECT_FALSE(in.try_skip(kHuge / 2 + 1));
      EXPECT_EQ(in.position(), source.before + start);
      EXPECT_EQ(content_of(in), fix_.substr(start));
      EXPECT_EQ(in.skip_up_to(kHuge), fix_.size() - start);
      EXPECT_TRUE(in.at_end());
    }
  }
}

TEST_P(CursorShapeTest, SkipsAnyDistanceFromAnywhere) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t n = 0; n <= fix_.size() - start; ++n) {
      Cursor in = source.cursor();
      in.skip(start);
      ASSERT_TRUE(in.try_skip(n));
      ASSERT_EQ(in.remaining(), fix_.size() - start - n);
      ASSERT_EQ(content_of(in), fix_.substr(start + n));
    }
  }
}

// slice-K07, slice-K08, and folly's pullAtMost(SIZE_MAX)
TEST_P(CursorShapeTest, CopiesOutExactlyOrNothing) {
  const Source source = make(fix_);
  for (const size_t n : {size_t{8}, size_t{56}, size_t{64}}) {
    Cursor in = source.cursor();
    std::string to(n, '?');
    EXPECT_TRUE(in.try_copy_to(std::as_writable_bytes(std::span(to))));
    EXPECT_EQ(to, fix_.substr(0, n));
    EXPECT_EQ(in.remaining(), 64 - n);
  }
  Cursor in = source.cursor();
  std::string to(65, '?');
  EXPECT_FALSE(in.try_copy_to(std::as_writable_bytes(std::span(to))));
  EXPECT_EQ(to, std::string(65, '?'));
  EXPECT_EQ(in.remaining(), 64u);
}

// chain-C078, chain-R03: the end is not a failure, and nothing behind is written
TEST_P(CursorShapeTest, CopyUpToTakesWhatThereIs) {
  const Source source = make(fix_);
  for (const size_t room : {size_t{64}, size_t{74}, size_t{32}, size_t{0}}) {
    Cursor in = source.cursor();
    std::string to(room, '?');
    const size_t n = std::min<size_t>(room, 64);
    EXPECT_EQ(in.copy_up_to(std::as_writable_bytes(std::span(to))), n);
    EXPECT_EQ(to, fix_.substr(0, n) + std::string(room - n, '?'));
    EXPECT_EQ(in.remaining(), 64 - n);
  }
}

TEST_P(CursorShapeTest, CopiesAreCounted) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  std::array<std::byte, 10> to;
  CopyAudit audit;
  EXPECT_TRUE(in.try_copy_to(to));
  EXPECT_EQ(audit.thread().copied, 10u);
}

// slice-K09, slice-K11, slice-M02
TEST_P(CursorShapeTest, ReadChainOwnsThePrefixAndCopiesNothing) {
  for (const size_t n : {size_t{0}, size_t{8}, size_t{56}, size_t{64}}) {
    std::optional<Chain> taken;
    {
      const Source source = make(fix_);
      Cursor in = source.cursor();
      CopyAudit audit;
      taken = in.try_read_chain(n);
      EXPECT_EQ(audit.thread().copied, 0u);
      EXPECT_EQ(audit.thread().blocks, 0u);
      EXPECT_EQ(in.remaining(), 64 - n);
      EXPECT_EQ(content_of(in), fix_.substr(n));
    }
    // It outlives its source and whatever is read later.
    ASSERT_TRUE(taken);
    taken->check_invariants();
    EXPECT_EQ(*taken, fix_.substr(0, n));
  }
}

TEST_P(CursorShapeTest, ReadChainOfAnyRange) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t n = 0; n <= fix_.size() - start; ++n) {
      Cursor in = source.cursor();
      in.skip(start);
      const std::optional<Chain> taken = in.try_read_chain(n);
      ASSERT_TRUE(taken);
      ASSERT_EQ(*taken, fix_.substr(start, n));
      ASSERT_EQ(in.remaining(), fix_.size() - start - n);
    }
  }
}

// slice-K10
TEST_P(CursorShapeTest, ReadingTooMuchTakesNothing) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  in.skip(3);
  for (const size_t n : {size_t{62}, size_t{1000}, kHuge / 2, kHuge - 3, kHuge}) {
    EXPECT_FALSE(in.try_read_chain(n));
    EXPECT_FALSE(in.try_read_flat(n));
    EXPECT_FALSE(in.try_limit(n));
    EXPECT_FALSE(in.try_peek_flat(n, {}));
    const ReadResult<Bytes> bytes = in.try_read_bytes(n);
    EXPECT_EQ(bytes.status(), ReadStatus::need_more);
    EXPECT_EQ(bytes.needed(), n - 61);
    EXPECT_EQ(in.remaining(), 61u);
  }
  EXPECT_EQ(content_of(in), fix_.substr(3));
}

TEST_P(CursorShapeTest, ReadBytesSharesInsideOneSegment) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  while (!in.at_end()) {
    const std::span<const std::byte> window = in.window();
    CopyAudit audit;
    if (window.size() < in.remaining()) {
      Cursor ahead(in);
      const ReadResult<Bytes> too_much = ahead.try_read_bytes(window.size() + 1);
      EXPECT_EQ(too_much.status(), ReadStatus::straddles);
      EXPECT_EQ(too_much.needed(), 0u);
      EXPECT_EQ(ahead.position(), in.position());
    }
    const ReadResult<Bytes> bytes = in.try_read_bytes(window.size());
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->data(), window.data());
    EXPECT_EQ(bytes->size(), window.size());
    EXPECT_EQ(audit.thread(), CopyCounts{});
  }
}

TEST_P(CursorShapeTest, ReadFlatCopiesOnlyWhatStraddles) {
  const Source source = make(fix_);
  for (size_t start = 0; start < fix_.size(); ++start) {
    for (size_t n = 1; n <= fix_.size() - start; ++n) {
      Cursor in = source.cursor();
      in.skip(start);
      const std::span<const std::byte> window = in.window();
      CopyAudit audit;
      const std::optional<Bytes> flat = in.try_read_flat(n);
      ASSERT_TRUE(flat);
      ASSERT_EQ(*flat, fix_.substr(start, n));
      ASSERT_EQ(in.remaining(), fix_.size() - start - n);
      if (n <= window.size()) {
        ASSERT_EQ(flat->data(), window.data());
        ASSERT_EQ(audit.thread().copied, 0u);
      } else {
        ASSERT_EQ(audit.thread().copied, n);
        ASSERT_EQ(audit.thread().blocks, 1u);
      }
    }
  }
}

// buf-B18, chain-R01: what cannot be shown in place is put together in the scratch
TEST_P(CursorShapeTest, PeekFlatPointsIntoTheSegmentOrFillsTheScratch) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t n = 0; n <= fix_.size() - start; ++n) {
      Cursor in = source.cursor();
      in.skip(start);
      std::array<std::byte, 64> scratch;
      const std::optional<std::span<const std::byte>> peeked = in.try_peek_flat(n, scratch);
      ASSERT_TRUE(peeked);
      ASSERT_EQ(text(*peeked), fix_.substr(start, n));
      const bool in_place = n <= in.window().size();
      ASSERT_EQ(peeked->data(), in_place ? in.window().data() : scratch.data());
      ASSERT_EQ(in.position(), source.before + start);
    }
  }
  std::array<std::byte, 7> small;
  EXPECT_FALSE(source.cursor().try_peek_flat(8, small));
  std::array<std::byte, 100> large;
  EXPECT_FALSE(source.cursor().try_peek_flat(65, large));
}

// slice-K13, slice-N05
TEST_P(CursorShapeTest, FillSpansCoversEverythingAndLeavesTheRestUntouched) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    Cursor in = source.cursor();
    in.skip(start);
    std::vector<std::span<const std::byte>> spans(80);
    const GatherFill fill = in.fill_spans(spans);
    std::string all;
    for (size_t i = 0; i < fill.count; ++i) {
      EXPECT_FALSE(spans[i].empty());
      all += text(spans[i]);
    }
    EXPECT_EQ(all, fix_.substr(start));
    EXPECT_EQ(fill.bytes, all.size());
    for (size_t i = fill.count; i < spans.size(); ++i) EXPECT_EQ(spans[i].data(), nullptr);
    EXPECT_EQ(in.position(), source.before + start);
  }
}

// slice-K14, buf-V15, chain-X02
TEST_P(CursorShapeTest, FillSpansWithFewEntriesFillsExactlyThese) {
  const Source source = make(fix_);
  const Cursor in = source.cursor();
  EXPECT_EQ(in.fill_spans({}), GatherFill{});
  std::vector<std::span<const std::byte>> every(64);
  const size_t segments = in.fill_spans(every).count;
  for (size_t room = 1; room < segments; ++room) {
    std::vector<std::span<const std::byte>> spans(room);
    const GatherFill fill = in.fill_spans(spans);
    EXPECT_EQ(fill.count, room);
    std::string all;
    for (const auto& span : spans) all += text(span);
    EXPECT_EQ(fill.bytes, all.size());
    EXPECT_EQ(all, fix_.substr(0, all.size()));
  }
}

// buf-V16, buf-V17: the last span is trimmed
TEST_P(CursorShapeTest, FillSpansTrimsToTheBytesAskedFor) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  in.skip(30);
  std::vector<std::span<const std::byte>> spans(64);
  for (const size_t max : {size_t{0}, size_t{1}, size_t{20}, size_t{34}, size_t{35}, kHuge}) {
    const GatherFill fill = in.fill_spans(spans, max);
    std::string all;
    for (size_t i = 0; i < fill.count; ++i) all += text(spans[i]);
    EXPECT_EQ(all, fix_.substr(30, max));
    EXPECT_EQ(fill.bytes, all.size());
  }
}

#if BIGHT_HAS_IOVEC
TEST_P(CursorShapeTest, FillIovecSaysTheSameAsFillSpans) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  in.skip(9);
  std::vector<std::span<const std::byte>> spans(64);
  std::vector<iovec> entries(64);
  CopyAudit audit;
  for (const size_t max : {size_t{0}, size_t{17}, kHuge}) {
    const GatherFill fill = in.fill_iovec(entries, max);
    EXPECT_EQ(fill, in.fill_spans(spans, max));
    for (size_t i = 0; i < fill.count; ++i) {
      EXPECT_EQ(entries[i].iov_base, spans[i].data());
      EXPECT_EQ(entries[i].iov_len, spans[i].size());
    }
  }
  EXPECT_EQ(audit.thread(), CopyCounts{});
}
#endif

// ---- Numbers: slice-L over every reader -----------------------------------------------------

template <class Read, class T>
void expect_read(const Source& source, Read read, T expected, size_t size) {
  Cursor in = source.cursor();
  const std::optional<T> value = read(in);
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, expected);
  EXPECT_EQ(in.remaining(), 64 - size);
}

// slice-L04, slice-L05 (as two halves), slice-L14
TEST_P(CursorShapeTest, ReadsIntegersInBothOrders) {
  const Source source = make(fix_);
  expect_read(
      source, [](Cursor& in) { return in.try_read_u8(); }, uint8_t{0xFF}, 1);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<int8_t>(); }, int8_t{-1}, 1);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<uint16_t>(); }, uint16_t{0xFF01}, 2);
  expect_read(
      source, [](Cursor& in) { return in.try_read_le<uint16_t>(); }, uint16_t{0x01FF}, 2);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<int16_t>(); }, int16_t{-255}, 2);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<uint32_t>(); }, 0xFF018203u, 4);
  expect_read(
      source, [](Cursor& in) { return in.try_read_le<uint32_t>(); }, 0x038201FFu, 4);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<uint64_t>(); }, uint64_t{0xFF01820384058607},
      8);
  expect_read(
      source, [](Cursor& in) { return in.try_read_le<uint64_t>(); }, uint64_t{0x07860584038201FF},
      8);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<int64_t>(); }, int64_t{-71633167449750009}, 8);
  expect_read(
      source, [](Cursor& in) { return in.try_read_le<int64_t>(); }, int64_t{542126869697397247}, 8);
  Cursor wide = source.cursor();
  EXPECT_EQ(wide.try_read_be<uint64_t>(), 0xFF01820384058607u);
  EXPECT_EQ(wide.try_read_be<uint64_t>(), 0x88098A0B8C0D8E0Fu);
}

enum class Kind : uint16_t { other = 0x0001, known = 0xFF01 };

TEST_P(CursorShapeTest, ReadsEnums) {
  const Source source = make(fix_);
  expect_read(
      source, [](Cursor& in) { return in.try_read_be<Kind>(); }, Kind::known, 2);
  expect_read(
      source, [](Cursor& in) { return in.try_read_le<std::byte>(); }, std::byte{0xFF}, 1);
}

// slice-L06: the bits survive, signalling NaNs too
TEST_P(CursorShapeTest, ReadsFloatsBitForBit) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  EXPECT_EQ(std::bit_cast<uint32_t>(*in.try_read_be<float>()), 0xFF018203u);
  in = source.cursor();
  EXPECT_EQ(std::bit_cast<uint32_t>(*in.try_read_le<float>()), 0x038201FFu);
  in = source.cursor();
  EXPECT_EQ(std::bit_cast<uint64_t>(*in.try_read_be<double>()), 0xFF01820384058607u);
  in = source.cursor();
  EXPECT_EQ(std::bit_cast<uint64_t>(*in.try_read_le<double>()), 0x07860584038201FFu);
  const std::string signalling("\x7F\xA0\x00\x01", 4);
  const Source other = make(signalling);
  in = other.cursor();
  EXPECT_EQ(std::bit_cast<uint32_t>(*in.try_read_be<float>()), 0x7FA00001u);
}

// slice-L07
TEST_P(CursorShapeTest, NativeOrderIsOneOfTheTwo) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  EXPECT_EQ(in.try_read_native<uint32_t>(),
            std::endian::native == std::endian::big ? 0xFF018203u : 0x038201FFu);
}

// slice-L08, slice-L09, slice-L10, slice-L11, slice-L12, slice-L13
TEST_P(CursorShapeTest, ReadsIntegersOfOddWidths) {
  const Source source = make(fix_);
  expect_read(
      source, [](Cursor& in) { return in.try_read_uint_be(3); }, uint64_t{0xFF0182}, 3);
  expect_read(
      source, [](Cursor& in) { return in.try_read_uint_le(3); }, uint64_t{0x8201FF}, 3);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_be(3); }, int64_t{-65150}, 3);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_le(3); }, int64_t{-8257025}, 3);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_le(1); }, int64_t{-1}, 1);
  expect_read(
      source, [](Cursor& in) { return in.try_read_uint_be(0); }, uint64_t{0}, 0);
  expect_read(
      source, [](Cursor& in) { return in.try_read_uint_le(0); }, uint64_t{0}, 0);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_be(0); }, int64_t{0}, 0);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_le(0); }, int64_t{0}, 0);
  expect_read(
      source, [](Cursor& in) { return in.try_read_uint_be(8); }, uint64_t{0xFF01820384058607}, 8);
  expect_read(
      source, [](Cursor& in) { return in.try_read_int_le(8); }, int64_t{542126869697397247}, 8);
}

TEST_P(CursorShapeTest, ReadsEveryWidthAtEveryPlace) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t width = 0; width <= 8; ++width) {
      Cursor in = source.cursor();
      in.skip(start);
      uint64_t be = 0;
      uint64_t le = 0;
      const bool enough = start + width <= fix_.size();
      for (size_t i = 0; enough && i < width; ++i) {
        be = be << 8 | static_cast<uint8_t>(fix_[start + i]);
        le |= uint64_t{static_cast<uint8_t>(fix_[start + i])} << (8 * i);
      }
      Cursor twin(in);
      const std::optional<uint64_t> read_be = in.try_read_uint_be(width);
      const std::optional<uint64_t> read_le = twin.try_read_uint_le(width);
      ASSERT_EQ(read_be.has_value(), enough);
      ASSERT_EQ(read_le.has_value(), enough);
      if (enough) {
        ASSERT_EQ(*read_be, be);
        ASSERT_EQ(*read_le, le);
      }
      ASSERT_EQ(in.remaining(), fix_.size() - start - (enough ? width : 0));
      ASSERT_EQ(twin.remaining(), in.remaining());
    }
  }
}

// slice-K15, slice-L14
TEST_P(CursorShapeTest, AFailedReadConsumesNothing) {
  const Source source = make(fix_);
  for (size_t left = 0; left < 8; ++left) {
    Cursor in = source.cursor();
    in.skip(64 - left);
    EXPECT_FALSE(in.try_read_be<uint64_t>());
    EXPECT_FALSE(in.try_read_le<double>());
    EXPECT_FALSE(in.try_read_native<int64_t>());
    EXPECT_FALSE(in.try_peek_be<uint64_t>());
    EXPECT_FALSE(in.try_peek_le<uint64_t>());
    EXPECT_FALSE(in.try_read_uint_be(left + 1));
    EXPECT_FALSE(in.try_read_int_le(left + 1));
    EXPECT_EQ(in.remaining(), left);
    EXPECT_EQ(content_of(in), fix_.substr(64 - left));
  }
}

TEST_P(CursorShapeTest, PeekingDoesNotMove) {
  const Source source = make(fix_);
  const Cursor in = source.cursor();
  EXPECT_EQ(in.try_peek_be<uint32_t>(), 0xFF018203u);
  EXPECT_EQ(in.try_peek_le<uint64_t>(), 0x07860584038201FFu);
  EXPECT_EQ(in.try_peek_u8(), 0xFFu);
  EXPECT_EQ(in.remaining(), 64u);
}

TEST_P(CursorShapeTest, CheckedReadsReadTheSame) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  EXPECT_EQ(in.read_u8(), 0xFFu);
  EXPECT_EQ(in.read_be<uint16_t>(), 0x0182u);
  EXPECT_EQ(in.read_le<uint32_t>(), 0x86058403u);
  EXPECT_EQ(in.read_chain(2), fix_.substr(7, 2));
  EXPECT_EQ(in.remaining(), 55u);
}

// buf-E13
TEST_P(CursorShapeTest, PeeksThreeBytesThroughACopy) {
  const std::string bytes("\x00\x00\x02\xff\xff\xfe\x01", 7);
  const Source source = make(bytes);
  Cursor in = source.cursor();
  EXPECT_EQ(Cursor(in).try_read_uint_be(3), 2u);
  in.skip(3);
  EXPECT_EQ(Cursor(in).try_read_int_be(3), -2);
  in.skip(3);
  EXPECT_FALSE(Cursor(in).try_read_int_be(3));
  EXPECT_EQ(in.remaining(), 1u);
}

std::string varint(uint64_t value) {
  std::array<std::byte, kMaxVarintSize> bytes;
  const std::byte* const end = encode_varint(value, bytes.data());
  return std::string(text({bytes.data(), end}));
}

TEST_P(CursorShapeTest, ReadsVarintsOfEveryLength) {
  std::string bytes;
  std::vector<uint64_t> values;
  for (int bits = 0; bits < 64; ++bits) {
    for (const uint64_t delta : {uint64_t{0}, uint64_t{1}}) {
      values.push_back((uint64_t{1} << bits) - delta);
      bytes += varint(values.back());
    }
  }
  values.push_back(~uint64_t{0});
  bytes += varint(values.back());
  const Source source = make(bytes);
  Cursor in = source.cursor();
  Cursor narrow = source.cursor();
  for (const uint64_t value : values) {
    const ReadResult<uint64_t> read = in.try_read_varint();
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, value);
    const size_t before = narrow.position();
    const ReadResult<uint32_t> read32 = narrow.try_read_varint32();
    if (value <= 0xFFFFFFFF) {
      ASSERT_TRUE(read32);
      EXPECT_EQ(*read32, value);
    } else {
      EXPECT_EQ(read32.status(), ReadStatus::malformed);
      EXPECT_EQ(narrow.position(), before);
      EXPECT_TRUE(narrow.try_read_varint());
    }
  }
  EXPECT_TRUE(in.at_end());
  EXPECT_TRUE(narrow.at_end());
}

TEST_P(CursorShapeTest, ReadsSignedVarints) {
  std::string bytes;
  const int64_t values[] = {
      0, -1, 1, -64, 64, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  for (const int64_t value : values) bytes += varint(zigzag_encode(value));
  const Source source = make(bytes);
  Cursor in = source.cursor();
  for (const int64_t value : values) {
    const ReadResult<int64_t> read = in.try_read_varint_signed();
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, value);
  }
  EXPECT_TRUE(in.at_end());
}

TEST_P(CursorShapeTest, CutOffAndOverlongVarintsLeaveThePositionAlone) {
  for (size_t length = 0; length < 10; ++length) {
    const std::string bytes(length, '\x80');
    const Source source = make(bytes);
    Cursor in = source.cursor();
    const ReadResult<uint64_t> read = in.try_read_varint();
    EXPECT_EQ(read.status(), ReadStatus::need_more);
    EXPECT_EQ(read.needed(), 1u);
    EXPECT_EQ(in.remaining(), length);
    EXPECT_EQ(in.try_read_varint32().status(),
              length < 5 ? ReadStatus::need_more : ReadStatus::malformed);
    EXPECT_EQ(in.remaining(), length);
  }
  const std::string overlong[] = {std::string(11, '\xff'), std::string(9, '\xff') + "\x02"};
  for (const std::string& bytes : overlong) {
    const Source source = make(bytes);
    Cursor in = source.cursor();
    EXPECT_EQ(in.try_read_varint().status(), ReadStatus::malformed);
    EXPECT_EQ(in.try_read_varint_signed().status(), ReadStatus::malformed);
    EXPECT_EQ(in.try_read_prefixed_varint(100).status(), ReadStatus::malformed);
    EXPECT_EQ(in.remaining(), bytes.size());
  }
}

// ---- Positions, copies, limits --------------------------------------------------------------

// chain-C074, chain-R08
TEST_P(CursorShapeTest, ACopyIsACheckpoint) {
  const Source source = make(fix_);
  Cursor in = source.cursor();
  in.skip(7);
  const Cursor checkpoint(in);
  in.skip(20);
  EXPECT_EQ(checkpoint.remaining(), 57u);
  EXPECT_EQ(content_of(checkpoint), fix_.substr(7));
  EXPECT_EQ(content_of(in), fix_.substr(27));
  in = checkpoint;
  EXPECT_EQ(content_of(in), fix_.substr(7));
}

// buf-V19, chain-R04, chain-R05 (a failed seek leaves the position where it was)
TEST_P(CursorShapeTest, SeeksFromAnywhereToAnywhere) {
  const Source source = make(fix_);
  const size_t first = source.before;
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t to = 0; to <= fix_.size(); ++to) {
      Cursor in = source.cursor();
      in.skip(start);
      ASSERT_TRUE(in.try_seek(first + to));
      ASSERT_EQ(in.position(), first + to);
      ASSERT_EQ(in.remaining(), fix_.size() - to);
      ASSERT_EQ(content_of(in), fix_.substr(to));
    }
  }
  Cursor in = source.cursor();
  in.skip(12);
  EXPECT_FALSE(in.try_seek(first + 65));
  EXPECT_FALSE(in.try_seek(5000));
  EXPECT_FALSE(in.try_seek(kHuge));
  EXPECT_EQ(in.position(), first + 12);
}

// slice-N06, chain-R18
TEST_P(CursorShapeTest, ALimitEndsEarlyAndTheOuterCursorStays) {
  const Source source = make(fix_);
  for (size_t start = 0; start <= fix_.size(); ++start) {
    for (size_t n = 0; n <= fix_.size() - start; ++n) {
      Cursor outer = source.cursor();
      outer.skip(start);
      Cursor inner = outer.limit(n);
      ASSERT_EQ(inner.position(), outer.position());
      ASSERT_EQ(inner.remaining(), n);
      ASSERT_EQ(content_of(inner), fix_.substr(start, n));
      ASSERT_FALSE(inner.try_skip(n + 1));
      ASSERT_FALSE(inner.try_read_chain(n + 1));
      ASSERT_FALSE(inner.try_seek(inner.position() + n + 1));
      inner.skip(n / 2);
      ASSERT_EQ(inner.remaining(), n - n / 2);
      ASSERT_EQ(outer.remaining(), fix_.size() - start);
      outer.seek(inner.position());
      ASSERT_EQ(content_of(outer), fix_.substr(start + n / 2));
    }
  }
}

// slice-N01, slice-N03
TEST_P(CursorShapeTest, ALimitPastTheEndIsRefusedOrClamped) {
  const Source source = make(fix_);
  const Cursor outer = source.cursor();
  EXPECT_FALSE(outer.try_limit(65));
  EXPECT_FALSE(outer.try_limit(kHuge));
  EXPECT_EQ(outer.try_limit(64)->remaining(), 64u);
  EXPECT_EQ(outer.limit_up_to(kHuge).remaining(), 64u);
  EXPECT_EQ(outer.limit_up_to(65).remaining(), 64u);
  EXPECT_EQ(outer.limit_up_to(3).remaining(), 3u);
  EXPECT_FALSE(outer.limit_up_to(3).limit_up_to(10).try_read_be<uint32_t>());
}

// slice-L14, slice-N04
TEST_P(CursorShapeTest, AllReadersStopAtTheLimit) {
  const Source source = make(fix_);
  for (size_t n = 0; n <= 20; ++n) {
    Cursor in = source.cursor().limit(n);
    std::vector<std::span<const std::byte>> spans(30);
    EXPECT_EQ(in.fill_spans(spans).bytes, n);
    EXPECT_EQ(in.find(fix_[n]), std::nullopt);
    EXPECT_EQ(in.find(fix_.substr(n, 2)), std::nullopt);
    if (n != 0) {
      EXPECT_EQ(in.find(fix_.substr(n - 1, 2)), std::nullopt);
      EXPECT_EQ(in.find(fix_[n - 1]), n - 1);
    }
    EXPECT_FALSE(in.starts_with(fix_.substr(0, n + 1)));
    EXPECT_TRUE(in.starts_with(fix_.substr(0, n)));
    EXPECT_EQ(in.try_read_u8().has_value(), n >= 1);
    EXPECT_EQ(in.try_read_be<uint64_t>().has_value(), n >= 9);
    const size_t rest = n - (n >= 9 ? 9 : (n >= 1 ? 1 : 0));
    EXPECT_EQ(in.remaining(), rest);
    EXPECT_EQ(in.skip_up_to(kHuge), rest);
  }
}

// ---- Search ---------------------------------------------------------------------------------

TEST_P(CursorShapeTest, FindsEveryByteAndNeedleFromEveryPlace) {
  const Source source = make(fix_);
  for (size_t start = 0; start < fix_.size(); ++start) {
    Cursor in = source.cursor();
    in.skip(start);
    for (size_t at = start; at < fix_.size(); ++at) {
      ASSERT_EQ(in.find(fix_[at]), at - start);
      ASSERT_EQ(in.find(fix_[at], at - start), at - start);
      ASSERT_EQ(in.find(fix_[at], at - start + 1), std::nullopt);
      const std::string needle = fix_.substr(at, 5);
      ASSERT_EQ(in.find(needle), at - start);
      ASSERT_EQ(in.find(needle, at - start + 1), std::nullopt);
    }
    ASSERT_EQ(in.find('\x7f'), std::nullopt);
    ASSERT_EQ(in.find("\x7f\x7f"), std::nullopt);
    ASSERT_EQ(in.find(std::byte{0x3f}), 63 - start);
    ASSERT_EQ(in.find(fix_[start], kHuge), std::nullopt);
    ASSERT_EQ(in.find(fix_.substr(start, 2), kHuge), std::nullopt);
    // buf-E16
    ASSERT_EQ(in.find(""), 0u);
    ASSERT_EQ(in.find("", 64 - start), 64 - start);
    ASSERT_EQ(in.find("", 65 - start), std::nullopt);
  }
}

TEST_P(CursorShapeTest, StartsWithComparesAcrossSegments) {
  const Source source = make(fix_);
  for (size_t n = 0; n <= fix_.size(); ++n) {
    std::string prefix = fix_.substr(0, n);
    EXPECT_TRUE(source.cursor().starts_with(prefix));
    if (n != 0) {
      prefix.back() ^= 1;
      EXPECT_FALSE(source.cursor().starts_with(prefix));
    }
  }
  EXPECT_FALSE(source.cursor().starts_with(fix_ + "x"));
}

// buf-B20, buf-B21, slice-P02
TEST_P(CursorShapeTest, CutsAtDelimiters) {
  const std::string bytes = "1234567\n12\n\n2567";
  const Source source = make(bytes);
  Cursor in = source.cursor();
  EXPECT_EQ(*in.try_read_until("\n", 100), "1234567");
  EXPECT_EQ(*in.try_read_until("\n", 100), "12");
  EXPECT_EQ(*in.try_read_until("\n", 100), "");
  EXPECT_EQ(in.try_read_until("\n", 100).status(), ReadStatus::need_more);
  EXPECT_EQ(in.remaining(), 4u);

  const std::string crlf = "\r\nab\n\rcd\r\nx";
  const Source other = make(crlf);
  in = other.cursor();
  EXPECT_EQ(*in.try_read_until("\r\n", 100), "");
  EXPECT_EQ(*in.try_read_until("\r\n", 100), "ab\n\rcd");
  EXPECT_EQ(in.try_read_until("\r\n", 100).status(), ReadStatus::need_more);
  EXPECT_EQ(*in.try_read_chain(1), "x");
}

// buf-D01
TEST_P(CursorShapeTest, DelimitersMayHoldAnyByteAndBeLong) {
  const std::string bytes =
      "key\x80"
      "A\xff\x00value0123456789--end";
  const Source source = make(bytes);
  Cursor in = source.cursor();
  EXPECT_EQ(*in.try_read_until("\x80"
                               "A",
                               10),
            "key");
  EXPECT_EQ(*in.try_read_until("\xff", 10), "");
  const Source again = make("value0123456789--end");
  in = again.cursor();
  EXPECT_EQ(*in.try_read_until("0123456789--", 5), "value");
  EXPECT_EQ(*in.try_read_chain(3), "end");
}

TEST_P(CursorShapeTest, UntilTellsTooLongFromNotYet) {
  const std::string bytes = "abcdef--gh";
  const Source source = make(bytes);
  for (size_t max = 0; max < 12; ++max) {
    Cursor in = source.cursor();
    const ReadResult<Chain> part = in.try_read_until("--", max);
    if (max < 6) {
      EXPECT_EQ(part.status(), ReadStatus::too_long);
      EXPECT_EQ(in.remaining(), bytes.size());
    } else {
      ASSERT_TRUE(part);
      EXPECT_EQ(*part, "abcdef");
      EXPECT_EQ(in.remaining(), 2u);
    }
  }
  for (size_t max = 0; max < 12; ++max) {
    Cursor in = source.cursor();
    // With max + 2 bytes there, a delimiter can no longer begin early enough.
    EXPECT_EQ(in.try_read_until("##", max).status(),
              max + 2 <= bytes.size() ? ReadStatus::too_long : ReadStatus::need_more);
  }
  EXPECT_EQ(source.cursor().try_read_until("##", kHuge).status(), ReadStatus::need_more);
  EXPECT_EQ(source.cursor().try_read_until("##", kHuge, kHuge).status(), ReadStatus::need_more);
}

TEST_P(CursorShapeTest, LinesEndAsTheModeSays) {
  const std::string bytes = "one\r\ntwo\nth\rree\r\r\n\nlast";
  const Source source = make(bytes);
  Cursor in = source.cursor();
  EXPECT_EQ(*in.try_read_line(100), "one");
  EXPECT_EQ(*in.try_read_line(100), "two");
  EXPECT_EQ(*in.try_read_line(100), "th\rree\r");
  EXPECT_EQ(*in.try_read_line(100), "");
  EXPECT_EQ(in.try_read_line(100).status(), ReadStatus::need_more);
  EXPECT_EQ(*in.try_read_chain(in.remaining()), "last");

  in = source.cursor();
  EXPECT_EQ(*in.try_read_line(100, LineEnd::crlf), "one");
  EXPECT_EQ(*in.try_read_line(100, LineEnd::crlf), "two\nth\rree\r");
  EXPECT_EQ(in.try_read_line(100, LineEnd::crlf).status(), ReadStatus::need_more);
  EXPECT_EQ(in.remaining(), 5u);

  in = source.cursor();
  EXPECT_EQ(*in.try_read_line(100, LineEnd::lf), "one\r");
  EXPECT_EQ(*in.try_read_line(100, LineEnd::lf), "two");
}

TEST_P(CursorShapeTest, LinesAtTheLimitOfTheirLength) {
  struct Case {
    std::string bytes;
    size_t max;
    ReadStatus status;
  };
  const Case cases[] = {
      {"abc\n", 3, ReadStatus::ok},
      {"abc\r\n", 3, ReadStatus::ok},
      {"abc\n", 2, ReadStatus::too_long},
      {"abc\r\n", 2, ReadStatus::too_long},
      {"abcd\n", 3, ReadStatus::too_long},
      {"abc", 3, ReadStatus::need_more},
      {"abc\r", 3, ReadStatus::need_more},
      {"abcd", 3, ReadStatus::too_long},
      {"abc\rx", 3, ReadStatus::too_long},
      {"abc\r\r\n", 3, ReadStatus::too_long},
      {"\n", 0, ReadStatus::ok},
      {"\r\n", 0, ReadStatus::ok},
      {"\r", 0, ReadStatus::need_more},
      {"x", 0, ReadStatus::too_long},
      {"abc", kHuge, ReadStatus::need_more},
      {"abc\n", kHuge, ReadStatus::ok},
      {"abc\r", kHuge - 1, ReadStatus::need_more},
  };
  for (const Case& c : cases) {
    const Source source = make(c.bytes);
    for (const size_t searched : {size_t{0}, size_t{1}}) {
      if (searched != 0 && c.bytes[0] == '\n') continue;
      Cursor in = source.cursor();
      const ReadResult<Chain> line = in.try_read_line(c.max, LineEnd::crlf_or_lf, searched);
      EXPECT_EQ(line.status(), c.status) << c.bytes << " max " << c.max;
      EXPECT_EQ(line.needed(), c.status == ReadStatus::need_more ? 1u : 0u);
      EXPECT_EQ(in.remaining(), line ? 0 : c.bytes.size());
    }
  }
}

// ---- Prefixed frames ------------------------------------------------------------------------

TEST_P(CursorShapeTest, ReadsFramesWithEveryKindOfLength) {
  std::string bytes;
  bytes += '\x03';
  bytes += "abc";
  bytes += std::string("\x00\x02", 2) + "de";
  bytes += std::string("\x02\x00\x00\x00", 4) + "fg";
  bytes += std::string("\x00\x00\x00\x00\x00\x00\x00\x01", 8) + "h";
  bytes += varint(300) + std::string(300, 'v');
  bytes += '\x00';
  const Source source = make(bytes);
  Cursor in = source.cursor();
  CopyAudit audit;
  EXPECT_EQ(*in.try_read_prefixed<uint8_t>(3), "abc");
  EXPECT_EQ(*in.try_read_prefixed<uint16_t>(10), "de");
  EXPECT_EQ(*in.try_read_prefixed_le<uint32_t>(10), "fg");
  EXPECT_EQ(*in.try_read_prefixed<uint64_t>(10), "h");
  EXPECT_EQ(*in.try_read_prefixed_varint(300), std::string(300, 'v'));
  EXPECT_EQ(*in.try_read_prefixed<uint8_t>(0), "");
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST_P(CursorShapeTest, AFrameThatIsCutOffSaysHowMuchIsMissing) {
  const std::string whole = std::string("\x00\x00\x00\x05", 4) + "hello";
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string bytes = whole.substr(0, n);
    const Source source = make(bytes);
    Cursor in = source.cursor();
    const ReadResult<Chain> frame = in.try_read_prefixed<uint32_t>(5);
    EXPECT_EQ(frame.status(), ReadStatus::need_more);
    EXPECT_EQ(frame.needed(), n < 4 ? 4 - n : 9 - n);
    EXPECT_EQ(in.remaining(), n);
  }
}

TEST_P(CursorShapeTest, AHostileLengthIsTooLongAtOnce) {
  const std::string bytes(8, '\xff');
  const Source source = make(bytes);
  Cursor in = source.cursor();
  EXPECT_EQ(in.try_read_prefixed<uint8_t>(254).status(), ReadStatus::too_long);
  EXPECT_EQ(in.try_read_prefixed<uint32_t>(1 << 20).status(), ReadStatus::too_long);
  EXPECT_EQ(in.try_read_prefixed_le<uint64_t>(1 << 20).status(), ReadStatus::too_long);
  // Without a limit it is a frame that would need all memory.
  const ReadResult<Chain> frame = in.try_read_prefixed<uint64_t>(kHuge);
  EXPECT_EQ(frame.status(), ReadStatus::need_more);
  EXPECT_EQ(frame.needed(), kHuge);
  EXPECT_EQ(in.remaining(), 8u);
}

// ---- Random calls against a string ----------------------------------------------------------

TEST_P(CursorShapeTest, RandomCallsAgreeWithAString) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::string content(1 + random() % 300, '\0');
    for (char& c : content) c = "ab\n\x80\x01"[random() % 5];
    const Source source = make(content);
    Cursor in = source.cursor();
    size_t at = 0;
    for (int step = 0; step < 300; ++step) {
      const size_t left = content.size() - at;
      const size_t n = random() % 8 == 0 ? random() % 400 : random() % 12;
      switch (random() % 9) {
        case 0:
          ASSERT_EQ(in.try_skip(n), n <= left);
          if (n <= left) at += n;
          break;
        case 1: {
          const std::optional<Chain> taken = in.try_read_chain(n);
          ASSERT_EQ(taken.has_value(), n <= left);
          if (!taken) break;
          ASSERT_EQ(*taken, content.substr(at, n));
          at += n;
          break;
        }
        case 2: {
          const std::optional<Bytes> flat = in.try_read_flat(n);
          ASSERT_EQ(flat.has_value(), n <= left);
          if (!flat) break;
          ASSERT_EQ(*flat, content.substr(at, n));
          at += n;
          break;
        }
        case 3: {
          const std::optional<uint32_t> value = in.try_read_be<uint32_t>();
          ASSERT_EQ(value.has_value(), left >= 4);
          if (!value) break;
          ASSERT_EQ(*value, load_be<uint32_t>(content.data() + at));
          at += 4;
          break;
        }
        case 4: {
          const size_t to = random() % (content.size() + 1);
          ASSERT_TRUE(in.try_seek(source.before + to));
          at = to;
          break;
        }
        case 5: {
          const ReadResult<Chain> line = in.try_read_until("\n", kHuge);
          const size_t end = content.find('\n', at);
          ASSERT_EQ(bool{line}, end != std::string::npos);
          if (!line) break;
          ASSERT_EQ(*line, content.substr(at, end - at));
          at = end + 1;
          break;
        }
        case 6: {
          const std::string needle = content.substr(random() % content.size(), 1 + random() % 4);
          const size_t found = content.find(needle, at);
          const std::optional<size_t> offset = in.find(needle);
          ASSERT_EQ(offset.has_value(), found != std::string::npos);
          if (offset) {
            ASSERT_EQ(*offset, found - at);
          }
          break;
        }
        case 7: {
          const std::optional<Cursor> inner = in.try_limit(n);
          ASSERT_EQ(inner.has_value(), n <= left);
          if (inner) {
            ASSERT_EQ(content_of(*inner), content.substr(at, n));
          }
          break;
        }
        default: {
          const ReadResult<Bytes> bytes = in.try_read_bytes(n);
          if (n > left) {
            ASSERT_EQ(bytes.needed(), n - left);
          } else if (bytes) {
            ASSERT_EQ(*bytes, content.substr(at, n));
            at += n;
          } else {
            ASSERT_EQ(bytes.status(), ReadStatus::straddles);
          }
        }
      }
      ASSERT_EQ(in.position(), source.before + at);
      ASSERT_EQ(in.remaining(), content.size() - at);
      ASSERT_EQ(in.at_end(), at == content.size());
    }
  }
}

// ---- Once -----------------------------------------------------------------------------------

// slice-L14
TEST(CursorTest, AShortReadAcrossTwoSegmentsConsumesNothing) {
  const Chain chain = chain_of({"ab", "cd"});
  Cursor in(chain);
  EXPECT_FALSE(in.try_read_be<uint64_t>());
  EXPECT_EQ(in.remaining(), 4u);
  EXPECT_FALSE(in.limit(3).try_read_be<uint32_t>());
  EXPECT_EQ(in.try_read_be<uint32_t>(), 0x61626364u);
}

// slice-M02
TEST(CursorTest, ChainsReadAcrossASeamShareBothSides) {
  const Chain chain = chain_of({"ab", "cd"});
  Cursor in(chain);
  const Chain a = in.read_chain(1);
  const Chain bc = in.read_chain(2);
  const Chain d = in.read_chain(1);
  EXPECT_EQ(a.segment(0).data(), chain.segment(0).data());
  EXPECT_EQ(bc.segment(0).data(), chain.segment(0).data() + 1);
  EXPECT_EQ(bc.segment(1).data(), chain.segment(1).data());
  EXPECT_EQ(d.segment(0).data(), chain.segment(1).data() + 1);
}

// slice-M04
TEST(CursorTest, SpansShrinkAsTheCursorMoves) {
  const Chain chain = chain_of({"hello", "world"});
  Cursor in(chain);
  std::array<std::span<const std::byte>, 4> spans;
  EXPECT_EQ(in.fill_spans(spans).count, 2u);
  in.skip(2);
  EXPECT_EQ(in.fill_spans(spans).count, 2u);
  EXPECT_EQ(text(spans[0]), "llo");
  EXPECT_EQ(text(spans[1]), "world");
  in.skip(3);
  EXPECT_EQ(in.fill_spans(spans).count, 1u);
  EXPECT_EQ(text(spans[0]), "world");
  in.skip(3);
  EXPECT_EQ(in.fill_spans(spans).count, 1u);
  EXPECT_EQ(text(spans[0]), "ld");
}

// slice-N02
TEST(CursorTest, ReadingInALimitSharesTheSegment) {
  const Bytes bytes = Bytes::copy_of("abcd");
  Cursor outer(bytes);
  Cursor inner = outer.limit(2);
  const ReadResult<Bytes> a = inner.try_read_bytes(1);
  ASSERT_TRUE(a);
  EXPECT_EQ(*a, "a");
  EXPECT_EQ(a->data(), bytes.data());
  outer.seek(inner.position());
  EXPECT_EQ(text(outer.window()), "bcd");
}

// slice-N04
TEST(CursorTest, ALimitTrimsTheLastSpan) {
  const Chain chain = chain_of({"123", "456"});
  const auto spans_of = [&chain](size_t n) {
    std::array<std::span<const std::byte>, 4> spans;
    std::vector<std::string> result;
    const GatherFill fill = Cursor(chain).limit_up_to(n).fill_spans(spans);
    for (size_t i = 0; i < fill.count; ++i) result.emplace_back(text(spans[i]));
    return result;
  };
  EXPECT_THAT(spans_of(0), testing::IsEmpty());
  EXPECT_THAT(spans_of(1), testing::ElementsAre("1"));
  EXPECT_THAT(spans_of(3), testing::ElementsAre("123"));
  EXPECT_THAT(spans_of(4), testing::ElementsAre("123", "4"));
  EXPECT_THAT(spans_of(6), testing::ElementsAre("123", "456"));
  EXPECT_THAT(spans_of(7), testing::ElementsAre("123", "456"));
}

// slice-N05
TEST(CursorTest, ALimitOverFortySegmentsYieldsAllForty) {
  const Chain chain = chain_of(std::string(80, 'x'), 2);
  std::array<std::span<const std::byte>, 64> spans;
  EXPECT_EQ(Cursor(chain).limit(80).fill_spans(spans), (GatherFill{40, 80}));
}

// buf-V15, buf-V16, buf-V17
TEST(CursorTest, PeeksAtSixteenSegmentsFromAnyPlace) {
  const Chain chain = chain_of(std::string(16 * 22, 'x'), 22);
  Cursor in(chain);
  std::array<std::span<const std::byte>, 20> spans;
  EXPECT_EQ(in.fill_spans(std::span(spans).first(1)), (GatherFill{1, 22}));
  EXPECT_EQ(spans[1].data(), nullptr);
  EXPECT_EQ(in.fill_spans(spans, 40), (GatherFill{2, 40}));
  EXPECT_EQ(in.fill_spans(spans, 100), (GatherFill{5, 100}));
  EXPECT_EQ(in.fill_spans(spans, 10000), (GatherFill{16, 352}));
  in.skip(30);
  EXPECT_EQ(in.fill_spans(spans, 50).bytes, 50u);
  EXPECT_EQ(spans[0].data(), chain.segment(1).data() + 8);
  EXPECT_EQ(spans[0].size(), 14u);
  in.skip(in.remaining());
  EXPECT_EQ(in.fill_spans(spans), GatherFill{});
}

// buf-V23: the delimiter is split by a boundary and comes in two parts; nothing is missed when the
// search goes on where it stopped.
TEST(CursorTest, ASearchGoesOnWhereItStopped) {
  Chain chain = chain_of({"some", "line"});
  size_t searched = 0;
  {
    Cursor in(chain);
    EXPECT_EQ(in.try_read_until("\r\n", 100).status(), ReadStatus::need_more);
    searched = in.remaining();
  }
  chain.push_copy("\r");
  {
    Cursor in(chain);
    EXPECT_EQ(in.try_read_until("\r\n", 100, searched).status(), ReadStatus::need_more);
    searched = in.remaining();
    EXPECT_EQ(searched, 9u);
  }
  chain.push_copy("\nrest");
  Cursor in(chain);
  const ReadResult<Chain> line = in.try_read_until("\r\n", 100, searched);
  ASSERT_TRUE(line);
  EXPECT_EQ(*line, "someline");
  EXPECT_EQ(in.position(), 10u);
}

TEST(CursorTest, ASearchThatGoesOnDoesNotLookAtWhatWasSearched) {
  const Chain chain = chain_of({"a\nb", "c\nd"});
  Cursor in(chain);
  // The first end of line stands before what is said to have been searched.
  const ReadResult<Chain> line = in.try_read_line(100, LineEnd::lf, 3);
  ASSERT_TRUE(line);
  EXPECT_EQ(*line, "a\nbc");
}

// buf-B20
TEST(CursorTest, GoesOnAtItsPositionAfterBytesWereAppended) {
  Chain chain = chain_of({"1234567\n1", "2\n\n25", "67"});
  size_t position;
  {
    Cursor in(chain);
    EXPECT_EQ(*in.try_read_line(100), "1234567");
    EXPECT_EQ(*in.try_read_line(100), "12");
    EXPECT_EQ(*in.try_read_line(100), "");
    EXPECT_EQ(in.try_read_line(100).status(), ReadStatus::need_more);
    position = in.position();
  }
  chain.push_copy("\n");
  Cursor in(chain);
  ASSERT_TRUE(in.try_seek(position));
  EXPECT_EQ(*in.try_read_line(100), "2567");
  EXPECT_TRUE(in.at_end());
}

// slice-P02
TEST(CursorTest, ReadsALineAcrossABoundary) {
  const Chain chain = chain_of({"hell", "o\nworld"});
  Cursor in(chain);
  EXPECT_EQ(*in.try_read_line(100), "hello");
  EXPECT_EQ(in.try_read_line(100).status(), ReadStatus::need_more);
  EXPECT_EQ(*in.try_read_chain(in.remaining()), "world");
}

// buf-E18: a match lies wholly inside the limit
TEST(CursorTest, FindsOnlyWhatLiesInsideTheLimit) {
  const Chain chain = chain_of({"na", "n", "an", "a", "ban", "ana"});
  const auto find = [&chain](std::string_view needle, size_t from, size_t limit) {
    Cursor in(chain);
    in.skip(from);
    const std::optional<size_t> offset = in.limit_up_to(limit).find(needle);
    return offset ? std::optional<size_t>(*offset + from) : std::nullopt;
  };
  EXPECT_EQ(find("ban", 0, 8), std::nullopt);
  EXPECT_EQ(find("ban", 0, 9), 6u);
  EXPECT_EQ(find("b", 6, 1), 6u);
  EXPECT_EQ(find("ana", 9, 2), std::nullopt);
  EXPECT_EQ(find("ana", 9, 3), 9u);
  EXPECT_EQ(find("ana", 9, 10000000), 9u);
  // buf-E17
  EXPECT_EQ(find("na", 10, 100), 10u);
  EXPECT_EQ(find("na", 11, 100), std::nullopt);
}

// chain-C060, chain-C061, chain-C063, chain-C064
TEST(CursorTest, FindsAcrossFalseStarts) {
  const Chain chain = chain_of({"aaa", "aa", "b"});
  EXPECT_EQ(Cursor(chain).find("aaab"), 2u);
  EXPECT_EQ(Cursor(chain).find("aaaaab"), 0u);
  EXPECT_EQ(Cursor(chain).find("aaaaaab"), std::nullopt);
}

// chain-R07, chain-R09: how much there is, and whether all of it was read
TEST(CursorTest, AtEndSaysWhetherAllWasRead) {
  Chain chain;
  for (const char letter : {'a', 'b', 'd'})
    chain.push_back(Bytes::copy_of(std::string(600, letter)));
  Cursor in(chain);
  EXPECT_EQ(in.remaining(), 1800u);
  ASSERT_TRUE(in.try_skip(10));
  EXPECT_FALSE(in.at_end());
  EXPECT_EQ(in.position(), 10u);
  ASSERT_TRUE(in.try_skip(1790));
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(in.position(), 1800u);
}

// chain-R17: what was taken is read while the builder goes on behind it
TEST(CursorTest, ReadsWhatWasTakenWhileTheBuilderGoesOn) {
  ChainBuilder out;
  out.append(std::string(1000, 'w'));
  const Chain first = out.take();
  Cursor in(first);
  ASSERT_TRUE(in.try_skip(990));
  out.append(std::string(500, 'x'));
  EXPECT_EQ(in.try_read_chain(10).value(), ByteView(std::string(10, 'w')));
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(out.size(), 500u);
  EXPECT_EQ(out.take(), ByteView(std::string(500, 'x')));
}

// chain-R01, chain-R08
TEST(CursorTest, PeeksAcrossTheBoundaryOfLargeSegments) {
  const Chain chain =
      chain_of({std::string(600, 'a'), std::string(600, 'b'), std::string(600, 'd')});
  Cursor in(chain);
  in.skip(598);
  EXPECT_EQ(in.window().size(), 2u);
  std::array<std::byte, 5> scratch;
  const auto peeked = in.try_peek_flat(5, scratch);
  ASSERT_TRUE(peeked);
  EXPECT_EQ(text(*peeked), "aabbb");
  EXPECT_EQ(in.position(), 598u);
  Cursor second(chain);
  second.seek(7);
  EXPECT_EQ(in.position(), 598u);
  EXPECT_EQ(second.position(), 7u);
  in.seek(1795);
  std::array<std::byte, 10> to;
  EXPECT_EQ(in.copy_up_to(to), 5u);
  EXPECT_EQ(text(std::span(to).first(5)), "ddddd");
  EXPECT_EQ(in.position(), 1800u);
  EXPECT_TRUE(in.try_seek(0));
  EXPECT_FALSE(in.try_seek(5000));
  EXPECT_EQ(in.position(), 0u);
}

// chain-C071, chain-C072, chain-C073
TEST(CursorTest, CutsOfAnySizeUpToTheEnd) {
  std::string content;
  for (char c = 'a'; c < 'g'; ++c) content += std::string(2500, c);
  const Chain chain = chain_of(content, 2500);
  for (const size_t n : {size_t{150}, size_t{1500}, size_t{2500}, size_t{3000}}) {
    Cursor in(chain);
    while (in.remaining() >= n) {
      const size_t before = in.position();
      EXPECT_EQ(*in.try_read_chain(n), content.substr(before, n));
      EXPECT_EQ(in.position() + in.remaining(), content.size());
    }
    EXPECT_FALSE(in.try_read_chain(n));
    EXPECT_EQ(*in.try_read_chain(in.remaining()), content.substr(content.size() / n * n));
    EXPECT_TRUE(in.at_end());
  }
}

TEST(CursorTest, SkipsAndSeeksOverAThousandSegments) {
  const std::string content = [] {
    std::string bytes(5000, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
    return bytes;
  }();
  const Chain chain = chain_of(content, 5);
  for (const size_t n : {size_t{39}, size_t{45}, size_t{46}, size_t{999}, size_t{4990}}) {
    Cursor in(chain);
    in.skip(3);
    in.skip(n);
    EXPECT_EQ(content_of(in), content.substr(3 + n));
    // The same behind a limit, so that the last segment is cut in the middle.
    Cursor limited = Cursor(chain).limit(4997);
    limited.skip(3);
    limited.skip(n);
    EXPECT_EQ(limited.remaining(), 4994 - n);
    EXPECT_EQ(content_of(limited), content.substr(3 + n, 4994 - n));
    limited.seek(4997);
    EXPECT_TRUE(limited.at_end());
    EXPECT_TRUE(limited.window().empty());
  }
}

TEST(CursorTest, ReadBytesTakesOneReferenceAndOutlivesTheSource) {
  int released = 0;
  static constexpr char kStorage[] = "payload of a hook";
  auto chain = std::make_unique<Chain>();
  chain->push_copy("head");
  chain->push_back(Bytes::with_release(std::as_bytes(std::span(kStorage)),
                                       [&released]() noexcept { ++released; }));
  Cursor in(*chain);
  in.skip(4);
  std::optional<Bytes> kept;
  {
    ReadResult<Bytes> bytes = in.try_read_bytes(7);
    ASSERT_TRUE(bytes);
    kept = std::move(*bytes);
  }
  chain.reset();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(*kept, "payload");
  kept.reset();
  EXPECT_EQ(released, 1);
}

TEST(CursorTest, IsPlainData) {
  static_assert(std::is_trivially_copyable_v<Cursor>);
  static_assert(sizeof(void*) != 8 || sizeof(Cursor) == 56);
  static_assert(!std::is_constructible_v<Cursor, Chain>);
  static_assert(!std::is_constructible_v<Cursor, const Chain>);
  static_assert(!std::is_constructible_v<Cursor, Bytes>);
  static_assert(!std::is_constructible_v<Cursor, std::string_view>);
  static_assert(!std::is_convertible_v<const Chain&, Cursor>);
  static_assert(std::is_constructible_v<Cursor, const Chain&>);
  static_assert(std::is_constructible_v<Cursor, Bytes&>);
}

TEST(ReadResultTest, KnowsItsStatusAndWhatIsMissing) {
  ReadResult<int> ok(5);
  EXPECT_TRUE(ok);
  EXPECT_EQ(ok.status(), ReadStatus::ok);
  EXPECT_EQ(ok.needed(), 0u);
  EXPECT_EQ(*ok, 5);
  *ok = 6;
  EXPECT_EQ(*std::as_const(ok), 6);
  const ReadResult<int> more(ReadStatus::need_more, 3);
  EXPECT_FALSE(more);
  EXPECT_EQ(more.needed(), 3u);
  EXPECT_EQ(ReadResult<int>(ReadStatus::need_more).needed(), 1u);
  EXPECT_EQ(ReadResult<int>(ReadStatus::too_long, 7).needed(), 0u);
  ReadResult<std::unique_ptr<int>> owner(std::make_unique<int>(4));
  EXPECT_EQ(**owner, 4);
  const std::unique_ptr<int> taken = *std::move(owner);
  EXPECT_EQ(*taken, 4);
  const ReadResult<std::string> word(std::string("word"));
  EXPECT_EQ(word->size(), 4u);
  const ReadResult<std::string> made(std::in_place, size_t{3}, 'x');
  EXPECT_EQ(*made, "xxx");
}

TEST(ReadResultTest, StatusesHaveNames) {
  EXPECT_STREQ(to_string(ReadStatus::ok), "ok");
  EXPECT_STREQ(to_string(ReadStatus::need_more), "need_more");
  EXPECT_STREQ(to_string(ReadStatus::malformed), "malformed");
  EXPECT_STREQ(to_string(ReadStatus::too_long), "too_long");
  EXPECT_STREQ(to_string(ReadStatus::straddles), "straddles");
}

TEST(ReadResultDeathTest, HasNoValueUnlessItIsOk) {
  EXPECT_DEATH((void)*ReadResult<int>(ReadStatus::need_more), "status need_more");
  EXPECT_DEATH((void)*ReadResult<int>(ReadStatus::malformed), "status malformed");
  EXPECT_DEATH((void)*ReadResult<int>(ReadStatus::too_long), "status too_long");
  const ReadResult<std::string> straddles(ReadStatus::straddles);
  EXPECT_DEATH((void)straddles->size(), "status straddles");
  EXPECT_DEATH((void)ReadResult<int>(ReadStatus::ok), "status ok and no value");
}

// slice-K05, slice-K08, slice-K10, slice-L12, slice-N03, chain-C073
TEST(CursorDeathTest, BrokenPromisesStopTheProgramWithBothNumbers) {
  const Chain chain = chain_of({"ab", "cd"});
  Cursor in(chain);
  in.skip(1);
  EXPECT_DEATH(in.skip(4), "skip\\(4\\) of 3 bytes");
  EXPECT_DEATH(in.skip(kHuge), "skip\\(18446744073709551615\\) of 3 bytes");
  EXPECT_DEATH(in.seek(5), "seek\\(5\\) of 4 bytes");
  EXPECT_DEATH((void)in.limit(4), "limit\\(4\\) of 3 bytes");
  EXPECT_DEATH((void)in.read_chain(4), "read_chain\\(4\\) of 3 bytes");
  EXPECT_DEATH((void)in.read_be<uint32_t>(), "read_be\\(4\\) of 3 bytes");
  EXPECT_DEATH((void)in.read_le<uint64_t>(), "read_le\\(8\\) of 3 bytes");
  EXPECT_DEATH((void)in.try_read_uint_be(9), "try_read_uint_be\\(9\\) of 8 bytes");
  EXPECT_DEATH((void)in.try_read_uint_le(9), "try_read_uint_le\\(9\\) of 8 bytes");
  EXPECT_DEATH((void)in.try_read_int_be(kHuge), "try_read_int_be\\(18446744073709551615\\) of 8");
  EXPECT_DEATH((void)in.try_read_int_le(100), "try_read_int_le\\(100\\) of 8 bytes");
  EXPECT_DEATH((void)in.try_read_until("", 10), "empty delimiter");
}

}  // namespace
}  // namespace bight
