// bight::io in the adapter rows.

#include <memory>
#include <utility>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file_slice.h"
#include "bight/io/read.h"
#include "bight/io/read_tail.h"
#include "bight/io/send_file.h"
#include "bight/io/write.h"
#include "bight/memory.h"
#include "fixtures.h"

namespace {

using namespace adapters;
using bight::Bytes;
using bight::Chain;
using bight::FdKind;
using bight::FdSink;
using bight::FdSource;
using bight::IoKind;
using bight::IoResult;
using bight::ReadSize;
using bight::ReadTail;

Chain chain_of(const Parts& message) {
  Chain chain;
  for (const std::string& part : message.parts) chain.push_back(Bytes::copy_of(part));
  return chain;
}

// False if the descriptor would have to wait.
bool is_done(const IoResult& result) {
  if (result.kind == IoKind::would_block) return false;
  must(result.kind == IoKind::data, "an IoResult");
  return true;
}

// A copy of a chain that is kept, as a server sends what it may send again.
void write_chain(State& state, Transport transport, const Message& size) {
  const Connection connection(transport);
  const Parts message(size);
  const Chain kept = chain_of(message);
  FdSink sink(connection.near(), FdKind::socket);
  struct Prepared {
    Chain chain;
    bool begun = false;
  };
  run_writes(
      state, connection, message.whole, [] { return Prepared(); },
      [&](Prepared& at) {
        if (!at.begun) at.chain = kept;
        at.begun = true;
        return is_done(write_all(sink, at.chain));
      });
}

void read_stream(State& state, Transport transport) {
  const Connection connection(transport);
  FdSource source(connection.near());
  bight::ChainBuilder room;
  ReadSize size;
  Chain received;
  run_reads(
      state, connection,
      [&](std::string* seen) {
        const IoResult result = read_some(source, room, size);
        if (result.bytes == 0) {
          must(!is_done(result), "a read of nothing");
          return size_t{0};
        }
        Chain came = room.take();
        if (seen != nullptr) *seen += came.to_string();
        received.push_back(std::move(came));
        return result.bytes;
      },
      [&] { received.clear(); });
}

void read_request(State& state) {
  ReadTail& tail = ReadTail::of_this_thread();
  std::vector<ReadSize> sizes(1000);
  run_requests(state, [&](int fd, size_t i, std::string* seen) {
    Chain received;
    const IoResult result = read_some(FdSource(fd), tail, sizes[i], received);
    if (seen != nullptr) *seen += received.to_string();
    return result.bytes;
  });
}

void send_file(State& state, Transport transport) {
  const Connection connection(transport, 0);
  const std::string header = compare::letters(kFileHeader, 1);
  const std::string content = compare::letters(kFileSlice, 2);
  const auto file = std::make_shared<bight::File>(make_file(content));
  const Bytes head_bytes = Bytes::copy_of(header);
  FdSink sink(connection.near(), FdKind::socket);
  struct Prepared {
    Chain head;
    bight::FileSlice body;
    bool begun = false;
  };
  run_writes(
      state, connection, header + content, [] { return Prepared(); },
      [&](Prepared& at) {
        if (!at.begun) {
          at.head = Chain(head_bytes);
          at.body = bight::FileSlice(file, 0, kFileSlice);
          at.begun = true;
        }
        return is_done(send_all(sink, at.head, at.body));
      });
}

// ---- Counted -----------------------------------------------------------------------------------

void count_write_calls(State& state, const Message& size) {
  const Connection connection(kUnix);
  const Parts message(size);
  Chain chain = chain_of(message);
  FdSink sink(connection.near(), FdKind::socket);
  size_t calls = 0;
  std::string seen;
  for (bool done = false; !done;) {
    const size_t before = counted_calls()->count;
    done = is_done(write_all(sink, chain));
    calls += counted_calls()->count - before;
    if (!done) drain(connection.far(), message.whole.size() - seen.size(), &seen);
  }
  while (seen.size() < message.whole.size()) {
    drain(connection.far(), message.whole.size() - seen.size(), &seen);
  }
  must(seen == message.whole, "A3");
  report(state, static_cast<double>(calls));
}

// From a pipe of 1 MiB, which any user may have, by a builder and a ReadSize that are warm.
void count_read_calls(State& state) {
  const std::string whole = compare::letters(kStream, 3);
  int fds[2];
  must(::pipe(fds) == 0 && ::fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) == 1 << 20, "a pipe of 1 MiB");
  FdSource source(fds[0]);
  bight::ChainBuilder room;
  ReadSize size;
  size_t calls = 0;
  for (int round = 0; round < 10; ++round) {
    must(feed(fds[1], whole) == whole.size(), "the pipe");
    Chain received;
    const size_t before = counted_calls()->count;
    while (received.size() < whole.size()) {
      must(read_some(source, room, size).bytes != 0, "A3 read");
      received.push_back(room.take());
    }
    calls = counted_calls()->count - before;
    must(received == whole, "A3 read");
  }
  ::close(fds[0]);
  ::close(fds[1]);
  report(state, static_cast<double>(calls));
}

size_t requested() { return *compare::requested_bytes(); }

// Messages that are all kept, each from a read of its own; each connection has its ReadSize.
void count_kept(State& state, size_t connections, size_t size) {
  const size_t messages = (size_t{4} << 20) / connections / size;
  const Connection connection(kUnix);
  const FdSource source(connection.near());
  const std::string text = compare::letters(size, 4);
  const size_t before = requested();
  std::vector<ReadSize> sizes(connections);
  std::vector<std::vector<Bytes>> kept(connections);
  ReadTail tail;
  for (std::vector<Bytes>& list : kept) list.reserve(messages);
  for (size_t m = 0; m < messages; ++m) {
    for (size_t c = 0; c < connections; ++c) {
      must(feed(connection.far(), text) == size, "a message");
      Chain received;
      must(read_some(FdSource(source), tail, sizes[c], received).bytes == size, "A6");
      while (!received.empty()) {
        kept[c].push_back(received.pop());
        must(kept[c].size() <= messages || size > kept[c].back().size(), "A6 pieces");
      }
    }
  }
  const double held = static_cast<double>(requested() - before);
  size_t bytes = 0;
  for (const std::vector<Bytes>& list : kept) {
    for (const Bytes& part : list) bytes += part.size();
  }
  must(bytes == connections * messages * size, "A6 bytes");
  report(state, held / static_cast<double>(bytes));
}

// A source that brings the same message again and again: a million real ones would take seconds.
struct Messages {
  std::string_view text;
  IoResult read_some(std::span<const iovec> into) const {
    size_t at = 0;
    for (const iovec& entry : into) {
      const size_t n = std::min(text.size() - at, entry.iov_len);
      std::memcpy(entry.iov_base, text.data() + at, n);
      at += n;
    }
    return {at};
  }
};

// One message in 1,000 is kept, compacted: a slice of a read block pins 64 KiB.
void count_few_kept(State& state, size_t connections, size_t size) {
  constexpr size_t kKept = 1000;
  const std::string text = compare::letters(size, 5);
  const size_t before = requested();
  std::vector<Bytes> kept;
  kept.reserve(kKept);
  {
    std::vector<ReadSize> sizes(connections);
    ReadTail tail;
    for (size_t i = 0; i < 1000 * kKept; ++i) {
      Chain received;
      must(read_some(Messages{text}, tail, sizes[i % connections], received).bytes == size, "A6");
      if (i % 1000 == 999) kept.push_back(received.compact().pop());
    }
  }
  const double held = static_cast<double>(requested() - before);
  for (const Bytes& bytes : kept) must(bytes == text, "A6 kept");
  report(state, held / static_cast<double>(kKept * size));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Transport transport : kTransports) {
    const std::string name = name_of(transport);
    add("A1_write_64_" + name, [=](State& state) { write_chain(state, transport, kSmall); });
    add("A2_write_1k_" + name, [=](State& state) { write_chain(state, transport, kMiddle); });
    add("A2_write_16k_" + name, [=](State& state) { write_chain(state, transport, kLarge); });
    add("A4_read_960k_" + name, [=](State& state) { read_stream(state, transport); });
    add("A8_file_" + name, [=](State& state) { send_file(state, transport); });
  }
  add("A5_read_200", [](State& state) { read_request(state); });
  if (counted_calls()) {
    add("A3_calls_write_64", [](State& state) { count_write_calls(state, kSmall); });
    add("A3_calls_write_1k", [](State& state) { count_write_calls(state, kMiddle); });
    add("A3_calls_read_960k", [](State& state) { count_read_calls(state); });
  }
  if (compare::requested_bytes()) {
    // What caches keep would be counted, what they give would not.
    bight::set_cache_limits({.thread_bytes = 0, .depot_bytes = 0, .large_bytes = 0});
    for (const size_t size : {64u, 512u}) {
      for (const size_t connections : {1u, 2000u}) {
        const std::string name = std::to_string(size) + "_of_" + std::to_string(connections);
        add("A6_kept_" + name, [=](State& state) { count_kept(state, connections, size); });
        add("A6_few_kept_" + name, [=](State& state) { count_few_kept(state, connections, size); });
      }
    }
  }
  return compare::run(argc, argv, "bight", BIGHT_VERSION_STRING);
}
