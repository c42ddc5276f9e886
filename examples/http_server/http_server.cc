// A server of files over HTTP/1.1, with an echo of uploads; see README.md.
#include "examples/http_server/http.h"

int main(int argc, char** argv) {
  constexpr const char* kUsage = "serves files over HTTP/1.1; POST and PUT to /echo are sent back";
  return example::http_main(argc, argv, kUsage, example::http_factory<example::HttpHandler>);
}
