// TlsStream against `openssl s_server` and `openssl s_client`, each a process of its own. OPENSSL
// is the program's path.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/interop/openssl.h"
#include "bight/io/copy.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "tests/interop/openssl_support.h"

namespace bight {
namespace {

using interop_test::certificate;
using interop_test::client_context;
using interop_test::server_context;
using interop_test::SslPtr;

// Far more than a loaded machine needs; a test that runs into it fails.
constexpr auto kPatience = std::chrono::seconds(60);

class Deadline {
 public:
  int milliseconds_left() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end_ - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
  }
  // False when the time is over.
  bool wait(int fd, TlsNeed read_need, TlsNeed write_need) const {
    pollfd polled{fd, 0, 0};
    for (const TlsNeed need : {read_need, write_need}) {
      if (need == TlsNeed::readable) polled.events |= POLLIN;
      if (need == TlsNeed::writable) polled.events |= POLLOUT;
    }
    return ::poll(&polled, 1, milliseconds_left()) > 0;
  }

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kPatience;
};

// A folder with the certificate, its key and what else a test puts there; gone with the object.
class Folder {
 public:
  Folder() {
    const char* const parent = std::getenv("TMPDIR");
    path_ = std::string(parent != nullptr ? parent : "/tmp") + "/bight_tls_XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
    put("certificate.pem", certificate().certificate_pem());
    put("key.pem", certificate().key_pem());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    for (const std::string& name : names_) ::unlink(name.c_str());
    ::rmdir(path_.c_str());
  }
  std::string path(const std::string& name) {
    names_.push_back(path_ + "/" + name);
    return names_.back();
  }
  void put(const std::string& name, std::string_view content) {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  static std::string get(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::string certificate_path() const { return path_ + "/certificate.pem"; }
  std::string key_path() const { return path_ + "/key.pem"; }

 private:
  std::string path_;
  std::vector<std::string> names_;
};

// The openssl program, killed with the object if it has not ended by then.
class Openssl {
 public:
  // Its input is the file `input`; its output goes to `output`, or to output() if that is empty.
  explicit Openssl(std::vector<std::string> arguments, const std::string& input = "/dev/null",
                   const std::string& output = "") {
    arguments.insert(arguments.begin(), OPENSSL);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      // It dies with us, whatever ends us. Only calls that are safe between fork and exec.
      const int in = ::open(input.c_str(), O_RDONLY);
      const int out =
          output.empty() ? ends[1] : ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent || in < 0 ||
          ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0) {
        ::_exit(126);
      }
      ::execv(OPENSSL, argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = File(ends[0]);
  }
  Openssl(const Openssl&) = delete;
  Openssl& operator=(const Openssl&) = delete;
  ~Openssl() {
    if (pid_ <= 0) return;
    kill();
    ::waitpid(pid_, nullptr, 0);
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  // Its exit status; 255 if it was killed or does not end in time.
  int finish(const Deadline& deadline) {
    while (deadline.milliseconds_left() > 0) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
      }
      ::poll(nullptr, 0, 5);
    }
    return 255;
  }
  // Its next line; empty when the output ends or the time is over.
  std::string line(const Deadline& deadline) {
    std::string line;
    char c = 0;
    for (;;) {
      pollfd polled{output_.fd(), POLLIN, 0};
      if (::poll(&polled, 1, deadline.milliseconds_left()) <= 0) return {};
      if (::read(output_.fd(), &c, 1) != 1) return {};
      if (c == '\n') return line;
      line += c;
    }
  }

 private:
  pid_t pid_ = 0;
  File output_;
};

std::string flag_of(int version) { return version == TLS1_2_VERSION ? "-tls1_2" : "-tls1_3"; }

// The server, on a port that the kernel chose and that its first line names.
struct Server {
  Server(const Folder& folder, int version, const std::vector<std::string>& how,
         const Deadline& deadline)
      : process(arguments(folder, version, how)) {
    for (std::string line = process.line(deadline); !line.empty(); line = process.line(deadline)) {
      if (line.rfind("ACCEPT", 0) != 0) continue;
      port = static_cast<uint16_t>(std::atoi(line.c_str() + line.rfind(':') + 1));
      return;
    }
  }
  static std::vector<std::string> arguments(const Folder& folder, int version,
                                            const std::vector<std::string>& how) {
    std::vector<std::string> all{
        "s_server", "-accept",         "127.0.0.1:0",   "-cert", folder.certificate_path(),
        "-key",     folder.key_path(), flag_of(version)};
    all.insert(all.end(), how.begin(), how.end());
    return all;
  }
  Openssl process;
  uint16_t port = 0;
};

File connect_to(uint16_t port) {
  File file(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(file.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return {};
  ::fcntl(file.fd(), F_SETFL, ::fcntl(file.fd(), F_GETFL) | O_NONBLOCK);
  return file;
}

SslPtr over(SSL_CTX* context, bool server, int fd) {
  SslPtr ssl(SSL_new(context));
  server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
  BIO* const bio = socket_bio(fd).release();
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

// Lines of `width` letters, at least `n` bytes together. Small letters only: capital ones at the
// start of a line are commands to s_client and s_server.
std::string lines(size_t n, size_t width) {
  std::string text;
  for (size_t i = 0; text.size() < n; ++i) {
    for (size_t k = 0; k < width; ++k)
      text += static_cast<char>('a' + (i * 7 + k * (i % 5 + 1)) % 26);
    text += '\n';
  }
  return text;
}

std::string each_line_reversed(std::string text) {
  for (size_t from = 0; from < text.size();) {
    const size_t end = text.find('\n', from);
    std::reverse(text.begin() + static_cast<ptrdiff_t>(from),
                 text.begin() + static_cast<ptrdiff_t>(end));
    from = end + 1;
  }
  return text;
}

Chain in_segments(std::string_view text, size_t size) {
  Chain chain;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    chain.push_copy(text.substr(0, size));
  }
  return chain;
}

class OpensslProcessTest : public ::testing::TestWithParam<int> {
 protected:
  Folder folder_;
  Deadline deadline_;
};
INSTANTIATE_TEST_SUITE_P(Versions, OpensslProcessTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(OpensslProcessTest, ServerReversesAMegabyteOfLinesWhileItIsSent) {
  const Server server(folder_, GetParam(), {"-rev"}, deadline_);
  ASSERT_NE(server.port, 0);
  const File socket = connect_to(server.port);
  ASSERT_TRUE(socket.is_open());
  const auto context = client_context(GetParam());
  const SslPtr ssl = over(context.get(), false, socket.fd());
  TlsStream tls(ssl.get());
  const std::string text = lines(size_t{3} << 19, 200);
  Chain out = in_segments(text, 64);
  out.push_copy("CLOSE\n");  // the server then ends with close_notify
  ChainBuilder in;
  bool ended = false;
  while (!ended) {
    IoResult wrote;
    if (!out.empty()) wrote = write_all(tls, out);
    ASSERT_FALSE(wrote.is_error()) << tls.status(wrote);
    const IoResult read = read_some(tls, in, size_t{64} << 10);
    ASSERT_FALSE(read.is_error()) << tls.status(read);
    ended = read.kind == IoKind::eof;
    if (read.kind == IoKind::would_block && wrote.bytes == 0) {
      ASSERT_TRUE(deadline_.wait(socket.fd(), tls.read_need(), tls.write_need()));
    }
  }
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(in.take() == ByteView(each_line_reversed(text)));
  EXPECT_EQ(SSL_version(ssl.get()), GetParam());
}

TEST_P(OpensslProcessTest, AServerThatIsKilledIsATruncation) {
  const Server server(folder_, GetParam(), {"-rev"}, deadline_);
  ASSERT_NE(server.port, 0);
  const File socket = connect_to(server.port);
  ASSERT_TRUE(socket.is_open());
  const auto context = client_context(GetParam());
  const SslPtr ssl = over(context.get(), false, socket.fd());
  TlsStream tls(ssl.get());
  Chain out(Bytes::copy_of("first\n"));
  ChainBuilder in;
  IoResult result;
  while (in.size() < 6) {
    result = out.empty() ? IoResult() : write_all(tls, out);
    ASSERT_FALSE(result.is_error()) << tls.status(result);
    result = read_some(tls, in, 100);
    ASSERT_FALSE(result.is_error()) << tls.status(result);
    if (result.kind == IoKind::would_block) {
      ASSERT_TRUE(deadline_.wait(socket.fd(), tls.read_need(), tls.write_need()));
    }
  }
  server.process.kill();
  do {
    ASSERT_TRUE(deadline_.wait(socket.fd(), TlsNeed::readable, TlsNeed::nothing));
    result = read_some(tls, in, 100);
  } while (result.kind == IoKind::would_block);
  EXPECT_TRUE(tls.truncated()) << tls.status(result);
  EXPECT_EQ(tls.status(result).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(in.take().to_string(), "tsrif\n");
}

// The client's process, and our end of its connection.
class Accepted {
 public:
  Accepted(const std::vector<std::string>& how, const std::string& input, const std::string& output,
           const Deadline& deadline) {
    const File listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.fd(), generic, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
        ::getsockname(listener.fd(), generic, &size) != 0) {
      return;
    }
    std::vector<std::string> arguments{
        "s_client", "-connect",    "127.0.0.1:" + std::to_string(ntohs(address.sin_port)),
        "-quiet",   "-nocommands", "-verify_return_error"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    process = std::make_unique<Openssl>(arguments, input, output);
    if (!deadline.wait(listener.fd(), TlsNeed::readable, TlsNeed::nothing)) return;
    socket = File(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }
  std::unique_ptr<Openssl> process;
  File socket;
};

TEST_P(OpensslProcessTest, ClientGetsBackTheMegabyteThatItSends) {
  const std::string text = lines(size_t{3} << 19, 1000);
  folder_.put("input", text);
  const std::string input = folder_.path("input");
  const std::string output = folder_.path("output");
  Accepted client({flag_of(GetParam()), "-CAfile", folder_.certificate_path()}, input, output,
                  deadline_);
  ASSERT_TRUE(client.socket.is_open());
  const auto context = server_context(GetParam());
  const SslPtr ssl = over(context.get(), true, client.socket.fd());
  TlsStream tls(ssl.get());
  Chain pending;
  for (size_t left = text.size(); left != 0;) {
    const IoResult result = copy(tls, tls, pending, left);
    ASSERT_TRUE(result.kind == IoKind::data || result.kind == IoKind::would_block)
        << tls.status(result);
    left -= result.bytes;
    if (result.kind == IoKind::would_block) {
      // What comes has to be taken even while nothing goes: the client does one or the other.
      ASSERT_TRUE(deadline_.wait(client.socket.fd(),
                                 pending.empty() ? tls.read_need() : TlsNeed::readable,
                                 pending.empty() ? TlsNeed::nothing : tls.write_need()));
      ChainBuilder more;
      if (!pending.empty() && left > pending.size()) {
        const IoResult read = read_some(tls, more, left - pending.size());
        ASSERT_FALSE(read.is_error()) << tls.status(read);
        pending.push_back(more.take());
      }
    }
  }
  IoResult result = tls.shutdown();
  while (result.kind == IoKind::would_block) {
    ASSERT_TRUE(deadline_.wait(client.socket.fd(), tls.read_need(), tls.write_need()));
    result = tls.shutdown();
  }
  EXPECT_EQ(result.kind, IoKind::data) << tls.status(result);
  EXPECT_EQ(client.process->finish(deadline_), 0);
  EXPECT_TRUE(Folder::get(output) == text);
}

TEST_P(OpensslProcessTest, AClientThatDoesNotTrustUsSaysSo) {
  Accepted client({flag_of(GetParam())}, "/dev/null", folder_.path("output"), deadline_);
  ASSERT_TRUE(client.socket.is_open());
  const auto context = server_context(GetParam());
  const SslPtr ssl = over(context.get(), true, client.socket.fd());
  TlsStream tls(ssl.get());
  ChainBuilder in;
  IoResult result;
  while (!result.is_error()) {
    result = read_some(tls, in, 100);
    ASSERT_NE(result.kind, IoKind::eof);
    if (result.kind == IoKind::would_block) {
      ASSERT_TRUE(deadline_.wait(client.socket.fd(), tls.read_need(), TlsNeed::nothing));
    }
  }
  const absl::Status status = tls.status(result);
  EXPECT_EQ(errno_of(status), EPROTO);
  EXPECT_NE(status.message().find("alert unknown ca"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace bight
