// GLib's GBytes: contiguous, shared, with slices. It has no chain.

#include <glib.h>

#include "workloads.h"

namespace {

class Shared {
 public:
  explicit Shared(GBytes* bytes) : bytes_(bytes) {}
  Shared(const Shared& other) : bytes_(g_bytes_ref(other.bytes_)) {}
  Shared(Shared&& other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)) {}
  Shared& operator=(Shared) = delete;
  ~Shared() { g_bytes_unref(bytes_); }
  GBytes* get() const { return bytes_; }

 private:
  GBytes* bytes_;
};

struct Library {
  using Buffer = Shared;
  static std::string text(const Shared& buffer) {
    gsize size;
    const void* const data = g_bytes_get_data(buffer.get(), &size);
    return std::string(static_cast<const char*>(data), size);
  }
  static Shared share(std::string_view bytes) { return create(bytes); }
  static Shared create(std::string_view bytes) {
    return Shared(g_bytes_new(bytes.data(), bytes.size()));
  }
  static Shared slice(const Shared& buffer, size_t position, size_t count) {
    return Shared(g_bytes_new_from_bytes(buffer.get(), position, count));
  }
};

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  return compare::run(argc, argv, "GBytes",
                      std::to_string(GLIB_MAJOR_VERSION) + "." +
                          std::to_string(GLIB_MINOR_VERSION) + "." +
                          std::to_string(GLIB_MICRO_VERSION));
}
