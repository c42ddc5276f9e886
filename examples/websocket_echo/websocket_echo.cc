// A server that sends WebSocket messages to /echo back, and serves files; see README.md.
#include "examples/websocket_echo/websocket.h"

int main(int argc, char** argv) {
  return example::http_main(argc, argv, "serves files, and echoes WebSocket messages at /echo",
                            example::http_factory<example::WebSocketHttpHandler>);
}
