// A server of files over HTTP/1.1, with an echo of uploads; see README.md.
#include "examples/http_server/http.h"

int main(int argc, char** argv) {
  return example::http_main(argc, argv,
                            "serves files over HTTP/1.1; POST and PUT to /echo are sent back",
                            example::http_factory<example::HttpHandler>);
}
