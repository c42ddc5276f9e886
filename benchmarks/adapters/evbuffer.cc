// libevent's evbuffer in the adapter rows.

#include <event2/buffer.h>
#include <event2/event.h>

#include "fixtures.h"

namespace {

using namespace adapters;

struct Free {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using Buffer = std::unique_ptr<evbuffer, Free>;

Buffer make_buffer() {
  Buffer buffer(evbuffer_new());
  must(buffer != nullptr, "evbuffer_new");
  return buffer;
}

// False if the socket takes no more.
bool write_all(evbuffer* buffer, int fd) {
  while (evbuffer_get_length(buffer) != 0) {
    const int n = evbuffer_write(buffer, fd);
    must(n >= 0 || errno == EAGAIN, "evbuffer_write");
    if (n <= 0) return false;  // 0: its sendfile takes no more
  }
  return true;
}

// The parts are put in by reference, before the clock starts.
void write_buffer(State& state, Transport transport, const Message& size) {
  const Connection connection(transport);
  const Parts message(size);
  run_writes(
      state, connection, message.whole,
      [&] {
        Buffer buffer = make_buffer();
        for (const std::string& part : message.parts) {
          evbuffer_add_reference(buffer.get(), part.data(), part.size(), nullptr, nullptr);
        }
        return buffer;
      },
      [&](const Buffer& buffer) { return write_all(buffer.get(), connection.near()); });
}

std::string take_text(evbuffer* buffer, size_t from) {
  std::string text(evbuffer_get_length(buffer) - from, ' ');
  evbuffer_ptr at;
  evbuffer_ptr_set(buffer, &at, from, EVBUFFER_PTR_SET);
  evbuffer_copyout_from(buffer, &at, text.data(), text.size());
  return text;
}

// evbuffer_read, which brings 4 KiB at most.
void read_stream(State& state, Transport transport) {
  const Connection connection(transport);
  const Buffer buffer = make_buffer();
  run_reads(
      state, connection,
      [&](std::string* seen) {
        const size_t before = evbuffer_get_length(buffer.get());
        const int n = evbuffer_read(buffer.get(), connection.near(), -1);
        if (n < 0) {
          must(errno == EAGAIN, "evbuffer_read");
          return size_t{0};
        }
        if (seen != nullptr) *seen += take_text(buffer.get(), before);
        return static_cast<size_t>(n);
      },
      [&] { evbuffer_drain(buffer.get(), evbuffer_get_length(buffer.get())); });
}

// Room of 256 KiB from evbuffer_reserve_space, filled by readv.
void read_reserved(State& state, Transport transport) {
  const Connection connection(transport);
  const Buffer buffer = make_buffer();
  run_reads(
      state, connection,
      [&](std::string* seen) {
        evbuffer_iovec room[2];
        const size_t before = evbuffer_get_length(buffer.get());
        const int count = evbuffer_reserve_space(buffer.get(), 256 * kKiB, room, 2);
        must(count > 0, "evbuffer_reserve_space");
        ssize_t n = ::readv(connection.near(), room, count);
        if (n < 0) {
          must(errno == EAGAIN, "readv");
          return size_t{0};
        }
        const auto got = static_cast<size_t>(n);
        size_t left = got;
        int used = 0;
        for (; left != 0; ++used) {
          room[used].iov_len = std::min(left, room[used].iov_len);
          left -= room[used].iov_len;
        }
        evbuffer_commit_space(buffer.get(), room, used);
        if (seen != nullptr) *seen += take_text(buffer.get(), before);
        return got;
      },
      [&] { evbuffer_drain(buffer.get(), evbuffer_get_length(buffer.get())); });
}

// A header and a file segment, which goes by sendfile.
void send_file(State& state, Transport transport) {
  const Connection connection(transport, 0);
  const std::string header = compare::letters(kFileHeader, 1);
  const std::string content = compare::letters(kFileSlice, 2);
  const int fd = make_file(content);
  evbuffer_file_segment* const segment =
      evbuffer_file_segment_new(fd, 0, kFileSlice, EVBUF_FS_CLOSE_ON_FREE);
  must(segment != nullptr, "evbuffer_file_segment_new");
  run_writes(
      state, connection, header + content,
      [&] {
        Buffer buffer = make_buffer();
        evbuffer_set_flags(buffer.get(), EVBUFFER_FLAG_DRAINS_TO_FD);
        evbuffer_add_reference(buffer.get(), header.data(), header.size(), nullptr, nullptr);
        evbuffer_add_file_segment(buffer.get(), segment, 0, kFileSlice);
        return buffer;
      },
      [&](const Buffer& buffer) { return write_all(buffer.get(), connection.near()); });
  evbuffer_file_segment_free(segment);
}

// ---- Counted -----------------------------------------------------------------------------------

void count_write_calls(State& state, const Message& size) {
  const Connection connection(kUnix);
  const Parts message(size);
  const Buffer buffer = make_buffer();
  for (const std::string& part : message.parts) {
    evbuffer_add_reference(buffer.get(), part.data(), part.size(), nullptr, nullptr);
  }
  size_t calls = 0;
  size_t drained = 0;
  for (bool done = false; !done;) {
    const size_t before = counted_calls()->count;
    done = write_all(buffer.get(), connection.near());
    calls += counted_calls()->count - before;
    drained += drain(connection.far(), message.whole.size() - drained);
  }
  report(state, static_cast<double>(calls));
}

// Messages that are all kept, in the buffer of their connection.
void count_kept(State& state, size_t connections, size_t size) {
  const size_t messages = (size_t{4} << 20) / connections / size;
  const Connection connection(kUnix);
  const std::string text = compare::letters(size, 4);
  const size_t before = *compare::requested_bytes();
  std::vector<Buffer> kept(connections);
  for (Buffer& buffer : kept) buffer = make_buffer();
  for (size_t m = 0; m < messages; ++m) {
    for (const Buffer& buffer : kept) {
      must(feed(connection.far(), text) == size, "a message");
      must(evbuffer_read(buffer.get(), connection.near(), -1) == static_cast<int>(size), "A6");
    }
  }
  const double held = static_cast<double>(*compare::requested_bytes() - before);
  report(state, held / static_cast<double>(connections * messages * size));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Transport transport : kTransports) {
    const std::string name = name_of(transport);
    add("A1_write_64_" + name, [=](State& state) { write_buffer(state, transport, kSmall); });
    add("A2_write_1k_" + name, [=](State& state) { write_buffer(state, transport, kMiddle); });
    add("A2_write_16k_" + name, [=](State& state) { write_buffer(state, transport, kLarge); });
    add("A4_read_960k_" + name, [=](State& state) { read_stream(state, transport); });
    add("A4_read_960k_" + name + ":reserve",
        [=](State& state) { read_reserved(state, transport); });
    add("A8_file_" + name, [=](State& state) { send_file(state, transport); });
  }
  if (counted_calls()) {
    add("A3_calls_write_64", [](State& state) { count_write_calls(state, kSmall); });
    add("A3_calls_write_1k", [](State& state) { count_write_calls(state, kMiddle); });
  }
  if (compare::requested_bytes()) {
    for (const size_t size : {64u, 512u}) {
      for (const size_t connections : {1u, 2000u}) {
        const std::string name = std::to_string(size) + "_of_" + std::to_string(connections);
        add("A6_kept_" + name, [=](State& state) { count_kept(state, connections, size); });
      }
    }
  }
  return compare::run(argc, argv, "evbuffer", event_get_version());
}
