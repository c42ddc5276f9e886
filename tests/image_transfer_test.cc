// The image transfer as its users see it: two processes, real sockets, and everything that goes
// wrong between them. Ports are chosen by the kernel, and nothing runs for longer than `timeout`.
#include <arpa/inet.h>
#include <bight/endian.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "examples/support/crc32c.h"

namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr uint64_t kAsk = 0x6269676874000001, kAnswer = kAsk + 2, kRefusal = kAsk + 3;

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    path_ = fs::temp_directory_path() / "image_transfer_test.XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

 private:
  std::string path_;
};

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

std::string random_bytes(size_t size) {
  std::mt19937 random(static_cast<uint32_t>(size));
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A command of the shell, its output (both streams) and its end.
class Process {
 public:
  explicit Process(const std::string& command)
      : pipe_(::popen(("echo $$; exec 2>&1; " + command).c_str(), "r")) {
    pid_ = std::stoi(read_line());
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pipe_ == nullptr) return;
    ::kill(pid_, SIGTERM);  // `timeout` hands it on
    ::pclose(pipe_);
  }
  pid_t pid() const { return pid_; }
  std::string read_line() {
    std::string line;
    for (int c = std::fgetc(pipe_); c != EOF && c != '\n'; c = std::fgetc(pipe_)) {
      line.push_back(static_cast<char>(c));
    }
    return line;
  }
  // The rest of the output, until the end.
  std::string finish() {
    std::string rest;
    for (int c = std::fgetc(pipe_); c != EOF; c = std::fgetc(pipe_)) {
      rest.push_back(static_cast<char>(c));
    }
    status_ = ::pclose(pipe_);
    pipe_ = nullptr;
    return rest;
  }
  int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }
  int signal() const { return WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }

 private:
  std::FILE* pipe_;
  pid_t pid_ = 0;
  int status_ = 0;
};

const std::string kProgram = "exec timeout 60 " IMAGE_TRANSFER " ";

class Server : public Process {
 public:
  explicit Server(const std::string& arguments) : Process(kProgram + "serve " + arguments) {
    const std::string line = read_line();
    const std::string said = "listening on ";
    EXPECT_THAT(line, StartsWith(said));
    address_ = line.substr(std::min(said.size(), line.size()));
  }
  const std::string& address() const { return address_; }
  std::string stop() {
    ::kill(pid(), SIGTERM);
    return finish();
  }

 private:
  std::string address_;
};

// One line and exit 1.
void expect_failure(const std::string& command, const std::string& why) {
  Process process(kProgram + command);
  const std::string output = process.finish();
  EXPECT_EQ(process.exit_code(), 1) << output;
  EXPECT_THAT(output, StartsWith("image_transfer: "));
  EXPECT_THAT(output, HasSubstr(why));
  EXPECT_EQ(output.find('\n'), output.size() - 1) << output;
}

void expect_success(const std::string& command, const std::string& says = "") {
  Process process(kProgram + command);
  const std::string output = process.finish();
  EXPECT_EQ(process.exit_code(), 0) << output;
  EXPECT_THAT(output, HasSubstr(" 0 bytes copied by the library"));
  EXPECT_THAT(output, HasSubstr(says));
  EXPECT_EQ(output.find('\n'), output.size() - 1) << "a progress bar in a pipe? " << output;
}

// ---- The protocol by hand -------------------------------------------------------------------

std::string message(std::array<uint64_t, 3> numbers, uint32_t crc, uint64_t length,
                    const std::string& body) {
  std::array<std::byte, 48> header;
  const uint64_t all[] = {numbers[0], numbers[1], numbers[2], crc, length};
  for (size_t i = 0; i < 5; ++i) bight::store_be<uint64_t>(header.data() + 8 * i, all[i]);
  const std::span<const std::byte> checked = std::span(header).first(40);
  bight::store_be<uint64_t>(header.data() + 40, example::crc32c(checked));
  return std::string(reinterpret_cast<const char*>(header.data()), 48) + body;
}
uint32_t crc_of(const std::string& bytes) {
  return example::crc32c(std::as_bytes(std::span(bytes)));
}
std::string ask(uint64_t part, uint64_t parts, const std::string& name) {
  return message({kAsk, part, parts}, 0, name.size(), name);
}
std::string answer(uint64_t image_size, uint32_t crc, const std::string& body) {
  return message({kAnswer, image_size, 0}, crc, body.size(), body);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

class Connection {
 public:
  explicit Connection(const Server& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const std::string& where = server.address();
    const sockaddr_in address = loopback(std::stoi(where.substr(where.rfind(':') + 1)));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }
  void send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Fewer than `n` only if the connection ends.
  std::string read(size_t n) {
    std::string bytes(n, '\0');
    const ssize_t got = n == 0 ? 0 : ::recv(fd_, bytes.data(), n, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  // The body of the next message, and its kind.
  std::string read_message(uint64_t& kind) {
    const std::string header = read(48);
    kind = 0;
    if (header.size() < 48) return "";
    kind = bight::load_be<uint64_t>(header.data());
    return read(bight::load_be<uint64_t>(header.data() + 32));
  }
  void expect_refusal(const std::string& why) {
    uint64_t kind = 0;
    EXPECT_EQ(read_message(kind), why);
    EXPECT_EQ(kind, kRefusal);
  }

 private:
  int fd_;
};

// Accepts one connection, gives one of `answers` for each ask, and hangs up, or is silent until the
// peer does.
class FalseServer {
 public:
  explicit FalseServer(std::vector<std::string> answers, bool silent = false)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, answers = std::move(answers), silent] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      char request[48 + 3];  // names have three letters here
      for (const std::string& bytes : answers) {
        if (::recv(fd, request, sizeof(request), MSG_WAITALL) <= 0) break;
        if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) break;
      }
      while (silent && ::recv(fd, request, sizeof(request), 0) > 0) {
      }
      ::close(fd);
    });
  }
  ~FalseServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  int listener_;
  std::string address_;
  std::thread thread_;
};

// `answers` end a fetch of "img" with `why`, and no file is left.
void expect_false_answers_fail(std::vector<std::string> answers, const std::string& why,
                               const std::string& options = "") {
  const Folder folder;
  const FalseServer server(std::move(answers));
  expect_failure("fetch " + server.address() + " img -o " + (folder / "out") + " " + options, why);
  EXPECT_THAT(folder.files(), IsEmpty());
}

// ---- What works -----------------------------------------------------------------------------

TEST(ImageTransferTest, EverySchemeBringsTheImageOverBothKindsOfAddress) {
  const Folder from, to;
  const std::string image = random_bytes(3 * 1024 * 1024 + 7);
  std::ofstream(from / "img", std::ios::binary) << image;
  for (const std::string host : {"127.0.0.1", "[::1]", "localhost"}) {
    Server server("--listen '" + host + ":0' " + (from / "img"));
    for (const std::string options :
         {"", "--parts 100 --connections 4", "--parts 100 --connections 4 --scattered",
          "--parts 3 --connections 8 --repeat 4", "--parts 1000 --connections 2", "--raw"}) {
      expect_success("fetch '" + server.address() + "' img -o " + (to / "out") + " " + options,
                     "3145735 bytes in ");
      EXPECT_TRUE(content_of(to / "out") == image) << host << " " << options;
      EXPECT_EQ(to.files().size(), 1u);
    }
    EXPECT_THAT(server.stop(), StartsWith("stopped: 0 bytes copied by the library"));
    EXPECT_EQ(server.exit_code(), 0);
  }
}

TEST(ImageTransferTest, TheSmallestImagesArrive) {
  const Folder from, to;
  for (const size_t size : {0, 1, 2, 600}) {
    std::ofstream(from / ("of" + std::to_string(size)), std::ios::binary) << random_bytes(size);
  }
  Server server((from / "of0") + " " + (from / "of1") + " " + (from / "of2") + " " +
                (from / "of600"));
  for (const auto& [name, parts] : std::vector<std::pair<std::string, int>>{
           {"of0", 1}, {"of1", 1}, {"of2", 2}, {"of600", 600}, {"of600", 1}}) {
    for (const std::string kind : {"", " --scattered"}) {
      expect_success("fetch " + server.address() + " " + name + " -o " + (to / name) +
                     " --connections 2 --parts " + std::to_string(parts) + kind);
      EXPECT_EQ(content_of(to / name), content_of(from / name));
    }
  }
}

TEST(ImageTransferTest, AnExistingFileIsReplacedOnlyByAWholeImage) {
  const Folder from, to;
  std::ofstream(from / "img") << "new";
  std::ofstream(to / "out") << "old";
  Server server(from / "img");
  expect_failure("fetch " + server.address() + " img -o " + (to / "out") + " --parts 4",
                 "more parts than bytes");
  EXPECT_EQ(content_of(to / "out"), "old");
  expect_success("fetch " + server.address() + " img -o " + (to / "out"));
  EXPECT_EQ(content_of(to / "out"), "new");
}

TEST(ImageTransferTest, TheHookOfAnAnswerRunsOnceItsLastByteHasLeft) {
  const Folder from, to;
  const std::string image = random_bytes(1'000'000);
  std::ofstream(from / "img", std::ios::binary) << image;
  Server server("--hook " + (from / "img"));
  Connection connection(server);
  uint64_t kind = 0;
  for (uint64_t part = 0; part < 3; ++part) {
    connection.send(ask(part, 3, "img"));
    EXPECT_EQ(connection.read_message(kind).size(), part == 0 ? 333'334u : 333'333u);
  }
  // Answered by the same thread after the three, and without a hook itself.
  connection.send(ask(0, 0, "img"));
  EXPECT_EQ(connection.read_message(kind), "");
  EXPECT_THAT(server.stop(), HasSubstr(", 3 hooks run"));

  Server again("--hook " + (from / "img"));
  expect_success("fetch " + again.address() + " img -o " + (to / "out") +
                 " --parts 100 --connections 4 --repeat 3");
  EXPECT_TRUE(content_of(to / "out") == image);
}

// --mat of this program, which is built with OpenCV or without.
TEST(ImageTransferTest, MatServesThePixelsAndWritesThePictureOfThem) {
  const std::string picture = IMAGE_TRANSFER_PICTURE;
  if (!IMAGE_TRANSFER_HAS_MAT) {
    return expect_failure("serve --mat " + picture, "--mat: this program was built without OpenCV");
  }
  const Folder folder;
  const auto pixels_of = [&](const std::string& path, const std::string& out) {
    Server server("--mat " + path);
    const std::string fetch =
        "fetch " + server.address() + " " + path.substr(path.rfind('/') + 1) + " ";
    expect_success(fetch + "-o " + (folder / out), "7225344 bytes in ");
    expect_success(fetch + "--mat --parts 100 --connections 4 -o " + (folder / (out + ".png")),
                   "7225344 bytes in ");
    expect_failure(fetch + "--mat -o " + (folder / "out.txt"), "OpenCV writes no such picture");
    expect_failure(fetch + "--mat -o " + (folder / "none"), "OpenCV writes no such picture");
    expect_failure(fetch + "--mat --scattered -o " + (folder / "x.png"), "not with --scattered");
    EXPECT_THAT(server.stop(), StartsWith("stopped: 0 bytes copied"));
    return content_of(folder / out);
  };
  const std::string sent = pixels_of(picture, "sent");
  EXPECT_EQ(sent.size(), 1792u * 1344 * 3);
  EXPECT_TRUE(pixels_of(folder / "sent.png", "again") == sent);
  EXPECT_EQ(folder.files().size(), 4u);
  expect_failure("serve --mat " IMAGE_TRANSFER, "OpenCV reads no picture from it");
  Server plain(picture);
  expect_failure("fetch " + plain.address() + " bight.png --mat -o " + (folder / "x.png"),
                 "no picture");
}

TEST(ImageTransferTest, ProgressIsShownOnATerminal) {
  const Folder from, to;
  std::ofstream(from / "img") << random_bytes(3 << 20);
  Server server(from / "img");
  Process process("exec timeout 60 script -qec '" IMAGE_TRANSFER " fetch " + server.address() +
                  " img -o " + (to / "out") + "' /dev/null");
  EXPECT_THAT(process.finish(), HasSubstr("[#################################"));
  EXPECT_EQ(process.exit_code(), 0);
}

// ---- What fails at the client ---------------------------------------------------------------

TEST(ImageTransferTest, WhatCannotBeFetchedIsOneLineAndNoFile) {
  const Folder from, to;
  std::ofstream(from / "img") << random_bytes(100'000);
  Server server(from / "img");
  const std::string fetch = "fetch " + server.address() + " ", out = " -o " + (to / "out");
  expect_failure(fetch + "other" + out, "refuses: no image of that name");
  expect_failure(fetch + "a/b" + out, "refuses: a name has no slash");
  expect_failure(fetch + std::string(256, 'x') + out, "at most 255 bytes");
  expect_failure(fetch + "img --parts 100001" + out, "more parts than bytes");
  expect_failure(fetch + "img --parts 0" + out, "at least 1");
  expect_failure(fetch + "img --max_bytes 99999" + out, "larger than --max_bytes");
  expect_failure("fetch 127.0.0.1 img" + out, "not of the form HOST:PORT");
  expect_failure("fetch 127.0.0.1:nonsense img" + out, "127.0.0.1:nonsense: ");
  expect_failure(fetch + "img -o " + (to / "no/such"), "No such file or directory");
  EXPECT_THAT(to.files(), IsEmpty());
  expect_success(fetch + "img" + out);  // the server has served on
}

TEST(ImageTransferTest, ARefusedConnectionIsOneLine) {
  std::string address;
  {
    const FalseServer gone({});
    address = gone.address();
  }
  expect_failure("fetch " + address + " img -o /dev/null/x", "Connection refused");
}

TEST(ImageTransferTest, AFullDiskLeavesNoFile) {
  const Folder from, to;
  std::ofstream(from / "img") << random_bytes(1 << 20);
  Server server(from / "img");
  for (const std::string kind : {"", " --parts 100 --connections 4 --scattered"}) {
    Process process("ulimit -f 64; " + kProgram + "fetch " + server.address() + " img -o " +
                    (to / "out") + kind);
    EXPECT_THAT(process.finish(), HasSubstr("File too large"));
    EXPECT_EQ(process.exit_code(), 1);
    EXPECT_THAT(to.files(), IsEmpty());
  }
}

TEST(ImageTransferTest, FilesThatCannotBeServedAreOneLine) {
  const Folder folder;
  std::ofstream(folder / "img") << "x";
  expect_failure("serve " + (folder / "none"), "none: open: No such file or directory");
  expect_failure("serve " + (folder / ""), "Is a directory");
  expect_failure("serve " + (folder / "img") + " " + (folder / "./img"),
                 "second file of that name");
  expect_failure("serve --listen nonsense " + (folder / "img"), "not of the form HOST:PORT");
  expect_failure("demo " + (folder / "none"), "No such file or directory");
  expect_failure("", "use: ");
}

// ---- A server that lies ---------------------------------------------------------------------

const std::string kImage(1000, 'i');
// The answer to how large it is.
const std::string kSize = message({kAnswer, 1000, 0}, crc_of(kImage), 0, "");

TEST(ImageTransferTest, TrueAnswersFromAFalseServerAreTaken) {
  const Folder folder;
  const FalseServer honest({kSize, answer(1000, crc_of(kImage), kImage)});
  expect_success("fetch " + honest.address() + " img -o " + (folder / "out"));
  EXPECT_EQ(content_of(folder / "out"), kImage);
}

TEST(ImageTransferTest, ATruncatedStreamIsAnError) {
  const std::string part = answer(1000, crc_of(kImage), kImage);
  for (const size_t cut : {0, 1, 47, 48, 49, 1047}) {
    expect_false_answers_fail({kSize, part.substr(0, cut)}, "ends too early");
  }
  expect_false_answers_fail({kSize.substr(0, 20)}, "ends too early");
}

TEST(ImageTransferTest, AWrongChecksumIsAnError) {
  std::string wrong = kImage;
  wrong[500] = 'I';
  expect_false_answers_fail({kSize, answer(1000, crc_of(kImage), wrong)},
                            "wrong checksum of part 0");
  // Each part agrees with its header, but the whole is another image's.
  expect_false_answers_fail({kSize, answer(1000, crc_of(wrong), wrong)}, "img: wrong checksum");
}

TEST(ImageTransferTest, AGarbledHeaderIsAnError) {
  for (size_t i = 0; i < 48; i += 5) {
    std::string garbled = kSize;
    garbled[i] = static_cast<char>(garbled[i] ^ 0x40);
    expect_false_answers_fail({garbled}, "header");
  }
  expect_false_answers_fail({std::string(48, '\0')}, "header");
  expect_false_answers_fail({message({77, 1000, 0}, 0, 0, "")}, "garbled header");
  expect_false_answers_fail({kSize, answer(1001, crc_of(kImage), kImage)}, "garbled header");
}

TEST(ImageTransferTest, AnOversizedHeaderIsAnError) {
  const uint64_t huge = uint64_t{1} << 62;
  expect_false_answers_fail({message({kAnswer, huge, 0}, 0, 0, "")}, "larger than --max_bytes");
  expect_false_answers_fail({message({kAnswer, ~uint64_t{0}, 0}, 0, 0, "")}, "--max_bytes");
  expect_false_answers_fail({message({kAnswer, 1000, 0}, 0, huge, "")}, "garbled header");
  expect_false_answers_fail({kSize, message({kAnswer, 1000, 0}, 0, huge, kImage)}, "garbled");
  expect_false_answers_fail({kSize, message({kAnswer, 1000, 0}, 0, 999, kImage)}, "garbled");
  expect_false_answers_fail({message({kRefusal, 0, 0}, 0, 256, std::string(256, 'x'))}, "garbled");
}

#if IMAGE_TRANSFER_HAS_MAT
TEST(ImageTransferTest, ALayoutThatDoesNotFitThePixelsIsAnError) {
  const auto pixels_as = [](uint64_t layout, const std::string& why) {
    const std::string size = message({kAnswer, 1000, layout}, crc_of(kImage), 0, "");
    expect_false_answers_fail({size, answer(1000, crc_of(kImage), kImage)}, why, "--mat");
  };
  pixels_as(uint64_t{100} << 40 | 100 << 16 | 16,
            "100 rows of 300 bytes need 30000, there are 1000");
  pixels_as(~uint64_t{0}, "type 65535 is none of 0 to 4095");
  pixels_as(0, "no picture");
}
#endif

TEST(ImageTransferTest, TextFromTheServerCannotDriveTheTerminal) {
  expect_false_answers_fail({message({kRefusal, 0, 0}, 0, 6, "a\n\x1b[2J")}, "refuses: a??[2J\n");
}

TEST(ImageTransferTest, ASilentServerIsGivenUp) {
  const Folder folder;
  const FalseServer server({kSize}, true);
  expect_failure("fetch " + server.address() + " img --timeout 1 -o " + (folder / "out"),
                 "silent for too long");
  EXPECT_THAT(folder.files(), IsEmpty());
}

TEST(ImageTransferTest, CtrlCLeavesNoFile) {
  const Folder folder;
  const FalseServer server({kSize, answer(1000, crc_of(kImage), kImage).substr(0, 500)}, true);
  Process process("exec " IMAGE_TRANSFER " fetch " + server.address() + " img --timeout 20 -o " +
                  (folder / "out"));
  for (int i = 0; i < 1000 && folder.files().empty(); ++i) ::usleep(10'000);
  EXPECT_EQ(folder.files().size(), 1u);
  ::kill(process.pid(), SIGINT);
  EXPECT_EQ(process.finish(), "");
  EXPECT_EQ(process.signal(), SIGINT);
  EXPECT_THAT(folder.files(), IsEmpty());
}

// ---- A client that lies ---------------------------------------------------------------------

class FalseClientTest : public ::testing::Test {
 protected:
  void start(const std::string& options = "") {
    std::ofstream(folder_ / "img") << "0123456789";
    server_.emplace(options + " " + (folder_ / "img"));
  }
  // The server still serves others.
  void TearDown() override {
    Connection connection(*server_);
    connection.send(ask(1, 3, "img"));
    uint64_t kind = 0;
    EXPECT_EQ(connection.read_message(kind), "456");
    EXPECT_EQ(kind, kAnswer);
    EXPECT_THAT(server_->stop(), StartsWith("stopped: 0 bytes copied"));  // though one is connected
    EXPECT_EQ(server_->exit_code(), 0);
  }
  Folder folder_;
  std::optional<Server> server_;
};

TEST_F(FalseClientTest, RefusalsLeaveTheConnectionUsable) {
  start();
  Connection connection(*server_);
  connection.send(ask(3, 3, "img") + ask(0, 11, "img") + ask(1, 0, "img") + ask(0, 1, "im") +
                  ask(0, 1, "") + ask(0, 1, "../img") + ask(2, 3, "img"));
  connection.expect_refusal("part out of range");
  connection.expect_refusal("more parts than bytes");
  connection.expect_refusal("part out of range");
  connection.expect_refusal("no image of that name");
  connection.expect_refusal("no image of that name");
  connection.expect_refusal("a name has no slash");
  uint64_t kind = 0;
  EXPECT_EQ(connection.read_message(kind), "789");
  EXPECT_EQ(kind, kAnswer);
}

TEST_F(FalseClientTest, AGarbledHeaderEndsTheConnection) {
  start();
  std::string broken = ask(0, 1, "img");
  broken[20] = '\1';
  for (const std::string& bytes :
       {std::string(48, 'G'), broken, message({77, 0, 1}, 0, 3, "img"),
        message({kAsk, 0, 1}, 0, 256, std::string(256, 'x')),
        message({kAsk, 0, 1}, 0, uint64_t{1} << 63, "img"),
        message({kAsk, uint64_t{1} << 40, uint64_t{1} << 41}, 0, 3, "img")}) {
    Connection connection(*server_);
    connection.send(bytes);
    connection.expect_refusal("garbled header");
    EXPECT_EQ(connection.read(1), "");
  }
}

TEST_F(FalseClientTest, ATruncatedRequestDisturbsNobody) {
  start();
  for (const size_t cut : {0, 1, 47, 48, 50}) {
    Connection connection(*server_);
    connection.send(ask(0, 1, "img").substr(0, cut));
  }
}

TEST_F(FalseClientTest, AnIdleConnectionIsClosed) {
  start("--timeout 1");
  Connection silent(*server_), slow(*server_);
  slow.send(ask(0, 1, "img").substr(0, 10));
  EXPECT_EQ(silent.read(1), "");
  EXPECT_EQ(slow.read(1), "");
}

TEST_F(FalseClientTest, TooManyConnectionsAreRefused) {
  start("--max_connections 2");
  {
    Connection one(*server_), two(*server_);
    uint64_t kind = 0;
    for (Connection* connection : {&one, &two}) {
      connection->send(ask(0, 10, "img"));
      EXPECT_EQ(connection->read_message(kind), "0");
    }
    const Folder to;
    expect_failure("fetch " + server_->address() + " img -o " + (to / "out"),
                   "refuses: too many connections");
    EXPECT_THAT(to.files(), IsEmpty());
    one.send(ask(9, 10, "img"));
    EXPECT_EQ(one.read_message(kind), "9");
  }
  ::usleep(200'000);  // the server has seen that they left
}

}  // namespace
