// std::deque<bight::Bytes>: what one would write with Bytes if there were no Chain.

#include <bight/bytes.h>

#include <deque>

#include "workloads.h"

namespace {

using bight::Bytes;

struct Library {
  using Buffer = Bytes;
  using Chain = std::deque<Bytes>;
  static constexpr bool kShares = false;  // W14 would be that of Bytes
  static const char* note(std::string_view) { return "by hand"; }
  static std::string text(const Bytes& bytes) { return std::string(bytes.view()); }
  static std::string text(const Chain& chain) {
    std::string result;
    for (const Bytes& bytes : chain) result += bytes.view();
    return result;
  }
  static Bytes share(std::string_view bytes) { return Bytes::copy_of(bytes); }
  static Chain single(const Bytes& bytes) { return {bytes}; }
  static void push(Chain& chain, const Bytes& bytes) { chain.push_back(bytes); }
  static void push_copy(Chain& chain, std::string_view bytes) {
    chain.push_back(Bytes::copy_of(bytes));
  }
  static void push_front_copy(Chain& chain, std::string_view bytes) {
    chain.push_front(Bytes::copy_of(bytes));
  }
  static size_t gather(const Chain& chain, std::span<iovec> entries) {
    size_t n = 0;
    for (const Bytes& bytes : chain) {
      if (n == entries.size()) break;
      entries[n++] = {const_cast<char*>(bytes.chars()), bytes.size()};
    }
    return n;
  }
  static Chain copy(const Chain& chain) { return chain; }
  static Chain slice(const Chain& chain, size_t position, size_t count) {
    Chain result;
    for (const Bytes& bytes : chain) {
      if (count == 0) break;
      if (position >= bytes.size()) {
        position -= bytes.size();
        continue;
      }
      const size_t n = std::min(count, bytes.size() - position);
      result.push_back(bytes.slice(position, n));
      count -= n;
      position = 0;
    }
    return result;
  }
  static char at(const Chain& chain, size_t position) {
    for (const Bytes& bytes : chain) {
      if (position < bytes.size()) return bytes.chars()[position];
      position -= bytes.size();
    }
    std::abort();
  }
  static uint32_t take_u32(Chain& chain) {
    char bytes[4];
    for (size_t have = 0; have < 4;) {
      Bytes& front = chain.front();
      const size_t n = std::min(4 - have, front.size());
      std::memcpy(bytes + have, front.data(), n);
      have += n;
      front.remove_prefix(n);
      if (front.empty()) chain.pop_front();
    }
    return compare::load_u32_be(bytes);
  }
  static Chain take(Chain& chain, size_t n) {
    Chain cut;
    while (n != 0) {
      Bytes& front = chain.front();
      if (n < front.size()) {
        cut.push_back(front.split_to(n));
        break;
      }
      n -= front.size();
      cut.push_back(std::move(front));
      chain.pop_front();
    }
    return cut;
  }
  static uint32_t first_u32(const Chain& chain) {
    if (chain.front().size() >= 4) return compare::load_u32_be(chain.front().data());
    char bytes[4];
    for (size_t i = 0; i < 4; ++i) bytes[i] = at(chain, i);
    return compare::load_u32_be(bytes);
  }
};

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  return compare::run(argc, argv, "deque<Bytes>", BIGHT_VERSION_STRING);
}
