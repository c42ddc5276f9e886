// bight's bridge to Asio in the rows A9.

#include <asio/version.hpp>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/interop/asio.h"
#include "streams.h"

namespace {

using namespace adapters;
using bight::Bytes;
using bight::Chain;

template <class Protocol>
void write_chain(State& state, Transport transport) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  const Parts message(kSmall);
  Chain kept;
  for (const std::string& part : message.parts) kept.push_back(Bytes::copy_of(part));
  struct Progress {
    bool begun = false;
    size_t sent = 0;
  };
  run_writes(
      state, connection, message.whole, [] { return Progress(); },
      [&](Progress& at) {
        if (!at.begun) {
          at.begun = true;
          bight::async_write(stream.socket, kept, [&at](const asio::error_code& error, size_t n) {
            must(!error, "async_write");
            at.sent = n;
          });
        }
        stream.run_ready();
        return at.sent == message.whole.size();
      });
}

template <class Protocol>
void read_lines(State& state, Transport transport) {
  const Connection connection(transport);
  Stream<Protocol> stream(connection);
  bight::ReceiveBuffer in;
  run_lines(
      state, connection,
      [&](std::string* seen, const auto& done) {
        bight::async_read_until(stream.socket, in, '\n',
                                [&in, seen, done](const asio::error_code& error, size_t n) {
                                  must(!error && n == kLine, "async_read_until");
                                  const Chain line = in.chain().split_to(n);
                                  if (seen != nullptr) *seen += line.to_string();
                                  done();
                                });
      },
      [&] { stream.run_ready(); });
}

// The least room that a read was offered while lines were read.
void least_room(State& state) {
  const Connection connection(kUnix);
  Stream<asio::local::stream_protocol> stream(connection);
  bight::ReceiveBuffer in;
  must(feed(connection.far(), make_lines()) == kLine * kLines, "lines");
  static_cast<void>(counted_calls());
  for (size_t i = 0; i < kLines; ++i) {
    size_t size = 0;
    bight::async_read_until(stream.socket, in, '\n',
                            [&](const asio::error_code&, size_t n) { size = n; });
    stream.run_ready();
    must(size == kLine, "A9 lines");
    in.chain().consume(size);
  }
  report(state, static_cast<double>(counted_calls()->least_room));
}

}  // namespace

int main(int argc, char** argv) {
  add("A9_async_write_64_unix",
      [](State& state) { write_chain<asio::local::stream_protocol>(state, kUnix); });
  add("A9_async_write_64_tcp", [](State& state) { write_chain<asio::ip::tcp>(state, kTcp); });
  add("A9_read_lines_unix",
      [](State& state) { read_lines<asio::local::stream_protocol>(state, kUnix); });
  add("A9_read_lines_tcp", [](State& state) { read_lines<asio::ip::tcp>(state, kTcp); });
  if (counted_calls()) add("A9_least_room", [](State& state) { least_room(state); });
  return compare::run(argc, argv, "bight", BIGHT_VERSION_STRING);
}
