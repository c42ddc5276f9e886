#include "bight/bytes_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <forward_list>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/copy_audit.h"
#include "tests/support/access.h"
#include "tests/support/counted_owner.h"
#include "tests/support/generated_range.h"
#include "tests/support/huge_allocations.h"

namespace {

using bight::BuilderOptions;
using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::CopyAudit;
using bight::internal::Access;
using bight_test::CountingResource;
using bight_test::pattern;

constexpr size_t kMost = std::numeric_limits<size_t>::max();

BytesBuilder limited(size_t max_size, size_t capacity = 0, uint32_t headroom = 0) {
  BuilderOptions options;
  options.max_size = max_size;
  options.capacity = capacity;
  options.headroom = headroom;
  return BytesBuilder(options);
}

// A builder with exactly `n` bytes of room that can never have more.
BytesBuilder fixed(size_t n) {
  BytesBuilder whole(n);
  return whole.carve(n);
}

// ---- Make, length, capacity -----------------------------------------------------------------

TEST(BytesBuilderTest, CapacityIsThereAndNothingIsWritten) {  // slice-H01
  const CopyAudit audit;
  const BytesBuilder none;
  EXPECT_EQ(none.capacity(), 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  const BytesBuilder builder(64);
  EXPECT_EQ(builder.size(), 0u);
  EXPECT_GE(builder.capacity(), 64u);
  EXPECT_EQ(builder.spare(), builder.capacity());
  EXPECT_EQ(audit.thread().blocks, 1u);
  EXPECT_EQ(BytesBuilder(0).capacity(), 0u);
  EXPECT_EQ(audit.thread().blocks, 1u);
}

TEST(BytesBuilderTest, CapacityFollowsEveryAdvance) {  // slice-H04
  for (size_t capacity = 0; capacity < 256; capacity += 5) {
    for (size_t size = 0; size < capacity; size += 3) {
      for (size_t advance = 0; advance <= size; advance += 2) {
        BytesBuilder builder(capacity);
        const size_t room = builder.capacity();
        builder.resize(size);
        builder.remove_prefix(advance);
        ASSERT_EQ(builder.size(), size - advance);
        ASSERT_EQ(builder.capacity(), room - advance);
        ASSERT_EQ(builder.headroom(), advance);
      }
    }
  }
}

TEST(BytesBuilderTest, CommitTakesAtMostTheWindow) {  // slice-H06
  BytesBuilder builder = fixed(11);
  EXPECT_FALSE(builder.try_commit(20));
  EXPECT_FALSE(builder.try_commit(kMost));
  EXPECT_EQ(builder.size(), 0u);
  EXPECT_TRUE(builder.try_commit(11));
  EXPECT_FALSE(builder.try_commit(1));
  EXPECT_TRUE(builder.try_commit(0));
  EXPECT_EQ(builder.size(), 11u);
}

TEST(BytesBuilderTest, RoomEndsAtTheLimitNotAtInfinity) {  // slice-H07
  BytesBuilder builder = limited(100);
  EXPECT_TRUE(builder.try_reserve(100));
  EXPECT_FALSE(builder.try_reserve(101));
  builder.append("four");
  EXPECT_TRUE(builder.try_reserve(96));
  EXPECT_FALSE(builder.try_reserve(97));
  BytesBuilder exact = fixed(16);
  EXPECT_EQ(exact.spare(), 16u);
  EXPECT_FALSE(exact.try_prepare(17).has_value());
  BytesBuilder boundless;
  boundless.append("four");
  EXPECT_FALSE(boundless.try_reserve(bight::internal::kMaxSize - 3));
  EXPECT_FALSE(boundless.try_reserve(kMost));
}

TEST(BytesBuilderTest, DeepCopyIsIndependent) {  // slice-H08
  BytesBuilder a;
  a.append("hello");
  BytesBuilder b = BytesBuilder::copy_of(a);
  b.append(" world");
  a[0] = std::byte{'j'};
  EXPECT_EQ(a.view(), "jello");
  EXPECT_EQ(b.view(), "hello world");
}

TEST(BytesBuilderTest, FormattedTextFitsOrGrows) {  // slice-H09
  const std::string text(64, 'f');
  BytesBuilder whole(64);
  EXPECT_EQ(whole.append_format("%s", text.c_str()), 64u);
  EXPECT_EQ(whole.view(), text);
  BytesBuilder pieces(64);
  pieces.append_format("%s%c", text.substr(0, 31).c_str(), 'f');
  pieces.append_format("%.32s", text.c_str());
  EXPECT_EQ(pieces.view(), text);
  BytesBuilder grown(64);
  const std::string longer(70, 'g');
  EXPECT_EQ(grown.append_format("%s", longer.c_str()), 70u);
  EXPECT_EQ(grown.view(), longer);
  EXPECT_EQ(grown.append_format("%s", ""), 0u);
  EXPECT_EQ(grown.append_format("%d/%03x", -5, 0xabu), 6u);
  EXPECT_EQ(grown.view().substr(70), "-5/0ab");
  const std::string huge(5000, 'h');
  EXPECT_EQ(grown.append_format("<%s>", huge.c_str()), 5002u);
  EXPECT_EQ(grown.view().substr(76), "<" + huge + ">");
}

TEST(BytesBuilderTest, FormattedTextThatJustFitsNeedsNoRoomForItsNul) {
  BytesBuilder exact = fixed(5);
  EXPECT_EQ(exact.append_format("%s", "hello"), 5u);
  EXPECT_EQ(exact.view(), "hello");
  BytesBuilder bounded = limited(5, 5);
  EXPECT_EQ(bounded.append_format("%d", 12345), 5u);
  EXPECT_EQ(bounded.view(), "12345");
}

TEST(BytesBuilderTest, FormattedTextMayQuoteTheBuilderItself) {
  BytesBuilder builder(64);
  builder.append(std::string_view("abc\0", 4));
  const char* const own = reinterpret_cast<const char*>(builder.data());
  builder.append_format("%s%0300d", own, 7);  // grows: the old bytes go away meanwhile
  EXPECT_EQ(builder.view().substr(4, 3), "abc");
  EXPECT_EQ(builder.size(), 4 + 3 + 300u);
}

TEST(BytesBuilderTest, FormattedTextKeepsTheHeadroom) {
  BytesBuilder builder(16, 8);
  builder.append_format("%s", "body that is longer than the room there is");
  EXPECT_EQ(builder.headroom(), 8u);
  builder.prepend("head:");
  EXPECT_EQ(builder.view(), "head:body that is longer than the room there is");
}

TEST(BytesBuilderTest, AppendsRangesOfEveryKind) {  // slice-H10
  BytesBuilder builder;
  builder.append_range(std::string("contiguous "));
  builder.append_range(std::deque<char>{'d', 'e', 'q', ' '});
  builder.append_range(std::list<uint8_t>{'l', 'i', ' '});
  builder.append_range(std::forward_list<std::byte>{std::byte{'f'}});
  EXPECT_EQ(builder.view(), "contiguous deq li f");
  const std::string text = pattern(48);
  for (const size_t cut : {size_t{3}, size_t{34}}) {
    BytesBuilder cut_in_two;
    cut_in_two.append(std::string_view(text).substr(0, cut));
    cut_in_two.append(std::string_view(text).substr(cut));
    EXPECT_EQ(cut_in_two.view(), text);
  }
  BytesBuilder list;
  for (const Bytes& part : std::vector<Bytes>{Bytes::copy_of("a"), Bytes(), Bytes::copy_of("b")}) {
    list.append(part);
  }
  EXPECT_EQ(list.view(), "ab");
}

TEST(BytesBuilderTest, SizedRangesReserveOnce) {
  const std::deque<char> range(1000, 'x');
  const CopyAudit audit;
  BytesBuilder builder;
  builder.append_range(range);
  EXPECT_EQ(builder.size(), 1000u);
  EXPECT_EQ(audit.thread().blocks, 1u);
}

#if BIGHT_HAS_EXCEPTIONS
TEST(BytesBuilderTest, RangeThatThrowsLeavesNothingBehind) {
  BytesBuilder builder;
  builder.append("before");
  const bight_test::GeneratedRange failing(200, [](size_t i) {
    if (i == 150) throw std::runtime_error("enough");
    return static_cast<char>(i);
  });
  EXPECT_THROW(builder.append_range(failing), std::runtime_error);
  EXPECT_EQ(builder.view(), "before");
}
#endif

TEST(BytesBuilderTest, PutsBytesAndFills) {  // slice-H12
  BytesBuilder builder;
  builder.put_u8(17);
  builder.put_fill(std::byte{19}, 2);
  EXPECT_EQ(builder, (std::vector<uint8_t>{17, 19, 19}));
}

TEST(BytesBuilderTest, WriterKeepsItsCapacityWhileItFits) {  // slice-O04
  BytesBuilder builder;
  builder.reserve(64);
  const size_t room = builder.spare();
  builder.append("zomg");
  EXPECT_EQ(builder.view(), "zomg");
  EXPECT_EQ(builder.spare(), room - 4);
  EXPECT_EQ(builder.capacity(), room);
  for (int i = 0; i < 16; ++i) builder.append("zomg");
  EXPECT_EQ(builder.size(), 68u);
}

TEST(BytesBuilderTest, AppendingNothingChangesNothing) {  // slice-O06
  const CopyAudit audit;
  BytesBuilder builder;
  builder.append(BytesBuilder());
  builder.append(Bytes());
  builder.append("");
  builder.append(ByteView());
  builder.append_range(std::list<char>());
  EXPECT_EQ(builder.capacity(), 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  builder.append(Bytes::from_static("abc"));
  EXPECT_EQ(builder.view(), "abc");
}

TEST(BytesBuilderTest, StorageOfUniqueBytesIsTakenOverNotCopied) {  // slice-O07
  Bytes unique = Bytes::copy_of(pattern(1234));
  const std::byte* const place = unique.data();
  const CopyAudit audit;
  BytesBuilder adopted = std::move(unique).into_builder();
  EXPECT_EQ(adopted.data(), place);
  EXPECT_GE(adopted.capacity(), 1234u);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
  const Bytes shared = Bytes::copy_of("shared");
  BytesBuilder copied = Bytes(shared).into_builder();
  EXPECT_NE(copied.data(), shared.data());
  EXPECT_EQ(copied.view(), "shared");
}

TEST(BytesBuilderTest, WritingIsInPlaceAndReadableMeanwhile) {
  BytesBuilder builder(64);
  const std::span<std::byte> window = builder.prepare(5);
  EXPECT_GE(window.size(), 5u);
  EXPECT_EQ(window.data(), builder.end());
  std::memcpy(window.data(), "hello", 5);
  EXPECT_EQ(builder.size(), 0u);
  builder.commit(5);
  EXPECT_EQ(builder.view(), "hello");
  builder[4] = std::byte{'!'};
  *builder.begin() = std::byte{'H'};
  builder.span()[1] = std::byte{'E'};
  const BytesBuilder& constant = builder;
  EXPECT_EQ(constant[4], std::byte{'!'});
  EXPECT_EQ(constant.view(), "HEll!");
  EXPECT_EQ(constant.end() - constant.begin(), 5);
  EXPECT_EQ(std::as_const(builder).span().size(), 5u);
}

TEST(BytesBuilderTest, GrowthIsAmortised) {
  const CopyAudit audit;
  BytesBuilder builder;
  for (int i = 0; i < 1'000'000; ++i) builder.put_u8(static_cast<uint8_t>(i));
  EXPECT_LE(audit.thread().blocks, 24u);
  EXPECT_LE(audit.thread().copied, 2'000'000u);
  EXPECT_EQ(builder[999'999], static_cast<std::byte>(999'999 & 0xff));
}

TEST(BytesBuilderTest, GrowthFollowsTheGivenPercentage) {
  BuilderOptions options;
  options.capacity = 1000;
  options.growth_percent = 400;
  BytesBuilder builder(options);
  const size_t first = builder.capacity();
  builder.resize(first);
  builder.put_u8(1);
  EXPECT_GE(builder.capacity(), first * 4);
  options.growth_percent = 100;  // no more than is asked for, up to the size class
  BytesBuilder exact(options);
  exact.resize(first);
  exact.put_u8(1);
  EXPECT_LE(exact.capacity(), first * 2);
}

TEST(BytesBuilderTest, ResizeFillsAndCuts) {
  BytesBuilder builder;
  builder.append("ab");
  builder.resize(4, std::byte{'x'});
  EXPECT_EQ(builder.view(), "abxx");
  builder.resize(6);
  EXPECT_EQ(builder.view(), std::string("abxx\0\0", 6));
  builder.resize(1);
  EXPECT_EQ(builder.view(), "a");
  builder.truncate(5);
  EXPECT_EQ(builder.view(), "a");
  builder.clear();
  EXPECT_TRUE(builder.empty());
}

TEST(BytesBuilderTest, AppendsAViewOfItselfWhileGrowing) {
  BytesBuilder builder(16);
  builder.append("0123456789abcdef");
  for (int i = 0; i < 6; ++i) builder.append(builder);  // doubles, each time in a new block
  ASSERT_EQ(builder.size(), 1024u);
  for (size_t i = 0; i < builder.size(); i += 16) {
    ASSERT_EQ(builder.view().substr(i, 16), "0123456789abcdef") << i;
  }
  builder.append(builder.view().substr(10, 6));
  EXPECT_EQ(builder.view().substr(1024), "abcdef");
  EXPECT_TRUE(builder.try_append(ByteView(builder.data() + 2, 2)));
  EXPECT_EQ(builder.view().substr(1030), "23");
}

TEST(BytesBuilderTest, AppendsAViewOfItselfThatSlidesToTheFront) {
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  builder.resize(room - 4, std::byte{'.'});
  builder.append("tail");
  builder.remove_prefix(room - 4);
  const CopyAudit audit;
  builder.append(builder);  // reclaims: the bytes move within the block
  builder.append(builder);
  EXPECT_EQ(builder.view(), "tailtailtailtail");
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(BytesBuilderTest, PrependsAViewOfItself) {
  BytesBuilder builder(16, 4);
  builder.append("abcd");
  builder.prepend(builder);  // within the headroom
  EXPECT_EQ(builder.view(), "abcdabcd");
  builder.prepend(builder.view().substr(6));  // in a new block
  EXPECT_EQ(builder.view(), "cdabcdabcd");
  for (int i = 0; i < 5; ++i) builder.prepend(builder);
  EXPECT_EQ(builder.size(), 320u);
  EXPECT_EQ(builder.view().substr(300), "cdabcdabcdcdabcdabcd");
}

TEST(BytesBuilderTest, AppendsFrozenNeighboursOfItsOwnBlock) {
  BytesBuilder builder(16);
  builder.append("0123456789abcdef");
  const Bytes taken = builder.take();
  builder.append(taken);
  builder.append(taken);
  EXPECT_EQ(builder.view(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(taken, "0123456789abcdef");
}

// ---- Limits ---------------------------------------------------------------------------------

TEST(BytesBuilderTest, NoWriteOfAnyKindPassesMaxSize) {
  // Room beyond the limit is there (a size class is larger), and is never used.
  for (const size_t capacity : {size_t{0}, size_t{5}, size_t{1000}}) {
    BytesBuilder builder = limited(5, capacity, 8);
    EXPECT_LE(builder.capacity(), 5u);
    EXPECT_FALSE(builder.try_append("123456"));
    EXPECT_FALSE(builder.try_put_fill(std::byte{1}, 6));
    EXPECT_FALSE(builder.try_put_be<uint64_t>(1));
    EXPECT_FALSE(builder.try_put_varint(kMost));
    EXPECT_EQ(builder.try_extend(6), nullptr);
    EXPECT_FALSE(builder.try_prepare(6).has_value());
    EXPECT_FALSE(builder.try_reserve(6));
    EXPECT_FALSE(builder.try_reclaim(6));
    EXPECT_FALSE(builder.try_prepend("123456"));
    EXPECT_FALSE(builder.try_resize(6));
    EXPECT_FALSE(builder.try_commit(6));
    EXPECT_TRUE(builder.empty());
    builder.append("123");
    EXPECT_LE(builder.prepare(2).size(), 2u);
    EXPECT_FALSE(builder.try_append("456"));
    EXPECT_FALSE(builder.try_prepend("456"));
    EXPECT_TRUE(builder.try_prepend("0"));
    EXPECT_LE(builder.spare(), 1u);
    EXPECT_TRUE(builder.try_put_u8('4'));
    EXPECT_FALSE(builder.try_put_u8('5'));
    EXPECT_FALSE(builder.try_prepend("x"));
    EXPECT_EQ(builder.view(), "01234");
    EXPECT_EQ(builder.spare(), 0u);
    // Dropping some gives the room back.
    builder.remove_prefix(2);
    EXPECT_TRUE(builder.try_append("56"));
    EXPECT_EQ(builder.view(), "23456");
    EXPECT_EQ(builder.take(), "23456");
    EXPECT_TRUE(builder.try_append("next5"));
    EXPECT_FALSE(builder.try_put_u8('6'));
    builder.truncate(4);
    EXPECT_TRUE(builder.try_put_u8('6'));
  }
}

TEST(BytesBuilderTest, LimitedBuilderSharesOneBlockBetweenMessages) {
  BytesBuilder builder = limited(100, 4096);
  const CopyAudit audit;
  for (int i = 0; i < 40; ++i) {
    builder.append(pattern(100));
    const Bytes message = builder.take();
    ASSERT_EQ(message.size(), 100u);
  }
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(BytesBuilderTest, PartsOfALimitedBuilderKeepTheLimit) {
  BytesBuilder builder = limited(10, 64);
  builder.append("0123456789");
  BytesBuilder head = builder.split_to(4);
  EXPECT_EQ(builder.spare(), 4u);
  EXPECT_TRUE(builder.try_append("abcd"));
  EXPECT_FALSE(builder.try_append("e"));
  EXPECT_FALSE(head.try_append("1234567"));
  EXPECT_TRUE(head.try_append("123456"));
  EXPECT_EQ(head.view(), "0123123456");
  // Joined they would be too large.
  BytesBuilder whole = limited(10, 64);
  whole.append("012345");
  BytesBuilder tail = whole.split_off(6);
  tail.append("6789ab");
  EXPECT_FALSE(whole.try_join(std::move(tail)));
  EXPECT_EQ(tail.view(), "6789ab");
  tail.truncate(4);
  EXPECT_TRUE(whole.try_join(std::move(tail)));
  EXPECT_EQ(whole.view(), "0123456789");
  EXPECT_EQ(whole.spare(), 0u);
}

TEST(BytesBuilderTest, FixedBuilderRefusesEveryKindOfGrowth) {
  BytesBuilder builder = fixed(4);
  EXPECT_TRUE(builder.is_fixed());
  builder.append("abc");
  EXPECT_FALSE(builder.try_append("de"));
  EXPECT_FALSE(builder.try_reserve(2));
  EXPECT_FALSE(builder.try_reclaim(2));
  EXPECT_FALSE(builder.try_prepend("x"));
  EXPECT_FALSE(builder.try_resize(5));
  EXPECT_FALSE(builder.try_put_be<uint16_t>(1));
  EXPECT_EQ(builder.try_extend(2), nullptr);
  EXPECT_TRUE(builder.try_resize(4, std::byte{'d'}));
  EXPECT_EQ(builder.view(), "abcd");
  builder.remove_prefix(2);
  EXPECT_FALSE(builder.try_append("e"));   // it never slides
  EXPECT_TRUE(builder.try_prepend("xy"));  // the place of dropped bytes is headroom
  EXPECT_EQ(builder.view(), "xycd");
}

#if BIGHT_HAS_EXCEPTIONS
TEST(BytesBuilderTest, AbsurdSizesFailAndChangeNothing) {  // buf-V27
  BytesBuilder builder(64, 16);
  builder.append("content");
  const std::byte* const place = builder.data();
  // Others have wrapped here, then written past a small block (CVE-2026-25541 among them).
  EXPECT_THROW(builder.reserve(kMost), std::length_error);
  EXPECT_THROW(builder.reserve(kMost - 1), std::length_error);
  EXPECT_THROW(builder.reserve(kMost - 7), std::length_error);
  EXPECT_THROW(builder.reserve(bight::internal::kMaxSize), std::length_error);
  EXPECT_THROW(builder.reserve(bight::internal::kMaxSize - 100), std::bad_alloc);
  EXPECT_THROW((void)builder.prepare(kMost), std::length_error);
  EXPECT_THROW((void)builder.extend(kMost), std::length_error);
  EXPECT_THROW(builder.resize(kMost), std::length_error);
  EXPECT_THROW(builder.put_fill(std::byte{1}, kMost), std::length_error);
  EXPECT_THROW((void)builder.extend_front(kMost), std::length_error);
  EXPECT_THROW((void)builder.extend_front(kMost - 1023), std::length_error);
  EXPECT_THROW((void)builder.take(kMost - 3), std::length_error);
  EXPECT_FALSE(builder.try_reclaim(kMost));
  EXPECT_FALSE(builder.try_reserve(kMost));
  EXPECT_EQ(builder.try_extend(kMost), nullptr);
  EXPECT_EQ(builder.view(), "content");
  EXPECT_EQ(builder.data(), place);
  EXPECT_THROW(BytesBuilder{kMost}, std::length_error);
  EXPECT_THROW((BytesBuilder{kMost - 1023, 2000}), std::length_error);
  EXPECT_THROW((BytesBuilder{0, kMost - 1023}), std::length_error);
}
#endif

// ---- Headroom -------------------------------------------------------------------------------

TEST(BytesBuilderTest, PrependUsesTheHeadroomInPlace) {
  BytesBuilder builder(16, 8);
  builder.append("body");
  const std::byte* const body = builder.data();
  const CopyAudit audit;
  builder.prepend("head");
  EXPECT_EQ(builder.view(), "headbody");
  EXPECT_EQ(builder.data() + 4, body);
  EXPECT_EQ(builder.headroom(), 4u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  std::byte* const front = builder.extend_front(2);
  std::memcpy(front, "<<", 2);
  EXPECT_EQ(builder.view(), "<<headbody");
  builder.prepend("");
  EXPECT_EQ(builder.headroom(), 2u);
}

TEST(BytesBuilderTest, PrependWithoutHeadroomGrowsToTheFrontAmortised) {
  const CopyAudit audit;
  BytesBuilder builder;
  for (int i = 0; i < 10000; ++i) builder.prepend("x");
  EXPECT_EQ(builder.view(), std::string(10000, 'x'));
  EXPECT_LE(audit.thread().blocks, 16u);
  EXPECT_LE(audit.thread().copied, 30000u);
}

TEST(BytesBuilderTest, EveryBlockOfGrowthHasTheHeadroom) {
  BytesBuilder builder(16, 12);
  builder.append(std::string(100, 'x'));
  EXPECT_EQ(builder.headroom(), 12u);
  builder.append(std::string(1000, 'x'));
  EXPECT_EQ(builder.headroom(), 12u);
}

TEST(BytesBuilderTest, TakeLeavesHeadroomForTheNextHeader) {
  BytesBuilder builder(256);
  builder.append("first");
  const Bytes first = builder.take(8);
  EXPECT_EQ(builder.headroom(), 8u);
  builder.append("second");
  builder.prepend("head");
  const Bytes second = builder.take();
  EXPECT_EQ(first, "first");
  EXPECT_EQ(second, "headsecond");
  EXPECT_EQ(second.data(), first.data() + 5 + 4);
}

TEST(BytesBuilderTest, TakeWithMoreHeadroomThanThereIsGetsANewBlock) {
  BytesBuilder builder(16);
  builder.append("0123456789");
  const Bytes first = builder.take(100);
  EXPECT_EQ(first, "0123456789");
  EXPECT_TRUE(first.is_unique());
  EXPECT_EQ(builder.headroom(), 100u);
  builder.append("x");
  builder.prepend(std::string(100, 'h'));
  EXPECT_EQ(builder.size(), 101u);
}

TEST(BytesBuilderTest, TakeOfNothingGivesNothingAway) {
  BytesBuilder builder(64, 8);
  const size_t room = builder.capacity();
  const CopyAudit audit;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(builder.take(8).empty());
    EXPECT_TRUE(builder.take().empty());
  }
  EXPECT_EQ(builder.headroom(), 8u);
  EXPECT_EQ(builder.capacity(), room);
  EXPECT_TRUE(builder.take(16).empty());
  EXPECT_EQ(builder.headroom(), 16u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  EXPECT_TRUE(BytesBuilder().take().empty());
}

// ---- Freeze and thaw ------------------------------------------------------------------------

TEST(BytesBuilderTest, FreezeMovesNoByteAndTakesNoReference) {  // slice-I01
  BytesBuilder builder(64);
  builder.append("hello world");
  const std::byte* const place = builder.data();
  Bytes frozen = std::move(builder).freeze();
  EXPECT_EQ(frozen.data(), place);
  EXPECT_EQ(Access::references(frozen), 1u);
  const Bytes copy = frozen;
  EXPECT_EQ(copy, frozen);
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.capacity(), 0u);
  BytesBuilder other(64);
  other.append("hello world");
  BytesBuilder head = other.split_to(5);
  const Bytes tail = std::move(other).freeze();
  const Bytes tail_copy = tail;
  EXPECT_EQ(tail_copy, " world");
  EXPECT_EQ(std::move(head).freeze(), "hello");
}

TEST(BytesBuilderTest, FreezeHonoursEveryCutBeforeIt) {  // slice-I02
  for (const bool already_split : {false, true}) {
    const auto make = [already_split] {
      BytesBuilder builder(64);
      builder.append(std::string_view(already_split ? "**hello world" : "hello world"));
      if (already_split) (void)builder.split_to(2);
      return builder;
    };
    BytesBuilder a = make();
    a.remove_prefix(1);
    EXPECT_EQ(std::move(a).freeze(), "ello world");
    BytesBuilder b = make();
    EXPECT_EQ(b.split_to(1).view(), "h");
    EXPECT_EQ(std::move(b).freeze(), "ello world");
    BytesBuilder c = make();
    c.truncate(7);
    EXPECT_EQ(std::move(c).freeze(), "hello w");
    BytesBuilder d = make();
    EXPECT_EQ(d.split_off(7).view(), "orld");
    EXPECT_EQ(std::move(d).freeze(), "hello w");
  }
}

TEST(BytesBuilderTest, FreezeOfNothingDropsTheBlock) {
  BytesBuilder builder(64);
  const Bytes none = std::move(builder).freeze();
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.retained_size(), 0u);
}

TEST(BytesBuilderTest, TakeFreezeAndThawNeverMoveTheBytes) {  // slice-I10
  std::optional<BytesBuilder> builder(64);
  builder->append("all of it");
  const std::byte* const place = builder->data();
  const CopyAudit audit;
  Bytes all = builder->take();
  builder.reset();
  BytesBuilder thawed = *std::move(all).try_into_builder();
  EXPECT_EQ(thawed.data(), place);
  const Bytes again = std::move(thawed).freeze();
  EXPECT_EQ(again.data(), place);
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(BytesBuilderTest, BuilderGoesOnAfterFreeze) {
  BytesBuilder builder;
  builder.append("first");
  const Bytes first = std::move(builder).freeze();
  builder = BytesBuilder();
  builder.append("second");
  EXPECT_EQ(first, "first");
  EXPECT_EQ(builder.view(), "second");
}

TEST(BytesBuilderTest, MovesAndSwapsKeepAddresses) {
  BytesBuilder a(64);
  a.append("first");
  BytesBuilder b(64);
  b.append("second");
  const std::byte* const first = a.data();
  const std::byte* const second = b.data();
  swap(a, b);
  EXPECT_EQ(a.data(), second);
  EXPECT_EQ(b.data(), first);
  BytesBuilder c(std::move(a));
  EXPECT_EQ(c.data(), second);
  EXPECT_EQ(a.capacity(), 0u);
  a = std::move(c);
  EXPECT_EQ(a.data(), second);
  BytesBuilder& same = a;
  a = std::move(same);
  EXPECT_EQ(a.view(), "second");
  std::vector<BytesBuilder> many;
  many.push_back(std::move(a));
  for (int i = 0; i < 100; ++i) many.emplace_back();
  EXPECT_EQ(many[0].data(), second);
}

// ---- Split, join, reserve, reclaim ----------------------------------------------------------

TEST(BytesBuilderTest, SplitOffInTheSpareRoomDividesTheCapacity) {  // slice-J01
  BytesBuilder builder(1024);
  const size_t room = builder.capacity();
  BytesBuilder tail = builder.split_off(128);
  EXPECT_EQ(builder.size(), 0u);
  EXPECT_EQ(builder.capacity(), 128u);
  EXPECT_EQ(tail.size(), 0u);
  EXPECT_EQ(tail.capacity(), room - 128);
  BytesBuilder empty;
  EXPECT_FALSE(empty.try_split_to(128).has_value());
  EXPECT_FALSE(empty.try_split_off(1).has_value());
  EXPECT_TRUE(empty.try_split_off(0).has_value());
}

TEST(BytesBuilderTest, SplitOffBehindTheWrittenBytes) {  // slice-J02
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  builder.append("hello");
  const BytesBuilder tail = builder.split_off(10);
  EXPECT_EQ(builder.view(), "hello");
  EXPECT_EQ(builder.capacity(), 10u);
  EXPECT_EQ(tail.size(), 0u);
  EXPECT_EQ(tail.capacity(), room - 10);
}

TEST(BytesBuilderTest, SplitOffAtTheCapacityLeavesAnEmptyRest) {
  BytesBuilder builder(64);
  builder.append("hello");
  const size_t room = builder.capacity();
  EXPECT_FALSE(builder.try_split_off(room + 1).has_value());
  BytesBuilder tail = builder.split_off(room);
  EXPECT_EQ(tail.capacity(), 0u);
  EXPECT_EQ(builder.capacity(), room);
  EXPECT_EQ(builder.view(), "hello");
  tail.append("grows elsewhere");
  EXPECT_EQ(tail.view(), "grows elsewhere");
  EXPECT_EQ(builder.view(), "hello");
}

TEST(BytesBuilderTest, TrySplitKnowsItsLimits) {  // slice-D04
  BytesBuilder builder(40);
  builder.append("helloworld");
  EXPECT_FALSE(builder.try_split_off(builder.capacity() + 1).has_value());
  EXPECT_FALSE(builder.try_split_to(11).has_value());  // its limit is what is written
  EXPECT_FALSE(builder.try_split_off(kMost).has_value());
  EXPECT_FALSE(builder.try_split_to(kMost).has_value());
  EXPECT_TRUE(builder.try_split_off(builder.capacity()).has_value());
  EXPECT_TRUE(builder.try_split_to(10).has_value());
}

TEST(BytesBuilderTest, HalvesHaveTheWholeCapacityTogether) {  // slice-J03
  for (const size_t at : {size_t{0}, size_t{5}, size_t{11}}) {
    for (const bool off : {false, true}) {
      for (const bool already_split : {false, true}) {
        BytesBuilder builder(64);
        if (already_split) {
          builder.append("**");
          (void)builder.split_to(2);
        }
        const size_t room = builder.capacity();
        builder.append("hello world");
        BytesBuilder part = off ? builder.split_off(at) : builder.split_to(at);
        EXPECT_EQ(builder.capacity() + part.capacity(), room);
        const BytesBuilder& first = off ? builder : part;
        const BytesBuilder& second = off ? part : builder;
        EXPECT_EQ(first.view(), std::string_view("hello world").substr(0, at));
        EXPECT_EQ(second.view(), std::string_view("hello world").substr(at));
      }
    }
  }
}

TEST(BytesBuilderTest, TakeKeepsTheRestOfTheCapacity) {  // slice-J04
  BytesBuilder builder(1024);
  const size_t room = builder.capacity();
  builder.append("hello world");
  EXPECT_EQ(builder.take(), "hello world");
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.capacity(), room - 11);
}

TEST(BytesBuilderTest, HalvesAreDisjointAndWritable) {  // slice-J05
  BytesBuilder a(64);
  a.append("hello world");
  BytesBuilder b = a.split_off(5);
  a[0] = std::byte{'j'};
  b[0] = std::byte{'!'};
  EXPECT_EQ(a.view(), "jello");
  EXPECT_EQ(b.view(), "!world");
}

TEST(BytesBuilderTest, NeighboursJoinInPlace) {  // slice-J06
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  builder.append("hello world");
  const std::byte* const place = builder.data();
  const CopyAudit audit;
  BytesBuilder tail = builder.split_off(5);
  EXPECT_TRUE(builder.try_join(std::move(tail)));
  EXPECT_EQ(builder.view(), "hello world");
  EXPECT_EQ(builder.data(), place);
  EXPECT_EQ(builder.capacity(), room);
  EXPECT_EQ(tail.capacity(), 0u);
  EXPECT_EQ(Access::references(builder), 1u);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesBuilderTest, TailWrittenMeanwhileJoins) {  // slice-J08
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  builder.append("four");
  BytesBuilder tail = builder.split_off(4);
  tail.append("sixsix");
  EXPECT_TRUE(builder.try_join(std::move(tail)));
  EXPECT_EQ(builder.view(), "foursixsix");
  EXPECT_EQ(builder.capacity(), room);
  BytesBuilder empty = builder.split_off(10);
  EXPECT_EQ(builder.spare(), 0u);
  EXPECT_TRUE(builder.try_join(std::move(empty)));
  EXPECT_EQ(builder.capacity(), room);
}

TEST(BytesBuilderTest, JoinRefusesWhatWouldLeaveAGap) {
  BytesBuilder builder(64);
  builder.append("hello");
  BytesBuilder tail = builder.split_off(10);       // five spare bytes in between
  EXPECT_TRUE(builder.try_join(std::move(tail)));  // nothing in it: only room
  tail = builder.split_off(10);
  tail.append("world");
  EXPECT_FALSE(builder.try_join(std::move(tail)));
  EXPECT_EQ(tail.view(), "world");
  builder.append("56789");
  EXPECT_TRUE(builder.try_join(std::move(tail)));
  EXPECT_EQ(builder.view(), "hello56789world");

  BytesBuilder front = builder.split_to(5);
  builder.remove_prefix(1);  // headroom in between
  EXPECT_FALSE(front.try_join(std::move(builder)));
  builder.prepend("5");
  EXPECT_TRUE(front.try_join(std::move(builder)));
  EXPECT_EQ(front.view(), "hello56789world");
}

TEST(BytesBuilderTest, JoinOntoAnEmptyPartTakesTheOthersBytes) {
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  BytesBuilder tail = builder.split_off(10);
  tail.append("tail");
  EXPECT_TRUE(builder.try_join(std::move(tail)));
  EXPECT_EQ(builder.view(), "tail");
  EXPECT_EQ(builder.headroom(), 10u);
  EXPECT_EQ(builder.capacity(), room - 10);
}

TEST(BytesBuilderTest, JoinRefusesOthersItselfAndNothing) {
  BytesBuilder a(64);
  a.append("a");
  BytesBuilder b(64);
  b.append("b");
  BytesBuilder none;
  EXPECT_FALSE(a.try_join(std::move(b)));
  EXPECT_FALSE(a.try_join(std::move(none)));
  EXPECT_FALSE(none.try_join(std::move(a)));
  BytesBuilder& same = a;
  EXPECT_FALSE(a.try_join(std::move(same)));
  BytesBuilder tail = a.split_off(1);
  EXPECT_FALSE(tail.try_join(std::move(a)));  // the wrong way round
  EXPECT_EQ(a.view(), "a");
  EXPECT_EQ(b.view(), "b");
}

TEST(BytesBuilderTest, ReserveAfterTheTakenBytesAreGoneReusesTheBlock) {  // slice-J14
  BytesBuilder builder(64);
  const size_t room = builder.capacity();
  builder.append("hello world");
  (void)builder.take();
  const CopyAudit audit;
  builder.reserve(room);  // fits once the dropped bytes' place is reclaimed
  EXPECT_GE(builder.spare(), room);
  EXPECT_EQ(audit.thread().blocks, 0u);
  builder.reserve(room + 1);
  EXPECT_GE(builder.spare(), room + 1);
  EXPECT_EQ(audit.thread().blocks, 1u);
}

TEST(BytesBuilderTest, ReplacedBlockKeepsItsCapacityClass) {  // slice-J15
  BytesBuilder small(1024);
  small.append("x");
  const Bytes taken = small.take();
  (void)small.take();
  small.reserve(small.capacity() + 1);
  EXPECT_GE(small.capacity(), 1024u);
  EXPECT_LE(small.capacity(), 2048u);
  BytesBuilder large(128 << 10);
  large.append("x");
  const Bytes also = large.take();
  large.prepare(large.capacity());
  large.commit(large.spare());
  const Bytes all = large.take();
  large.reserve(16);
  EXPECT_EQ(large.capacity(), size_t{64} << 10);  // not more than 64 KiB for the asking of 16
}

TEST(BytesBuilderTest, ReserveSlidesToTheFront) {  // slice-J16
  BytesBuilder builder(16);
  ASSERT_EQ(builder.capacity(), 16u);
  builder.append("0123456789abcdef");
  const std::byte* const place = builder.data();
  builder.remove_prefix(10);
  const CopyAudit audit;
  builder.reserve(8);
  EXPECT_EQ(builder.data(), place);
  EXPECT_EQ(builder.capacity(), 16u);
  EXPECT_EQ(builder.view(), "abcdef");
  EXPECT_EQ(audit.thread().blocks, 0u);
  EXPECT_EQ(audit.thread().copied, 6u);  // sliding is copying, and is counted
}

TEST(BytesBuilderTest, ReserveGivesAtLeastWhatIsAskedAndDoubles) {  // slice-J17
  for (const bool unique : {true, false}) {
    BytesBuilder builder(1000);
    const size_t room = builder.capacity();
    builder.resize(room);
    Bytes taken = builder.take();
    if (unique) taken.clear();
    builder.reserve(2001);
    EXPECT_GE(builder.spare(), 2001u);
    BytesBuilder full(1000);
    full.resize(full.capacity());
    full.reserve(1);
    EXPECT_GE(full.capacity(), room * 2);
  }
}

TEST(BytesBuilderTest, GrowthWithAnOffsetKeepsTheContent) {  // slice-J19
  BytesBuilder builder(1000);
  builder.append(pattern(9));
  builder.remove_prefix(3);
  builder.reserve(2000);
  EXPECT_EQ(builder.view(), pattern(9).substr(3));
  EXPECT_GE(builder.spare(), 2000u);
}

TEST(BytesBuilderTest, QueueOfSmallWritesStaysInOneBlock) {  // slice-J21
  BytesBuilder builder;
  const CopyAudit audit;
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    builder.reserve(4);
    builder.put_be<uint32_t>(i);
    builder.remove_prefix(4);
  }
  EXPECT_EQ(audit.thread().blocks, 1u);
  EXPECT_LE(builder.headroom() + builder.capacity(), 64u);
}

TEST(BytesBuilderTest, SlidingIsAmortisedOverTheBytesWritten) {  // slice-J21
  BytesBuilder builder(64);
  builder.append(pattern(40));
  const CopyAudit audit;
  for (int i = 0; i < 100'000; ++i) {
    builder.put_u8('x');
    builder.remove_prefix(1);
  }
  EXPECT_EQ(builder.size(), 40u);
  EXPECT_LE(audit.thread().blocks, 2u);
  EXPECT_LE(audit.thread().copied, 200'100u);
}

TEST(BytesBuilderTest, TryReclaimNeedsASoleHolder) {  // slice-J23
  BytesBuilder builder;
  EXPECT_FALSE(builder.try_reclaim(6));
  builder.reserve(6);
  const size_t room = builder.capacity();
  EXPECT_TRUE(builder.try_reclaim(6));
  EXPECT_FALSE(builder.try_reclaim(room + 1));
  builder.append("abcdef");
  std::optional<BytesBuilder> head = builder.split_to(6);
  EXPECT_FALSE(builder.try_reclaim(room));
  head.reset();
  EXPECT_TRUE(builder.try_reclaim(room));
  EXPECT_EQ(builder.capacity(), room);
}

TEST(BytesBuilderTest, TryReclaimTakesBackWhatWasConsumed) {  // slice-J24
  BytesBuilder builder(16);
  ASSERT_EQ(builder.capacity(), 16u);
  builder.append(pattern(13));
  EXPECT_FALSE(builder.try_reclaim(16));
  builder.remove_prefix(12);
  EXPECT_FALSE(builder.try_reclaim(16));
  EXPECT_TRUE(builder.try_reclaim(15));
  EXPECT_EQ(builder.view(), pattern(13).substr(12));
  builder.remove_prefix(1);
  EXPECT_TRUE(builder.try_reclaim(16));
  EXPECT_EQ(builder.capacity(), 16u);
  EXPECT_FALSE(builder.try_reclaim(kMost));
  EXPECT_FALSE(builder.try_reclaim(kMost / 2));
}

TEST(BytesBuilderTest, TryReclaimWaitsForEveryPiece) {  // slice-J25
  BytesBuilder builder(16);
  ASSERT_EQ(builder.capacity(), 16u);
  builder.append("0123456789abcdef");
  Bytes x = builder.split_to(4).freeze();
  std::optional<BytesBuilder> y = builder.split_to(4);
  Bytes z = builder.take();
  EXPECT_FALSE(builder.try_reclaim(16));
  x.clear();
  EXPECT_FALSE(builder.try_reclaim(16));
  y.reset();
  EXPECT_FALSE(builder.try_reclaim(16));
  z.clear();
  EXPECT_TRUE(builder.try_reclaim(16));
  EXPECT_EQ(builder.capacity(), 16u);
  EXPECT_EQ(builder.size(), 0u);
  builder.append("0123");
  builder.remove_prefix(4);
  EXPECT_TRUE(builder.try_reclaim(16));
}

TEST(BytesBuilderTest, TryReclaimSlidesOnlyHalfEmptyBlocks) {  // slice-J26
  const auto full = [](size_t consumed) {
    BytesBuilder builder(64);
    builder.append(pattern(builder.capacity()));
    builder.remove_prefix(consumed);
    return builder;
  };
  ASSERT_EQ(full(0).capacity(), 64u);
  EXPECT_TRUE(full(32).try_reclaim(32));
  EXPECT_FALSE(full(31).try_reclaim(31));
}

TEST(BytesBuilderTest, OffsetsHaveNoNarrowLimit) {  // slice-X03
  // A builder that has moved on by more than 2^27 bytes, in one block.
  constexpr size_t kFar = (size_t{1} << 27) + 5;
  BytesBuilder builder(kFar + 16);
  builder.commit(kFar);
  builder.remove_prefix(kFar);
  builder.append("still here");
  EXPECT_EQ(builder.headroom(), kFar);
  EXPECT_EQ(builder.view(), "still here");
  const Bytes taken = builder.take();
  EXPECT_EQ(taken, "still here");
  EXPECT_GE(taken.retained_size(), kFar);
}

// ---- Carve ----------------------------------------------------------------------------------

TEST(BytesBuilderTest, CarvedPartsFillOneImageAndJoinWithoutACopy) {
  constexpr size_t kParts = 100;
  constexpr size_t kPart = 1000;
  const std::string image = pattern(kParts * kPart);
  BytesBuilder whole(kParts * kPart);
  const CopyAudit audit;
  std::vector<BytesBuilder> parts;
  for (size_t i = 0; i < kParts; ++i) parts.push_back(whole.carve(kPart));
  // Filled in any order, by anybody.
  for (size_t i = 0; i < kParts; ++i) {
    const size_t part = (i * 37) % kParts;
    const std::span<std::byte> window = parts[part].prepare(kPart);
    ASSERT_EQ(window.size(), kPart);
    std::memcpy(window.data(), image.data() + part * kPart, kPart);
    parts[part].commit(kPart);
  }
  Bytes all = std::move(parts[0]).freeze();
  for (size_t i = 1; i < kParts; ++i) {
    ASSERT_TRUE(all.try_join(std::move(parts[i]).freeze()));
  }
  EXPECT_TRUE(all == image);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesBuilderTest, CarveNeedsRoomAndNothingUnfrozen) {
  BytesBuilder builder(16);
  EXPECT_FALSE(builder.try_carve(17).has_value());
  EXPECT_FALSE(builder.try_carve(kMost).has_value());
  builder.append("x");
  EXPECT_FALSE(builder.try_carve(1).has_value());
  EXPECT_EQ(builder.view(), "x");
  (void)builder.take();
  EXPECT_TRUE(builder.try_carve(15).has_value());
  EXPECT_FALSE(builder.try_carve(1).has_value());
  EXPECT_TRUE(builder.try_carve(0).has_value());
}

TEST(BytesBuilderTest, CarvedPartStaysFixedWhateverBecomesOfIt) {
  BytesBuilder whole(64);
  BytesBuilder part = whole.carve(16);
  EXPECT_FALSE(whole.is_fixed());
  whole = BytesBuilder();  // the part is the sole holder now, and still never grows
  part.append("0123456789abcdef");
  EXPECT_FALSE(part.try_reserve(1));
  EXPECT_FALSE(part.try_reclaim(1));
  BytesBuilder head = part.split_to(8);
  EXPECT_TRUE(head.is_fixed());
  BytesBuilder tail = part.split_off(4);
  EXPECT_TRUE(tail.is_fixed());
  const BytesBuilder moved = std::move(tail);
  EXPECT_TRUE(moved.is_fixed());
  EXPECT_EQ(part.take(), "89ab");
  EXPECT_FALSE(part.try_append("x"));
}

TEST(BytesBuilderTest, CarvedPartsRejoinAsBuilders) {
  BytesBuilder whole(64);
  BytesBuilder first = whole.carve(8);
  BytesBuilder second = whole.carve(8);
  first.append("01234567");
  second.append("89ab");
  EXPECT_TRUE(first.try_join(std::move(second)));
  EXPECT_EQ(first.view(), "0123456789ab");
  EXPECT_EQ(first.spare(), 4u);
  EXPECT_TRUE(first.is_fixed());
}

TEST(BytesBuilderTest, WriterDoesNotReclaimWhileCarvedPartsLive) {
  BytesBuilder whole(64);
  const size_t room = whole.capacity();
  std::optional<BytesBuilder> part = whole.carve(32);
  EXPECT_FALSE(whole.try_reclaim(room));
  part->append("in use");
  const Bytes kept = part->take();
  part.reset();
  EXPECT_FALSE(whole.try_reclaim(room));
  whole.append(std::string(room, 'w'));  // grows elsewhere
  EXPECT_EQ(kept, "in use");
}

// ---- Options --------------------------------------------------------------------------------

TEST(BytesBuilderTest, BlocksAreAlignedAsAsked) {
  for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
    BuilderOptions options;
    options.alignment = alignment;
    options.capacity = 100;
    BytesBuilder builder(options);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(builder.data()) % alignment, 0u) << alignment;
    builder.append(std::string(10 * builder.capacity(), 'x'));  // in a new block, aligned too
    EXPECT_EQ(reinterpret_cast<uintptr_t>(builder.data()) % alignment, 0u) << alignment;
    (void)builder.take(builder.spare() + 1);
    builder.prepend("");
    EXPECT_GE(builder.headroom(), 1u);
  }
}

TEST(BytesBuilderTest, EveryBlockComesFromTheResource) {
  CountingResource resource;
  {
    BuilderOptions options;
    options.resource = &resource;
    BytesBuilder builder(options);
    EXPECT_EQ(resource.live, 1u);
    builder.append(pattern(1000));
    builder.append(pattern(100000));
    EXPECT_EQ(resource.live, 1u);
    EXPECT_GE(resource.allocations, 2u);
    const Bytes taken = builder.take(200000);
    EXPECT_EQ(resource.live, 2u);
    BytesBuilder thawed = Bytes(taken).into_builder();  // a copy: shared
    EXPECT_EQ(resource.live, 2u);
  }
  EXPECT_EQ(resource.live, 0u);
}

TEST(BytesBuilderTest, ResourceGetsTheAlignmentAskedFor) {
  CountingResource resource;
  BuilderOptions options;
  options.resource = &resource;
  options.alignment = 256;
  BytesBuilder builder(options);
  EXPECT_EQ(resource.largest_alignment, 256u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(builder.prepare(1).data()) % 256, 0u);
}

TEST(BytesBuilderTest, SharedResourceOutlivesBuilderAndBytes) {
  auto resource = std::make_shared<CountingResource>();
  std::weak_ptr<CountingResource> watch = resource;
  BuilderOptions options;
  options.shared_resource = std::move(resource);
  Bytes kept;
  {
    BytesBuilder builder(options);
    options.shared_resource.reset();
    builder.append(pattern(5000));
    kept = builder.take();
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(kept, pattern(5000));
  kept.clear();
  EXPECT_TRUE(watch.expired());
}

// ---- Receiving ----------------------------------------------------------------------------------

TEST(BytesBuilderTest, ClearedBufferIsNotFilledAnew) {
  BytesBuilder builder(1000);
  builder.resize(1000, std::byte{'x'});
  builder.clear();
  const CopyAudit audit;
  EXPECT_EQ(builder.prepare(1000)[500], std::byte{'x'});  // no pass over memory to be overwritten
  builder.commit(10);
  EXPECT_EQ(builder.size(), 10u);  // and not more than was received
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesBuilderTest, GrowthMovesOnlyWhatIsStillThere) {
  BytesBuilder builder(1024);
  builder.resize(1024, std::byte{'x'});
  builder.remove_prefix(1014);
  const CopyAudit audit;
  builder.reserve(5000);
  EXPECT_EQ(audit.thread().copied, 10u);
  EXPECT_EQ(builder.view(), std::string(10, 'x'));
}

TEST(BytesBuilderTest, CopiesOfOneHandleNeverShareTailRoom) {
  BytesBuilder builder(64);
  builder.append("base");
  Bytes a = std::move(builder).freeze();
  Bytes b = a;
  BytesBuilder first = std::move(a).into_builder();
  BytesBuilder second = std::move(b).into_builder();
  first.append("-first");
  second.append("-second");
  EXPECT_EQ(first.view(), "base-first");
  EXPECT_EQ(second.view(), "base-second");
}

// ---- Random calls against strings ---------------------------------------------------------------

// A builder and what it must show, with frozen results that must never change.
struct Model {
  BytesBuilder builder;
  std::string text;
};

void run_model(uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<Model> models;
  std::vector<std::pair<Bytes, std::string>> frozen;
  BuilderOptions options;
  options.capacity = below(200);
  options.headroom = static_cast<uint32_t>(below(3) * 8);
  if (below(3) == 0) options.max_size = 100 + below(400);
  models.push_back({BytesBuilder(options), ""});
  for (int step = 0; step < 500; ++step) {
    const size_t index = below(models.size());
    Model& m = models[index];
    const size_t n = below(80);
    const std::string piece =
        pattern(n + static_cast<size_t>(step)).substr(static_cast<size_t>(step));
    switch (below(16)) {
      case 0:
      case 1:
        if (m.builder.try_append(piece)) m.text += piece;
        break;
      case 2:
        if (m.builder.try_prepend(piece)) m.text = piece + m.text;
        break;
      case 3: {
        const size_t from = below(m.text.size() + 1);
        const std::string own = m.text.substr(from, n);
        if (m.builder.try_append(m.builder.view().substr(from, n))) m.text += own;
        break;
      }
      case 4: {
        const size_t from = below(m.text.size() + 1);
        const std::string own = m.text.substr(from, n);
        if (m.builder.try_prepend(m.builder.view().substr(from, n))) m.text = own + m.text;
        break;
      }
      case 5:
        if (const auto window = m.builder.try_prepare(n)) {
          std::copy_n(ByteView(piece).data(), n, window->data());
          m.builder.commit(n);
          m.text += piece;
        }
        break;
      case 6:
        if (m.builder.try_remove_prefix(n)) m.text.erase(0, n);
        break;
      case 7:
        m.builder.truncate(n);
        m.text.resize(std::min(n, m.text.size()));
        break;
      case 8:
        if (m.builder.try_resize(n, std::byte{'r'})) m.text.resize(n, 'r');
        break;
      case 9:
        if (!m.builder.is_fixed()) {
          frozen.emplace_back(m.builder.take(below(2) * 8), std::exchange(m.text, ""));
        } else {
          frozen.emplace_back(m.builder.take(), std::exchange(m.text, ""));
        }
        break;
      case 10:
        if (models.size() < 8) {
          if (std::optional<BytesBuilder> head = m.builder.try_split_to(n)) {
            std::string text = m.text.substr(0, n);
            m.text.erase(0, n);
            models.push_back({*std::move(head), std::move(text)});
          }
        }
        break;
      case 11:
        if (models.size() < 8) {
          if (std::optional<BytesBuilder> tail = m.builder.try_split_off(n)) {
            std::string text = m.text.size() > n ? m.text.substr(n) : "";
            m.text.resize(std::min(n, m.text.size()));
            models.push_back({*std::move(tail), std::move(text)});
          }
        }
        break;
      case 12:
        if (models.size() < 8) {
          if (std::optional<BytesBuilder> part = m.builder.try_carve(n)) {
            models.push_back({*std::move(part), ""});
          }
        }
        break;
      case 13: {
        Model& other = models[below(models.size())];
        if (m.builder.try_join(std::move(other.builder))) m.text += std::exchange(other.text, "");
        break;
      }
      case 14:
        if (!frozen.empty()) {
          const size_t i = below(frozen.size());
          std::swap(frozen[i], frozen.back());
          if (below(2) == 0) {
            Bytes thawed = frozen.back().first;
            frozen.back().first.clear();
            if (models.size() < 8) {
              models.push_back({std::move(thawed).into_builder(), frozen.back().second});
            }
          }
          frozen.pop_back();
        }
        break;
      case 15:
        (void)m.builder.try_reclaim(n);
        if (models.size() > 1 && below(3) == 0) {
          models.erase(models.begin() + static_cast<ptrdiff_t>(index));
        }
        break;
      default:
        break;
    }
    for (const Model& model : models) {
      ASSERT_EQ(model.builder.view(), model.text) << "step " << step;
    }
    for (const auto& [bytes, text] : frozen) ASSERT_EQ(bytes, text) << "step " << step;
  }
}

TEST(BytesBuilderTest, RandomCallsAgreeWithStrings) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_model(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
