// Bytes as text for people: escaped text, hex digits, a hex dump.
//
//   debug_string("a\tb\xff")   ->  a\tb\xff
//   to_hex("a\tb\xff")         ->  610962ff
//   hexdump(chain)             ->  00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET
//   / HTTP/1.1..|
//
// For logs, tests and debuggers; all of them allocate the text, O(bytes shown), and fail with
// bad_alloc. Streams (operator<<) write bytes as they are.
#ifndef BIGHT_DUMP_H_
#define BIGHT_DUMP_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "bight/byte_view.h"
#include "bight/chain.h"
#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

// What hexdump() shows of the segments of a chain.
enum class SegmentMarks : uint8_t {
  hide,
  show,  // a '|' before the first byte of each segment but the first, in place of the space
};

// Printable ASCII as it is; newline, carriage return, tab, NUL, backslash and double quote as \n \r
// \t \0 \\ \"; every other byte as \x and two lower-case digits.
[[nodiscard]] BIGHT_API std::string debug_string(ByteView bytes);
[[nodiscard]] BIGHT_API std::string debug_string(const Chain& chain);

// Two digits a byte.
[[nodiscard]] BIGHT_API std::string to_hex(ByteView bytes, bool upper = false);
[[nodiscard]] BIGHT_API std::string to_hex(const Chain& chain, bool upper = false);

// Sixteen bytes a line: offset, hex digits, and printable ASCII (anything else as '.'); each line
// ends in a newline. Shows the first `max_bytes`, and says so in a last line if there are more.
[[nodiscard]] BIGHT_API std::string hexdump(ByteView bytes, size_t max_bytes = 4096);
[[nodiscard]] BIGHT_API std::string hexdump(const Chain& chain, size_t max_bytes = 4096,
                                            SegmentMarks marks = SegmentMarks::hide);

BIGHT_NAMESPACE_END

#endif  // BIGHT_DUMP_H_
