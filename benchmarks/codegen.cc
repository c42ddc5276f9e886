// The hot paths as functions with plain names, to be looked at with objdump: docs/benchmarks.md
// shows what is expected of them, and codegen.py checks it.

#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/chain.h>
#include <bight/chain_builder.h>
#include <bight/cursor.h>
#include <bight/write_window.h>

#include <cstddef>
#include <cstdint>
#include <new>

extern "C" {

// What is made in memory of the caller is destroyed by the caller too, so that one function shows
// one operation.
void keep_slice(const bight::Bytes& bytes, size_t position, bight::Bytes* result) {
  ::new (static_cast<void*>(result)) bight::Bytes(bytes.slice(position, 64));
}

void keep_drop(bight::Bytes* bytes) { bytes->~Bytes(); }

void keep_slice_drop(const bight::Bytes& bytes, size_t position) {
  const bight::Bytes part = bytes.slice(position, 64);
  asm volatile("" : : "r"(part.data()) : "memory");
}

uint32_t keep_read_u32(bight::Cursor& in) { return in.read_be<uint32_t>(); }

uint64_t keep_read_u32_loop(const bight::Chain& chain) {
  uint64_t sum = 0;
  bight::Cursor in(chain);
  while (const auto value = in.try_read_be<uint32_t>()) sum += *value;
  return sum;
}

void keep_bytes_put_u32(bight::BytesBuilder& out, uint32_t value) { out.put_be<uint32_t>(value); }

void keep_chain_put_u32(bight::ChainBuilder& out, uint32_t value) { out.put_be<uint32_t>(value); }

void keep_window_put_u32_loop(bight::ChainBuilder& out, uint32_t count) {
  bight::WriteWindow window(out);
  for (uint32_t i = 0; i < count; ++i) window.put_be<uint32_t>(i);
}

void keep_chain_append_64(bight::ChainBuilder& out, const std::byte* bytes) {
  out.append(bight::ByteView(bytes, 64));
}

void keep_push_back(bight::Chain& chain, const bight::Bytes& bytes) { chain.push_back(bytes); }

void keep_consume(bight::Chain& chain, size_t n) { chain.consume(n); }

void keep_split_to(bight::Chain& chain, size_t n, bight::Chain* result) {
  ::new (static_cast<void*>(result)) bight::Chain(chain.split_to(n));
}

void keep_copy(const bight::Chain& chain, bight::Chain* result) {
  ::new (static_cast<void*>(result)) bight::Chain(chain);
}

}  // extern "C"
