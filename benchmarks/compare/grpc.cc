// gRPC's slices: grpc_slice and grpc_slice_buffer of the public C interface, through the shared
// library as its users call them.

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/slice_buffer.h>

#include "workloads.h"

namespace {

std::string_view bytes_of(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

class Slice {
 public:
  explicit Slice(grpc_slice slice) : slice_(slice) {}
  Slice(const Slice& other) : slice_(grpc_slice_ref(other.slice_)) {}
  Slice(Slice&& other) noexcept : slice_(std::exchange(other.slice_, grpc_empty_slice())) {}
  Slice& operator=(Slice) = delete;
  ~Slice() { grpc_slice_unref(slice_); }
  const grpc_slice& get() const { return slice_; }

 private:
  grpc_slice slice_;
};

class SliceBuffer {
 public:
  SliceBuffer() { grpc_slice_buffer_init(&buffer_); }
  SliceBuffer(SliceBuffer&& other) noexcept : SliceBuffer() {
    grpc_slice_buffer_swap(&buffer_, &other.buffer_);
  }
  SliceBuffer& operator=(SliceBuffer) = delete;
  ~SliceBuffer() { grpc_slice_buffer_destroy(&buffer_); }
  grpc_slice_buffer* get() { return &buffer_; }
  size_t count() const { return buffer_.count; }
  size_t size() const { return buffer_.length; }
  const grpc_slice& operator[](size_t i) const { return buffer_.slices[i]; }

 private:
  grpc_slice_buffer buffer_;
};

grpc_slice copied(std::string_view bytes) {
  return grpc_slice_from_copied_buffer(bytes.data(), bytes.size());
}

struct Library {
  using Buffer = Slice;
  using Chain = SliceBuffer;
  static const char* note(std::string_view row) {
    for (const char* const ours : {"W4_", "W5_", "W6_", "W13_", "W18", "W19_"}) {
      if (row.starts_with(ours)) return "by hand";
    }
    return row == "W10_find_crlf" || row == "W10_find_a31b" ? "by hand" : "";
  }
  static std::string text(const Slice& slice) { return std::string(bytes_of(slice.get())); }
  static std::string text(const SliceBuffer& chain) {
    std::string result;
    for (size_t i = 0; i < chain.count(); ++i) result += bytes_of(chain[i]);
    return result;
  }

  // A copied slice of more than 23 bytes has a count and one allocation.
  static Slice share(std::string_view bytes) { return Slice(copied(bytes)); }
  static Slice create(std::string_view bytes) { return Slice(copied(bytes)); }
  static Slice slice(const Slice& whole, size_t position, size_t count) {
    return Slice(grpc_slice_sub(whole.get(), position, position + count));
  }
  static void push(SliceBuffer& chain, const Slice& slice) {
    grpc_slice_buffer_add(chain.get(), grpc_slice_ref(slice.get()));
  }
  static SliceBuffer headed(const Slice& payload, std::string_view header) {
    SliceBuffer result;
    grpc_slice_buffer_add(result.get(), copied(header));
    push(result, payload);
    return result;
  }
  static void push_copy(SliceBuffer& chain, std::string_view bytes) {
    grpc_slice_buffer_add(chain.get(), copied(bytes));
  }
  static size_t gather(const SliceBuffer& chain, std::span<iovec> entries) {
    const size_t n = std::min(entries.size(), chain.count());
    for (size_t i = 0; i < n; ++i) {
      const std::string_view bytes = bytes_of(chain[i]);
      entries[i] = {const_cast<char*>(bytes.data()), bytes.size()};
    }
    return n;
  }
  static void append(SliceBuffer& to, const SliceBuffer& from) {
    for (size_t i = 0; i < from.count(); ++i) {
      grpc_slice_buffer_add(to.get(), grpc_slice_ref(from[i]));
    }
  }
  static SliceBuffer copy(const SliceBuffer& chain) {
    SliceBuffer result;
    append(result, chain);
    return result;
  }
  static SliceBuffer headed_copy(const SliceBuffer& body, std::string_view header) {
    SliceBuffer result;
    grpc_slice_buffer_add(result.get(), copied(header));
    append(result, body);
    return result;
  }
  static SliceBuffer slice(const SliceBuffer& chain, size_t position, size_t count) {
    SliceBuffer result;
    for (size_t i = 0; i < chain.count() && count != 0; ++i) {
      const size_t size = GRPC_SLICE_LENGTH(chain[i]);
      if (position >= size) {
        position -= size;
        continue;
      }
      const size_t n = std::min(count, size - position);
      grpc_slice_buffer_add(result.get(), n == size
                                              ? grpc_slice_ref(chain[i])
                                              : grpc_slice_sub(chain[i], position, position + n));
      count -= n;
      position = 0;
    }
    return result;
  }
  static char at(const SliceBuffer& chain, size_t position) {
    for (size_t i = 0;; ++i) {
      const std::string_view bytes = bytes_of(chain[i]);
      if (position < bytes.size()) return bytes[position];
      position -= bytes.size();
    }
  }
  static uint32_t take_u32(SliceBuffer& chain) {
    char bytes[4];
    grpc_slice_buffer_move_first_into_buffer(chain.get(), 4, bytes);
    return compare::load_u32_be(bytes);
  }
  static SliceBuffer take(SliceBuffer& chain, size_t n) {
    SliceBuffer cut;
    grpc_slice_buffer_move_first(chain.get(), n, cut.get());
    return cut;
  }
  static uint32_t first_u32(const SliceBuffer& chain) {
    char bytes[4];
    size_t have = 0;
    for (size_t i = 0; have < 4; ++i) {
      const std::string_view part = bytes_of(chain[i]);
      if (have == 0 && part.size() >= 4) return compare::load_u32_be(part.data());
      const size_t n = std::min(part.size(), 4 - have);
      std::memcpy(bytes + have, part.data(), n);
      have += n;
    }
    return compare::load_u32_be(bytes);
  }
  static uint64_t sum_u32(const SliceBuffer& chain) {
    SliceBuffer left = copy(chain);
    uint64_t sum = 0;
    for (size_t n = left.size() / 4; n != 0; --n) sum += take_u32(left);
    return sum;
  }
  static SliceBuffer build_64(std::string_view bytes) {
    SliceBuffer out;
    for (size_t at = 0; at < bytes.size(); at += 64) push_copy(out, bytes.substr(at, 64));
    return out;
  }
  static SliceBuffer write_u32(uint32_t count) {
    SliceBuffer out;
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(grpc_slice_buffer_tiny_add(out.get(), 4), i);
    }
    return out;
  }
  // There is a search in one slice only: all are made one, and the search of the C library is taken
  // (the slice's own misses a needle at the end).
  static size_t find(const SliceBuffer& chain, std::string_view needle) {
    const Slice flat = flatten(chain);
    const std::string_view bytes = bytes_of(flat.get());
    const void* const found = memmem(bytes.data(), bytes.size(), needle.data(), needle.size());
    return found == nullptr ? compare::kNotFound
                            : static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
  }
  static Slice flatten(const SliceBuffer& chain) {
    grpc_byte_buffer* const whole =
        grpc_raw_byte_buffer_create(const_cast<grpc_slice*>(&chain[0]), chain.count());
    grpc_byte_buffer_reader reader;
    grpc_byte_buffer_reader_init(&reader, whole);
    Slice flat(grpc_byte_buffer_reader_readall(&reader));
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(whole);
    return flat;
  }
  static bool equal(const SliceBuffer& a, const SliceBuffer& b) {
    if (a.size() != b.size()) return false;
    size_t j = 0;
    std::string_view y;
    for (size_t i = 0; i < a.count(); ++i) {
      std::string_view x = bytes_of(a[i]);
      while (!x.empty()) {
        if (y.empty()) y = bytes_of(b[j++]);
        const size_t n = std::min(x.size(), y.size());
        if (std::memcmp(x.data(), y.data(), n) != 0) return false;
        x.remove_prefix(n);
        y.remove_prefix(n);
      }
    }
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  grpc_init();
  compare::add_workloads<Library>();
  return compare::run(argc, argv, "gRPC slices", grpc_version_string());
}
