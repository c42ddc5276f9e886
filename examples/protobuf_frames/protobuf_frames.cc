// Length-prefixed frames with protobuf messages in them, over a socket: each frame is parsed from
// the scattered blocks that it came in, and its bytes field is a slice of those blocks.
//
// A frame is a 32-bit big-endian length and a message (picture.proto). What goes over the wire is
// plain protobuf: the second half of the pictures is sent by protobuf alone. 168 lines with the
// .proto; what a user writes is 40.
#include <bight/bight.h>
#include <bight/interop/protobuf.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/read.h>
#include <bight/io/write.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "picture.pb.h"

namespace {

using bight::Bytes;
using bight::Chain;
using example::Picture;

constexpr uint32_t kPictures = 20, kWidth = 300, kHeight = 200;
constexpr size_t kMaxFrame = size_t{1} << 20;

void expect(bool yes, const char* what) {
  if (yes) return;
  std::fprintf(stderr, "protobuf_frames: FAILED: %s\n", what);
  std::exit(1);
}

std::string pixels_of(uint32_t number) {
  std::string pixels(size_t{kWidth} * kHeight, '\0');
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<char>(i * 7 + number);
  return pixels;
}

// ---- What a user writes ------------------------------------------------------------------------

// Sends a picture whose pixels stay where they are.
bool send_picture(int fd, const Picture& picture, const Chain& pixels) {
  Chain frame = bight::serialize(picture);
  bight::push_bytes_field(frame, Picture::kPixelsFieldNumber, pixels);
  bight::BytesBuilder length;
  length.put_be<uint32_t>(static_cast<uint32_t>(frame.size()));
  frame.push_front(std::move(length).freeze());
  return bight::write_all(bight::FdSink(fd), frame).kind == bight::IoKind::data;
}

// Parses a frame where it was received. False: it holds no such message.
bool parse_picture(Chain frame, Picture& picture, Chain& pixels) {
  const auto fields = bight::take_bytes_field(frame, Picture::kPixelsFieldNumber);
  if (!fields || !bight::parse_from(picture, frame)) return false;
  pixels = fields->empty() ? Chain() : fields->back();
  return true;
}

// Calls `on_picture` for each frame until the peer ends. False: it did not end between two frames.
template <class F>
bool receive_pictures(int fd, const bight::ChainBuilderOptions& blocks, F on_picture) {
  bight::ChainBuilder room(blocks);
  Chain received;
  for (;;) {
    const bight::IoResult got = bight::read_some(bight::FdSource(fd), room, 16'384);
    received.push_back(room.take());
    for (;;) {
      bight::Cursor in(received);
      auto frame = in.try_read_prefixed<uint32_t>(kMaxFrame);
      if (frame.status() == bight::ReadStatus::need_more) break;
      Picture picture;
      Chain pixels;
      if (!frame || !parse_picture(*std::move(frame), picture, pixels)) return false;
      on_picture(picture, pixels, received);
      received.consume(in.position());
    }
    if (got.kind != bight::IoKind::data) return got.kind == bight::IoKind::eof && received.empty();
  }
}

// ---- Both ends, and what they are held to ----------------------------------------------------

void send_all(int fd) {
  for (uint32_t i = 0; i < kPictures; ++i) {
    Picture picture;
    picture.set_name("picture " + std::to_string(i));
    picture.set_width(kWidth);
    picture.set_height(kHeight);
    if (i < kPictures / 2) {
      // From an image of the program's own, a chain of its rows.
      const Bytes image = Bytes::from_owner(pixels_of(i));
      Chain rows;
      for (size_t row = 0; row < kHeight; ++row) {
        rows.push_back(image.slice(row * kWidth, kWidth));
      }
      const bight::CopyAudit audit;
      expect(send_picture(fd, picture, rows), "send");
      expect(audit.thread().copied == 4, "of a sent picture only its length is written");
    } else {
      picture.set_pixels(pixels_of(i));
      const std::string message = picture.SerializeAsString();
      bight::ChainBuilder frame;
      frame.put_be<uint32_t>(static_cast<uint32_t>(message.size()));
      frame.append(message);
      Chain chain = std::move(frame).freeze();
      expect(bight::write_all(bight::FdSink(fd), chain).kind == bight::IoKind::data, "send");
    }
  }
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

int main() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
  std::thread sender(send_all, ends[0]);

  bight::ChainBuilderOptions blocks;
  blocks.min_block = blocks.max_block = 4096;  // small, so that every picture is scattered
  uint32_t pictures = 0;
  size_t segments = 0;
  const bight::CopyAudit audit;
  const bool ended = receive_pictures(
      ends[1], blocks, [&](const Picture& picture, const Chain& pixels, const Chain& received) {
        expect(picture.name() == "picture " + std::to_string(pictures), "the name arrived");
        expect(picture.width() == kWidth && picture.height() == kHeight, "the sides arrived");
        expect(picture.pixels().empty(), "protobuf has no copy of the pixels");
        expect(pixels == pixels_of(pictures), "the pixels arrived");
        expect(pixels.segment_count() > 10, "they came scattered");
        for (const auto segment : pixels.segments()) {
          expect(received.try_slice_ref(segment).has_value(), "they are where they were received");
        }
        segments += pixels.segment_count();
        ++pictures;
      });
  expect(ended && pictures == kPictures, "all pictures came, and then the end");
  expect(audit.thread().copied == 0, "nothing was copied");
  std::printf("%u pictures of %u bytes in %zu segments, 0 bytes copied\n", pictures,
              kWidth * kHeight, segments);

  // What one picture would look like to protobuf alone: the same, with the pixels as a string.
  Picture picture, whole;
  picture.set_name("whole");
  Chain wire = bight::serialize(picture);
  bight::push_bytes_field(wire, Picture::kPixelsFieldNumber, Chain(Bytes::from_static("pixels")));
  expect(whole.ParseFromString(wire.to_string()) && whole.pixels() == "pixels", "plain protobuf");

  sender.join();
  ::close(ends[0]);
  ::close(ends[1]);
}
