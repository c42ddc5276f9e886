#include "examples/websocket_echo/websocket.h"

#include <absl/strings/escaping.h>
#include <bight/bytes.h>
#include <bight/bytes_builder.h>
#include <bight/cursor.h>
#include <bight/endian.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "examples/support/sha1.h"
#include "examples/support/text.h"

namespace example {
namespace {

void apply_mask(const std::byte* from, std::byte* to, size_t size, uint64_t mask) noexcept {
  size_t i = 0;
  for (; size - i >= 8; i += 8) {
    bight::store_be<uint64_t>(to + i, bight::load_be<uint64_t>(from + i) ^ mask);
  }
  for (; i < size; ++i) to[i] = from[i] ^ static_cast<std::byte>(mask >> (56 - i % 8 * 8));
}

}  // namespace

int read_frame_head(bight::Chain& in, FrameHead& head) {
  bight::Cursor cursor(in);
  const auto bits = cursor.try_read_be<uint16_t>();
  if (!bits) return kNeedMore;
  head.final = (*bits & 0x8000) != 0;
  head.opcode = static_cast<Opcode>(*bits >> 8 & 15);
  head.size = *bits & 127;
  const bool control = head.opcode >= Opcode::close;
  const bool known = head.opcode <= Opcode::binary || (control && head.opcode <= Opcode::pong);
  // No extension was agreed upon, and a client masks.
  if ((*bits & 0x7000) != 0 || !known || (*bits & 0x80) == 0) return kProtocolError;
  if (control && (!head.final || head.size > 125)) return kProtocolError;
  if (head.size >= 126) {
    const size_t width = head.size == 126 ? 2 : 8;
    const auto size = cursor.try_read_uint_be(width);
    if (!size) return kNeedMore;
    // Shorter ways are to be used where they suffice, and the highest bit is 0.
    if (*size < (width == 2 ? 126 : 65536) || *size >> 63 != 0) return kProtocolError;
    head.size = *size;
  }
  if (!cursor.try_copy_to(head.key)) return kNeedMore;
  in.consume(cursor.position());
  return kComplete;
}

void put_frame_head(bight::ChainBuilder& out, Opcode opcode, size_t size) {
  out.put_u8(static_cast<uint8_t>(0x80 | static_cast<unsigned>(opcode)));
  if (size < 126) {
    out.put_u8(static_cast<uint8_t>(size));
  } else if (size < 65536) {
    out.put_u8(126);
    out.put_be<uint16_t>(static_cast<uint16_t>(size));
  } else {
    out.put_u8(127);
    out.put_be<uint64_t>(size);
  }
}

void unmask(bight::Chain& payload, const std::array<std::byte, 4>& key) {
  bight::Chain plain;
  const uint64_t once = bight::load_be<uint32_t>(key.data());
  uint64_t mask = once << 32 | once;
  while (!payload.empty()) {
    bight::Bytes bytes = payload.pop();
    if (const auto own = bytes.try_mutable()) {
      apply_mask(own->data(), own->data(), own->size(), mask);
    } else {
      bight::BytesBuilder copy(bytes.size());
      apply_mask(bytes.data(), copy.extend(bytes.size()), bytes.size(), mask);
      bytes = std::move(copy).freeze();
    }
    mask = std::rotl(mask, static_cast<int>(bytes.size() % 4 * 8));
    plain.push_back(std::move(bytes));
  }
  payload = std::move(plain);
}

bool is_close_code(uint16_t code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

std::string accept_key(std::string_view key) {
  const std::string digest = sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return absl::Base64Escape(digest);
}

bool WebSocketEcho::on_bytes(Connection& c) {
  while (!c.full()) {
    if (!in_frame_) {
      int status = read_frame_head(c.in, frame_);
      if (status == kNeedMore) return true;
      if (status == kComplete) status = check_head();
      if (status != kComplete) return close(c, static_cast<uint16_t>(status));
      in_frame_ = true;
    }
    // Unmasked when all of it is there: by then its blocks are no longer being read into.
    const auto missing = static_cast<size_t>(frame_.size) - payload_.size();
    payload_.push_back(c.in.split_to(std::min(missing, c.in.size())));
    lean_payload_.look(payload_);
    if (payload_.size() < frame_.size) return true;
    in_frame_ = false;
    lean_payload_ = {};
    unmask(payload_, frame_.key);
    if (!on_frame(c, std::exchange(payload_, {}))) return false;
  }
  return true;
}

int WebSocketEcho::check_head() const noexcept {
  if (frame_.opcode >= Opcode::close) return kComplete;
  if (in_message_ != (frame_.opcode == Opcode::continuation)) return kProtocolError;
  return frame_.size <= kMaxMessage - message_.size() ? kComplete : kTooLarge;
}

bool WebSocketEcho::on_frame(Connection& c, bight::Chain payload) {
  if (frame_.opcode == Opcode::close) return on_close(c, payload);
  if (frame_.opcode == Opcode::ping) {
    put_frame_head(c.out, Opcode::pong, payload.size());
    c.out.push_back(std::move(payload));
  }
  if (frame_.opcode >= Opcode::close) return true;
  if (!in_message_) {
    kind_ = frame_.opcode;
    utf8_ = {};
    lean_message_ = {};
  }
  in_message_ = !frame_.final;
  for (size_t i = 0; kind_ == Opcode::text && i < payload.segment_count(); ++i) {
    if (!utf8_.add(payload.segment(i))) return close(c, kNotText);
  }
  message_.push_back(std::move(payload));
  lean_message_.look(message_);
  if (in_message_) return true;
  if (!utf8_.at_end_of_character()) return close(c, kNotText);
  put_frame_head(c.out, kind_, message_.size());
  c.out.push_back(std::exchange(message_, {}));
  return true;
}

// Answers with the same code, or says what is wrong with it.
bool WebSocketEcho::on_close(Connection& c, const bight::Chain& payload) {
  bight::Cursor cursor(payload);
  const auto code = cursor.try_read_be<uint16_t>();
  if (!code) {
    if (!payload.empty()) return close(c, kProtocolError);
    put_frame_head(c.out, Opcode::close, 0);
    return false;
  }
  if (!is_close_code(*code)) return close(c, kProtocolError);
  Utf8 reason;
  for (; !cursor.at_end(); cursor.skip(cursor.window().size())) {
    if (!reason.add(cursor.window())) return close(c, kNotText);
  }
  return close(c, reason.at_end_of_character() ? *code : kNotText);
}

bool WebSocketEcho::close(Connection& c, uint16_t code) {
  put_frame_head(c.out, Opcode::close, 2);
  c.out.put_be<uint16_t>(code);
  return false;
}

std::unique_ptr<Handler> WebSocketHttpHandler::on_upgrade(Connection& c, const RequestHead& head,
                                                          Refusal& refusal) {
  // A list may come in several fields.
  const auto lists = [&head](std::string_view name, std::string_view word) {
    return std::any_of(head.fields.begin(), head.fields.end(), [=](const Field& field) {
      return same_word(field.name, name) && list_has(field.value, word);
    });
  };
  if (head.target != "/echo" || !lists("upgrade", "websocket")) return nullptr;
  const std::string_view key = head.find("sec-websocket-key");
  std::string nonce;
  if (head.find("sec-websocket-version") != "13") {
    refusal = {426, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"};
  } else if (head.method != "GET" || !lists("connection", "upgrade") || key.size() != 24 ||
             !absl::Base64Unescape({key.data(), key.size()}, &nonce) || nonce.size() != 16) {
    refusal = {400, ""};
  } else {
    c.out.append(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    c.out.append("Sec-WebSocket-Accept: " + accept_key(key) + "\r\n\r\n");
    return std::make_unique<WebSocketEcho>();
  }
  return nullptr;
}

}  // namespace example
