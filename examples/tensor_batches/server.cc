// Streams batches of images and labels to one client, as fast as it takes them. README.md: use.
#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <bight/chain.h>
#include <bight/io/fd_sink.h>
#include <bight/io/file.h>
#include <bight/io/write.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cstdio>
#include <vector>

#include "examples/support/crc32c.h"
#include "examples/support/process.h"
#include "examples/support/tcp.h"
#include "examples/tensor_batches/protocol.h"

ABSL_FLAG(uint32_t, batches, 100, "send so many, then end");
ABSL_FLAG(uint32_t, distinct, 3, "so many different ones, in turn");
ABSL_FLAG(uint32_t, count, 64, "images in a batch");
ABSL_FLAG(uint32_t, side, 224, "rows and columns of an image");
ABSL_FLAG(uint32_t, timeout, 60, "give up a client that is silent for so many seconds");
ABSL_FLAG(std::string, damage, "", "for tests, in every batch: shape, size, crc, magic or cut");

namespace {

using namespace bight;    // NOLINT
using namespace example;  // NOLINT

constexpr uint32_t kClasses = 10, kColors = 3;

// A generator of noise; any would do.
class Noise {
 public:
  explicit Noise(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_;
};

struct Batch {
  BatchHeader header;
  Bytes images, labels;
};

// Images of noise from -0.5 to 0.5 in which the band of rows that is the label's is brighter.
Batch make_batch(uint64_t seed, uint32_t count, uint32_t side) {
  const size_t pixels = size_t{kColors} * side * side;
  BytesBuilder images(count * pixels * sizeof(float)), labels(count * sizeof(int64_t));
  Noise noise(seed);
  std::vector<float> row(side);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t label = static_cast<uint32_t>(noise.next() >> 32) % kClasses;
    labels.put_le<int64_t>(label);
    for (uint32_t y = 0; y < kColors * side; ++y) {
      const bool bright = (y % side) * kClasses / side == label;
      for (float& pixel : row) {
        pixel = static_cast<float>(noise.next() >> 40) * 0x1p-24f - (bright ? 0.0f : 0.5f);
      }
      images.append(ByteView(row.data(), side * sizeof(float)));
    }
  }
  Batch batch;
  batch.images = std::move(images).freeze();
  batch.labels = std::move(labels).freeze();
  batch.header.crc = crc32c_extend(crc32c(batch.images), batch.labels);
  batch.header.tensors[kImages] = {
      batch.images.size(), tensor_type<float>(), 4, {count, kColors, side, side}};
  batch.header.tensors[kLabels] = {batch.labels.size(), tensor_type<int64_t>(), 1, {count}};
  return batch;
}

}  // namespace

int main(int argc, char** argv) {
  // The one who started it reads its output, and it must not outlive him.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  absl::ParseCommandLine(argc, argv);
  const uint32_t timeout = absl::GetFlag(FLAGS_timeout);
  const File listener = open_tcp("127.0.0.1:0", true, timeout);
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    die_of_errno("getsockname");
  }

  const uint32_t batches = absl::GetFlag(FLAGS_batches);
  std::vector<Batch> made;
  for (uint32_t i = 0; i < std::min(batches, absl::GetFlag(FLAGS_distinct)); ++i) {
    made.push_back(make_batch(i, absl::GetFlag(FLAGS_count), absl::GetFlag(FLAGS_side)));
  }
  const std::string damage = absl::GetFlag(FLAGS_damage);
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);

  const File client(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client.is_open()) die_of_errno("accept");
  set_tcp_options(client.fd(), timeout);
  for (uint32_t i = 0; i < batches; ++i) {
    Batch batch = made[i % made.size()];  // shares the blocks
    batch.header.sequence = i;
    batch.header.remaining = batches - 1 - i;
    if (damage == "shape") ++batch.header.tensors[kImages].shape[1];
    if (damage == "size") batch.header.tensors[kImages].size = uint64_t{1} << 60;
    if (damage == "crc") ++batch.header.crc;
    if (damage == "magic") batch.header.tensors[kLabels].dimensions = 5;
    Chain frame(make_header(batch.header));
    frame.push_back(std::move(batch.images));
    if (damage != "cut") frame.push_back(std::move(batch.labels));
    const IoResult sent = write_all(FdSink(client.fd(), FdKind::socket), frame);
    if (sent.kind != IoKind::data)
      die("sending batch " + std::to_string(i) + ": " + sent.message());
    if (damage == "cut") break;
  }
}
