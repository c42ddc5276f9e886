// std::string: one owner, contiguous. Everything but building and creating copies.

#include "workloads.h"

namespace {

struct Library {
  static std::string text(const std::string& built) { return built; }
  static std::string create(std::string_view bytes) { return std::string(bytes); }
  static std::string build_64(std::string_view bytes) {
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += 64) out.append(bytes.data() + at, 64);
    return out;
  }
  static std::string write_u32(uint32_t count) {
    std::string out;
    char bytes[4];
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(bytes, i);
      out.append(bytes, 4);
    }
    return out;
  }
};

// The size is known beforehand.
struct Reserved {
  static constexpr const char* kVariant = "reserved";
  static const char* note(std::string_view) { return "size known"; }
  static std::string text(const std::string& built) { return built; }
  static std::string build_64(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size(); at += 64) out.append(bytes.data() + at, 64);
    return out;
  }
  static std::string write_u32(uint32_t count) {
    std::string out;
    out.reserve(size_t{4} * count);
    char bytes[4];
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(bytes, i);
      out.append(bytes, 4);
    }
    return out;
  }
};

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  compare::add_workloads<Reserved>();
  return compare::run(argc, argv, "std::string", __VERSION__);
}
