// A server for Redis's clients: commands, replies and options. README.md says what it can.
#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <absl/strings/str_cat.h>
#include <bight/dump.h>
#include <bight/memory.h>
#include <strings.h>

#include <charconv>
#include <string>

#include "examples/redis_server/resp.h"
#include "examples/redis_server/store.h"
#include "examples/support/epoll_server.h"
#include "examples/support/lean_chain.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:6379", "ADDRESS:PORT (0: any) or unix:PATH");
ABSL_FLAG(unsigned, threads, 1, "threads, each with an epoll");
ABSL_FLAG(size_t, max_connections, 10000, "connections");
ABSL_FLAG(size_t, max_unsent, 4 << 20, "bytes of replies; a connection with more is not read");
ABSL_FLAG(size_t, max_arguments, 65536, "arguments of a command");
ABSL_FLAG(size_t, max_command, 64 << 20, "bytes of a command, so of a value");
ABSL_FLAG(size_t, max_memory, size_t{8} << 30, "bytes; with more in use nothing is stored");
ABSL_FLAG(double, max_pin, 2.5, "a value keeps at most so many times its bytes of received blocks");
ABSL_FLAG(unsigned, idle_seconds, 300, "a connection without progress ends");
ABSL_FLAG(unsigned, seconds, 0, "the server ends after so long; 0: by SIGTERM or SIGINT");

namespace example {

constexpr size_t kShare = 1024;  // shorter values are copied into replies, others shared
constexpr size_t kMany = static_cast<size_t>(-1), kMaxReply = size_t{1} << 30;

// One client.
class Session : public Handler {
 public:
  explicit Session(Store& store) : store_(store) {}

  bool on_bytes(Connection& c) override {
    const std::lock_guard lock(store_.mutex);  // once for all commands that came together
    no_room_ = bight::memory_totals().live() > absl::GetFlag(FLAGS_max_memory);
    c_ = &c;
    bight::Cursor cursor(c.in);
    reader_.seek(cursor);
    auto status = bight::ReadStatus::ok;
    while (open_ && !c.full() && (status = reader_.next(cursor)) == bight::ReadStatus::ok) run();
    lean_.consume(c.in, reader_.take_done());
    if (status != bight::ReadStatus::malformed) return open_;
    return error(std::string("ERR Protocol error: ") + reader_.error), false;
  }

 private:
  using S = Session&;
  struct Command {
    std::string_view name;
    size_t least, most;  // arguments, with the name
    void (*run)(S);
  };
  static constexpr char kWrongCount[] = "ERR wrong number of arguments";
  static constexpr char kNoRoom[] = "OOM command not allowed when used memory > 'max_memory'.";

  void run() {
    static const std::vector<Command> kCommands = {
        {"get", 2, 2, [](S s) { s.value_of(s.text(1)); }},
        {"set", 3, 3, [](S s) { s.set(); }},
        {"mget", 2, kMany, [](S s) { s.mget(); }},
        {"mset", 3, kMany, [](S s) { s.set(); }},
        {"incr", 2, 2, [](S s) { s.incr(); }},
        {"del", 2, kMany, [](S s) { s.count_keys([&](auto k) { return s.store_.erase(k); }); }},
        {"exists", 2, kMany, [](S s) { s.count_keys([&](auto k) { return s.store_.get(k); }); }},
        {"append", 3, 3, [](S s) { s.append(); }},
        {"strlen", 2, 2, [](S s) { s.line(":", s.value(1).size()); }},
        {"getrange", 4, 4, [](S s) { s.getrange(); }},
        {"ping", 1, 2, [](S s) { s.count() == 1 ? s.line("+", "PONG") : s.bulk(s.text(1)); }},
        {"echo", 2, 2, [](S s) { s.bulk(s.text(1)); }},
        {"flushall", 1, 2, [](S s) { s.store_.clear(), s.ok(); }},
        {"info", 1, kMany, [](S s) { s.info(); }},
        {"command", 1, kMany, [](S s) { s.line("*", 0); }},
        {"hello", 1, 2, [](S s) { s.hello(); }},
        {"config", 3, 3, [](S s) { s.config(); }},
        {"client", 2, 4, [](S s) { s.client(); }},
        {"select", 2, 2,
         [](S s) { s.is(1, "0") ? s.ok() : s.error("ERR DB index is out of range"); }},
        {"quit", 1, 1, [](S s) { s.open_ = false, s.ok(); }},
    };
    flat_.clear();
    for (const Command& c : kCommands) {
      if (!is(0, c.name)) continue;
      return count() >= c.least && count() <= c.most ? c.run(*this) : error(kWrongCount);
    }
    error("ERR unknown command '" + bight::debug_string(text(0).substr(0, 64)) + "'");
  }

  size_t count() const { return reader_.arguments.size(); }
  size_t size(size_t i) const { return reader_.arguments[i].size; }
  // Until the command is done. Copied if it straddles segments.
  std::string_view text(size_t i) {
    RespReader::Argument& argument = reader_.arguments[i];
    if (argument.data == nullptr) {
      flat_.push_back(chain(i).flatten());
      argument.data = flat_.back().chars();
    }
    return {argument.data, argument.size};
  }
  bight::Chain chain(size_t i) { return c_->in.slice(reader_.arguments[i].position, size(i)); }
  bool is(size_t i, std::string_view word) {
    return size(i) == word.size() && ::strncasecmp(text(i).data(), word.data(), word.size()) == 0;
  }
  std::optional<int64_t> number(std::string_view digits) {
    int64_t value = 0;
    const auto failed = std::from_chars(digits.data(), digits.data() + digits.size(), value).ec;
    // As in Redis there is one way to write a number: not "007", not "-0".
    if (failed == std::errc() && std::to_string(value) == digits) return value;
    return error("ERR value is not an integer or out of range"), std::nullopt;
  }

  void line(std::string_view type, const absl::AlphaNum& value) {
    c_->out.append(type);
    c_->out.append(value.Piece());
    c_->out.append("\r\n");
  }
  void ok() { line("+", "OK"); }
  void null() { resp3_ ? line("_", "") : line("$", -1); }
  void map(size_t n) { resp3_ ? line("%", n) : line("*", 2 * n); }
  void error(const std::string& message) { line("-", message); }
  void bulk(std::string_view bytes) {
    line("$", bytes.size());
    c_->out.append(bytes);
    c_->out.append("\r\n");
  }
  void bulk(const bight::Chain& bytes) {
    line("$", bytes.size());
    if (bytes.size() < kShare && bytes.segment_count() == 1) {
      c_->out.append(bytes.front());
    } else {
      c_->out.push_back(bytes);  // shares
    }
    c_->out.append("\r\n");
  }
  void value_of(std::string_view key) {
    const bight::Chain* const value = store_.get(key);
    ++(value != nullptr ? store_.hits : store_.misses);
    value != nullptr ? bulk(*value) : null();
    open_ = c_->out.size() < kMaxReply;  // else what is there is sent, and the connection ends
  }
  void set() {  // one pair or more
    if (count() % 2 == 0) return error(kWrongCount);
    if (no_room_) return error(kNoRoom);
    for (size_t i = 1; i < count(); i += 2) store_.set(text(i), chain(i + 1));
    ok();
  }
  void mget() {
    line("*", count() - 1);
    for (size_t i = 1; open_ && i < count(); ++i) value_of(text(i));
  }
  void count_keys(auto counts) {
    size_t n = 0;
    for (size_t i = 1; i < count(); ++i) n += counts(text(i)) ? 1 : 0;
    line(":", n);
  }
  void incr() {
    const bight::Chain old = value(1);
    const std::string digits = old.size() > 20 ? "" : old.to_string();
    const std::optional<int64_t> before = store_.get(text(1)) != nullptr ? number(digits) : 0;
    if (!before) return;
    if (no_room_) return error(kNoRoom);
    if (*before == INT64_MAX) return error("ERR increment or decrement would overflow");
    store_.set(text(1), bight::Chain(bight::Bytes::copy_of(std::to_string(*before + 1))));
    line(":", *before + 1);
  }
  bight::Chain value(size_t key) {  // empty if there is none
    const bight::Chain* const value = store_.get(text(key));
    return value != nullptr ? *value : bight::Chain();
  }
  void append() {
    bight::Chain both = value(1);
    both.push_back(chain(2));
    const size_t n = both.size();
    if (n > absl::GetFlag(FLAGS_max_command))
      return error("ERR string exceeds maximum allowed size");
    if (no_room_) return error(kNoRoom);
    store_.set(text(1), std::move(both));
    line(":", n);
  }
  void getrange() {
    const std::optional<int64_t> from = number(text(2)), to = from ? number(text(3)) : from;
    if (!to) return;
    const bight::Chain old = value(1);
    const auto n = static_cast<int64_t>(old.size());
    const auto place = [n](int64_t i) { return i >= 0 ? i : i < -n ? 0 : i + n; };
    const int64_t first = place(*from), last = std::min(place(*to), n - 1);
    if (first > last || (*from < 0 && *to < *from)) return bulk("");
    bulk(old.slice(static_cast<size_t>(first), static_cast<size_t>(last - first + 1)));
  }
  void info() {
    bulk(absl::StrCat("redis_version:7.0.0\r\nused_memory:", bight::memory_totals().live(),
                      "\r\nkeyspace_hits:", store_.hits, "\r\nkeyspace_misses:", store_.misses,
                      "\r\ndb0:keys=", store_.size(), ",expires=0,avg_ttl=0\r\n"));
  }
  void hello() {
    const std::optional<int64_t> version = count() > 1 ? number(text(1)) : resp3_ ? 3 : 2;
    if (!version) return;
    if (*version != 2 && *version != 3) return error("NOPROTO unsupported protocol version");
    resp3_ = *version == 3;
    map(3);
    for (const char* word : {"server", "bight", "version", "7.0.0", "proto"}) bulk(word);
    line(":", *version);
  }
  void client() { is(1, "setname") || is(1, "setinfo") ? ok() : error("ERR unknown subcommand"); }
  void config() {
    if (!is(1, "get")) return error("ERR CONFIG GET is all there is");
    const bool save = is(2, "save"), known = save || is(2, "appendonly");
    map(known ? 1 : 0);  // what benchmarks ask for
    if (known) bulk(text(2)), bulk(save ? "" : "no");
  }

  Store& store_;
  RespReader reader_{absl::GetFlag(FLAGS_max_arguments), absl::GetFlag(FLAGS_max_command)};
  LeanChain lean_;                  // for the command that is not complete
  Connection* c_ = nullptr;         // of the call of on_bytes
  std::vector<bight::Bytes> flat_;  // arguments of the command that straddle segments
  bool resp3_ = false, open_ = true, no_room_ = false;
};

}  // namespace example

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const example::ServerOptions options{
      .listen = absl::GetFlag(FLAGS_listen),
      .threads = absl::GetFlag(FLAGS_threads),
      .max_connections = absl::GetFlag(FLAGS_max_connections),
      .max_unsent = absl::GetFlag(FLAGS_max_unsent),
      .receive_block = size_t{16} << 10,  // small, so that few values need compaction
      .idle_seconds = absl::GetFlag(FLAGS_idle_seconds),
      .seconds = absl::GetFlag(FLAGS_seconds),
      .refusal = "-ERR max number of clients reached\r\n"};
  example::Store store(absl::GetFlag(FLAGS_max_pin));
  return example::serve(options, [&] { return std::make_unique<example::Session>(store); });
}
