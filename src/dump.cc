#include "bight/dump.h"

#include <algorithm>
#include <ostream>
#include <span>

#include "bight/bytes.h"

BIGHT_NAMESPACE_BEGIN
namespace {

constexpr char kLower[] = "0123456789abcdef";
constexpr char kUpper[] = "0123456789ABCDEF";

void append_hex(std::string& text, std::byte byte, const char* digits) {
  const auto value = std::to_integer<unsigned>(byte);
  text += digits[value >> 4];
  text += digits[value & 15];
}

bool printable(std::byte byte) noexcept {
  const auto value = std::to_integer<unsigned>(byte);
  return value >= 0x20 && value < 0x7f;
}

void append_escaped(std::string& text, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    switch (c) {
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      case '\0':
        text += "\\0";
        break;
      case '\\':
        text += "\\\\";
        break;
      case '"':
        text += "\\\"";
        break;
      default:
        if (printable(byte)) {
          text += c;
        } else {
          text += "\\x";
          append_hex(text, byte, kLower);
        }
    }
  }
}

void append_all_hex(std::string& text, std::span<const std::byte> bytes, bool upper) {
  for (const std::byte byte : bytes) append_hex(text, byte, upper ? kUpper : kLower);
}

// Builds a hex dump from bytes that come one after the other.
class HexdumpWriter {
 public:
  static constexpr size_t kPerLine = 16;

  void add(std::byte byte, bool marked) {
    if (column_ == 0) start_line();
    if (column_ == kPerLine / 2) text_ += ' ';
    text_ += marked ? '|' : ' ';
    append_hex(text_, byte, kLower);
    ascii_[column_] = printable(byte) ? static_cast<char>(byte) : '.';
    ++offset_;
    if (++column_ == kPerLine) finish_line();
  }

  std::string finish(size_t total) {
    if (column_ != 0) finish_line();
    if (offset_ < total) {
      text_ += "... " + std::to_string(total - offset_) + " of " + std::to_string(total) +
               " bytes not shown\n";
    }
    return std::move(text_);
  }

 private:
  void start_line() {
    // Eight digits, more only where they are needed.
    unsigned shift = 28;
    while (shift + 4 < 8 * sizeof(size_t) && (offset_ >> (shift + 4)) != 0) shift += 4;
    for (;; shift -= 4) {
      text_ += kLower[(offset_ >> shift) & 15];
      if (shift == 0) break;
    }
    text_ += ' ';
  }

  void finish_line() {
    for (size_t i = column_; i < kPerLine; ++i) text_ += i == kPerLine / 2 ? "    " : "   ";
    text_ += "  |";
    text_.append(ascii_, column_);
    text_ += "|\n";
    column_ = 0;
  }

  std::string text_;
  char ascii_[kPerLine];  // of the line being written; [0, column_) are set
  size_t column_ = 0;     // bytes in that line
  size_t offset_ = 0;     // bytes in all lines
};

}  // namespace

std::string debug_string(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size());
  append_escaped(text, bytes.span());
  return text;
}

std::string debug_string(const Chain& chain) {
  std::string text;
  text.reserve(chain.size());
  for (const std::span<const std::byte> segment : chain.segments()) append_escaped(text, segment);
  return text;
}

std::string to_hex(ByteView bytes, bool upper) {
  std::string text;
  text.reserve(2 * bytes.size());
  append_all_hex(text, bytes.span(), upper);
  return text;
}

std::string to_hex(const Chain& chain, bool upper) {
  std::string text;
  text.reserve(2 * chain.size());
  for (const std::span<const std::byte> segment : chain.segments()) {
    append_all_hex(text, segment, upper);
  }
  return text;
}

std::string hexdump(ByteView bytes, size_t max_bytes) {
  HexdumpWriter writer;
  for (const std::byte byte : bytes.span().first(std::min(max_bytes, bytes.size()))) {
    writer.add(byte, false);
  }
  return writer.finish(bytes.size());
}

std::string hexdump(const Chain& chain, size_t max_bytes, SegmentMarks marks) {
  HexdumpWriter writer;
  size_t wanted = std::min(max_bytes, chain.size());
  for (size_t i = 0; wanted != 0; ++i) {
    const std::span<const std::byte> segment = chain.segment(i);
    const size_t n = std::min(wanted, segment.size());
    for (size_t k = 0; k < n; ++k) {
      writer.add(segment[k], marks == SegmentMarks::show && k == 0 && i != 0);
    }
    wanted -= n;
  }
  return writer.finish(chain.size());
}

void PrintTo(const Bytes& bytes, std::ostream* out) { *out << '"' << debug_string(bytes) << '"'; }
void PrintTo(const Chain& chain, std::ostream* out) { *out << '"' << debug_string(chain) << '"'; }

BIGHT_NAMESPACE_END
