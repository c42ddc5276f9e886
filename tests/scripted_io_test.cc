#include "bight/testing/scripted_io.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace bight {
namespace {

// One read into room of the given sizes, appended to `to`.
IoResult read_into(ScriptedSource& source, const std::vector<size_t>& sizes, std::string& to) {
  std::vector<std::string> rooms;
  for (const size_t n : sizes) rooms.emplace_back(n, '.');
  std::vector<iovec> entries;
  for (std::string& room : rooms) entries.push_back({room.data(), room.size()});
  const IoResult result = source.read_some(entries);
  size_t left = result.bytes;
  for (const std::string& room : rooms) {
    const size_t n = std::min(left, room.size());
    to.append(room, 0, n);
    left -= n;
  }
  return result;
}

IoResult write_from(ScriptedSink& sink, std::vector<std::string> pieces) {
  std::vector<iovec> entries;
  for (std::string& piece : pieces) entries.push_back({piece.data(), piece.size()});
  return sink.write_some(entries);
}

TEST(ScriptedSourceTest, WithoutAScriptItFillsTheEntriesInOrderAndThenEnds) {
  ScriptedSource source("hello world");
  std::string got;
  EXPECT_EQ(read_into(source, {2, 0, 3}, got), (IoResult{5, IoKind::data}));
  EXPECT_EQ(read_into(source, {100}, got), (IoResult{6, IoKind::data}));
  EXPECT_EQ(got, "hello world");
  EXPECT_EQ(read_into(source, {100}, got), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(read_into(source, {100}, got), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(source.position(), 11u);
  EXPECT_EQ(source.offers(), (std::vector<IoOffer>{{3, 5}, {1, 100}, {1, 100}, {1, 100}}));
}

TEST(ScriptedSourceTest, EachCallUsesOneStep) {
  ScriptedSource source(
      "hello world", {IoStep::take(3), IoStep::interrupted(), IoStep::would_block(), IoStep::zero(),
                      IoStep::fail(ECONNRESET, 2), IoStep::take(4)});
  std::string got;
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{3, IoKind::data}));
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{0, IoKind::error, EINTR}));
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{0, IoKind::would_block, EAGAIN}));
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{0, IoKind::data}));
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{2, IoKind::error, ECONNRESET}));
  EXPECT_EQ(read_into(source, {1}, got), (IoResult{1, IoKind::data}));
  EXPECT_EQ(got, "hello ");
  EXPECT_EQ(source.calls(), 6u);
  EXPECT_EQ(source.last().bytes, 1u);
}

TEST(ScriptedSourceTest, AScriptedEndIsFinal) {
  ScriptedSource source("hello", {IoStep::eof(2)});
  std::string got;
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{2, IoKind::eof}));
  EXPECT_EQ(read_into(source, {8}, got), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(got, "he");
  EXPECT_EQ(source.content(), "he");
}

TEST(ScriptedSourceTest, ACallWithoutRoomUsesNoStep) {
  ScriptedSource source("hello", {IoStep::interrupted()});
  std::string got;
  EXPECT_EQ(read_into(source, {}, got), IoResult{});
  EXPECT_EQ(read_into(source, {0, 0}, got), IoResult{});
  EXPECT_EQ(source.calls(), 0u);
  EXPECT_EQ(read_into(source, {1}, got).error_number, EINTR);
}

TEST(ScriptedSinkTest, EachCallUsesOneStepAndThenItTakesAll) {
  ScriptedSink sink({IoStep::take(3), IoStep::interrupted(), IoStep::would_block(1), IoStep::zero(),
                     IoStep::eof()});
  EXPECT_EQ(write_from(sink, {"he", "", "llo"}), (IoResult{3, IoKind::data}));
  EXPECT_EQ(write_from(sink, {"lo"}), (IoResult{0, IoKind::error, EINTR}));
  EXPECT_EQ(write_from(sink, {"lo"}), (IoResult{1, IoKind::would_block, EAGAIN}));
  EXPECT_EQ(write_from(sink, {"o"}), (IoResult{0, IoKind::data}));
  EXPECT_EQ(write_from(sink, {"o"}), (IoResult{0, IoKind::error, EPIPE}));
  EXPECT_EQ(write_from(sink, {"o", "!"}), (IoResult{2, IoKind::data}));
  EXPECT_EQ(write_from(sink, {""}), IoResult{});
  EXPECT_EQ(sink.received(), "hello!");
  EXPECT_EQ(sink.offers(), (std::vector<IoOffer>{{3, 5}, {1, 2}, {1, 2}, {1, 1}, {1, 1}, {2, 2}}));
  EXPECT_EQ(sink.last().bytes, 2u);
}

TEST(IoScriptTest, EveryShortLengthStandsAtEveryPositionWithEachFault) {
  const std::vector<IoStep> faults{IoStep::would_block(), IoStep::eof()};
  std::set<std::string> scripts;
  size_t count = 0;
  for_each_io_script(3, faults, [&](const IoScript& script) {
    ++count;
    scripts.insert(script.to_string());
  });
  for (size_t position = 1; position <= 3; ++position) {
    for (size_t length = 1; length <= 3 - position; ++length) {
      const std::string first = "take " + std::to_string(position);
      const std::string second = "take " + std::to_string(length);
      EXPECT_EQ(scripts.count("[" + first + ", " + second + "]"), 1u);
      for (const std::string fault : {"would block", "eof"}) {
        EXPECT_EQ(scripts.count("[" + first + ", " + fault + ", " + second + ", " + fault + "]"),
                  1u);
      }
    }
  }
  EXPECT_EQ(scripts.count("[would block]"), 1u);
  EXPECT_EQ(scripts.count("[take 1, take 1, take 1]"), 1u);
  // 10 pairs of position and length with and without two faults, and one byte a call.
  EXPECT_EQ(count, 10u * 3u + 3u);
}

TEST(IoScriptTest, DescribesItself) {
  EXPECT_EQ((IoScript{{IoStep::take(3), IoStep::fail(104, 1), IoStep::eof()}}.to_string()),
            "[take 3, errno 104 with 1, eof]");
  EXPECT_EQ(IoScript{}.to_string(), "[]");
}

}  // namespace
}  // namespace bight
