// Heads and bodies of HTTP/1.1, and the small steps that read their text.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "examples/http_server/http.h"
#include "examples/support/lean_chain.h"
#include "examples/support/text.h"

namespace {

using bight::Bytes;
using bight::Chain;
using example::BodyReader;
using example::kComplete;
using example::kNeedMore;
using example::read_head;
using example::RequestHead;

Chain chain_of(std::string_view text) { return Chain(Bytes::copy_of(text)); }

// `text` in two blocks, cut at `at`.
Chain cut_at(std::string_view text, size_t at) {
  Chain chain;
  chain.push_copy(text.substr(0, at));
  chain.push_copy(text.substr(at));
  return chain;
}

int status_of_head(std::string_view text) {
  Chain in = chain_of(text);
  size_t searched = 0;
  RequestHead head;
  return read_head(in, searched, head);
}

constexpr std::string_view kGet =
    "GET /a%20b?c=d HTTP/1.1\r\n"
    "Host: example.org\r\n"
    "X-Empty:\r\n"
    "x-padded: \t two words \t\r\n"
    "Content-Length: 5\r\n"
    "\r\n";

void expect_is_get(const RequestHead& head) {
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/a%20b?c=d");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_EQ(head.fields.size(), 4u);
  EXPECT_EQ(head.find("HOST"), "example.org");
  EXPECT_EQ(head.find("X-Padded"), "two words");
  EXPECT_EQ(head.find("x-empty"), "");
  EXPECT_EQ(head.find("absent"), "");
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.chunked);
  EXPECT_FALSE(head.expects_continue);
}

TEST(HttpHeadTest, InOneSegmentIsReadWithoutCopyingAByte) {
  Chain in = chain_of(std::string(kGet) + "hello");
  const std::byte* const begin = in.front().data();
  const bight::CopyAudit audit;
  size_t searched = 0;
  RequestHead head;
  ASSERT_EQ(read_head(in, searched, head), kComplete);
  expect_is_get(head);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(head.bytes.data(), begin);
  EXPECT_EQ(reinterpret_cast<const std::byte*>(head.method.data()), begin);
  EXPECT_EQ(in, "hello");
}

TEST(HttpHeadTest, CutAtEveryByteReadsTheSame) {
  const std::string text = std::string(kGet) + "hello";
  for (size_t at = 1; at < text.size(); ++at) {
    SCOPED_TRACE(at);
    Chain in = cut_at(text, at);
    const bight::CopyAudit audit;
    size_t searched = 0;
    RequestHead head;
    ASSERT_EQ(read_head(in, searched, head), kComplete);
    expect_is_get(head);
    EXPECT_EQ(audit.thread().copied, at < kGet.size() ? kGet.size() : 0);
    EXPECT_EQ(in, "hello");
  }
}

TEST(HttpHeadTest, ComingInTwoPartsCutAtEveryByteNeedsMoreOnce) {
  for (size_t at = 0; at < kGet.size(); ++at) {
    SCOPED_TRACE(at);
    Chain in;
    in.push_copy(kGet.substr(0, at));
    size_t searched = 0;
    RequestHead head;
    ASSERT_EQ(read_head(in, searched, head), kNeedMore);
    EXPECT_EQ(in.size(), at);
    in.push_copy(kGet.substr(at));
    ASSERT_EQ(read_head(in, searched, head), kComplete);
    expect_is_get(head);
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(searched, 0u);
  }
}

TEST(HttpHeadTest, ComingByteByByteIsCompleteWithItsLastByte) {
  Chain in;
  size_t searched = 0;
  RequestHead head;
  for (size_t i = 0; i < kGet.size(); ++i) {
    in.push_copy(kGet.substr(i, 1));
    ASSERT_EQ(read_head(in, searched, head), i + 1 < kGet.size() ? kNeedMore : kComplete) << i;
  }
  expect_is_get(head);
}

TEST(HttpHeadTest, EmptyLinesInFrontArePassedOverAlsoByteByByte) {
  Chain in;
  size_t searched = 0;
  RequestHead head;
  const std::string text = "\r\n\r\n" + std::string(kGet);
  int status = kNeedMore;
  for (size_t i = 0; i < text.size(); ++i) {
    in.push_copy(text.substr(i, 1));
    status = read_head(in, searched, head);
  }
  ASSERT_EQ(status, kComplete);
  expect_is_get(head);
}

TEST(HttpHeadTest, PipelinedRequestsAreTakenOneByOne) {
  Chain in = chain_of("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.0\r\n\r\n");
  size_t searched = 0;
  RequestHead first, second;
  ASSERT_EQ(read_head(in, searched, first), kComplete);
  ASSERT_EQ(read_head(in, searched, second), kComplete);
  EXPECT_EQ(first.target, "/1");
  EXPECT_EQ(second.method, "HEAD");
  EXPECT_EQ(second.target, "/2");
  EXPECT_FALSE(second.keep_alive);
  EXPECT_TRUE(in.empty());
}

TEST(HttpHeadTest, ConnectionSaysWhetherItStays) {
  const auto stays = [](std::string_view version, std::string_view field) {
    Chain in = chain_of("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" +
                        std::string(field) + "\r\n");
    size_t searched = 0;
    RequestHead head;
    EXPECT_EQ(read_head(in, searched, head), kComplete);
    return head.keep_alive;
  };
  EXPECT_TRUE(stays("1.1", ""));
  EXPECT_FALSE(stays("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(stays("1.1", "connection: x, CLOSE\r\n"));
  EXPECT_TRUE(stays("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(stays("1.0", ""));
  EXPECT_TRUE(stays("1.0", "Connection: Keep-Alive\r\n"));
}

TEST(HttpHeadTest, WhatIsNoHeadIsRefusedWithItsStatus) {
  const std::string h = "Host: a\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      // The first line.
      {"GET / HTTP/1.1\r\n" + h, 200},
      {"GET /\r\n" + h, 400},
      {"GET\r\n" + h, 400},
      {" / HTTP/1.1\r\n" + h, 400},
      {"GET  HTTP/1.1\r\n" + h, 400},
      {"GET  / HTTP/1.1\r\n" + h, 400},
      {"GET / x HTTP/1.1\r\n" + h, 400},
      {"GET /\t HTTP/1.1\r\n" + h, 400},
      {"GE\tT / HTTP/1.1\r\n" + h, 400},
      {"G(T / HTTP/1.1\r\n" + h, 400},
      {"GET / http/1.1\r\n" + h, 400},
      {"GET / HTTP/1.2\r\n" + h, 505},
      {"GET / HTTP/2.0\r\n" + h, 505},
      {"GET / HTTP/1.1 \r\n" + h, 400},
      {std::string("GET /\0 HTTP/1.1\r\n", 18) + h, 400},
      {"GET / HTTP/1.1\n" + h, 400},
      // Fields.
      {"GET / HTTP/1.1\r\nHost : a\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + " folded: b\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "\tfolded\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + ": b\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "none\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "a b: c\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "a: b\nc: d\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "a: b\rc\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + std::string("a: \0\r\n", 6), 400},
      {"GET / HTTP/1.1\r\n" + h + "a: \x7f\r\n", 400},
      {"GET / HTTP/1.1\r\n" + h + "a: \xc3\xa4\r\n", 200},
      {"GET / HTTP/1.1\r\n", 400},
      {"GET / HTTP/1.0\r\n", 200},
      {"GET / HTTP/1.1\r\n" + h + h, 400},
      {"GET / HTTP/1.1\r\n" + h + "Expect: 100-Continue\r\n", 200},
      {"GET / HTTP/1.1\r\n" + h + "Expect: 200-ok\r\n", 417},
      // Where the body ends: one way to say it, or none.
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 0\r\n", 200},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 18446744073709551615\r\n", 200},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 18446744073709551616\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 99999999999999999999999999\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: -1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: +1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 0x1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 1 1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length:\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 1, 1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nContent-Length: 1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nContent-Length: 2\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n", 200},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: Chunked\r\n", 200},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: xchunked\r\n", 501},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip, chunked\r\n", 501},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked, identity\r\n", 501},
      {"PUT / HTTP/1.1\r\n" + h +
           "Transfer-Encoding: \x0b"
           "chunked\r\n",
       400},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding : chunked\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
       400},
      {"PUT / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
      {"PUT / HTTP/1.1\r\n" + h + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400},
      {"PUT / HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n", 400},
  };
  for (const auto& [text, status] : cases) {
    EXPECT_EQ(status_of_head(text + "\r\n"), status) << text;
  }
}

TEST(HttpHeadTest, WhatCannotBecomeOneIsNotWaitedFor) {
  EXPECT_EQ(status_of_head("\x16\x03\x01"), 400);
  EXPECT_EQ(status_of_head(std::string_view("\0", 1)), 400);
  EXPECT_EQ(status_of_head(" "), 400);
  EXPECT_EQ(status_of_head("\n"), 400);
  EXPECT_EQ(status_of_head("G"), kNeedMore);
  EXPECT_EQ(status_of_head(""), kNeedMore);
}

TEST(HttpHeadTest, EveryControlCharacterInAValueIsRefused) {
  for (int c = 0; c < 256; ++c) {
    const bool allowed = c == '\t' || (c >= ' ' && c != 127);
    const std::string text =
        std::string("GET / HTTP/1.1\r\nHost: a\r\nx: a") + static_cast<char>(c) + "b\r\n\r\n";
    EXPECT_EQ(status_of_head(text), allowed ? kComplete : 400) << c;
  }
}

TEST(HttpHeadTest, LengthAndNumberOfFieldsAreLimited) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  std::string fields = start;
  for (size_t i = 1; i < example::kMaxFields; ++i) fields += "a:b\r\n";
  EXPECT_EQ(status_of_head(fields + "\r\n"), kComplete);
  EXPECT_EQ(status_of_head(fields + "a:b\r\n\r\n"), 431);

  const size_t rest = example::kMaxHead - start.size() - 3 - 4;
  EXPECT_EQ(status_of_head(start + "a: " + std::string(rest, 'x') + "\r\n\r\n"), kComplete);
  EXPECT_EQ(status_of_head(start + "a: " + std::string(rest + 1, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status_of_head(std::string(example::kMaxHead - 1, 'x')), kNeedMore);
  EXPECT_EQ(status_of_head(std::string(example::kMaxHead, 'x')), 431);
}

// ---- Bodies ------------------------------------------------------------------------------------

RequestHead head_with(std::string_view field) {
  Chain in = chain_of("PUT / HTTP/1.1\r\nHost: a\r\n" + std::string(field) + "\r\n\r\n");
  size_t searched = 0;
  RequestHead head;
  EXPECT_EQ(read_head(in, searched, head), kComplete);
  return head;
}

constexpr size_t kMax = 1000;
constexpr std::string_view kChunked =
    "5\r\nhello\r\n"
    "0001;name=value\r\n,\r\n"
    "06;a=\"b\"\r\n world\r\n"
    "0\r\nTrailer: yes\r\nAnother:no\r\n\r\n";

TEST(HttpBodyTest, ByLengthSharesTheReceivedBlock) {
  Chain in = chain_of("helloGET");
  const std::byte* const begin = in.front().data();
  BodyReader reader(head_with("Content-Length: 5"), kMax);
  Chain body;
  const bight::CopyAudit audit;
  EXPECT_EQ(reader.read(in, body), kComplete);
  EXPECT_EQ(body, "hello");
  EXPECT_EQ(in, "GET");
  EXPECT_EQ(body.front().data(), begin);
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST(HttpBodyTest, WithoutLengthThereIsNone) {
  Chain in = chain_of("GET");
  BodyReader reader(head_with("X: y"), kMax);
  Chain body;
  EXPECT_EQ(reader.read(in, body), kComplete);
  EXPECT_EQ(in, "GET");
}

TEST(HttpBodyTest, ChunkedSharesTheReceivedBlock) {
  Chain in = chain_of(std::string(kChunked) + "GET");
  const std::byte* const begin = in.front().data();
  BodyReader reader(head_with("Transfer-Encoding: chunked"), kMax);
  Chain body;
  const bight::CopyAudit audit;
  EXPECT_EQ(reader.read(in, body), kComplete);
  EXPECT_EQ(body, "hello, world");
  EXPECT_EQ(in, "GET");
  EXPECT_EQ(body.segment(0).data(), begin + 3);
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST(HttpBodyTest, ChunkedInTwoPartsCutAtEveryByteReadsTheSame) {
  const std::string text = std::string(kChunked) + "GET";
  for (size_t at = 0; at <= text.size(); ++at) {
    SCOPED_TRACE(at);
    BodyReader reader(head_with("Transfer-Encoding: chunked"), kMax);
    Chain in;
    Chain body;
    in.push_copy(text.substr(0, at));
    EXPECT_EQ(reader.read(in, body), at < kChunked.size() ? kNeedMore : kComplete);
    in.push_copy(text.substr(at));
    ASSERT_EQ(reader.read(in, body), kComplete);
    EXPECT_EQ(body, "hello, world");
    EXPECT_EQ(in, "GET");
  }
}

TEST(HttpBodyTest, ChunkedByteByByteReadsTheSame) {
  BodyReader reader(head_with("Transfer-Encoding: chunked"), kMax);
  Chain in;
  Chain body;
  for (size_t i = 0; i < kChunked.size(); ++i) {
    in.push_copy(kChunked.substr(i, 1));
    ASSERT_EQ(reader.read(in, body), i + 1 < kChunked.size() ? kNeedMore : kComplete) << i;
  }
  EXPECT_EQ(body, "hello, world");
}

TEST(HttpBodyTest, WhatIsNotChunkedIsRefused) {
  const std::string over(example::kMaxSizeLine + 1, 'x');
  const std::vector<std::pair<std::string, int>> cases = {
      {"\r\n", 400},
      {"x\r\n", 400},
      {"-1\r\n", 400},
      {"+1\r\n", 400},
      {"0x1\r\n", 400},
      {" 1\r\n", 400},
      {"1 \r\n", 400},
      {"1\n", kNeedMore},  // no end of line yet, and
      {"1\na\r\n", 400},   // never one
      {"1;a\nb\r\n", 400},
      {"1;a\rb\r\n", 400},
      {"1" + over, 400},
      {"10000000000000000\r\n", 400},
      {"ffffffffffffffff\r\n", 413},
      {"3e9\r\n", 413},  // 1001
      {"3e8\r\n", kNeedMore},
      {"2\r\nab\r\n3e7\r\n", 413},
      {"2\r\nabc\r\n", 400},
      {"2\r\nab\n\r\n", 400},
      {"2\r\nab\rc", 400},
      {"2\r\nab\r", kNeedMore},
      {"0\r\nbad\x01\r\n\r\n", 400},
      {"0\r\n" + std::string(example::kMaxHead + 2, 'x'), 431},
  };
  for (const auto& [text, status] : cases) {
    BodyReader reader(head_with("Transfer-Encoding: chunked"), kMax);
    Chain in = chain_of(text);
    Chain body;
    EXPECT_EQ(reader.read(in, body), status) << text;
  }
  std::string flood = "0\r\n";
  while (flood.size() < example::kMaxHead + 20) flood += "a: b\r\n";
  BodyReader reader(head_with("Transfer-Encoding: chunked"), kMax);
  Chain in = chain_of(flood);
  Chain body;
  EXPECT_EQ(reader.read(in, body), 431);
}

TEST(HttpBodyTest, TooLongIsRefusedBeforeAByteOfItCame) {
  Chain in;
  Chain body;
  EXPECT_EQ(BodyReader(head_with("Content-Length: 1001"), kMax).read(in, body), 413);
  EXPECT_EQ(BodyReader(head_with("Content-Length: 18446744073709551615"), kMax).read(in, body),
            413);
  EXPECT_EQ(BodyReader(head_with("Content-Length: 1000"), kMax).read(in, body), kNeedMore);
}

TEST(HttpBodyTest, SingleBytesOfManyBlocksDoNotKeepTheBlocks) {
  constexpr size_t kBlock = size_t{64} << 10;
  constexpr size_t kBytes = 1000;
  BodyReader reader(head_with("Content-Length: 1000"), kMax);
  Chain body;
  for (size_t i = 0; i < kBytes; ++i) {
    // What a reader sees when other connections fill the rest of the block.
    Chain in(Bytes::copy_of(std::string(kBlock, 'x')).slice(i, 1));
    ASSERT_EQ(reader.read(in, body), i + 1 < kBytes ? kNeedMore : kComplete);
    ASSERT_LE(body.retained_size(), 66 * (kBlock + 64)) << i;
  }
  EXPECT_EQ(body, std::string(kBytes, 'x'));
}

TEST(LeanChainTest, LeavesAloneWhatShowsMostOfItsBlocks) {
  Chain chain;
  example::LeanChain lean;
  const bight::CopyAudit audit;
  for (int i = 0; i < 300; ++i) {
    chain.push_copy(std::string(1000, 'x'));
    lean.look(chain);
  }
  EXPECT_EQ(audit.thread().copied, 300000u);
  EXPECT_EQ(chain.segment_count(), 300u);
}

TEST(LeanChainTest, LooksAtEachSegmentOnceHoweverManyThereAre) {
  // As chunks of 8 bytes are: most of the block shows, and there is a segment for each.
  constexpr size_t kPieces = 100000;
  const Bytes block = Bytes::copy_of(std::string(kPieces * 13, 'x'));
  Chain chain;
  example::LeanChain lean;
  const bight::CopyAudit audit;
  for (size_t i = 0; i < kPieces; ++i) {
    chain.push_back(block.slice(i * 13, 8));
    lean.look(chain);
  }
  EXPECT_EQ(chain, std::string(kPieces * 8, 'x'));
  EXPECT_LE(audit.thread().copied, kPieces * 8);
  EXPECT_LE(chain.segment_count(), kPieces / 32);
}

TEST(LeanChainTest, WhatIsConsumedIsNotLookedAt) {
  constexpr size_t kBlock = size_t{64} << 10;
  Chain chain;
  example::LeanChain lean;
  for (int i = 0; i < 1000; ++i) {
    chain.push_back(Bytes::copy_of(std::string(kBlock, 'x')).slice(0, 1));
    lean.consume(chain, i % 100 == 99 ? 50 : 0);
    ASSERT_LE(chain.retained_size(), 130 * (kBlock + 64)) << i;
  }
  EXPECT_EQ(chain, std::string(500, 'x'));
}

// ---- Text --------------------------------------------------------------------------------------

TEST(TextTest, NumbersAreDigitsOnlyAndFit) {
  uint64_t value = 7;
  EXPECT_TRUE(example::parse_number("0", value));
  EXPECT_EQ(value, 0u);
  EXPECT_TRUE(example::parse_number("18446744073709551615", value));
  EXPECT_EQ(value, UINT64_MAX);
  EXPECT_TRUE(example::parse_number("Ff", value, 16));
  EXPECT_EQ(value, 255u);
  for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616"}) {
    EXPECT_FALSE(example::parse_number(wrong, value)) << wrong;
  }
}

TEST(TextTest, ListsAreTakenApartAtCommas) {
  std::string_view list = " a,b ,, c\t";
  std::vector<std::string_view> items;
  for (std::string_view item; example::next_item(list, item);) items.push_back(item);
  EXPECT_EQ(items, (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_TRUE(example::list_has("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(example::list_has("keep-alive, Upgraded", "upgrade"));
  EXPECT_FALSE(example::list_has("", "upgrade"));
}

TEST(TextTest, WordsAreEqualWithoutRegardToCaseOfLetters) {
  EXPECT_TRUE(example::same_word("Content-LENGTH", "content-length"));
  EXPECT_FALSE(example::same_word("@", "`"));
  EXPECT_FALSE(example::same_word("a", "ab"));
}

}  // namespace
