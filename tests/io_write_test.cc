// Writing functions over scripted sinks: what the sink took is gone from the chain, the rest is in
// it, in order; and what goes by reference, what is gathered.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/io/write.h"
#include "bight/memory.h"
#include "bight/testing/scripted_io.h"
#include "tests/io_support.h"
#include "tests/support/shapes.h"

namespace bight {
namespace {

constexpr size_t kSize = 20;

const std::vector<std::vector<size_t>> kShapes = {{20}, {1}, {3, 8, 1, 1, 7}, {10}};

// Also keeps the entries of the last call.
struct RecordingSink {
  ScriptedSink sink;
  std::vector<iovec> entries;
  IoResult write_some(std::span<const iovec> from) {
    entries.assign(from.begin(), from.end());
    return sink.write_some(from);
  }
};

// 0: all by reference; 4: some gathered; 1024: all gathered.
const size_t kGather[] = {0, 4, 1024};

TEST(IoWriteTest, WriteSomeConsumesWhatWasTakenThroughEveryStop) {
  const std::string text = pattern(kSize);
  for (const auto& shape : kShapes) {
    for (const size_t gather_below : kGather) {
      for_each_io_script(kSize, sink_faults(), [&](const IoScript& script) {
        ScriptedSink sink(script.steps);
        Chain chain = chain_of(text, shape);
        for (size_t calls = 0; !chain.empty() && calls < 100; ++calls) {
          const size_t before = sink.received().size();
          const IoResult result = write_some(sink, chain, {.gather_below = gather_below});
          EXPECT_EQ(result.bytes, sink.received().size() - before) << script.to_string();
          EXPECT_EQ(result.kind, sink.last().kind) << script.to_string();
          EXPECT_NE(result.error_number, EINTR);
          ASSERT_EQ(sink.received() + chain.to_string(), text) << script.to_string();
          chain.check_invariants();
        }
        EXPECT_TRUE(chain.empty());
      });
    }
  }
}

TEST(IoWriteTest, WriteAllGoesOnAfterEveryStop) {
  const std::string text = pattern(kSize);
  for (const auto& shape : kShapes) {
    for (const size_t gather_below : kGather) {
      for_each_io_script(kSize, sink_faults(), [&](const IoScript& script) {
        ScriptedSink sink(script.steps);
        Chain chain = chain_of(text, shape);
        const Chain copy = chain;  // a shared table must not change what is sent
        size_t written = 0;
        IoResult result;
        do {
          result = write_all(sink, chain, {.gather_below = gather_below});
          written += result.bytes;
          EXPECT_EQ(written, sink.received().size()) << script.to_string();
          ASSERT_EQ(sink.received() + chain.to_string(), text) << script.to_string();
        } while (result.kind == IoKind::would_block);
        if (result.kind == IoKind::data) {
          EXPECT_TRUE(chain.empty());
        } else if (sink.last().kind == IoKind::data) {
          EXPECT_EQ(sink.last().bytes, 0u);
          EXPECT_EQ(result.error_number, ENOSPC);
        } else {
          EXPECT_EQ(result.error_number, sink.last().error_number);
          EXPECT_STREQ(result.call, "scripted write");
        }
        EXPECT_EQ(copy, text);
      });
    }
  }
}

TEST(IoWriteTest, EveryShapeOfChainIsWrittenInPiecesOfEverySize) {
  for (const shapes::Kind kind : shapes::all()) {
    for (const size_t gather_below : kGather) {
      for (const size_t parts : {size_t{1}, size_t{2}, size_t{3}, size_t{40}}) {
        SCOPED_TRACE(shapes::name(kind) + " in " + std::to_string(parts) + " parts");
        shapes::Shape shape = shapes::make(kind);
        const size_t piece = shape.text.size() / parts + 1;
        std::vector<IoStep> steps;
        for (size_t i = 0; i < parts; ++i) {
          steps.insert(steps.end(),
                       {IoStep::interrupted(), IoStep::take(piece), IoStep::would_block()});
        }
        ScriptedSink sink(steps);
        const CopyAudit audit;
        while (!shape.chain.empty()) {
          static_cast<void>(write_all(sink, shape.chain, {.gather_below = gather_below}));
          shape.chain.check_invariants();
          ASSERT_TRUE(shape.chain == shape.text.substr(sink.received().size()));
        }
        EXPECT_EQ(audit.thread().copied, 0u);
        EXPECT_TRUE(sink.received() == shape.text);
        for (size_t i = 0; i < shape.kept.size(); ++i) {
          shapes::expect_reads(shape.kept[i], shape.kept_texts[i]);
        }
      }
    }
  }
}

// buf-B31: several chains in one call, each drained by its share.
TEST(IoWriteTest, SeveralChainsAreWrittenAsOneStreamThroughEveryStop) {
  const std::string text = pattern(kSize);
  for (const size_t gather_below : kGather) {
    for_each_io_script(kSize, sink_faults(), [&](const IoScript& script) {
      ScriptedSink sink(script.steps);
      Chain parts[4] = {chain_of(text.substr(0, 7), {2}), Chain(), chain_of(text.substr(7, 1), {1}),
                        chain_of(text.substr(8), {5, 1})};
      Chain* const chains[] = {&parts[0], &parts[1], &parts[2], &parts[3]};
      for (size_t calls = 0; sink.received().size() < kSize && calls < 100; ++calls) {
        const size_t before = sink.received().size();
        const IoResult result = write_some(sink, chains, {.gather_below = gather_below});
        const size_t sent = sink.received().size();
        EXPECT_EQ(result.bytes, sent - before);
        ASSERT_EQ(parts[0], text.substr(0, 7).substr(std::min(sent, size_t{7})));
        ASSERT_EQ(parts[2].size(), sent < 8 ? 1u : 0u);
        ASSERT_EQ(parts[3], text.substr(8).substr(sent < 8 ? 0 : sent - 8));
      }
      EXPECT_EQ(sink.received(), text) << script.to_string();
    });
  }
}

// buf-B31: at most IOV_MAX views a call, also over several chains.
TEST(IoWriteTest, SeveralChainsTogetherFillAtMostTheEntriesOfOneCall) {
  const std::string text = pattern(1500);
  Chain a = chain_of(text.substr(0, 700), {1});
  Chain b = chain_of(text.substr(700), {1});
  Chain* const chains[] = {&a, &b};
  ScriptedSink sink;
  EXPECT_EQ(write_some(sink, chains, {.gather_below = 0}).bytes, 1024u);
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{1024, 1024}}));
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.size(), 476u);
  EXPECT_EQ(write_some(sink, chains, {.gather_below = 0}).bytes, 476u);
  EXPECT_EQ(sink.received(), text);
  EXPECT_EQ(write_some(sink, chains), IoResult{});
  EXPECT_EQ(sink.calls(), 2u);
}

// buf-E60
TEST(IoWriteTest, DrainsExactlyWhatEachCallTook) {
  const struct {
    IoStep step;
    size_t drained;
    IoKind kind;
  } cases[] = {{IoStep::take(7), 7, IoKind::data},
               {IoStep::take(6), 6, IoKind::data},
               {IoStep::zero(), 0, IoKind::data},
               {IoStep::fail(EIO), 0, IoKind::error},
               {IoStep::would_block(), 0, IoKind::would_block},
               {IoStep::take(1), 1, IoKind::data}};
  for (const auto& c : cases) {
    ScriptedSink sink({c.step});
    Chain chain = chain_of("content", {4, 3});
    const IoResult result = write_some(sink, chain);
    EXPECT_EQ(result.bytes, c.drained);
    EXPECT_EQ(result.kind, c.kind);
    EXPECT_EQ(chain, std::string("content").substr(c.drained));
    EXPECT_EQ(sink.calls(), 1u);
  }
}

// buf-E60: an empty buffer makes no system call.
TEST(IoWriteTest, WritingNothingMakesNoCall) {
  ScriptedSink sink;
  Chain empty;
  Chain* const chains[] = {&empty, &empty};
  EXPECT_EQ(write_some(sink, empty), IoResult{});
  EXPECT_EQ(write_all(sink, empty), IoResult{});
  EXPECT_EQ(write_some(sink, chains), IoResult{});
  EXPECT_EQ(write_some(sink, std::span<Chain* const>()), IoResult{});
  Chain chain = chain_of("abc", {3});
  EXPECT_EQ(write_some(sink, chain, {.max_bytes = 0}), IoResult{});
  EXPECT_EQ(write_all(sink, chain, {.max_bytes = 0}), IoResult{});
  EXPECT_EQ(sink.calls(), 0u);
  EXPECT_EQ(chain, "abc");
}

// slice-P04: a sink with room for 4 bytes is an error, not an endless loop.
TEST(IoWriteTest, ASinkThatTakesNoMoreIsAnError) {
  ScriptedSink sink({IoStep::take(4), IoStep::zero()});
  Chain chain = chain_of("123456", {6});
  EXPECT_EQ(write_all(sink, chain), (IoResult{4, IoKind::error, ENOSPC}));
  EXPECT_EQ(chain, "56");
  EXPECT_EQ(sink.calls(), 2u);
}

TEST(IoWriteTest, AStopBehindTheLastByteDoesNotStop) {
  ScriptedSink sink({IoStep::would_block(4)});
  Chain chain = chain_of("text", {4});
  EXPECT_EQ(write_all(sink, chain), (IoResult{4, IoKind::data}));
}

// ---- What goes how --------------------------------------------------------------------------

TEST(IoWriteTest, AThousandSmallSegmentsAreOneGatheredPiece) {
  const std::string text = pattern(64000);
  Chain chain = chain_of(text, {64});
  ASSERT_EQ(chain.segment_count(), 1000u);
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain), (IoResult{64000, IoKind::data}));
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{1, 64000}}));
  EXPECT_EQ(audit.thread().gathered, 64000u);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, AThousandSegmentsOfOneKibAreOneCallByReference) {
  const std::string text = pattern(1000 << 10);
  Chain chain = chain_of(text, {1024});
  RecordingSink sink;
  const std::byte* const first = chain.front().data();
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain, {}).bytes, text.size());
  EXPECT_EQ(sink.sink.offers(), (std::vector<IoOffer>{{1000, text.size()}}));
  EXPECT_EQ(sink.entries.front().iov_base, first);
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(sink.sink.received(), text);
}

TEST(IoWriteTest, ThreeThousandSegmentsTakeThreeCalls) {
  const std::string text = pattern(3000 * 1200);
  Chain chain = chain_of(text, {1200});
  ScriptedSink sink;
  EXPECT_EQ(write_all(sink, chain).bytes, text.size());
  EXPECT_EQ(sink.offers(),
            (std::vector<IoOffer>{{1024, 1024 * 1200}, {1024, 1024 * 1200}, {952, 952 * 1200}}));
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, HeadersBetweenPayloadsGoByReference) {
  // Copying one header alone would save no entry.
  const std::string text = pattern(10 * (14 + 4096));
  std::vector<size_t> sizes;
  for (int i = 0; i < 10; ++i) sizes.insert(sizes.end(), {14, 4096});
  Chain chain = chain_of(text, sizes);
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain).bytes, text.size());
  EXPECT_EQ(sink.offers()[0].entries, 20u);
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, EachRunOfSmallSegmentsIsOnePiece) {
  // [small small small] big [small small] big small big
  const std::vector<size_t> sizes = {10, 1023, 30, 1024, 40, 50, 5000, 60, 2000};
  size_t size = 0;
  for (const size_t n : sizes) size += n;
  const std::string text = pattern(size);
  Chain chain = chain_of(text, sizes);
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain).bytes, size);
  EXPECT_EQ(sink.offers()[0].entries, 6u);
  EXPECT_EQ(audit.thread().gathered, 10u + 1023u + 30u + 40u + 50u);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, WhatExceedsTheScratchGoesByReferenceIfThatEndsIt) {
  const std::string text = pattern(1000 * 512);
  Chain chain = chain_of(text, {512});
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain).bytes, text.size());
  // The scratch holds 127 of them, 64 KiB less what its alignment takes.
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{1 + 873, text.size()}}));
  EXPECT_EQ(audit.thread().gathered, 127u * 512u);
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, ARunThatDoesNotFitBehindOtherRunsGoesByReference) {
  // 64,000 B gathered, then room for one of the last two but not for both.
  std::vector<size_t> sizes(100, 640);
  sizes.insert(sizes.end(), {2000, 1000, 1000});
  const std::string text = pattern(64000 + 4000);
  Chain chain = chain_of(text, sizes);
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain).bytes, text.size());
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{4, text.size()}}));
  EXPECT_EQ(audit.thread().gathered, 64000u);
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, ManySmallSegmentsGoOutScratchByScratch) {
  const std::string text = pattern(10000 * 64);
  Chain chain = chain_of(text, {64});
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_all(sink, chain).bytes, text.size());
  EXPECT_EQ(sink.calls(), 10u);
  EXPECT_EQ(sink.offers()[0], (IoOffer{1, 1023 * 64}));
  EXPECT_LE(audit.thread().gathered, text.size());
  EXPECT_EQ(sink.received(), text);
}

TEST(IoWriteTest, NeighboursInMemoryNeedOneEntryAndNoCopy) {
  const Bytes block = Bytes::copy_of(pattern(100));
  Chain chain;
  chain.push_back(Bytes::copy_of("first"));
  chain.push_back(Bytes::copy_of("second"));
  chain.push_back(block.slice(0, 40));
  const Chain shared = chain;            // while the table is shared ...
  chain.push_back(block.slice(40, 60));  // ... neighbours may stay two segments
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain, {.gather_below = 0}).bytes, 111u);
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{3, 111}}));
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(sink.received(), "firstsecond" + pattern(100));
}

TEST(IoWriteTest, OffersAtMostMaxBytes) {
  const std::string text = pattern(5000);
  for (const size_t max : {size_t{1}, size_t{999}, size_t{1000}, size_t{1001}, size_t{4999}}) {
    for (const size_t gather_below : {size_t{0}, size_t{1024}}) {
      Chain chain = chain_of(text, {1000});
      ScriptedSink sink;
      EXPECT_EQ(write_some(sink, chain, {gather_below, max}).bytes, max);
      EXPECT_EQ(sink.received(), text.substr(0, max));
      EXPECT_EQ(chain, text.substr(max));
    }
  }
}

TEST(IoWriteTest, GatherBelowZeroCopiesNothing) {
  const std::string text = pattern(200);
  Chain chain = chain_of(text, {2});
  ScriptedSink sink;
  const CopyAudit audit;
  EXPECT_EQ(write_some(sink, chain, {.gather_below = 0}).bytes, 200u);
  EXPECT_EQ(sink.offers()[0].entries, 100u);
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

// Takes everything and looks at the memory while it does.
struct MemorySink {
  MemoryTotals totals;
  IoResult write_some(std::span<const iovec> from) noexcept {
    totals = memory_totals();
    size_t n = 0;
    for (const iovec& entry : from) n += entry.iov_len;
    return {n};
  }
};

TEST(IoWriteTest, AWarmWriteTakesItsScratchFromTheCacheAndGivesItBack) {
  const std::string text = pattern(64000);
  MemorySink sink;
  for (int round = 0; round < 2; ++round) {
    Chain chain = chain_of(text, {64});
    Chain keep = chain;
    const MemoryTotals before = memory_totals();
    EXPECT_EQ(write_some(sink, chain).bytes, text.size());
    const MemoryTotals after = memory_totals();
    EXPECT_EQ(after.live(), before.live());
    EXPECT_GE(sink.totals.live(), before.live() + (size_t{64} << 10));
    if (round == 1 && !BIGHT_HAS_ASAN) {  // where nothing is cached
      EXPECT_EQ(sink.totals.allocated, before.allocated);
    }
  }
}

TEST(IoWriteTest, SegmentsThatWereWrittenAreReleased) {
  int released = 0;
  const std::string text = pattern(3000);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  Chain chain;
  for (size_t i = 0; i < 3; ++i) {
    chain.push_back(
        Bytes::with_release(bytes.subspan(i * 1000, 1000), [&]() noexcept { ++released; }));
  }
  ScriptedSink sink({IoStep::take(2500)});
  EXPECT_EQ(write_some(sink, chain).bytes, 2500u);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(write_some(sink, chain).bytes, 500u);
  EXPECT_EQ(released, 3);
}

TEST(IoWriteTest, AReleaseHookMayUseTheChainAndWriteItself) {
  ScriptedSink sink;
  Chain chain;
  const std::string text = pattern(2000);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  Chain other = chain_of("other", {1});
  chain.push_back(Bytes::with_release(bytes, [&]() noexcept {
    chain.push_back(Bytes::from_static(" and more"));
    EXPECT_EQ(write_all(sink, other).bytes, 5u);
  }));
  EXPECT_EQ(write_some(sink, chain).bytes, 2000u);
  EXPECT_EQ(chain, " and more");
  EXPECT_EQ(write_all(sink, chain).bytes, 9u);
  EXPECT_EQ(sink.received(), text + "other and more");
}

TEST(IoWriteTest, OneBodyToManySinksSharesItsBytes) {
  const std::string body = pattern(100 * 2000);
  const Chain cached = chain_of(body, {2000});
  const CopyAudit audit;
  for (int i = 0; i < 5; ++i) {
    Chain reply = cached;
    reply.push_front(Bytes::from_static("header"));
    ScriptedSink sink({IoStep::take(3), IoStep::take(5000), IoStep::would_block()});
    EXPECT_EQ(write_all(sink, reply).bytes, 5003u);
    EXPECT_EQ(write_all(sink, reply).bytes, body.size() + 6 - 5003);
    EXPECT_EQ(sink.received(), "header" + body);
  }
  EXPECT_EQ(cached, body);
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

struct LyingSink {
  IoResult write_some(std::span<const iovec>) noexcept { return {17}; }
};

TEST(IoWriteDeathTest, ASinkThatClaimsMoreThanItWasOfferedStopsTheProgram) {
  Chain chain = chain_of(pattern(16), {16});
  EXPECT_DEATH(static_cast<void>(write_some(LyingSink{}, chain)),
               "write_some of the sink\\(17\\) of 16 bytes");
}

}  // namespace
}  // namespace bight
