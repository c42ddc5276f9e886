// What the machine asks for the least that each workload must do. Rows have the workloads' names.

#include "fixtures.h"

namespace {

using benchmark::ClobberMemory;
using benchmark::DoNotOptimize;
using benchmark::State;
using compare::kKiB;
using compare::kMiB;
using compare::mebibyte;

// A slice's reference: one relaxed increment, one decrement that would free.
struct Count {
  void take() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) std::abort();
  }
  alignas(64) std::atomic<uint32_t> references{1};
};

void pair(State& state) {
  Count count;
  for (auto _ : state) {
    count.take();
    DoNotOptimize(count);
    count.drop();
  }
}

struct Handle {
  const char* data;
  size_t size;
  Count* count;
};

// References to 1000 buffers, each stored with its handle, an iovec each, all dropped.
void append_1000(State& state) {
  static auto& counts = *new std::vector<Count>(1000);
  static std::vector<iovec> entries(1000);
  std::vector<Handle> handles(1000);
  const char* const data = compare::thousand_kib().data();
  for (auto _ : state) {
    for (size_t i = 0; i < 1000; ++i) {
      counts[i].take();
      handles[i] = {data + i * kKiB, kKiB, &counts[i]};
    }
    DoNotOptimize(handles.data());
    ClobberMemory();
    for (size_t i = 0; i < 1000; ++i) {
      entries[i] = {const_cast<char*>(handles[i].data), handles[i].size};
    }
    DoNotOptimize(entries.data());
    ClobberMemory();
    for (const Handle& handle : handles) handle.count->drop();
  }
  compare::operations(state, 1000);
}

// One reference, and where the two ends of the slice fall.
void pair_and_two_searches(State& state) {
  std::vector<size_t> starts(1001);
  for (size_t i = 0; i <= 1000; ++i) starts[i] = i * kKiB;
  Count count;
  size_t from = 250 * kKiB;
  size_t to = 750 * kKiB;
  for (auto _ : state) {
    count.take();
    DoNotOptimize(from);
    DoNotOptimize(to);
    DoNotOptimize(std::upper_bound(starts.begin(), starts.end(), from));
    DoNotOptimize(std::upper_bound(starts.begin(), starts.end(), to));
    count.drop();
  }
}

// Number by number: the barrier keeps the compiler from adding several at once.
void read_u32(State& state) {
  const char* const data = mebibyte().data();
  for (auto _ : state) {
    uint64_t sum = 0;
    for (size_t i = 0; i < kMiB; i += 4) {
      sum += compare::load_u32_be(data + i);
      asm volatile("" : "+r"(sum));
    }
    DoNotOptimize(sum);
  }
  compare::operations(state, kMiB / 4);
}

void read_u32_vectorised(State& state) {
  const char* data = mebibyte().data();
  for (auto _ : state) {
    DoNotOptimize(data);
    uint64_t sum = 0;
    for (size_t i = 0; i < kMiB; i += 4) sum += compare::load_u32_be(data + i);
    DoNotOptimize(sum);
  }
  compare::operations(state, kMiB / 4);
}

void write_u32(State& state) {
  std::vector<char> memory(kMiB);
  for (auto _ : state) {
    char* to = memory.data();
    DoNotOptimize(to);
    for (uint32_t i = 0; i < kMiB / 4; ++i) {
      uint32_t value = i;
      asm volatile("" : "+r"(value));
      compare::store_u32_be(to + size_t{4} * i, value);
    }
    ClobberMemory();
  }
  compare::operations(state, kMiB / 4);
}

void write_u32_vectorised(State& state) {
  std::vector<char> memory(kMiB);
  for (auto _ : state) {
    char* to = memory.data();
    DoNotOptimize(to);
    for (uint32_t i = 0; i < kMiB / 4; ++i) compare::store_u32_be(to + size_t{4} * i, i);
    ClobberMemory();
  }
  compare::operations(state, kMiB / 4);
}

// Into memory that is there already.
void copy_mebibyte(State& state) {
  std::vector<char> to(kMiB);
  for (auto _ : state) {
    std::memcpy(to.data(), mebibyte().data(), kMiB);
    DoNotOptimize(to.data());
    ClobberMemory();
  }
}

void search_byte(State& state, size_t size) {
  const std::string text(size, 'a');
  for (auto _ : state) DoNotOptimize(std::memchr(text.data(), '\r', size));
}

// The same over segments as the chains of the slow needles have, each in memory of its own.
void search_byte_in_segments(State& state, size_t size) {
  std::vector<std::string> segments;
  for (size_t at = 0; at < size; at += compare::kPacket) {
    segments.emplace_back(std::min(compare::kPacket, size - at), 'a');
  }
  for (auto _ : state) {
    for (const std::string& segment : segments) {
      DoNotOptimize(std::memchr(segment.data(), '\r', segment.size()));
    }
  }
}

void compare_mebibyte(State& state) {
  const std::string copy = mebibyte();
  for (auto _ : state) DoNotOptimize(std::memcmp(copy.data(), mebibyte().data(), kMiB));
}

struct Allocation {
  explicit Allocation(std::string_view bytes) : data(std::malloc(bytes.size())) {
    std::memcpy(data, bytes.data(), bytes.size());
  }
  Allocation(Allocation&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  Allocation& operator=(Allocation&&) = delete;
  ~Allocation() { std::free(data); }
  void* data;
};

void create(State& state, size_t size) {
  const std::string_view bytes = std::string_view(mebibyte()).substr(0, size);
  for (auto _ : state) {
    Allocation allocation(bytes);
    DoNotOptimize(allocation);
  }
}

void create_here_drop_there(State& state) {
  const std::string_view bytes = std::string_view(mebibyte()).substr(0, 64);
  compare::run_across_threads<Allocation>(state, [&] { return Allocation(bytes); });
}

void contended(State& state) {
  static compare::Apart<Count> shared;
  compare::run_contended(state, [](size_t n) {
    for (size_t i = 0; i < n; ++i) {
      shared.value.take();
      shared.value.drop();
    }
  });
}

void pairs_11(State& state) {
  Count count;
  for (auto _ : state) {
    for (int i = 0; i < 11; ++i) {
      count.take();
      DoNotOptimize(count);
      count.drop();
    }
  }
}

// Three references, and an iovec for each of 1001 handles.
void three_pairs_and_iovecs(State& state) {
  static auto& counts = *new std::vector<Count>(3);
  static std::vector<iovec> entries(1001);
  std::vector<Handle> handles(1001, Handle{mebibyte().data(), kKiB, nullptr});
  for (auto _ : state) {
    for (Count& count : counts) count.take();
    DoNotOptimize(handles.data());
    ClobberMemory();
    for (size_t i = 0; i < 1001; ++i) {
      entries[i] = {const_cast<char*>(handles[i].data), handles[i].size};
    }
    DoNotOptimize(entries.data());
    ClobberMemory();
    for (Count& count : counts) count.drop();
  }
}

using Work = void (*)(State&);
template <class F>
benchmark::internal::Benchmark* add(const char* row, F work) {
  return benchmark::RegisterBenchmark(row, work);
}

}  // namespace

int main(int argc, char** argv) {
  add("pair", pair);
  add("W1_slice_drop", pair);
  add("W2_frame_split", pair);
  add("W3_append_1000", append_1000);
  add("W4_chain_copy_1000", pair);
  add("W5_chain_slice_mid", pair_and_two_searches);
  add("W7_read_u32", read_u32);
  add("W7_read_u32:vectorised", read_u32_vectorised);
  add("W8_build_64", copy_mebibyte);
  add("W9_write_u32", write_u32);
  add("W9_write_u32:vectorised", write_u32_vectorised);
  const auto memchr_mebibyte = [](State& state) { search_byte(state, kMiB); };
  add("W10_find_crlf", memchr_mebibyte);
  add("W10_find_a31b", memchr_mebibyte);
  for (const size_t kib : {64u, 1024u, 16384u}) {
    const std::string row = "W10_hostile/memchr/" + std::to_string(kib);
    add(row.c_str(), [kib](State& state) { search_byte_in_segments(state, kib * kKiB); });
  }
  add("W11_flatten", copy_mebibyte);
  for (const size_t size : {size_t{16}, size_t{64}, size_t{1024}}) {
    const std::string row = "W12_create_" + std::to_string(size);
    add(row.c_str(), [size](State& state) { create(state, size); });
  }
  add("W12x_create_here_drop_there", create_here_drop_there)->UseManualTime();
  add("W13_equal", compare_mebibyte);
  add("W14_clone_contended", contended)->UseManualTime()->Iterations(1);
  for (const char* row : {"W16_fifo", "W16_fifo_backlog_16", "W16_fifo_backlog_256"}) {
    add(row, pairs_11);
  }
  for (const char* row : {"W18_header_on_body", "W18b_header_and_trailer"}) {
    add(row, three_pairs_and_iovecs);
  }
  for (const char* row :
       {"W19_first_push_3", "W19_first_push_16", "W19_first_push_1000", "W19_second_pusher_3",
        "W19_second_pusher_16", "W19_second_pusher_1000"}) {
    add(row, pair);
  }
  return compare::run(argc, argv, "floor", __VERSION__);
}
