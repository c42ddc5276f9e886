#include <absl/strings/str_cat.h>
#include <bight/io/file_slice.h>

#include <algorithm>
#include <utility>

#include "examples/http_server/http.h"

namespace example {
namespace {

// Parts of files up to this size are read behind their head, so that both leave with one call.
constexpr uint64_t kReadAtOnce = uint64_t{64} << 10;
// A head that comes in more segments is drawn together: each keeps the block alive that it lies in.
constexpr size_t kMostHeadSegments = 8;
// A body that is not there by then must have come at this rate.
constexpr time_t kBodySeconds = 30;
constexpr size_t kBodyBytesPerSecond = 1024;

std::string_view line_of(int status) noexcept {
  static constexpr std::string_view kLines =
      "200 OK|206 Partial Content|304 Not Modified|400 Bad Request|403 Forbidden|404 Not Found|"
      "405 Method Not Allowed|408 Request Timeout|413 Content Too Large|416 Range Not Satisfiable|"
      "417 Expectation Failed|426 Upgrade Required|431 Request Header Fields Too Large|"
      "501 Not Implemented|503 Service Unavailable|505 HTTP Version Not "
      "Supported|";
  const size_t at = kLines.find(std::to_string(status));
  if (at == std::string_view::npos) return "500 Internal Server Error";
  return kLines.substr(at, kLines.find('|', at) - at);
}

}  // namespace

bool HttpHandler::on_bytes(Connection& c) {
  if (const time_t now = ::time(nullptr); now != thread_.now) {
    thread_.now = now;
    thread_.lines = "\r\nServer: bight\r\nDate: " + http_date(now) + "\r\n";
  }
  while (!c.full() && (in_body_ || !c.in.empty())) {
    int status = kComplete;
    if (!in_body_) {
      status = read_head(c.in, searched_, head_);
      if (status == kNeedMore) {
        if (c.in.segment_count() > kMostHeadSegments) c.in = c.in.compact();
        return true;
      }
      in_body_ = true;
      body_since_ = thread_.now;
      reader_ = BodyReader(head_, thread_.max_body);
    }
    if (status == kComplete) status = reader_.read(c.in, body_);
    if (status == kNeedMore) {
      const time_t took = thread_.now - body_since_ - kBodySeconds;
      if (took <= 0 || static_cast<size_t>(took) <= body_.size() / kBodyBytesPerSecond) {
        if (std::exchange(head_.expects_continue, false) && body_.empty()) {
          c.out.append("HTTP/1.1 100 Continue\r\n\r\n");
        }
        return true;
      }
      status = 408;
    }
    in_body_ = false;
    if (status != kComplete) head_ = RequestHead();  // which ends the connection
    const bool goes_on = status == kComplete ? answer(c) : answer_status(c, status);
    body_.clear();
    if (!goes_on || upgraded_) return goes_on;
  }
  return true;
}

bool HttpHandler::answer(Connection& c) {
  std::string_view path = head_.target.substr(0, head_.target.find('?'));
  const size_t scheme = path.find("://");
  if (!path.starts_with('/') && scheme != std::string_view::npos) {
    path.remove_prefix(std::min(path.find('/', scheme + 3), path.size()));
    if (path.empty()) path = "/";
  }
  if (!path.starts_with('/')) return answer_status(c, 400);
  if (head_.method == "GET" || head_.method == "HEAD") {
    if (head_.minor_version == 1 && !head_.find("upgrade").empty()) {
      Refusal refusal;
      auto next = on_upgrade(c, head_, refusal);
      upgraded_ = next != nullptr;
      c.upgrade(std::move(next));
      if (upgraded_) return true;
      if (refusal.status != 0) return answer_status(c, refusal.status, refusal.fields);
    }
    return answer_file(c, path);
  }
  if (head_.method != "POST" && head_.method != "PUT") return answer_status(c, 501);
  if (path != "/echo") return answer_status(c, 405, "Allow: GET, HEAD\r\n");
  put_head(c, 200, body_.size(), "Content-Type: application/octet-stream\r\n");
  c.out.push_back(std::move(body_));
  return head_.keep_alive;
}

bool HttpHandler::answer_file(Connection& c, std::string_view path) {
  const StaticFile* file = nullptr;
  int status = thread_.files.find(path, thread_.now, &file);
  if (status != 200) return answer_status(c, status);
  const std::string_view known = head_.find("if-none-match");
  if (known.empty() ? head_.find("if-modified-since") == file->modified
                    : names_etag(known, file->etag)) {
    return answer_status(c, 304, file->fields);
  }
  ByteRange range{0, file->size()};
  const bool get = head_.method == "GET";
  const std::string_view unless_changed = head_.find("if-range");
  if (get && (unless_changed.empty() || unless_changed == file->etag)) {
    status = parse_range(head_.find("range"), file->size(), range);
  }
  std::string part;
  if (status != 200) {
    const uint64_t last = range.first + range.size - 1;
    const std::string which = status == 416 ? "*" : absl::StrCat(range.first, "-", last);
    part = absl::StrCat("Content-Range: bytes ", which, "/", file->size(), "\r\n");
  }
  if (status == 416) return answer_status(c, 416, part);
  put_head(c, status, range.size, file->fields, part);
  if (get && range.size != 0) {
    bight::FileSlice slice(file->file, range.first, range.size);
    if (range.size > kReadAtOnce) {
      c.send(std::move(slice));
    } else if (slice.read(c.out).bytes != range.size) {
      return false;  // it became shorter meanwhile, and the head is written
    }
  }
  return head_.keep_alive;
}

bool HttpHandler::answer_status(Connection& c, int status, std::string_view fields) {
  const std::string_view text = line_of(status);
  put_head(c, status, text.size(), fields);
  if (status != 304 && head_.method != "HEAD") c.out.append(text);
  return head_.keep_alive;
}

void HttpHandler::put_head(Connection& c, int status, uint64_t length, std::string_view fields,
                           std::string_view more) {
  const auto put = [&c](std::string_view text) { c.out.append(text); };
  put("HTTP/1.1 ");
  put(line_of(status));
  put(thread_.lines);
  put(fields);
  put(more);
  if (!head_.keep_alive) put("Connection: close\r\n");
  if (head_.keep_alive && head_.minor_version == 0) put("Connection: keep-alive\r\n");
  // The length that 304 could have is that of the file: it says none.
  if (status != 304) put(absl::StrCat("Content-Length: ", length, "\r\n"));
  put("\r\n");
}

}  // namespace example
