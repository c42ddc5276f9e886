// Asio's sockets over the connections of the adapter rows, for bight's bridge and for Asio alone.
#ifndef BIGHT_BENCHMARKS_ADAPTERS_STREAMS_H_
#define BIGHT_BENCHMARKS_ADAPTERS_STREAMS_H_

#include <asio.hpp>

#include "fixtures.h"

namespace adapters {

// The measured end of a connection as Protocol's socket; a copy of its descriptor.
template <class Protocol>
struct Stream {
  explicit Stream(const Connection& connection) {
    if constexpr (std::is_same_v<Protocol, asio::ip::tcp>) {
      socket.assign(Protocol::v4(), ::dup(connection.near()));
    } else {
      socket.assign(Protocol(), ::dup(connection.near()));
    }
    socket.non_blocking(true);
  }

  // Runs what is ready; never waits.
  void run_ready() {
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  typename Protocol::socket socket{context};
};

// Lines of 200 bytes; `read(each)` reads until it has handed all lines, `count` of them, to
// `each(std::string line)`, in the checking round, or has dropped them when it is null.
constexpr size_t kLine = 200;
constexpr size_t kLines = 2000;

inline std::string make_lines() {
  std::string lines = compare::letters(kLine * kLines, 6);
  for (size_t i = kLine - 1; i < lines.size(); i += kLine) lines[i] = '\n';
  return lines;
}

// Reads all the lines: `start()` begins to read one, `poll()` goes on as far as it goes without
// waiting; each line that is complete calls `next()` by itself.
// `read_one(done)` starts an asynchronous read of one line, which calls `done(size, take)`.
template <class ReadLine, class Poll>
void run_lines(State& state, const Connection& connection, const ReadLine& read_line,
               const Poll& poll) {
  static const std::string& lines = *new std::string(make_lines());
  const auto round = [&](std::string* seen) {
    Clock clock;
    size_t fed = 0;
    size_t left = kLines;
    bool waiting = false;
    while (left != 0) {
      const size_t more = feed(connection.far(), std::string_view(lines).substr(fed));
      fed += more;
      clock.start();
      if (waiting) poll();
      for (;;) {
        if (!waiting) {
          if (left == 0) break;
          read_line(seen, [&] {
            --left;
            waiting = false;
          });
          waiting = true;
        }
        poll();
        if (waiting) break;  // nothing more has come
      }
      clock.stop();
      must(fed < lines.size() || more != 0 || left == 0, "lines");
    }
    return clock.seconds();
  };
  std::string seen;
  round(&seen);
  must(seen == lines, "lines");
  for (int i = 0; i < 10; ++i) round(nullptr);
  for (auto _ : state) state.SetIterationTime(round(nullptr));
  compare::operations(state, kLines);
}

}  // namespace adapters

#endif  // BIGHT_BENCHMARKS_ADAPTERS_STREAMS_H_
