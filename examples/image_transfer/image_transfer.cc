// Serves and fetches images over TCP without copying them. README.md: use and protocol.
#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>
#include <bight/copy_audit.h>
#include <bight/cursor.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/file.h>
#include <bight/io/read.h>
#include <bight/io/whole_file.h>
#include <bight/io/write.h>
#include <bight/memory.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <thread>
#include <tuple>
#include <vector>

#include "examples/image_transfer/mat_support.h"
#include "examples/support/crc32c.h"
#include "examples/support/process.h"
#include "examples/support/tcp.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0", "serve: HOST:PORT; port 0 takes a free one");
ABSL_FLAG(uint32_t, max_connections, 64, "serve: refuse more at once");
ABSL_FLAG(bool, hook, false,
          "serve: answer with views that call back when their last byte has left");
ABSL_FLAG(bool, mat, false, "serve: a picture's pixels, by OpenCV; fetch: write a picture of them");
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

void check(const IoResult& result, const std::string& what) {
  if (result.kind == IoKind::eof) die(what + ": ends too early");
  if (result.kind == IoKind::would_block) die(what + ": silent for too long");
  if (result.kind == IoKind::error) die(what + ": " + result.message());
}

// ---- What goes over the wire ---------------------------------------------------------------

// kind, two numbers, CRC-32C of what follows, its length
using Header = std::array<uint64_t, 5>;
enum : uint64_t { kAsk = 0x6269676874000001, kAskRaw, kAnswer, kRefusal };
constexpr size_t kHeaderSize = 48, kMaxText = 255, kMaxAsks = 4096;  // bytes
constexpr size_t kReadSize = size_t{1} << 20;

// Where part `i` of `n` begins: the first size % n parts are one byte longer than the others.
size_t part_begin(size_t size, size_t i, size_t n) { return size / n * i + std::min(i, size % n); }

// Writes a header where it will be sent from, so that CopyAudit counts payload alone.
void put_header(SpanWriter& out, const Header& header) {
  for (const uint64_t number : header) out.put_be<uint64_t>(number);
  out.put_be<uint64_t>(crc32c(out.written().last(40)));
}
// False: garbled. Precondition: kHeaderSize bytes are left.
bool read_header(Cursor& in, Header& header) {
  uint32_t crc = 0;
  for (Cursor c = in.limit(40); !c.at_end(); c.skip(c.window().size())) {
    crc = crc32c_extend(crc, c.window());
  }
  for (uint64_t& number : header) number = in.read_be<uint64_t>();
  return in.read_be<uint64_t>() == crc;
}

// ---- serve ---------------------------------------------------------------------------------

struct Image {
  static constexpr size_t kStep = 4096;
  Bytes bytes;
  uint64_t layout = 0;            // of a picture's pixels, else 0
  std::vector<uint32_t> crcs{0};  // element k: of the first k * kStep bytes

  explicit Image(const std::string& path) {
    if (absl::GetFlag(FLAGS_mat)) {
      std::tie(bytes, layout) = mat_support().load(path);
    } else {
      Chain content;  // one segment
      check(read_file(path.c_str(), content, {.map_from = SIZE_MAX}), path);
      bytes = content.flatten();
    }
    for (size_t end = kStep; end <= bytes.size(); end += kStep) {
      crcs.push_back(crc32c_extend(crcs.back(), bytes.span().subspan(end - kStep, kStep)));
    }
  }
  uint32_t crc_to(size_t n) const {
    return crc32c_extend(crcs[n / kStep], bytes.span().subspan(n - n % kStep, n % kStep));
  }
  // Of any part, reading next to nothing of it.
  uint32_t crc(size_t begin, size_t end) const {
    return crc32c_combine(crc_to(begin), crc_to(end), end - begin);
  }
};
using Images = std::map<std::string, Image, std::less<>>;

std::atomic<size_t> sent_whole{0};  // answers whose last byte has left, with --hook

void push_answer(Chain& answers, Header header, const Bytes& body) {
  header[4] = body.size();
  BytesBuilder head(kHeaderSize);
  SpanWriter out(head.prepare(kHeaderSize));
  put_header(out, header);
  head.commit(out.size());
  answers.push_back(std::move(head).freeze());
  answers.push_back(body);
}

// Answers what comes, all requests that are there in one gather write, until the peer leaves or
// errs.
void serve_peer(const Images& images, int fd, bool too_many) {
  ChainBuilder room;
  Chain received, answers;
  const auto send = [&] {
    const WriteOptions options{.gather_below = 0};
    return write_all(FdSink(fd, FdKind::socket), answers, options).kind == IoKind::data;
  };
  for (bool open = true; open;) {
    Cursor in(received);
    Header ask{};
    const bool whole = in.remaining() >= kHeaderSize;
    const bool sane = whole && read_header(in, ask) && (ask[0] == kAsk || ask[0] == kAskRaw) &&
                      ask[4] <= kMaxText && ask[1] <= UINT32_MAX && ask[2] <= UINT32_MAX;
    const auto [kind, part, parts, crc, name_size] = ask;
    const std::optional<Chain> name = in.try_read_chain(sane ? name_size : 0);
    if (!whole || !name) {
      if (!send() || read_some(FdSource(fd), room, kMaxAsks).kind != IoKind::data) return;
      received.push_back(room.take());
      continue;
    }
    received.consume(in.position());
    const auto found = images.find(*name);
    const size_t size = found != images.end() ? found->second.bytes.size() : 0;
    const std::string_view refusal = too_many                            ? "too many connections"
                                     : !sane                             ? "garbled header"
                                     : name->find('/')                   ? "a name has no slash"
                                     : found == images.end()             ? "no image of that name"
                                     : parts > std::max(size, size_t{1}) ? "more parts than bytes"
                                     : part >= std::max(parts, uint64_t{1}) ? "part out of range"
                                                                            : "";
    if (!refusal.empty()) {
      push_answer(answers, {kRefusal}, Bytes::from_static_unchecked(refusal));
      open = sane && !too_many;
      continue;
    }
    const Image& image = found->second;
    if (parts == 0) {
      push_answer(answers, {kAnswer, size, image.layout, image.crc(0, size)}, {});
      continue;
    }
    const size_t begin = part_begin(size, part, parts), end = part_begin(size, part + 1, parts);
    Bytes payload = image.bytes.slice(begin, end - begin);
    if (kind == kAsk) {
      if (absl::GetFlag(FLAGS_hook))
        payload = Bytes::with_release(payload.span(), [] { ++sent_whole; });
      push_answer(answers, {kAnswer, size, part, image.crc(begin, end)}, payload);
      continue;
    }
    open = send();
    while (open && !payload.empty()) {
      const ssize_t n = ::send(fd, payload.data(), payload.size(), MSG_NOSIGNAL);
      open = n > 0;
      if (open) payload.remove_prefix(static_cast<size_t>(n));
    }
  }
  (void)send();
}

[[noreturn]] void serve(const std::vector<std::string>& paths) {
  const long base = memory_now_kib();
  Images images;
  for (const std::string& path : paths) {
    const std::string name = std::filesystem::path(path).filename();
    if (!images.try_emplace(name, path).second) die(path + ": a second file of that name");
  }
  const std::string where = absl::GetFlag(FLAGS_listen);
  const File listener = open_tcp(where, true, absl::GetFlag(FLAGS_timeout));
  sockaddr_in6 address{};
  socklen_t length = sizeof(address);
  ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("listening on %s%d\n", where.substr(0, where.rfind(':') + 1).c_str(),
              ntohs(address.sin6_port));  // IPv4 has its port there, too
  std::fflush(stdout);
  end_on_signals([base] {
    std::printf("stopped: %zu bytes copied by the library, peak memory %ld KiB, %zu hooks run\n",
                size_t{CopyAudit::process_totals().copied}, memory_peak_kib() - base,
                sent_whole.load());
  });
  std::atomic<uint32_t> open{0};
  const uint32_t limit = absl::GetFlag(FLAGS_max_connections);
  for (;;) {
    File socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open()) ::usleep(1000);
    if (!socket.is_open() || open >= limit + 16) continue;  // some are told why they are refused
    set_tcp_options(socket.fd(), absl::GetFlag(FLAGS_timeout));
    std::thread([&, too_many = open++ >= limit, peer = std::move(socket)] {
      serve_peer(images, peer.fd(), too_many);
      --open;
    }).detach();
  }
}

// ---- fetch ---------------------------------------------------------------------------------

struct Fetcher {
  static constexpr size_t kAhead = 32;  // requests under way on one connection
  const std::string address, name;
  const size_t ask_size = kHeaderSize + name.size();
  const uint32_t parts = absl::GetFlag(FLAGS_parts);
  const uint32_t connections = std::min(absl::GetFlag(FLAGS_connections), parts);
  const bool scattered = absl::GetFlag(FLAGS_scattered), terminal = ::isatty(2) == 1;
  const uint64_t kind = absl::GetFlag(FLAGS_raw) ? kAskRaw : kAsk;
  std::vector<File> sockets{};
  uint64_t size = 0, layout = 0, crc = 0;  // of the whole, as the server says
  std::vector<BytesBuilder> into{};        // element i: where part i goes
  std::vector<uint32_t> crcs{};            // of the parts that came
  std::vector<Bytes> buffers{};            // the image: in one, or scattered
  std::atomic<size_t> received{0};

  void connect() {
    if (connections == 0) die("--parts and --connections are at least 1");
    if (name.size() > kMaxText) die(name + ": a name has at most 255 bytes");
    while (sockets.size() < connections)
      sockets.push_back(open_tcp(address, false, absl::GetFlag(FLAGS_timeout)));
    for (size_t c = 0; c < connections; ++c) {
      (void)ask(c, 0, 1, 0);
      const Header whole = read_answer(c);
      size = whole[1];
      layout = whole[2];
      crc = whole[3];
    }
    if (size > absl::GetFlag(FLAGS_max_bytes)) die(name + ": is larger than --max_bytes");
    if (parts > std::max(size, uint64_t{1})) die(name + ": more parts than bytes");
    CacheLimits limits;
    limits.large_bytes = size + size / 4;  // so that the next image comes into the same memory
    set_cache_limits(limits);
  }
  size_t part_size(size_t i) const {
    return part_begin(size, i + 1, parts) - part_begin(size, i, parts);
  }
  // Asks over connection c for part `first` and every further one of that connection below `end`,
  // in one write. Returns the next one.
  size_t ask(size_t c, size_t first, size_t end, size_t of) {
    BytesBuilder room((end - first) / connections * ask_size + ask_size);
    SpanWriter out(room.prepare(room.spare()));
    for (; first < end; first += connections) {
      put_header(out, {kind, first, of, 0, name.size()});
      out.append(name);
    }
    room.commit(out.size());
    Chain asks(std::move(room).freeze());
    // If the server has hung up, it has perhaps said why: reading tells.
    (void)write_all(FdSink(sockets[c].fd(), FdKind::socket), asks);
    return first;
  }
  Header checked(const Bytes& head, uint64_t expected) const {
    Header answer{};
    Cursor in(head);
    const bool sound = read_header(in, answer);
    if (sound && answer[0] == kRefusal && answer[4] <= kMaxText) return answer;
    if (!sound || answer[0] != kAnswer || answer[4] != expected ||
        (size != 0 && answer[1] != size)) {
      die(address + ": garbled header");
    }
    return answer;
  }
  // The answer without a body to the first request of a connection.
  Header read_answer(size_t c) {
    BytesBuilder head(kHeaderSize), text(kMaxText);
    check(read_exactly(FdSource(sockets[c].fd()), head, kHeaderSize), address);
    const Header answer = checked(std::move(head).freeze(), 0);
    if (answer[0] == kAnswer) return answer;
    check(read_exactly(FdSource(sockets[c].fd()), text, answer[4]), address);
    for (std::byte& b : text) b = b < std::byte{' '} || b > std::byte{'~'} ? std::byte{'?'} : b;
    die(address + " refuses: " + std::string(text.view()));
  }
  // Receives the parts c, c + connections and so on, each straight into its place: one call takes
  // the rest of a part, the next header, the next part and so on, as far as they have come.
  void receive(size_t c) {
    std::array<std::array<std::byte, kHeaderSize>, kAhead> heads;
    std::array<iovec, 2 * kAhead> places;
    const auto slot = [&](size_t i) -> auto& { return heads[i / connections % kAhead]; };
    Header answer{};
    size_t asked = c, head = 0;  // bytes of the header of part i that have come
    for (size_t i = c; i < parts;) {
      if (asked < parts && asked - i <= kAhead / 2 * connections) {
        asked = ask(c, asked, std::min<size_t>(parts, i + kAhead * connections), parts);
      }
      size_t count = 0, offered = 0;
      for (size_t k = i; k < asked && offered < kReadSize; k += connections) {
        const auto before = std::span(slot(k)).subspan(k == i ? head : 0);
        const auto body = into[k].prepare(0).first(std::min(into[k].spare(), kReadSize));
        places[count++] = {before.data(), before.size()};
        places[count++] = {body.data(), body.size()};
        offered += before.size() + body.size();
      }
      const IoResult r = FdSource(sockets[c].fd()).read_some(std::span(places).first(count));
      check(r, address);
      for (size_t left = r.bytes; left > 0;) {
        const size_t of_head = std::min(left, kHeaderSize - head);
        head += of_head;
        left -= of_head;
        if (head < kHeaderSize) break;
        if (of_head > 0) answer = checked(Bytes::from_static_unchecked(slot(i)), part_size(i));
        if (answer[0] != kAnswer) die(address + ": refuses a part");
        const size_t of_body = std::min(left, into[i].spare());
        into[i].commit(of_body);
        left -= of_body;
        crcs[i] = crc32c_extend(crcs[i], into[i].span().last(of_body));
        if (terminal) show_progress(c, received += of_body);
        if (into[i].spare() > 0) break;
        if (crcs[i] != answer[3]) die(name + ": wrong checksum of part " + std::to_string(i));
        i += connections;
        head = 0;
      }
    }
  }
  // The same as one writes it without a library.
  void receive_raw(size_t c) {
    (void)ask(c, c, parts, parts);
    for (size_t i = c; i < parts; i += connections) {
      const auto memory = into[i].prepare(part_size(i)).first(part_size(i));
      for (size_t at = 0; at < memory.size();) {
        const ssize_t n =
            ::read(sockets[c].fd(), memory.data() + at, std::min(kReadSize, memory.size() - at));
        if (n <= 0) die(address + ": ends too early");
        crcs[i] = crc32c_extend(crcs[i], memory.subspan(at, static_cast<size_t>(n)));
        at += static_cast<size_t>(n);
      }
      into[i].commit(memory.size());
    }
  }
  void show_progress(size_t c, size_t bytes) const {
    const std::string bar(bytes * 50 / size, '#');
    if (c == 0) std::fprintf(stderr, "\r[%-50s] %3zu %%", bar.c_str(), bytes * 100 / size);
  }
  // Receives and verifies the image once. Returns GiB/s.
  double run() {
    buffers.clear();
    into.clear();
    crcs.assign(parts, 0);
    received = 0;
    const double start = seconds();
    BytesBuilder room(scattered ? 0 : size);
    for (size_t i = 0; i < parts; ++i) {
      if (scattered) room = BytesBuilder(part_size(i));
      into.push_back(room.carve(part_size(i)));
    }
    const auto work = [this](size_t c) { kind == kAsk ? receive(c) : receive_raw(c); };
    std::vector<std::thread> threads;
    for (size_t c = 1; c < connections; ++c) threads.emplace_back(work, c);
    work(0);
    for (std::thread& thread : threads) thread.join();
    const double took = seconds() - start;
    uint32_t combined = 0;
    for (size_t i = 0; i < parts; ++i) {
      combined = crc32c_combine(combined, crcs[i], part_size(i));
      Bytes part = std::move(into[i]).freeze();
      if (!buffers.empty() && buffers.back().try_join(std::move(part))) continue;
      buffers.push_back(std::move(part));
    }
    if (combined != crc) die(name + ": wrong checksum");
    return static_cast<double>(size) / took / (1 << 30);
  }
};

int fetch(const std::string& address, const std::string& name) {
  const long base = memory_now_kib();
  const std::string out = absl::GetFlag(FLAGS_o).empty() ? name : absl::GetFlag(FLAGS_o);
  const bool mat = absl::GetFlag(FLAGS_mat);
  if (mat && absl::GetFlag(FLAGS_scattered)) die("--mat takes one piece: not with --scattered");
  Fetcher fetcher{address, name};
  fetcher.connect();
  const std::string temporary = out + "." + std::to_string(::getpid()) + ".part";
  set_temporaries({temporary});
  File file;
  check(file.open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW), temporary);
  const double first = fetcher.run();
  std::vector<double> speeds;
  long faults = page_faults();
  while (speeds.size() + 1 < absl::GetFlag(FLAGS_repeat)) speeds.push_back(fetcher.run());
  faults = (page_faults() - faults) / std::max(static_cast<long>(speeds.size()), 1l);
  if (speeds.empty()) speeds = {first};
  const double start = seconds();
  Chain image;
  for (const Bytes& buffer : fetcher.buffers) image.push_back(buffer);
  if (mat) image = Chain(mat_support().save(image.flatten(), fetcher.layout, out));
  check(write_all(file, image), temporary);
  check(file.close(), temporary);
  if (::rename(temporary.c_str(), out.c_str()) != 0) die_of_errno(out);
  set_temporaries({});
  std::printf(
      "%s%zu bytes in %u parts over %u connections: %.3f GiB/s (first %.3f), written in "
      "%.3f s, %ld page faults an image, %zu bytes copied by the library, peak memory "
      "%ld KiB\n",
      fetcher.terminal ? "\r\033[K" : "", size_t{fetcher.size}, fetcher.parts, fetcher.connections,
      median(speeds), first, seconds() - start, faults, size_t{CopyAudit::process_totals().copied},
      memory_peak_kib() - base);
  return 0;
}

// ---- demo ----------------------------------------------------------------------------------

struct Scheme {
  const char *name, *parts, *connections, *option, *server_option;
  size_t rival;  // the raw scheme that it is compared with; that one's repetition follows it
};
constexpr Scheme kSchemes[] = {{"raw, 1 connection", "1", "1", "--raw", "--nohook", 0},
                               {"  the same again", "1", "1", "--raw", "--nohook", 0},
                               {"view and hook", "1", "1", "--noraw", "--hook", 0},
                               {"attachment", "1", "1", "--noraw", "--nohook", 0},
                               {"raw, 4 connections", "100", "4", "--raw", "--nohook", 4},
                               {"  the same again", "100", "4", "--raw", "--nohook", 4},
                               {"blocks on a pool", "100", "4", "--noraw", "--nohook", 4},
                               {"  kept scattered", "100", "4", "--scattered", "--nohook", 4}};
// The last two are the server's.
enum { kSpeed, kFirst, kWriting, kFaults, kCopied, kPeak, kServerCopied, kServerPeak, kFigures };
using Figures = std::array<double, kFigures>;

Figures transfer(const std::string& file, const std::string& out, const Scheme& s,
                 const char* repeat) {
  Figures f{};
  char address[64];
  Child server = start({"serve", file, s.server_option}, true);
  if (std::fscanf(server.output, "listening on %63s", address) != 1) die("demo: serve failed");
  Child client =
      start({"fetch", address, std::filesystem::path(file).filename(), "-o", out, "--parts",
             s.parts, "--connections", s.connections, "--repeat", repeat, s.option},
            false);
  int got = std::fscanf(client.output,
                        "%*[^:]: %lf GiB/s (first %lf), written in %lf s, %lf page faults an image,"
                        " %lf bytes copied by the library, peak memory %lf",
                        &f[0], &f[1], &f[2], &f[3], &f[4], &f[5]);
  if (finish(client) != 0) die("demo: fetch failed");
  ::kill(server.pid, SIGTERM);
  got += std::fscanf(server.output, " stopped: %lf bytes copied by the library, peak memory %lf",
                     &f[6], &f[7]);
  if (finish(server) != 0 || got != 8) die("demo: serve failed");
  return f;
}

// Prints the table of one image. True if all bars but those of speed, which noise may miss, held.
bool measure(const std::string& file, const std::string& out, const char* repeat, double budget) {
  constexpr size_t kCount = std::size(kSchemes);
  std::vector<Figures> runs[kCount];
  const double begin = seconds();
  for (size_t i = 0; runs[0].size() < 9 || seconds() - begin < budget; i += kCount) {
    for (size_t k = i; k < i + kCount; ++k) {
      const size_t s = (k + i / kCount) % kCount;  // each round begins with another scheme
      runs[s].push_back(transfer(file, out, kSchemes[s], repeat));
      if (::isatty(2)) std::fprintf(stderr, "\r\033[Kround %zu", i / kCount + 1);
    }
    if (seconds() - begin > 2 * budget) break;  // a slow machine: fewer than nine
  }
  const size_t rounds = runs[0].size();
  const auto size = static_cast<double>(std::filesystem::file_size(file));
  std::printf(
      "%s\n%s: %.2f MiB, medians of %zu rounds of %s images, or the most (bytes copied and "
      "memory by fetch and by serve)\n%-18s  GiB/s  first  of raw                   writing"
      "  copied      memory / image    faults an image\n",
      ::isatty(2) ? "\r\033[K" : "", file.c_str(), size / 1048576, rounds, repeat, "");
  const auto held = [](bool yes) { return yes ? "held" : "MISSED"; };
  bool all = true;
  for (size_t s = 0; s < kCount; ++s) {
    const size_t rival = kSchemes[s].rival;
    const auto of_raw = [&](size_t scheme) {
      std::vector<double> ratios;
      for (size_t i = 0; i < rounds; ++i) {
        ratios.push_back(runs[scheme][i][kSpeed] / runs[rival][i][kSpeed]);
      }
      return median(ratios);
    };
    std::array<double, kFigures> middle{}, most{};
    for (size_t k = 0; k < kFigures; ++k) {
      std::vector<double> values;
      for (const Figures& f : runs[s]) values.push_back(f[k]);
      middle[k] = median(values);
      most[k] = *std::max_element(values.begin(), values.end());
    }
    const bool raw = s < rival + 2;
    const double bar = of_raw(rival + 1) - (rival == 0 ? 0.05 : 0.10);
    const double fetched = most[kPeak] * 1024 / size, served = most[kServerPeak] * 1024 / size;
    const bool clean = most[kCopied] + most[kServerCopied] == 0;
    const bool lean = std::max(fetched, served) <= 1.05 + 2097152 / size;
    all = all && clean && lean && most[kFaults] <= 64;
    char speed[32] = "";
    if (!raw) std::snprintf(speed, sizeof(speed), ">= %.3f %s", bar, held(of_raw(s) >= bar));
    std::printf("%-18s %6.2f %6.2f  %5.3f %-15s %7.3f s  %.0f + %.0f %s  %.3f %.3f %s  %3.0f %s\n",
                kSchemes[s].name, middle[kSpeed], middle[kFirst], of_raw(s), speed,
                middle[kWriting], most[kCopied], most[kServerCopied], held(clean), fetched, served,
                held(lean), most[kFaults], held(most[kFaults] <= 64));
  }
  return all;
}

int demo(const std::string& file) {
  std::string folder = std::filesystem::temp_directory_path() / "image_transfer.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) die_of_errno(folder);
  const std::string big = folder + "/256MiB", out = folder + "/out";
  set_temporaries({folder, big, out});
  Chain content(Image(file).bytes);
  if (content.empty()) die(file + ": is empty");
  while (content.size() < size_t{256} << 20) content.push_back(Chain(content));  // doubles
  content.truncate(size_t{256} << 20);
  File to;
  check(to.open(big.c_str(), O_WRONLY | O_CREAT), big);
  check(write_all(to, content), big);
  const bool small_held = measure(file, out, "100", 20), big_held = measure(big, out, "6", 65);
  clean_up();
  return small_held && big_held ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<char*> words = absl::ParseCommandLine(argc, argv);
  const std::vector<std::string> arguments(words.begin() + 1, words.end());
  const std::string verb = arguments.empty() ? "" : arguments[0];
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like others
  if (verb == "serve" && arguments.size() > 1) serve({arguments.begin() + 1, arguments.end()});
  clean_up_on_signals();
  if (verb == "fetch" && arguments.size() == 3) return fetch(arguments[1], arguments[2]);
  if (verb == "demo" && arguments.size() < 3) {
    return demo(arguments.size() == 2 ? arguments[1] : IMAGE_TRANSFER_PICTURE);
  }
  die("use: serve FILE... | fetch HOST:PORT NAME -o OUT | demo [FILE]; --help has the options");
}
