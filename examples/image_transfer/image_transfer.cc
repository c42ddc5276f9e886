// Serves and fetches images over TCP without copying them. README.md: use and protocol.
#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/copy_audit.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/file.h>
#include <bight/io/read.h>
#include <bight/io/write.h>
#include <bight/memory.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "examples/image_transfer/crc32c.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0", "serve: HOST:PORT; port 0 takes a free one");
ABSL_FLAG(uint32_t, max_connections, 64, "serve: refuse more at once");
ABSL_FLAG(uint32_t, timeout, 30, "give up a peer that is silent for so many seconds");
ABSL_FLAG(std::string, o, "", "fetch: the file to write; default: the image's name");
ABSL_FLAG(uint32_t, parts, 1, "fetch: in so many parts");
ABSL_FLAG(uint32_t, connections, 1, "fetch: over so many connections");
ABSL_FLAG(uint32_t, repeat, 1, "fetch: so many times, into the same memory");
ABSL_FLAG(bool, scattered, false, "fetch: keep the parts as separate buffers");
ABSL_FLAG(bool, raw, false, "fetch: with plain calls on both sides, to compare with");
ABSL_FLAG(uint64_t, max_bytes, uint64_t{4} << 30, "fetch: refuse larger images");

namespace {

using namespace bight;    // NOLINT
using namespace example;  // NOLINT
using Clock = std::chrono::steady_clock;

constexpr uint32_t kAsk = 0x62697431, kAskRaw = 0x62697430, kAnswer = 0x62697432;
constexpr size_t kRequestSize = 16, kAnswerSize = 32, kMaxText = 255;
constexpr size_t kReadSize = size_t{1} << 20;
constexpr size_t kAhead = 32;  // requests under way on one connection
constexpr WriteOptions kNeverGather{.gather_below = 0};

std::vector<std::string> temporaries;  // what to remove when the program dies, in reverse order
pid_t child = 0;                       // and what to stop

void clean_up() {
  if (child > 0) ::kill(child, SIGTERM);
  for (size_t i = temporaries.size(); i-- > 0;) std::remove(temporaries[i].c_str());
}
void on_signal(int number) {
  clean_up();
  ::signal(number, SIG_DFL);
  ::raise(number);
}
// One line and exit 1, from any thread; the first one speaks.
[[noreturn]] void die(const std::string& message) {
  static std::atomic_flag dying = ATOMIC_FLAG_INIT;
  while (dying.test_and_set()) ::pause();
  std::fprintf(stderr, "%simage_transfer: %s\n", ::isatty(2) ? "\r\033[K" : "", message.c_str());
  clean_up();
  std::_Exit(1);
}
void check(const IoResult& result, const std::string& what) {
  if (result.kind == IoKind::eof) die(what + ": ends too early");
  if (result.kind == IoKind::would_block) die(what + ": silent for too long");
  if (result.kind == IoKind::error) die(what + ": " + result.message());
}
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}
// KiB of this process's memory: "VmRSS:" now, "VmHWM:" at most so far.
long memory_kib(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::atol(&line[std::strlen(key)]);
  }
  return 0;
}
long page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// Where part `i` of `n` begins: the first size % n parts are one byte longer than the others.
size_t part_begin(size_t size, size_t i, size_t n) { return size / n * i + std::min(i, size % n); }

// Splits HOST:PORT or [HOST]:PORT and connects to it, or listens there.
File open_socket(const std::string& address, bool listening) {
  const size_t colon = std::min(address.rfind(':'), address.size());
  if (colon == address.size()) die(address + ": not of the form HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int failed = ::getaddrinfo(host.c_str(), &address[colon + 1], &hints, &found);
  if (failed != 0) die(address + ": " + ::gai_strerror(failed));
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    File file(::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (listening) ::setsockopt(file.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if ((listening ? ::bind : ::connect)(file.fd(), a->ai_addr, a->ai_addrlen) == 0 &&
        (!listening || ::listen(file.fd(), SOMAXCONN) == 0)) {
      ::freeaddrinfo(found);
      return file;
    }
  }
  die(address + ": " + std::strerror(errno));
}
void set_options(int fd) {
  const int on = 1;
  const timeval timeout{absl::GetFlag(FLAGS_timeout), 0};
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

// ---- serve ---------------------------------------------------------------------------------------

struct Image {
  static constexpr size_t kStep = size_t{16} << 10;
  Bytes bytes;
  std::vector<uint32_t> crcs;  // element k: of the first k * kStep bytes

  explicit Image(const std::string& path) : crcs{0} {
    File file;
    uint64_t size = 0;
    check(file.open(path.c_str(), O_RDONLY), path);
    check(file.size(size), path);
    BytesBuilder room(size);
    check(read_exactly(file, room, size), path);
    bytes = std::move(room).freeze();
    for (size_t end = kStep; end <= size; end += kStep) {
      crcs.push_back(crc32c_extend(crcs.back(), bytes.span().subspan(end - kStep, kStep)));
    }
  }
  // Of any part, reading next to nothing of it.
  uint32_t crc(size_t begin, size_t end) const {
    const auto crc_to = [this](size_t n) {
      return crc32c_extend(crcs[n / kStep], bytes.span().subspan(n - n % kStep, n % kStep));
    };
    return crc32c_combine(crc_to(begin), crc_to(end), end - begin);
  }
};
using Images = std::map<std::string, Image, std::less<>>;

// A header, encoded in place so that CopyAudit counts payload alone, and what follows it.
Chain make_answer(bool refused, size_t image_size, uint32_t crc, Bytes payload) {
  BytesBuilder header(kAnswerSize);
  SpanWriter out(header.prepare(kAnswerSize));
  out.put_be<uint32_t>(kAnswer);
  out.put_be<uint32_t>(refused);
  out.put_be<uint64_t>(image_size);
  out.put_be<uint64_t>(payload.size());
  out.put_be<uint32_t>(crc);
  out.put_be<uint32_t>(crc32c(out.written()));
  header.commit(kAnswerSize);
  Chain answer(std::move(header).freeze());
  answer.push_back(std::move(payload));
  return answer;
}

// Answers requests until the peer ends, is silent for too long, or is refused for good.
void serve_connection(const Images& images, int fd, bool too_many) {
  FdSource in(fd);
  for (bool stay = true; stay;) {
    BytesBuilder request(kRequestSize + kMaxText);
    if (read_exactly(in, request, kRequestSize).kind != IoKind::data) return;
    const auto number = [&](size_t at) { return load_be<uint32_t>(request.data() + at); };
    const uint32_t kind = number(0), part = number(4), parts = number(8), name_size = number(12);
    const bool sane = (kind == kAsk || kind == kAskRaw) && name_size <= kMaxText;
    if (sane && read_exactly(in, request, name_size).kind != IoKind::data) return;
    const std::string_view name = request.view().substr(kRequestSize);
    const auto found = images.find(name);
    const size_t size = found != images.end() ? found->second.bytes.size() : 0;
    const char* const refusal = too_many                               ? "too many connections"
                                : !sane                                ? "garbled request"
                                : name.find('/') != name.npos          ? "a name has no slash"
                                : found == images.end()                ? "no image of that name"
                                : parts > std::max(size, size_t{1})    ? "more parts than bytes"
                                : part >= std::max(parts, uint32_t{1}) ? "part out of range"
                                                                       : nullptr;
    Chain answer;
    if (refusal != nullptr) {
      answer = make_answer(true, 0, 0, Bytes::from_static_unchecked(refusal));
    } else if (parts == 0) {
      answer = make_answer(false, size, found->second.crc(0, size), Bytes());
    } else {
      const Image& image = found->second;
      const size_t begin = part_begin(size, part, parts);
      const size_t end = part_begin(size, size_t{part} + 1, parts);
      const Bytes payload = image.bytes.slice(begin, end - begin);
      if (kind == kAsk) answer = make_answer(false, size, image.crc(begin, end), payload);
      for (size_t sent = 0; kind == kAskRaw && sent < payload.size();) {
        const ssize_t n = ::send(fd, payload.data() + sent, payload.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<size_t>(n);
      }
    }
    stay = sane && !too_many;
    if (write_all(FdSink(fd, FdKind::socket), answer, kNeverGather).kind != IoKind::data) return;
  }
}

[[noreturn]] void serve(const std::vector<std::string>& paths) {
  const long base = memory_kib("VmRSS:");
  Images images;
  for (const std::string& path : paths) {
    const std::string name = std::filesystem::path(path).filename();
    if (!images.try_emplace(name, path).second) die(path + ": a second file of that name");
  }
  const std::string where = absl::GetFlag(FLAGS_listen);
  const File listener = open_socket(where, true);
  sockaddr_in6 address{};
  socklen_t length = sizeof(address);
  ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("listening on %s:%d\n", where.substr(0, where.rfind(':')).c_str(),
              ntohs(address.sin6_port));  // where sin_port is, too
  std::fflush(stdout);

  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTERM);
  ::sigaddset(&stop, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::thread([stop, base] {
    int number = 0;
    ::sigwait(&stop, &number);
    std::printf("stopped: %zu bytes copied by the library, peak memory %ld KiB\n",
                size_t{CopyAudit::process_totals().copied}, memory_kib("VmHWM:") - base);
    std::fflush(stdout);
    std::_Exit(0);  // open connections end with the process
  }).detach();
  std::atomic<uint32_t> open{0};
  const uint32_t limit = absl::GetFlag(FLAGS_max_connections);
  for (;;) {
    const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 || open >= limit + 16) {  // a few more are told why they are refused
      ::close(fd);
      ::usleep(1000);
      continue;
    }
    set_options(fd);
    std::thread([&images, &open, fd, too_many = open++ >= limit] {
      serve_connection(images, fd, too_many);
      --open;
      ::close(fd);
    }).detach();
  }
}

// ---- fetch ---------------------------------------------------------------------------------------

class Fetcher {
 public:
  Fetcher(const std::string& address, const std::string& name) : address_(address), name_(name) {
    if (connections_ == 0) die("--parts and --connections are at least 1");
    if (name.size() > kMaxText) die(name + ": a name has at most 255 bytes");
    while (sockets_.size() < connections_) {
      sockets_.push_back(open_socket(address, false));
      set_options(sockets_.back().fd());
    }
    ask(0, kAsk, 0, 0);
    crc_ = read_answer(0, 0, size_);
    if (size_ > absl::GetFlag(FLAGS_max_bytes)) die(name + ": is larger than --max_bytes");
    if (parts_ > std::max(size_, uint64_t{1})) die(name + ": more parts than bytes");
    CacheLimits limits;
    limits.large_bytes = size_ + size_ / 4;  // so that the next image comes into the same memory
    set_cache_limits(limits);
  }

  // Receives and verifies the image once. Returns the seconds it took.
  double run() {
    const bool scattered = absl::GetFlag(FLAGS_scattered), raw = absl::GetFlag(FLAGS_raw);
    buffers_.clear();
    received_ = 0;
    const Clock::time_point start = Clock::now();
    BytesBuilder room(scattered ? 0 : size_);
    into_.clear();
    for (size_t i = 0; i < parts_; ++i) {
      if (scattered) room = BytesBuilder(part_size(i));
      into_.push_back(room.carve(part_size(i)));
    }
    crcs_.assign(parts_, 0);
    const auto work = [this, raw](size_t c) { raw ? receive_raw(c) : receive(c); };
    std::vector<std::thread> threads;
    for (size_t c = 1; c < connections_; ++c) threads.emplace_back(work, c);
    work(0);
    for (std::thread& thread : threads) thread.join();
    const double seconds = seconds_since(start);
    uint32_t crc = 0;
    for (size_t i = 0; i < parts_; ++i) crc = crc32c_combine(crc, crcs_[i], part_size(i));
    if (crc != crc_) die(name_ + ": wrong checksum");
    for (BytesBuilder& part : into_) {
      Bytes bytes = std::move(part).freeze();
      if (!buffers_.empty() && buffers_.back().try_join(std::move(bytes))) continue;
      buffers_.push_back(std::move(bytes));
    }
    return seconds;
  }
  Chain image() const {
    Chain all;
    for (const Bytes& buffer : buffers_) all.push_back(buffer);
    return all;
  }
  double gib_in(double seconds) const { return static_cast<double>(size_) / seconds / (1 << 30); }

 private:
  size_t part_size(size_t i) const {
    return part_begin(size_, i + 1, parts_) - part_begin(size_, i, parts_);
  }

  void ask(size_t c, uint32_t kind, size_t part, uint32_t parts) {
    BytesBuilder request(kRequestSize + name_.size());
    SpanWriter out(request.prepare(kRequestSize + name_.size()));
    out.put_be<uint32_t>(kind);
    out.put_be<uint32_t>(static_cast<uint32_t>(part));
    out.put_be<uint32_t>(parts);
    out.put_be<uint32_t>(static_cast<uint32_t>(name_.size()));
    out.append(name_);
    request.commit(out.size());
    Chain chain(std::move(request).freeze());
    // If the server has hung up, it has perhaps said why: reading tells.
    static_cast<void>(write_all(FdSink(sockets_[c].fd(), FdKind::socket), chain));
  }

  // Returns the checksum of the `size` bytes that follow.
  uint32_t read_answer(size_t c, uint64_t size, uint64_t& image_size) {
    FdSource in(sockets_[c].fd());
    BytesBuilder head(kAnswerSize + kMaxText);
    check(read_exactly(in, head, kAnswerSize), address_);
    const std::byte* const p = head.data();
    const bool refused = load_be<uint32_t>(p + 4) != 0;
    const uint64_t follows = load_be<uint64_t>(p + 16);
    if (load_be<uint32_t>(p) != kAnswer || load_be<uint32_t>(p + 28) != crc32c({p, 28}) ||
        (refused ? follows > kMaxText : follows != size)) {
      die(address_ + ": garbled header");
    }
    if (refused) {
      check(read_exactly(in, head, follows), address_);
      std::string why(head.view().substr(kAnswerSize));
      for (char& letter : why) letter = letter < ' ' || letter > '~' ? '?' : letter;
      die(address_ + " refuses: " + why);
    }
    image_size = load_be<uint64_t>(p + 8);
    return load_be<uint32_t>(p + 24);
  }

  // Receives the parts c, c + connections and so on, each straight into its place.
  void receive(size_t c) {
    FdSource in(sockets_[c].fd());
    for (size_t i = c, asked = c; i < parts_; i += connections_) {
      for (; asked < std::min<size_t>(parts_, i + kAhead * connections_); asked += connections_) {
        ask(c, kAsk, asked, parts_);
      }
      BytesBuilder& part = into_[i];
      uint64_t image_size = 0;
      const uint32_t expected = read_answer(c, part.spare(), image_size);
      if (image_size != size_) die(address_ + ": garbled header");
      while (part.spare() > 0) {
        const IoResult r = read_some(in, part, kReadSize);
        check(r, address_);
        crcs_[i] = crc32c_extend(crcs_[i], part.span().last(r.bytes));
        if (terminal_) show_progress(c, received_ += r.bytes);
      }
      if (crcs_[i] != expected) die(name_ + ": wrong checksum of part " + std::to_string(i));
    }
  }

  // The same as one writes it without a library.
  void receive_raw(size_t c) {
    for (size_t i = c; i < parts_; i += connections_) ask(c, kAskRaw, i, parts_);
    for (size_t i = c; i < parts_; i += connections_) {
      std::byte* const memory = into_[i].prepare(part_size(i)).data();
      for (size_t at = 0, end = part_size(i); at < end;) {
        const ssize_t n = ::read(sockets_[c].fd(), memory + at, std::min(kReadSize, end - at));
        if (n <= 0) die(address_ + ": ends too early");
        crcs_[i] = crc32c_extend(crcs_[i], {memory + at, static_cast<size_t>(n)});
        at += static_cast<size_t>(n);
      }
      into_[i].commit(part_size(i));
    }
  }

  void show_progress(size_t c, size_t bytes) const {
    const int percent = static_cast<int>(bytes * 100 / size_);
    if (c == 0) std::fprintf(stderr, "\r[%-50s] %3d %%", std::string(size_t(percent) / 2, '#').c_str(), percent);
  }

  const std::string address_, name_;
  const uint32_t parts_ = absl::GetFlag(FLAGS_parts);
  const uint32_t connections_ = std::min(absl::GetFlag(FLAGS_connections), parts_);
  const bool terminal_ = ::isatty(2) == 1;
  std::vector<File> sockets_;
  uint64_t size_ = 0;
  uint32_t crc_ = 0;                // of the whole, as the server says
  std::vector<BytesBuilder> into_;  // element i: where part i goes
  std::vector<uint32_t> crcs_;      // of what came
  std::vector<Bytes> buffers_;      // the image in one, or scattered
  std::atomic<size_t> received_{0};
};

void fetch(const std::string& address, const std::string& name) {
  const long base = memory_kib("VmRSS:");
  const std::string out = absl::GetFlag(FLAGS_o).empty() ? name : absl::GetFlag(FLAGS_o);
  Fetcher fetcher(address, name);
  const std::string temporary = out + "." + std::to_string(::getpid()) + ".part";
  temporaries.push_back(temporary);
  File file;
  check(file.open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW), temporary);
  std::vector<double> seconds;
  long faults = 0;
  for (uint32_t i = 0; i < absl::GetFlag(FLAGS_repeat) || i == 0; ++i) {
    seconds.push_back(fetcher.run());
    if (i == 0) faults = page_faults();
  }
  faults = page_faults() - faults;
  const double first = seconds[0];
  if (seconds.size() > 1) seconds.erase(seconds.begin());
  const Clock::time_point start = Clock::now();
  Chain image = fetcher.image();
  const size_t size = image.size(), buffers = image.segment_count();
  check(write_all(file, image), temporary);
  check(file.close(), temporary);
  if (::rename(temporary.c_str(), out.c_str()) != 0) die(out + ": " + std::strerror(errno));
  temporaries.clear();
  const auto rounds = static_cast<double>(std::max(seconds.size(), size_t{1}));
  std::printf(
      "%s: %zu bytes in %zu buffers: %.3f GiB/s (first %.3f), %.1f page faults an image, written in "
      "%.3f s, %zu bytes copied by the library, peak memory %ld KiB\n",
      name.c_str(), size, buffers, fetcher.gib_in(median(seconds)), fetcher.gib_in(first),
      static_cast<double>(faults) / rounds, seconds_since(start),
      size_t{CopyAudit::process_totals().copied}, memory_kib("VmHWM:") - base);
}

// ---- demo ----------------------------------------------------------------------------------------

// Starts this program anew; what it prints comes out of the result.
FILE* start(std::vector<std::string> arguments, pid_t& pid) {
  int ends[2];
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (::pipe2(ends, O_CLOEXEC) != 0 ||
      ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1) != 0 ||
      ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ) != 0) {
    die("cannot start a process");
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  return ::fdopen(ends[0], "r");
}

struct Scheme {
  const char* name;
  const char* parts;
  const char* connections;
  const char* option;
  size_t rival;  // the raw scheme it is compared with
};
constexpr Scheme kSchemes[] = {
    {"raw, 1 connection", "1", "1", "--raw", 0},     {"the same again", "1", "1", "--raw", 0},
    {"whole", "1", "1", "--noraw", 0},               {"raw, 4 connections", "100", "4", "--raw", 3},
    {"the same again", "100", "4", "--raw", 3},      {"parts", "100", "4", "--noraw", 3},
    {"scattered", "100", "4", "--scattered", 3},
};
struct Figures {
  double speed, first, faults, writing, copied[2], peak[2];  // [0]: fetch, [1]: serve
};

Figures transfer(const std::string& file, const std::string& out, const Scheme& scheme,
                 const char* repeat) {
  pid_t pid = 0;
  char address[64];
  Figures f{};
  FILE* const served = start({"image_transfer", "serve", file}, child);
  if (std::fscanf(served, "listening on %63s ", address) != 1) die("demo: serve failed");
  FILE* const fetched =
      start({"image_transfer", "fetch", address, std::filesystem::path(file).filename(), "-o", out,
             "--parts", scheme.parts, "--connections", scheme.connections, "--repeat", repeat,
             scheme.option}, pid);
  const int got = std::fscanf(fetched,
                  "%*s %*u bytes in %*u buffers: %lf GiB/s (first %lf), %lf page faults an image, "
                  "written in %lf s, %lf bytes copied by the library, peak memory %lf",
                  &f.speed, &f.first, &f.faults, &f.writing, &f.copied[0], &f.peak[0]);
  ::waitpid(pid, nullptr, 0);
  ::kill(child, SIGTERM);
  if (std::fscanf(served, "stopped: %lf bytes copied by the library, peak memory %lf",
                  &f.copied[1], &f.peak[1]) != 2 || got != 6) die("demo: fetch failed");
  ::waitpid(std::exchange(child, 0), nullptr, 0);
  std::fclose(served);
  std::fclose(fetched);
  return f;
}

// Prints the table of one image; true if all bars but that of the speed are held.
bool measure(const std::string& file, const std::string& out, size_t rounds, const char* repeat) {
  constexpr size_t kCount = std::size(kSchemes);
  std::vector<Figures> runs[kCount];
  for (size_t i = 0; i < rounds * kCount; ++i) {
    const size_t s = (i + i / kCount) % kCount;  // each round begins with another scheme
    runs[s].push_back(transfer(file, out, kSchemes[s], repeat));
    if (::isatty(2)) std::fprintf(stderr, "\r%zu of %zu runs\033[K", i + 1, rounds * kCount);
  }
  const auto middle = [&](size_t s, const auto& of) {
    std::vector<double> values;
    for (size_t i = 0; i < rounds; ++i) values.push_back(of(runs[s][i], runs[kSchemes[s].rival][i]));
    return median(values);
  };
  const auto size = static_cast<double>(std::filesystem::file_size(file));
  if (::isatty(2)) std::fprintf(stderr, "\r\033[K");
  std::printf("\n%s, %.2f MiB, %zu rounds of %s images\n", file.c_str(), size / 1048576, rounds, repeat);
  std::printf("%-18s  GiB/s  of raw (bar)          first  written  copied      peak memory (x)    faults\n", "");
  const auto held = [](bool yes) { return yes ? "held" : "MISSED"; };
  bool all = true;
  for (size_t s = 0; s < kCount; ++s) {
    const auto ratio = [](const Figures& a, const Figures& b) { return a.speed / b.speed; };
    const double of_raw = middle(s, ratio), again = middle(kSchemes[s].rival + 1, ratio);
    const double bar = again - (kSchemes[s].rival == 0 ? 0.05 : 0.10);
    const bool raw = s <= kSchemes[s].rival + 1;
    double copied = 0, most = 0, faults = 0;
    for (const Figures& f : runs[s]) {
      copied = std::max({copied, f.copied[0], f.copied[1]});
      most = std::max({most, f.peak[0], f.peak[1]});
      faults = std::max(faults, f.faults);
    }
    const bool lean = most * 1024 <= 1.05 * size + 2097152;
    std::printf("%-18s %6.2f  %5.3f", kSchemes[s].name, middle(s, [](auto& a, auto&) { return a.speed; }), of_raw);
    std::printf(raw ? "                " : " (%.3f %s)", bar, held(of_raw >= bar));
    std::printf("%6.2f  %5.3f s ", middle(s, [](auto& a, auto&) { return a.first; }), middle(s, [](auto& a, auto&) { return a.writing; }));
    std::printf(" %.0f %s  %.3f %s  %.0f %s\n", copied, held(copied == 0), most * 1024 / size, held(lean), faults, held(faults <= 64));
    all = all && copied == 0 && lean && faults <= 64;
  }
  return all;
}

int demo(const std::string& file) {
  std::string folder = std::filesystem::temp_directory_path() / "image_transfer.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) die(folder + ": " + std::strerror(errno));
  const std::string big = folder + "/256MiB", out = folder + "/out";
  temporaries = {folder, big, out};
  Chain content;
  for (const Image image(file); content.size() < size_t{256} << 20;) content.push_back(image.bytes);
  content.truncate(size_t{256} << 20);
  File to;
  check(to.open(big.c_str(), O_WRONLY | O_CREAT), big);
  check(write_all(to, content), big);
  const bool held = measure(file, out, 9, "100") & measure(big, out, 9, "6");
  clean_up();
  return held ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<char*> words = absl::ParseCommandLine(argc, argv);
  const std::vector<std::string> arguments(words.begin() + 1, words.end());
  const std::string verb = arguments.empty() ? "" : arguments[0];
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like others
  if (verb == "serve" && arguments.size() > 1) serve({arguments.begin() + 1, arguments.end()});
  ::signal(SIGINT, on_signal);
  ::signal(SIGTERM, on_signal);
  if (verb == "fetch" && arguments.size() == 3) {
    fetch(arguments[1], arguments[2]);
    return 0;
  }
  if (verb == "demo" && arguments.size() <= 2) {
    return demo(arguments.size() == 2 ? arguments[1] : IMAGE_TRANSFER_PICTURE);
  }
  die("use: serve FILE... | fetch HOST:PORT NAME -o OUT | demo [FILE]; --help lists the options");
}
