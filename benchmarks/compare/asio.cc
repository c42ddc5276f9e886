// Boost.Asio and Boost.Beast. Asio's buffers are views; what owns is the shared_const_buffer of
// its documentation (a shared_ptr beside a const_buffer), and a chain is a vector of them, a queue
// a deque. Beast's dynamic buffers and its adaptors are variants of their own.

#include <boost/asio/buffer.hpp>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/beast/core/buffers_cat.hpp>
#include <boost/beast/core/buffers_prefix.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/multi_buffer.hpp>
#include <boost/beast/version.hpp>
#include <boost/version.hpp>
#include <deque>
#include <memory>

#include "workloads.h"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

struct SharedBuffer {
  std::shared_ptr<const std::vector<char>> owner;
  asio::const_buffer view;
  operator asio::const_buffer() const { return view; }  // NOLINT: what Asio asks for
};

std::string text_of(asio::const_buffer view) {
  return std::string(static_cast<const char*>(view.data()), view.size());
}

SharedBuffer make_shared_buffer(std::string_view bytes) {
  auto owner = std::make_shared<const std::vector<char>>(bytes.begin(), bytes.end());
  const asio::const_buffer view(owner->data(), owner->size());
  return {std::move(owner), view};
}

SharedBuffer part_of(const SharedBuffer& buffer, size_t position, size_t count) {
  return {buffer.owner, asio::buffer(buffer.view + position, count)};
}

template <class Buffers>
size_t fill(const Buffers& buffers, std::span<iovec> entries) {
  size_t n = 0;
  for (auto it = asio::buffer_sequence_begin(buffers);
       it != asio::buffer_sequence_end(buffers) && n < entries.size(); ++it) {
    const asio::const_buffer view(*it);
    entries[n++] = {const_cast<void*>(view.data()), view.size()};
  }
  return n;
}

struct Library {
  using Buffer = SharedBuffer;
  using Chain = std::vector<SharedBuffer>;
  static const char* note(std::string_view row) {
    return row == "W5_chain_slice_mid" || row == "W13_equal" ? "by hand" : "";
  }
  static std::string text(const SharedBuffer& buffer) { return text_of(buffer.view); }
  static std::string text(const Chain& chain) { return beast::buffers_to_string(chain); }
  static std::string text(const std::string& flat) { return flat; }

  static SharedBuffer share(std::string_view bytes) { return make_shared_buffer(bytes); }
  static SharedBuffer create(std::string_view bytes) { return make_shared_buffer(bytes); }
  static SharedBuffer slice(const SharedBuffer& buffer, size_t position, size_t count) {
    return part_of(buffer, position, count);
  }
  static Chain single(const SharedBuffer& buffer) { return {buffer}; }
  static void push(Chain& chain, const SharedBuffer& buffer) { chain.push_back(buffer); }
  static void push_copy(Chain& chain, std::string_view bytes) {
    chain.push_back(make_shared_buffer(bytes));
  }
  static void push_front_copy(Chain& chain, std::string_view bytes) {
    chain.insert(chain.begin(), make_shared_buffer(bytes));
  }
  static size_t gather(const Chain& chain, std::span<iovec> entries) {
    return fill(chain, entries);
  }
  static Chain copy(const Chain& chain) { return chain; }
  static Chain slice(const Chain& chain, size_t position, size_t count) {
    Chain result;
    for (const SharedBuffer& buffer : chain) {
      if (count == 0) break;
      const size_t size = buffer.view.size();
      if (position >= size) {
        position -= size;
        continue;
      }
      const size_t n = std::min(count, size - position);
      result.push_back(part_of(buffer, position, n));
      count -= n;
      position = 0;
    }
    return result;
  }
  // Asio's random access iterator over a buffer sequence, which walks.
  static char at(const Chain& chain, size_t position) {
    auto it = asio::buffers_begin(chain);
    it += static_cast<ptrdiff_t>(position);
    return *it;
  }
  static uint64_t sum_u32(const Chain& chain) {
    beast::buffers_suffix<Chain> left(chain);
    uint64_t sum = 0;
    char bytes[4];
    while (asio::buffer_copy(asio::buffer(bytes), left) == 4) {
      left.consume(4);
      sum += compare::load_u32_be(bytes);
    }
    return sum;
  }
  // As asio::read_until does it.
  static size_t find(const Chain& chain, std::string_view needle) {
    const auto begin = asio::buffers_begin(chain);
    const auto end = asio::buffers_end(chain);
    const auto found = std::search(begin, end, needle.begin(), needle.end());
    return found == end ? compare::kNotFound : static_cast<size_t>(found - begin);
  }
  static std::string flatten(const Chain& chain) { return beast::buffers_to_string(chain); }
  static bool equal(const Chain& a, const Chain& b) {
    if (asio::buffer_size(a) != asio::buffer_size(b)) return false;
    auto i = a.begin();
    auto j = b.begin();
    asio::const_buffer x;
    asio::const_buffer y;
    for (;;) {
      if (x.size() == 0) {
        if (i == a.end()) return true;
        x = (i++)->view;
      }
      if (y.size() == 0) y = (j++)->view;
      const size_t n = std::min(x.size(), y.size());
      if (std::memcmp(x.data(), y.data(), n) != 0) return false;
      x += n;
      y += n;
    }
  }
};

// Cuts from the front of a deque.
struct Queue {
  static constexpr const char* kVariant = "deque";
  static bool serves(std::string_view row) {
    return row.starts_with("W2_") || row.starts_with("W16_");
  }
  static const char* note(std::string_view) { return "by hand"; }
  using Buffer = SharedBuffer;
  using Chain = std::deque<SharedBuffer>;
  using Cut = std::vector<SharedBuffer>;
  static std::string text(const SharedBuffer& buffer) { return text_of(buffer.view); }
  static std::string text(const Cut& cut) { return beast::buffers_to_string(cut); }
  static SharedBuffer share(std::string_view bytes) { return make_shared_buffer(bytes); }
  static void push(Chain& chain, const SharedBuffer& buffer) { chain.push_back(buffer); }
  static uint32_t take_u32(Chain& chain) {
    char bytes[4];
    for (size_t have = 0; have < 4;) {
      asio::const_buffer& front = chain.front().view;
      const size_t n = asio::buffer_copy(asio::buffer(bytes) + have, front);
      have += n;
      front += n;
      if (front.size() == 0) chain.pop_front();
    }
    return compare::load_u32_be(bytes);
  }
  static Cut take(Chain& chain, size_t n) {
    Cut cut;
    while (n != 0) {
      SharedBuffer& front = chain.front();
      if (n < front.view.size()) {
        cut.push_back(part_of(front, 0, n));
        front.view += n;
        break;
      }
      n -= front.view.size();
      cut.push_back(std::move(front));
      chain.pop_front();
    }
    return cut;
  }
  static uint32_t first_u32(const Cut& cut) {
    if (cut[0].view.size() >= 4) return compare::load_u32_be(cut[0].view.data());
    char bytes[4];
    asio::buffer_copy(asio::buffer(bytes), cut);
    return compare::load_u32_be(bytes);
  }
};

// A header in front of a payload as two views.
struct Views {
  static constexpr const char* kVariant = "view";
  static bool serves(std::string_view row) { return row.starts_with("W15_"); }
  static const char* note(std::string_view) { return "owns nothing"; }
  using Buffer = SharedBuffer;
  static std::string text(const SharedBuffer& buffer) { return text_of(buffer.view); }
  static SharedBuffer share(std::string_view bytes) { return make_shared_buffer(bytes); }
  struct Chain {
    asio::const_buffer header;
    asio::const_buffer body;
  };
  static Chain single(const SharedBuffer& buffer) { return {{}, buffer.view}; }
  static void push_front_copy(Chain& chain, std::string_view bytes) {
    chain.header = asio::const_buffer(bytes.data(), bytes.size());
  }
  static size_t gather(const Chain& chain, std::span<iovec> entries) {
    return fill(beast::buffers_cat(chain.header, chain.body), entries);
  }
};

// Beast's dynamic buffers as builders, and as the queue of W2: cuts are views.
template <class Dynamic>
struct Builder {
  static constexpr const char* kVariant =
      std::is_same_v<Dynamic, beast::flat_buffer> ? "flat_buffer" : "multi_buffer";
  static const char* note(std::string_view row) {
    return row == "W2_frame_split" ? "owns nothing" : "";
  }
  static std::string text(const Dynamic& built) { return beast::buffers_to_string(built.data()); }
  static void append(Dynamic& out, const char* bytes, size_t n) {
    out.commit(asio::buffer_copy(out.prepare(n), asio::buffer(bytes, n)));
  }
  static Dynamic build_64(std::string_view bytes) {
    Dynamic out;
    for (size_t at = 0; at < bytes.size(); at += 64) append(out, bytes.data() + at, 64);
    return out;
  }
  static Dynamic write_u32(uint32_t count) {
    Dynamic out;
    char bytes[4];
    for (uint32_t i = 0; i < count; ++i) {
      compare::store_u32_be(bytes, i);
      append(out, bytes, 4);
    }
    return out;
  }
};

struct Flat : Builder<beast::flat_buffer> {
  static beast::flat_buffer create(std::string_view bytes) {
    beast::flat_buffer out;
    append(out, bytes.data(), bytes.size());
    return out;
  }
};

std::string version() {
  return std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000) +
         " (Beast " + std::to_string(BOOST_BEAST_VERSION) + ")";
}

}  // namespace

int main(int argc, char** argv) {
  compare::add_workloads<Library>();
  compare::add_workloads<Queue>();
  compare::add_workloads<Views>();
  compare::add_workloads<Flat>();
  compare::add_workloads<Builder<beast::multi_buffer>>();
  return compare::run(argc, argv, "Asio/Beast", version());
}
