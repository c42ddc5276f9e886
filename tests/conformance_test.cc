// Cases of others' buffers that join several of our types: each names its case.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/cursor.h"
#include "tests/support/access.h"
#include "tests/support/counted_owner.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight::CopyAudit;
using bight::Cursor;
using bight::internal::Access;
using bight_test::pattern;
using bight_test::Released;

constexpr size_t kHuge = static_cast<size_t>(-1);

// One segment a piece, each in a block of its own.
Chain chain_of(std::initializer_list<std::string_view> pieces) {
  Chain chain;
  for (const std::string_view piece : pieces) chain.push_back(Bytes::copy_of(piece));
  return chain;
}

// What every step must leave: sizes that add up, no empty segments.
void expect_sound(const Chain& chain) {
  size_t sum = 0;
  for (const std::span<const std::byte> segment : chain.segments()) {
    EXPECT_FALSE(segment.empty());
    sum += segment.size();
  }
  EXPECT_EQ(sum, chain.size());
}

// ---- Length, append, consume ----------------------------------------------------------------

TEST(ConformanceTest, EmptyChainGivesNothing) {  // buf-B01
  Chain chain;
  EXPECT_EQ(chain.consume_up_to(1), 0u);
  EXPECT_FALSE(chain.try_remove_suffix(1));
  EXPECT_FALSE(chain.try_split_to(5).has_value());
  EXPECT_FALSE(chain.try_pop().has_value());
  EXPECT_TRUE(chain.split_to(0).empty());
  EXPECT_TRUE(chain.empty());
}

TEST(ConformanceTest, ConsumeUpToTakesWhatThereIs) {  // buf-B02
  Chain chain = chain_of({"hello"});
  EXPECT_EQ(chain.consume_up_to(0), 0u);
  EXPECT_EQ(chain, "hello");
  EXPECT_EQ(chain.consume_up_to(1), 1u);
  EXPECT_EQ(chain, "ello");
  EXPECT_EQ(chain.consume_up_to(kHuge), 4u);
  EXPECT_TRUE(chain.empty());
  expect_sound(chain);
}

TEST(ConformanceTest, BothEndsShrinkAcrossBlocks) {  // buf-B03
  const std::string text = pattern(6000);
  ChainBuilder builder;
  builder.append(text);
  Chain chain = builder.take();
  EXPECT_GT(chain.segment_count(), 1u);
  chain.consume(1);
  EXPECT_EQ(chain, text.substr(1));
  chain.remove_suffix(1);
  EXPECT_EQ(chain, text.substr(1, 5998));
  EXPECT_FALSE(chain.try_remove_suffix(kHuge));
  EXPECT_EQ(chain, text.substr(1, 5998));
  chain.remove_suffix(chain.size());
  EXPECT_TRUE(chain.empty());
}

TEST(ConformanceTest, EmptyPiecesAddNoSegment) {  // buf-B04
  Released released;
  Chain chain;
  chain.push_copy("");
  chain.push_copy(ByteView(static_cast<const void*>(nullptr), 0));
  chain.push_back(Bytes::with_release({}, bight_test::CountedRelease(released)));
  EXPECT_EQ(released.calls, 1);  // at once: it holds nothing
  chain.push_back(Chain());
  const Chain empty;
  chain.push_back(empty);
  chain.push_front(empty);
  EXPECT_EQ(chain.size(), 0u);
  EXPECT_EQ(chain.segment_count(), 0u);
}

TEST(ConformanceTest, SwapAndSelfSwap) {  // buf-B09
  Chain a = chain_of({"a", "b", "c"});
  Chain b = chain_of({"x"});
  swap(a, b);
  EXPECT_EQ(a, "x");
  EXPECT_EQ(b, "abc");
  swap(b, b);
  EXPECT_EQ(b, "abc");
  expect_sound(b);
}

TEST(ConformanceTest, CopyIsIndependent) {  // buf-B10
  Chain original = chain_of({"one", "two", "three"});
  Chain copy = original;
  copy.push_copy("four");
  copy.consume(2);
  copy.push_front(Bytes::copy_of("zero"));
  EXPECT_EQ(original, "onetwothree");
  EXPECT_EQ(copy, "zeroetwothreefour");
  const Chain& same = original;
  original = same;
  EXPECT_EQ(original, "onetwothree");
  expect_sound(copy);
}

TEST(ConformanceTest, EmptyFirstSegmentIsNeverInTheWay) {  // buf-V05 buf-E05
  Released released;
  Chain chain;
  chain.push_back(Bytes::with_release({}, bight_test::CountedRelease(released)));
  chain.push_copy("abcde");
  EXPECT_EQ(released.calls, 1);
  EXPECT_TRUE(chain.try_mutable(0).has_value());
  EXPECT_EQ(chain.split_to(1), "a");
  EXPECT_EQ(chain.pop(), "bcde");
  EXPECT_EQ(released.calls, 1);
}

// ---- Sharing, splitting, merging ------------------------------------------------------------

TEST(ConformanceTest, NeighboursOfOneBlockBecomeOneSegment) {  // buf-B14
  const Bytes owner = Bytes::copy_of(pattern(20));
  const Bytes b = owner.slice(0, 10);
  const Bytes c = owner.slice(10, 10);
  EXPECT_EQ(Access::references(owner), 3u);
  Chain chain;
  chain.push_back(b);
  chain.push_back(c);
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(chain, pattern(20));
  EXPECT_EQ(Access::references(owner), 4u);  // one for the joined segment
}

TEST(ConformanceTest, ChainsMayShareEachOther) {  // buf-V09
  Chain a = chain_of({"a"});
  Chain b = chain_of({"b"});
  b.push_back(a);
  Chain c;
  c.push_back(b);
  b.push_back(b);
  a.push_back(b);
  EXPECT_EQ(a, "ababa");
  EXPECT_EQ(b, "baba");
  EXPECT_EQ(c, "ba");
  expect_sound(a);
}

TEST(ConformanceTest, PrependNeverWritesIntoSharedMemory) {  // buf-V10 buf-V11
  const std::string memory = "shared memory of another";
  const std::string as_it_was = memory;
  Chain chain(Bytes::from_static_unchecked(memory));
  chain.push_front(Bytes::copy_of("aaaaa"));
  chain.consume(5);
  EXPECT_EQ(chain, memory);
  chain.consume(11);  // what is drained is no headroom: it is not ours
  chain.push_front(Bytes::copy_of("1234567"));
  EXPECT_EQ(chain, "1234567" + memory.substr(11));
  EXPECT_EQ(memory, as_it_was);
}

TEST(ConformanceTest, PrefixesOfTwoSharersStayApart) {  // buf-V12
  Chain a = chain_of({"body", "of", "many"});
  Chain b = a;
  a.push_front(Bytes::copy_of("A:"));
  b.push_front(Bytes::copy_of("B:"));
  EXPECT_EQ(a, "A:bodyofmany");
  EXPECT_EQ(b, "B:bodyofmany");
}

TEST(ConformanceTest, ReleaseRunsAfterTheLastByteIsConsumed) {  // buf-E01
  const std::string text = pattern(2048);
  Released released;
  Chain chain(bight_test::shared_text(text, released));
  chain.consume(2000);
  EXPECT_EQ(released.calls, 0);
  chain.consume(48);
  EXPECT_EQ(released.calls, 1);
}

TEST(ConformanceTest, CopyOutSkipsEmptyPieces) {  // buf-E02
  const std::string text = "eleven byte";
  Released whole;
  Released none;
  Chain chain;
  chain.push_back(bight_test::shared_text(text, whole));
  chain.push_back(Bytes::with_release({}, bight_test::CountedRelease(none)));
  chain.push_back(bight_test::shared_text(text, whole));
  std::string out(22, '\0');
  EXPECT_EQ(chain.copy_to(std::as_writable_bytes(std::span(out))), 22u);
  EXPECT_EQ(out, text + text);
  chain.consume(22);
  EXPECT_EQ(none.calls, 1);
  EXPECT_EQ(whole.calls, 2);
}

TEST(ConformanceTest, FirstSegmentIsTakenMutableInPlace) {  // buf-E03
  Chain chain = chain_of({"abcde", "123"});
  const std::byte* const place = chain.front().data();
  BytesBuilder first = chain.pop().into_builder();
  EXPECT_EQ(first.data(), place);
  EXPECT_EQ(chain, "123");
  first[0] = std::byte{'A'};
  chain.push_back(std::move(first).freeze());
  EXPECT_EQ(chain, "123Abcde");
  EXPECT_EQ(chain.segment(1).data(), place);
}

TEST(ConformanceTest, SharedOrForeignSegmentIsCopiedToBecomeMutable) {  // buf-E04
  const std::string text = "foreign";
  Released released;
  Chain chain(bight_test::shared_text(text, released));
  BytesBuilder own = chain.pop().into_builder();
  EXPECT_EQ(released.calls, 1);  // nobody else used it
  own[0] = std::byte{'F'};
  EXPECT_EQ(own.view(), "Foreign");
  EXPECT_EQ(text, "foreign");
  Chain shared = chain_of({"shared"});
  const Chain other = shared;
  BytesBuilder copy = shared.pop().into_builder();
  copy[0] = std::byte{'S'};
  EXPECT_EQ(other, "shared");
}

TEST(ConformanceTest, EverySliceEqualsTheSubstring) {  // buf-R01
  const Chain chain = chain_of({"ab", "c", "", "defg", "h", "ijk"});
  const std::string text = "abcdefghijk";
  for (size_t position = 0; position <= text.size(); ++position) {
    for (size_t count = 0; position + count <= text.size(); ++count) {
      const Chain part = chain.slice(position, count);
      ASSERT_EQ(part, text.substr(position, count));
      expect_sound(part);
    }
  }
}

TEST(ConformanceTest, ComparesAsOneStringOfUnsignedBytes) {  // buf-R02
  EXPECT_EQ(chain_of({"ab"}), chain_of({"a", "b", ""}));
  EXPECT_LT(chain_of({"ab"}), chain_of({"a", "bc"}));
  EXPECT_LT(chain_of({"a", "bc"}), chain_of({"ab", "d"}));
  EXPECT_GT(chain_of({"\x80"}), chain_of({"\x7f"}));
}

// ---- Contiguity, peek -----------------------------------------------------------------------

TEST(ConformanceTest, PullUpOfNothingAndTooMuch) {  // buf-E09
  Chain chain;
  const CopyAudit audit;
  EXPECT_TRUE(chain.pull_up(0).empty());
  EXPECT_FALSE(chain.try_pull_up(1).has_value());
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
  chain = chain_of({"ab", "cd"});
  EXPECT_FALSE(chain.try_pull_up(5).has_value());
  EXPECT_EQ(chain.segment_count(), 2u);
}

TEST(ConformanceTest, PullUpOfOneSegmentCopiesNothing) {  // buf-E10
  Chain chain = chain_of({"one segment"});
  const std::byte* const place = chain.front().data();
  const CopyAudit audit;
  EXPECT_EQ(chain.pull_up(chain.size()).data(), place);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(ConformanceTest, OddIntegersRoundTrip) {  // buf-E14
  BytesBuilder out;
  out.put_le<uint16_t>(0x1234);
  out.put_uint_be(0xfffffe, 3);
  const Bytes bytes = out.take();
  Chain chain(bytes.slice(0, 3));
  chain.push_back(Bytes::copy_of(bytes.slice(3)));
  Cursor cursor(chain);
  EXPECT_EQ(cursor.try_read_le<uint16_t>(), 0x1234);
  EXPECT_EQ(cursor.try_read_int_be(3), -2);
  chain.consume(2);
  EXPECT_EQ(chain, "\xff\xff\xfe");
}

TEST(ConformanceTest, StartsWithAcrossSegments) {  // buf-E19
  const Chain text = chain_of({"na", "n", "", "an", "a", "ban", "ana"});
  for (const std::string_view prefix : {"", "n", "nan", "nananabanana"}) {
    EXPECT_TRUE(text.starts_with(prefix)) << prefix;
  }
  EXPECT_FALSE(text.starts_with("nananabananax"));
  EXPECT_FALSE(text.starts_with("an"));
}

TEST(ConformanceTest, InputStreamBacksUpAndSkips) {  // buf-B26
  const Chain chain = chain_of({"hello", "world"});
  Cursor cursor(chain);
  EXPECT_EQ(ByteView(cursor.window()), ByteView("hello"));  // Next
  cursor.skip(5);
  cursor.seek(4);  // BackUp(1)
  EXPECT_EQ(ByteView(cursor.window()), ByteView("o"));
  cursor.skip(1);
  cursor.seek(4);
  EXPECT_EQ(ByteView(cursor.window()), ByteView("o"));
  EXPECT_FALSE(cursor.try_skip(7));
  EXPECT_EQ(cursor.skip_up_to(7), 6u);
  EXPECT_TRUE(cursor.at_end());
  EXPECT_TRUE(cursor.window().empty());
}

TEST(ConformanceTest, OrderIsKeptWhenAReservationIsDropped) {  // buf-E26
  ChainBuilder builder;
  builder.push_back(Bytes::copy_of("bbbbb"));
  builder.push_back(Bytes());
  (void)builder.prepare(100);
  builder.push_back(Bytes::copy_of("ccc"));
  std::memcpy(builder.prepare(3).data(), "ddd", 3);
  builder.commit(3);
  EXPECT_EQ(builder.take(), "bbbbbcccddd");
}

TEST(ConformanceTest, PrependedNothingMovesNothing) {  // buf-E27
  Chain chain(Bytes::from_static("foo"));
  chain.push_front(Bytes());
  const Chain moved = chain.split_to(1);
  chain.push_copy("bar");
  EXPECT_EQ(moved, "f");
  EXPECT_EQ(chain, "oobar");
}

// ---- What trackers and accounts come to without them ----------------------------------------

TEST(ConformanceTest, EveryReleaseRunsWhenTheChainDies) {  // buf-E44
  const std::string text = pattern(100);
  Released released;
  {
    Chain chain;
    for (size_t i = 0; i < 10; ++i) {
      chain.push_back(bight_test::shared_text(std::string_view(text).substr(i * 10, 10), released));
    }
    Chain copy = chain;
    chain.consume(35);
    EXPECT_EQ(released.calls, 0);
  }
  EXPECT_EQ(released.calls, 10);
}

TEST(ConformanceTest, PullUpReleasesWhatItReplaces) {  // buf-E45
  const std::string text = "first";
  Released released;
  Chain chain(bight_test::shared_text(text, released));
  chain.push_copy("second");
  (void)chain.pull_up(8);
  EXPECT_EQ(released.calls, 1);
  EXPECT_EQ(chain, "firstsecond");
}

TEST(ConformanceTest, BytesInFlightStayWhateverTheChainDoes) {  // buf-E46
  const std::string text = "handed to the kernel";
  Released released;
  Chain queue(bight_test::shared_text(text, released));
  const Chain in_flight = queue;  // kept until the completion comes
  const std::byte* const place = in_flight.front().data();
  queue.consume(queue.size());
  queue.push_copy("next");
  EXPECT_EQ(released.calls, 0);
  EXPECT_EQ(in_flight.front().data(), place);
  EXPECT_EQ(in_flight, text);
}

#if BIGHT_HAS_EXCEPTIONS
TEST(ConformanceTest, LengthNeverWraps) {  // buf-E54
  // Never read: only sizes are added up.
  static const char byte = 0;
  Chain chain(Bytes::from_static_unchecked(ByteView(&byte, bight::internal::kMaxSize)));
  EXPECT_THROW(chain.push_back(Bytes::from_static("x")), std::length_error);
  EXPECT_THROW(chain.push_back(chain), std::length_error);
  EXPECT_THROW(chain.push_front(Bytes::from_static("x")), std::length_error);
  EXPECT_EQ(chain.size(), bight::internal::kMaxSize);
  EXPECT_FALSE(chain.try_consume(kHuge));
  chain.consume(bight::internal::kMaxSize - 1);
  EXPECT_EQ(chain.size(), 1u);
  chain.consume(1);
  EXPECT_EQ(chain.size(), 0u);
}
#endif

// ---- A chain of two parts (tokio's) ---------------------------------------------------------

TEST(ConformanceTest, OwnedReadsOfAChainShareEvenAcrossTheSeam) {  // slice-M02
  const Bytes a = Bytes::copy_of("ab");
  const Bytes b = Bytes::copy_of("cd");
  Chain chain(a);
  chain.push_back(b);
  const CopyAudit audit;
  const Chain first = chain.split_to(1);
  const Chain second = chain.split_to(2);
  const Chain third = chain.split_to(1);
  EXPECT_EQ(first, "a");
  EXPECT_EQ(second, "bc");
  EXPECT_EQ(third, "d");
  EXPECT_EQ(first.front().data(), a.data());
  EXPECT_EQ(third.front().data(), b.data() + 1);
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST(ConformanceTest, BytesOfAChainAreIteratedInOrder) {  // slice-M03
  const Chain chain = chain_of({"hello", "world"});
  std::string seen;
  for (const std::span<const std::byte> segment : chain.segments()) {
    for (const std::byte b : segment) seen.push_back(static_cast<char>(b));
  }
  EXPECT_EQ(seen, "helloworld");
  EXPECT_EQ(chain.segments().size(), 2u);
  EXPECT_EQ(std::ranges::size(chain.segments()), 2u);
}

TEST(ConformanceTest, GatherFollowsConsumption) {  // slice-M04
  Chain chain = chain_of({"hello", "world"});
  std::array<std::span<const std::byte>, 4> entries;
  const auto gathered = [&] {
    std::vector<std::string> seen;
    const size_t count = chain.fill_spans(entries).count;
    for (size_t i = 0; i < count; ++i) seen.emplace_back(ByteView(entries[i]).view());
    return seen;
  };
  using testing::ElementsAre;
  EXPECT_THAT(gathered(), ElementsAre("hello", "world"));
  chain.consume(2);
  EXPECT_THAT(gathered(), ElementsAre("llo", "world"));
  chain.consume(3);
  EXPECT_THAT(gathered(), ElementsAre("world"));
  chain.consume(3);
  EXPECT_THAT(gathered(), ElementsAre("ld"));
}

TEST(ConformanceTest, EmptyFirstPartIsInvisible) {  // slice-M05
  Chain chain(Bytes::copy_of(""));
  chain.push_copy("second");
  EXPECT_EQ(ByteView(chain.front()), ByteView("second"));
  std::array<std::span<const std::byte>, 4> entries;
  EXPECT_EQ(chain.fill_spans(entries).count, 1u);
}

TEST(ConformanceTest, PartsAreSeenWhileConsumed) {  // slice-M06
  Chain chain = chain_of({"ab", "cd"});
  chain.consume(2);
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(chain.pop(), "cd");
  EXPECT_TRUE(chain.empty());
}

TEST(ConformanceTest, WritesFillOneBlockBeforeTheNext) {  // slice-M10
  bight::ChainBuilderOptions options;
  options.min_block = 128;
  ChainBuilder builder(options);
  builder.append(std::string(100, 'x'));
  const Chain chain = builder.take();
  EXPECT_EQ(chain.segment_count(), 1u);
  EXPECT_EQ(chain.size(), 100u);
}

TEST(ConformanceTest, GatherOfJoinedChainsKeepsTheOrder) {  // slice-M12
  Chain first = chain_of({"h", "e", "l", "l", "o"});
  first.push_back(chain_of({" ", "world"}));
  std::array<std::span<const std::byte>, 3> few;
  std::string seen;
  for (size_t from = 0; from < first.size();) {
    const bight::GatherFill filled = first.fill_spans(few, from);
    for (size_t i = 0; i < filled.count; ++i) seen += ByteView(few[i]).view();
    from += filled.bytes;
  }
  EXPECT_EQ(seen, "hello world");
}

// ---- Limits on the writing side -------------------------------------------------------------

TEST(ConformanceTest, LimitOfAWriterIsItsRoom) {  // slice-N07
  std::array<std::byte, 10> memory;
  EXPECT_EQ(bight::SpanWriter(memory).spare(), 10u);
  std::array<std::byte, 128> large;
  EXPECT_EQ(bight::SpanWriter(std::span(large).first(10)).spare(), 10u);
  BytesBuilder inner(128);
  BytesBuilder part = inner.carve(10);
  EXPECT_EQ(part.spare(), 10u);
  EXPECT_EQ(part.prepare(10).size(), 10u);
  EXPECT_EQ(inner.spare(), 118u);
}

TEST(ConformanceTest, BehindALimitedWriterTheRestIsUntouched) {  // slice-N09
  std::string text = "hello world";
  bight::SpanWriter limited(std::as_writable_bytes(std::span(text)).first(4));
  limited.append("HE");
  EXPECT_EQ(limited.spare(), 2u);
  EXPECT_EQ(text, "HEllo world");
}

}  // namespace
