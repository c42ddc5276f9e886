// The HTTP server over real sockets: whole exchanges, and input from clients that mean harm.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/copy_audit.h"
#include "examples/http_server/http.h"
#include "tests/support/raw_client.h"
#include "tests/support/served.h"

namespace {

namespace fs = std::filesystem;
using bight_test::RawClient;

constexpr size_t kMaxBody = 100000;

// What a server sent, taken apart.
struct Response {
  int status = 0;
  std::string head, body;

  std::string field(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "http_server_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    large_.resize(700000);
    std::mt19937 random(1);
    for (char& c : large_) c = static_cast<char>(random());
    write("small.txt", "0123456789");
    write("large", large_);
    fs::create_symlink("/etc/passwd", root_ / "leaves");
    start(60);
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(root_);
  }

  void start(unsigned idle_seconds) {
    auto folder = std::make_shared<bight::File>();
    ASSERT_FALSE(folder->open(root_.c_str(), O_PATH | O_DIRECTORY).is_error());
    example::ServerOptions options;
    options.max_unsent = size_t{256} << 10;
    options.idle_seconds = idle_seconds;
    options.max_connections = 200;
    server_ = std::make_unique<bight_test::Served>(
        options, example::http_factory<example::HttpHandler>(folder, kMaxBody));
  }
  void write(const char* name, std::string_view text) {
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  RawClient connect() {
    RawClient client(server_->address());
    EXPECT_TRUE(client.connected());
    return client;
  }
  // The next answer; one to HEAD has no body.
  static Response next(RawClient& client, bool has_body = true) {
    Response response;
    response.head = client.read_until("\r\n\r\n");
    if (response.head.size() < 12) return response;
    response.status = std::atoi(response.head.c_str() + 9);
    const std::string length = response.field("Content-Length");
    if (has_body && !length.empty()) response.body = client.read(std::stoul(length));
    return response;
  }
  // What one request on a connection of its own is answered with, at first.
  Response ask(std::string_view request) {
    RawClient client = connect();
    client.send(request);
    return next(client);
  }
  Response get(const std::string& target, const std::string& fields = {}) {
    return ask("GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
  }
  // The server is well when it answers somebody new.
  void expect_well() { EXPECT_EQ(get("/small.txt").body, "0123456789"); }

  fs::path root_;
  std::string large_;
  std::unique_ptr<bight_test::Served> server_;
};

// ---- Exchanges ---------------------------------------------------------------------------------

TEST_F(HttpServerTest, GetAndHeadOfFiles) {
  const Response small = get("/small.txt?query");
  EXPECT_EQ(small.status, 200);
  EXPECT_EQ(small.body, "0123456789");
  EXPECT_EQ(small.field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(small.field("Accept-Ranges"), "bytes");
  EXPECT_FALSE(small.field("ETag").empty());
  EXPECT_FALSE(small.field("Date").empty());
  EXPECT_EQ(get("/large").body, large_);
  EXPECT_EQ(get("http://host:80/small.txt").body, "0123456789");

  RawClient client = connect();
  client.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  const Response head = next(client, false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Content-Length"), "700000");
  EXPECT_EQ(next(client).body, "0123456789");
}

TEST_F(HttpServerTest, EmptyFilesHaveNoBytes) {
  write("empty", "");
  const Response all = get("/empty");
  EXPECT_EQ(all.status, 200);
  EXPECT_EQ(all.field("Content-Length"), "0");
  EXPECT_EQ(get("/empty", "Range: bytes=0-\r\n").status, 416);
}

TEST_F(HttpServerTest, RangesAreSentAlone) {
  const Response middle = get("/small.txt", "Range: bytes=2-4\r\n");
  EXPECT_EQ(middle.status, 206);
  EXPECT_EQ(middle.body, "234");
  EXPECT_EQ(middle.field("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(get("/large", "Range: bytes=100-400099\r\n").body, large_.substr(100, 400000));
  EXPECT_EQ(get("/small.txt", "Range: bytes=-3\r\n").body, "789");
  const Response behind = get("/small.txt", "Range: bytes=10-\r\n");
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(behind.field("Content-Range"), "bytes */10");
  EXPECT_EQ(get("/small.txt", "Range: bytes=0-1,3-4\r\n").body, "0123456789");
}

TEST_F(HttpServerTest, TagsDecideWhatIsSent) {
  const Response first = get("/small.txt");
  const std::string tag = first.field("ETag");
  RawClient client = connect();
  client.send("GET /small.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\", " + tag + "\r\n\r\n");
  const Response same = next(client);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.field("ETag"), tag);
  client.send("GET /small.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n");
  EXPECT_EQ(next(client).body, "0123456789");
  const std::string since = "If-Modified-Since: " + first.field("Last-Modified") + "\r\n";
  EXPECT_EQ(get("/small.txt", since).status, 304);
  EXPECT_EQ(get("/small.txt", since + "If-None-Match: \"x\"\r\n").status, 200);
  EXPECT_EQ(get("/small.txt", "Range: bytes=0-0\r\nIf-Range: " + tag + "\r\n").body, "0");
  EXPECT_EQ(get("/small.txt", "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n").body, "0123456789");
}

TEST_F(HttpServerTest, OtherMethodsAndTargetsAreRefusedAndTheConnectionStays) {
  RawClient client = connect();
  const auto status_of = [&](const std::string& line) {
    client.send(line + " HTTP/1.1\r\nHost: a\r\n\r\n");
    return next(client).status;
  };
  EXPECT_EQ(status_of("GET /none"), 404);
  EXPECT_EQ(status_of("POST /small.txt"), 405);
  EXPECT_EQ(status_of("DELETE /small.txt"), 501);
  EXPECT_EQ(status_of("OPTIONS *"), 400);
  EXPECT_EQ(status_of("GET small.txt"), 400);
  EXPECT_EQ(status_of("GET ?small.txt"), 400);
  EXPECT_EQ(status_of("GET ://"), 404);
  EXPECT_EQ(status_of("GET http://host"), 404);  // there is no index.html
  EXPECT_EQ(status_of("GET /small.txt"), 200);
}

TEST_F(HttpServerTest, EchoSendsBackByLengthAndChunked) {
  const std::string body = large_.substr(0, 90000);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" + body).body,
            body);
  std::string chunked = "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 0x1000) {
    const std::string part = body.substr(at, 0x1000);
    char size[20];
    std::snprintf(size, sizeof(size), "%zx\r\n", part.size());
    chunked += size + part + "\r\n";
  }
  const Response echoed = ask(chunked + "0\r\n\r\n");
  EXPECT_EQ(echoed.status, 200);
  EXPECT_EQ(echoed.body, body);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n").field("Content-Length"), "0");
}

TEST_F(HttpServerTest, EchoCopiesNoByteOfTheBody) {
  const std::string body = large_.substr(0, 90000);
  const std::string request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n";
  RawClient client = connect();
  const bight::CopyAudit audit;
  constexpr size_t kTimes = 10;
  for (size_t i = 0; i < kTimes; ++i) {
    client.send(request + body);
    ASSERT_EQ(next(client).body, body);
  }
  // The heads of answers, and heads of requests that straddle blocks; nothing of 90,000.
  EXPECT_LE(audit.process().copied, kTimes * 1000);
  EXPECT_LE(audit.process().gathered, kTimes * 3000);  // short segments beside heads
}

TEST_F(HttpServerTest, ContinueIsSentOnlyToWhoWaitsForIt) {
  RawClient client = connect();
  const std::string head =
      "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  client.send(head);
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  EXPECT_EQ(next(client).body, "hello");
  client.send(head + "again");
  EXPECT_EQ(next(client).body, "again");
  const Response refused = ask(
      "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.field("Connection"), "close");
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  RawClient client = connect();
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    const std::string at = std::to_string(i * 1000);
    requests += "GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=" + at + "-" +
                std::to_string(i * 1000 + (i % 3 == 0 ? 299999 : 9)) + "\r\n\r\n";
    requests += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(at.size()) +
                "\r\n\r\n" + at;
  }
  client.send(requests);
  for (size_t i = 0; i < 100; ++i) {
    ASSERT_EQ(next(client).body, large_.substr(i * 1000, i % 3 == 0 ? 300000 : 10)) << i;
    ASSERT_EQ(next(client).body, std::to_string(i * 1000));
  }
  client.send("GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(next(client).field("Connection"), "close");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_FALSE(client.timed_out());
}

TEST_F(HttpServerTest, OlderClientsAreKeptIfTheyAsk) {
  RawClient client = connect();
  client.send("GET /small.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(next(client).field("Connection"), "keep-alive");
  client.send("GET /small.txt HTTP/1.0\r\n\r\n");
  EXPECT_EQ(next(client).field("Connection"), "close");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_FALSE(client.timed_out());
}

TEST_F(HttpServerTest, AnswersStillComeAfterTheClientHasEnded) {
  RawClient client = connect();
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  client.end();
  EXPECT_EQ(next(client).body, large_);
  EXPECT_EQ(next(client).body, "0123456789");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_FALSE(client.timed_out());
}

TEST_F(HttpServerTest, RequestsCutAtEveryByteAreAnswered) {
  const std::string request =
      "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nEnd: 1\r\n\r\n";
  RawClient client = connect();
  for (size_t at = 1; at < request.size(); ++at) {
    client.send(request.substr(0, at));
    // An exchange of another connection, so that the first part is surely read alone.
    if (at % 8 == 0) expect_well();
    client.send(request.substr(at));
    ASSERT_EQ(next(client).body, "hello, world") << at;
  }
  client.send_bytewise(request + request);
  EXPECT_EQ(next(client).body, "hello, world");
  EXPECT_EQ(next(client).body, "hello, world");
}

// ---- Clients that mean harm -----------------------------------------------------------------

// Answered with this status, then closed, whatever follows.
TEST_F(HttpServerTest, WhatIsNoRequestIsRefusedAndTheConnectionClosed) {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string put = "PUT /echo HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = put + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string next_request = "GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
      {std::string(100, '\0'), 400},
      {"*3\r\n$3\r\nSET\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"hello world foo\r\n\r\n", 400},
      {get + "X : y\r\n\r\n", 400},
      {get + "X: y\r\n z\r\n\r\n", 400},
      {get + "Host: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      // Floods.
      {std::string(20000, 'A'), 431},
      {"GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n", 431},
      {get + "X: " + std::string(20000, 'x'), 431},
      {[&] {
         std::string flood = get;
         for (int i = 0; i < 1000; ++i) flood += "a: b\r\n";
         return flood + "\r\n";
       }(),
       431},
      // Lengths.
      {put + "Content-Length: -5\r\n\r\nhello", 400},
      {put + "Content-Length: 99999999999999999999\r\n\r\nhello", 400},
      {put + "Content-Length: 18446744073709551615\r\n\r\nhello", 413},
      {put + "Content-Length: 9223372036854775807\r\n\r\nhello", 413},
      {put + "Content-Length: 100001\r\n\r\nhello", 413},
      {put + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {chunked + "-5\r\nhello\r\n", 400},
      {chunked + "ffffffffffffffff\r\nhello\r\n", 413},
      {chunked + "fffffffffffffffff\r\nhello\r\n", 400},
      {chunked + "186a1\r\nhello\r\n", 413},
      {chunked + "186a0\r\n" + std::string(100000, 'x') + "\r\n1\r\nx\r\n", 413},
      {chunked + "5\r\nhello!\r\n0\r\n\r\n", 400},
      {chunked + "5\nhello\n0\n\n", 400},
      {chunked + "5;" + std::string(1000, 'x'), 400},
      {chunked + "0\r\n" + std::string(20000, 'x'), 431},
      // Smuggling: two readings of where the request ends.
      {put + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {put + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {put + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {put + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {put + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 501},
      {put + "Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 501},
      {put + "Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n", 501},
      {put + "Transfer-Encoding:\x0b"
             "chunked\r\n\r\n0\r\n\r\n",
       400},
      {put + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {put + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"PUT /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
  };
  for (const auto& [request, status] : cases) {
    SCOPED_TRACE(request.substr(0, 200));
    RawClient client = connect();
    client.send(request + next_request);
    const Response response = next(client);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.field("Connection"), "close");
    EXPECT_EQ(client.read_all(), "");  // the request behind it has no answer
    EXPECT_FALSE(client.timed_out());
  }
  expect_well();
}

TEST_F(HttpServerTest, NoPathLeavesTheFolder) {
  const auto status_of = [&](const std::string& target) { return get(target).status; };
  for (const char* target : {"/../etc/passwd", "/..", "/a/../../etc/passwd", "/%2e%2e/etc/passwd",
                             "/..%2fetc/passwd", "/%2e%2e%2fetc%2fpasswd", "/.%2e/etc/passwd",
                             "/small.txt%00.html", "/%", "/%zz", "http://a/../etc/passwd"}) {
    EXPECT_EQ(status_of(target), 400) << target;
  }
  EXPECT_EQ(status_of("/leaves"), 403);
  EXPECT_EQ(status_of("//etc/passwd"), 404);
  EXPECT_EQ(status_of("/..\\..\\etc\\passwd"), 404);
  EXPECT_EQ(status_of("/%252e%252e/etc/passwd"), 404);
  EXPECT_EQ(status_of("/\xc0\xae\xc0\xae/etc/passwd"), 404);
}

TEST_F(HttpServerTest, HalfRequestsHoldNobodyUp) {
  const std::string whole =
      "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  std::vector<RawClient> waiting;
  for (size_t at = 0; at < whole.size(); ++at) {
    waiting.push_back(connect());
    waiting.back().send(whole.substr(0, at));
  }
  expect_well();
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at % 2 == 0) {
      waiting[at].end();
      EXPECT_EQ(waiting[at].read_all(), "") << at;
      EXPECT_FALSE(waiting[at].timed_out());
    } else {
      waiting[at].send(whole.substr(at));
      EXPECT_EQ(next(waiting[at]).body, "hello") << at;
    }
  }
}

TEST_F(HttpServerTest, ClientsThatDoNotReadAreNotReadFrom) {
  RawClient client = connect();
  const int little = 4096;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
  ASSERT_EQ(::fcntl(client.fd(), F_SETFL, O_NONBLOCK), 0);
  const std::string request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += request;
  // Far more than the server may keep for one connection: at some time it takes no more.
  size_t sent = 0;
  for (int stalled = 0; stalled < 20 && sent < (size_t{256} << 20);) {
    const ssize_t n = ::send(client.fd(), requests.data(), requests.size(), MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    if (n <= 0) {
      ++stalled;
      expect_well();
    }
  }
  EXPECT_LT(sent, size_t{64} << 20);
  expect_well();
}

TEST_F(HttpServerTest, IdleAndSlowClientsAreClosed) {
  server_.reset();
  start(1);
  RawClient silent = connect();
  RawClient half = connect();
  half.send("GET /small.txt HTTP/1.1\r\nHost:");
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_FALSE(silent.timed_out());
  // A byte now and then is no progress.
  bool open = true;
  for (int i = 0; open && i < 600; ++i) {
    open = half.send("x");
    ::usleep(100000);
  }
  EXPECT_FALSE(open);
}

TEST_F(HttpServerTest, TooManyConnectionsAreRefused) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 250; ++i) clients.push_back(connect());
  // The last ones are closed at once.
  EXPECT_EQ(clients.back().read_all(), "");
  EXPECT_FALSE(clients.back().timed_out());
  clients.front().send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(next(clients.front()).body, "0123456789");
}

TEST_F(HttpServerTest, RandomChangesOfRequestsNeverStopTheServer) {
  const std::string whole =
      "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=1-3\r\n\r\n"
      "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string text = whole;
    for (size_t changes = random() % 5; changes != 0; --changes) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
      }
      if (text.empty()) break;
    }
    RawClient client = connect();
    client.send(text);
    client.end();
    const std::string answer = client.read_all();
    ASSERT_FALSE(client.timed_out()) << round;
    ASSERT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << answer;
  }
  expect_well();
}

}  // namespace
