#include "bight/interop/iostream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "bight/copy_audit.h"
#include "bight/cursor.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using interop_test::cut_at;
using interop_test::pattern;
using interop_test::scattered;

// slice-P01
TEST(ChainIstreamTest, ReadsToTheEndAcrossSegments) {
  ChainIstream in(cut_at("hello world", {6}));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "hello world");
  EXPECT_EQ(in.position(), 11u);
}

// slice-P02
TEST(ChainIstreamTest, ReadsALineAcrossTheBoundary) {
  ChainIstream in(cut_at("hello\nworld", {4}));
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(line, "hello");
  EXPECT_FALSE(in.eof());
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(line, "world");
  EXPECT_TRUE(in.eof());
  EXPECT_FALSE(std::getline(in, line));
}

TEST(ChainIstreamTest, AnEmptyChainIsAtItsEnd) {
  ChainIstream in{Chain()};
  EXPECT_EQ(in.peek(), EOF);
  in.clear();
  EXPECT_EQ(in.tellg(), std::streampos(0));
  EXPECT_TRUE(in.seekg(0));
  EXPECT_FALSE(in.seekg(1));
  in.clear();
  EXPECT_FALSE(in.unget());
  EXPECT_TRUE(in.rest().empty());
}

TEST(ChainIstreamTest, ParsesNumbersCutAtEveryPlace) {
  const std::string text = "12345 -678.5 word";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    ChainIstream in(cut_at(text, {cut}));
    int whole = 0;
    double real = 0;
    std::string word;
    ASSERT_TRUE(in >> whole >> real >> word) << cut;
    EXPECT_EQ(whole, 12345);
    EXPECT_EQ(real, -678.5);
    EXPECT_EQ(word, "word");
  }
}

TEST(ChainIstreamTest, BytesAbove127AreNotTheEnd) {
  ChainIstream in(cut_at("\xff\xff\xfe", {1, 2}));
  EXPECT_EQ(in.get(), 0xff);
  EXPECT_EQ(in.get(), 0xff);
  EXPECT_EQ(in.get(), 0xfe);
  EXPECT_EQ(in.get(), EOF);
}

TEST(ChainIstreamTest, LooksAtTheSegmentsWhereTheyAre) {
  const Chain chain = scattered({100, 1, 300});
  CopyAudit audit;
  ChainIstreambuf buffer(chain);
  for (size_t i = 0; i < chain.size(); ++i) {
    ASSERT_EQ(buffer.sbumpc(), std::to_integer<int>(chain[i]));
  }
  EXPECT_EQ(buffer.sgetc(), EOF);
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

TEST(ChainIstreamTest, ReadCopiesOnceAndIsCounted) {
  const Chain chain = scattered({100, 1, 300});
  ChainIstream in(chain);
  std::string text(401, '\0');
  CopyAudit audit;
  ASSERT_TRUE(in.read(text.data(), 60));  // within a segment
  ASSERT_TRUE(in.read(&text[60], 341));   // across three
  EXPECT_EQ(audit.thread().copied, 401u);
  EXPECT_EQ(text, pattern(401));
}

TEST(ChainIstreamTest, AReadBeyondTheEndGivesWhatThereIs) {
  ChainIstream in(scattered({3, 4}));
  char buffer[16];
  EXPECT_FALSE(in.read(buffer, sizeof(buffer)));
  EXPECT_TRUE(in.eof());
  EXPECT_EQ(in.gcount(), 7);
  EXPECT_EQ(std::string(buffer, 7), pattern(7));
}

TEST(ChainIstreamTest, SeeksToEveryPlaceFromEveryPlace) {
  const Chain chain = scattered({1, 3, 2, 5});
  const std::string text = chain.to_string();
  ChainIstream in(chain);
  for (std::streamoff from = 0; from <= 11; ++from) {
    for (std::streamoff to = 0; to <= 11; ++to) {
      in.clear();
      ASSERT_TRUE(in.seekg(from));
      ASSERT_TRUE(in.seekg(to - from, std::ios::cur));
      ASSERT_EQ(in.tellg(), std::streampos(to));
      ASSERT_TRUE(in.seekg(to - 11, std::ios::end));
      ASSERT_EQ(in.tellg(), std::streampos(to));
      const std::string rest(std::istreambuf_iterator<char>(in), {});
      ASSERT_EQ(rest, text.substr(static_cast<size_t>(to)));
    }
  }
}

TEST(ChainIstreamTest, ASeekOutsideFailsAndMovesNothing) {
  ChainIstreambuf buffer(scattered({4, 4}));
  ASSERT_EQ(buffer.pubseekpos(5), std::streampos(5));
  const std::streampos failed(std::streamoff(-1));
  constexpr auto kMost = std::numeric_limits<std::streamoff>::max();
  constexpr auto kLeast = std::numeric_limits<std::streamoff>::min();
  for (const auto dir : {std::ios::beg, std::ios::cur, std::ios::end}) {
    EXPECT_EQ(buffer.pubseekoff(9, dir), failed);
    EXPECT_EQ(buffer.pubseekoff(-9, dir), failed);
    EXPECT_EQ(buffer.pubseekoff(kMost, dir), failed);
    EXPECT_EQ(buffer.pubseekoff(kLeast, dir), failed);
  }
  EXPECT_EQ(buffer.pubseekoff(0, std::ios::beg, std::ios::out), failed);
  EXPECT_EQ(buffer.position(), 5u);
}

TEST(ChainIstreamTest, GoesBackByteByByteToTheStart) {
  const std::string text = pattern(9);
  ChainIstream in(cut_at(text, {2, 3, 7}));
  std::string all(text.size(), '\0');
  ASSERT_TRUE(in.read(all.data(), 9));
  for (size_t i = text.size(); i-- > 0;) {
    // Every other one by putback.
    ASSERT_TRUE(i % 2 == 0 ? in.unget() : in.putback(text[i])) << i;
    ASSERT_EQ(in.peek(), static_cast<unsigned char>(text[i]));
  }
  EXPECT_FALSE(in.unget());
}

TEST(ChainIstreamTest, PuttingAnotherByteBackFailsAndWritesNothing) {
  const Chain chain = cut_at("abcd", {2});
  ChainIstreambuf buffer(chain);
  ASSERT_EQ(buffer.pubseekpos(3), std::streampos(3));
  EXPECT_EQ(buffer.sputbackc('X'), EOF);  // inside a segment
  ASSERT_EQ(buffer.pubseekpos(2), std::streampos(2));
  EXPECT_EQ(buffer.sputbackc('X'), EOF);  // at its start
  EXPECT_EQ(buffer.sgetc(), 'c');
  EXPECT_EQ(chain, "abcd");
}

TEST(ChainIstreamTest, RestSharesWhatWasNotRead) {
  const Chain chain = scattered({10, 100});
  ChainIstream in(chain);
  in.ignore(20);
  CopyAudit audit;
  const Chain rest = in.rest();
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(rest, chain.slice(20, 90));
  EXPECT_EQ(rest.front().data(), chain.segment(1).data() + 10);
}

TEST(ChainIstreamTest, TellsHowManyBytesAreLeft) {
  ChainIstreambuf buffer(scattered({3, 4}));
  EXPECT_EQ(buffer.in_avail(), 7);  // nothing shown yet
  EXPECT_NE(buffer.sbumpc(), EOF);
  EXPECT_EQ(buffer.in_avail(), 2);  // what the segment shown has
  EXPECT_EQ(buffer.pubseekpos(7), std::streampos(7));
  EXPECT_EQ(buffer.in_avail(), -1);
}

TEST(ChainIstreamTest, ReadsTheRestOfACursor) {
  const Chain chain = cut_at("skip 42", {2});
  Cursor cursor(chain);
  cursor.skip(5);
  ChainIstream in(cursor.read_chain(cursor.remaining()));
  int value = 0;
  EXPECT_TRUE(in >> value);
  EXPECT_EQ(value, 42);
}

TEST(ChainIstreamTest, ReleasesTheChainOnceWhenTheStreamDies) {
  int released = 0;
  {
    ChainIstream in{Chain(interop_test::counted("abc", released))};
    EXPECT_EQ(in.get(), 'a');
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
}

// ---- BuilderOstream -------------------------------------------------------------------------

TEST(BuilderOstreamTest, WritesWhatAStringStreamWrites) {
  ChainBuilder builder;
  BuilderOstream out(builder);
  std::ostringstream expected;
  for (std::ostream* stream :
       {static_cast<std::ostream*>(&out), static_cast<std::ostream*>(&expected)}) {
    for (int i = 0; i < 3000; ++i) *stream << i << ',' << 0.5 * i << '\t' << "text" << std::hex;
    stream->put('\xff').write("a\0b", 3);
  }
  out.flush();
  EXPECT_EQ(builder.take(), expected.str());
}

TEST(BuilderOstreamTest, SingleCharactersAreWrittenInPlace) {
  ChainBuilder builder;
  const std::byte* const room = builder.prepare(1).data();
  CopyAudit audit;
  BuilderOstream out(builder);
  for (const char c : {'a', 'b', 'c'}) out.put(c);
  out.flush();
  const Chain chain = builder.take();
  EXPECT_EQ(chain, "abc");
  EXPECT_EQ(chain.front().data(), room);
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST(BuilderOstreamTest, ARunIsCopiedOnce) {
  ChainBuilder builder;
  const std::string text = pattern(100000);
  CopyAudit audit;
  BuilderOstream out(builder);
  out << text << std::flush;
  EXPECT_EQ(builder.take(), text);
  EXPECT_EQ(audit.thread().copied, text.size());
}

TEST(BuilderOstreamTest, AfterAFlushTheBuilderMayBeUsedDirectly) {
  ChainBuilder builder;
  BuilderOstream out(builder);
  out << 'a' << "bc" << std::flush;
  builder.append("-direct-");
  builder.push_back(Bytes::copy_of("shared"));
  out << '-' << "de" << 'f' << std::flush;
  EXPECT_EQ(builder.take(), "abc-direct-shared-def");
  out << 'g' << std::flush;
  EXPECT_EQ(builder.take(), "g");
}

TEST(BuilderOstreamTest, DestructionCommits) {
  ChainBuilder builder;
  BuilderOstream(builder).put('a').put('b');
  EXPECT_EQ(builder.take(), "ab");
}

TEST(BuilderOstreamTest, TellsHowMuchItWrote) {
  ChainBuilder builder;
  builder.append("before");
  BuilderOstream out(builder);
  EXPECT_EQ(out.tellp(), std::streampos(0));
  out << 'a' << "bcd" << 'e';
  EXPECT_EQ(out.tellp(), std::streampos(5));
  out.flush();
  EXPECT_EQ(out.tellp(), std::streampos(5));
  EXPECT_FALSE(out.seekp(0));
}

// slice-P04
TEST(BuilderOstreamTest, AFullBuilderTakesWhatFitsAndTheStreamIsBad) {
  ChainBuilderOptions options;
  options.max_size = 4;
  ChainBuilder builder(options);
  BuilderOstreambuf buffer(builder);
  EXPECT_EQ(buffer.sputn("abcdef", 6), 4);
  EXPECT_EQ(buffer.sputn("g", 1), 0);
  EXPECT_EQ(buffer.sputc('h'), EOF);
  EXPECT_EQ(buffer.pubsync(), 0);
  BuilderOstream out(builder);
  EXPECT_FALSE(out << "i");
  EXPECT_TRUE(out.bad());
  EXPECT_EQ(builder.take(), "abcd");
}

TEST(BuilderOstreamTest, LimitsOfEverySizeAreFilledToTheByte) {
  const std::string text = pattern(300);
  for (size_t limit = 0; limit <= text.size(); ++limit) {
    ChainBuilderOptions options;
    options.min_block = 64;
    options.max_block = 64;
    options.max_size = limit;
    ChainBuilder builder(options);
    {
      BuilderOstreambuf buffer(builder);
      size_t written = 0;
      // By turns a character and a run.
      for (size_t i = 0; i < text.size();) {
        if (i % 8 == 0) {
          written += buffer.sputc(text[i]) != EOF ? 1 : 0;
          i += 1;
        } else {
          const size_t n = std::min(size_t{7}, text.size() - i);
          written += static_cast<size_t>(buffer.sputn(&text[i], static_cast<std::streamsize>(n)));
          i += n;
        }
      }
      ASSERT_EQ(written, limit);
    }
    ASSERT_EQ(builder.take(), text.substr(0, limit)) << limit;
  }
}

#if BIGHT_HAS_EXCEPTIONS
TEST(BuilderOstreamTest, WithoutMemoryTheStreamIsBadAndKeepsWhatItHad) {
  for (int allocations = 0; allocations < 4; ++allocations) {
    interop_test::LimitedResource memory(allocations);
    ChainBuilderOptions options;
    options.min_block = 64;
    options.max_block = 64;
    options.resource = &memory;
    ChainBuilder builder(options);
    const std::string text = pattern(1000);
    std::string kept;
    {
      BuilderOstream out(builder);
      for (size_t i = 0; out.good() && i < text.size(); i += 10) {
        if (out.write(&text[i], 9) && out.put(text[i + 9])) kept = text.substr(0, i + 10);
      }
      EXPECT_TRUE(out.bad());
    }
    const std::string all = builder.take().to_string();
    EXPECT_EQ(all.substr(0, kept.size()), kept);
    EXPECT_EQ(all, text.substr(0, all.size()));
    EXPECT_LE(all.size() - kept.size(), 9u);
  }
}
#endif

}  // namespace
}  // namespace bight
