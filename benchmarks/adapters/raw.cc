// The least that the adapter rows can cost: plain loops over system calls, with the policy that is
// known to be the best for each row. Nothing is owned, counted or released.

#include <sys/sendfile.h>
#include <sys/uio.h>

#include <memory>

#include "fixtures.h"

namespace {

using namespace adapters;

constexpr size_t kMaxEntries = 1024;

// Entries that are partly gone, as every program with a gather call keeps them.
struct Entries {
  std::vector<iovec> entries;
  size_t first = 0;

  bool empty() const { return first == entries.size(); }
  void consume(size_t n) {
    while (first < entries.size() && n >= entries[first].iov_len) n -= entries[first++].iov_len;
    if (n != 0) {
      entries[first].iov_base = static_cast<char*>(entries[first].iov_base) + n;
      entries[first].iov_len -= n;
    }
  }
};

// True when all is written, false when the socket takes no more.
bool write_entries(int fd, Entries& left) {
  while (!left.empty()) {
    const size_t count = std::min(left.entries.size() - left.first, kMaxEntries);
    const ssize_t n = ::writev(fd, left.entries.data() + left.first, static_cast<int>(count));
    if (n < 0) {
      must(errno == EAGAIN, "writev");
      return false;
    }
    left.consume(static_cast<size_t>(n));
  }
  return true;
}

// Copied together into one warm piece, then written from there.
void write_copied(State& state, Transport transport) {
  const Connection connection(transport);
  const Parts message(kSmall);
  std::vector<char> together(message.whole.size());
  struct Progress {
    size_t copied = 0;
    size_t written = 0;
  };
  run_writes(
      state, connection, message.whole, [] { return Progress(); },
      [&](Progress& at) {
        if (at.copied == 0) {
          for (const std::string& part : message.parts) {
            std::memcpy(together.data() + at.copied, part.data(), part.size());
            at.copied += part.size();
          }
        }
        while (at.written < at.copied) {
          const ssize_t n =
              ::write(connection.near(), together.data() + at.written, at.copied - at.written);
          if (n < 0) {
            must(errno == EAGAIN, "write");
            return false;
          }
          at.written += static_cast<size_t>(n);
        }
        return true;
      });
}

// By a gather call. The entries are filled in while the clock runs: any program must make them.
void write_gathered(State& state, Transport transport, const Message& size) {
  const Connection connection(transport);
  const Parts message(size);
  run_writes(
      state, connection, message.whole,
      [&] {
        Entries left;
        left.entries.reserve(message.parts.size());
        return left;
      },
      [&](Entries& left) {
        if (left.entries.empty()) {
          for (const std::string& part : message.parts) {
            left.entries.push_back({const_cast<char*>(part.data()), part.size()});
          }
        }
        return write_entries(connection.near(), left);
      });
}

// readv of four warm buffers of 64 KiB.
void read_stream(State& state, Transport transport) {
  const Connection connection(transport);
  constexpr size_t kPiece = 64 * kKiB;
  std::vector<char> room(4 * kPiece);
  iovec entries[4];
  for (size_t i = 0; i < 4; ++i) entries[i] = {room.data() + i * kPiece, kPiece};
  run_reads(
      state, connection,
      [&](std::string* seen) {
        const ssize_t n = ::readv(connection.near(), entries, 4);
        if (n < 0) {
          must(errno == EAGAIN, "readv");
          return size_t{0};
        }
        if (seen != nullptr) seen->append(room.data(), static_cast<size_t>(n));
        return static_cast<size_t>(n);
      },
      [] {});
}

void read_request(State& state) {
  std::vector<char> room(64 * kKiB);
  run_requests(state, [&](int fd, size_t, std::string* seen) {
    const ssize_t n = ::read(fd, room.data(), room.size());
    must(n > 0, "read");
    benchmark::DoNotOptimize(room.data());
    if (seen != nullptr) seen->append(room.data(), static_cast<size_t>(n));
    return static_cast<size_t>(n);
  });
}

struct FileMessage {
  FileMessage()
      : header(compare::letters(kFileHeader, 1)),
        body(compare::letters(kFileSlice, 2)),
        fd(make_file(body)) {}
  ~FileMessage() { ::close(fd); }
  std::string header;
  std::string body;
  int fd;
};

void send_file(State& state, Transport transport) {
  const Connection connection(transport, 0);
  const FileMessage message;
  struct Progress {
    size_t header = 0;
    off_t body = 0;
  };
  run_writes(
      state, connection, message.header + message.body, [] { return Progress(); },
      [&](Progress& at) {
        while (at.header < kFileHeader) {
          const ssize_t n = ::send(connection.near(), message.header.data() + at.header,
                                   kFileHeader - at.header, MSG_MORE | MSG_NOSIGNAL);
          if (n < 0) return false;
          at.header += static_cast<size_t>(n);
        }
        while (static_cast<size_t>(at.body) < kFileSlice) {
          const ssize_t n = ::sendfile(connection.near(), message.fd, &at.body,
                                       kFileSlice - static_cast<size_t>(at.body));
          if (n < 0) {
            must(errno == EAGAIN, "sendfile");
            return false;
          }
        }
        return true;
      });
}

void send_read(State& state, Transport transport) {
  const Connection connection(transport, 0);
  const FileMessage message;
  std::vector<char> room(256 * kKiB);
  struct Progress {
    Entries left;
    size_t read = 0;
    bool begun = false;
  };
  run_writes(
      state, connection, message.header + message.body, [] { return Progress(); },
      [&](Progress& at) {
        for (;;) {
          if (at.left.empty()) {
            if (at.read == kFileSlice) return true;
            at.left = {};
            if (!at.begun) {
              at.left.entries.push_back({const_cast<char*>(message.header.data()), kFileHeader});
            }
            at.begun = true;
            const ssize_t n =
                ::pread(message.fd, room.data(), room.size(), static_cast<off_t>(at.read));
            must(n > 0, "pread");
            at.left.entries.push_back({room.data(), static_cast<size_t>(n)});
            at.read += static_cast<size_t>(n);
          }
          if (!write_entries(connection.near(), at.left)) return false;
        }
      });
}

}  // namespace

int main(int argc, char** argv) {
  for (const Transport transport : kTransports) {
    const std::string name = name_of(transport);
    add("A1_write_64_" + name, [=](State& state) { write_copied(state, transport); });
    add("A2_write_1k_" + name, [=](State& state) { write_gathered(state, transport, kMiddle); });
    add("A2_write_16k_" + name, [=](State& state) { write_gathered(state, transport, kLarge); });
    add("A4_read_960k_" + name, [=](State& state) { read_stream(state, transport); });
    add("A8_file_" + name, [=](State& state) { send_file(state, transport); });
    add("A8_file_" + name + ":read", [=](State& state) { send_read(state, transport); });
    add("A9_async_write_64_" + name, [=](State& state) { write_copied(state, transport); });
  }
  add("A5_read_200", [](State& state) { read_request(state); });
  return compare::run(argc, argv, "floor", "");
}
