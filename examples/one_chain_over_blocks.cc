// One Chain over as many blocks as the builder took, and one Bytes over regions that several
// builders filled at once. Cost: the blocks and a table of their segments; no copy.
#include <bight/bight.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <span>
#include <thread>

#include "support/expect.h"

using example::expect;

int main() {
  constexpr size_t kBlock = size_t{64} << 10, kBlocks = 16, kSize = kBlock * kBlocks;
  const bight::CopyAudit audit;

  // A megabyte is received into the room of sixteen blocks, as one readv would.
  bight::ChainBuilderOptions options;
  options.min_block = options.max_block = kBlock;
  bight::ChainBuilder builder(options);
  std::array<std::span<std::byte>, kBlocks + 1> room;
  const size_t pieces = builder.prepare_spans(kSize, room);
  unsigned char next = 0;
  for (size_t i = 0; i < pieces; ++i) {
    for (std::byte& byte : room[i]) byte = std::byte{next++};
  }
  builder.commit(kSize);
  const bight::Chain chain = std::move(builder).freeze();
  expect(chain.size() == kSize && chain.segment_count() == pieces, "one chain over all blocks");
  expect(audit.thread().blocks == pieces && pieces <= kBlocks, "and no other block");

  // It reads as one stream: a number and an owned slice across the border between two blocks.
  const size_t border = chain.segment(0).size();
  bight::Cursor in(chain);
  expect(in.try_skip(border - 2), "up to the border");
  const auto number = in.try_read_be<uint32_t>();
  const bight::Bytes first = chain.segment_bytes(0);
  const auto low = std::to_integer<uint32_t>(first[border - 2]);
  expect(number == (low << 24 | (low + 1) % 256 << 16 | (low + 2) % 256 << 8 | (low + 3) % 256),
         "a number that straddles them");
  const bight::Chain part = chain.slice(border - 100, 200);
  expect(part.segment_count() == 2 && part.segment(0).data() == first.data() + border - 100,
         "a slice that straddles them, in place");
  const bight::Chain copy = chain;  // one reference, however many blocks
  expect(copy.segment(pieces - 1).data() == chain.segment(pieces - 1).data(), "shared");
  expect(audit.thread().copied == 0, "no byte was copied");
  std::cout << "one chain of " << chain.size() << " bytes over " << chain.segment_count()
            << " blocks; " << audit.thread().copied << " bytes copied, retained "
            << chain.retained_size() << "\n";

  // Where contiguous bytes must be, builders share one block from the start, on threads of their
  // own.
  const bight::CopyAudit joined;
  bight::BytesBuilder image(kSize);
  std::array<bight::BytesBuilder, 4> parts;
  for (bight::BytesBuilder& builder_of_part : parts) builder_of_part = image.carve(kSize / 4);
  std::array<std::thread, 4> threads;
  for (size_t i = 0; i < parts.size(); ++i) {
    threads[i] = std::thread([&part_of_it = parts[i], i] {
      std::memset(part_of_it.prepare(kSize / 4).data(), static_cast<int>(i), kSize / 4);
      part_of_it.commit(kSize / 4);
    });
  }
  for (std::thread& thread : threads) thread.join();
  bight::Bytes whole = std::move(parts[0]).freeze();
  for (size_t i = 1; i < parts.size(); ++i) {
    expect(whole.try_join(std::move(parts[i]).freeze()), "regions side by side join");
  }
  expect(whole.size() == kSize && whole[kSize - 1] == std::byte{3}, "to one Bytes");
  expect(joined.process() == bight::CopyCounts{0, 0, 1}, "one block, no copy on any thread");
  std::cout << "one Bytes of " << whole.size() << " bytes by four builders on four threads; "
            << joined.process().copied << " bytes copied, " << joined.process().blocks
            << " block\n";

  // And if it is too late for that, contiguity costs one copy, which is counted.
  const bight::CopyAudit flat;
  expect(chain.flatten().size() == kSize && flat.thread() == bight::CopyCounts{kSize, 0, 1},
         "exactly one copy");
  std::cout << "flatten: " << flat.thread().copied << " bytes copied\n";
}
