// The original view is made again from its slices, in whatever order they come back.
// Cost: no block, no copy; a join drops one reference.
#include <bight/bight.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <random>
#include <vector>

#include "support/expect.h"

using example::expect;

int main() {
  constexpr size_t kSize = size_t{1} << 20, kSlices = 1000;
  bight::BytesBuilder builder(kSize);
  std::memset(builder.prepare(kSize).data(), 'b', kSize);
  builder.commit(kSize);
  bight::Bytes whole = std::move(builder).freeze();
  const std::byte* const address = whole.data();

  const bight::CopyAudit audit;
  std::vector<bight::Bytes> slices;
  slices.reserve(kSlices);
  const size_t memory = bight::memory_totals().allocated;
  while (slices.size() + 1 < kSlices) slices.push_back(whole.split_to(kSize / kSlices));
  slices.push_back(std::move(whole));
  expect(!slices.front().is_unique(), "each slice has a reference");

  // As if a thousand workers had given them back.
  std::shuffle(slices.begin(), slices.end(), std::minstd_rand(1));
  std::sort(slices.begin(), slices.end(),
            [](const bight::Bytes& a, const bight::Bytes& b) { return a.data() < b.data(); });
  bight::Bytes view = std::move(slices.front());
  for (size_t i = 1; i < kSlices; ++i) {
    expect(view.try_join(std::move(slices[i])), "neighbours join");
    expect(slices[i].empty(), "and the second one is used up");
  }
  expect(view.data() == address && view.size() == kSize, "the view is the one that was cut");
  expect(view.is_unique(), "of a thousand references one is left");
  expect(audit.thread() == bight::CopyCounts{}, "no block was made and no byte copied");
  expect(bight::memory_totals().allocated == memory, "nothing was allocated");
  std::cout << kSlices << " slices joined to " << view.size() << " bytes at the old address; "
            << audit.thread().copied << " bytes copied, " << audit.thread().blocks << " blocks\n";

  // What does not belong together stays apart: another block, or a gap between.
  bight::Bytes other = bight::Bytes::copy_of("other");
  bight::Bytes tail = view.split_off(kSize - 10);
  tail.remove_prefix(1);
  expect(!view.try_join(std::move(other)) && !other.empty(), "another block is refused, and kept");
  expect(!view.try_join(std::move(tail)) && !tail.empty(), "so is a gap");

  // A chain joins neighbours by itself.
  bight::Chain chain;
  for (size_t from = 0; from < view.size(); from += 4096) {
    chain.push_back(view.slice(from, std::min<size_t>(4096, view.size() - from)));
  }
  expect(chain.segment_count() == 1 && chain.front().data() == address, "one segment again");

  // The sole handle is a builder again, in place.
  chain.clear();
  tail.clear();
  expect(std::move(view).try_into_builder().has_value(), "the sole handle may write again");
  std::cout << "and it may be written again, in place\n";
}
