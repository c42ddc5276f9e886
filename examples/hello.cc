// The first program of README.md.
#include <bight/bight.h>

#include <iostream>

int main() {
  const auto text = bight::Bytes::copy_of("hello, world");  // one block; copied this once
  const bight::CopyAudit audit;
  bight::ChainBuilder out;
  out.put_be<uint32_t>(12);         // a length in front: these 4 bytes are written
  out.push_back(text.slice(0, 7));  // shares the block
  out.push_back(text.slice(7));     // so does this, and joins its neighbour
  const bight::Chain message = std::move(out).freeze();
  std::cout << bight::hexdump(message, 64, bight::SegmentMarks::show);
  bight::Cursor in(message);
  const auto body = in.try_read_prefixed<uint32_t>(1024);  // none if cut short or above 1024
  if (body) std::cout << *body << ": " << audit.thread().copied << " bytes copied\n";
}
