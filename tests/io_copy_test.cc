#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/io/copy.h"
#include "bight/testing/scripted_io.h"
#include "tests/io_support.h"

namespace bight {
namespace {

constexpr size_t kSize = 16;

// Copies until the end or an error, going on after every full stop; checks after each call that
// what is written, what is pending and what is not yet read make the stream.
IoResult copy_through(ScriptedSource& source, ScriptedSink& sink, Chain& pending, size_t limit,
                      const std::string& text) {
  size_t written = 0;
  for (;;) {
    IoResult result = copy(source, sink, pending, limit - written);
    written += result.bytes;
    EXPECT_EQ(written, sink.received().size());
    EXPECT_LE(written, limit);
    EXPECT_EQ(sink.received() + pending.to_string(), text.substr(0, source.position()));
    if (result.kind != IoKind::would_block) {
      result.bytes = written;
      return result;
    }
    // Which side it waits for.
    EXPECT_STREQ(result.call, pending.empty() ? "scripted read" : "scripted write");
  }
}

TEST(IoCopyTest, LosesNothingWhateverTheSourceDoes) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, source_faults(), [&](const IoScript& script) {
    SCOPED_TRACE(script.to_string());
    ScriptedSource source(text, script.steps);
    ScriptedSink sink;
    Chain pending;
    const IoResult result = copy_through(source, sink, pending, 1000, text);
    EXPECT_EQ(result.kind, source.last().kind);
    EXPECT_EQ(result.error_number, source.last().error_number);
    EXPECT_EQ(result.bytes, source.position());
    EXPECT_TRUE(pending.empty());
  });
}

TEST(IoCopyTest, LosesNothingWhateverTheSinkDoes) {
  const std::string text = pattern(kSize);
  for_each_io_script(kSize, sink_faults(), [&](const IoScript& script) {
    SCOPED_TRACE(script.to_string());
    ScriptedSource source(text, {IoStep::take(5)});
    ScriptedSink sink(script.steps);
    Chain pending;
    for (;;) {
      const IoResult result = copy_through(source, sink, pending, 1000, text);
      if (result.kind == IoKind::eof) break;
      // An error of the sink leaves the rest in `pending`; here the sink recovers.
      EXPECT_TRUE(result.is_error());
      EXPECT_FALSE(pending.empty() && sink.last().bytes == 0);
      ScriptedSink next;
      const size_t done = sink.received().size();
      EXPECT_EQ(copy(source, next, pending), (IoResult{kSize - done, IoKind::eof}));
      EXPECT_EQ(sink.received() + next.received(), text);
      return;
    }
    EXPECT_EQ(sink.received(), text);
  });
}

TEST(IoCopyTest, LosesNothingWhenBothSidesStop) {
  const std::string text = pattern(8);
  const std::vector<IoStep> faults{IoStep::interrupted(), IoStep::would_block(1)};
  for_each_io_script(8, faults, [&](const IoScript& in) {
    for_each_io_script(8, faults, [&](const IoScript& out) {
      ScriptedSource source(text, in.steps);
      ScriptedSink sink(out.steps);
      Chain pending;
      EXPECT_EQ(copy_through(source, sink, pending, 100, text), (IoResult{8, IoKind::eof}))
          << in.to_string() << " to " << out.to_string();
      EXPECT_EQ(sink.received(), text);
    });
  });
}

TEST(IoCopyTest, StopsAtItsLimitAndReadsNoFurther) {
  const std::string text = pattern(kSize);
  for (size_t limit = 0; limit <= kSize + 1; ++limit) {
    ScriptedSource source(text, {IoStep::take(3), IoStep::would_block(1)});
    ScriptedSink sink({IoStep::take(2), IoStep::would_block()});
    Chain pending;
    const IoResult result = copy_through(source, sink, pending, limit, text);
    EXPECT_EQ(result.kind, limit <= kSize ? IoKind::data : IoKind::eof) << limit;
    EXPECT_EQ(result.bytes, std::min(limit, kSize));
    EXPECT_EQ(source.position(), std::min(limit, kSize));
    EXPECT_TRUE(pending.empty());
  }
}

TEST(IoCopyTest, WhatIsPendingGoesFirstAndCountsWithinTheLimit) {
  ScriptedSource source("cdef");
  ScriptedSink sink;
  Chain pending = chain_of("ab", {1});
  EXPECT_EQ(copy(source, sink, pending, 1), (IoResult{1, IoKind::data}));
  EXPECT_EQ(source.calls(), 0u);
  EXPECT_EQ(pending, "b");
  EXPECT_EQ(copy(source, sink, pending, 3), (IoResult{3, IoKind::data}));
  EXPECT_EQ(sink.received(), "abcd");
  EXPECT_EQ(copy(source, sink, pending), (IoResult{2, IoKind::eof}));
  EXPECT_EQ(sink.received(), "abcdef");
}

TEST(IoCopyTest, ASinkThatTakesNoMoreIsAnError) {
  ScriptedSource source("abcdef");
  ScriptedSink sink({IoStep::take(4), IoStep::zero()});
  Chain pending;
  EXPECT_EQ(copy(source, sink, pending), (IoResult{4, IoKind::error, ENOSPC}));
  EXPECT_EQ(pending, "ef");
}

TEST(IoCopyTest, NothingIsCopiedInUserSpace) {
  const std::string text = pattern(3 << 20);
  ScriptedSource source(text);
  ScriptedSink sink;
  Chain pending;
  const CopyAudit audit;
  EXPECT_EQ(copy(source, sink, pending), (IoResult{text.size(), IoKind::eof}));
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().gathered, 0u);
  EXPECT_EQ(sink.received(), text);
  EXPECT_LE(source.calls(), 8u);  // 64, 128, 256, 512 KiB, then 1 MiB each, and the end
}

}  // namespace
}  // namespace bight
