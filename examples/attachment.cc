// Bytes and chains as attachments of another RPC library: a function object that owns them.
//
// Such libraries keep a std::function until the answer has left, ask it for the attachment when
// they write, and destroy it behind the last byte. A lambda that captures a Bytes owns the slice
// by that; the library needs to know nothing of bight. `Server` below stands for theirs.
#include <bight/bight.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// The other library: one answer, sent later. It knows strings, views and functions only.
class Server {
 public:
  // One contiguous attachment, asked for when it is written.
  void set_attachment(std::function<std::string_view()> view) {
    set_attachments([view = std::move(view)] { return std::vector<std::string_view>{view()}; });
  }
  // Several, one after the other.
  void set_attachments(std::function<std::vector<std::string_view>()> views) {
    views_ = std::move(views);
  }
  // Runs when the last byte has left.
  void set_complete_handler(std::function<void()> done) { done_ = std::move(done); }
  // Sends the answer and forgets it. Returns where each piece was sent from.
  std::vector<const void*> send(int fd) {
    std::vector<const void*> from;
    for (const std::string_view view : views_()) {
      from.push_back(view.data());
      for (size_t at = 0; at < view.size();) {
        const ssize_t n = ::send(fd, view.data() + at, view.size() - at, MSG_NOSIGNAL);
        if (n <= 0) std::exit(1);
        at += static_cast<size_t>(n);
      }
    }
    views_ = nullptr;
    if (done_) std::exchange(done_, nullptr)();
    return from;
  }

 private:
  std::function<std::vector<std::string_view>()> views_;
  std::function<void()> done_;
};

void expect(bool yes, const char* what) {
  std::printf("%s %s\n", yes ? "ok    " : "FAILED", what);
  if (!yes) std::exit(1);
}

std::string receive(int fd, size_t n) {
  std::string text(n, '\0');
  text.resize(static_cast<size_t>(std::max(ssize_t{0}, ::recv(fd, text.data(), n, MSG_WAITALL))));
  return text;
}

}  // namespace

int main() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
  Server server;
  const bight::CopyAudit audit;

  // 1. A slice. The lambda is the owner: the image may go, its block stays until the answer has
  // left, and then runs the image's release function: what set_complete_handler is for.
  std::string pixels(1000, 'p');
  bool released = false;
  bight::Bytes image =
      bight::Bytes::with_release(std::as_bytes(std::span(pixels)), [&] { released = true; });
  server.set_attachment([part = image.slice(100, 600)] { return part.view(); });
  image.clear();
  expect(!released, "the function object keeps the slice");
  const auto from = server.send(ends[0]);
  expect(from[0] == pixels.data() + 100, "the slice was sent from where it is");
  expect(released, "the release function ran behind the last byte");
  expect(receive(ends[1], 600) == pixels.substr(100, 600), "it arrived");

  // 2. A chain: its segments as they are. The vector of views is all that is made.
  bight::Chain rows;
  for (size_t row = 0; row < 3; ++row) {
    rows.push_back(bight::Bytes::from_owner(std::string(200, static_cast<char>('a' + row))));
  }
  const void* const second = rows.segment(1).data();
  server.set_attachments([rows = std::move(rows)] {
    std::vector<std::string_view> views;
    for (const std::span<const std::byte> s : rows.segments()) {
      views.emplace_back(reinterpret_cast<const char*>(s.data()), s.size());
    }
    return views;
  });
  expect(server.send(ends[0])[1] == second, "each segment was sent from where it is");
  expect(receive(ends[1], 600) ==
             std::string(200, 'a') + std::string(200, 'b') + std::string(200, 'c'),
         "the chain arrived");

  // 3. The same with the library's own handler, which runs behind the last byte, too.
  bight::Bytes body = bight::Bytes::from_owner(std::string(100, 'b'));
  server.set_attachment([body] { return body.view(); });
  body.clear();
  bool complete = false;
  server.set_complete_handler([&] { complete = true; });
  (void)server.send(ends[0]);
  expect(complete && receive(ends[1], 100) == std::string(100, 'b'), "handlers go together");

  expect(audit.thread().copied == 0, "no byte was copied by the library");
  ::close(ends[0]);
  ::close(ends[1]);
}
