// SHA-1 (RFC 3174), for the handshake of WebSocket, which asks for it. For nothing that must be
// safe.
#ifndef EXAMPLES_SUPPORT_SHA1_H_
#define EXAMPLES_SUPPORT_SHA1_H_

#include <string>
#include <string_view>

namespace example {

// The 20 bytes of the digest. Copies the text once, to pad it: meant for short ones.
[[nodiscard]] std::string sha1(std::string_view text);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_SHA1_H_
