// WebSocket (RFC 6455) on a connection of the epoll server: sends every message back.
#ifndef EXAMPLES_WEBSOCKET_ECHO_WEBSOCKET_H_
#define EXAMPLES_WEBSOCKET_ECHO_WEBSOCKET_H_

#include <bight/chain_builder.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "examples/http_server/http.h"
#include "examples/support/utf8.h"

namespace example {

enum class Opcode : uint8_t { continuation, text, binary, close = 8, ping, pong };

struct FrameHead {
  bool final = false;
  Opcode opcode = Opcode::continuation;
  std::array<std::byte, 4> key{};  // the mask
  uint64_t size = 0;               // of the payload
};

inline constexpr uint16_t kProtocolError = 1002;
inline constexpr uint16_t kNotText = 1007;
inline constexpr uint16_t kTooLarge = 1009;

// Takes the head of a client's frame off the front of `in`. kComplete; kNeedMore, and `in` is as it
// was; or the code to close with.
[[nodiscard]] int read_frame_head(bight::Chain& in, FrameHead& head);
void put_frame_head(bight::ChainBuilder& out, Opcode opcode, size_t size);

// Takes the mask off all of `payload`: in place in segments that nobody else can see (a reader that
// still writes into their block counts too); others are copied, unmasked on the way.
void unmask(bight::Chain& payload, const std::array<std::byte, 4>& key);

// Whether a peer may close with this code.
[[nodiscard]] bool is_close_code(uint16_t code) noexcept;
// Sec-WebSocket-Accept for this Sec-WebSocket-Key.
[[nodiscard]] std::string accept_key(std::string_view key);

class WebSocketEcho : public Handler {
 public:
  static constexpr size_t kMaxMessage = size_t{16} << 20;

  bool on_bytes(Connection& c) override;

 private:
  int check_head() const noexcept;
  // False: the connection ends with what was written.
  bool on_frame(Connection& c, bight::Chain payload);
  bool on_close(Connection& c, const bight::Chain& payload);
  bool close(Connection& c, uint16_t code);

  bool in_frame_ = false;  // frame_ is read, and its payload awaited
  FrameHead frame_;
  bight::Chain payload_;        // what came of it
  bool in_message_ = false;     // a message has begun, and its last frame not come
  Opcode kind_ = Opcode::text;  // of the message
  bight::Chain message_;
  Utf8 utf8_;
  LeanChain lean_payload_, lean_message_;
};

// Files, and WebSocket at /echo.
class WebSocketHttpHandler : public HttpHandler {
 public:
  using HttpHandler::HttpHandler;

 protected:
  std::unique_ptr<Handler> on_upgrade(Connection& c, const RequestHead& head,
                                      Refusal& refusal) override;
};

}  // namespace example

#endif  // EXAMPLES_WEBSOCKET_ECHO_WEBSOCKET_H_
