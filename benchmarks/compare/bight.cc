// bight itself: built against the static library, the shared one, and the one that counts
// references without atomics.

#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>
#include <bight/config.h>
#include <bight/cursor.h>
#include <bight/memory.h>
#include <bight/write_window.h>

#include "workloads.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight::Cursor;
using bight::WriteWindow;

struct Bight {
  using Buffer = bight::Bytes;
  using Chain = bight::Chain;
  static constexpr bool kThreads = BIGHT_PLAIN_COUNT == 0;

  static std::string text(const Bytes& bytes) { return std::string(bytes.view()); }
  static std::string text(const Chain& chain) { return chain.to_string(); }

  static Bytes share(std::string_view bytes) { return Bytes::copy_of(bytes); }
  static Bytes create(std::string_view bytes) { return Bytes::copy_of(bytes); }
  static Bytes slice(const Bytes& bytes, size_t position, size_t count) {
    return bytes.slice(position, count);
  }
  static Chain single(const Bytes& bytes) { return Chain(bytes); }
  static void push(Chain& chain, const Bytes& bytes) { chain.push_back(bytes); }
  static void push_copy(Chain& chain, std::string_view bytes) { chain.push_copy(bytes); }
  static void push_front_copy(Chain& chain, std::string_view bytes) {
    chain.push_front(Bytes::copy_of(bytes));
  }
  static size_t gather(const Chain& chain, std::span<iovec> entries) {
    return chain.fill_iovec(entries).count;
  }
  static Chain copy(const Chain& chain) { return chain; }
  static Chain slice(const Chain& chain, size_t position, size_t count) {
    return chain.slice(position, count);
  }
  static char at(const Chain& chain, size_t position) { return static_cast<char>(chain[position]); }
  static uint32_t take_u32(Chain& chain) {
    const uint32_t value = Cursor(chain).read_be<uint32_t>();
    chain.consume(4);
    return value;
  }
  static Chain take(Chain& chain, size_t n) { return chain.split_to(n); }
  static uint32_t first_u32(const Chain& chain) { return Cursor(chain).read_be<uint32_t>(); }
  static uint64_t sum_u32(const Chain& chain) {
    uint64_t sum = 0;
    Cursor in(chain);
    // Not const: g++ 12 keeps a const optional of a condition on the stack, flag and all.
    while (auto value = in.try_read_be<uint32_t>()) sum += *value;
    return sum;
  }
  static Chain build_64(std::string_view bytes) {
    ChainBuilder out;
    for (size_t at = 0; at < bytes.size(); at += 64) out.append(ByteView(bytes.data() + at, 64));
    return std::move(out).freeze();
  }
  static Chain write_u32(uint32_t count) {
    ChainBuilder out;
    {
      WriteWindow window(out);
      for (uint32_t i = 0; i < count; ++i) window.put_be<uint32_t>(i);
    }
    return std::move(out).freeze();
  }
  static size_t find(const Chain& chain, std::string_view needle) {
    return chain.find(needle).value_or(compare::kNotFound);
  }
  static Bytes flatten(const Chain& chain) { return chain.flatten(); }
  static bool equal(const Chain& a, const Chain& b) { return a == b; }

  struct Headroom {
    explicit Headroom(std::string_view payload) : builder(payload.size(), 64) {
      builder.append(payload);
    }
    void prepend(std::string_view header) { builder.prepend(header); }
    size_t gather(std::span<iovec> entries) {
      entries[0] = {builder.data(), builder.size()};
      return 1;
    }
    void undo() { builder.remove_prefix(compare::kHeader.size()); }
    BytesBuilder builder;
  };
};

// W9 without a WriteWindow: each number goes to the builder itself.
struct Direct {
  static constexpr const char* kVariant = "put_be";
  static std::string text(const Chain& chain) { return chain.to_string(); }
  static Chain write_u32(uint32_t count) {
    ChainBuilder out;
    for (uint32_t i = 0; i < count; ++i) out.put_be<uint32_t>(i);
    return std::move(out).freeze();
  }
};

// One contiguous block that grows, where ChainBuilder adds blocks.
struct Contiguous {
  static constexpr const char* kVariant = "BytesBuilder";
  static std::string text(const Bytes& bytes) { return std::string(bytes.view()); }
  static Bytes build_64(std::string_view bytes) {
    BytesBuilder out;
    for (size_t at = 0; at < bytes.size(); at += 64) out.append(ByteView(bytes.data() + at, 64));
    return std::move(out).freeze();
  }
  static Bytes write_u32(uint32_t count) {
    BytesBuilder out;
    {
      WriteWindow window(out);
      for (uint32_t i = 0; i < count; ++i) window.put_be<uint32_t>(i);
    }
    return std::move(out).freeze();
  }
};

// W10 for needles that are made to be slow, in texts of three sizes.
struct Hostile {
  const char* name;
  std::string (*text)(size_t size);
  std::string (*needle)(size_t size);  // `size`: of the text
};

std::string repeated(std::string_view unit, size_t size) {
  std::string text;
  text.reserve(size + unit.size());
  while (text.size() < size) text += unit;
  text.resize(size);
  return text;
}

std::string two_letters(size_t size) {
  compare::Random random(11);
  std::string text(size, 'a');
  for (char& c : text) c = static_cast<char>('a' + random.next() % 2);
  return text;
}

std::string fibonacci_word(size_t size) {
  std::string shorter = "b";
  std::string word = "a";
  while (word.size() < size) {
    std::string longer = word + shorter;
    shorter = std::move(word);
    word = std::move(longer);
  }
  word.resize(size);
  return word;
}

std::string only_a(size_t size) { return std::string(size, 'a'); }

const Hostile kHostile[] = {
    {"a31b", only_a, [](size_t) { return std::string(31, 'a') + "b"; }},
    {"ba31", only_a, [](size_t) { return "b" + std::string(31, 'a'); }},
    {"a500ba500", only_a,
     [](size_t) { return std::string(500, 'a') + "b" + std::string(500, 'a'); }},
    {"a30000b", only_a, [](size_t) { return std::string(30000, 'a') + "b"; }},
    {"runs_one_short", [](size_t size) { return repeated(std::string(99, 'a') + "b", size); },
     [](size_t) { return std::string(100, 'a'); }},
    {"period_2", [](size_t size) { return repeated("ab", size); },
     [](size_t) { return repeated("ab", 1000) + "bb"; }},
    {"period_7", [](size_t size) { return repeated("aabaaba", size); },
     [](size_t) { return repeated("aabaaba", 100) + "bbb"; }},
    {"fibonacci", fibonacci_word, [](size_t) { return fibonacci_word(1000) + "bb"; }},
    {"two_letters", two_letters,
     [](size_t size) { return two_letters(size).substr(size / 3, 1000) + "c"; }},
    {"cr_everywhere", [](size_t size) { return std::string(size, '\r'); },
     [](size_t) { return std::string("\r\n"); }},
};

void find_hostile(benchmark::State& state, const Hostile& hostile, size_t size) {
  const std::string text = hostile.text(size);
  const std::string needle = hostile.needle(size);
  const Chain chain = compare::chain_of<Bight>(text, compare::kPacket);
  const std::boyer_moore_searcher searcher(needle.begin(), needle.end());
  const auto place = std::search(text.begin(), text.end(), searcher);
  compare::must(
      Bight::find(chain, needle) ==
          (place == text.end() ? compare::kNotFound : static_cast<size_t>(place - text.begin())),
      hostile.name);
  for (auto _ : state) benchmark::DoNotOptimize(chain.find(needle));
}

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Bight>();
  compare::add_workloads<Direct>();
  compare::add_workloads<Contiguous>();
  for (const Hostile& hostile : kHostile) {
    for (const size_t kib : {64u, 1024u, 16384u}) {
      std::string row = "W10_hostile/";
      row += hostile.name;
      row += '/';
      row += std::to_string(kib);
      compare::add<Bight>(row, [&hostile, kib](benchmark::State& state) {
        find_hostile(state, hostile, kib * compare::kKiB);
      });
    }
  }
  if (compare::requested_bytes()) {
    // What caches keep would be counted, what they give would not.
    bight::set_cache_limits({.thread_bytes = 0, .depot_bytes = 0, .large_bytes = 0});
  }
  const char* const library = BIGHT_PLAIN_COUNT != 0 ? "bight plain"
                              : BIGHT_SHARED != 0    ? "bight shared"
                                                     : "bight";
  return compare::run(argc, argv, library, BIGHT_VERSION_STRING);
}
