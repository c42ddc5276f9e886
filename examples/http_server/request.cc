#include <bight/cursor.h>

#include <algorithm>
#include <optional>

#include "examples/http_server/http.h"
#include "examples/support/text.h"

namespace example {
namespace {

// What a name is made of, what a value, and what a target.
bool is_token(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
bool is_text(char c) noexcept { return c == '\t' || (static_cast<uint8_t>(c) >= ' ' && c != 127); }
bool is_visible(char c) noexcept { return is_text(c) && c != ' ' && c != '\t'; }
bool all(std::string_view text, bool (*is)(char)) noexcept {
  return std::all_of(text.begin(), text.end(), is);
}

// The line in front of `text`, which has an end of line, and takes it off.
std::string_view take_line(std::string_view& text) noexcept {
  const std::string_view line = text.substr(0, text.find("\r\n"));
  text.remove_prefix(line.size() + 2);
  return line;
}

// The same from received bytes: kNeedMore, or 400 if there is none in `max` bytes.
int take_line(bight::Chain& in, size_t max, size_t& searched, bight::Bytes& line) {
  bight::Cursor cursor(in);
  const auto found = cursor.try_read_line(max, bight::LineEnd::crlf, searched);
  const bool need_more = found.status() == bight::ReadStatus::need_more;
  searched = need_more ? in.size() : 0;
  if (!found) return need_more ? kNeedMore : 400;
  line = found->flatten();  // shared where it lies in one segment
  in.consume(cursor.position());
  return kComplete;
}

bool parse_field(std::string_view line, Field& field) noexcept {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  field = {line.substr(0, colon), trim(line.substr(colon + 1))};
  return all(field.name, is_token) && all(field.value, is_text);
}

int parse_head(std::string_view text, RequestHead& head) {
  const std::string_view line = take_line(text);
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end == method_end) return 400;
  head.method = line.substr(0, method_end);
  head.target = line.substr(method_end + 1, target_end - method_end - 1);
  const std::string_view version = line.substr(target_end + 1);
  if (head.method.empty() || !all(head.method, is_token) || head.target.empty() ||
      !all(head.target, is_visible) || !version.starts_with("HTTP/")) {
    return 400;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return 505;
  head.minor_version = version[7] - '0';
  head.keep_alive = head.minor_version == 1;
  int status = kComplete;
  size_t hosts = 0;
  size_t lengths = 0;  // fields that say where the body ends
  while (status == kComplete && !text.empty()) {
    Field field;
    if (!parse_field(take_line(text), field)) return 400;
    if (head.fields.size() == kMaxFields) return 431;
    head.fields.push_back(field);
    if (same_word(field.name, "host")) {
      ++hosts;
    } else if (same_word(field.name, "connection")) {
      if (list_has(field.value, "close")) head.keep_alive = false;
      if (head.minor_version == 0 && list_has(field.value, "keep-alive")) head.keep_alive = true;
    } else if (same_word(field.name, "content-length")) {
      ++lengths;
      if (!parse_number(field.value, head.content_length)) status = 400;
    } else if (same_word(field.name, "transfer-encoding")) {
      ++lengths;
      head.chunked = true;
      if (!same_word(field.value, "chunked")) status = 501;
    } else if (same_word(field.name, "expect")) {
      head.expects_continue = head.minor_version == 1;
      if (!same_word(field.value, "100-continue")) status = 417;
    }
  }
  const bool ambiguous =
      hosts > 1 || lengths > 1 || (head.minor_version == 0 ? head.chunked : hosts == 0);
  return status == kComplete && ambiguous ? 400 : status;
}

}  // namespace

std::string_view RequestHead::find(std::string_view name) const noexcept {
  for (const Field& field : fields) {
    if (same_word(field.name, name)) return field.value;
  }
  return {};
}

int read_head(bight::Chain& in, size_t& searched, RequestHead& head) {
  // Empty lines in front of a request are passed over (RFC 9112, 2.2).
  for (; in.starts_with("\r\n"); searched = 0) in.consume(2);
  const bight::Cursor start(in);
  // What cannot become a request, such as TLS, is not waited for.
  const auto first = static_cast<char>(start.try_peek_u8().value_or('\r'));
  if (first != '\r' && !is_token(first)) return 400;
  const std::optional<size_t> end =
      start.limit_up_to(kMaxHead).find("\r\n\r\n", searched < 3 ? 0 : searched - 3);
  if (!end) {
    searched = start.remaining();
    return searched < kMaxHead ? kNeedMore : 431;
  }
  searched = 0;
  head = RequestHead();
  head.bytes = *bight::Cursor(in).try_read_flat(*end + 4);
  in.consume(*end + 4);
  // Without the empty line at the end: each line then ends in CRLF.
  return parse_head(head.bytes.view().substr(0, *end + 2), head);
}

BodyReader::BodyReader(const RequestHead& head, size_t max) noexcept
    : state_(head.chunked               ? State::size_line
             : head.content_length != 0 ? State::bytes
                                        : State::done),
      max_(max),
      left_(head.content_length) {}

int BodyReader::read(bight::Chain& in, bight::Chain& body) {
  int status = kComplete;
  while (status == kComplete && state_ != State::done) {
    if (state_ == State::size_line) {
      status = read_size_line(in);
    } else if (state_ == State::trailer) {
      status = read_trailer(in);
    } else if (state_ != State::data_end) {
      status = read_data(in, body);
    } else if (in.starts_with("\r\n")) {
      in.consume(2);
      state_ = State::size_line;
    } else {
      status = in.empty() || in == "\r" ? kNeedMore : 400;
    }
  }
  return status;
}

int BodyReader::read_data(bight::Chain& in, bight::Chain& body) {
  if (left_ > max_ || body.size() > max_ - left_) return 413;
  if (in.empty()) return kNeedMore;
  const auto n = static_cast<size_t>(std::min<uint64_t>(left_, in.size()));
  body.push_back(in.split_to(n));
  left_ -= n;
  if (left_ == 0) state_ = state_ == State::bytes ? State::done : State::data_end;
  lean_.look(body);
  return kComplete;
}

int BodyReader::read_size_line(bight::Chain& in) {
  bight::Bytes line;
  const int status = take_line(in, kMaxSizeLine, searched_, line);
  if (status != kComplete) return status;
  // An extension is passed over, unless others could see the end of a line in it.
  const std::string_view digits = line.view().substr(0, line.view().find(';'));
  if (!all(line.view(), is_text) || !parse_number(digits, left_, 16)) return 400;
  state_ = left_ == 0 ? State::trailer : State::data;
  return kComplete;
}

int BodyReader::read_trailer(bight::Chain& in) {
  bight::Bytes line;
  const int status = take_line(in, kMaxHead - trailer_, searched_, line);
  if (status != kComplete) return status == 400 ? 431 : status;
  trailer_ += std::min(line.size() + 2, kMaxHead - trailer_);
  if (line.empty()) state_ = State::done;
  return all(line.view(), is_text) ? kComplete : 400;
}

}  // namespace example
