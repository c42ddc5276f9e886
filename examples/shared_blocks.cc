// Messages share blocks: small ones stand side by side in one, and a body is in as many answers as
// one likes. Cost: a reference each, and what is kept alive can be asked for.
#include <bight/bight.h>

#include <cstring>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "support/expect.h"

using example::expect;

int main() {
  // A thousand messages of 64 bytes, taken from the builder one by one: two blocks at most.
  constexpr size_t kMessages = 1000, kSize = 64;
  bight::ChainBuilderOptions options;
  options.min_block = options.max_block = size_t{64} << 10;
  const bight::CopyAudit audit;
  bight::ChainBuilder builder(options);
  std::vector<bight::Chain> messages;
  messages.reserve(kMessages);
  for (size_t i = 0; i < kMessages; ++i) {
    std::memset(builder.prepare(kSize).data(), static_cast<int>(i), kSize);
    builder.commit(kSize);
    messages.push_back(builder.take());
  }
  const uint64_t blocks = audit.thread().blocks;
  expect(blocks == 1, "a thousand messages in one block");
  expect(audit.thread().copied == 0, "none was copied");
  const size_t one = messages[0].retained_size();
  bight::Chain all;
  for (const bight::Chain& message : messages) all.push_back(message);
  expect(all.segment_count() == 1 && all.retained_size() == one,
         "all together keep what one alone keeps");
  std::cout << kMessages << " messages in " << blocks << " block; each keeps " << one
            << " bytes alive, all together " << all.retained_size() << "\n";

  // The price of sharing: who keeps one message for long keeps its block. A compact copy does not.
  const bight::Chain kept = messages[500].compact();
  expect(kept == messages[500] && kept.retained_size() < 256, "a copy of its own, of its own size");
  expect(audit.thread().copied == kSize, "which is the only copy here");
  std::cout << "compacted, one keeps " << kept.retained_size() << " bytes; " << kSize
            << " bytes copied\n";

  // One body in a hundred answers, each with a header of its own in front. The headers share a
  // block, too. The body goes when the last answer has gone.
  bool released = false;
  {
    auto text = std::make_unique<std::string>(100000, 'x');
    const auto span = std::as_bytes(std::span(*text));
    bight::Chain body(bight::Bytes::with_release(
        span, [owner = std::move(text), &released] { released = true; }));
    const bight::CopyAudit answering;
    bight::BytesBuilder headers(100 * 8);
    std::vector<bight::Chain> answers;
    for (uint64_t i = 0; i < 100; ++i) {
      bight::Chain answer = body;
      headers.put_be<uint64_t>(i);
      answer.push_front(headers.take());
      answers.push_back(std::move(answer));
    }
    for (const bight::Chain& answer : answers) {
      expect(answer.segment_count() == 2 && answer.segment(1).data() == body.front().data(),
             "the same body");
    }
    expect(answering.thread() == bight::CopyCounts{100 * 8, 0, 1},
           "written were the headers alone, into one block");
    std::cout << answers.size() << " answers of " << answers[0].size() << " bytes; "
              << answering.thread().copied << " bytes written, " << answering.thread().blocks
              << " block made\n";
    body.clear();
    while (answers.size() > 1) answers.pop_back();
    expect(!released, "the body lives as long as the last answer");
  }
  expect(released, "and no longer");
}
