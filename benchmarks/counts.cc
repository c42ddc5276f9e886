// The hot operations, to be counted by instructions under callgrind: figures without noise, so that
// a later change can be compared with an earlier one. counts.py runs this and keeps the record.
//
// Each operation runs a number of times and then twice as often; the difference is what it costs,
// without what comes before and after.

#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>
#include <bight/cursor.h>
#include <valgrind/callgrind.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight::Cursor;

template <class T>
void use(T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// Counts `operation`, which does `units` of what is named.
template <class Operation>
void count(const char* name, int units, const Operation& operation, int times = 256) {
  const auto run = [&](int n) __attribute__((noinline)) {
    for (int i = 0; i < n; ++i) operation();
  };
  run(8);  // caches fill
  // Named: the macros use the address in a later statement than the one that they take it in.
  const std::string label = std::string(name) + " " + std::to_string(times * units);
  const std::string once = label + " once";
  const std::string twice = label + " twice";
  CALLGRIND_ZERO_STATS;
  run(times);
  CALLGRIND_DUMP_STATS_AT(once.c_str());
  CALLGRIND_ZERO_STATS;
  run(2 * times);
  CALLGRIND_DUMP_STATS_AT(twice.c_str());
}

Chain chain_of(std::string_view text, size_t size) {
  Chain chain;
  for (; text.size() > size; text.remove_prefix(size)) {
    chain.push_back(Bytes::copy_of(text.substr(0, size)));
  }
  if (!text.empty()) chain.push_back(Bytes::copy_of(text));
  return chain;
}

std::string letters(size_t size) {
  uint32_t state = 1;
  std::string text(size, ' ');
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>('a' + (state >> 24) % 26);
  }
  return text;
}

void count_bytes() {
  const std::string text = letters(65536);
  const Bytes whole = Bytes::copy_of(text);
  size_t position = 0;
  count("slice_and_drop", 1, [&] {
    Bytes part = whole.slice(position, 64);
    use(part);
    position = (position + 61) & 0x7fff;
  });
  for (const size_t size : {16, 64, 1024}) {
    const std::string name = "create_and_drop_" + std::to_string(size);
    count(name.c_str(), 1, [&] {
      Bytes bytes = Bytes::copy_of(std::string_view(text).substr(0, size));
      use(bytes);
    });
  }
}

void count_chain() {
  const std::string text = letters(1000 * 1024);
  std::vector<Bytes> buffers;
  for (size_t i = 0; i < 1000; ++i) {
    buffers.push_back(Bytes::copy_of(std::string_view(text).substr(i * 1024, 1024)));
  }
  count(
      "push_back", 1000,
      [&] {
        Chain chain;
        for (const Bytes& buffer : buffers) chain.push_back(buffer);
        use(chain);
      },
      4);

  Chain body;
  for (const Bytes& buffer : buffers) body.push_back(buffer);
  count("chain_copy_and_drop", 1, [&] {
    Chain copy = body;
    use(copy);
  });
  count("slice_mid_and_drop", 1, [&] {
    Chain slice = body.slice(body.size() / 4, body.size() / 2);
    use(slice);
  });
  size_t position = 0;
  count("index", 1, [&] {
    std::byte byte = body[position];
    use(byte);
    position = (position + 7919) % (1000 * 1024);
  });
  std::vector<iovec> entries(1024);
  count(
      "fill_iovec", 1000, [&] { body.fill_iovec(entries); }, 4);
  count("header_on_body", 1, [&] {
    Chain message = body;
    message.push_front(Bytes::copy_of("HTTP/1.1 200\r\n"));
    use(message);
  });
  count("push_on_snapshot", 1, [&] {
    Chain chain = body;
    chain.push_back(buffers[7]);
    use(chain);
  });

  Chain queue;
  for (int i = 0; i < 16; ++i) queue.push_back(buffers[0]);
  count("fifo_cycle", 1, [&] {
    queue.push_back(buffers[0]);
    for (int i = 0; i < 10; ++i) {
      Chain cut = queue.split_to(100);
      use(cut);
    }
    Chain rest = queue.split_to(24);
    use(rest);
  });

  const Bytes large = Bytes::copy_of(letters(65536));
  count(
      "frame_cut", 585,  // of 4 + 108 bytes, in 64 KiB
      [&] {
        Chain stream(large);
        for (int i = 0; i < 585; ++i) {
          uint32_t length = Cursor(stream).read_be<uint32_t>();
          use(length);
          stream.consume(4);
          Chain payload = stream.split_to(108);
          uint32_t first = Cursor(payload).read_be<uint32_t>();
          use(first);
        }
      },
      4);

  const Chain equal_1 = chain_of(std::string_view(text).substr(0, 65536), 1024);
  const Chain equal_2 = chain_of(std::string_view(text).substr(0, 65536), 1461);
  count("equal_64_kib", 1, [&] {
    bool equal = equal_1 == equal_2;
    use(equal);
  });
  std::string lines = text.substr(0, 65536);
  lines += "\r\n";
  const Chain crlf = chain_of(lines, 1461);
  count("find_crlf_64_kib", 1, [&] {
    size_t found = crlf.find("\r\n").value_or(0);
    use(found);
  });
}

void count_cursor_and_builders() {
  const std::string text = letters(65536);
  const Chain straddling = chain_of(text, 4098);
  count(
      "cursor_read_u32", 16384,
      [&] {
        uint64_t sum = 0;
        Cursor in(straddling);
        while (const auto value = in.try_read_be<uint32_t>()) sum += *value;
        use(sum);
      },
      4);
  count(
      "chain_put_u32", 65536,
      [&] {
        ChainBuilder out;
        for (uint32_t i = 0; i < 65536; ++i) out.put_be<uint32_t>(i);
        Chain chain = std::move(out).freeze();
        use(chain);
      },
      2);
  count(
      "bytes_put_u32", 65536,
      [&] {
        BytesBuilder out(size_t{4} * 65536);
        for (uint32_t i = 0; i < 65536; ++i) out.put_be<uint32_t>(i);
        Bytes bytes = std::move(out).freeze();
        use(bytes);
      },
      2);
  count(
      "chain_append_64", 4096,
      [&] {
        ChainBuilder out;
        for (size_t i = 0; i < 4096; ++i) {
          out.append(ByteView(text.data() + (i & 1023) * 64, 64));
        }
        Chain chain = std::move(out).freeze();
        use(chain);
      },
      2);
  BytesBuilder message(2048, 64);
  message.append(std::string_view(text).substr(0, 1400));
  count("prepend_14_and_undo", 1, [&] {
    message.prepend("HTTP/1.1 200\r\n");
    use(message);
    message.remove_prefix(14);
  });
}

}  // namespace

int main() {
  count_bytes();
  count_chain();
  count_cursor_and_builders();
}
