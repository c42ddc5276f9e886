// HTTP/1.1 on connections of the epoll server: files, and an echo of what is sent to /echo.
//
// Requests are read in place: the parts of a head are views of the received bytes, a body shares
// the blocks that it came in. Strict where servers have disagreed and requests were smuggled
// between them: lines end in CRLF, nothing is folded, no space stands before a colon, one Host, one
// Content-Length of digits only, never beside Transfer-Encoding, which can only be "chunked".
#ifndef EXAMPLES_HTTP_SERVER_HTTP_H_
#define EXAMPLES_HTTP_SERVER_HTTP_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>
#include <bight/bytes.h>
#include <bight/chain.h>
#include <bight/io/file.h>
#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "examples/support/epoll_server.h"
#include "examples/support/lean_chain.h"

namespace example {

// ---- Requests (request.cc) ----
// What reading answers, beside the statuses of HTTP for what is wrong.
inline constexpr int kNeedMore = 0;
inline constexpr int kComplete = 200;
inline constexpr size_t kMaxHead = 16384;  // bytes of a head, and of the fields behind a body
inline constexpr size_t kMaxFields = 100;
inline constexpr size_t kMaxSizeLine = 256;  // the line with the size of a part of a chunked body

struct Field {
  std::string_view name, value;
};

struct RequestHead {
  bight::Bytes bytes;  // what the views show
  std::string_view method, target;
  int minor_version = 1;  // of HTTP/1.x
  absl::InlinedVector<Field, 16> fields;
  bool keep_alive = false, expects_continue = false, chunked = false;
  uint64_t content_length = 0;  // 0: none, or chunked

  // The value of the first field of that name; empty if there is none.
  [[nodiscard]] std::string_view find(std::string_view name) const noexcept;
};

// Takes a whole head off the front of `in`. kNeedMore: not there yet; `searched` (0 at first) then
// counts the bytes that need no second look. Other statuses: no valid head; `in` and `head` are
// then of no use. Copies nothing unless the head straddles segments.
[[nodiscard]] int read_head(bight::Chain& in, size_t& searched, RequestHead& head);

class BodyReader {
 public:
  BodyReader() noexcept = default;  // without a body
  // As the head says; a body of more than `max` bytes is refused.
  BodyReader(const RequestHead& head, size_t max) noexcept;

  // Moves what `in` holds of the body to the end of `body`. kComplete: that was all; kNeedMore: it
  // goes on; 400, 413, 431: not as it must be. Copies nothing (but see LeanChain).
  [[nodiscard]] int read(bight::Chain& in, bight::Chain& body);

 private:
  // bytes: left_ bytes and no more. The others are of the chunked coding: the line with a size, so
  // many bytes, the end of line behind them, the fields at the end.
  enum class State { done, bytes, size_line, data, data_end, trailer };

  int read_data(bight::Chain& in, bight::Chain& body);
  int read_size_line(bight::Chain& in);
  int read_trailer(bight::Chain& in);

  State state_ = State::done;
  size_t max_ = 0;
  uint64_t left_ = 0;    // bytes that the current piece still has to bring
  size_t searched_ = 0;  // bytes of an unfinished line that need no second look
  size_t trailer_ = 0;   // bytes of the trailer so far
  LeanChain lean_;
};

// ---- Files (files.cc) ----
// The relative path that a target without a query names: "a/b c" for "/a/./b%20c", "index.html" for
// "/". False if there is "..", a NUL, an escaped slash or a wrong escape in it.
[[nodiscard]] bool decode_target(std::string_view target, std::string& path);

struct StaticFile {
  std::shared_ptr<const bight::File> file;
  time_t opened = 0;
  struct stat state {};        // when what follows was written
  std::string etag, modified;  // as HTTP writes them; empty before the first look
  std::string fields;          // both as lines of a head, and the type
  uint64_t size() const noexcept { return static_cast<uint64_t>(state.st_size); }
};

// Keeps files open for the next request. What is served is what the open file is now, which each
// request asks; whether its name still means this file is looked up again after a second.
class FileCache {
 public:
  static constexpr size_t kMostFiles = 256;

  // Below the folder that `root` has open.
  explicit FileCache(std::shared_ptr<const bight::File> root) noexcept : root_(std::move(root)) {}
  // The file that a target without a query names, valid until the next call. Answers with a status.
  [[nodiscard]] int find(std::string_view target, time_t now, const StaticFile** found);

 private:
  std::shared_ptr<const bight::File> root_;
  absl::flat_hash_map<std::string, StaticFile> files_;  // by target; at most kMostFiles
};

struct ByteRange {
  uint64_t first = 0, size = 0;
};
// What a Range field asks for of so many bytes: 206 and `range`; 416: none of it exists; 200: all,
// as for several ranges, and for what is not understood (RFC 9110, 14.2).
[[nodiscard]] int parse_range(std::string_view value, uint64_t size, ByteRange& range) noexcept;
// Whether a list such as that of If-None-Match names this tag, weak or not.
[[nodiscard]] bool names_etag(std::string_view list, std::string_view etag) noexcept;
[[nodiscard]] std::string http_date(time_t seconds);  // "Sun, 06 Nov 1994 08:49:37 GMT"

// ---- Connections (http_handler.cc) ----
// What the connections of one thread share.
struct HttpThread {
  FileCache files;
  size_t max_body;
  time_t now = 0;
  std::string lines = {};  // the first fields of answers, with the date of `now`
};

class HttpHandler : public Handler {
 public:
  explicit HttpHandler(HttpThread& thread) noexcept : thread_(thread) {}
  bool on_bytes(Connection& c) override;

 protected:
  // The status and the fields of an answer that says no; 0: none.
  struct Refusal {
    int status = 0;
    std::string_view fields;
  };
  // A request that asks for another protocol: answers it and returns the handler that goes on.
  // Null: the refusal is sent, if there is one, or the request is answered as any other.
  virtual std::unique_ptr<Handler> on_upgrade(Connection&, const RequestHead&, Refusal&) {
    return nullptr;
  }

 private:
  // Each writes an answer. False: the connection ends with it.
  bool answer(Connection& c);
  bool answer_file(Connection& c, std::string_view path);
  bool answer_status(Connection& c, int status, std::string_view fields = {});
  void put_head(Connection& c, int status, uint64_t length, std::string_view fields,
                std::string_view more = {});

  HttpThread& thread_;
  RequestHead head_;     // of the request whose body is awaited
  size_t searched_ = 0;  // see read_head
  bool in_body_ = false, upgraded_ = false;
  time_t body_since_ = 0;
  BodyReader reader_;
  bight::Chain body_;  // what came of it
};

// Makes handlers of type H, which serve the files in the folder that is open.
template <class H>
HandlerFactory http_factory(std::shared_ptr<const bight::File> folder, size_t max_body) {
  return [folder = std::move(folder), max_body] {
    thread_local HttpThread thread{FileCache(folder), max_body};
    return std::make_unique<H>(thread);
  };
}

// All of a main(): the flags, the server, the exit code (http_main.cc).
using MakeFactory = HandlerFactory (*)(std::shared_ptr<const bight::File>, size_t max_body);
[[nodiscard]] int http_main(int argc, char** argv, const char* usage, MakeFactory make);

}  // namespace example

#endif  // EXAMPLES_HTTP_SERVER_HTTP_H_
