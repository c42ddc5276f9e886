// Frozen regions of a buffer are kept track of while its builder goes on behind them: each is a
// handle whose address says where it lies, and the block comes back when the last one is dropped.
// Cost: one block, one reference a region, no copy.
#include <bight/bight.h>

#include <cstring>
#include <iostream>
#include <map>

#include "support/expect.h"

using example::expect;

// Writes a record of `size` bytes in place, as a read from a socket would, and freezes it.
bight::Bytes write_record(bight::BytesBuilder& builder, size_t size, int fill) {
  std::memset(builder.prepare(size).data(), fill, size);
  builder.commit(size);
  return builder.take();
}

int main() {
  constexpr size_t kRecords = 100, kSize = 600, kRoom = kRecords * kSize;
  const bight::CopyAudit audit;
  bight::BytesBuilder builder(kRoom);
  const std::byte* const base = builder.data();

  // The track: where a region begins in the block, and the handle that keeps it.
  std::map<size_t, bight::Bytes> frozen;
  frozen[0] = write_record(builder, kSize, 0);
  const size_t memory = bight::memory_totals().allocated;
  for (size_t i = 1; i < kRecords; ++i) {
    bight::Bytes record = write_record(builder, kSize, static_cast<int>(i));
    const size_t offset = static_cast<size_t>(record.data() - base);
    expect(offset == i * kSize, "each region begins where the one before it ends");
    frozen.emplace(offset, std::move(record));
  }
  expect(bight::memory_totals().allocated == memory, "freezing takes no memory");
  expect(!frozen[0].is_unique(), "the regions and the builder count in the same block");

  // Every second one is let go. The others are as they were, and hold the block.
  for (size_t i = 0; i < kRecords; i += 2) frozen.erase(i * kSize);
  size_t held = 0;
  for (const auto& [offset, region] : frozen) {
    held += region.size();
    expect(region.data() == base + offset && region[0] == std::byte(offset / kSize),
           "a region stays what and where it was");
  }
  std::cout << frozen.size() << " of " << kRecords << " regions are held: " << held << " bytes in "
            << audit.thread().blocks << " block\n";
  expect(!builder.try_reclaim(kRoom), "what is held is not written over");

  frozen.clear();
  expect(builder.try_reclaim(kRoom), "without regions all of the block can be written again");
  const bight::Bytes again = write_record(builder, kSize, 7);
  expect(again.data() == base, "from its start on");
  expect(audit.thread() == bight::CopyCounts{0, 0, 1}, "one block, and no byte was copied");
  std::cout << "all let go: the builder is back at the start; " << audit.thread().copied
            << " bytes copied\n";
}
