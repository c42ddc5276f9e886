// Asio: our owning write of 64-byte segments against asio::write, and lines read into our builder
// against Asio's own dynamic string.
#include <benchmark/benchmark.h>
#include <bight/bight.h>
#include <bight/interop/asio.h>

#if BIGHT_ASIO_BOOST
#include <boost/asio.hpp>
namespace net = boost::asio;
using ErrorCode = boost::system::error_code;
#else
#include <asio.hpp>
namespace net = asio;
using ErrorCode = asio::error_code;
#endif

#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using net::ip::tcp;

// Two connected sockets; a thread does what is asked of the far one.
struct Pair {
  Pair() {
    tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    near.connect(acceptor.local_endpoint());
    acceptor.accept(far);
  }
  ~Pair() {
    near.close();
    if (thread.joinable()) thread.join();
  }
  // Reads and forgets; a blocking thread of its own, the same for all rivals.
  void drain() {
    thread = std::thread([this] {
      std::vector<char> room(1 << 20);
      ErrorCode error;
      while (!error) far.read_some(net::buffer(room), error);
    });
  }
  net::io_context context;
  tcp::socket near{context};
  tcp::socket far{context};
  std::thread thread;
};

bight::Chain segments(size_t count, size_t size) {
  bight::Chain chain;
  for (size_t i = 0; i < count; ++i) {
    chain.push_back(bight::Bytes::copy_of(std::string(size, static_cast<char>('a' + i % 26))));
  }
  return chain;
}

constexpr size_t kCount = 16384;

void BM_AsyncWrite_bight(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Pair pair;
  pair.drain();
  const bight::Chain chain = segments(kCount, size);
  for (auto _ : state) {
    size_t sent = 0;
    bight::async_write(pair.near, chain, [&](ErrorCode, size_t n) { sent = n; });
    pair.context.restart();
    pair.context.run();
    if (sent != chain.size()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(chain.size()));
}
BENCHMARK(BM_AsyncWrite_bight)->Arg(64)->Arg(1024)->Arg(16384)->UseRealTime();

// The rivals: Asio's composed writes over the same segments.
void BM_AsyncWrite_asio(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Pair pair;
  pair.drain();
  const bight::Chain chain = segments(kCount, size);
  std::vector<net::const_buffer> buffers;
  for (const net::const_buffer buffer : bight::ChainBuffers(chain)) buffers.push_back(buffer);
  for (auto _ : state) {
    size_t sent = 0;
    net::async_write(pair.near, buffers, [&](ErrorCode, size_t n) { sent = n; });
    pair.context.restart();
    pair.context.run();
    if (sent != chain.size()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(chain.size()));
}
BENCHMARK(BM_AsyncWrite_asio)->Arg(64)->Arg(1024)->Arg(16384)->UseRealTime();

void BM_Write_asio(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Pair pair;
  pair.drain();
  const bight::Chain chain = segments(kCount, size);
  std::vector<net::const_buffer> buffers;
  for (const net::const_buffer buffer : bight::ChainBuffers(chain)) buffers.push_back(buffer);
  for (auto _ : state) {
    if (net::write(pair.near, buffers) != chain.size()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(chain.size()));
}
BENCHMARK(BM_Write_asio)->Arg(64)->Arg(1024)->Arg(16384)->UseRealTime();

// Lines of 200 bytes from a thread that writes without end.
template <class Fill>
void read_lines(benchmark::State& state, Fill fill) {
  Pair pair;
  pair.thread = std::thread([&pair] {
    std::string lines;
    while (lines.size() < (1 << 20)) lines += std::string(199, 'x') + "\n";
    ErrorCode error;
    while (!error) net::write(pair.far, net::buffer(lines), error);
  });
  for (auto _ : state) fill(pair);
  state.SetBytesProcessed(state.iterations() * 200);
}

void BM_ReadUntil_bight(benchmark::State& state) {
  bight::ReceiveBuffer in;
  read_lines(state, [&](Pair& pair) {
    size_t length = 0;
    bight::async_read_until(pair.near, in, '\n', [&](ErrorCode, size_t n) { length = n; });
    pair.context.restart();
    pair.context.run();
    if (in.chain().split_to(length).size() != 200) std::abort();
  });
}
BENCHMARK(BM_ReadUntil_bight)->UseRealTime();

void BM_ReadUntil_bight_dynamic_buffer(benchmark::State& state) {
  bight::BytesBuilder in;
  read_lines(state, [&](Pair& pair) {
    size_t length = 0;
    net::async_read_until(pair.near, bight::dynamic_buffer(in), '\n',
                          [&](ErrorCode, size_t n) { length = n; });
    pair.context.restart();
    pair.context.run();
    if (length != 200) std::abort();
    in.remove_prefix(length);
  });
}
BENCHMARK(BM_ReadUntil_bight_dynamic_buffer)->UseRealTime();

void BM_ReadUntil_asio(benchmark::State& state) {
  std::string in;
  read_lines(state, [&](Pair& pair) {
    size_t length = 0;
    net::async_read_until(pair.near, net::dynamic_buffer(in), '\n',
                          [&](ErrorCode, size_t n) { length = n; });
    pair.context.restart();
    pair.context.run();
    if (length != 200) std::abort();
    in.erase(0, length);
  });
}
BENCHMARK(BM_ReadUntil_asio)->UseRealTime();

}  // namespace
