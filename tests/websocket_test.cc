// WebSocket: frames, masks and text alone, and whole exchanges with the server over real sockets.
#include "examples/websocket_echo/websocket.h"

#include <absl/strings/escaping.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "examples/support/sha1.h"
#include "examples/support/utf8.h"
#include "tests/support/raw_client.h"
#include "tests/support/served.h"

namespace {

using bight::Bytes;
using bight::Chain;
using bight_test::RawClient;
using example::FrameHead;
using example::kComplete;
using example::kNeedMore;
using example::Opcode;

constexpr std::array<std::byte, 4> kKey = {std::byte{0x37}, std::byte{0xfa}, std::byte{0x21},
                                           std::byte{0x3d}};

std::string bytes_of(std::initializer_list<unsigned> bytes) {
  std::string text;
  for (const unsigned byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

std::string masked(std::string_view text) {
  std::string result(text);
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<char>(result[i] ^ static_cast<char>(kKey[i % 4]));
  }
  return result;
}

// A client's frame: the first byte as it is, the payload masked.
std::string frame(unsigned first, std::string_view payload) {
  std::string text = bytes_of({first});
  const size_t size = payload.size();
  if (size < 126) {
    text += bytes_of({0x80u | static_cast<unsigned>(size)});
  } else if (size < 65536) {
    text += bytes_of({0xfe, static_cast<unsigned>(size >> 8), static_cast<unsigned>(size & 255)});
  } else {
    text += bytes_of({0xff});
    for (int shift = 56; shift >= 0; shift -= 8) {
      text += bytes_of({static_cast<unsigned>(size >> shift & 255)});
    }
  }
  text += bytes_of({0x37, 0xfa, 0x21, 0x3d});
  return text + masked(payload);
}
// What the server sends.
std::string plain_frame(unsigned first, std::string_view payload) {
  bight::ChainBuilder out;
  example::put_frame_head(out, static_cast<Opcode>(first & 15), payload.size());
  out.append(payload);
  return out.take().to_string();
}
std::string close_with(unsigned code, std::string_view reason = {}) {
  return bytes_of({code >> 8, code & 255}) + std::string(reason);
}

// ---- SHA-1, UTF-8 ---------------------------------------------------------------------------

TEST(Sha1Test, DigestsOfRfc3174) {
  const auto hex = [](std::string_view text) {
    const std::string digest = example::sha1(text);
    return std::string(absl::BytesToHexString(digest));
  };
  EXPECT_EQ(hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hex(std::string(1000000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  std::string repeated;
  for (int i = 0; i < 80; ++i) repeated += "01234567";
  EXPECT_EQ(hex(repeated), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

TEST(Sha1Test, LengthsAroundABlockAreAllDifferentAndTheEmptyTextIsKnown) {
  EXPECT_EQ(absl::BytesToHexString(example::sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  std::vector<std::string> digests;
  for (size_t n = 50; n < 70; ++n) digests.push_back(example::sha1(std::string(n, 'x')));
  std::sort(digests.begin(), digests.end());
  EXPECT_EQ(std::unique(digests.begin(), digests.end()), digests.end());
}

bool is_utf8(std::string_view text) {
  example::Utf8 all;
  const bool right = all.add(std::as_bytes(std::span(text))) && all.at_end_of_character();
  example::Utf8 bytewise;
  bool also = true;
  for (const char& c : text) also = also && bytewise.add(std::as_bytes(std::span(&c, 1)));
  EXPECT_EQ(right, also && bytewise.at_end_of_character())
      << absl::BytesToHexString(std::string(text));
  return right;
}

TEST(Utf8Test, EveryCharacterThatExistsIsTextAndItsLongerFormsAreNot) {
  const auto encode = [](uint32_t c, unsigned size) {
    if (size == 1) return bytes_of({c});
    std::string text = bytes_of({(size == 2   ? 0xc0u
                                  : size == 3 ? 0xe0u
                                              : 0xf0u) |
                                 c >> 6 * (size - 1)});
    for (unsigned i = size - 1; i > 0; --i) text += bytes_of({0x80u | (c >> 6 * (i - 1) & 63)});
    return text;
  };
  for (uint32_t c = 0; c < 0x200000; c += c < 0x10000 ? 1 : 61) {
    const unsigned least = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    const bool exists = c < 0x110000 && !(c >= 0xd800 && c < 0xe000);
    ASSERT_EQ(is_utf8(encode(c, least)), exists) << c;
    for (unsigned longer = least + 1; longer <= 4; ++longer) {
      ASSERT_FALSE(is_utf8(encode(c, longer))) << c;
    }
  }
  EXPECT_TRUE(is_utf8("\xf4\x8f\xbf\xbf"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
}

TEST(Utf8Test, PartsAndStrayBytesAreNotText) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a long text of ASCII, then \xc3\xa4 and ASCII again, long enough"));
  for (const char* wrong :
       {"\x80", "\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xe2(\xa1", "\xf0\x9f\x98",
        "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "eight characters \xff"}) {
    EXPECT_FALSE(is_utf8(wrong)) << wrong;
  }
}

// ---- Frames ---------------------------------------------------------------------------------

TEST(FrameTest, HeadsOfTheRfcAreRead) {
  const auto read = [](const std::string& text) {
    Chain in(Bytes::copy_of(text));
    FrameHead head;
    EXPECT_EQ(example::read_frame_head(in, head), kComplete);
    EXPECT_EQ(in.size(), 0u);
    return head;
  };
  // 5.7: a masked text "Hello", a masked pong, 256 bytes, 64 KiB; masked here as a client's are.
  FrameHead head = read(bytes_of({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d}));
  EXPECT_TRUE(head.final);
  EXPECT_EQ(head.opcode, Opcode::text);
  EXPECT_EQ(head.size, 5u);
  EXPECT_EQ(head.key, kKey);
  head = read(bytes_of({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d}));
  EXPECT_EQ(head.opcode, Opcode::pong);
  head = read(bytes_of({0x82, 0xfe, 0x01, 0x00, 1, 2, 3, 4}));
  EXPECT_EQ(head.opcode, Opcode::binary);
  EXPECT_EQ(head.size, 256u);
  head = read(bytes_of({0x02, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}));
  EXPECT_FALSE(head.final);
  EXPECT_EQ(head.size, 65536u);
}

TEST(FrameTest, HeadsOfTheRfcAreWritten) {
  const auto head = [](Opcode opcode, size_t size) {
    bight::ChainBuilder out;
    example::put_frame_head(out, opcode, size);
    return out.take().to_string();
  };
  EXPECT_EQ(head(Opcode::text, 5), bytes_of({0x81, 0x05}));
  EXPECT_EQ(head(Opcode::pong, 125), bytes_of({0x8a, 0x7d}));
  EXPECT_EQ(head(Opcode::binary, 126), bytes_of({0x82, 0x7e, 0, 126}));
  EXPECT_EQ(head(Opcode::binary, 256), bytes_of({0x82, 0x7e, 1, 0}));
  EXPECT_EQ(head(Opcode::binary, 65535), bytes_of({0x82, 0x7e, 255, 255}));
  EXPECT_EQ(head(Opcode::binary, 65536), bytes_of({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(FrameTest, HeadsComingByteByByteNeedMoreUntilTheirLast) {
  for (const size_t size : {size_t{5}, size_t{300}, size_t{70000}}) {
    std::string text = frame(0x82, std::string(size, 'x'));
    text.resize(text.size() - size);
    Chain in;
    FrameHead head;
    for (size_t i = 0; i < text.size(); ++i) {
      in.push_copy(text.substr(i, 1));
      ASSERT_EQ(example::read_frame_head(in, head), i + 1 < text.size() ? kNeedMore : kComplete);
      ASSERT_EQ(in.size(), i + 1 < text.size() ? i + 1 : 0);
    }
    EXPECT_EQ(head.size, size);
    EXPECT_EQ(head.key, kKey);
  }
}

TEST(FrameTest, HeadsThatAClientMayNotSendAreErrors) {
  const auto status = [](std::initializer_list<unsigned> bytes) {
    Chain in(Bytes::copy_of(bytes_of(bytes)));
    FrameHead head;
    return example::read_frame_head(in, head);
  };
  for (unsigned opcode = 0; opcode < 16; ++opcode) {
    const bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    EXPECT_EQ(status({0x80 | opcode, 0x80, 1, 2, 3, 4}),
              known ? kComplete : example::kProtocolError)
        << opcode;
    // A control frame is whole and short.
    if (opcode >= 8) {
      EXPECT_EQ(status({opcode, 0x80}), example::kProtocolError);
      EXPECT_EQ(status({0x80 | opcode, 0xfe}), example::kProtocolError);
    }
  }
  for (const unsigned reserved : {0x40u, 0x20u, 0x10u, 0x70u}) {
    EXPECT_EQ(status({0x81 | reserved, 0x80}), example::kProtocolError);
  }
  EXPECT_EQ(status({0x81, 0x05}), example::kProtocolError);  // not masked
  // Longer than needed, or above 2^63.
  EXPECT_EQ(status({0x82, 0xfe, 0, 125}), example::kProtocolError);
  EXPECT_EQ(status({0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255}), example::kProtocolError);
  EXPECT_EQ(status({0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}), example::kProtocolError);
  EXPECT_EQ(status({0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}), kComplete);
}

TEST(FrameTest, CodesToCloseWithAreThoseOfTheRegistry) {
  for (unsigned code = 0; code < 6000; ++code) {
    const bool right = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                       (code >= 3000 && code <= 4999);
    EXPECT_EQ(example::is_close_code(static_cast<uint16_t>(code)), right) << code;
  }
}

// ---- Masks ----------------------------------------------------------------------------------

TEST(UnmaskTest, SoleBytesAreUnmaskedInPlaceWithoutCopying) {
  const std::string text(10001, 'a');
  Chain payload(Bytes::copy_of(masked(text)));
  const std::byte* const begin = payload.front().data();
  const bight::CopyAudit audit;
  example::unmask(payload, kKey);
  EXPECT_EQ(payload, text);
  EXPECT_EQ(payload.front().data(), begin);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(UnmaskTest, SharedBytesAreCopiedOnceAndTheOthersSeeThemAsTheyWere) {
  const std::string text(10001, 'a');
  const Bytes wire = Bytes::copy_of(masked(text));
  Chain payload(wire);
  const bight::CopyAudit audit;
  example::unmask(payload, kKey);
  EXPECT_EQ(payload, text);
  EXPECT_EQ(wire, masked(text));
  EXPECT_EQ(audit.thread().copied, text.size());
}

TEST(UnmaskTest, OnlyTheSharedSegmentsAreCopied) {
  std::string text;
  Chain payload;
  std::vector<Bytes> kept;
  size_t shared = 0;
  for (size_t size = 1; size < 60; ++size) {  // every remainder of the mask and of its words
    const std::string part(size, static_cast<char>('a' + size % 26));
    std::string all = text + part;
    const Bytes bytes = Bytes::copy_of(masked(all).substr(text.size()));
    text = all;
    if (size % 3 == 0) {
      kept.push_back(bytes);
      shared += size;
      payload.push_back(bytes);
    } else {
      payload.push_back(Bytes::copy_of(bytes));
    }
  }
  const bight::CopyAudit audit;
  example::unmask(payload, kKey);
  EXPECT_EQ(payload, text);
  EXPECT_EQ(audit.thread().copied, shared);
}

// ---- The server -----------------------------------------------------------------------------

TEST(HandshakeTest, AcceptKeyOfTheRfc) {
  EXPECT_EQ(example::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

class WebSocketServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "websocket_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    auto folder = std::make_shared<bight::File>();
    ASSERT_FALSE(folder->open(name.c_str(), O_PATH | O_DIRECTORY).is_error());
    ASSERT_EQ(::rmdir(name.c_str()), 0);  // it is open, and nothing is ever in it
    example::ServerOptions options;
    options.idle_seconds = 60;
    server_ = std::make_unique<bight_test::Served>(
        options, example::http_factory<example::WebSocketHttpHandler>(folder, 1000));
  }
  // What the server answers to this head: its first line and fields.
  std::string answer_to(const std::string& fields, const std::string& line = "GET /echo HTTP/1.1") {
    RawClient client(server_->address());
    client.send(line + "\r\nHost: a\r\n" + fields + "\r\n");
    return client.read_until("\r\n\r\n");
  }
  RawClient open(std::string_view at_once = {}) {
    RawClient client(server_->address());
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\n" + kFields + "\r\n" + std::string(at_once));
    EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    return client;
  }
  // Sends frames and expects exactly this, and then the end.
  void expect_end(const std::string& frames, const std::string& answer) {
    RawClient client = open();
    client.send(frames);
    EXPECT_EQ(absl::BytesToHexString(client.read_all()), absl::BytesToHexString(answer))
        << absl::BytesToHexString(frames.substr(0, 100));
    EXPECT_FALSE(client.timed_out());
  }

  static inline const std::string kFields =
      "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  std::unique_ptr<bight_test::Served> server_;
};

TEST_F(WebSocketServerTest, HandshakeOfTheRfcIsAnswered) {
  const std::string answer = answer_to(kFields);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), answer.npos);
  EXPECT_NE(answer.find("\r\nUpgrade: websocket\r\n"), answer.npos);
  EXPECT_NE(answer.find("\r\nConnection: Upgrade\r\n"), answer.npos);
}

TEST_F(WebSocketServerTest, HandshakesThatAreNoneAreRefused) {
  const auto without = [](std::string_view from, std::string_view to) {
    std::string fields = kFields;
    return fields.replace(fields.find(from), from.size(), to);
  };
  const std::string version = answer_to(without(": 13", ": 12"));
  EXPECT_TRUE(version.starts_with("HTTP/1.1 426 ")) << version;
  EXPECT_NE(version.find("Sec-WebSocket-Version: 13"), version.npos);
  EXPECT_NE(version.find("\r\nConnection: Upgrade\r\n"), version.npos);
  EXPECT_TRUE(answer_to(without("==", "=")).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer_to(without("dGh", "!Gh")).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer_to(without("Sec-WebSocket-Key", "X")).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer_to(without(", Upgrade", "")).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer_to(kFields, "HEAD /echo HTTP/1.1").starts_with("HTTP/1.1 400 "));
  // Another protocol, or elsewhere: an ordinary request, and there is no such file.
  EXPECT_TRUE(answer_to(without("websocket", "h2c")).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(answer_to(kFields, "GET /other HTTP/1.1").starts_with("HTTP/1.1 404 "));
  // Older clients cannot ask for another protocol (RFC 9110, 7.8).
  EXPECT_TRUE(answer_to(kFields, "GET /echo HTTP/1.0").starts_with("HTTP/1.1 404 "));
}

TEST_F(WebSocketServerTest, ListsOfTheHandshakeMayBeSeveralFields) {
  EXPECT_TRUE(answer_to("Connection: keep-alive\r\nUpgrade: h2c\r\n" + kFields)
                  .starts_with("HTTP/1.1 101 "));
}

TEST_F(WebSocketServerTest, MessagesOfEverySizeComeBack) {
  RawClient client = open();
  std::mt19937 random(3);
  for (const size_t size :
       {0u, 1u, 5u, 125u, 126u, 127u, 1000u, 65535u, 65536u, 65537u, 1000000u, 16777216u}) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    client.send(frame(0x82, text));
    const std::string expected = plain_frame(0x82, text);
    ASSERT_TRUE(client.read(expected.size()) == expected) << size;
  }
}

TEST_F(WebSocketServerTest, LargeMessagesAreMostlyUnmaskedInPlace) {
  RawClient client = open();
  const std::string text(size_t{4} << 20, 'x');
  const std::string wire = frame(0x82, text);
  const std::string expected = plain_frame(0x82, text);
  client.send(wire);  // warms the size of the reads
  ASSERT_TRUE(client.read(expected.size()) == expected);
  const bight::CopyAudit audit;
  client.send(wire);
  ASSERT_TRUE(client.read(expected.size()) == expected);
  // The blocks at both ends are the reader's too, and those that a read left before they were full.
  EXPECT_LT(audit.process().copied, text.size() / 4);
}

TEST_F(WebSocketServerTest, FramesCutAtEveryByteAndFramesRightBehindTheHandshake) {
  const std::string frames = frame(0x01, "Hel") + frame(0x89, "ping") + frame(0x80, "lo");
  const std::string expected = plain_frame(0x8a, "ping") + plain_frame(0x81, "Hello");
  RawClient client = open(frames);
  EXPECT_EQ(client.read(expected.size()), expected);
  for (size_t at = 1; at < frames.size(); ++at) {
    client.send(frames.substr(0, at));
    if (at % 8 == 0) answer_to("");  // so that the first part is surely read alone
    client.send(frames.substr(at));
    ASSERT_EQ(client.read(expected.size()), expected) << at;
  }
  client.send_bytewise(frames);
  EXPECT_EQ(client.read(expected.size()), expected);
}

TEST_F(WebSocketServerTest, FragmentsOfAMessageComeBackAsOneFrame) {
  RawClient client = open();
  std::string frames = frame(0x02, "0");
  std::string whole = "0";
  for (int i = 1; i < 2000; ++i) {
    const std::string part(static_cast<size_t>(i % 5), static_cast<char>('0' + i % 10));
    frames += frame(0x00, part);
    whole += part;
  }
  client.send(frames + frame(0x80, ""));
  const std::string expected = plain_frame(0x82, whole);
  EXPECT_EQ(client.read(expected.size()), expected);
}

TEST_F(WebSocketServerTest, TextMayBeCutWithinACharacter) {
  RawClient client = open();
  const std::string text = "\xe2\x82\xac\xf0\x9f\x98\x80";
  for (size_t at = 0; at <= text.size(); ++at) {
    client.send(frame(0x01, text.substr(0, at)) + frame(0x80, text.substr(at)));
    const std::string expected = plain_frame(0x81, text);
    ASSERT_EQ(client.read(expected.size()), expected) << at;
  }
}

TEST_F(WebSocketServerTest, PingIsAnsweredAndPongIsNot) {
  RawClient client = open();
  client.send(frame(0x8a, "unasked") + frame(0x89, "") + frame(0x89, std::string(125, 'p')));
  const std::string expected = plain_frame(0x8a, "") + plain_frame(0x8a, std::string(125, 'p'));
  EXPECT_EQ(client.read(expected.size()), expected);
}

TEST_F(WebSocketServerTest, CloseIsAnsweredWithItsCodeAndEndsTheConnection) {
  expect_end(frame(0x88, ""), plain_frame(0x88, ""));
  for (const unsigned code : {1000u, 1001u, 1003u, 1007u, 1011u, 1014u, 3000u, 4999u}) {
    expect_end(frame(0x88, close_with(code)), plain_frame(0x88, close_with(code)));
  }
  expect_end(frame(0x88, close_with(1000, "g\xc3\xbct")) + frame(0x81, "later"),
             plain_frame(0x88, close_with(1000)));
  expect_end(frame(0x88, close_with(1000, std::string(123, 'x'))),
             plain_frame(0x88, close_with(1000)));
}

TEST_F(WebSocketServerTest, WhatTheRfcForbidsEndsTheConnectionWithItsCode) {
  const std::string protocol_error = plain_frame(0x88, close_with(1002));
  const std::string not_text = plain_frame(0x88, close_with(1007));
  const std::string too_large = plain_frame(0x88, close_with(1009));
  expect_end(frame(0x88, "x"), protocol_error);  // half a code
  for (const unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2999u, 5000u, 65535u}) {
    expect_end(frame(0x88, close_with(code)), protocol_error);
  }
  expect_end(frame(0x88, close_with(1000, "\xff")), not_text);
  expect_end(frame(0x88, close_with(1000, "\xe2\x82")), not_text);
  expect_end(frame(0x80, "continues nothing"), protocol_error);
  expect_end(frame(0x01, "begun") + frame(0x81, "another"), protocol_error);
  expect_end(frame(0x01, "begun") + frame(0x82, "another"), protocol_error);
  expect_end(frame(0xc1, "reserved bit"), protocol_error);
  expect_end(frame(0x83, "reserved opcode"), protocol_error);
  expect_end(frame(0x8b, "reserved opcode"), protocol_error);
  expect_end(frame(0x09, "ping in two"), protocol_error);
  expect_end(frame(0x89, std::string(126, 'x')), protocol_error);
  expect_end(bytes_of({0x81, 0x05}) + "Hello", protocol_error);  // not masked
  expect_end(frame(0x81, "\xff"), not_text);
  expect_end(frame(0x81, "\xe2\x82"), not_text);
  expect_end(frame(0x01, "\xed") + frame(0x80, "\xa0\x80"), not_text);
  expect_end(frame(0x81, "good") + frame(0x81, "\xc0\x80"), plain_frame(0x81, "good") + not_text);
  // Said to be huge: refused before it comes, whole or in parts.
  expect_end(bytes_of({0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}),
             too_large);
  expect_end(bytes_of({0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 1, 2, 3, 4}), too_large);
  expect_end(frame(0x02, "x") + bytes_of({0x80, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4}),
             too_large);
  // Half a frame, and nothing more: nothing is said.
  RawClient half = open();
  half.send(frame(0x81, "Hello").substr(0, 8));
  half.end();
  EXPECT_EQ(half.read_all(), "");
  EXPECT_FALSE(half.timed_out());
}

TEST_F(WebSocketServerTest, RandomBytesNeverStopTheServer) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string text = frame(0x81, "Hello") + frame(0x01, "a") + frame(0x80, "b");
    const bool noise = round % 2 == 0;
    for (size_t i = 0; i < (noise ? text.size() : 3); ++i) {
      text[noise ? i : random() % text.size()] = static_cast<char>(random());
    }
    RawClient client = open();
    client.send(text);
    client.end();
    client.read_all();
    ASSERT_FALSE(client.timed_out()) << round;
  }
}

}  // namespace
