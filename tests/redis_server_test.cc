// The RESP server: its reader over cut and hostile input, when its store keeps what was received,
// and the program itself over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "examples/redis_server/resp.h"
#include "examples/redis_server/store.h"
#include "tests/support/raw_client.h"

namespace {

using bight::ReadStatus;
using bight_test::RawClient;
using example::RespReader;
using example::Store;
using testing::HasSubstr;
using testing::StartsWith;

// ---- The reader --------------------------------------------------------------------------------

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
std::string command(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += bulk(word);
  return text;
}

// A reader and what it was given, as a connection has them.
struct Reading {
  explicit Reading(size_t max_arguments = 100, size_t max_command = 1000)
      : reader(max_arguments, max_command) {}

  // All commands, as their words, that are complete when `bytes` have come in a block of their own.
  std::vector<std::vector<std::string>> receive(std::string_view bytes) {
    in.push_copy(bytes);
    std::vector<std::vector<std::string>> commands;
    bight::Cursor cursor(in);
    reader.seek(cursor);
    while ((status = reader.next(cursor)) == ReadStatus::ok) {
      std::vector<std::string> words;
      for (const RespReader::Argument& a : reader.arguments) {
        words.push_back(in.slice(a.position, a.size).to_string());
        if (a.data == nullptr) continue;
        EXPECT_EQ(std::string_view(a.data, a.size), words.back());
      }
      commands.push_back(std::move(words));
    }
    in.consume(reader.take_done());
    return commands;
  }

  RespReader reader;
  bight::Chain in;
  ReadStatus status = ReadStatus::ok;
};

TEST(RespReaderTest, ReadsThreeCommandsThatCameInAnyTwoPieces) {
  const std::vector<std::vector<std::string>> commands = {
      {"SET", "key", std::string(300, 'v')}, {"PING"}, {"ECHO", "", "\r\n$9\r\n"}};
  std::string text;
  for (const auto& words : commands) text += command(words);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Reading reading;
    auto got = reading.receive(std::string_view(text).substr(0, cut));
    for (auto& words : reading.receive(std::string_view(text).substr(cut))) got.push_back(words);
    EXPECT_EQ(got, commands) << "cut at " << cut;
    EXPECT_EQ(reading.status, ReadStatus::need_more);
    EXPECT_TRUE(reading.in.empty());
  }
}

TEST(RespReaderTest, ReadsCommandsThatComeByteByByte) {
  const std::string text = command({"SET", "k", "value"}) + "*0\r\n\r\n" + command({"GET", "k"});
  Reading reading;
  std::vector<std::vector<std::string>> got;
  for (const char c : text) {
    for (auto& words : reading.receive({&c, 1})) got.push_back(words);
  }
  EXPECT_EQ(got, (std::vector<std::vector<std::string>>{{"SET", "k", "value"}, {"GET", "k"}}));
}

TEST(RespReaderTest, KeepsNothingOfEmptyCommands) {
  Reading reading;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(reading.receive("*0\r\n\r\n").empty());
  EXPECT_EQ(reading.status, ReadStatus::need_more);
  EXPECT_TRUE(reading.in.empty());
}

TEST(RespReaderTest, RefusesWhatNoFurtherByteCanMakeRight) {
  const std::pair<std::string, std::string> cases[] = {
      {"PING\r\n", "expected '*'"},
      {"\rPING\r\n", "expected '*'"},
      {std::string(1, '\0'), "expected '*'"},
      {"*1\r\n:1\r\n", "expected '$'"},
      {"*\r\n", "invalid multibulk length"},
      {"*-1\r\n", "invalid multibulk length"},
      {"*1 \r\n", "invalid multibulk length"},
      {"*1\rx", "invalid multibulk length"},
      {"*101\r\n", "invalid multibulk length"},
      {"*99999999999999999999999999", "invalid multibulk length"},
      {"*" + std::string(40, '0'), "invalid multibulk length"},
      {"*1\r\n$\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$-9223372036854775808\r\n", "invalid bulk length"},
      {"*1\r\n$18446744073709551615\r\n", "invalid bulk length"},
      {"*1\r\n$1001\r\n", "invalid bulk length"},
      {"*1\r\n$+1\r\n", "invalid bulk length"},
      {"*1\r\n$0x1\r\n", "invalid bulk length"},
      {"*1\r\n$2\r\nabc\r\n", "expected CRLF"},
      {command({std::string(600, 'a')}).replace(0, 4, "*2\r\n") + "$600\r\n", "too long"},
  };
  for (const auto& [text, error] : cases) {
    // At once, and byte by byte.
    Reading whole, bytewise;
    EXPECT_TRUE(whole.receive(text).empty()) << text;
    EXPECT_EQ(whole.status, ReadStatus::malformed) << text;
    EXPECT_THAT(whole.reader.error, HasSubstr(error)) << text;
    for (const char c : text) {
      EXPECT_TRUE(bytewise.receive({&c, 1}).empty()) << text;
      if (bytewise.status == ReadStatus::malformed) break;
    }
    EXPECT_EQ(bytewise.status, ReadStatus::malformed) << text;
    EXPECT_THAT(bytewise.reader.error, HasSubstr(error)) << text;
  }
}

TEST(RespReaderTest, NeverReadsPastItsLimitsOfRandomGarbage) {
  std::mt19937 random(7);
  const std::string_view alphabet = "*$0123456789\r\n-ab";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    Reading whole, bytewise;
    const auto expected = whole.receive("*1\r\n" + text);
    std::vector<std::vector<std::string>> got;
    for (const char c : "*1\r\n" + text) {
      for (auto& words : bytewise.receive({&c, 1})) got.push_back(words);
      if (bytewise.status == ReadStatus::malformed) break;
    }
    EXPECT_EQ(got, expected) << text;
    EXPECT_EQ(bytewise.status, whole.status) << text;
  }
}

// ---- The store ---------------------------------------------------------------------------------

constexpr size_t kBlock = size_t{16} << 10;

// As the server receives it: a stream in blocks of 16 KiB.
bight::Chain received(size_t size) {
  bight::ChainBuilderOptions options;
  options.min_block = options.max_block = kBlock;
  bight::ChainBuilder builder(options);
  while (builder.size() < size) {
    const auto room = builder.prepare(1);
    for (std::byte& byte : room) byte = static_cast<std::byte>(builder.size() % 251);
    builder.commit(std::min(room.size(), size - builder.size()));
  }
  return builder.take();
}

TEST(RedisStoreTest, LargeValueStaysWhereItWasReceived) {
  Store store(2.5);
  bight::Chain in = received(size_t{1} << 20);
  bight::Chain value = in.slice(50, 900000);
  const std::byte* const first = value.front().data();
  const bight::CopyAudit audit;
  store.set("key", std::move(value));
  EXPECT_EQ(audit.thread().copied, 3u);  // the key
  EXPECT_EQ(store.get("key")->front().data(), first);
  EXPECT_EQ(store.get("key")->size(), 900000u);
}

TEST(RedisStoreTest, ShortValueIsCopiedSoThatItPinsNoBlock) {
  Store store(2.5);
  bight::Chain in = received(1000);
  const bight::CopyAudit audit;
  store.set("key", in.slice(100, 64));
  EXPECT_EQ(audit.thread().copied, 64u + 3u);
  EXPECT_EQ(*store.get("key"), in.slice(100, 64));
  EXPECT_LT(store.get("key")->retained_size(), 160u);
}

TEST(RedisStoreTest, NoValuePinsMoreThanMaxPinTimesItsBytes) {
  const bight::Chain in = received(size_t{4} << 20);
  size_t kept = 0, copied = 0;
  for (const double max_pin : {1.2, 2.5, 6.0}) {
    Store store(max_pin);
    std::mt19937 random(3);
    for (size_t i = 0; i < 2000; ++i) {
      const size_t size = size_t{1} << random() % 20, from = random() % (in.size() - size);
      const bight::Chain value = in.slice(from, size);
      const bight::CopyAudit audit;
      store.set("k", value);
      ++(audit.thread().copied >= size ? copied : kept);
      const bight::Chain& got = *store.get("k");
      ASSERT_EQ(got, value);
      const size_t fresh = bight::Chain(bight::Bytes::copy_of(value.to_string())).retained_size();
      const auto allowed = static_cast<size_t>(max_pin * static_cast<double>(size));
      // Compacted, it is in blocks that it fills; a block's class and header are all that is lost.
      ASSERT_LE(got.retained_size(), std::max(allowed, fresh + 4096 + size / 16)) << size;
    }
  }
  EXPECT_GT(kept, 100u);
  EXPECT_GT(copied, 100u);
}

TEST(RedisStoreTest, ManySmallSegmentsBecomeFew) {
  Store store(2.5);
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    bight::Chain value = store.get("k") != nullptr ? *store.get("k") : bight::Chain();
    value.push_copy("0123456789");
    store.set("k", std::move(value));
    text += "0123456789";
    ASSERT_LE(store.get("k")->segment_count(), 64 + text.size() / 4096);
    ASSERT_LE(store.get("k")->retained_size(), 4 * text.size() + 256);
  }
  EXPECT_EQ(store.get("k")->to_string(), text);
  EXPECT_EQ(store.size(), 1u);
}

TEST(RedisStoreTest, ReplyKeepsItsBytesWhenTheKeyIsOverwritten) {
  Store store(2.5);
  const bight::Chain in = received(size_t{1} << 18);
  store.set("k", in.slice(0, 200000));
  const bight::Chain reply = *store.get("k");
  store.set("k", in.slice(1, 200000));
  EXPECT_EQ(reply, in.slice(0, 200000));
  EXPECT_TRUE(store.erase("k"));
  EXPECT_FALSE(store.erase("k"));
  EXPECT_EQ(store.get("k"), nullptr);
  EXPECT_EQ(reply, in.slice(0, 200000));
}

// ---- The program -------------------------------------------------------------------------------

// The server in a process of its own, which ends with this object or with the test program.
class Server {
 public:
  explicit Server(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {REDIS_SERVER, "--listen=127.0.0.1:0", "--seconds=250"});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    for (char c = 0; c != '\n' && ::read(ends[0], &c, 1) == 1;) line += c;
    ::close(ends[0]);
    EXPECT_THAT(line, StartsWith("listening on 127.0.0.1:"));
    if (line.size() > 14) address_ = line.substr(13, line.size() - 14);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  const std::string& address() const { return address_; }
  RawClient connect() const { return RawClient(address_); }
  // Sends the commands, tells that no more comes, and reads to the end.
  std::string ask(const std::string& commands) const {
    RawClient client = connect();
    EXPECT_TRUE(client.send(commands));
    client.end();
    std::string reply = client.read_all();
    EXPECT_FALSE(client.timed_out());
    return reply;
  }

 private:
  pid_t pid_ = -1;
  std::string address_;
};

size_t field(const std::string& info, const std::string& name) {
  const size_t at = info.find(name);
  EXPECT_NE(at, info.npos) << name;
  return at == info.npos ? 0 : std::stoull(info.substr(at + name.size() + 1));
}

TEST(RedisServerTest, AnswersEachCommandAsTheProtocolSays) {
  const Server server({});
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"PING"}, "+PONG\r\n"},
      {{"ping", "hi"}, bulk("hi")},
      {{"ECHO", ""}, bulk("")},
      {{"GET", "k"}, "$-1\r\n"},
      {{"SET", "k", "value"}, "+OK\r\n"},
      {{"GeT", "k"}, bulk("value")},
      {{"STRLEN", "k"}, ":5\r\n"},
      {{"STRLEN", "none"}, ":0\r\n"},
      {{"APPEND", "k", "+more"}, ":10\r\n"},
      {{"APPEND", "new", "x"}, ":1\r\n"},
      {{"GET", "k"}, bulk("value+more")},
      {{"GETRANGE", "k", "0", "4"}, bulk("value")},
      {{"GETRANGE", "k", "-4", "-1"}, bulk("more")},
      {{"GETRANGE", "k", "-100", "0"}, bulk("v")},
      {{"GETRANGE", "k", "5", "100"}, bulk("+more")},
      {{"GETRANGE", "k", "-90", "-95"}, bulk("")},
      {{"GETRANGE", "k", "7", "6"}, bulk("")},
      {{"GETRANGE", "k", "-9223372036854775808", "9223372036854775807"}, bulk("value+more")},
      {{"GETRANGE", "none", "0", "-1"}, bulk("")},
      {{"GETRANGE", "k", "a", "1"}, "-ERR value is not an integer or out of range\r\n"},
      {{"GETRANGE", "k", "0", "01"}, "-ERR value is not an integer or out of range\r\n"},
      {{"GETRANGE", "k", "-0", "1"}, "-ERR value is not an integer or out of range\r\n"},
      {{"MSET", "y", "007", "z", "-0"}, "+OK\r\n"},
      {{"INCR", "y"}, "-ERR value is not an integer or out of range\r\n"},
      {{"INCR", "z"}, "-ERR value is not an integer or out of range\r\n"},
      {{"DEL", "y", "z"}, ":2\r\n"},
      {{"MSET", "a", "1", "b", "", "c", "3"}, "+OK\r\n"},
      {{"MSET", "a", "1", "b"}, "-ERR wrong number of arguments\r\n"},
      {{"MGET", "a", "b", "none", "c"}, "*4\r\n" + bulk("1") + bulk("") + "$-1\r\n" + bulk("3")},
      {{"EXISTS", "a", "b", "none", "a"}, ":3\r\n"},
      {{"DEL", "a", "none", "a", "c"}, ":2\r\n"},
      {{"INCR", "n"}, ":1\r\n"},
      {{"INCR", "n"}, ":2\r\n"},
      {{"GET", "n"}, bulk("2")},
      {{"SET", "n", "-1"}, "+OK\r\n"},
      {{"INCR", "n"}, ":0\r\n"},
      {{"INCR", "b"}, "-ERR value is not an integer or out of range\r\n"},
      {{"INCR", "k"}, "-ERR value is not an integer or out of range\r\n"},
      {{"SET", "n", "9223372036854775807"}, "+OK\r\n"},
      {{"INCR", "n"}, "-ERR increment or decrement would overflow\r\n"},
      {{"SET", "k"}, "-ERR wrong number of arguments\r\n"},
      {{"SELECT", "0"}, "+OK\r\n"},
      {{"SELECT", "1"}, "-ERR DB index is out of range\r\n"},
      {{"CLIENT", "SETNAME", "me"}, "+OK\r\n"},
      {{"CLIENT", "KILL", "me"}, "-ERR unknown subcommand\r\n"},
      {{"COMMAND", "DOCS"}, "*0\r\n"},
      {{"CONFIG", "GET", "save"}, "*2\r\n" + bulk("save") + bulk("")},
      {{"CONFIG", "GET", "appendonly"}, "*2\r\n" + bulk("appendonly") + bulk("no")},
      {{"CONFIG", "GET", "other"}, "*0\r\n"},
      {{"HELLO", "4"}, "-NOPROTO unsupported protocol version\r\n"},
      {{"HELLO", "3"},
       "%3\r\n" + bulk("server") + bulk("bight") + bulk("version") + bulk("7.0.0") + bulk("proto") +
           ":3\r\n"},
      {{"GET", "none"}, "_\r\n"},
      {{"CONFIG", "GET", "save"}, "%1\r\n" + bulk("save") + bulk("")},
      {{"HELLO", "2"},
       "*6\r\n" + bulk("server") + bulk("bight") + bulk("version") + bulk("7.0.0") + bulk("proto") +
           ":2\r\n"},
      {{"GET", "none"}, "$-1\r\n"},
      {{"NO\r\nSUCH"}, "-ERR unknown command 'NO\\r\\nSUCH'\r\n"},
      {{"FLUSHALL"}, "+OK\r\n"},
      {{"EXISTS", "k"}, ":0\r\n"},
      {{"QUIT"}, "+OK\r\n"},
  };
  std::string commands, replies;
  RawClient one = server.connect();
  for (const auto& [words, reply] : cases) {
    ASSERT_TRUE(one.send(command(words)));
    EXPECT_EQ(one.read(reply.size()), reply) << words[0];
    commands += command(words);
    replies += reply;
  }
  EXPECT_EQ(one.read_all(), "");  // after QUIT
  // The same in one pipeline, and with every byte in a write of its own.
  EXPECT_EQ(server.ask(commands + command({"PING"})), replies);
  RawClient slow = server.connect();
  ASSERT_TRUE(slow.send_bytewise(commands));
  EXPECT_EQ(slow.read_all(), replies);
}

TEST(RedisServerTest, SendsLargeValuesBackAsTheyCame) {
  const Server server({});
  std::mt19937 random(5);
  std::string commands, replies;
  for (const size_t size : {1023u, 1024u, 16384u, 16385u, 70000u, 1u << 20, 5u << 20}) {
    std::string value(size, '\0');
    for (char& c : value) c = static_cast<char>(random());
    const std::string name = "key of " + std::to_string(size) + std::string(size / 100, 'k');
    commands += command({"SET", name, value}) + command({"GET", name}) +
                command({"GETRANGE", name, "1000", "-2"}) + command({"APPEND", name, value}) +
                command({"GET", name});
    replies += "+OK\r\n" + bulk(value) + bulk(value.substr(1000, size - 1001)) + ":" +
               std::to_string(2 * size) + "\r\n" + bulk(value + value);
  }
  RawClient client = server.connect();
  std::thread sender([&] { EXPECT_TRUE(client.send(commands)); });
  const std::string got = client.read(replies.size());
  sender.join();
  EXPECT_TRUE(got == replies);
}

TEST(RedisServerTest, TellsWhatIsWrongAndClosesAndServesOthers) {
  const Server server({"--max_arguments=10", "--max_command=1000"});
  RawClient other = server.connect();
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "expected '*'"},
      {std::string(100000, '\xff'), "expected '*'"},
      {"*11\r\n", "invalid multibulk length"},
      {"*-5\r\n", "invalid multibulk length"},
      {"*1\r\n$-5\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
      {"*1\r\n$1001\r\n", "invalid bulk length"},
      {"*1\r\n$4\r\nPINGPING", "expected CRLF"},
  };
  for (const auto& [text, error] : cases) {
    RawClient client = server.connect();
    // What stands before is answered. What comes after the error may be refused by then.
    static_cast<void>(client.send(command({"PING"}) + text));
    const std::string reply = client.read_all();
    EXPECT_FALSE(client.timed_out()) << text;
    EXPECT_EQ(reply.find("+PONG\r\n-ERR Protocol error: " + error), 0u) << reply;
    ASSERT_TRUE(other.send(command({"PING"})));
    EXPECT_EQ(other.read(7), "+PONG\r\n");
  }
}

TEST(RedisServerTest, ClosesWithoutAnAnswerAfterHalfACommand) {
  const Server server({});
  const std::string whole = command({"SET", "k", "value"});
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(server.ask(whole.substr(0, n)), "") << n;
  EXPECT_EQ(server.ask(command({"EXISTS", "k"})), ":0\r\n");
}

TEST(RedisServerTest, ClosesWhoDoesNotCompleteACommandInTime) {
  const Server server({"--idle_seconds=2"});
  RawClient silent = server.connect(), slow = server.connect();
  // Every byte comes in time, but the command never ends.
  ASSERT_TRUE(slow.send("*1\r\n$500\r\n"));
  bool open = true;
  for (int i = 0; i < 300 && open; ++i) {
    ::usleep(100000);
    open = slow.send("x");
  }
  EXPECT_FALSE(open);
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_FALSE(silent.timed_out());
}

TEST(RedisServerTest, RefusesConnectionsAboveTheLimit) {
  const Server server({"--max_connections=3"});
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    ASSERT_TRUE(clients.back().send(command({"PING"})));
    EXPECT_EQ(clients.back().read(7), "+PONG\r\n");
  }
  EXPECT_EQ(server.connect().read_all(), "-ERR max number of clients reached\r\n");
  clients.pop_back();
  // The place is free when the server has seen the end.
  std::string reply;
  for (int i = 0; i < 100 && reply != "+PONG\r\n"; ++i) {
    ::usleep(20000);
    RawClient next = server.connect();
    static_cast<void>(next.send(command({"PING"})));
    reply = next.read(7);
  }
  EXPECT_EQ(reply, "+PONG\r\n");
}

TEST(RedisServerTest, WhoDoesNotReadHoldsUpNobodyAndNoMemory) {
  const Server server({"--max_unsent=1000000"});
  const std::string value(size_t{1} << 20, 'v');
  EXPECT_EQ(server.ask(command({"SET", "k", value})), "+OK\r\n");
  RawClient lazy = server.connect();
  constexpr int kGets = 200;
  std::string gets;
  for (int i = 0; i < kGets; ++i) gets += command({"GET", "k"});
  ASSERT_TRUE(lazy.send(gets));
  const std::string info = server.ask(command({"INFO"}));
  EXPECT_LT(field(info, "used_memory"), size_t{8} << 20);
  // All of it comes when it is read.
  for (int i = 0; i < kGets; ++i) ASSERT_TRUE(lazy.read(bulk(value).size()) == bulk(value)) << i;
}

TEST(RedisServerTest, HalfACommandDoesNotKeepTheBlocksThatOthersFill) {
  const Server server({});
  RawClient slow = server.connect();
  RawClient other = server.connect();
  const std::string value(16000, 'v');
  constexpr size_t kBytes = 2000;
  ASSERT_TRUE(slow.send("*3\r\n$4\r\nMGET\r\n$1\r\nk\r\n$2000\r\n"));
  for (size_t i = 0; i < kBytes; ++i) {
    ASSERT_TRUE(slow.send("n"));
    ASSERT_TRUE(other.send(command({"PING", value})));
    ASSERT_TRUE(other.read(bulk(value).size()) == bulk(value));
  }
  EXPECT_LT(field(server.ask(command({"INFO"})), "used_memory"), size_t{8} << 20);
  EXPECT_EQ(server.ask(command({"MSET", "k", "1", std::string(kBytes, 'n'), "2"})), "+OK\r\n");
  ASSERT_TRUE(slow.send("\r\n"));
  EXPECT_EQ(slow.read(18), "*2\r\n" + bulk("1") + bulk("2"));
}

TEST(RedisServerTest, OneCommandCannotAskForAReplyWithoutBound) {
  const Server server({});
  EXPECT_EQ(server.ask(command({"SET", "k", std::string(size_t{16} << 20, 'v')})), "+OK\r\n");
  std::vector<std::string> words(60000, "k");
  words[0] = "MGET";
  RawClient greedy = server.connect();
  ASSERT_TRUE(greedy.send(command(words)));
  EXPECT_THAT(greedy.read(8 + 11), StartsWith("*59999\r\n$16777216\r\n"));
  EXPECT_LT(field(server.ask(command({"INFO"})), "used_memory"), size_t{64} << 20);
}

TEST(RedisServerTest, StoresNothingAboveItsMemory) {
  const Server full({"--max_memory=1"});  // what it receives into is more
  for (const std::vector<std::string>& words : {std::vector<std::string>{"SET", "a", "b"},
                                                {"MSET", "a", "b"},
                                                {"APPEND", "a", "x"},
                                                {"INCR", "a"}}) {
    EXPECT_EQ(full.ask(command(words) + command({"EXISTS", "a"})),
              "-OOM command not allowed when used memory > 'max_memory'.\r\n:0\r\n")
        << words[0];
  }
  const Server server({"--max_memory=4000000"});
  RawClient client = server.connect();
  const std::string value(4000, 'v');
  std::string reply;
  size_t stored = 0;
  for (; reply.empty() && stored < 2000; ++stored) {
    ASSERT_TRUE(client.send(command({"SET", std::to_string(stored), value})));
    reply = client.read_until("\r\n");
    if (reply == "+OK\r\n") reply.clear();
  }
  EXPECT_THAT(reply, StartsWith("-OOM"));
  EXPECT_GT(stored, 100u);
  EXPECT_LT(stored, 1000u);
  EXPECT_EQ(server.ask(command({"FLUSHALL"}) + command({"PING"})), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(server.ask(command({"SET", "k", "v"})), "+OK\r\n");
}

TEST(RedisServerTest, OverwritingAtRandomKeepsTheMemoryWithinThePolicy) {
  const Server server({});
  RawClient client = server.connect();
  std::mt19937 random(11);
  constexpr size_t kKeys = 50;
  std::vector<size_t> sizes(kKeys);
  for (int i = 0; i < 4000; ++i) {
    const size_t k = random() % kKeys, size = 1 + random() % 40000;
    sizes[k] = size;
    ASSERT_TRUE(client.send(command({"SET", "k" + std::to_string(k), std::string(size, 'v')})));
    ASSERT_EQ(client.read(5), "+OK\r\n");
  }
  size_t stored = 0;
  for (const size_t size : sizes) stored += size;
  const std::string info = server.ask(command({"INFO"}));
  EXPECT_LE(field(info, "used_memory"), stored * 5 / 2 + (size_t{1} << 20));
  EXPECT_EQ(field(info, "db0:keys"), kKeys);
}

TEST(RedisServerTest, ThreadsShareOneStore) {
  const Server server({"--threads=4"});
  constexpr int kClients = 8, kEach = 500;
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&] {
      std::string commands;
      for (int i = 0; i < kEach; ++i) commands += command({"INCR", "n"});
      const std::string replies = server.ask(commands);
      EXPECT_EQ(std::count(replies.begin(), replies.end(), ':'), kEach);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.ask(command({"GET", "n"})), bulk(std::to_string(kClients * kEach)));
}

}  // namespace
