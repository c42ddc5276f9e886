// libevent's evbuffer. It has no slice that counts references: a shared buffer is memory of the
// user with a count of his own, put in by evbuffer_add_reference with a function that drops the
// count. A whole evbuffer is shared by evbuffer_add_buffer_reference.

#include <event2/buffer.h>
#include <event2/event.h>

#include <memory>

#include "workloads.h"

namespace {

class Shared {
 public:
  explicit Shared(std::string_view bytes) : counted_(new Counted(bytes)) {}
  Shared(const Shared& other) : counted_(other.counted_) { counted_->take(); }
  Shared(Shared&& other) noexcept : counted_(std::exchange(other.counted_, nullptr)) {}
  Shared& operator=(Shared) = delete;
  ~Shared() {
    if (counted_ != nullptr) counted_->drop();
  }
  std::string_view bytes() const { return counted_->bytes; }
  void add_to(evbuffer* to, size_t position, size_t count) const {
    counted_->take();
    evbuffer_add_reference(to, bytes().data() + position, count, drop, counted_);
  }

 private:
  struct Counted {
    explicit Counted(std::string_view content) : bytes(content) {}
    void take() { references.fetch_add(1, std::memory_order_relaxed); }
    void drop() {
      if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    std::string bytes;
    std::atomic<size_t> references{1};
  };
  static void drop(const void*, size_t, void* counted) { static_cast<Counted*>(counted)->drop(); }
  Counted* counted_;
};

class Evbuffer {
 public:
  Evbuffer() : buffer_(evbuffer_new()) {}
  evbuffer* get() const { return buffer_.get(); }

 private:
  struct Free {
    void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
  };
  std::unique_ptr<evbuffer, Free> buffer_;
};

struct Common {
  using Buffer = Shared;
  using Chain = Evbuffer;
  static constexpr bool kShares = false;
  static constexpr size_t kMostSegments = 1000;  // 1 KiB each
  static std::string text(const Shared& buffer) { return std::string(buffer.bytes()); }
  static std::string text(const Evbuffer& chain) {
    std::string result(evbuffer_get_length(chain.get()), ' ');
    evbuffer_copyout(chain.get(), result.data(), result.size());
    return result;
  }
  static Shared share(std::string_view bytes) { return Shared(bytes); }
  static void push(Evbuffer& chain, const Shared& buffer) {
    buffer.add_to(chain.get(), 0, buffer.bytes().size());
  }
};

struct Library : Common {
  static const char* note(std::string_view row) {
    if (row.starts_with("W2_") || row.starts_with("W16_")) return "copies";
    if (row == "W13_equal") return "by hand";
    return "";
  }
  struct FreeFlat {
    void operator()(char* memory) const { std::free(memory); }
  };
  struct Flat {
    std::unique_ptr<char, FreeFlat> bytes;
    size_t size;
  };
  using Common::text;
  static std::string text(const Flat& flat) { return std::string(flat.bytes.get(), flat.size); }

  static Evbuffer create(std::string_view bytes) {
    Evbuffer result;
    evbuffer_add(result.get(), bytes.data(), bytes.size());
    return result;
  }
  static Evbuffer slice(const Shared& buffer, size_t position, size_t count) {
    Evbuffer result;
    buffer.add_to(result.get(), position, count);
    return result;
  }
  static Evbuffer single(const Shared& buffer) {
    Evbuffer result;
    push(result, buffer);
    return result;
  }
  using Common::push;
  static void push(Evbuffer& chain, const Evbuffer& slice) {
    evbuffer_add_buffer(chain.get(), slice.get());
  }
  static void push_copy(Evbuffer& chain, std::string_view bytes) {
    evbuffer_add(chain.get(), bytes.data(), bytes.size());
  }
  static void push_front_copy(Evbuffer& chain, std::string_view bytes) {
    evbuffer_prepend(chain.get(), bytes.data(), bytes.size());
  }
  static size_t gather(const Evbuffer& chain, std::span<iovec> entries) {
    const int n =
        evbuffer_peek(chain.get(), -1, nullptr, entries.data(), static_cast<int>(entries.size()));
    return std::min(static_cast<size_t>(n), entries.size());
  }
  static Evbuffer copy(const Evbuffer& chain) {
    Evbuffer result;
    evbuffer_add_buffer_reference(result.get(), chain.get());
    return result;
  }
  static Evbuffer slice(const Evbuffer& chain, size_t position, size_t count) {
    const Evbuffer whole = copy(chain);
    evbuffer_drain(whole.get(), position);
    Evbuffer result;
    evbuffer_remove_buffer(whole.get(), result.get(), count);
    return result;
  }
  static char at(const Evbuffer& chain, size_t position) {
    evbuffer_ptr place;
    evbuffer_ptr_set(chain.get(), &place, position, EVBUFFER_PTR_SET);
    iovec window;
    evbuffer_peek(chain.get(), 1, &place, &window, 1);
    return *static_cast<const char*>(window.iov_base);
  }
  static uint32_t take_u32(Evbuffer& chain) {
    char bytes[4];
    evbuffer_remove(chain.get(), bytes, 4);
    return compare::load_u32_be(bytes);
  }
  // Moves whole segments and copies from one of which only a part is taken.
  static Evbuffer take(Evbuffer& chain, size_t n) {
    Evbuffer cut;
    evbuffer_remove_buffer(chain.get(), cut.get(), n);
    return cut;
  }
  static uint32_t first_u32(const Evbuffer& chain) {
    char bytes[4];
    evbuffer_copyout(chain.get(), bytes, 4);
    return compare::load_u32_be(bytes);
  }
  static uint64_t sum_u32(const Evbuffer& chain) {
    Evbuffer left = copy(chain);
    uint64_t sum = 0;
    for (size_t n = evbuffer_get_length(left.get()) / 4; n != 0; --n) sum += take_u32(left);
    return sum;
  }
  static Evbuffer build_64(std::string_view bytes) {
    Evbuffer out;
    for (size_t at = 0; at < bytes.size(); at += 64) evbuffer_add(out.get(), bytes.data() + at, 64);
    return out;
  }
  static Evbuffer write_u32(uint32_t count) {
    Evbuffer out;
    char bytes[4];
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(bytes, i);
      evbuffer_add(out.get(), bytes, 4);
    }
    return out;
  }
  static size_t find(const Evbuffer& chain, std::string_view needle) {
    const evbuffer_ptr place = evbuffer_search(chain.get(), needle.data(), needle.size(), nullptr);
    return place.pos < 0 ? compare::kNotFound : static_cast<size_t>(place.pos);
  }
  static Flat flatten(const Evbuffer& chain) {
    const size_t size = evbuffer_get_length(chain.get());
    Flat flat{std::unique_ptr<char, FreeFlat>(static_cast<char*>(std::malloc(size))), size};
    evbuffer_copyout(chain.get(), flat.bytes.get(), size);
    return flat;
  }
  static bool equal(const Evbuffer& a, const Evbuffer& b) {
    if (evbuffer_get_length(a.get()) != evbuffer_get_length(b.get())) return false;
    static iovec of_a[2048];
    static iovec of_b[2048];
    const size_t n = gather(a, of_a);
    gather(b, of_b);
    size_t j = 0;
    std::string_view y;
    for (size_t i = 0; i < n; ++i) {
      std::string_view x(static_cast<const char*>(of_a[i].iov_base), of_a[i].iov_len);
      while (!x.empty()) {
        if (y.empty()) {
          y = std::string_view(static_cast<const char*>(of_b[j].iov_base), of_b[j].iov_len);
          ++j;
        }
        const size_t same = std::min(x.size(), y.size());
        if (std::memcmp(x.data(), y.data(), same) != 0) return false;
        x.remove_prefix(same);
        y.remove_prefix(same);
      }
    }
    return true;
  }

  // Draining leaves room in front, which prepending takes.
  struct Headroom {
    explicit Headroom(std::string_view payload) {
      evbuffer_expand(buffer.get(), payload.size() + 64);
      char room[64] = {};
      evbuffer_add(buffer.get(), room, sizeof(room));
      evbuffer_add(buffer.get(), payload.data(), payload.size());
      evbuffer_drain(buffer.get(), sizeof(room));
    }
    void prepend(std::string_view header) {
      evbuffer_prepend(buffer.get(), header.data(), header.size());
    }
    size_t gather(std::span<iovec> entries) { return Library::gather(buffer, entries); }
    void undo() { evbuffer_drain(buffer.get(), compare::kHeader.size()); }
    Evbuffer buffer;
  };
};

// The payload pulled together in place: a view that the next call ends.
struct Pullup : Common {
  static constexpr const char* kVariant = "pullup";
  static bool serves(std::string_view row) { return row.starts_with("W2_"); }
  static const char* note(std::string_view) { return "owns nothing"; }
  static uint32_t take_u32(Evbuffer& chain) { return Library::take_u32(chain); }
  struct View {
    View(evbuffer* of, size_t n)
        : from(of), bytes(evbuffer_pullup(of, static_cast<ev_ssize_t>(n))), size(n) {}
    View(const View&) = delete;
    ~View() { evbuffer_drain(from, size); }
    evbuffer* from;
    const unsigned char* bytes;
    size_t size;
  };
  using Common::text;
  static std::string text(const View& view) {
    return std::string(reinterpret_cast<const char*>(view.bytes), view.size);
  }
  static View take(Evbuffer& chain, size_t n) { return View(chain.get(), n); }
  static uint32_t first_u32(const View& view) { return compare::load_u32_be(view.bytes); }
};

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  compare::add_workloads<Pullup>();
  return compare::run(argc, argv, "evbuffer", event_get_version());
}
