// Standalone Asio in the adapter rows: asio::write and asio::async_write of a sequence of buffers,
// which own nothing; asio::streambuf and asio::dynamic_buffer, which own what was read.

#include <asio/version.hpp>

#include "streams.h"

namespace {

using namespace adapters;

using Buffers = std::vector<asio::const_buffer>;

// What is left of `all` behind the first `sent` bytes.
Buffers rest_of(const Buffers& all, size_t sent) {
  Buffers rest;
  for (const asio::const_buffer& buffer : all) {
    if (sent >= buffer.size()) {
      sent -= buffer.size();
    } else {
      rest.push_back(buffer + sent);
      sent = 0;
    }
  }
  return rest;
}

struct Progress {
  bool begun = false;
  size_t sent = 0;
};

template <class Protocol>
void write_buffers(State& state, Transport transport, const Message& size) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  const Parts message(size);
  Buffers all;
  for (const std::string& part : message.parts) all.push_back(asio::buffer(part));
  run_writes(
      state, connection, message.whole, [] { return Progress(); },
      [&](Progress& at) {
        asio::error_code error;
        at.sent += at.sent == 0 ? asio::write(stream.socket, all, error)
                                : asio::write(stream.socket, rest_of(all, at.sent), error);
        must(!error || error == asio::error::would_block, "asio::write");
        return !error;
      });
}

template <class Protocol>
void async_write_buffers(State& state, Transport transport, const Message& size) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  const Parts message(size);
  Buffers all;
  for (const std::string& part : message.parts) all.push_back(asio::buffer(part));
  run_writes(
      state, connection, message.whole, [] { return Progress(); },
      [&](Progress& at) {
        if (!at.begun) {
          at.begun = true;
          asio::async_write(stream.socket, all, [&at](const asio::error_code& error, size_t n) {
            must(!error, "asio::async_write");
            at.sent = n;
          });
        }
        stream.run_ready();
        return at.sent == message.whole.size();
      });
}

template <class Protocol>
void read_stream(State& state, Transport transport) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  asio::streambuf received;
  run_reads(
      state, connection,
      [&](std::string* seen) {
        asio::error_code error;
        const size_t before = received.size();
        const size_t n = asio::read(stream.socket, received, asio::transfer_at_least(1), error);
        must(!error || error == asio::error::would_block, "asio::read");
        if (seen != nullptr) {
          const auto begin = asio::buffers_begin(received.data());
          seen->append(begin + static_cast<ptrdiff_t>(before), asio::buffers_end(received.data()));
        }
        return n;
      },
      [&] { received.consume(received.size()); });
}

template <class Protocol>
void read_lines(State& state, Transport transport) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  std::string in;
  run_lines(
      state, connection,
      [&](std::string* seen, const auto& done) {
        asio::async_read_until(stream.socket, asio::dynamic_buffer(in), '\n',
                               [&in, seen, done](const asio::error_code& error, size_t n) {
                                 must(!error && n == kLine, "asio::async_read_until");
                                 const std::string line = in.substr(0, n);
                                 in.erase(0, n);
                                 if (seen != nullptr) *seen += line;
                                 done();
                               });
      },
      [&] { stream.run_ready(); });
}

template <class Protocol>
void add_rows(Transport transport) {
  const std::string name = name_of(transport);
  const struct {
    const char* row;
    Message message;
  } kWrites[] = {{"A1_write_64_", kSmall}, {"A2_write_1k_", kMiddle}, {"A2_write_16k_", kLarge}};
  for (const auto& write : kWrites) {
    const Message message = write.message;
    add(write.row + name + ":write",
        [=](State& state) { write_buffers<Protocol>(state, transport, message); });
    add(write.row + name + ":async_write",
        [=](State& state) { async_write_buffers<Protocol>(state, transport, message); });
  }
  add("A4_read_960k_" + name + ":streambuf",
      [=](State& state) { read_stream<Protocol>(state, transport); });
  add(
      "A9_async_write_64_" + name,
      [=](State& state) { write_buffers<Protocol>(state, transport, kSmall); }, "asio::write");
  add("A9_read_lines_" + name, [=](State& state) { read_lines<Protocol>(state, transport); });
}

}  // namespace

int main(int argc, char** argv) {
  add_rows<asio::local::stream_protocol>(kUnix);
  add_rows<asio::ip::tcp>(kTcp);
  const std::string version = std::to_string(ASIO_VERSION / 100000) + "." +
                              std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                              std::to_string(ASIO_VERSION % 100);
  return compare::run(argc, argv, "Asio", version);
}
