// absl::Cord. A shared buffer is a Cord over external memory; a slice is Subcord; a queue is
// Subcord and RemovePrefix.

#include <absl/base/config.h>
#include <absl/strings/cord.h>
#include <absl/strings/cord_buffer.h>
#include <absl/strings/string_view.h>

#include "workloads.h"

namespace {

using absl::Cord;

absl::string_view to_absl(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

struct Common {
  using Buffer = Cord;
  using Chain = Cord;
  static std::string text(const Cord& cord) { return std::string(cord); }
  // Memory of its own, as a buffer that was received has: with a reference count of its own, where
  // small Cords made by copying would hold their bytes themselves.
  static Cord share(std::string_view bytes) {
    char* const memory = new char[bytes.size()];
    std::memcpy(memory, bytes.data(), bytes.size());
    return absl::MakeCordFromExternal(absl::string_view(memory, bytes.size()),
                                      [memory](absl::string_view) { delete[] memory; });
  }
  static void push(Cord& chain, const Cord& buffer) { chain.Append(buffer); }
  static uint32_t read_u32(Cord::CharIterator& it) {
    const absl::string_view window = Cord::ChunkRemaining(it);
    if (window.size() >= 4) {
      const uint32_t value = compare::load_u32_be(window.data());
      Cord::Advance(&it, 4);
      return value;
    }
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++it) value = value << 8 | static_cast<unsigned char>(*it);
    return value;
  }
  static uint32_t first_u32(const Cord& cord) {
    if (const auto flat = cord.TryFlat(); flat && flat->size() >= 4) {
      return compare::load_u32_be(flat->data());
    }
    Cord::CharIterator it = cord.char_begin();
    return read_u32(it);
  }
};

struct Library : Common {
  static const char* note(std::string_view row) {
    if (row == "W10_find_crlf" || row == "W10_find_a31b" || row == "W7_read_u32") return "by hand";
    return "";
  }
  static Cord create(std::string_view bytes) { return Cord(to_absl(bytes)); }
  static Cord slice(const Cord& cord, size_t position, size_t count) {
    return cord.Subcord(position, count);
  }
  static Cord single(const Cord& buffer) { return buffer; }
  static void push_copy(Cord& chain, std::string_view bytes) { chain.Append(to_absl(bytes)); }
  static void push_front_copy(Cord& chain, std::string_view bytes) {
    chain.Prepend(to_absl(bytes));
  }
  static size_t gather(const Cord& chain, std::span<iovec> entries) {
    size_t n = 0;
    for (const absl::string_view piece : chain.Chunks()) {
      if (n == entries.size()) break;
      entries[n++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    return n;
  }
  static Cord copy(const Cord& chain) { return chain; }
  static char at(const Cord& chain, size_t position) { return chain[position]; }
  static uint32_t take_u32(Cord& chain) {
    Cord::CharIterator it = chain.char_begin();
    const uint32_t value = read_u32(it);
    chain.RemovePrefix(4);
    return value;
  }
  static Cord take(Cord& chain, size_t n) {
    Cord cut = chain.Subcord(0, n);
    chain.RemovePrefix(n);
    return cut;
  }
  static uint64_t sum_u32(const Cord& chain) {
    uint64_t sum = 0;
    Cord::CharIterator it = chain.char_begin();
    for (size_t i = 0; i < chain.size() / 4; ++i) sum += read_u32(it);
    return sum;
  }
  static Cord build_64(std::string_view bytes) {
    Cord out;
    for (size_t at = 0; at < bytes.size(); at += 64) out.Append(to_absl(bytes.substr(at, 64)));
    return out;
  }
  static Cord write_u32(uint32_t count) {
    Cord out;
    char bytes[4];
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(bytes, i);
      out.Append(absl::string_view(bytes, 4));
    }
    return out;
  }
  // This version has no Find: memchr for the first byte in each piece, then the rest.
  static size_t find(const Cord& chain, std::string_view needle) {
    size_t base = 0;
    for (auto piece = chain.chunk_begin(); piece != chain.chunk_end(); ++piece) {
      const char* const begin = piece->data();
      const char* const end = begin + piece->size();
      for (const char* at = begin; (at = static_cast<const char*>(std::memchr(
                                        at, needle[0], static_cast<size_t>(end - at)))) != nullptr;
           ++at) {
        if (matches(piece, at, needle, chain)) return base + static_cast<size_t>(at - begin);
      }
      base += piece->size();
    }
    return compare::kNotFound;
  }
  static Cord flatten(const Cord& chain) {
    Cord flat = chain;
    benchmark::DoNotOptimize(flat.Flatten());
    return flat;
  }
  static bool equal(const Cord& a, const Cord& b) { return a == b; }

 private:
  static bool matches(Cord::ChunkIterator piece, const char* at, std::string_view needle,
                      const Cord& chain) {
    auto left = static_cast<size_t>(piece->data() + piece->size() - at);
    for (;;) {
      const size_t n = std::min(left, needle.size());
      if (std::memcmp(at, needle.data(), n) != 0) return false;
      needle.remove_prefix(n);
      if (needle.empty()) return true;
      if (++piece == chain.chunk_end()) return false;
      at = piece->data();
      left = piece->size();
    }
  }
};

// The stream stays whole and an iterator walks it. Within a tree AdvanceAndRead copies what is
// shorter than 512 bytes, and no memory is given back before the end.
struct Iterator : Common {
  static constexpr const char* kVariant = "iterator";
  static bool serves(std::string_view row) { return row.starts_with("W2_"); }
  static const char* note(std::string_view) { return "copies"; }
  struct Chain {
    Cord cord;
    Cord::CharIterator at;
    bool begun = false;
  };
  static void push(Chain& chain, const Cord& buffer) { chain.cord.Append(buffer); }
  static uint32_t take_u32(Chain& chain) {
    if (!chain.begun) {
      chain.at = chain.cord.char_begin();
      chain.begun = true;
    }
    return read_u32(chain.at);
  }
  static Cord take(Chain& chain, size_t n) { return Cord::AdvanceAndRead(&chain.at, n); }
};

// absl::CordBuffer, filled by hand.
struct WithCordBuffer {
  static constexpr const char* kVariant = "CordBuffer";
  static const char* note(std::string_view) { return "by hand"; }
  static std::string text(const Cord& cord) { return std::string(cord); }

  class Writer {
   public:
    Writer() { renew(); }
    char* room(size_t n) {
      if (static_cast<size_t>(room_.size()) - used_ < n) {
        buffer_.IncreaseLengthBy(used_);
        cord_.Append(std::move(buffer_));
        renew();
      }
      char* const place = room_.data() + used_;
      used_ += n;
      return place;
    }
    Cord finish() {
      buffer_.IncreaseLengthBy(used_);
      cord_.Append(std::move(buffer_));
      return std::move(cord_);
    }

   private:
    void renew() {
      buffer_ = absl::CordBuffer::CreateWithCustomLimit(64 << 10, 64 << 10);
      room_ = buffer_.available();
      used_ = 0;
    }
    Cord cord_;
    absl::CordBuffer buffer_;
    absl::Span<char> room_;
    size_t used_ = 0;
  };

  static Cord build_64(std::string_view bytes) {
    Writer out;
    for (size_t at = 0; at < bytes.size(); at += 64) {
      std::memcpy(out.room(64), bytes.data() + at, 64);
    }
    return out.finish();
  }
  static Cord write_u32(uint32_t count) {
    Writer out;
    for (uint32_t i = 0; i < count; ++i) compare::store_u32_be(out.room(4), i);
    return out.finish();
  }
};

std::string version() {
#if defined(ABSL_LTS_RELEASE_VERSION)
  return std::to_string(ABSL_LTS_RELEASE_VERSION) + "." +
         std::to_string(ABSL_LTS_RELEASE_PATCH_LEVEL);
#else
  return "without a number";
#endif
}

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  compare::add_workloads<Iterator>();
  compare::add_workloads<WithCordBuffer>();
  return compare::run(argc, argv, "absl::Cord", version());
}
