// RESP, Redis's protocol: finds the commands in what was received. No byte is copied, and nothing
// is allocated for a command once the vector has grown.
#ifndef EXAMPLES_REDIS_SERVER_RESP_H_
#define EXAMPLES_REDIS_SERVER_RESP_H_

#include <bight/cursor.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace example {

// Goes on where it stopped: a command that comes byte by byte is looked at once.
class RespReader {
 public:
  struct Argument {
    size_t position, size;  // in the chain
    const char* data;       // null if it straddles segments or came before the last take_done()
  };
  RespReader(size_t most, size_t bytes) : max_arguments_(most), max_command_(bytes) {}

  // Goes to where the last batch ended, with a cursor that was made after bytes came.
  void seek(bight::Cursor& in) const { in.seek(position_); }
  // Reads a command: ok, need_more or malformed.
  bight::ReadStatus next(bight::Cursor& in) {
    arguments.resize(kept_);
    const bight::ReadStatus status = read(in);
    position_ = in.position();
    if (status == kOk) begin_ = position_;
    kept_ = status == kOk ? 0 : arguments.size();
    return status;
  }
  std::vector<Argument> arguments;  // after ok: the command, at least its name
  const char* error = "";           // after malformed

  // How many bytes are done with; the caller consumes them, and may compact the others.
  size_t take_done() {
    for (Argument& a : arguments) a = {a.position - begin_, a.size, nullptr};
    position_ -= begin_;
    return std::exchange(begin_, 0);
  }

 private:
  static constexpr auto kOk = bight::ReadStatus::ok, kNeedMore = bight::ReadStatus::need_more;
  static constexpr size_t kNone = static_cast<size_t>(-1), kMaxHeader = 32;

  bight::ReadStatus read(bight::Cursor& in) {
    while (left_ == 0) {
      begin_ = in.position();  // empty commands are passed over
      const auto status = header(in, '*', max_arguments_, left_);
      if (status != kOk) return status;
    }
    for (; left_ != 0; --left_, size_ = kNone) {
      if (size_ == kNone) {
        const auto status = header(in, '$', max_command_, size_);
        if (status != kOk) return status;
        if (in.position() - begin_ + size_ > max_command_) return fail("command too long");
      }
      if (in.remaining() < size_ + 2) return kNeedMore;
      const auto window = in.window();
      const auto* const data = reinterpret_cast<const char*>(window.data());
      arguments.push_back({in.position(), size_, window.size() < size_ ? nullptr : data});
      in.skip(size_);
      if (in.read_be<uint16_t>() != 0x0d0a) return fail("expected CRLF behind an argument");
    }
    return kOk;
  }

  // `type`, a number up to `max`, CRLF.
  bight::ReadStatus header(bight::Cursor& in, char type, size_t max, size_t& number) {
    std::byte scratch[kMaxHeader];
    const size_t n = std::min(in.remaining(), kMaxHeader);
    auto bytes = in.window();
    if (bytes.size() < n) bytes = *in.try_peek_flat(n, scratch);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), n);
    if (type == '*' && n != 0 && std::string_view("\r\n").starts_with(text.substr(0, 2))) {
      if (n == 1) return kNeedMore;
      in.skip(2);  // an empty line, which redis-cli sends, is an empty command
      return kOk;
    }
    if (n != 0 && text[0] != type) return fail(type == '*' ? "expected '*'" : "expected '$'");
    size_t i = 1, value = 0;
    for (; i < n && text[i] >= '0' && text[i] <= '9' && value <= max; ++i) {
      value = value * 10 + static_cast<size_t>(text[i] - '0');
    }
    const std::string_view end = text.substr(std::min(i, n), 2);
    if (value <= max && n < kMaxHeader && (end.empty() || end == "\r")) return kNeedMore;
    const char* const invalid = type == '*' ? "invalid multibulk length" : "invalid bulk length";
    if (value > max || i == 1 || end != "\r\n") return fail(invalid);
    number = value;
    in.skip(i + 2);
    return kOk;
  }

  bight::ReadStatus fail(const char* why) {
    error = why;
    return bight::ReadStatus::malformed;
  }

  size_t max_arguments_, max_command_;
  size_t begin_ = 0, position_ = 0;  // of the command, and where to go on
  size_t left_ = 0, kept_ = 0;       // arguments to come, and those that have
  size_t size_ = kNone;              // of the argument whose header has been read
};

}  // namespace example

#endif  // EXAMPLES_REDIS_SERVER_RESP_H_
