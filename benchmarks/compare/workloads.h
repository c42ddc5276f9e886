// The workloads, written once for all libraries. docs/benchmarks.md says what each one is.
//
// A library is a struct that names its idioms; a workload is registered for it when all idioms that
// it needs are there:
//
//   struct Example {
//     static constexpr const char* kVariant = "...";  // if any, stands behind the row's name
//     static bool serves(std::string_view row);       // if not all that it has the idioms for
//     static const char* note(std::string_view row);  // what a reader must know: "by hand", ...
//     using Buffer = ...;  // contiguous, shared by counting references; copying takes one
//     using Chain = ...;   // many of them that read as one; movable
//     static Buffer share(std::string_view bytes);    // a new shared buffer with these bytes
//     static constexpr bool kShares, kThreads; size_t kMostSegments;  // what has to be left out
//     static Buffer create(std::string_view bytes);   // the cheapest owned copy
//     static Buffer slice(const Buffer&, size_t position, size_t count);
//     static Chain single(const Buffer&);
//     static void push(Chain&, const Buffer&);        // shares
//     static Chain headed(const Buffer&, std::string_view header), headed_copy(const Chain&, ...);
//                                                     // where nothing can be put in front
//     static void push_copy(Chain&, std::string_view), push_front_copy(Chain&, std::string_view);
//     static size_t gather(const Chain&, std::span<iovec>);  // returns how many it filled
//     static Chain copy(const Chain&), slice(const Chain&, size_t position, size_t count);
//     static char at(const Chain&, size_t position);
//     static uint32_t take_u32(Chain&);               // reads a number and drops it
//     static Cut take(Chain&, size_t n);              // cuts off the first n bytes, owned
//     static uint32_t first_u32(const Cut&);
//     static uint64_t sum_u32(const Chain&);          // of all big-endian u32
//     static Built build_64(std::string_view bytes);  // appends 64 bytes at a time, freezes
//     static Built write_u32(uint32_t count);         // writes 0, 1, 2, ... big-endian, freezes
//     static size_t find(const Chain&, std::string_view needle);
//     static Flat flatten(const Chain&);
//     static bool equal(const Chain&, const Chain&);
//     struct Headroom { Headroom(std::string_view payload); void prepend(std::string_view);
//                       size_t gather(std::span<iovec>); void undo(); };
//     static std::string text(const X&);              // of every type above, for the checks
//   };
#ifndef BIGHT_BENCHMARKS_COMPARE_WORKLOADS_H_
#define BIGHT_BENCHMARKS_COMPARE_WORKLOADS_H_

#include "fixtures.h"

namespace compare {

using benchmark::DoNotOptimize;
using benchmark::State;

// ---- Chains ------------------------------------------------------------------------------------

template <class L>
typename L::Chain chain_of(std::string_view text, size_t size) {
  typename L::Chain chain;
  for (const std::string_view piece : pieces(text, size)) L::push(chain, L::share(piece));
  return chain;
}

template <class L>
const std::vector<typename L::Buffer>& thousand_buffers() {
  static const auto& made = *[] {
    auto* const buffers = new std::vector<typename L::Buffer>;
    for (const std::string_view piece : pieces(thousand_kib(), kKiB)) {
      buffers->push_back(L::share(piece));
    }
    return buffers;
  }();
  return made;
}

// `count` segments: the thousand buffers in turns.
template <class L>
typename L::Chain chain_of_buffers(size_t count) {
  typename L::Chain chain;
  const auto& buffers = thousand_buffers<L>();
  for (size_t i = 0; i < count; ++i) L::push(chain, buffers[i % 1000]);
  return chain;
}

// One a process: what is large is made once, and never destroyed.
template <class L>
const typename L::Chain& long_chain(size_t count) {
  static std::vector<std::pair<size_t, const typename L::Chain*>>& made =
      *new std::vector<std::pair<size_t, const typename L::Chain*>>;
  for (const auto& [size, chain] : made) {
    if (size == count) return *chain;
  }
  made.emplace_back(count, new typename L::Chain(chain_of_buffers<L>(count)));
  return *made.back().second;
}

inline char byte_of_long_chain(size_t position) {
  return thousand_kib()[position % thousand_kib().size()];
}

inline bool same_iovecs(std::span<const iovec> entries, std::string_view text) {
  for (const iovec& entry : entries) {
    if (text.size() < entry.iov_len ||
        std::memcmp(entry.iov_base, text.data(), entry.iov_len) != 0) {
      return false;
    }
    text.remove_prefix(entry.iov_len);
  }
  return text.empty();
}

// ---- Workloads ---------------------------------------------------------------------------------

template <class L>
void slice_drop(State& state) {
  static const auto& whole = *new typename L::Buffer(L::share(buffer_64k()));
  must(L::text(L::slice(whole, 1000, 64)) == buffer_64k().substr(1000, 64), "W1");
  size_t position = 0;
  for (auto _ : state) {
    auto part = L::slice(whole, position, 64);
    DoNotOptimize(part);
    position = (position + 61) & 0x7fff;
  }
}

template <class L>
uint64_t split_frames(typename L::Chain& stream, bool check = false) {
  uint64_t sum = 0;
  size_t at = 0;
  for (size_t i = 0; i < frames().count; ++i) {
    const uint32_t size = L::take_u32(stream);
    auto payload = L::take(stream, size);
    sum += L::first_u32(payload);
    DoNotOptimize(payload);
    if (check) {
      must(L::text(payload) == frames().bytes.substr(at + 4, size), "W2 payload");
      at += 4 + size;
    }
  }
  return sum;
}

template <class L>
void frame_split(State& state) {
  static const auto& segments = *[] {
    auto* const made = new std::vector<typename L::Buffer>;
    for (const std::string_view piece : pieces(frames().bytes, 16 * kKiB)) {
      made->push_back(L::share(piece));
    }
    return made;
  }();
  const auto stream_of = [] {
    typename L::Chain stream;
    for (const auto& segment : segments) L::push(stream, segment);
    return stream;
  };
  {
    typename L::Chain stream = stream_of();
    must(split_frames<L>(stream, true) == frames().sum, "W2");
  }
  for (auto _ : state) {
    typename L::Chain stream = stream_of();
    const double start = thread_seconds();
    DoNotOptimize(split_frames<L>(stream));
    state.SetIterationTime(thread_seconds() - start);
  }
  operations(state, frames().count);
}

template <class L>
void append_1000(State& state) {
  const auto& buffers = thousand_buffers<L>();
  static std::vector<iovec> entries(1000);
  const auto work = [&] {
    typename L::Chain chain;
    for (const auto& buffer : buffers) L::push(chain, buffer);
    const size_t count = L::gather(chain, entries);
    DoNotOptimize(entries.data());
    benchmark::ClobberMemory();
    return count;
  };
  const size_t count = work();
  must(count == 1000 && same_iovecs(entries, thousand_kib()), "W3");
  for (auto _ : state) DoNotOptimize(work());
  operations(state, 1000);
}

template <class L>
void chain_copy(State& state, size_t segments) {
  const auto& chain = long_chain<L>(segments);
  if (segments <= 1000) {
    must(L::text(L::copy(chain)) == thousand_kib().substr(0, segments * kKiB), "W4");
  }
  for (auto _ : state) {
    auto copy = L::copy(chain);
    DoNotOptimize(copy);
  }
}

template <class L>
void chain_slice_mid(State& state, size_t segments) {
  const auto& chain = long_chain<L>(segments);
  const size_t size = segments * kKiB;
  if (segments <= 1000) {
    must(L::text(L::slice(chain, size / 4, size / 2)) == thousand_kib().substr(size / 4, size / 2),
         "W5");
  }
  for (auto _ : state) {
    auto slice = L::slice(chain, size / 4, size / 2);
    DoNotOptimize(slice);
  }
}

template <class L>
void random_byte(State& state, size_t segments) {
  const auto& chain = long_chain<L>(segments);
  const std::vector<size_t> offsets = offsets_below(segments * kKiB);
  for (size_t i = 0; i < 50; ++i) {
    must(L::at(chain, offsets[i]) == byte_of_long_chain(offsets[i]), "W6");
  }
  size_t i = 0;
  for (auto _ : state) {
    DoNotOptimize(L::at(chain, offsets[i]));
    i = (i + 1) % kOffsets;
  }
}

// Half of the 1000 segments have 64 B, half 16 KiB: mixed by chance, or all small ones in front.
template <class L>
void random_byte_two_sizes(State& state, bool mixed) {
  const auto made = [](bool mix) {
    std::vector<bool> large(1000);
    for (size_t i = 500; i < 1000; ++i) large[i] = true;
    Random random(5);
    for (size_t i = 999; mix && i > 0; --i) {
      const size_t j = random.next() % (i + 1);
      const bool kept = large[i];
      large[i] = large[j];
      large[j] = kept;
    }
    std::vector<typename L::Buffer> small_buffers;
    std::vector<typename L::Buffer> large_buffers;
    for (size_t i = 0; i < 8; ++i) {
      small_buffers.push_back(L::share(mebibyte().substr(i * 64, 64)));
      large_buffers.push_back(L::share(mebibyte().substr(i * 16 * kKiB, 16 * kKiB)));
    }
    auto* const result = new std::pair<typename L::Chain, std::string>;
    for (size_t i = 0; i < 1000; ++i) {
      const auto& buffer = (large[i] ? large_buffers : small_buffers)[i % 8];
      L::push(result->first, buffer);
      result->second += L::text(buffer);
    }
    return result;
  };
  static const auto& by_chance = *made(true);
  static const auto& small_first = *made(false);
  const auto& [chain, text] = mixed ? by_chance : small_first;
  const std::vector<size_t> offsets = offsets_below(text.size());
  for (const size_t offset : offsets) must(L::at(chain, offset) == text[offset], "W6 two sizes");
  size_t i = 0;
  for (auto _ : state) {
    DoNotOptimize(L::at(chain, offsets[i]));
    i = (i + 1) % kOffsets;
  }
}

template <class L>
void read_u32(State& state) {
  static const auto& chain = *new typename L::Chain(chain_of<L>(mebibyte(), 4098));
  must(L::sum_u32(chain) == mebibyte_u32_sum(), "W7");
  for (auto _ : state) DoNotOptimize(L::sum_u32(chain));
  operations(state, kMiB / 4);
}

template <class L>
void build_64(State& state) {
  must(L::text(L::build_64(mebibyte())) == mebibyte(), "W8");
  for (auto _ : state) {
    auto built = L::build_64(mebibyte());
    DoNotOptimize(built);
  }
}

template <class L>
void write_u32(State& state) {
  constexpr uint32_t kCount = kMiB / 4;
  {
    const std::string text = L::text(L::write_u32(kCount));
    must(text.size() == kMiB, "W9 size");
    for (uint32_t i = 0; i < kCount; ++i) must(load_u32_be(&text[size_t{4} * i]) == i, "W9");
  }
  for (auto _ : state) {
    auto built = L::write_u32(kCount);
    DoNotOptimize(built);
  }
  operations(state, kCount);
}

template <class L>
void find_crlf(State& state) {
  static const auto& chain = *new typename L::Chain(chain_of<L>(text_with_crlf(), kPacket));
  must(L::find(chain, "\r\n") == text_with_crlf().size() - 2, "W10");
  for (auto _ : state) DoNotOptimize(L::find(chain, "\r\n"));
}

template <class L>
void find_a31b(State& state) {
  static const auto& chain = *new typename L::Chain(chain_of<L>(text_of_a(), kPacket));
  must(L::find(chain, needle_a31b()) == text_of_a().size() - 32, "W10 a31b");
  for (auto _ : state) DoNotOptimize(L::find(chain, needle_a31b()));
}

template <class L>
void flatten(State& state) {
  static const auto& chain = *new typename L::Chain(chain_of<L>(mebibyte(), kKiB));
  must(L::text(L::flatten(chain)) == mebibyte(), "W11");
  for (auto _ : state) {
    auto flat = L::flatten(chain);
    DoNotOptimize(flat);
  }
}

template <class L>
void small_create(State& state, size_t size) {
  const std::string_view bytes = std::string_view(mebibyte()).substr(0, size);
  must(L::text(L::create(bytes)) == bytes, "W12");
  for (auto _ : state) {
    auto buffer = L::create(bytes);
    DoNotOptimize(buffer);
  }
}

template <class L>
void create_here_drop_there(State& state) {
  const std::string_view bytes = std::string_view(mebibyte()).substr(0, 64);
  must(L::text(L::create(bytes)) == bytes, "W12x");
  run_across_threads<decltype(L::create(bytes))>(state, [&] { return L::create(bytes); });
}

template <class L>
void equal(State& state) {
  static const auto& a = *new typename L::Chain(chain_of<L>(mebibyte(), kKiB));
  static const auto& b = *new typename L::Chain(chain_of<L>(mebibyte(), kPacket));
  static const auto& other = *[] {
    std::string text = mebibyte();
    text.back() = '!';
    return new typename L::Chain(chain_of<L>(text, kPacket));
  }();
  must(L::equal(a, b) && !L::equal(a, other), "W13");
  for (auto _ : state) DoNotOptimize(L::equal(a, b));
}

template <class L>
void clone_contended(State& state) {
  static const auto& shared = *new Apart<typename L::Buffer>{L::share(buffer_64k()), {}};
  must(L::text(typename L::Buffer(shared.value)) == buffer_64k(), "W14");
  run_contended(state, [](size_t n) {
    for (size_t i = 0; i < n; ++i) {
      typename L::Buffer copy(shared.value);
      DoNotOptimize(copy);
    }
  });
}

template <class L>
concept Heads = requires(const typename L::Buffer& payload, std::string_view header) {
  L::headed(payload, header);
};
template <class L>
concept HeadsCopies = requires(const typename L::Chain& body, std::string_view header) {
  L::headed_copy(body, header);
};

// Two functions each, not the branches of one: g++ 12 builds a variable of an inner block apart and
// moves it into the result, for every library.
template <class L>
requires Heads<L>
typename L::Chain with_header(const typename L::Buffer& payload, std::string_view header) {
  return L::headed(payload, header);
}
template <class L>
requires(!Heads<L>) typename L::Chain
    with_header(const typename L::Buffer& payload, std::string_view header) {
  typename L::Chain message = L::single(payload);
  L::push_front_copy(message, header);
  return message;
}

template <class L>
requires HeadsCopies<L>
typename L::Chain copy_with_header(const typename L::Chain& body, std::string_view header) {
  return L::headed_copy(body, header);
}
template <class L>
requires(!HeadsCopies<L>) typename L::Chain
    copy_with_header(const typename L::Chain& body, std::string_view header) {
  typename L::Chain message = L::copy(body);
  L::push_front_copy(message, header);
  return message;
}

template <class L>
void prepend_header(State& state) {
  static const auto& payload = *new typename L::Buffer(L::share(mebibyte().substr(0, 1400)));
  std::string header(kHeader);
  iovec entries[4];
  const auto work = [&](bool check) {
    DoNotOptimize(header.data());
    benchmark::ClobberMemory();
    typename L::Chain message = with_header<L>(payload, header);
    const size_t count = L::gather(message, entries);
    DoNotOptimize(entries);
    benchmark::ClobberMemory();
    if (check) must(same_iovecs({entries, count}, header + mebibyte().substr(0, 1400)), "W15");
    return count;
  };
  work(true);
  for (auto _ : state) DoNotOptimize(work(false));
}

template <class L>
void prepend_into_headroom(State& state) {
  typename L::Headroom message(std::string_view(mebibyte()).substr(0, 1400));
  std::string header(kHeader);
  iovec entries[4];
  message.prepend(header);
  must(message.gather(entries) == 1 &&
           same_iovecs({entries, 1}, header + mebibyte().substr(0, 1400)),
       "W15b");
  message.undo();
  for (auto _ : state) {
    DoNotOptimize(header.data());
    benchmark::ClobberMemory();
    message.prepend(std::string_view(header.data(), kHeader.size()));
    DoNotOptimize(message.gather(entries));
    DoNotOptimize(entries);
    benchmark::ClobberMemory();
    message.undo();
  }
}

template <class L>
void fifo(State& state, size_t backlog) {
  static const auto& buffer = *new typename L::Buffer(L::share(mebibyte().substr(0, kKiB)));
  typename L::Chain queue;
  for (size_t i = 0; i < backlog; ++i) L::push(queue, buffer);
  {
    std::string text;
    L::push(queue, buffer);
    for (int i = 0; i < 10; ++i) text += L::text(L::take(queue, 100));
    text += L::text(L::take(queue, 24));
    must(text == mebibyte().substr(0, kKiB), "W16");
  }
  for (auto _ : state) {
    L::push(queue, buffer);
    for (int i = 0; i < 10; ++i) {
      auto cut = L::take(queue, 100);
      DoNotOptimize(cut);
    }
    auto rest = L::take(queue, 24);
    DoNotOptimize(rest);
  }
}

// Heap bytes for `count` segments, slices of 16 shared buffers none of which continues the one
// before it.
template <class L>
void memory(State& state, size_t count) {
  static const auto& buffers = *[] {
    auto* const made = new std::vector<typename L::Buffer>;
    for (int i = 0; i < 16; ++i) made->push_back(L::share(buffer_64k()));
    return made;
  }();
  const auto fill = [&](typename L::Chain& chain) {
    for (size_t i = 0; i < count; ++i) {
      L::push(chain, L::slice(buffers[i % 16], i / 16 % 63 * kKiB, 1000));
    }
  };
  for (auto _ : state) {
    const size_t before = *requested_bytes();
    {
      typename L::Chain chain;
      fill(chain);
      DoNotOptimize(chain);
      state.counters["bytes"] = static_cast<double>(*requested_bytes() - before);
    }
  }
  state.counters["sizeof_buffer"] = sizeof(typename L::Buffer);
  state.counters["sizeof_chain"] = sizeof(typename L::Chain);
}

template <class L>
void header_on_body(State& state, size_t segments, bool trailer, bool with_iovecs) {
  const auto& body = long_chain<L>(segments);
  static std::vector<iovec> entries(1002);
  std::string header(kHeader);
  const auto work = [&](bool check) {
    DoNotOptimize(header.data());
    benchmark::ClobberMemory();
    auto message = copy_with_header<L>(body, std::string_view(header.data(), kHeader.size()));
    if constexpr (requires { L::push_copy(message, std::string_view()); }) {
      if (trailer) L::push_copy(message, std::string_view(header.data(), kHeader.size()));
    }
    if (with_iovecs) {
      const size_t count = L::gather(message, entries);
      DoNotOptimize(entries.data());
      benchmark::ClobberMemory();
      if (check) {
        must(same_iovecs({entries.data(), count},
                         header + thousand_kib() + (trailer ? header : std::string())),
             "W18");
      }
    }
    DoNotOptimize(message);
  };
  work(true);
  for (auto _ : state) work(false);
}

enum class Pusher { first, second, twice };

// A push onto a chain of which a snapshot is kept: by the first that pushes, by one that comes when
// another has pushed, and a second push of the same one.
template <class L>
void push_after_snapshot(State& state, size_t segments, Pusher pusher) {
  const auto& base = long_chain<L>(segments);
  static const auto& buffer = *new typename L::Buffer(L::share(mebibyte().substr(0, kKiB)));
  auto other = L::copy(base);
  if (pusher == Pusher::second) L::push(other, buffer);
  const auto work = [&] {
    auto chain = L::copy(base);
    L::push(chain, buffer);
    if (pusher == Pusher::twice) L::push(chain, buffer);
    DoNotOptimize(chain);
    return chain;
  };
  std::string text = thousand_kib().substr(0, segments * kKiB) + mebibyte().substr(0, kKiB);
  if (pusher == Pusher::twice) text += mebibyte().substr(0, kKiB);
  must(L::text(work()) == text, "W19");
  for (auto _ : state) work();
}

// ---- Registration ------------------------------------------------------------------------------

template <class L>
constexpr bool threads_may_share() {
  if constexpr (requires { L::kThreads; }) {
    return L::kThreads;
  } else {
    return true;
  }
}

// Whether a Buffer of L is the library's own: if the user counts its references, W14 says nothing.
template <class L>
constexpr bool shares_buffers() {
  if constexpr (requires { L::kShares; }) {
    return L::kShares;
  } else {
    return true;
  }
}

template <class L>
constexpr size_t most_segments() {
  if constexpr (requires { L::kMostSegments; }) {
    return L::kMostSegments;
  } else {
    return static_cast<size_t>(-1);
  }
}

enum class Clock {
  cpu,        // of the thread
  own,        // set by the workload
  contended,  // set by the workload, once a repetition
  none,       // what is measured is no time
};

// Registers one row of library L, unless L is for other rows only.
template <class L, class Work>
void add(std::string row, const Work& work, Clock clock = Clock::cpu) {
  std::string label;
  if constexpr (requires { L::serves(std::string_view()); }) {
    if (!L::serves(row)) return;
  }
  if constexpr (requires { L::note(std::string_view()); }) label = L::note(row);
  if constexpr (requires { L::kVariant; }) {
    row += ':';
    row += L::kVariant;
  }
  auto* const registered = benchmark::RegisterBenchmark(row.c_str(), [work, label](State& state) {
    work(state);
    state.SetLabel(label);
  });
  if (clock == Clock::own || clock == Clock::contended) registered->UseManualTime();
  if (clock == Clock::contended || clock == Clock::none) registered->Iterations(1);
}

template <class L, class Work>
void add_growth(const std::string& row, const Work& work) {
  for (const size_t segments : kGrowth) {
    if (segments > most_segments<L>()) continue;
    add<L>(row + "_growth/" + std::to_string(segments),
           [=](State& state) { work(state, segments); });
  }
}

template <class L>
void add_workloads() {
  constexpr bool kHasBuffer = requires { typename L::Buffer; };
  constexpr bool kHasChain = requires { typename L::Chain; };
  if constexpr (kHasBuffer) {
    using Buffer = typename L::Buffer;
    if constexpr (requires(const Buffer& b) { L::slice(b, size_t{}, size_t{}); }) {
      add<L>("W1_slice_drop", slice_drop<L>);
    }
    if constexpr (threads_may_share<L>() && shares_buffers<L>() &&
                  requires { L::share(std::string_view()); }) {
      add<L>("W14_clone_contended", clone_contended<L>, Clock::contended);
    }
  }
  if constexpr (requires { L::create(std::string_view()); }) {
    for (const size_t size : {size_t{16}, size_t{64}, size_t{1024}}) {
      add<L>("W12_create_" + std::to_string(size),
             [=](State& state) { small_create<L>(state, size); });
    }
    if constexpr (threads_may_share<L>()) {
      add<L>("W12x_create_here_drop_there", create_here_drop_there<L>, Clock::own);
    }
  }
  if constexpr (requires { L::build_64(std::string_view()); }) {
    add<L>("W8_build_64", build_64<L>);
  }
  if constexpr (requires { L::write_u32(uint32_t{}); }) {
    add<L>("W9_write_u32", write_u32<L>);
  }
  if constexpr (requires { typename L::Headroom; }) {
    add<L>("W15b_prepend_into_headroom", prepend_into_headroom<L>);
  }
  if constexpr (kHasChain && kHasBuffer) {
    using Buffer = typename L::Buffer;
    using Chain = typename L::Chain;
    constexpr bool kTakes = requires(Chain & c) { L::take(c, size_t{}); };
    constexpr bool kGathers = requires(const Chain& c) { L::gather(c, std::span<iovec>()); };
    constexpr bool kPushes = requires(Chain & c, const Buffer& b) { L::push(c, b); };
    constexpr bool kCopies = requires(const Chain& c) { L::copy(c); };
    constexpr bool kFronts = requires(Chain & c) { L::push_front_copy(c, std::string_view()); };
    constexpr bool kHeads = requires(const Buffer& b) { L::headed(b, std::string_view()); };
    constexpr bool kSlices = requires(const Buffer& b) { L::slice(b, size_t{}, size_t{}); };
    if constexpr (kTakes && requires(Chain & c) { L::take_u32(c); }) {
      add<L>("W2_frame_split", frame_split<L>, Clock::own);
    }
    if constexpr (kPushes && kGathers) add<L>("W3_append_1000", append_1000<L>);
    if constexpr (kCopies) {
      add<L>("W4_chain_copy_1000", [](State& state) { chain_copy<L>(state, 1000); });
      add_growth<L>("W4", chain_copy<L>);
    }
    if constexpr (requires(const Chain& c) { L::slice(c, size_t{}, size_t{}); }) {
      add<L>("W5_chain_slice_mid", [](State& state) { chain_slice_mid<L>(state, 1000); });
      add_growth<L>("W5", chain_slice_mid<L>);
    }
    if constexpr (requires(const Chain& c) { L::at(c, size_t{}); }) {
      add<L>("W6_random_byte", [](State& state) { random_byte<L>(state, 1000); });
      if constexpr (most_segments<L>() >= 1000000) {
        add<L>("W6_random_byte_of_1e6", [](State& state) { random_byte<L>(state, 1000000); });
      }
      add<L>("W6_two_sizes", [](State& state) { random_byte_two_sizes<L>(state, true); });
      add<L>("W6_two_sizes_apart", [](State& state) { random_byte_two_sizes<L>(state, false); });
      add_growth<L>("W6", random_byte<L>);
    }
    if constexpr (requires(const Chain& c) { L::sum_u32(c); }) {
      add<L>("W7_read_u32", read_u32<L>);
    }
    if constexpr (requires(const Chain& c) { L::find(c, std::string_view()); }) {
      add<L>("W10_find_crlf", find_crlf<L>);
      add<L>("W10_find_a31b", find_a31b<L>);
    }
    if constexpr (requires(const Chain& c) { L::flatten(c); }) {
      add<L>("W11_flatten", flatten<L>);
    }
    if constexpr (requires(const Chain& c) { L::equal(c, c); }) {
      add<L>("W13_equal", equal<L>);
    }
    if constexpr (kGathers && (kFronts || kHeads)) {
      add<L>("W15_prepend_header", prepend_header<L>);
    }
    if constexpr (kTakes) {
      add<L>("W16_fifo", [](State& state) { fifo<L>(state, 0); });
      add<L>("W16_fifo_backlog_16", [](State& state) { fifo<L>(state, 16); });
      add<L>("W16_fifo_backlog_256", [](State& state) { fifo<L>(state, 256); });
      add_growth<L>("W16", fifo<L>);
    }
    if constexpr (kSlices && kGathers) {
      if (requested_bytes()) {
        for (const size_t count : {size_t{8}, size_t{16}, size_t{100}, size_t{1000}}) {
          add<L>(
              "W17_memory_" + std::to_string(count), [=](State& state) { memory<L>(state, count); },
              Clock::none);
        }
      }
    }
    if constexpr (kCopies && kGathers && (kFronts || kHeads)) {
      add<L>("W18_header_on_body",
             [](State& state) { header_on_body<L>(state, 1000, false, true); });
      if constexpr (requires(Chain & c) { L::push_copy(c, std::string_view()); }) {
        add<L>("W18b_header_and_trailer",
               [](State& state) { header_on_body<L>(state, 1000, true, true); });
      }
      add_growth<L>("W18", [](State& state, size_t segments) {
        header_on_body<L>(state, segments, false, false);
      });
    }
    if constexpr (kCopies) {
      for (const size_t segments : {size_t{3}, size_t{16}, size_t{1000}}) {
        const auto push = [&](const char* row, Pusher pusher) {
          add<L>(row + std::to_string(segments),
                 [=](State& state) { push_after_snapshot<L>(state, segments, pusher); });
        };
        push("W19_first_push_", Pusher::first);
        push("W19_second_pusher_", Pusher::second);
        push("W19_pushes_twice_", Pusher::twice);
      }
    }
  }
}

}  // namespace compare

#endif  // BIGHT_BENCHMARKS_COMPARE_WORKLOADS_H_
