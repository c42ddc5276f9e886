// std::shared_ptr<std::vector<char>> and the part of it that is meant; a chain is a vector of them.

#include <memory>

#include "workloads.h"

namespace {

struct Part {
  std::shared_ptr<const std::vector<char>> owner;
  size_t position;
  size_t size;
  std::string_view bytes() const { return {owner->data() + position, size}; }
};

struct Library {
  using Buffer = Part;
  using Chain = std::vector<Part>;
  static const char* note(std::string_view row) {
    return row.starts_with("W1_") || row.starts_with("W12") || row.starts_with("W14") ? ""
                                                                                      : "by hand";
  }
  static std::string text(const Part& part) { return std::string(part.bytes()); }
  static std::string text(const Chain& chain) {
    std::string result;
    for (const Part& part : chain) result += part.bytes();
    return result;
  }
  static Part share(std::string_view bytes) { return create(bytes); }
  static Part create(std::string_view bytes) {
    return {std::make_shared<const std::vector<char>>(bytes.begin(), bytes.end()), 0, bytes.size()};
  }
  static Part slice(const Part& part, size_t position, size_t count) {
    return {part.owner, part.position + position, count};
  }
  static void push(Chain& chain, const Part& part) { chain.push_back(part); }
  static size_t gather(const Chain& chain, std::span<iovec> entries) {
    size_t n = 0;
    for (const Part& part : chain) {
      if (n == entries.size()) break;
      entries[n++] = {const_cast<char*>(part.bytes().data()), part.size};
    }
    return n;
  }
  static Chain copy(const Chain& chain) { return chain; }
};

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  return compare::run(argc, argv, "shared_ptr<vector>", __VERSION__);
}
