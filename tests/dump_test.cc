#include "bight/dump.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "bight/bytes.h"
#include "bight/chain.h"

namespace bight {
namespace {

std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

Chain chain_of(std::string_view bytes, size_t segment) {
  Chain chain;
  for (size_t at = 0; at < bytes.size(); at += segment) chain.push_copy(bytes.substr(at, segment));
  return chain;
}

// slice-Q04
TEST(DumpTest, DebugStringEscapesEachOfThe256Bytes) {
  const std::string bytes = all_bytes();
  std::string expected;
  for (int i = 0; i < 256; ++i) {
    switch (i) {
      case '\n':
        expected += "\\n";
        break;
      case '\r':
        expected += "\\r";
        break;
      case '\t':
        expected += "\\t";
        break;
      case '\0':
        expected += "\\0";
        break;
      case '\\':
        expected += "\\\\";
        break;
      case '"':
        expected += "\\\"";
        break;
      default:
        if (i >= ' ' && i <= '~') {
          expected += static_cast<char>(i);
        } else {
          char hex[5];
          std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(i));
          expected += hex;
        }
    }
  }
  EXPECT_EQ(debug_string(bytes), expected);
  EXPECT_EQ(debug_string(Bytes::copy_of(bytes)), expected);
  for (const size_t segment : {size_t{1}, size_t{7}, size_t{256}}) {
    EXPECT_EQ(debug_string(chain_of(bytes, segment)), expected);
  }
}

TEST(DumpTest, NothingIsAnEmptyText) {
  EXPECT_EQ(debug_string(ByteView()), "");
  EXPECT_EQ(debug_string(Chain()), "");
  EXPECT_EQ(to_hex(ByteView()), "");
  EXPECT_EQ(to_hex(Chain()), "");
  EXPECT_EQ(hexdump(ByteView()), "");
  EXPECT_EQ(hexdump(Chain()), "");
}

// slice-Q04
TEST(DumpTest, HexHasTwoDigitsAByte) {
  const std::string bytes("\x00\xab\x7f", 3);
  EXPECT_EQ(to_hex(bytes), "00ab7f");
  EXPECT_EQ(to_hex(bytes, true), "00AB7F");
  EXPECT_EQ(to_hex(chain_of(bytes, 2)), "00ab7f");
  EXPECT_EQ(to_hex(chain_of(bytes, 1), true), "00AB7F");
}

TEST(DumpTest, HexdumpShowsSixteenBytesALine) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\xff";
  const std::string expected =
      "00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n"
      "00000010  48 6f 73 74 3a 20 61 0d  0a ff                    |Host: a...|\n";
  EXPECT_EQ(hexdump(bytes), expected);
  EXPECT_EQ(hexdump(chain_of(bytes, 5)), expected);
}

TEST(DumpTest, HexdumpPadsAShortLine) {
  EXPECT_EQ(hexdump("abc"), "00000000  61 62 63                                          |abc|\n");
  EXPECT_EQ(hexdump("12345678"),
            "00000000  31 32 33 34 35 36 37 38                           |12345678|\n");
}

TEST(DumpTest, HexdumpSaysHowMuchItLeavesOut) {
  const std::string bytes(100, 'x');
  const std::string expected =
      "00000000  78 78 78 78                                       |xxxx|\n"
      "... 96 of 100 bytes not shown\n";
  EXPECT_EQ(hexdump(bytes, 4), expected);
  EXPECT_EQ(hexdump(chain_of(bytes, 3), 4), expected);
  EXPECT_EQ(hexdump(bytes, 0), "... 100 of 100 bytes not shown\n");
  EXPECT_EQ(hexdump(std::string(5000, 'x')).substr(256 * 79), "... 904 of 5000 bytes not shown\n");
}

TEST(DumpTest, HexdumpCanMarkWhereSegmentsBegin) {
  Chain chain;
  chain.push_copy("ab");
  chain.push_copy("cdefgh");
  chain.push_copy("i");
  EXPECT_EQ(hexdump(chain, 100, SegmentMarks::show),
            "00000000  61 62|63 64 65 66 67 68 |69                       |abcdefghi|\n");
}

TEST(DumpTest, GoogleTestShowsEscapedText) {
  EXPECT_EQ(testing::PrintToString(Bytes::copy_of("a\x01\n")), "\"a\\x01\\n\"");
  EXPECT_EQ(testing::PrintToString(chain_of("a\x01\n", 1)), "\"a\\x01\\n\"");
}

}  // namespace
}  // namespace bight
