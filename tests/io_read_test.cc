// Reading functions over scripted sources: whatever comes in the way, no byte is lost, doubled or
// reordered, what came is counted and kept, and nothing is copied.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/read.h"
#include "bight/testing/scripted_io.h"
#include "tests/io_support.h"

namespace bight {
namespace {

constexpr size_t kSize = 20;

// A builder whose blocks are small, so that a read spans several.
ChainBuilder small_blocks() {
  ChainBuilderOptions options;
  options.min_block = 16;
  options.max_block = 16;
  return ChainBuilder(options);
}

// What a call may say when it has stopped early: what the source last said.
void expect_stopped_as_source(const IoResult& result, const ScriptedSource& source,
                              const IoScript& script) {
  EXPECT_EQ(result.kind, source.last().kind) << script.to_string();
  EXPECT_EQ(result.error_number, source.last().error_number) << script.to_string();
  EXPECT_STREQ(result.call, "scripted read");
}

TEST(IoReadTest, ReadSomeMakesOneCallAndKeepsWhatCame) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, source_faults(), [&](const IoScript& script) {
    ScriptedSource source(text, script.steps);
    ChainBuilder into = small_blocks();
    std::string got;
    for (;;) {
      const size_t before = source.position();
      const IoResult result = read_some(source, into, 7);
      EXPECT_EQ(result.bytes, source.position() - before) << script.to_string();
      EXPECT_EQ(into.size(), result.bytes);
      got += into.take().to_string();
      if (result.kind == IoKind::eof || result.kind == IoKind::error) {
        expect_stopped_as_source(result, source, script);
        EXPECT_NE(result.error_number, EINTR);
        break;
      }
    }
    EXPECT_EQ(got, source.content().substr(0, source.position())) << script.to_string();
  });
}

TEST(IoReadTest, ReadExactlyGoesOnAfterEveryStop) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, source_faults(), [&](const IoScript& script) {
    for (const size_t wanted : {size_t{1}, kSize / 2, kSize, kSize + 1}) {
      ScriptedSource source(text, script.steps);
      ChainBuilder into = small_blocks();
      size_t got = 0;
      IoResult result;
      do {
        result = read_exactly(source, into, wanted - got);
        got += result.bytes;
        EXPECT_EQ(got, source.position()) << script.to_string();
        EXPECT_EQ(into.size(), got);
      } while (result.kind == IoKind::would_block);
      EXPECT_LE(got, wanted);
      if (result.kind == IoKind::data) {
        EXPECT_EQ(got, wanted) << script.to_string();
      } else {
        EXPECT_TRUE(got < wanted || result.is_error()) << script.to_string();
        expect_stopped_as_source(result, source, script);
      }
      EXPECT_EQ(into.take(), text.substr(0, got)) << script.to_string();
    }
  });
}

TEST(IoReadTest, ReadExactlyIntoACarvedBuilderFillsItsPlace) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, source_faults(), [&](const IoScript& script) {
    ScriptedSource source(text, script.steps);
    BytesBuilder whole(64);
    BytesBuilder part = whole.carve(kSize);
    const std::byte* const place = part.data();
    size_t got = 0;
    IoResult result;
    do {
      result = read_exactly(source, part, kSize - got);
      got += result.bytes;
      EXPECT_EQ(part.size(), got);
    } while (result.kind == IoKind::would_block);
    EXPECT_EQ(got, source.position());
    if (result.kind != IoKind::data) {
      EXPECT_TRUE(got < kSize || result.is_error()) << script.to_string();
      expect_stopped_as_source(result, source, script);
    }
    const Bytes frozen = std::move(part).freeze();
    EXPECT_EQ(frozen, text.substr(0, got)) << script.to_string();
    if (got != 0) {
      EXPECT_EQ(frozen.data(), place);
    }
  });
}

TEST(IoReadTest, ReadAllGoesOnAfterEveryStopUntilTheEnd) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, source_faults(), [&](const IoScript& script) {
    for (const size_t limit : {size_t{0}, size_t{5}, kSize, kSize + 1}) {
      ScriptedSource source(text, script.steps);
      ChainBuilder into = small_blocks();
      size_t got = 0;
      IoResult result;
      do {
        result = read_all(source, into, limit - got);
        got += result.bytes;
      } while (result.kind == IoKind::would_block);
      EXPECT_EQ(got, source.position());
      EXPECT_LE(got, limit);
      if (result.kind == IoKind::data) {
        EXPECT_EQ(got, limit) << script.to_string();
      } else {
        expect_stopped_as_source(result, source, script);
      }
      EXPECT_EQ(into.take(), source.content().substr(0, got)) << script.to_string();
    }
  });
}

TEST(IoReadTest, ReadUntilFindsEveryFrameThroughEveryStop) {
  const std::string text = "one\r\n\r\ntwo three\r\nx\r";
  ASSERT_EQ(text.size(), kSize);
  for_each_io_script(text.size(), source_faults(), [&](const IoScript& script) {
    ScriptedSource source(text, script.steps);
    ChainBuilder room = small_blocks();
    Chain pending;
    std::vector<std::string> frames;
    std::string all;
    size_t searched = 0;
    size_t counted = 0;
    for (;;) {
      const ReadUntilResult until = read_until(source, room, pending, "\r\n", 100, searched);
      counted += until.io.bytes;
      EXPECT_EQ(counted, source.position()) << script.to_string();
      EXPECT_EQ(all.size() + pending.size(), source.position()) << script.to_string();
      if (until.frame != 0) {
        frames.push_back(pending.split_to(until.frame).to_string());
        all += frames.back();
        searched = 0;
      } else {
        EXPECT_NE(until.io.kind, IoKind::data);
        if (until.io.kind != IoKind::would_block) {
          expect_stopped_as_source(until.io, source, script);
          break;
        }
        searched = until.searched;
        EXPECT_LE(searched, pending.size());
        EXPECT_LE(pending.size(), searched + 1);
      }
    }
    all += pending.to_string();
    EXPECT_EQ(all, text.substr(0, source.position())) << script.to_string();
    // Every complete frame that was read has been found.
    std::vector<std::string> expected;
    std::string_view rest(all);
    for (size_t at = rest.find("\r\n"); at != rest.npos; at = rest.find("\r\n")) {
      expected.emplace_back(rest.substr(0, at + 2));
      rest.remove_prefix(at + 2);
    }
    EXPECT_EQ(frames, expected) << script.to_string();
  });
}

// buf-E61
TEST(IoReadTest, AnEndAnErrorAndAFullStopLeaveNothingInTheBuilder) {
  for (const IoStep step : {IoStep::eof(), IoStep::fail(EIO), IoStep::would_block()}) {
    ScriptedSource source("text", {step});
    ChainBuilder into;
    const IoResult result = read_some(source, into, 100);
    EXPECT_EQ(result, (IoResult{0, step.kind, step.error_number})) << step.to_string();
    EXPECT_TRUE(into.empty());
    EXPECT_EQ(into.take().segment_count(), 0u);
  }
}

// buf-E61
TEST(IoReadTest, ReadingNothingMakesNoCall) {
  ScriptedSource source("text");
  ChainBuilder into;
  BytesBuilder flat(8);
  EXPECT_EQ(read_some(source, into, 0), IoResult{});
  EXPECT_EQ(read_some(source, flat, 0), IoResult{});
  EXPECT_EQ(read_exactly(source, into, 0), IoResult{});
  EXPECT_EQ(read_exactly(source, flat, 0), IoResult{});
  EXPECT_EQ(read_all(source, into, 0), IoResult{});
  EXPECT_EQ(source.calls(), 0u);
  EXPECT_TRUE(into.empty());
}

// buf-E62
TEST(IoReadTest, OneByteReadWithMuchRoomPinsOneSmallBlock) {
  ScriptedSource source("xy", {IoStep::take(1), IoStep::take(1)});
  ChainBuilder into;
  EXPECT_EQ(read_some(source, into, 32 << 10).bytes, 1u);
  EXPECT_GE(source.offers()[0].bytes, size_t{32} << 10);
  const Chain one = into.take();
  EXPECT_EQ(one, "x");
  EXPECT_LE(one.retained_size(), 4096u + 64u);
  // And what the block has left serves the next message.
  EXPECT_EQ(read_some(source, into, 16).bytes, 1u);
  Chain both = one;
  both.push_back(into.take());
  EXPECT_EQ(both.segment_count(), 1u);
  EXPECT_LE(both.retained_size(), 4096u + 64u);
}

TEST(IoReadTest, NeverReadsMoreThanWasAskedFor) {
  const std::string text = pattern(100000);
  for (const size_t max : {size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{1000}}) {
    ScriptedSource source(text);
    ChainBuilder into = small_blocks();
    EXPECT_EQ(read_some(source, into, max).bytes, max);
    EXPECT_EQ(source.offers().back().bytes, max);
    EXPECT_EQ(read_exactly(source, into, 3 * max).bytes, 3 * max);
    EXPECT_EQ(source.position(), 4 * max);
    EXPECT_EQ(into.take(), text.substr(0, 4 * max));
  }
}

TEST(IoReadTest, AFullBuilderIsAnErrorWithoutACall) {
  ChainBuilderOptions options;
  options.max_size = 10;
  ChainBuilder into(options);
  ScriptedSource source(pattern(100));
  EXPECT_EQ(read_some(source, into, 100), (IoResult{10, IoKind::data}));
  EXPECT_EQ(source.calls(), 1u);
  EXPECT_EQ(read_some(source, into, 1), (IoResult{0, IoKind::error, ENOBUFS}));
  EXPECT_EQ(read_exactly(source, into, 1), (IoResult{0, IoKind::error, ENOBUFS}));
  EXPECT_EQ(source.calls(), 1u);

  BytesBuilder whole(64);
  BytesBuilder part = whole.carve(4);
  EXPECT_EQ(read_exactly(source, part, 5), (IoResult{0, IoKind::error, ENOBUFS}));
  EXPECT_TRUE(part.empty());
  EXPECT_EQ(read_some(source, part), (IoResult{4, IoKind::data}));
  EXPECT_EQ(read_some(source, part), (IoResult{0, IoKind::error, ENOBUFS}));
  EXPECT_EQ(source.calls(), 2u);
  EXPECT_EQ(source.position(), 14u);
}

TEST(IoReadTest, ReadExactlyIntoAFlatBuilderGrowsIt) {
  ScriptedSource source(pattern(1000), {IoStep::take(10)});
  BytesBuilder into;
  EXPECT_EQ(read_exactly(source, into, 1000), (IoResult{1000, IoKind::data}));
  EXPECT_EQ(source.calls(), 2u);
  EXPECT_EQ(into, pattern(1000));
}

TEST(IoReadTest, AStopBehindTheLastByteWantedDoesNotStop) {
  for (const IoStep step : {IoStep::would_block(4), IoStep::eof(4)}) {
    ChainBuilder into;
    BytesBuilder flat;
    EXPECT_EQ(read_exactly(ScriptedSource("text", {step}), into, 4), (IoResult{4, IoKind::data}));
    EXPECT_EQ(read_exactly(ScriptedSource("text", {step}), flat, 4), (IoResult{4, IoKind::data}));
    EXPECT_EQ(read_all(ScriptedSource("text", {step}), into, 4).kind,
              step.kind == IoKind::eof ? IoKind::eof : IoKind::data);
  }
}

TEST(IoReadTest, ReadAllTellsTheLimitFromTheEnd) {
  ScriptedSource exact("0123456789");
  ChainBuilder into;
  EXPECT_EQ(read_all(exact, into, 10), (IoResult{10, IoKind::data}));
  ScriptedSource shorter("0123456789");
  EXPECT_EQ(read_all(shorter, into, 11), (IoResult{10, IoKind::eof}));
}

// slice-P01: what was written as two pieces is read to its end as one stream.
TEST(IoReadTest, ReadAllJoinsWhatComesInPieces) {
  ScriptedSource source("hello world", {IoStep::take(6)});
  ChainBuilder into;
  EXPECT_EQ(read_all(source, into, 100), (IoResult{11, IoKind::eof}));
  const Chain all = into.take();
  EXPECT_EQ(all, "hello world");
  EXPECT_EQ(all.segment_count(), 1u);
}

// slice-P02
TEST(IoReadTest, ReadUntilFindsALineAcrossABoundary) {
  ScriptedSource source("hello\nworld", {IoStep::take(4)});
  ChainBuilder room;
  Chain pending;
  ReadUntilResult until = read_until(source, room, pending, "\n", 100);
  EXPECT_EQ(until.frame, 6u);
  EXPECT_EQ(pending.split_to(until.frame), "hello\n");
  until = read_until(source, room, pending, "\n", 100);
  EXPECT_EQ(until.frame, 0u);
  EXPECT_EQ(until.io.kind, IoKind::eof);
  EXPECT_EQ(pending, "world");
}

TEST(IoReadTest, ReadUntilNeedsNoReadForWhatIsThere) {
  ScriptedSource source("a;b;c");
  ChainBuilder room;
  Chain pending;
  EXPECT_EQ(read_until(source, room, pending, ";", 100).frame, 2u);
  pending.consume(2);
  const ReadUntilResult second = read_until(source, room, pending, ";", 100);
  EXPECT_EQ(second.frame, 2u);
  EXPECT_EQ(second.io, IoResult{});
  EXPECT_EQ(source.calls(), 1u);
  pending.clear();
  room.append("left;over");
  EXPECT_EQ(read_until(source, room, pending, ";", 100).frame, 5u);
  EXPECT_EQ(pending, "left;over");
  EXPECT_EQ(source.calls(), 1u);
}

TEST(IoReadTest, ReadUntilStopsAtItsLimit) {
  for (size_t at = 0; at <= 12; ++at) {
    ScriptedSource source(std::string(at, '.') + "\r\n" + std::string(30, '.'));
    ChainBuilder room;
    Chain pending;
    const ReadUntilResult until = read_until(source, room, pending, "\r\n", 10);
    if (at <= 8) {
      EXPECT_EQ(until.frame, at + 2);
      EXPECT_EQ(until.io.kind, IoKind::data);
    } else {
      EXPECT_EQ(until.frame, 0u);
      EXPECT_EQ(until.io, (IoResult{10, IoKind::error, EMSGSIZE}));
    }
    EXPECT_EQ(pending.size(), 10u);
    EXPECT_EQ(source.position(), 10u);
  }
}

TEST(IoReadTest, ReadUntilLooksOnlyAtTheLimitOfALongerPending) {
  ScriptedSource source("");
  ChainBuilder room;
  Chain pending = chain_of("012345678\r\n", {3});
  const ReadUntilResult until = read_until(source, room, pending, "\r\n", 10);
  EXPECT_EQ(until.io.error_number, EMSGSIZE);
  EXPECT_EQ(until.searched, 9u);
  // Nor when it goes on: a frame that ends behind the limit is none.
  const ReadUntilResult again = read_until(source, room, pending, "\r\n", 10, until.searched);
  EXPECT_EQ(again.frame, 0u);
  EXPECT_EQ(again.io.error_number, EMSGSIZE);
  EXPECT_EQ(source.calls(), 0u);
  EXPECT_EQ(read_until(source, room, pending, "\r\n", 11, until.searched).frame, 11u);
}

TEST(IoReadTest, ReadUntilSearchesNoByteTwice) {
  // One byte a call with a stop between: the position handed on follows the data.
  std::vector<IoStep> steps;
  for (size_t i = 0; i < 1000; ++i) {
    steps.push_back(IoStep::take(1));
    steps.push_back(IoStep::would_block());
  }
  ScriptedSource source(std::string(1000, 'a'), steps);
  ChainBuilder room;
  Chain pending;
  size_t searched = 0;
  for (size_t i = 1; i <= 1000; ++i) {
    const ReadUntilResult until = read_until(source, room, pending, "ab", 2000, searched);
    ASSERT_EQ(until.io, (IoResult{1, IoKind::would_block, EAGAIN}));
    searched = until.searched;
    ASSERT_EQ(searched, i - 1);
  }
  EXPECT_EQ(pending.segment_count(), 1u);
}

TEST(IoReadTest, NothingThatIsReadIsCopied) {
  const std::string text = pattern(1 << 20);
  ScriptedSource source(text, {IoStep::take(1000), IoStep::would_block(), IoStep::take(70000)});
  ChainBuilder into;
  BytesBuilder flat(1 << 16);
  ReadSize size;
  Chain pending;
  const CopyAudit audit;
  size_t got = read_some(source, into, 5000).bytes;
  got += read_exactly(source, into, 10).bytes;
  got += read_some(source, into, size).bytes;
  got += read_some(source, flat).bytes;
  got += read_exactly(source, into, 100000).bytes;
  const Bytes frozen = flat.take();
  Chain all = into.take();
  EXPECT_EQ(got, frozen.size() + all.size());
  EXPECT_EQ(read_all(source, into, 1 << 21).kind, IoKind::eof);
  const Chain rest = into.take();
  EXPECT_EQ(got + rest.size(), text.size());
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().gathered, 0u);
}

TEST(IoReadTest, ASourceThatSaysNothingIsNotAskedAgain) {
  ScriptedSource source("text", {IoStep::take(1), IoStep::zero()});
  ChainBuilder into;
  EXPECT_EQ(read_exactly(source, into, 4), (IoResult{1, IoKind::would_block, EAGAIN}));
  EXPECT_EQ(source.calls(), 2u);
}

TEST(IoReadTest, AnErrorEagainIsAFullStop) {
  ScriptedSource source("text", {IoStep::fail(EAGAIN, 1)});
  ChainBuilder into;
  EXPECT_EQ(read_exactly(source, into, 4), (IoResult{1, IoKind::would_block, EAGAIN}));
}

TEST(IoReadTest, AnInterruptionThatComesWithBytesIsProgress) {
  ScriptedSource source("text", {IoStep::fail(EINTR, 1)});
  ChainBuilder into;
  EXPECT_EQ(read_some(source, into, 4), (IoResult{1, IoKind::data}));
  EXPECT_EQ(into.take(), "t");
}

struct LyingSource {
  IoResult read_some(std::span<const iovec>) noexcept { return {17}; }
};

TEST(IoReadDeathTest, ASourceThatClaimsMoreThanItsRoomStopsTheProgram) {
  ChainBuilder into;
  EXPECT_DEATH(static_cast<void>(read_some(LyingSource{}, into, 16)),
               "read_some of the source\\(17\\) of 16 bytes");
}

TEST(IoReadDeathTest, ReadUntilAnEmptyDelimiterStopsTheProgram) {
  ScriptedSource source("text");
  ChainBuilder room;
  Chain pending;
  EXPECT_DEATH(static_cast<void>(read_until(source, room, pending, "", 10)), "empty delimiter");
}

// ---- ReadSize -------------------------------------------------------------------------------

TEST(ReadSizeTest, DoublesWhenFilledAndHalvesAfterTwoSmallReads) {
  ReadSize size;
  EXPECT_EQ(size.next(), 4096u);
  size.record(4096, 4096);
  EXPECT_EQ(size.next(), 8192u);
  for (int i = 0; i < 10; ++i) size.record(size.next(), size.next());
  EXPECT_EQ(size.next(), size_t{1} << 20);
  size.record(1 << 20, 100);
  EXPECT_EQ(size.next(), size_t{1} << 20);
  size.record(1 << 20, 1 << 18);
  size.record(1 << 20, 100);
  EXPECT_EQ(size.next(), size_t{1} << 20);
  size.record(1 << 20, 100);
  EXPECT_EQ(size.next(), size_t{1} << 19);
  for (int i = 0; i < 100; ++i) size.record(size.next(), 0);
  EXPECT_EQ(size.next(), 4096u);
}

TEST(ReadSizeTest, StaysWithinItsBounds) {
  ReadSize size(100, 300);
  size.record(100, 100);
  EXPECT_EQ(size.next(), 200u);
  size.record(200, 200);
  EXPECT_EQ(size.next(), 300u);
  ReadSize fixed(500, 20);
  fixed.record(500, 500);
  EXPECT_EQ(fixed.next(), 500u);
  EXPECT_EQ(ReadSize(0, 0).next(), 1u);
}

TEST(ReadSizeTest, DoublesTheRoomThatWasOfferedWhereThatWasMore) {
  ReadSize size;
  size.record(65536, 65536);
  EXPECT_EQ(size.next(), size_t{128} << 10);
  size.record(1 << 20, 1 << 20);
  EXPECT_EQ(size.next(), ReadSize::kMost);
}

TEST(ReadSizeTest, RoomThatWasCutShortByALimitDoesNotGrowIt) {
  ReadSize size;
  size.record(10, 10);
  EXPECT_EQ(size.next(), 4096u);
}

TEST(IoReadTest, WarmReadsTakeTwoCallsForALargeBatch) {
  const std::string text = pattern(960 << 10);
  ReadSize size;
  ChainBuilder into;
  {
    ScriptedSource source(text + text);
    while (read_some(source, into, size).kind == IoKind::data) {
    }
    into.clear();
  }
  EXPECT_EQ(size.next(), ReadSize::kMost);
  ScriptedSource source(text);
  size_t got = 0;
  while (got < text.size()) got += read_some(source, into, size).bytes;
  EXPECT_LE(source.calls(), 2u);
  EXPECT_EQ(into.take(), text);
}

TEST(IoReadTest, ASmallReadUsesOneEntry) {
  ScriptedSource source(pattern(5000));
  ChainBuilder into;
  EXPECT_EQ(read_some(source, into, 200).bytes, 200u);
  EXPECT_EQ(read_some(source, into, 200).bytes, 200u);
  EXPECT_EQ(source.offers(), (std::vector<IoOffer>{{1, 200}, {1, 200}}));
}

TEST(IoReadTest, SourcesMayBePassedAsTemporaries) {
  ChainBuilder into;
  EXPECT_EQ(read_all(ScriptedSource("abc"), into, 10), (IoResult{3, IoKind::eof}));
  EXPECT_EQ(into.take(), "abc");
}

}  // namespace
}  // namespace bight
